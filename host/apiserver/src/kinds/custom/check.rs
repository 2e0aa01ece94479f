//! A value against its schema, in the words of the real server (kube-openapi, `pkg/validation/validate`).

use serde_json::{Value, json};

use super::findings::{
    NOWHERE, child, flag, index, invalid, list, not_supported, required, text, too_long, too_many,
    type_invalid,
};
use super::formats;
use crate::status::FieldError;

/// What is wrong with a value. `old` is what stood there before an update: what has not changed is not checked again.
pub(super) fn check(
    schema: &Value,
    value: &Value,
    old: Option<&Value>,
    path: &str,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if old == Some(value) {
        return errors;
    }
    check_type(schema, value, path, &mut errors);
    if value.is_null() {
        check_enum(schema, value, path, &mut errors);
        return errors;
    }
    check_alternatives(schema, value, path, &mut errors);
    match value {
        Value::String(text) => check_text(schema, text, path, &mut errors),
        Value::Number(_) => check_number(schema, value, path, &mut errors),
        Value::Array(items) => check_list(schema, items, old, path, &mut errors),
        _ => {}
    }
    check_enum(schema, value, path, &mut errors);
    if value.is_object() {
        check_object(schema, value, old, path, &mut errors);
    }
    errors
}

/// The types that a schema lets stand there; none for all.
fn types(schema: &Value) -> Vec<&str> {
    if flag(schema, "x-kubernetes-int-or-string") {
        return vec!["integer", "string"];
    }
    let kind = text(schema, "type");
    if kind.is_empty() {
        Vec::new()
    } else {
        vec![kind]
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_type(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let types = types(schema);
    if types.is_empty() || (value.is_null() && flag(schema, "nullable")) {
        return;
    }
    let name = name_of(value);
    let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let fits = types.iter().any(|wanted| match *wanted {
        "number" => name == "number" || name == "integer",
        "integer" => name == "integer" || (name == "number" && whole),
        wanted => wanted == name,
    });
    if !fits {
        // Where a format is wanted, what is neither text nor list is told by its own format.
        let format = text(schema, "format");
        let (wanted, name) = match name {
            "string" | "array" => (types.join(","), name),
            _ if format.is_empty() => (types.join(","), name),
            "integer" => (format.to_owned(), "int64"),
            "number" => (format.to_owned(), "double"),
            _ => (format.to_owned(), ""),
        };
        let detail = format!("{path} in body must be of type {wanted}: \"{name}\"");
        errors.push(type_invalid(path, &json!(name), &detail));
    }
}

/// anyOf, oneOf, allOf, not. Of alternatives that all fail, the errors of the first are told.
fn check_alternatives(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let results = |field: &str| -> Vec<Vec<FieldError>> {
        let schemas = list(schema, field).iter();
        schemas
            .map(|schema| check(schema, value, None, path))
            .collect()
    };
    let tell = |errors: &mut Vec<FieldError>, words: String| {
        errors.push(invalid(NOWHERE, &json!(""), &format!("\"{path}\" {words}")));
    };
    let any = results("anyOf");
    if !any.is_empty() && !any.iter().any(Vec::is_empty) {
        tell(
            errors,
            "must validate at least one schema (anyOf)".to_owned(),
        );
        errors.extend(any.into_iter().next().unwrap_or_default());
    }
    let one = results("oneOf");
    let valid = one.iter().filter(|errors| errors.is_empty()).count();
    if !one.is_empty() && valid != 1 {
        let found = match valid {
            0 => "none valid".to_owned(),
            several => format!("{several} valid alternatives"),
        };
        tell(
            errors,
            format!("must validate one and only one schema (oneOf). Found {found}"),
        );
        if valid == 0 {
            errors.extend(one.into_iter().next().unwrap_or_default());
        }
    }
    let all = results("allOf");
    if all.iter().any(|errors| !errors.is_empty()) {
        let none = all.iter().all(|errors| !errors.is_empty());
        errors.extend(all.into_iter().flatten());
        let more = if none { ". None validated" } else { "" };
        tell(
            errors,
            format!("must validate all the schemas (allOf){more}"),
        );
    }
    if let Some(not) = schema.get("not")
        && check(not, value, None, path).is_empty()
    {
        tell(errors, "must not validate the schema (not)".to_owned());
    }
}

/// Only the first of these is told.
fn check_text(schema: &Value, value: &str, path: &str, errors: &mut Vec<FieldError>) {
    let bound = |field: &str| schema.get(field).and_then(Value::as_u64);
    let length = value.chars().count() as u64;
    let pattern = text(schema, "pattern");
    if let Some(most) = bound("maxLength").filter(|most| length > *most) {
        errors.push(too_long(path, most));
    } else if let Some(least) = bound("minLength").filter(|least| length < *least) {
        let detail = format!("{path} in body should be at least {least} chars long");
        errors.push(invalid(path, &json!(value), &detail));
    } else if !pattern.is_empty()
        && regex_lite::Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(value))
    {
        let detail = format!("{path} in body should match '{pattern}'");
        errors.push(invalid(path, &json!(value), &detail));
    }
    let format = text(schema, "format");
    if !formats::matches(format, value) {
        let detail = format!("{path} in body must be of type {format}: {:?}", value);
        errors.push(type_invalid(path, &json!(value), &detail));
    }
}

fn check_number(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let number = value.as_f64().unwrap_or(0.0);
    let wanted = types(schema);
    if wanted == ["integer"] {
        let format = text(schema, "format");
        let (told, fits) = match format {
            "int32" => (
                "integer with format int32",
                value
                    .as_i64()
                    .is_some_and(|whole| i32::try_from(whole).is_ok()),
            ),
            _ => ("integer (default format)", number.fract() == 0.0),
        };
        if !fits {
            let detail = format!("Checked value must be of type {told} in {path}");
            errors.push(invalid(NOWHERE, &json!(""), &detail));
        }
    }
    let bound = |field: &str| schema.get(field).filter(|bound| bound.is_number());
    if let Some(factor) = bound("multipleOf") {
        // A whole number is divided by a whole number.
        let cut = factor.as_f64().unwrap_or(0.0).trunc();
        if value.is_i64() && cut <= 0.0 {
            let detail = format!("factor MultipleOf declared for {path} must be positive: 0");
            errors.push(invalid(path, &json!(0), &detail));
        } else {
            let factor_value = if value.is_i64() {
                cut
            } else {
                factor.as_f64().unwrap_or(1.0)
            };
            let times = number / factor_value;
            if (times - times.round()).abs() > f64::EPSILON * times.abs().max(1.0) {
                let detail = format!("{path} in body should be a multiple of {factor}");
                errors.push(invalid(path, value, &detail));
            }
        }
    }
    for (field, exclusive, above, than) in [
        ("maximum", "exclusiveMaximum", true, "less than"),
        ("minimum", "exclusiveMinimum", false, "greater than"),
    ] {
        let Some(limit) = bound(field) else { continue };
        let limit_value = limit.as_f64().unwrap_or(0.0);
        let strict = flag(schema, exclusive);
        let beyond = if above {
            number > limit_value
        } else {
            number < limit_value
        };
        if beyond || (strict && number == limit_value) {
            let or_equal = if strict { "" } else { " or equal to" };
            let detail = format!("{path} in body should be {than}{or_equal} {limit}");
            errors.push(invalid(path, value, &detail));
        }
    }
}

fn check_list(
    schema: &Value,
    items: &[Value],
    old: Option<&Value>,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if let Some(item_schema) = schema.get("items") {
        for (at, item) in items.iter().enumerate() {
            let before = old.and_then(|old| namesake(schema, item, old));
            errors.extend(check(item_schema, item, before, &index(path, at)));
        }
    }
    check_size(schema, items.len(), "Items", "items", path, errors);
}

/// The item of the same keys in the list of before, if items are told apart by keys.
pub(super) fn namesake<'a>(schema: &Value, item: &Value, old: &'a Value) -> Option<&'a Value> {
    if text(schema, "x-kubernetes-list-type") != "map" {
        return None;
    }
    let keys = list(schema, "x-kubernetes-list-map-keys");
    old.as_array()?.iter().find(|other| {
        keys.iter()
            .filter_map(Value::as_str)
            .all(|key| other.get(key) == item.get(key))
    })
}

