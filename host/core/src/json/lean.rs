//! Reading an object without what nobody here looks at.

use std::fmt;

use serde::Deserializer;
use serde::de::{Deserialize, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON object but for its `metadata.managedFields`: often half of the text, and never made into a tree.
#[derive(Debug, Clone)]
pub struct Lean(pub Value);

impl<'de> Deserialize<'de> for Lean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Object {
            without: None,
            inside: Some("metadata"),
        };
        object.deserialize(deserializer).map(Self)
    }
}

/// One level of it.
struct Object {
    /// The key that is left out here.
    without: Option<&'static str>,
    /// The key below which `managedFields` is left out.
    inside: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Object {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if self.without == Some(key.as_str()) {
                entries.next_value::<IgnoredAny>()?;
            } else if self.inside == Some(key.as_str()) {
                let value = entries.next_value_seed(Object {
                    without: Some("managedFields"),
                    inside: None,
                })?;
                object.insert(key, value);
            } else {
                object.insert(key, entries.next_value()?);
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_but_managed_fields_is_kept() {
        let text = r#"{"metadata": {"name": "a", "managedFields": [{"manager": "x"}], "resourceVersion": "7"},
            "spec": {"managedFields": 1, "metadata": {"managedFields": 2}}, "status": null}"#;
        let Lean(body) = serde_json::from_str(text).unwrap();
        assert_eq!(
            body,
            json!({"metadata": {"name": "a", "resourceVersion": "7"},
                "spec": {"managedFields": 1, "metadata": {"managedFields": 2}}, "status": null})
        );
        assert!(serde_json::from_str::<Lean>("[]").is_err());
        assert!(serde_json::from_str::<Lean>(r#"{"metadata": 1}"#).is_err());
    }
}
