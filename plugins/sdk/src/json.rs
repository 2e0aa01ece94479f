//! JSON that is read once, and only as far as it is needed.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde_json::Value;

/// The object a plugin is asked about.
pub type Object = Json;
/// A plugin's settings; `{}` if there are none.
pub type Settings = Json;

/// JSON text. Read it as a type of one's own ([`Json::parse`]: the cheapest, since only what the type names is kept), or as a tree: it
/// dereferences to [`Value`].
///
/// ```
/// # use stagewright_plugin::{Object, json};
/// # use serde::Deserialize;
/// let pod = Object::from(json!({"status": {"phase": "Running"}}));
/// assert_eq!(pod["status"]["phase"], "Running");
/// assert_eq!(pod.text_at("/status/phase"), Some("Running"));
///
/// #[derive(Deserialize)]
/// struct Pod<'a> {
///     #[serde(borrow)]
///     status: Status<'a>,
/// }
/// #[derive(Deserialize)]
/// struct Status<'a> {
///     phase: &'a str,
/// }
/// assert_eq!(pod.parse::<Pod<'_>>().unwrap().status.phase, "Running");
/// ```
pub struct Json {
    text: String,
    tree: OnceCell<Result<Value, String>>,
}

static NOTHING: Value = Value::Null;

impl Json {
    /// Takes a text, which is not looked at yet.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self {
            text,
            tree: OnceCell::new(),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, as it was taken.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// Reads it as a type, which may borrow strings from it. A borrowed `&str` takes no string with escapes: use `Cow<str>` with
    /// `#[serde(borrow)]` where a user writes the text.
    ///
    /// # Errors
    /// If it is not JSON, or not of that shape.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        serde_json::from_str(&self.text).map_err(|error| error.to_string())
    }

    /// The value at a JSON pointer (RFC 6901).
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.pointer(pointer)
    }

    /// The string at a JSON pointer.
    #[must_use]
    pub fn text_at(&self, pointer: &str) -> Option<&str> {
        self.pointer(pointer)?.as_str()
    }

    /// The items at a JSON pointer; none if there is no list.
    pub fn items_at<'a>(&'a self, pointer: &str) -> impl Iterator<Item = &'a Value> {
        let items = self.pointer(pointer).and_then(Value::as_array);
        items.into_iter().flatten()
    }

    /// What was wrong with the text when somebody read the tree.
    pub(crate) fn problem(&self) -> Option<&str> {
        let error = self.tree.get()?.as_ref().err()?;
        Some(error.as_str())
    }
}

/// A text that is not JSON reads as null; [`crate::export!`] turns that into the plugin's error, whatever it made of the null.
impl Deref for Json {
    type Target = Value;

    fn deref(&self) -> &Value {
        let tree = self
            .tree
            .get_or_init(|| serde_json::from_str(&self.text).map_err(|error| error.to_string()));
        tree.as_ref().unwrap_or(&NOTHING)
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self {
            text: value.to_string(),
            tree: OnceCell::from(Ok(value)),
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_reads_as_null_and_is_known_to_be_none() {
        let json = Json::new("{not json".to_owned());
        assert_eq!(json.problem(), None);
        assert_eq!(json.at("/metadata"), None);
        assert_eq!(json.items_at("/metadata").count(), 0);
        assert!(json.problem().unwrap().contains("line 1"), "{json:?}");
        assert!(json.parse::<Value>().is_err());
    }
}
