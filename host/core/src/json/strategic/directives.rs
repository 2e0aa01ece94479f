//! Directives: members of a patch that are no fields.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::At;
use crate::json::PatchError;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList";
const SET_ELEMENT_ORDER: &str = "$setElementOrder";

/// Fields of `JSONSchemaProps` that begin like a directive.
const FIELDS: [&str; 2] = ["$ref", "$schema"];

/// What `$patch` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    Replace,
    Delete,
    /// What happens anyway. The API server refuses to be told so; nothing is lost by taking it.
    Merge,
}

impl Directive {
    pub(super) fn of(patch: &Map<String, Value>, at: &At<'_>) -> Result<Option<Self>, PatchError> {
        match patch.get(PATCH) {
            None => Ok(None),
            Some(Value::String(word)) if word == "replace" => Ok(Some(Self::Replace)),
            Some(Value::String(word)) if word == "delete" => Ok(Some(Self::Delete)),
            Some(Value::String(word)) if word == "merge" => Ok(Some(Self::Merge)),
            Some(other) => Err(at.error(format!(
                "$patch is \"replace\", \"delete\" or \"merge\", not {other}"
            ))),
        }
    }
}

/// The parts of an object's patch.
#[derive(Default)]
pub(super) struct Directives<'a> {
    pub(super) retain_keys: Option<&'a Value>,
    /// `$setElementOrder/name`, by name.
    pub(super) orders: Vec<(&'a str, &'a Value)>,
    /// `$deleteFromPrimitiveList/name`, by name.
    pub(super) deletions: Vec<(&'a str, &'a Value)>,
    pub(super) fields: Vec<(&'a str, &'a Value)>,
}

impl<'a> Directives<'a> {
    pub(super) fn split(patch: &'a Map<String, Value>, at: &At<'_>) -> Result<Self, PatchError> {
        let mut parts = Self::default();
        for (name, value) in patch {
            let name = name.as_str();
            if !name.starts_with('$') || FIELDS.contains(&name) {
                parts.fields.push((name, value));
                continue;
            }
            match name.split_once('/') {
                None if name == PATCH => {}
                None if name == RETAIN_KEYS => parts.retain_keys = Some(value),
                Some((SET_ELEMENT_ORDER, field)) => parts.orders.push((field, value)),
                Some((DELETE_FROM_PRIMITIVE_LIST, field)) => parts.deletions.push((field, value)),
                _ => return Err(at.error(format!("{name} is no directive"))),
            }
        }
        Ok(parts)
    }
}

/// `$retainKeys`: members that are not named go; the patch may set only what is named.
pub(super) fn retain_keys(
    object: &mut Map<String, Value>,
    kept: &Value,
    fields: &[(&str, &Value)],
    at: &At<'_>,
) -> Result<(), PatchError> {
    let kept = kept
        .as_array()
        .ok_or_else(|| at.error("$retainKeys is a list of names"))?;
    let kept: BTreeSet<&str> = kept.iter().filter_map(Value::as_str).collect();
    let lost = |(name, value): &&(&str, &Value)| !value.is_null() && !kept.contains(name);
    if let Some((name, _)) = fields.iter().find(lost) {
        return Err(at.error(format!("{name} is set, but not among $retainKeys")));
    }
    object.retain(|name, _| kept.contains(name.as_str()));
    Ok(())
}

/// A part of a patch as plain data, where there is nothing to merge it with: without directives and null members. `None` if it is
/// an object under `$patch`, of which nothing is left then.
pub(super) fn clean(patch: &Value, at: &At<'_>) -> Result<Option<Value>, PatchError> {
    Ok(match patch {
        Value::Object(map) if Directive::of(map, at)?.is_some() => None,
        Value::Object(map) => Some(Value::Object(clean_members(map, at)?)),
        Value::Array(items) => Some(Value::Array(clean_items(items, at)?)),
        scalar => Some(scalar.clone()),
    })
}

/// [`clean`] for the members, whatever `$patch` says.
pub(super) fn clean_members(
    patch: &Map<String, Value>,
    at: &At<'_>,
) -> Result<Map<String, Value>, PatchError> {
    let mut cleaned = Map::new();
    for (name, value) in Directives::split(patch, at)?.fields {
        if !value.is_null()
            && let Some(value) = clean(value, &at.below(name))?
        {
            cleaned.insert(name.to_owned(), value);
        }
    }
    Ok(cleaned)
}

/// [`clean`] for each item.
pub(super) fn clean_items(items: &[Value], at: &At<'_>) -> Result<Vec<Value>, PatchError> {
    items
        .iter()
        .filter_map(|item| clean(item, at).transpose())
        .collect()
}
