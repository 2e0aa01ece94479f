//! Metadata of custom resources, and of resources that are embedded in them.

use serde_json::Value;

use super::findings::{child, invalid, required};
use crate::status::FieldError;

/// What stands in metadata, and what Go's decoder calls its type.
const FIELDS: [(&str, &str); 15] = [
    ("annotations", "map"),
    ("creationTimestamp", "string"),
    ("deletionGracePeriodSeconds", "int64"),
    ("deletionTimestamp", "string"),
    ("finalizers", "list"),
    ("generateName", "string"),
    ("generation", "int64"),
    ("labels", "map"),
    ("managedFields", "objects"),
    ("name", "string"),
    ("namespace", "string"),
    ("ownerReferences", "objects"),
    ("resourceVersion", "string"),
    ("selfLink", "string"),
    ("uid", "string"),
];

const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
    character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
    '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
    start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Takes out what metadata does not have, and tells it.
///
/// # Errors
/// The words of Go's decoder for a value of another type.
pub(super) fn decode(object: &mut Value, path: &str) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Ok(unknown);
    };
    let mut wrong = None;
    metadata.retain(|name, value| {
        let Some((_, kind)) = FIELDS.iter().find(|(known, _)| known == name) else {
            unknown.push(child(&child(path, "metadata"), name));
            return false;
        };
        if value.is_null() {
            return false;
        }
        let texts = value.as_object_mut().filter(|_| *kind == "map");
        for text in texts.into_iter().flat_map(|texts| texts.values_mut()) {
            if text.is_null() {
                *text = Value::from("");
            }
        }
        if let Some((found, wanted)) = misfit(kind, value) {
            wrong.get_or_insert(format!(
                "json: cannot unmarshal {found} into Go struct field ObjectMeta.{name} of type {wanted}"
            ));
        }
        true
    });
    match wrong {
        Some(wrong) => Err(wrong),
        None => Ok(unknown),
    }
}

/// What was found, and what Go's type is.
fn misfit(kind: &str, value: &Value) -> Option<(&'static str, &'static str)> {
    let found = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match (kind, value) {
        ("map", Value::Object(map)) => {
            let other = map
                .values()
                .find(|value| !value.is_string() && !value.is_null());
            other.map(|value| (found(value), "string"))
        }
        ("list", Value::Array(items)) => {
            let other = items.iter().find(|value| !value.is_string());
            other.map(|value| (found(value), "string"))
        }
        ("string", Value::String(_)) | ("objects", Value::Array(_)) => None,
        ("int64", value) if value.is_i64() => None,
        ("map", value) => Some((found(value), "map[string]string")),
        ("list", value) => Some((found(value), "[]string")),
        ("objects", value) => Some((found(value), "[]v1.OwnerReference")),
        ("int64", value) => Some((found(value), "int64")),
        (_, value) => Some((found(value), "string")),
    }
}

/// Why that is no DNS-1035 label.
pub(super) fn label(text: &str) -> Option<&'static str> {
    let inside =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let good = text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text.ends_with(|letter: char| letter != '-')
        && text.chars().all(inside);
    match (good, text.len() > 63) {
        (_, true) => Some("must be no more than 63 characters"),
        (false, _) => Some(LABEL),
        (true, false) => None,
    }
}

/// Why that is no subdomain.
pub(super) fn subdomain(text: &str) -> Option<&'static str> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
            })
    };
    match (text.split('.').all(part), text.len() > 253) {
        (_, true) => Some("must be no more than 253 characters"),
        (false, _) => Some(SUBDOMAIN),
        (true, false) => None,
    }
}

/// What is wrong with the kind, version and metadata of embedded resources.
pub(super) fn check_embedded(schema: &Value, value: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match value {
        Value::Object(map) => {
            if super::findings::flag(schema, "x-kubernetes-embedded-resource") {
                errors.extend(check_type(value, path));
            }
            for (name, member) in map {
                let known = schema.get("properties").and_then(|known| known.get(name));
                let additional = schema
                    .get("additionalProperties")
                    .filter(|of| of.is_object());
                if let Some(of) = known.or(additional) {
                    errors.extend(check_embedded(of, member, &child(path, name)));
                }
            }
        }
        Value::Array(items) => {
            let of = schema.get("items").unwrap_or(&Value::Null);
            for (at, item) in items.iter().enumerate() {
                errors.extend(check_embedded(of, item, &super::findings::index(path, at)));
            }
        }
        _ => {}
    }
    errors
}

fn check_type(value: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["apiVersion", "kind"] {
        let at = child(path, field);
        match value.get(field) {
            None => errors.push(required(&at, "")),
            Some(Value::String(text)) if text.is_empty() => {
                errors.push(invalid(&at, &Value::from(""), "must not be empty"));
            }
            Some(Value::String(text)) if field == "kind" => {
                if let Some(why) = label(&text.to_lowercase()) {
                    let detail = format!("may have mixed case, but should otherwise match: {why}");
                    errors.push(invalid(&at, &Value::from(text.as_str()), &detail));
                }
            }
            Some(Value::String(_)) => {}
            Some(other) => errors.push(invalid(&at, other, "must be a string")),
        }
    }
    errors
}

/// Finalizers whose names may clash with others'.
pub(super) fn finalizer_warnings(object: &Value, old: Option<&Value>) -> Vec<String> {
    const STANDARD: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];
    let of = |object: &Value| -> Vec<String> {
        let list = object
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let before = old.map(of).unwrap_or_default();
    of(object)
        .into_iter()
        .filter(|name| !before.contains(name) && !name.contains('/') && !STANDARD.contains(&name.as_str()))
        .map(|name| {
            let how = if name.contains('.') { " including a path (/)" } else { "" };
            format!("metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name{how} to avoid accidental conflicts with other finalizer writers")
        })
        .collect()
}
