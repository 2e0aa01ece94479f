//! One step of a path, as FieldsV1 writes it: `f:NAME`, `k:{…}`, `v:…`, `i:…` (structured-merge-diff, `fieldpath/serialize-pe.go`).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What says that the path itself belongs to the set, beside what is below it.
pub(super) const SELF: &str = ".";

/// The member of that name.
pub(super) fn field(name: &str) -> String {
    format!("f:{name}")
}

/// The item with these keys, which come in the order of their names.
pub(super) fn key<'a>(keys: impl IntoIterator<Item = (&'a str, &'a Value)>) -> String {
    let mut text = b"k:{".to_vec();
    for (name, value) in keys {
        if text.len() > 3 {
            text.push(b',');
        }
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut text, name);
        text.push(b':');
        let _ = serde_json::to_writer(&mut text, value);
    }
    text.push(b'}');
    escaped(String::from_utf8(text).unwrap_or_default())
}

/// The item of that value.
pub(super) fn value(value: &Value) -> String {
    escaped(format!("v:{value}"))
}

/// Go's JSON writes these so, and what is compared as text must be written one way.
fn escaped(text: String) -> String {
    if !text.contains(['<', '>', '&']) {
        return text;
    }
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

/// The name, if the step is a member's.
pub(super) fn name(element: &str) -> Option<&str> {
    element.strip_prefix("f:")
}

/// Whether the step is an item's by keys.
pub(super) fn is_key(element: &str) -> bool {
    element.starts_with("k:")
}

/// The step as it would be written here; `None` for a sort of step that is not known.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(text: &str) -> Result<Option<String>, String> {
    let (Some(sort), Some(rest)) = (text.get(..2), text.get(2..)) else {
        return Err("key must be 2 characters long:".to_owned());
    };
    if !sort.ends_with(':') {
        return Err(format!("missing colon: {text}"));
    }
    let json = || serde_json::from_str::<Value>(rest).map_err(|error| error.to_string());
    Ok(match sort {
        "f:" => Some(text.to_owned()),
        "v:" => Some(value(&json()?)),
        "k:" => match json()? {
            Value::Object(keys) => Some(key(sorted(&keys))),
            other => return Err(format!("no keys: {other}")),
        },
        "i:" => {
            rest.parse::<i64>().map_err(|error| error.to_string())?;
            Some(text.to_owned())
        }
        _ => None,
    })
}

fn sorted(keys: &Map<String, Value>) -> BTreeMap<&str, &Value> {
    keys.iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

/// The step as people read it: `.name`, `[name="a"]`, `[="a"]`.
pub(super) fn shown(element: &str) -> String {
    let (sort, rest) = element.split_at(element.len().min(2));
    let json = || serde_json::from_str::<Value>(rest).unwrap_or_default();
    match sort {
        "f:" => format!(".{rest}"),
        "k:" => {
            let keys = json();
            let mut parts: Vec<String> = keys
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            parts.sort_unstable();
            format!("[{}]", parts.join(","))
        }
        "v:" => format!("[={}]", json()),
        _ => format!("[{rest}]"),
    }
}

/// The order in which steps are told: members by name, then items by their keys, values and places.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let rank = |element: &str| match element.get(..2) {
        Some("f:") => 0,
        Some("k:") => 1,
        Some("v:") => 2,
        _ => 3,
    };
    rank(one).cmp(&rank(other)).then_with(|| {
        let (Some(first), Some(second)) = (one.get(2..), other.get(2..)) else {
            return one.cmp(other);
        };
        if rank(one) == 0 {
            return first.cmp(second);
        }
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        by_value(&json(first), &json(second))
    })
}

fn by_value(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64(), other.as_f64());
            one.partial_cmp(&other).unwrap_or(Ordering::Equal)
        }
        (Value::Object(one), Value::Object(other)) => {
            let values = one.values().zip(other.values());
            let found = values
                .map(|(one, other)| by_value(one, other))
                .find(|order| order.is_ne());
            found.unwrap_or_else(|| one.len().cmp(&other.len()))
        }
        _ => one.to_string().cmp(&other.to_string()),
    }
}
