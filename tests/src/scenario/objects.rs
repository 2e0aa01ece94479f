//! Objects as users write them, and what tests read in them.

use serde_json::{Value, json};
use stagewright_core::json::At as _;

/// A node as a user writes it for a simulation, with one label to select it by.
#[must_use]
pub fn node(name: &str, group: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"group": group, "kubernetes.io/hostname": name}}})
}

/// A pod of one container, bound to a node.
#[must_use]
pub fn pod(namespace: &str, name: &str, node: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "example.com/main:1"}]}})
}

/// The string at a JSON pointer, or an empty one.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .at(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The object's name.
#[must_use]
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// The object's uid.
#[must_use]
pub fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// `status.phase`.
#[must_use]
pub fn phase(object: &Value) -> &str {
    text(object, "/status/phase")
}

/// The object's resourceVersion as a number; 0 if it has none.
#[must_use]
pub fn version(object: &Value) -> u64 {
    text(object, "/metadata/resourceVersion")
        .parse()
        .unwrap_or_default()
}

/// Whether a condition is True.
#[must_use]
pub fn is_true(object: &Value, condition: &str) -> bool {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|item| text(item, "/type") == condition && text(item, "/status") == "True")
}

/// A kind of `example.com/v1` whose spec and status are free, with a status of its own.
#[must_use]
pub fn custom_kind(name: &str) -> Value {
    let lower = name.to_lowercase();
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = json!({"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": free, "status": free}}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{lower}s.example.com")},
        "spec": {"group": "example.com", "scope": "Namespaced", "versions": [version],
            "names": {"kind": name, "plural": format!("{lower}s"), "singular": lower, "listKind": format!("{name}List")}}})
}

/// Sets a field of the object's part (`metadata`, `spec`).
pub fn set(object: &mut Value, part: &str, field: &str, value: Value) {
    if let Some(part) = object.get_mut(part).and_then(Value::as_object_mut) {
        part.insert(field.to_owned(), value);
    }
}

/// The annotation that overrides a stage's delay, as KWOK's general stages read it.
#[must_use]
pub fn delay_annotation(stage: &str) -> String {
    format!("{stage}.stage.kwok.x-k8s.io/delay")
}
