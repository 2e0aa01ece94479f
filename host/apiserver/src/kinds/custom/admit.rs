//! What is done with a custom resource before it is stored (apiextensions-apiserver, `pkg/registry/customresource`).

use serde_json::{Map, Value, json};

use super::findings::{NOWHERE, invalid};
use super::{Definition, check, metadata, path, prune};
use crate::kinds::admit::refused;
use crate::kinds::{
    AdmitContext, FieldValidation, Operation, Resource, Seen, Warning, check_metadata,
};
use crate::status::{FieldError, FieldErrorSort, Status};

/// As [`crate::kinds::admit`], for an object of a kind that a definition made.
///
/// # Errors
/// As there.
pub(crate) fn admit(
    resource: &Resource,
    definition: &Definition,
    operation: Operation<'_>,
    object: &mut Value,
    context: &AdmitContext,
    seen: Option<Seen<'_>>,
    warnings: &mut Vec<Warning>,
) -> Result<(), Status> {
    warnings.extend(decode(resource, definition, object, context)?);
    if let Some(seen) = seen {
        (seen.see)(object);
    }
    let old = match operation {
        Operation::Create => None,
        Operation::Update { old }
        | Operation::UpdateStatus { old }
        | Operation::UpdateSubresource { old, .. } => Some(old),
    };
    prepare(definition, operation, object);
    let errors = validate(resource, definition, operation, object);
    if !errors.is_empty() {
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let kind = object
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        return Err(Status::invalid_kind(
            &resource.group,
            kind,
            name.unwrap_or_default(),
            &errors,
        ));
    }
    let finalizers = metadata::finalizer_warnings(object, old);
    warnings.extend(finalizers.into_iter().map(Warning));
    Ok(())
}

/// Brings the object into its schema's shape.
fn decode(
    resource: &Resource,
    definition: &Definition,
    object: &mut Value,
    context: &AdmitContext,
) -> Result<Vec<Warning>, Status> {
    let decoded = metadata::decode(object, "");
    let mut unknown = decoded.map_err(|words| refused(resource, object, context, &words))?;
    let schema = definition.schema();
    unknown.extend(prune::prune(schema, object));
    prune::drop_nulls(Some(schema), object);
    prune::fill(schema, object);
    let told = unknown
        .iter()
        .map(|place| format!("unknown field {place:?}"));
    match context.field_validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Strict if !unknown.is_empty() => {
            let all: Vec<String> = told.collect();
            let words = format!("strict decoding error: {}", all.join(", "));
            Err(refused(resource, object, context, &words))
        }
        _ => Ok(told.map(Warning).collect()),
    }
}

/// Resets what the operation may not write, and counts the generation.
fn prepare(definition: &Definition, operation: Operation<'_>, object: &mut Value) {
    let Some(map) = object.as_object_mut() else {
        return;
    };
    match operation {
        Operation::Create => {
            if definition.has_status() {
                map.remove("status");
            }
            set_generation(map, 1);
        }
        Operation::Update { old } => {
            if definition.has_status() {
                carry(map, old, "status");
            }
            if without_metadata(map) != old.as_object().map(without_metadata).unwrap_or_default() {
                let generation = old.pointer("/metadata/generation").and_then(Value::as_i64);
                set_generation(map, generation.unwrap_or(0) + 1);
            }
        }
        Operation::UpdateStatus { old } => {
            let status = map.remove("status");
            if let Some(old) = old.as_object() {
                map.clone_from(old);
            }
            if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("resourceVersion");
            }
            match status {
                Some(status) => map.insert("status".to_owned(), status),
                None => map.remove("status"),
            };
        }
        Operation::UpdateSubresource { .. } => {}
    }
}

fn without_metadata(map: &Map<String, Value>) -> Map<String, Value> {
    let others = map.iter().filter(|(name, _)| *name != "metadata");
    others
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn set_generation(map: &mut Map<String, Value>, generation: i64) {
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("generation".to_owned(), json!(generation));
    }
}

fn carry(map: &mut Map<String, Value>, old: &Value, field: &str) {
    match old.get(field) {
        Some(value) => map.insert(field.to_owned(), value.clone()),
        None => map.remove(field),
    };
}

