//! Objects as rows of a table, as the printers of the real server have them.

use serde_json::{Value, json};
use stagewright_core::time::Time;

use super::Resource;

/// A `meta.k8s.io/v1` Table with a row for each object, without its own metadata: as the printers of the real server have it.
/// `object` of each row is left to the caller.
#[must_use]
pub fn table(_resource: &Resource, objects: &[Value], _now: Time) -> Value {
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| json!({"cells": [object.pointer("/metadata/name")]}))
        .collect();
    json!({"columnDefinitions": [{"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}], "rows": rows})
}
