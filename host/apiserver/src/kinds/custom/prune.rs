//! What a schema does not have goes, and what is not said gets its default (apiextensions-apiserver, `pkg/apiserver/schema/pruning` and
//! `defaulting`).

use serde_json::Value;

use super::findings::{child, flag, index};

/// What every object has, whatever its schema says.
const IMPLICIT: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Takes out what the schema does not have; where that was, sorted.
pub(super) fn prune(schema: &Value, object: &mut Value) -> Vec<String> {
    let mut gone = Vec::new();
    pruned(Some(schema), object, true, "", &mut gone);
    gone.sort();
    gone
}

/// The same for a value inside of an object. `is_resource` leaves metadata to others.
pub(super) fn pruned(
    schema: Option<&Value>,
    value: &mut Value,
    is_resource: bool,
    path: &str,
    gone: &mut Vec<String>,
) {
    let keeps = schema.is_some_and(|schema| flag(schema, "x-kubernetes-preserve-unknown-fields"));
    let is_resource =
        is_resource || schema.is_some_and(|schema| flag(schema, "x-kubernetes-embedded-resource"));
    match value {
        Value::Object(map) => map.retain(|name, member| {
            if is_resource && IMPLICIT.contains(&name.as_str()) {
                return true;
            }
            let known = schema.and_then(|schema| schema.get("properties")?.get(name));
            let additional = schema.and_then(|schema| schema.get("additionalProperties"));
            let at = child(path, name);
            match (known, additional) {
                (Some(of), _) => pruned(Some(of), member, false, &at, gone),
                (None, Some(Value::Bool(false))) | (None, None) if !keeps => {
                    gone.push(at);
                    return false;
                }
                (None, Some(of)) if of.is_object() => pruned(Some(of), member, false, &at, gone),
                (None, Some(Value::Bool(true))) if !keeps => pruned(None, member, false, &at, gone),
                _ => {}
            }
            true
        }),
        Value::Array(items) => {
            let of = schema.and_then(|schema| schema.get("items"));
            if keeps && of.is_none() {
                return;
            }
            for (at, item) in items.iter_mut().enumerate() {
                pruned(of, item, false, &index(path, at), gone);
            }
        }
        _ => {}
    }
}

fn of_field<'a>(schema: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    let schema = schema?;
    let known = schema.get("properties").and_then(|known| known.get(name));
    known.or_else(|| {
        schema
            .get("additionalProperties")
            .filter(|of| of.is_object())
    })
}

/// Takes out nulls where none may stand and no default would.
pub(super) fn drop_nulls(schema: Option<&Value>, value: &mut Value) {
    match value {
        Value::Object(map) => map.retain(|name, member| {
            let of = of_field(schema, name);
            let dropped = member.is_null()
                && of.is_some_and(|of| !flag(of, "nullable") && of.get("default").is_none());
            if !dropped {
                drop_nulls(of, member);
            }
            !dropped
        }),
        Value::Array(items) => {
            let of = schema.and_then(|schema| schema.get("items"));
            items.iter_mut().for_each(|item| drop_nulls(of, item));
        }
        _ => {}
    }
}

/// Fills in what is not said.
pub(super) fn fill(schema: &Value, value: &mut Value) {
    let replace = |of: &Value, value: &mut Value| {
        if value.is_null()
            && !flag(of, "nullable")
            && let Some(default) = of.get("default")
        {
            *value = default.clone();
        }
    };
    match value {
        Value::Object(map) => {
            for (name, of) in super::findings::members(schema, "properties") {
                if let (None, Some(default)) = (map.get(name), of.get("default")) {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, member) in map.iter_mut() {
                if let Some(of) = of_field(Some(schema), name) {
                    replace(of, member);
                    fill(of, member);
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = schema.get("items") {
                for item in items {
                    replace(of, item);
                    fill(of, item);
                }
            }
        }
        _ => {}
    }
}
