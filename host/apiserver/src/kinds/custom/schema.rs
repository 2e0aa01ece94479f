//! Schemas of definitions: structural, and without what no server can keep (apiextensions-apiserver, `pkg/apiserver/schema`).

use serde_json::{Value, json};

use super::findings::{child, flag, forbidden, index, invalid, key, list, members, required, text};
use super::{check, metadata, prune, standard};
use crate::status::FieldError;

/// Where a schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Looks at a schema and all inside of it.
pub(super) fn each(schema: &Value, look: &mut dyn FnMut(&Value)) {
    look(schema);
    for (_, of) in members(schema, "properties") {
        each(of, look);
    }
    for field in ["items", "additionalProperties", "not"] {
        if let Some(of) = schema.get(field).filter(|of| of.is_object()) {
            each(of, look);
        }
    }
    for field in ["allOf", "anyOf", "oneOf"] {
        list(schema, field).iter().for_each(|of| each(of, look));
    }
}

/// What is wrong with the schema of a version. `status` says that the version has that subresource.
pub(super) fn check(schema: &Value, path: &str, status: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if status && schema.get("type").is_some_and(|kind| kind != "object") {
        let why = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(invalid(
            &child(path, "type"),
            &json!(text(schema, "type")),
            why,
        ));
    }
    if flag(schema, "nullable") {
        errors.push(forbidden(
            &child(path, "nullable"),
            "nullable cannot be true at the root",
        ));
    }
    let mut structural = invariants(schema, Level::Root, path);
    structural.extend(complete(schema, schema, path, path));
    if structural.is_empty() {
        structural = defaults(schema, path);
    }
    errors.extend(structural);
    errors.extend(standard::standard(schema, path, true));
    errors
}

fn is_int_or_string(alternatives: &[Value]) -> bool {
    alternatives == [json!({"type": "integer"}), json!({"type": "string"})]
}

fn invariants(schema: &Value, level: Level, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let kind = text(schema, "type");
    let items = schema.get("items").filter(|of| of.is_object());
    if kind == "array" && items.is_none() {
        errors.push(required(&child(path, "items"), "must be specified"));
    }
    if let Some(of) = items {
        errors.extend(invariants(of, Level::Item, &child(path, "items")));
    }
    for (name, of) in members(schema, "properties") {
        errors.extend(invariants(
            of,
            Level::Field,
            &key(&child(path, "properties"), name),
        ));
    }
    let additional = schema
        .get("additionalProperties")
        .filter(|of| !of.is_null());
    if additional.is_some() && level == Level::Root {
        errors.push(forbidden(
            &child(path, "additionalProperties"),
            "must not be used at the root",
        ));
    }
    if let Some(of) = additional.filter(|of| of.is_object()) {
        errors.extend(invariants(
            of,
            Level::Field,
            &child(path, "additionalProperties"),
        ));
    }
    let mixed = flag(schema, "x-kubernetes-int-or-string");
    let keeps = flag(schema, "x-kubernetes-preserve-unknown-fields");
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    for (set, field) in [
        (keeps, "x-kubernetes-preserve-unknown-fields"),
        (embedded, "x-kubernetes-embedded-resource"),
    ] {
        if mixed && set {
            let why = "must be false if x-kubernetes-int-or-string is true";
            errors.push(invalid(&child(path, field), &json!(true), why));
        }
    }
    errors.extend(values(schema, path, mixed));
    if embedded && kind != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(match kind {
            "" => required(&child(path, "type"), why),
            kind => invalid(&child(path, "type"), &json!(kind), why),
        });
    } else if kind.is_empty() && !mixed && !keeps {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(required(&child(path, "type"), why));
    }
    if embedded && additional.is_some() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(forbidden(&child(path, "additionalProperties"), why));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.push(invalid(
            &child(path, "type"),
            &json!(kind),
            "must be object at the root",
        ));
    }
    if level == Level::Root || embedded {
        errors.extend(type_fields(schema, path));
    }
    if level == Level::Root {
        errors.extend(root_metadata(schema, path));
    }
    let bare = members(schema, "properties").next().is_none();
    if embedded && !keeps && bare {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(required(&child(path, "properties"), why));
    }
    errors
}

fn type_fields(schema: &Value, path: &str) -> Vec<FieldError> {
    let wanted = [
        ("kind", "string"),
        ("apiVersion", "string"),
        ("metadata", "object"),
    ];
    let mut errors = Vec::new();
    for (name, kind) in wanted {
        let of = schema.get("properties").and_then(|known| known.get(name));
        if let Some(of) = of.filter(|of| text(of, "type") != kind) {
            let place = child(&key(&child(path, "properties"), name), "type");
            errors.push(invalid(
                &place,
                &json!(text(of, "type")),
                &format!("must be {kind}"),
            ));
        }
    }
    errors
}

/// Metadata is what it is; a schema may only say what names look like.
fn root_metadata(schema: &Value, path: &str) -> Option<FieldError> {
    let of = schema.get("properties")?.get("metadata")?;
    let plain = of
        .as_object()?
        .iter()
        .all(|(field, value)| match field.as_str() {
            "type" => true,
            "properties" => value.as_object().is_some_and(|known| {
                known
                    .keys()
                    .all(|name| name == "name" || name == "generateName")
            }),
            _ => false,
        });
    let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
    (!plain).then(|| forbidden(&key(&child(path, "properties"), "metadata"), why))
}

