//! Paths: RFC 6901 pointers in which a segment may be `*`.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::MAX_DEPTH;

/// A segment that matches every item of an array and every value of an object.
const EACH: &str = "*";

/// An RFC 6901 pointer whose segments may be `*`: each item of an array, or each value of an object.
///
/// A field that is really called `*` cannot be named alone; no Kubernetes field is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// Unescaped.
    segments: Box<[Box<str>]>,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It is neither empty nor begins with a slash.
    #[error("{0:?} is not a path: it must be empty or begin with \"/\"")]
    NoSlash(String),
    /// A `~` that is neither `~0` nor `~1`.
    #[error("{0:?} is not a path: \"~\" is written \"~0\", and \"/\" inside a name \"~1\"")]
    Escape(String),
    /// Deeper than any object may be.
    #[error("a path has at most {MAX_DEPTH} segments, this one has {0}")]
    TooLong(usize),
}

// === impl Path ===

impl Path {
    /// Reads `/status/conditions/*/type`; the empty text is the whole document.
    ///
    /// # Errors
    /// If the text is no RFC 6901 pointer, or is too long.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Ok(Self {
                segments: Box::default(),
            });
        }
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| PathError::NoSlash(text.to_owned()))?;
        let count = rest.split('/').count();
        if count > MAX_DEPTH {
            return Err(PathError::TooLong(count));
        }
        let segments: Option<Box<[Box<str>]>> = rest.split('/').map(unescape).collect();
        Ok(Self {
            segments: segments.ok_or_else(|| PathError::Escape(text.to_owned()))?,
        })
    }

    /// All matches, in document order.
    #[must_use]
    pub fn values<'a>(&self, object: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![object];
        for segment in &self.segments {
            found = found
                .into_iter()
                .flat_map(|value| step(value, segment))
                .collect();
        }
        found
    }

    /// The first match in document order.
    #[must_use]
    pub fn first<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        first(object, &self.segments)
    }

    /// Whether a segment is `*`, so that there may be several matches.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.segments.iter().any(|segment| &**segment == EACH)
    }

    /// Whether the pointer (unescaped segments) is at or below this path.
    #[must_use]
    pub fn covers(&self, pointer: &[&str]) -> bool {
        self.segments.len() <= pointer.len()
            && self
                .segments
                .iter()
                .zip(pointer)
                .all(|(segment, name)| &**segment == EACH || &**segment == *name)
    }

    /// The segments, unescaped.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(AsRef::as_ref)
    }

    /// For [`super::prune`], which walks many paths at once.
    pub(super) fn as_slice(&self) -> &[Box<str>] {
        &self.segments
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            write!(f, "/{}", escape(segment))?;
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

/// Whether the path segment matches the name of a member or the index of an item.
pub(super) fn matches(segment: &str, name: &str) -> bool {
    segment == EACH || segment == name
}

/// A pointer as text, from unescaped segments.
#[must_use]
pub fn pointer<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> String {
    let mut text = String::new();
    for segment in segments {
        text.push('/');
        text.push_str(&escape(segment.as_ref()));
    }
    text
}

/// The index that a segment names: decimal, without sign or leading zeros, as RFC 6901 has it.
pub(super) fn index(segment: &str) -> Option<usize> {
    let plain = segment == "0"
        || (!segment.starts_with('0') && segment.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { segment.parse().ok() } else { None }
}

fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// `None` if a `~` stands alone.
fn unescape(segment: &str) -> Option<Box<str>> {
    let mut parts = segment.split('~');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = part
            .strip_prefix('0')
            .map(|rest| ('~', rest))
            .or_else(|| part.strip_prefix('1').map(|rest| ('/', rest)))?;
        text.push(sign);
        text.push_str(rest);
    }
    Some(text.into())
}

/// The values one segment below `value`.
fn step<'a>(value: &'a Value, segment: &str) -> Vec<&'a Value> {
    match value {
        Value::Object(map) if segment == EACH => map.values().collect(),
        Value::Array(items) if segment == EACH => items.iter().collect(),
        _ => child(value, segment).into_iter().collect(),
    }
}

