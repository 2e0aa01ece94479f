//! Field selectors.

use serde_json::Value;

use super::Resource;

/// The fields that field selectors may name, beside `metadata.name` and `metadata.namespace`, with their values in this object.
#[must_use]
pub fn selectable_fields(resource: &Resource, object: &Value) -> Vec<(Box<str>, Box<str>)> {
    if let Some(definition) = &resource.definition {
        return definition.selectable(object);
    }
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match &*resource.kind {
        "Pod" => vec![
            ("spec.nodeName".into(), text("/spec/nodeName").into()),
            ("status.phase".into(), text("/status/phase").into()),
        ],
        _ => Vec::new(),
    }
}

/// Whether a field selector may name this field, beside `metadata.name` and `metadata.namespace`.
#[must_use]
pub fn is_selectable(resource: &Resource, field: &str) -> bool {
    selectable_fields(resource, &Value::Null)
        .iter()
        .any(|(name, _)| &**name == field)
}
