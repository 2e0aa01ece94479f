//! Fields that have one of some texts.

use serde_json::Value;

use super::super::look::at;
use super::Errors;

/// What the real server says where there is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unset {
    /// Nothing.
    Fine,
    /// That one is required.
    Required,
    /// That one of these is required.
    RequiredOf,
    /// That the empty text is none of these.
    Unsupported,
}

/// A field with one of these texts.
pub(super) fn choice(
    errors: &mut Errors,
    object: &Value,
    path: &str,
    field: &str,
    known: &[&str],
    unset: Unset,
) {
    let given = at(object, &format!("/{field}")).as_str();
    let path = format!("{path}.{field}");
    match (given, unset) {
        (None, Unset::Fine) => {}
        (None | Some(""), Unset::Required) => errors.required(&path, ""),
        (None | Some(""), Unset::RequiredOf) => {
            let shown: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
            errors.required(&path, &format!("valid values: [{}]", shown.join(" ")));
        }
        _ => {
            let given = given.unwrap_or_default();
            if !known.contains(&given) {
                errors.not_supported(&path, given, known);
            }
        }
    }
}

/// As [`choice`], required.
pub(super) fn one_of(errors: &mut Errors, object: &Value, path: &str, field: &str, known: &[&str]) {
    choice(errors, object, path, field, known, Unset::Required);
}

/// As [`choice`], if it is there.
pub(super) fn if_any(errors: &mut Errors, object: &Value, path: &str, field: &str, known: &[&str]) {
    choice(errors, object, path, field, known, Unset::Fine);
}
