//! An object as JSON, read once: kube's watcher sees the resourceVersion, the snapshot gets the tree.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use stagewright_core::json::{At as _, Lean};

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
        let Lean(body) = Lean::deserialize(deserializer)?;
        let version = body.at("/metadata/resourceVersion").and_then(Value::as_str);
        let meta = ObjectMeta {
            resource_version: version.map(str::to_owned),
            ..ObjectMeta::default()
        };
        Ok(Self { meta, body })
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_version_is_seen_beside_the_tree() {
        let text = r#"{"metadata": {"name": "a", "managedFields": [], "resourceVersion": "7"}}"#;
        let raw: Raw = serde_json::from_str(text).unwrap();
        assert_eq!(raw.resource_version().as_deref(), Some("7"));
        assert_eq!(
            raw.body,
            json!({"metadata": {"name": "a", "resourceVersion": "7"}})
        );
    }
}