fn check_size(
    schema: &Value,
    size: usize,
    bound: &str,
    what: &str,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let limit = |side: &str| schema.get(format!("{side}{bound}")).and_then(Value::as_u64);
    if let Some(least) = limit("min").filter(|least| (size as u64) < *least) {
        let detail = format!("{path} in body should have at least {least} {what}");
        errors.push(invalid(path, &json!(size), &detail));
    }
    if let Some(most) = limit("max").filter(|most| (size as u64) > *most) {
        errors.push(too_many(path, size, most));
    }
}

fn check_enum(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let known = list(schema, "enum");
    let nullable = value.is_null() && flag(schema, "nullable");
    if !known.is_empty() && !known.contains(value) && !nullable {
        errors.push(not_supported(path, value, known));
    }
}

fn check_object(
    schema: &Value,
    value: &Value,
    old: Option<&Value>,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let size = value.as_object().map_or(0, serde_json::Map::len);
    check_size(schema, size, "Properties", "properties", path, errors);
    let properties = schema.get("properties");
    let additional = schema.get("additionalProperties");
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = child(path, name);
        let known = properties.and_then(|known| known.get(name));
        match (known, additional) {
            (Some(of), _) => {
                let before = old.and_then(|old| old.get(name));
                errors.extend(check(of, member, before, &at));
            }
            (None, Some(of)) if of.is_object() => {
                let before = old.and_then(|old| old.get(name));
                errors.extend(check(of, member, before, &at));
            }
            (None, Some(Value::Bool(false))) => {
                let detail = format!("{path}.{name} in body is a forbidden property");
                errors.push(invalid(path, &json!(""), &detail));
            }
            _ => {}
        }
    }
    for name in list(schema, "required").iter().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            errors.push(required(&child(path, name), ""));
        }
    }
}

