//! Kubernetes label selectors, equality- and set-based.

mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// A label selector: all its requirements hold. Equal selectors are equal however they were written.
///
/// The rules are those of `k8s.io/apimachinery/pkg/labels`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Selector {
    requirements: BTreeSet<Requirement>,
}

/// What is asked of one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Requirement {
    key: Box<str>,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Test {
    Exists,
    Missing,
    In(BTreeSet<Box<str>>),
    /// Holds without the key, too.
    NotIn(BTreeSet<Box<str>>),
    Above(i64),
    Below(i64),
}

/// Why a text or a LabelSelector is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// The text does not follow the grammar.
    #[error("selector {text:?}, at character {position}: {expected} is expected, not {found}")]
    Syntax {
        /// The whole text.
        text: String,
        /// Counted from 1.
        position: usize,
        /// What may stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A key, a value or a number that may not stand in a selector.
    #[error("selector {text:?}, at character {position}: {problem}")]
    Word {
        /// The whole text.
        text: String,
        /// Counted from 1.
        position: usize,
        /// What is wrong with it.
        problem: WordError,
    },
    /// A LabelSelector object of another shape.
    #[error("selector{path}: {problem}")]
    Shape {
        /// The JSON pointer inside the selector.
        path: String,
        /// What is wrong there, and what is expected.
        problem: String,
    },
}

/// Why a word is no label key, label value or number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordError {
    /// Not a qualified name.
    #[error(
        "{0:?} is no label key: write NAME or DNS-PREFIX/NAME, the name at most 63 letters, digits, \"-\", \"_\" and \".\""
    )]
    Key(String),
    /// Not a label value.
    #[error(
        "{0:?} is no label value: at most 63 letters, digits, \"-\", \"_\" and \".\", beginning and ending with a letter or digit"
    )]
    Value(String),
    /// Not an integer.
    #[error("{0:?} is no integer, which \">\" and \"<\" need")]
    Number(String),
}

// === impl Selector ===

impl Selector {
    /// The selector that matches all objects.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Reads `a=b,c in (d,e),!f`. The empty text matches everything.
    ///
    /// # Errors
    /// If the text does not follow the grammar; the error names the character.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::text(text).map(|requirements| Self { requirements })
    }

    /// Reads `metav1.LabelSelector`: `{"matchLabels": {…}, "matchExpressions": [{"key", "operator", "values"}]}`. The empty
    /// object matches everything.
    ///
    /// # Errors
    /// If it has another shape; the error names the place.
    pub fn from_label_selector(selector: &Value) -> Result<Self, SelectorError> {
        parse::label_selector(selector).map(|requirements| Self { requirements })
    }

    /// Whether labels (or annotations) match: a JSON object of strings, or none.
    #[must_use]
    pub fn matches(&self, map: Option<&Value>) -> bool {
        self.matches_by(|key| map.and_then(|map| map.get(key)).and_then(Value::as_str))
    }

    /// Whether what `value` answers for each key matches: for labels that are kept in another form.
    #[must_use]
    pub fn matches_by<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.test.holds(value(&requirement.key)))
    }

    /// Whether it matches all objects.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Missing => value.is_none(),
            Self::In(values) => value.is_some_and(|value| values.contains(value)),
            Self::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Self::Above(bound) => number().is_some_and(|number| number > *bound),
            Self::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{requirement}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let set = |values: &BTreeSet<Box<str>>| {
            values
                .iter()
                .map(AsRef::as_ref)
                .collect::<Vec<&str>>()
                .join(",")
        };
        match &self.test {
            Test::Exists => write!(f, "{key}"),
            Test::Missing => write!(f, "!{key}"),
            Test::In(values) if values.len() == 1 => write!(f, "{key}={}", set(values)),
            Test::In(values) => write!(f, "{key} in ({})", set(values)),
            Test::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", set(values)),
            Test::NotIn(values) => write!(f, "{key} notin ({})", set(values)),
            Test::Above(bound) => write!(f, "{key}>{bound}"),
            Test::Below(bound) => write!(f, "{key}<{bound}"),
        }
    }
}

/// Whether the text is a label key: an optional DNS subdomain and a slash, then a name (`IsQualifiedName` in
/// apimachinery/pkg/util/validation).
pub(crate) fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        None => !text.is_empty() && is_value(text),
        Some((prefix, name)) => is_subdomain(prefix) && !name.is_empty() && is_value(name),
    }
}

/// Whether the text is a label value; the empty one is.
pub(crate) fn is_value(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.len() <= 63
        && text.bytes().all(inner)
        && edge(text.bytes().next())
        && edge(text.bytes().last())
}

/// Whether the text is an RFC 1123 label.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let edge = |byte: Option<u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 63
        && text.bytes().all(inner)
        && edge(text.bytes().next())
        && edge(text.bytes().last())
}

/// Kubernetes bounds the whole at 253 bytes, and a part not at all.
fn is_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte != b'-');
        part.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && edge(part.bytes().next())
            && edge(part.bytes().last())
    };
    text.len() <= 253 && text.split('.').all(part)
}
