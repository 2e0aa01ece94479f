//! What no schema may have, whether it is structural or not: types, lists and maps of their own sorts, rules.

use serde_json::{Value, json};

use super::findings::{
    child, flag, forbidden, index, invalid, key, list, members, not_supported, required, text,
};
use crate::status::FieldError;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const REASONS: [&str; 4] = [
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

/// What no schema may have, whether it is structural or not.
pub(super) fn standard(schema: &Value, path: &str, root: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let kind = text(schema, "type");
    if !kind.is_empty() && !TYPES.contains(&kind) {
        let known: Vec<Value> = TYPES.iter().map(|known| json!(known)).collect();
        errors.push(not_supported(&child(path, "type"), &json!(kind), &known));
    }
    for field in [
        "id",
        "additionalItems",
        "patternProperties",
        "definitions",
        "dependencies",
        "$ref",
    ] {
        if schema.get(field).is_some_and(|value| !value.is_null()) {
            errors.push(forbidden(
                &child(path, field),
                &format!("{field} is not supported"),
            ));
        }
    }
    if flag(schema, "uniqueItems") {
        let why =
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(forbidden(&child(path, "uniqueItems"), why));
    }
    let additional = schema
        .get("additionalProperties")
        .filter(|of| !of.is_null());
    if additional.is_some_and(|of| *of != true) && members(schema, "properties").next().is_some() {
        let why = "additionalProperties and properties are mutual exclusive";
        errors.push(forbidden(&child(path, "additionalProperties"), why));
    }
    if schema
        .get("x-kubernetes-preserve-unknown-fields")
        .is_some_and(|value| *value == false)
    {
        let place = child(path, "x-kubernetes-preserve-unknown-fields");
        errors.push(invalid(&place, &json!(false), "must be true or undefined"));
    }
    errors.extend(super_types(schema, path));
    errors.extend(check_rules(schema, path));
    for (name, of) in members(schema, "properties") {
        let place = key(&child(path, "properties"), name);
        if root
            && ["apiVersion", "kind", "metadata"].contains(&name.as_str())
            && of.get("default").is_some()
        {
            let why = format!("must not be set in top-level {name}");
            errors.push(forbidden(&child(&place, "default"), &why));
        }
        errors.extend(standard(of, &place, false));
    }
    for field in ["items", "additionalProperties", "not"] {
        if let Some(of) = schema.get(field).filter(|of| of.is_object()) {
            errors.extend(standard(of, &child(path, field), false));
        }
    }
    for field in ["allOf", "anyOf", "oneOf"] {
        for (at, of) in list(schema, field).iter().enumerate() {
            errors.extend(standard(of, &index(&child(path, field), at), false));
        }
    }
    errors
}

/// Lists that are sets or maps, and maps that are atomic.
fn super_types(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let kind = text(schema, "type");
    for (field, wanted, known) in [
        (
            "x-kubernetes-map-type",
            "object",
            &["atomic", "granular"][..],
        ),
        (
            "x-kubernetes-list-type",
            "array",
            &["atomic", "set", "map"][..],
        ),
    ] {
        let Some(given) = schema.get(field).filter(|given| !given.is_null()) else {
            continue;
        };
        let why = format!("must be {wanted} if {field} is specified");
        match kind {
            "" => errors.push(required(&child(path, "type"), &why)),
            kind if kind != wanted => {
                errors.push(invalid(&child(path, "type"), &json!(kind), &why))
            }
            _ => {}
        }
        let known: Vec<Value> = known.iter().map(|known| json!(known)).collect();
        if !known.contains(given) {
            errors.push(not_supported(&child(path, field), given, &known));
        }
    }
    let items = schema.get("items").unwrap_or(&Value::Null);
    let list_type = text(schema, "x-kubernetes-list-type");
    if list_type == "set" {
        let (field, atomic) = match text(items, "type") {
            "array" => (
                "x-kubernetes-list-type",
                ["", "atomic"].contains(&text(items, "x-kubernetes-list-type")),
            ),
            "object" => (
                "x-kubernetes-map-type",
                text(items, "x-kubernetes-map-type") == "atomic",
            ),
            _ => ("", true),
        };
        if !atomic {
            let given = items
                .get("x-kubernetes-list-type")
                .cloned()
                .unwrap_or_default();
            let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
            errors.push(invalid(&child(&child(path, "items"), field), &given, why));
        }
    }
    if ["set", "map"].contains(&list_type) && flag(items, "nullable") {
        let why = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(forbidden(&child(&child(path, "items"), "nullable"), &why));
    }
    errors.extend(map_keys(schema, path));
    errors
}

fn map_keys(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let keys = list(schema, "x-kubernetes-list-map-keys");
    let at_keys = child(path, "x-kubernetes-list-map-keys");
    let list_type = text(schema, "x-kubernetes-list-type");
    if list_type != "map" {
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        let place = child(path, "x-kubernetes-list-type");
        match (keys.is_empty(), list_type) {
            (true, _) => {}
            (false, "") => errors.push(required(&place, why)),
            (false, other) => errors.push(invalid(&place, &json!(other), why)),
        }
        return errors;
    }
    if keys.is_empty() {
        errors.push(required(
            &at_keys,
            "must not be empty if x-kubernetes-list-type is map",
        ));
    }
    let items = schema.get("items").unwrap_or(&Value::Null);
    let at_items = child(path, "items");
    if items.is_null() {
        errors.push(required(
            &at_items,
            "must have a schema if x-kubernetes-list-type is map",
        ));
        return errors;
    }
    if text(items, "type") != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(invalid(
            &child(&at_items, "type"),
            &json!(text(items, "type")),
            why,
        ));
        return errors;
    }
    for (at, name) in keys.iter().filter_map(Value::as_str).enumerate() {
        let place = key(&child(&at_items, "properties"), name);
        let Some(of) = items.get("properties").and_then(|known| known.get(name)) else {
            errors.push(invalid(
                &at_keys,
                &json!(keys),
                "entries must all be names of item properties",
            ));
            continue;
        };
        if ["array", "object"].contains(&text(of, "type")) {
            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.push(invalid(
                &child(&place, "type"),
                &json!(text(items, "type")),
                why,
            ));
        }
        if keys.iter().take(at).any(|other| other == name) {
            errors.push(invalid(
                &at_keys,
                &json!(keys),
                "must not contain duplicate entries",
            ));
        }
        if !list(items, "required").iter().any(|known| known == name) && of.get("default").is_none()
        {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(required(&child(&place, "default"), why));
        }
        if flag(of, "nullable") {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(forbidden(&child(&place, "nullable"), why));
        }
    }
    errors
}

fn check_rules(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (at, rule) in list(schema, "x-kubernetes-validations").iter().enumerate() {
        let place = index(&child(path, "x-kubernetes-validations"), at);
        let (source, message) = (text(rule, "rule").trim(), text(rule, "message"));
        if source.is_empty() {
            errors.push(required(&child(&place, "rule"), "rule is not specified"));
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.push(invalid(
                &child(&place, "message"),
                &json!(message),
                "must be non-empty if specified",
            ));
        } else if message.trim().contains('\n') {
            errors.push(invalid(
                &child(&place, "message"),
                &json!(message),
                "must not contain line breaks",
            ));
        } else if source.contains('\n') && message.trim().is_empty() {
            let why = "message must be specified if rule contains line breaks";
            errors.push(required(&child(&place, "message"), why));
        }
        let reason = text(rule, "reason");
        if !reason.is_empty() && !REASONS.contains(&reason) {
            let known: Vec<Value> = REASONS.iter().map(|known| json!(known)).collect();
            errors.push(not_supported(
                &child(&place, "reason"),
                &json!(reason),
                &known,
            ));
        }
    }
    errors
}