fn validate(
    resource: &Resource,
    definition: &Definition,
    operation: Operation<'_>,
    object: &Value,
) -> Vec<FieldError> {
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if *kind != *resource.kind {
        let detail = format!("must be {}", resource.kind);
        return vec![invalid("kind", &json!(kind), &detail)];
    }
    let schema = definition.schema();
    let (old, status) = match operation {
        Operation::Create => (None, false),
        Operation::Update { old } | Operation::UpdateSubresource { old, .. } => (Some(old), false),
        Operation::UpdateStatus { old } => (Some(old), true),
    };
    let mut errors = check_metadata(resource, operation, object);
    if status {
        if let (Some(of), Some(status)) =
            (schema.pointer("/properties/status"), object.get("status"))
        {
            let before = old.and_then(|old| old.get("status"));
            errors.extend(check::check(of, status, before, "status"));
        }
    } else {
        errors.extend(check::check(schema, object, old, ""));
    }
    errors.extend(check_scale(definition, object, !status));
    if !status {
        errors.extend(metadata::check_embedded(schema, object, ""));
    }
    let twice_before = old.is_some_and(|old| !check::check_unique(schema, old, "").is_empty());
    if !twice_before {
        errors.extend(check::check_unique(schema, object, ""));
    }
    let blocked = errors.iter().any(|error| {
        matches!(
            error.sort,
            FieldErrorSort::NotSupported
                | FieldErrorSort::Required
                | FieldErrorSort::TooLong
                | FieldErrorSort::TooMany
                | FieldErrorSort::TypeInvalid
        )
    });
    if !definition.rules.is_empty() {
        if blocked {
            errors.push(invalid(
                NOWHERE,
                &Value::Null,
                "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
            ));
        } else {
            errors.extend(definition.rules.check(schema, object, old, ""));
        }
    }
    errors
}

/// The numbers of the scale subresource are numbers that can be.
fn check_scale(definition: &Definition, object: &Value, spec: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(scale) = definition.version.pointer("/subresources/scale") else {
        return errors;
    };
    let fields = ["specReplicasPath", "statusReplicasPath"];
    for field in fields.into_iter().skip(usize::from(!spec)) {
        let at = super::findings::text(scale, field);
        if let Err(word) = reach(object, at) {
            let detail = format!(
                "{at} accessor error: {word} is of the type string, expected map[string]interface{{}}"
            );
            errors.push(invalid(at, &json!(0), &detail));
            continue;
        }
        let found = path::find(object, at);
        if let Some((value, kind)) = found.first().and_then(|value| no_number(value)) {
            let detail =
                format!("{at} accessor error: {value} is of the type {kind}, expected int64");
            errors.push(invalid(at, &json!(0), &detail));
            continue;
        }
        let number = found.first().and_then(|value| value.as_i64()).unwrap_or(0);
        if number < 0 {
            errors.push(invalid(
                at,
                &json!(number),
                "should be a non-negative integer",
            ));
        } else if number > i64::from(i32::MAX) {
            let detail = format!("should be less than or equal to {}", i32::MAX);
            errors.push(invalid(at, &json!(number), &detail));
        }
    }
    errors
}

/// A value that should be a whole number and is none, as Go prints it, with Go's name of its type.
fn no_number(value: &Value) -> Option<(String, &'static str)> {
    match value {
        Value::String(text) => Some((text.clone(), "string")),
        Value::Bool(flag) => Some((flag.to_string(), "bool")),
        Value::Number(number) if number.as_i64().is_none() => Some((number.to_string(), "float64")),
        _ => None,
    }
}

/// Whether the way to a field goes through objects alone; else the text that is in the way.
fn reach<'a>(object: &'a Value, at: &str) -> Result<(), &'a str> {
    let mut here = object;
    for name in at.trim_start_matches('.').split('.') {
        match here {
            Value::String(text) => return Err(text),
            other => match other.get(name) {
                Some(next) => here = next,
                None => return Ok(()),
            },
        }
    }
    Ok(())
}
