//! Short ways to read an object in its normal form, where what is missing is zero.

use serde_json::{Map, Value, json};
use stagewright_core::json::At as _;

/// What `null` and a missing value are read as.
static NULL: Value = Value::Null;

/// The value at a JSON pointer; null if it is not there.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.at(pointer).unwrap_or(&NULL)
}

/// The text at a JSON pointer; empty if it is not there.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).as_str().unwrap_or_default()
}

/// The number at a JSON pointer, if it is there.
pub(super) fn int(value: &Value, pointer: &str) -> Option<i64> {
    at(value, pointer).as_i64()
}

/// Whether there is `true` at a JSON pointer.
pub(super) fn is_true(value: &Value, pointer: &str) -> bool {
    at(value, pointer).as_bool() == Some(true)
}

/// The list at a JSON pointer; empty if it is not there.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer).as_array().map_or(&[], Vec::as_slice)
}

/// The list at a JSON pointer, with the place of each element as errors have it.
pub(super) fn items<'a>(
    value: &'a Value,
    pointer: &str,
    path: &str,
) -> impl Iterator<Item = (String, &'a Value)> + use<'a> {
    let path = path.to_owned();
    let list = list(value, pointer).iter().enumerate();
    list.map(move |(index, item)| (format!("{path}[{index}]"), item))
}

/// The entries of the map at a JSON pointer.
pub(super) fn entries<'a>(
    value: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
    let map = at(value, pointer).as_object();
    map.into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value))
}

/// The object under that name, made if it is missing. What is no object there is replaced; decoding has refused it before.
pub(super) fn section<'a>(
    map: &'a mut Map<String, Value>,
    name: &str,
) -> &'a mut Map<String, Value> {
    let value = map.entry(name).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    // It was just made one; the borrow checker has no word for that, and the empty map of the other arm is never made.
    value
        .as_object_mut()
        .unwrap_or_else(|| Box::leak(Box::default()))
}

/// Takes a top-level field over from another object; it goes if it is not there.
pub(super) fn take_over(map: &mut Map<String, Value>, from: &Value, field: &str) {
    match from.get(field) {
        Some(value) => map.insert(field.to_owned(), value.clone()),
        None => map.remove(field),
    };
}

/// Sets what is missing.
pub(super) fn fill(map: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    if !map.contains_key(field) {
        map.insert(field.to_owned(), value.into());
    }
}

/// The text of a field; empty if it is not there.
pub(super) fn text_of<'a>(map: &'a Map<String, Value>, field: &str) -> &'a str {
    map.get(field).and_then(Value::as_str).unwrap_or_default()
}
