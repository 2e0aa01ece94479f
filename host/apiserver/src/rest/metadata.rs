//! What the server itself writes into an object's metadata.

use serde_json::{Map, Value, json};
use stagewright_core::time::Time;

use crate::status::Status;

/// What no writer may set. Who owns which field is put in after all else is done.
const DROPPED: [&str; 3] = ["selfLink", MANAGED, "resourceVersion"];

/// Where the owners of the fields are told.
pub(super) const MANAGED: &str = "managedFields";

/// An object's metadata; made if it is missing.
///
/// # Errors
/// 400 if it is no object.
pub(super) fn of(object: &mut Value) -> Result<&mut Map<String, Value>, Status> {
    let shape = || Status::bad_request("metadata: an object is expected");
    let metadata = object
        .as_object_mut()
        .ok_or_else(shape)?
        .entry("metadata")
        .or_insert_with(|| json!({}));
    if metadata.is_null() {
        *metadata = json!({});
    }
    metadata.as_object_mut().ok_or_else(shape)
}

/// A text in the metadata; empty if it is not there.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    let value = object
        .get("metadata")
        .and_then(|metadata| metadata.get(field));
    value.and_then(Value::as_str).unwrap_or_default()
}

/// The finalizers, in their order.
pub(super) fn finalizers(object: &Value) -> Vec<&str> {
    let list = object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// When the object shall be gone, if that was asked for.
pub(super) fn deletion(object: &Value) -> Option<Time> {
    Time::parse(text(object, "deletionTimestamp"))
}

/// The seconds that it was given for that.
pub(super) fn grace(object: &Value) -> Option<i64> {
    object
        .pointer("/metadata/deletionGracePeriodSeconds")
        .and_then(Value::as_i64)
}

/// Fills in what a new object gets from the server.
pub(super) fn begin(metadata: &mut Map<String, Value>, uid: &str, now: Time) {
    for field in DROPPED.iter().chain(&[
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ]) {
        metadata.remove(*field);
    }
    metadata.insert("uid".to_owned(), json!(uid));
    metadata.insert("creationTimestamp".to_owned(), json!(now.to_seconds()));
}

/// Takes over what an update cannot change, or need not name (apiserver, `pkg/registry/rest/update.go`).
pub(super) fn carry(metadata: &mut Map<String, Value>, old: &Value) {
    for field in DROPPED {
        metadata.remove(field);
    }
    let old = old.get("metadata").and_then(Value::as_object);
    let before = |field: &str| {
        old.and_then(|old| old.get(field))
            .filter(|value| !value.is_null())
    };
    for field in ["generation", "creationTimestamp"] {
        match before(field) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
    if let Some(value) = before("deletionTimestamp") {
        metadata.insert("deletionTimestamp".to_owned(), value.clone());
    }
    for field in ["uid", "deletionGracePeriodSeconds"] {
        let given = metadata
            .get(field)
            .is_some_and(|value| !value.is_null() && *value != "");
        if let (false, Some(value)) = (given, before(field)) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
}

/// Takes a field out.
pub(super) fn take(object: &mut Value, field: &str) -> Option<Value> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    metadata.remove(field)
}

/// Puts the owners of the fields in.
pub(super) fn put_managed(object: &mut Value, managed: Option<&str>) {
    let list = managed.map(serde_json::from_str).transpose();
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let (Ok(Some(list)), Some(metadata)) = (list, metadata) {
        metadata.insert(MANAGED.to_owned(), list);
    }
}

/// The owners of the fields.
pub(super) fn managed(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get(MANAGED)
}

/// Puts a resourceVersion in.
pub(super) fn with_version(mut object: Value, revision: u64) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), json!(revision.to_string()));
    }
    object
}
