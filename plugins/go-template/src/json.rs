//! JSON as `encoding/json` reads and writes it.

use std::rc::Rc;

use serde_json::Value as Json;

use super::float;
use super::value::Value;

/// The object as a template sees it: numbers are text, written as Go writes them.
#[must_use]
pub fn object(json: &Json) -> Value {
    read(json, &|number| Value::Number(number_text(number).into()))
}

/// What `fromJson` gives: numbers are floats.
#[must_use]
pub fn decoded(json: &Json) -> Value {
    read(json, &|number| {
        Value::Float(number.as_f64().unwrap_or(f64::NAN))
    })
}

fn read(json: &Json, number: &impl Fn(&serde_json::Number) -> Value) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(value) => number(value),
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::list(items.iter().map(|item| read(item, number)).collect()),
        Json::Object(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, item)| (Rc::from(key.as_str()), read(item, number)));
            Value::map(entries)
        }
    }
}

/// A number as Kubernetes' decoder keeps it and Go writes it: 64-bit whole numbers, else a float.
#[must_use]
pub fn number_text(number: &serde_json::Number) -> String {
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole.to_string(),
        (None, Some(value)) => float::json(value),
        (None, None) => number.to_string(),
    }
}

/// `json.Marshal`: keys in order, and characters that trouble HTML escaped.
#[must_use]
pub fn text(value: &Value) -> String {
    let mut out = String::with_capacity(value.as_text().map_or(0, |text| text.len() + 2));
    write(value, true, None, 0, &mut out);
    out
}

/// The same without the escapes.
#[must_use]
pub fn raw_text(value: &Value) -> String {
    let mut out = String::new();
    write(value, false, None, 0, &mut out);
    out
}

/// `json.MarshalIndent` by two spaces.
#[must_use]
pub fn pretty_text(value: &Value) -> String {
    let mut out = String::new();
    write(value, true, Some("  "), 0, &mut out);
    out
}

fn write(value: &Value, escape: bool, indent: Option<&str>, depth: usize, out: &mut String) {
    match value {
        Value::Missing | Value::Nil => out.push_str("null"),
        Value::Float(value) => out.push_str(&float::json(*value)),
        Value::Text(text) => string(text, escape, out),
        // Go writes the empty number as a zero.
        Value::Number(text) => out.push_str(if text.is_empty() { "0" } else { text }),
        Value::Time(time) => string(&time.rfc3339(), escape, out),
        Value::List(list) => {
            let items = list.items.iter().map(|item| (None, item));
            nested(['[', ']'], items, escape, indent, depth, out);
        }
        Value::Map(map) => {
            let entries = map.entries.borrow();
            let items = entries.iter().map(|(key, item)| (Some(&**key), item));
            nested(['{', '}'], items, escape, indent, depth, out);
        }
        other => other.show_into(out),
    }
}

fn nested<'a>(
    [open, close]: [char; 2],
    items: impl Iterator<Item = (Option<&'a str>, &'a Value)>,
    escape: bool,
    indent: Option<&str>,
    depth: usize,
    out: &mut String,
) {
    out.push(open);
    let mut is_empty = true;
    let line = |depth: usize, out: &mut String| {
        if let Some(indent) = indent {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
    };
    for (key, item) in items {
        if !is_empty {
            out.push(',');
        }
        is_empty = false;
        line(depth + 1, out);
        if let Some(key) = key {
            string(key, escape, out);
            out.push_str(if indent.is_some() { ": " } else { ":" });
        }
        write(item, escape, indent, depth + 1, out);
    }
    if !is_empty {
        line(depth, out);
    }
    out.push(close);
}

/// What is written as it is, escaped or not. Most texts have nothing else.
fn is_bare(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&')
}

/// A string in quotes; `escape` is about what troubles HTML.
pub(super) fn string(text: &str, escape: bool, out: &mut String) {
    out.push('"');
    if text.bytes().all(is_bare) {
        out.push_str(text);
        out.push('"');
        return;
    }
    for char in text.chars() {
        match char {
            '"' | '\\' => {
                out.push('\\');
                out.push(char);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' if !escape => out.push(char),
            '<' | '>' | '&' | '\0'..' ' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(char)));
            }
            char => out.push(char),
        }
    }
    out.push('"');
}

/// A tree of JSON, for what leaves the template.
///
/// # Errors
/// If a number is none.
pub fn tree(value: &Value) -> Result<Json, String> {
    Ok(match value {
        Value::Missing | Value::Nil => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) | Value::Int64(value) => Json::from(*value),
        Value::Byte(value) => Json::from(*value),
        Value::Float(value) => {
            let number = serde_json::Number::from_f64(*value);
            Json::Number(number.ok_or_else(|| format!("{value} is no number of JSON"))?)
        }
        Value::Text(text) => Json::String(text.as_ref().to_owned()),
        Value::Number(text) => serde_json::from_str(text).map_err(|error| error.to_string())?,
        Value::Time(time) => Json::String(time.rfc3339()),
        Value::List(list) => Json::Array(list.items.iter().map(tree).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let mut entries = serde_json::Map::new();
            for (key, item) in map.entries.borrow().iter() {
                entries.insert(key.as_ref().to_owned(), tree(item)?);
            }
            Json::Object(entries)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_writes_it() {
        let json: Json = serde_json::from_str(
            r#"{"b": [1, 1.0, 1.5, 1e30, null, true], "a": "<&>\u2028\u0001", "c": {}, "d": [], "n": 18446744073709551615}"#,
        )
        .unwrap();
        let value = object(&json);
        assert_eq!(
            text(&value),
            r#"{"a":"\u003c\u0026\u003e\u2028\u0001","b":[1,1,1.5,1e+30,null,true],"c":{},"d":[],"n":18446744073709552000}"#
        );
        assert_eq!(raw_text(&Value::text("<a>")), "\"<a>\"");
        assert_eq!(
            pretty_text(&object(&serde_json::json!({"a": [1], "b": {}}))),
            "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}"
        );
        assert_eq!(decoded(&serde_json::json!(1)).type_name(), "float64");
    }
}