/// Lists whose items must differ, as a whole or in their keys (apiextensions-apiserver, `pkg/apiserver/schema/listtype`).
pub(super) fn check_unique(schema: &Value, value: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match value {
        Value::Object(map) => {
            for (name, member) in map {
                let known = schema.get("properties").and_then(|known| known.get(name));
                let additional = schema
                    .get("additionalProperties")
                    .filter(|of| of.is_object());
                match (known, additional) {
                    (Some(of), _) => errors.extend(check_unique(of, member, &child(path, name))),
                    (None, Some(of)) => {
                        errors.extend(check_unique(of, member, &super::findings::key(path, name)));
                    }
                    _ => {}
                }
            }
        }
        Value::Array(items) => {
            errors.extend(repeated(schema, items, path));
            if let Some(of) = schema.get("items") {
                for (at, item) in items.iter().enumerate() {
                    errors.extend(check_unique(of, item, &index(path, at)));
                }
            }
        }
        _ => {}
    }
    errors
}

fn repeated(schema: &Value, items: &[Value], path: &str) -> Vec<FieldError> {
    let kind = text(schema, "x-kubernetes-list-type");
    if kind == "map"
        && let Some(at) = items
            .iter()
            .position(|item| !item.is_object() && !item.is_null())
    {
        let detail = "must be an object for an array of list-type map";
        let item = items.get(at).unwrap_or(&Value::Null);
        return vec![invalid(&index(path, at), item, detail)];
    }
    let told: Vec<Value> = match kind {
        "set" => items.to_vec(),
        "map" => items
            .iter()
            .map(|item| {
                let keys = list(schema, "x-kubernetes-list-map-keys").iter();
                keys.filter_map(Value::as_str)
                    .filter_map(|key| Some((key.to_owned(), item.get(key)?.clone())))
                    .collect()
            })
            .collect(),
        _ => return Vec::new(),
    };
    let mut errors = Vec::new();
    for (at, value) in told.iter().enumerate() {
        let before = told.iter().take(at).filter(|other| *other == value);
        if before.count() == 1 {
            errors.push(duplicate_at(path, at, value));
        }
    }
    errors
}

fn duplicate_at(path: &str, at: usize, value: &Value) -> FieldError {
    super::findings::duplicate(&index(path, at), value)
}