fn child<'a>(value: &'a Value, segment: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.get(segment),
        Value::Array(items) => items.get(index(segment)?),
        _ => None,
    }
}

/// Depth-first, so that nothing is gathered. Recursion ends at [`MAX_DEPTH`], the longest path.
fn first<'a>(value: &'a Value, segments: &[Box<str>]) -> Option<&'a Value> {
    let Some((segment, rest)) = segments.split_first() else {
        return Some(value);
    };
    match value {
        Value::Object(map) if &**segment == EACH => {
            map.values().find_map(|value| first(value, rest))
        }
        Value::Array(items) if &**segment == EACH => {
            items.iter().find_map(|value| first(value, rest))
        }
        _ => first(child(value, segment)?, rest),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[test]
    fn a_star_matches_each_item_and_each_value() {
        let object =
            json!({"a": [{"b": 1}, {"c": 0}, {"b": 2}], "m": {"x": {"b": 3}, "y": {"b": 4}}});
        for (text, values) in [
            ("", vec![object.clone()]),
            ("/a/*/b", vec![json!(1), json!(2)]),
            ("/*/*/b", vec![json!(1), json!(2), json!(3), json!(4)]),
            ("/m/*/b", vec![json!(3), json!(4)]),
            ("/a/2/b", vec![json!(2)]),
            ("/a/02/b", vec![]),
            ("/a/+2/b", vec![]),
            ("/a/-", vec![]),
            ("/a/99999999999999999999", vec![]),
            ("/a/*/b/*", vec![]),
            ("/none", vec![]),
        ] {
            let found: Vec<Value> = path(text).values(&object).into_iter().cloned().collect();
            assert_eq!(found, values, "{text}");
            assert_eq!(path(text).first(&object), values.first(), "{text}");
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        assert!(matches!(Path::parse("a/b"), Err(PathError::NoSlash(_))));
        assert!(matches!(Path::parse("/a~"), Err(PathError::Escape(_))));
        assert!(matches!(Path::parse("/a~2b"), Err(PathError::Escape(_))));
        assert!(matches!(
            Path::parse(&"/a".repeat(1000)),
            Err(PathError::TooLong(1000))
        ));
    }

    #[test]
    fn a_path_covers_itself_and_what_is_below() {
        assert!(path("").covers(&[]));
        assert!(path("/status").covers(&["status", "phase"]));
        assert!(path("/status").covers(&["status"]));
        assert!(!path("/status").covers(&["statuses"]));
        assert!(!path("/status/phase").covers(&["status"]));
        assert!(path("/metadata/annotations/a.b~1c").covers(&["metadata", "annotations", "a.b/c"]));
        assert!(path("/m/*/x").covers(&["m", "any", "x", "y"]));
        assert!(path("/m/*").has_wildcard() && !path("/m/**").has_wildcard());
    }

    #[test]
    fn a_path_is_text_in_json() {
        let read: Path = serde_json::from_str("\"/a/~0~1\"").unwrap();
        assert_eq!(read.segments().collect::<Vec<_>>(), ["a", "~/"]);
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"/a/~0~1\"");
        assert!(serde_json::from_str::<Path>("\"a\"").is_err());
    }

    proptest! {
        #[test]
        fn segments_survive_text(segments in prop::collection::vec("[a~/*01]{0,4}|\\PC{0,5}", 0..6)) {
            let text = pointer(&segments);
            let read = Path::parse(&text).unwrap();
            prop_assert_eq!(read.segments().collect::<Vec<_>>(), segments);
            prop_assert_eq!(read.to_string(), text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[/~a01*]{0,12}|\\PC*") {
            if let Ok(read) = Path::parse(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