/// Rules on values, and the alternatives of them.
fn values(schema: &Value, path: &str, mixed: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["anyOf", "allOf", "oneOf"] {
        let alternatives = list(schema, field);
        if mixed && field == "anyOf" && is_int_or_string(alternatives) {
            continue;
        }
        for (at, of) in alternatives.iter().enumerate() {
            let inner = mixed && field == "allOf" && at == 0 && is_int_or_string(list(of, "anyOf"));
            if !inner {
                errors.extend(nested(of, &index(&child(path, field), at)));
            }
        }
    }
    if let Some(of) = schema.get("not") {
        errors.extend(nested(of, &child(path, "not")));
    }
    let pattern = text(schema, "pattern");
    if let Err(error) = regex_lite::Regex::new(pattern) {
        let detail = format!("must be a valid regular expression, but isn't: {error}");
        errors.push(invalid(&child(path, "pattern"), &json!(pattern), &detail));
    }
    errors
}

/// Inside of alternatives stand rules alone, and no structure.
fn nested(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = values(schema, path, false);
    if let Some(of) = schema.get("items") {
        errors.extend(nested(of, &child(path, "items")));
    }
    for (name, of) in members(schema, "properties") {
        errors.extend(nested(of, &key(&child(path, "properties"), name)));
    }
    for (field, words) in [
        ("type", "must be empty to be structural"),
        ("additionalProperties", "must be undefined to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("nullable", "must be false to be structural"),
        (
            "x-kubernetes-preserve-unknown-fields",
            "must be false to be structural",
        ),
        (
            "x-kubernetes-embedded-resource",
            "must be false to be structural",
        ),
        (
            "x-kubernetes-int-or-string",
            "must be false to be structural",
        ),
        (
            "x-kubernetes-list-map-keys",
            "must be empty to be structural",
        ),
        (
            "x-kubernetes-list-type",
            "must be undefined to be structural",
        ),
        (
            "x-kubernetes-map-type",
            "must be undefined to be structural",
        ),
        ("x-kubernetes-validations", "must be empty to be structural"),
    ] {
        if schema
            .get(field)
            .is_some_and(|value| !value.is_null() && *value != false)
        {
            errors.push(forbidden(&child(path, field), words));
        }
    }
    if members(schema, "properties").any(|(name, _)| name == "metadata") {
        let place = key(&child(path, "properties"), "metadata");
        errors.push(forbidden(
            &place,
            "must not be specified in a nested context",
        ));
    }
    errors
}

/// What alternatives speak of is there outside of them, too. The real server looks so at the alternatives of the root alone, and takes
/// whatever stands in those of deeper schemas (`complete.go`).
fn complete(rules: &Value, schema: &Value, place: &str, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut inner: Vec<(&Value, String)> = Vec::new();
    for field in ["allOf", "anyOf", "oneOf"] {
        let alternatives = list(rules, field).iter().enumerate();
        inner.extend(alternatives.map(|(at, of)| (of, index(&child(path, field), at))));
    }
    inner.extend(rules.get("not").map(|of| (of, child(path, "not"))));
    for (of, path) in inner {
        errors.extend(covered(of, Some(schema), place, &path));
    }
    errors
}

fn covered(rules: &Value, schema: Option<&Value>, place: &str, path: &str) -> Vec<FieldError> {
    let Some(schema) = schema else {
        return vec![required(place, &format!("because it is defined in {path}"))];
    };
    let mut errors = complete(rules, schema, place, path);
    if let Some(of) = rules.get("items") {
        errors.extend(covered(
            of,
            schema.get("items"),
            &child(place, "items"),
            &child(path, "items"),
        ));
    }
    for (name, of) in members(rules, "properties") {
        let known = schema.get("properties").and_then(|known| known.get(name));
        let place = key(&child(place, "properties"), name);
        errors.extend(covered(
            of,
            known,
            &place,
            &key(&child(path, "properties"), name),
        ));
    }
    errors
}

/// Defaults are what their schemas ask for.
fn defaults(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        let place = child(path, "default");
        let mut gone = Vec::new();
        let mut pruned = default.clone();
        prune::pruned(Some(schema), &mut pruned, false, "", &mut gone);
        if !gone.is_empty() {
            errors.push(invalid(&place, default, "must not have unknown fields"));
        }
        let mut wrong = metadata::check_embedded(schema, default, "");
        if wrong.is_empty() {
            wrong = check::check(schema, default, None, "");
        }
        errors.extend(wrong.into_iter().map(|mut error| {
            error.field = match error.field.as_str() {
                "" | "<nil>" => place.clone(),
                field => child(&place, field),
            };
            error
        }));
    }
    if let Some(of) = schema.get("items").filter(|of| of.is_object()) {
        errors.extend(defaults(of, &child(path, "items")));
    }
    for (name, of) in members(schema, "properties") {
        errors.extend(defaults(of, &key(&child(path, "properties"), name)));
    }
    errors
}
