//! Expressions that only go down names, through lists and past what is not of a text, like
//! `.status.conditions.[] | select(.type == "Ready") | .status`: nearly all are no more, and no jq is needed to answer them.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::ops::Cmp;
use jaq_core::path::{self, Opt, Part};
use serde_json::Value as Json;

use super::{Failure, STEPS};

/// Names, from the object down.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Names(Vec<String>);

/// A way through an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// `.a.b`
    Down(Names),
    /// `.[]`
    Each,
    /// `select(.a == "text")`
    Select(Path, String),
}

// === impl Names ===

impl Names {
    /// These names.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        Self(names.iter().map(|&name| name.to_owned()).collect())
    }

    /// The last name, and those before it.
    #[must_use]
    pub fn split(&self) -> Option<(Self, &str)> {
        let (last, above) = self.0.split_last()?;
        Some((Self(above.to_vec()), last))
    }

    /// What is there; null if nothing is.
    ///
    /// # Errors
    /// If a name is asked of what has none, as jq has it.
    pub fn find<'a>(&self, object: &'a Json) -> Result<&'a Json, Failure> {
        let mut found = object;
        for name in &self.0 {
            found = match found {
                Json::Object(entries) => entries.get(name).unwrap_or(&Json::Null),
                Json::Null => return Ok(found),
                _ => return Err(Failure::Error),
            };
        }
        Ok(found)
    }
}

// === impl Path ===

impl Path {
    /// That of an expression that does nothing else.
    pub(super) fn of(term: &Term<&str>) -> Option<Self> {
        let mut path = Self::default();
        path.extend(term)?;
        Some(path)
    }

    fn extend(&mut self, term: &Term<&str>) -> Option<()> {
        match term {
            Term::Id => {}
            Term::BinOp(first, BinaryOp::Pipe(None), then) => {
                self.extend(first)?;
                self.extend(then)?;
            }
            Term::Path(from, path::Path(parts)) => {
                self.extend(from)?;
                for part in parts {
                    self.go(part)?;
                }
            }
            Term::Call("select", args) => {
                let [Term::BinOp(left, BinaryOp::Cmp(Cmp::Eq), right)] = args.as_slice() else {
                    return None;
                };
                let (path, wanted) = text(right)
                    .map(|wanted| (left, wanted))
                    .or_else(|| text(left).map(|wanted| (right, wanted)))?;
                self.0.push(Step::Select(Self::of(path)?, wanted));
            }
            _ => return None,
        }
        Some(())
    }

    fn go(&mut self, part: &(Part<Term<&str>>, Opt)) -> Option<()> {
        match part {
            (Part::Index(name), Opt::Essential) => {
                let name = text(name)?;
                match self.0.last_mut() {
                    Some(Step::Down(names)) => names.0.push(name),
                    _ => self.0.push(Step::Down(Names(vec![name]))),
                }
            }
            (Part::Range(None, None), Opt::Essential) => self.0.push(Step::Each),
            _ => return None,
        }
        Some(())
    }

    /// The names, if there is nothing else on the way.
    #[must_use]
    pub fn names(&self) -> Option<&Names> {
        match self.0.as_slice() {
            [Step::Down(names)] => Some(names),
            _ => None,
        }
    }

    /// All that is at its end; nulls too.
    ///
    /// # Errors
    /// If a step cannot be taken from one of the values, as jq has it, or there are too many of them.
    pub fn find<'a>(&self, object: &'a Json) -> Result<Vec<&'a Json>, Failure> {
        let mut left = STEPS;
        self.walk(object, &mut left)
    }

    fn walk<'a>(&self, object: &'a Json, left: &mut u32) -> Result<Vec<&'a Json>, Failure> {
        let mut found = vec![object];
        for step in &self.0 {
            let mut next = Vec::new();
            for value in found {
                match step {
                    Step::Down(names) => next.push(names.find(value)?),
                    Step::Each => match value {
                        Json::Array(items) => next.extend(items),
                        Json::Object(entries) => next.extend(entries.values()),
                        _ => return Err(Failure::Error),
                    },
                    // It passes once for each that is equal.
                    Step::Select(path, wanted) => {
                        let compared = path.walk(value, left)?.into_iter();
                        let equal = compared.filter(|found| *found == wanted.as_str());
                        next.extend(equal.map(|_| value));
                    }
                }
                let passed = u32::try_from(next.len()).unwrap_or(u32::MAX);
                if passed > *left {
                    return Err(Failure::Endless);
                }
            }
            *left = left.saturating_sub(u32::try_from(next.len()).unwrap_or(u32::MAX));
            found = next;
        }
        Ok(found)
    }
}

/// A text without anything in it that is reckoned.
fn text(term: &Term<&str>) -> Option<String> {
    match term {
        Term::Str(None, parts) => match parts.as_slice() {
            [] => Some(String::new()),
            [StrPart::Str(text)] => Some((*text).to_owned()),
            _ => None,
        },
        _ => None,
    }
}
