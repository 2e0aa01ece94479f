//! Expressions that only go down names, like `.status.phase`: most are, and no jq is needed to answer them.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::Term;
use jaq_core::path::{Opt, Part, Path};
use serde_json::Value as Json;

use super::Failure;

/// Names, from the object down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Names(Vec<String>);

impl Names {
    /// These names.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        Self(names.iter().map(|&name| name.to_owned()).collect())
    }

    /// Those of an expression that does nothing else.
    pub(super) fn of(term: &Term<&str>) -> Option<Self> {
        let Term::Path(inner, Path(parts)) = term else {
            return None;
        };
        if !matches!(**inner, Term::Id) {
            return None;
        }
        let name = |(part, opt): &(Part<Term<&str>>, Opt)| match (part, opt) {
            (Part::Index(Term::Str(None, name)), Opt::Essential) => match name.as_slice() {
                [StrPart::Str(name)] => Some((*name).to_owned()),
                _ => None,
            },
            _ => None,
        };
        parts.iter().map(name).collect::<Option<_>>().map(Self)
    }

    /// The last name, and those before it.
    #[must_use]
    pub fn split(&self) -> Option<(Self, &str)> {
        let (last, above) = self.0.split_last()?;
        Some((Self(above.to_vec()), last))
    }

    /// What is there; a null is nothing.
    ///
    /// # Errors
    /// If a name is asked of what has none, as jq has it.
    pub fn find<'a>(&self, object: &'a Json) -> Result<Option<&'a Json>, Failure> {
        let mut found = object;
        for name in &self.0 {
            found = match found {
                Json::Object(entries) => match entries.get(name) {
                    Some(entry) => entry,
                    None => return Ok(None),
                },
                Json::Null => return Ok(None),
                _ => return Err(Failure::Error),
            };
        }
        Ok((!found.is_null()).then_some(found))
    }
}
