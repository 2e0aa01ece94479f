//! The parts of a definition's versions: schemas, subresources, columns and selectable fields.

use serde_json::{Value, json};

use super::findings::{child, duplicate, flag, index, invalid, required, text, too_many};
use super::{path, schema};
use crate::status::FieldError;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
/// How many fields selectors may name.
const SELECTABLE: usize = 8;
/// Fields of a version that stand at the top where all versions say the same: as written here, there, and as told.
const SHARED: [(&str, &str); 4] = [
    ("schema", "validation"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
];

/// The fields that all versions have alike.
pub(super) fn shared(versions: &[Value]) -> impl Iterator<Item = &'static str> {
    let first = versions.first();
    SHARED
        .into_iter()
        .map(|(field, _)| field)
        .filter(move |field| {
            versions
                .iter()
                .all(|version| version.get(field) == first.and_then(|first| first.get(field)))
        })
}

/// Schemas, subresources, columns and selectable fields.
pub(super) fn check_parts(versions: &[Value]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let shared: Vec<&str> = shared(versions).collect();
    for (field, top) in SHARED {
        let together = shared.contains(&field);
        let checked = if together {
            versions.get(..versions.len().min(1))
        } else {
            Some(versions)
        };
        for (at, version) in checked.unwrap_or_default().iter().enumerate() {
            let Some(part) = version.get(field).filter(|part| !part.is_null()) else {
                continue;
            };
            let place = if together {
                child("spec", top)
            } else {
                child(&index("spec.versions", at), field)
            };
            let whole = version
                .pointer("/schema/openAPIV3Schema")
                .unwrap_or(&Value::Null);
            match field {
                "schema" => {
                    let status = version.pointer("/subresources/status").is_some();
                    if !whole.is_null() {
                        errors.extend(schema::check(
                            whole,
                            &child(&place, "openAPIV3Schema"),
                            status,
                        ));
                    }
                }
                "subresources" => errors.extend(check_scale(part, &place)),
                "additionalPrinterColumns" => errors.extend(check_columns(part, &place)),
                _ if together && !shared.contains(&"schema") => {
                    let why = "may only be set when validations.schema is included";
                    errors.push(invalid(&place, &json!(""), why));
                }
                _ => errors.extend(check_selectable(part, whole, &place)),
            }
        }
    }
    errors
}

pub(super) fn check_warning(version: &Value, place: &str) -> Option<FieldError> {
    let warning = version.get("deprecationWarning")?;
    let why = if !flag(version, "deprecated") {
        "can only be set for deprecated versions"
    } else if warning == "" {
        "must not be an empty string"
    } else if warning.as_str().is_some_and(|text| text.len() > 256) {
        "must be <= 256 characters long"
    } else {
        return None;
    };
    Some(invalid(&child(place, "deprecationWarning"), warning, why))
}

fn check_scale(part: &Value, place: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(scale) = part.get("scale").filter(|scale| !scale.is_null()) else {
        return errors;
    };
    for (field, root) in [
        ("specReplicasPath", Some(".spec.")),
        ("statusReplicasPath", Some(".status.")),
        ("labelSelectorPath", None),
    ] {
        let at = text(scale, field);
        let place = child(&child(place, "scale"), field);
        if at.is_empty() {
            errors.extend(root.map(|_| required(&place, "")));
        } else if let Some(why) = simple(at) {
            errors.push(invalid(&place, &json!(at), why));
        } else if let Some(root) = root.filter(|root| !at.starts_with(root)) {
            let detail = format!("should be a json path under {}", root.trim_end_matches('.'));
            errors.push(invalid(&place, &json!(at), &detail));
        }
    }
    errors
}

/// Why that is no path of fields.
fn simple(at: &str) -> Option<&'static str> {
    if !at.starts_with('.') {
        return Some("must be a simple json path starting with .");
    }
    if at == "." || !path::is_path(at) {
        return Some("is an invalid path");
    }
    None
}

fn check_columns(columns: &Value, place: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (at, column) in columns.as_array().into_iter().flatten().enumerate() {
        let place = index(place, at);
        if text(column, "name").is_empty() {
            errors.push(required(&child(&place, "name"), ""));
        }
        let kind = text(column, "type");
        let known = format!("must be one of {}", COLUMN_TYPES.join(","));
        if kind.is_empty() {
            errors.push(required(&child(&place, "type"), &known));
        } else if !COLUMN_TYPES.contains(&kind) {
            errors.push(invalid(&child(&place, "type"), &json!(kind), &known));
        }
        let at = text(column, "jsonPath");
        let place = child(&place, "JSONPath");
        if at.is_empty() {
            errors.push(required(&place, ""));
        } else if let Some(why) = simple(at) {
            errors.push(invalid(&place, &json!(at), why));
        }
    }
    errors
}

fn check_selectable(fields: &Value, whole: &Value, place: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (at, field) in fields.as_array().into_iter().flatten().enumerate() {
        let place = child(&index(place, at), "jsonPath");
        let at = text(field, "jsonPath");
        if at.is_empty() {
            errors.push(required(&place, ""));
            continue;
        }
        let mut of = Some(whole);
        for name in at.trim_start_matches('.').split('.') {
            of = of.and_then(|of| of.get("properties")?.get(name));
        }
        let Some(of) = of else {
            let why = "is an invalid path: does not refer to a valid field";
            errors.push(invalid(&place, &json!(at), why));
            continue;
        };
        if at.starts_with(".metadata") {
            errors.push(invalid(
                &place,
                &json!(at),
                "must not point to fields in metadata",
            ));
        }
        if !["string", "boolean", "integer"].contains(&text(of, "type")) {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.push(invalid(&place, &json!(at), why));
        }
        if seen.contains(&at) {
            errors.push(duplicate(&place, &json!(at)));
        } else {
            seen.push(at);
        }
    }
    if seen.len() > SELECTABLE {
        errors.push(too_many(place, seen.len(), SELECTABLE as u64));
    }
    errors
}
