//! Go's `text/template`: what is written is split into tokens (`lex`), made into a tree (`parse`), and walked over an object (`exec`).
//! Functions are found when a template is parsed, so that a wrong name is known before the first object comes.

mod call;
mod exec;
mod lex;
mod node;
mod number;
mod parse;
mod pipeline;
mod wanted;

use std::fmt;

use litemap::LiteMap;
use serde_json::Value as Json;

pub use number::integer;

use node::Node;
pub use wanted::Wanted;

use crate::function::{Found, Surroundings};

/// What went wrong, and in which line of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// A parsed template, with those that it defines.
#[derive(Debug)]
pub struct Template {
    root: Vec<Node>,
    defined: LiteMap<String, Vec<Node>>,
    wanted: Wanted,
}

/// The longest text a template may make. A patch that is longer could not be sent anyway.
pub const LONGEST: usize = 1024 * 1024;

impl Template {
    /// Parses. White space around the template does not count. `find` knows the functions by name.
    ///
    /// # Errors
    /// If the template has a mistake.
    pub fn parse(text: &str, find: &dyn Fn(&str) -> Found) -> Result<Self, Error> {
        let skipped = text.len() - text.trim_start().len();
        let lines = text
            .get(..skipped)
            .unwrap_or_default()
            .matches('\n')
            .count();
        parse::parse(text.trim(), find).map_err(|error| Error {
            line: error.line + lines,
            ..error
        })
    }

    /// What of its object it looks at.
    #[must_use]
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Runs over an object.
    ///
    /// # Errors
    /// If something in it fails, or the text grows too long.
    pub fn render(&self, object: &Json, around: &dyn Surroundings) -> Result<String, Error> {
        // `set` changes maps for all who hold them: each rendering has its own.
        exec::render(self, &self.wanted.of(object), around)
    }
}

impl Error {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for Error {}
