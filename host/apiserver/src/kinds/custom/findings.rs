//! Paths of fields, and errors in the words of apimachinery (`pkg/util/validation/field`).

use serde_json::Value;

pub(super) use crate::kinds::member::{flag, list, text};
use crate::status::{FieldError, FieldErrorSort};

/// What stands for a path that leads nowhere.
pub(super) const NOWHERE: &str = "<nil>";

/// `spec` and `color`: `spec.color`.
pub(super) fn child(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

/// `properties` and `spec`: `properties[spec]`.
pub(super) fn key(path: &str, key: &str) -> String {
    format!("{path}[{key}]")
}

/// `parts` and 1: `parts[1]`.
pub(super) fn index(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

fn error(sort: FieldErrorSort, field: &str, words: &str, detail: &str) -> FieldError {
    let body = match detail {
        "" => words.to_owned(),
        _ => format!("{words}: {detail}"),
    };
    FieldError {
        sort,
        field: field.to_owned(),
        body,
    }
}

pub(super) fn invalid(field: &str, value: &Value, detail: &str) -> FieldError {
    let words = format!("Invalid value: {value}");
    error(FieldErrorSort::Invalid, field, &words, detail)
}

/// Where the value is too much to be shown.
pub(super) fn invalid_somehow(field: &str, detail: &str) -> FieldError {
    error(FieldErrorSort::Invalid, field, "Invalid value", detail)
}

pub(super) fn type_invalid(field: &str, value: &Value, detail: &str) -> FieldError {
    let words = format!("Invalid value: {value}");
    error(FieldErrorSort::TypeInvalid, field, &words, detail)
}

pub(super) fn required(field: &str, detail: &str) -> FieldError {
    error(FieldErrorSort::Required, field, "Required value", detail)
}

pub(super) fn forbidden(field: &str, detail: &str) -> FieldError {
    error(FieldErrorSort::Forbidden, field, "Forbidden", detail)
}

pub(super) fn duplicate(field: &str, value: &Value) -> FieldError {
    let words = format!("Duplicate value: {value}");
    error(FieldErrorSort::Duplicate, field, &words, "")
}

pub(super) fn too_long(field: &str, most: u64) -> FieldError {
    let detail = format!("may not be more than {most} bytes");
    error(FieldErrorSort::TooLong, field, "Too long", &detail)
}

pub(super) fn too_many(field: &str, there: usize, most: u64) -> FieldError {
    let words = format!("Too many: {there}");
    let detail = format!("must have at most {most} items");
    error(FieldErrorSort::TooMany, field, &words, &detail)
}

pub(super) fn not_supported(field: &str, value: &Value, supported: &[Value]) -> FieldError {
    let words = format!("Unsupported value: {value}");
    let names: Vec<String> = supported
        .iter()
        .map(|value| match value {
            Value::String(_) => value.to_string(),
            other => format!("\"{other}\""),
        })
        .collect();
    let detail = format!("supported values: {}", names.join(", "));
    error(FieldErrorSort::NotSupported, field, &words, &detail)
}

/// The members of an object that is a field.
pub(super) fn members<'a>(
    value: &'a Value,
    field: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value
        .get(field)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}
