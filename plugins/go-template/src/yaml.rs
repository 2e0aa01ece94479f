//! YAML as `sigs.k8s.io/yaml` reads and writes it: YAML 1.1 with JSON's values.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value as Json;

use super::yaml_style::{Place, pad, scalar, word};
use super::{float, yaml_plain, yaml_read};

/// The first document as text of JSON.
///
/// # Errors
/// If it is no YAML, with line and column.
pub fn json(text: &str) -> Result<String, String> {
    if let Some(plain) = yaml_plain::json(text) {
        return Ok(plain);
    }
    let first = yaml_read::read_all(text)?.into_iter().next();
    Ok(first.unwrap_or_default().to_string())
}

/// Reads several documents; empty ones are left out.
///
/// # Errors
/// If one is no YAML, with line and column.
pub fn read_all(text: &str) -> Result<Vec<Json>, String> {
    let mut documents = yaml_read::read_all(text)?;
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

/// Writes a document: keys in their order, two spaces a level, lists not indented below a key, lines folded at 80.
#[must_use]
pub fn text(value: &Json) -> String {
    let mut out = Out::default();
    out.node(value, 0, Context::Root);
    out.text.push('\n');
    // A literal block ends its own line.
    if out.ended {
        out.text.pop();
    }
    out.text
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq)]
enum Context {
    Root,
    /// Behind a key.
    Value,
    /// Behind a dash.
    Item,
}

/// The text so far; whether its last line is ended.
#[derive(Default)]
struct Out {
    text: String,
    ended: bool,
}

impl Out {
    /// `indent` is the one of the collection that holds the node.
    fn node(&mut self, value: &Json, indent: usize, context: Context) {
        match value {
            Json::Array(items) if !items.is_empty() => {
                let indent = match context {
                    Context::Item => indent + 2,
                    Context::Value | Context::Root => indent,
                };
                for (index, item) in items.iter().enumerate() {
                    self.begin(index == 0 && context != Context::Value, indent, context);
                    self.text.push('-');
                    self.node(item, indent, Context::Item);
                }
            }
            Json::Object(entries) if !entries.is_empty() => {
                let indent = match context {
                    Context::Root => indent,
                    Context::Item | Context::Value => indent + 2,
                };
                let mut entries: Vec<(&String, &Json)> = entries.iter().collect();
                entries.sort_by(|a, b| natural(a.0, b.0));
                for (index, (key, item)) in entries.into_iter().enumerate() {
                    self.begin(index == 0 && context != Context::Value, indent, context);
                    self.key(key, indent);
                    self.node(item, indent, Context::Value);
                }
            }
            other => {
                if context != Context::Root {
                    self.text.push(' ');
                }
                let text = plain(other).unwrap_or_else(|text| self.scalar(text, indent, false));
                // Only a literal block has lines of its own that end.
                self.ended = text.ends_with('\n');
                self.text.push_str(&text);
            }
        }
    }

    /// Begins an entry: the first of a list's item stands behind its dash, all others on a line of their own.
    fn begin(&mut self, in_line: bool, indent: usize, context: Context) {
        if in_line {
            if context == Context::Item {
                self.text.push(' ');
            }
            return;
        }
        if !self.ended && !self.text.is_empty() {
            self.text.push('\n');
        }
        self.ended = false;
        pad(&mut self.text, indent);
    }

    fn key(&mut self, key: &str, indent: usize) {
        // A long key is marked, and its value goes on a line of its own.
        if key.len() > 128 || key.contains('\n') {
            let text = self.scalar(key, indent, false);
            self.text.push_str("? ");
            self.text.push_str(text.trim_end_matches('\n'));
            self.text.push('\n');
            pad(&mut self.text, indent);
        } else {
            let text = self.scalar(key, indent, true);
            self.text.push_str(&text);
        }
        self.text.push(':');
    }

    /// A string as it is written here.
    fn scalar<'a>(&self, text: &'a str, indent: usize, is_key: bool) -> Cow<'a, str> {
        if let Some(word) = word(text) {
            return word;
        }
        let line = self.text.rsplit('\n').next().unwrap_or_default();
        let place = Place {
            column: line.chars().count(),
            indent: indent + 2,
            is_key,
        };
        scalar(text, place).into()
    }
}

