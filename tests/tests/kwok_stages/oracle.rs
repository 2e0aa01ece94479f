//! KWOK's packages, in a program of their own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value as Json;
use stagewright_tests::programs::{Program, program};

/// The running program.
pub struct Oracle {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// What it says of one thing.
#[derive(Debug)]
pub enum Answer {
    /// A text.
    Value(String),
    /// Anything else.
    Json(Json),
    /// It failed.
    Error(String),
}

impl Oracle {
    /// Builds and starts it.
    pub fn start() -> Result<Self> {
        let mut child = Command::new(program(Program::KwokStages)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the oracle")?;
        let stdin = child.stdin.take().context("its stdin")?;
        let stdout = BufReader::new(child.stdout.take().context("its stdout")?);
        Ok(Self {
            child,
            stdin,
            stdout,
        })
    }

    /// Asks.
    pub fn ask(&mut self, question: &Json) -> Result<Json> {
        writeln!(self.stdin, "{question}")?;
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        serde_json::from_str(&line)
            .with_context(|| format!("the oracle on {question} says {line:?}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It ends with its input; a test that failed does not wait for it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Answer {
    /// Reads it.
    pub fn of(answer: &Json) -> Self {
        match (
            answer.get("error").and_then(Json::as_str),
            answer.get("value"),
        ) {
            (Some(error), _) if !error.is_empty() => Self::Error(error.to_owned()),
            (_, Some(Json::String(text))) => Self::Value(text.clone()),
            (_, value) => Self::Json(value.cloned().unwrap_or(Json::Null)),
        }
    }

    /// Whether it failed.
    pub fn kind(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// The text.
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Value(text) => Some(text),
            _ => None,
        }
    }
}
