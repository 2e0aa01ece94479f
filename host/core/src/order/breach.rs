//! What is said of a move that is backward, and of bookkeeping that was put right.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// The longest text of a value in a [`Breach`] or [`Mend`], in characters; they end up in Events.
const LONGEST: usize = 64;

/// One way in which a move is backward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// The rule: a word of a bounded set, for metrics.
    pub rule: &'static str,
    /// Where in the object.
    pub path: String,
    /// What stands there.
    pub from: String,
    /// What would.
    pub to: String,
}

/// One piece of bookkeeping that a plugin had wrong and the host put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mend {
    /// The rule: a word of a bounded set, for metrics.
    pub rule: &'static str,
    /// Where in the object.
    pub path: String,
    /// What the plugin wanted there.
    pub from: String,
    /// What stands there instead.
    pub to: String,
}

// === impl Breach ===

impl Breach {
    pub(crate) fn new(
        rule: &'static str,
        path: impl Into<String>,
        from: impl fmt::Display,
        to: impl fmt::Display,
    ) -> Self {
        let (from, to) = (clip(from.to_string()), clip(to.to_string()));
        Self {
            rule,
            path: path.into(),
            from,
            to,
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule,
            path,
            from,
            to,
        } = self;
        write!(f, "{rule} at {path}: {from} → {to}")
    }
}

// === impl Mend ===

impl Mend {
    pub(crate) fn new(
        rule: &'static str,
        path: impl Into<String>,
        from: Option<&Value>,
        to: Option<&Value>,
    ) -> Self {
        Self {
            rule,
            path: path.into(),
            from: text(from),
            to: text(to),
        }
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule,
            path,
            from,
            to,
        } = self;
        write!(f, "{rule} at {path}: {to}, not {from}")
    }
}

/// A value as a user reads it: strings bare, nothing as a dash.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => clip(text.clone()),
        Some(other) => clip(other.to_string()),
    }
}

fn clip(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None if text.is_empty() => "-".to_owned(),
        None => text,
    }
}