/// What needs no quotes; a string is handed back.
fn plain(value: &Json) -> Result<Cow<'_, str>, &str> {
    Ok(match value {
        Json::Null => "null".into(),
        Json::Bool(true) => "true".into(),
        Json::Bool(false) => "false".into(),
        Json::Number(number) => match (number.is_f64(), number.as_f64()) {
            (true, Some(value)) => float::shortest(value).into(),
            _ => number.to_string().into(),
        },
        Json::String(text) => return Err(text),
        Json::Array(_) => "[]".into(),
        Json::Object(_) => "{}".into(),
    })
}

/// The order of keys: letters behind all else, digits by their number.
fn natural(a: &str, b: &str) -> Ordering {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    let at = same.map(|(char, _)| char.len_utf8()).sum();
    let (Some((before, a)), Some((_, b))) = (a.split_at_checked(at), b.split_at_checked(at)) else {
        return a.cmp(b);
    };
    let (Some(first), Some(second)) = (a.chars().next(), b.chars().next()) else {
        return a.len().cmp(&b.len());
    };
    match (first.is_alphabetic(), second.is_alphabetic()) {
        (true, true) => return first.cmp(&second),
        (false, true) => return Ordering::Less,
        (true, false) => return Ordering::Greater,
        (false, false) => {}
    }
    let mut begun = 0_i64;
    if first == '0' || second == '0' {
        let mut digits = before.bytes().rev().take_while(u8::is_ascii_digit);
        begun = i64::from(digits.any(|digit| digit != b'0'));
    }
    let number = |text: &str| -> (i64, usize) {
        let digits = text.chars().map_while(|char| char.to_digit(10));
        digits.fold((begun, 0), |(sum, count), digit| {
            let sum = sum.wrapping_mul(10).wrapping_add(i64::from(digit));
            (sum, count + 1)
        })
    };
    number(a).cmp(&number(b)).then(first.cmp(&second))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Json, String> {
        json(text).map(|json| serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn as_kubernetes_writes_it() {
        let value = json!({
            "a": [], "b": {}, "c": [1, {"x": 1, "y": [2]}, [3, [4]], "s"], "d": {"e": {"f": null}},
            "t": ["yes", "1", "", "null", " a", "a: b", "a #b", "- x", "0x1", "1e3", "2006-01-02", "1:30", "~", "a'b", "'", "ü"],
            "l": "one\ntwo\n", "m": "one\ntwo", "n": "one\n\n", "k": 1.5,
        });
        let expected = "a: []\nb: {}\nc:\n- 1\n- x: 1\n  \"y\":\n  - 2\n- - 3\n  - - 4\n- s\nd:\n  e:\n    f: null\nk: 1.5\n\
            l: |\n  one\n  two\nm: |-\n  one\n  two\n\"n\": |+\n  one\n\nt:\n- \"yes\"\n- \"1\"\n- \"\"\n- \"null\"\n- ' a'\n- 'a: b'\n\
            - 'a #b'\n- '- x'\n- \"0x1\"\n- \"1e3\"\n- \"2006-01-02\"\n- \"1:30\"\n- \"~\"\n- a'b\n- ''''\n- ü\n";
        assert_eq!(text(&value), expected);
        assert_eq!(read(expected).unwrap(), value);
        assert_eq!(text(&json!("a\nb\n")), "|\n  a\n  b\n");
        assert_eq!(text(&json!(["a\nb\n", "c"])), "- |\n  a\n  b\n- c\n");
    }

    #[test]
    fn long_lines_are_folded() {
        let words = "word ".repeat(30);
        let text = text(&json!({"a": words.trim()}));
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().nth(1).unwrap().starts_with("  word"));
    }

    #[test]
    fn keys_in_their_order() {
        let mut keys = ["b", "a10", "a2", "_x", "B", "a", "1", "a.b"];
        keys.sort_by(|a, b| natural(a, b));
        assert_eq!(keys, ["_x", "1", "B", "a", "a.b", "a2", "a10", "b"]);
    }

    #[test]
    fn yaml_of_version_1_1() {
        for (yaml, json) in [
            ("a: yes", json!({"a": true})),
            ("a: 010", json!({"a": 8})),
            ("a: 1e3", json!({"a": 1000})),
            ("a: 1\na: 2", json!({"a": 2})),
            ("", json!(null)),
            ("a: 1.5", json!({"a": 1.5})),
            ("1: a", json!({"1": "a"})),
        ] {
            assert_eq!(read(yaml).unwrap(), json, "{yaml}");
        }
        assert!(read("a: [").is_err());
    }
}
