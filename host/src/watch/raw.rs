//! An object as JSON, read once: kube's watcher sees the resourceVersion, the snapshot gets the tree.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::Deserializer;
use serde::de::{Deserialize, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use stagewright_core::json::At as _;

/// See the module's text.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    meta: ObjectMeta,
    pub(super) body: Value,
}

impl Resource for Raw {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = Object {
            without: None,
            inside: Some("metadata"),
        }
        .deserialize(deserializer)?;
        let version = body.at("/metadata/resourceVersion").and_then(Value::as_str);
        let meta = ObjectMeta {
            resource_version: version.map(str::to_owned),
            ..ObjectMeta::default()
        };
        Ok(Self { meta, body })
    }
}

/// Reads a JSON object but for `metadata.managedFields`: often half of the text, and never made into a tree.
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
    use kube::ResourceExt as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn all_but_managed_fields_is_kept() {
        let text = r#"{"metadata": {"name": "a", "managedFields": [{"manager": "x"}], "resourceVersion": "7"},
            "spec": {"managedFields": 1, "metadata": {"managedFields": 2}}, "status": null}"#;
        let raw: Raw = serde_json::from_str(text).unwrap();
        assert_eq!(raw.resource_version().as_deref(), Some("7"));
        assert_eq!(
            raw.body,
            json!({"metadata": {"name": "a", "resourceVersion": "7"},
                "spec": {"managedFields": 1, "metadata": {"managedFields": 2}}, "status": null})
        );
        assert!(serde_json::from_str::<Raw>("[]").is_err());
        assert!(serde_json::from_str::<Raw>(r#"{"metadata": 1}"#).is_err());
    }
}
