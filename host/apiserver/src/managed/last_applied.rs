//! The annotation of client-side apply, for who goes over to server-side apply (apimachinery,
//! `pkg/util/managedfields/internal/lastapplied*.go`). Only the manager `kubectl` is meant.

use serde_json::{Map, Value};

use super::compare::Changes;
use super::set::Set;
use super::types::Typed;
use super::walk;

/// Where `kubectl apply` notes what it applied.
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn annotations(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = object.get_mut("metadata")?;
    metadata.get_mut("annotations")?.as_object_mut()
}

fn noted(object: &Value) -> Option<&str> {
    let annotations = object.pointer("/metadata/annotations")?;
    let text = annotations.get(ANNOTATION)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// What the client applied and is still so, in this version.
pub(super) fn owned(typed: Typed<'_>, api_version: &str, object: &Value) -> Option<Set> {
    let config: Value = serde_json::from_str(noted(object)?).ok()?;
    let version = config.get("apiVersion").and_then(Value::as_str);
    if version != Some(api_version) || walk::check(typed, &config).is_some() {
        return None;
    }
    let changes = Changes::between(typed, &config, object);
    let owned = walk::paths(typed, &config)
        .without(&changes.modified)
        .without(&changes.added)
        .without(&changes.removed);
    Some(owned)
}

/// Keeps the annotation of an object up to date with what was applied to it.
pub(crate) fn note(object: &mut Value, config: &Value) {
    if noted(object).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = annotations(&mut config) {
        annotations.remove(ANNOTATION);
    }
    if let Some(annotations) = annotations(object) {
        annotations.insert(ANNOTATION.to_owned(), Value::String(format!("{config}\n")));
    }
}
