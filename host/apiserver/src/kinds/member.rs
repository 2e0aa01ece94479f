//! Members of an object by their names, where what is missing is zero.

use serde_json::Value;

/// A member as text; empty if it is not there.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A member as a list; empty if it is not there.
pub(super) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Whether a member is true.
pub(super) fn flag(value: &Value, field: &str) -> bool {
    value.get(field).is_some_and(|value| *value == true)
}
