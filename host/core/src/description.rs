//! What a plugin declares of itself: the JSON that `configure` returns.

mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::json::Path;
use crate::object::Kind;
use crate::order::DeclaredOrder;
use crate::selector::Selector;

/// The version of the description that this host reads.
pub const SCHEMA: &str = "stagewright.dev/description/v1";
/// The longest description, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// Stages are metric labels, so there are few.
pub const MAX_STAGES: usize = 64;
/// Relations of one subject.
pub const MAX_RELATIONS: usize = 8;
/// Related objects of one relation, and what they are if the relation does not say.
pub const MAX_RELATED: usize = 256;
/// The longest plugin name, so that `stagewright.dev/<name>.<key>` leaves room for a key.
pub const MAX_NAME: usize = 40;

/// A plugin's description, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// A DNS label; part of annotation keys and metric labels.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// Every stage that `decide` may answer.
    pub stages: BTreeSet<String>,
    /// Abilities the host must have. Kept as they are: the host refuses what it does not know.
    pub requires: Vec<String>,
    /// Kinds of other objects that plays may create, change or remove.
    pub applies: Vec<Applies>,
    /// What is followed. Within a plugin the first subject that matches has the object.
    pub subjects: Vec<Subject>,
    /// Items of the settings that were left out.
    pub problems: Vec<Problem>,
}

/// A kind of other objects that plays may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applies {
    /// The kind.
    pub kind: Kind,
    /// Whether objects that somebody else made may be changed.
    pub adopt: bool,
}

/// A kind of objects that the plugin moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The kind.
    pub kind: Kind,
    /// Which of them, by label.
    pub selector: Selector,
    /// What `decide` sees, and what asks it again when it changes.
    pub reads: Vec<Path>,
    /// Times that mark the beginning of a stay.
    pub since: Vec<Path>,
    /// What `play` sees; none: the whole object.
    pub play_reads: Option<Vec<Path>>,
    /// What patches may change. No wildcards.
    pub writes: Vec<Path>,
    /// Facts wanted in the context.
    pub facts: Vec<FactName>,
    /// Objects wanted in the context.
    pub relations: Vec<Relation>,
    /// How the kind moves forward, for kinds the host has no order for.
    pub order: Option<Arc<DeclaredOrder>>,
}

/// A fact that the host knows beside the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FactName {
    /// Host and pod addresses.
    Addresses,
    /// The last failure for good of a play.
    Failure,
}

/// An item of the settings that the plugin left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the settings.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// Objects that belong to a subject in the plugin's eyes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The key in the context's `related`.
    pub name: String,
    /// Their kind.
    pub kind: Kind,
    /// How they are found.
    pub by: By,
    /// What is seen of each.
    pub reads: Vec<Path>,
    /// How many there may be; more is an error, never a cut.
    pub max: usize,
}

/// How related objects are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// By the names at this path of the subject, in its namespace or in none.
    Name(Path),
    /// The subject's owners.
    Owner,
    /// What the subject owns.
    Owned,
    /// In the subject's namespace or in none, those whose label has a value that stands at this path of the subject.
    Label {
        /// The label's key.
        label: String,
        /// Where the subject says its value.
        value: Path,
    },
}

/// Why a description is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// Longer than [`MAX_BYTES`].
    #[error(
        "the description is {0} bytes long, and at most {MAX_BYTES} are taken: shorten reads, relations and orders"
    )]
    TooLarge(usize),
    /// Not JSON.
    #[error("the description is no JSON ({0}): configure must return one JSON object")]
    NoJson(String),
    /// A field is missing, unknown, or has a wrong value.
    #[error("description{path}: {problem}")]
    Field {
        /// A JSON pointer; empty for the whole description.
        path: String,
        /// What is wrong, and what to write instead.
        problem: String,
    },
}

// === impl Description ===

impl Description {
    /// Reads what `configure` returned.
    ///
    /// # Errors
    /// If it is too long, no JSON, or a field is missing, unknown or has a wrong value; the error names the field.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        parse::description(text)
    }

    /// The first subject of that kind whose selector matches the labels (`metadata.labels`, or none).
    #[must_use]
    pub fn subject_for(&self, kind: &Kind, labels: Option<&Value>) -> Option<&Subject> {
        self.subjects
            .iter()
            .find(|subject| subject.kind == *kind && subject.selector.matches(labels))
    }
}

impl FactName {
    /// As a description writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Failure => "failure",
        }
    }
}

impl DescriptionError {
    /// The bounded word for metrics and conditions.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "TooLarge",
            Self::NoJson(_) => "NoJson",
            Self::Field { .. } => "InvalidField",
        }
    }
}
