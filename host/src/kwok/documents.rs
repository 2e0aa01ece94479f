//! From texts to documents. Each is read by itself, so that one that is broken takes none of its neighbours along.

use std::fmt;

use serde_json::{Number, Value};

use super::files::Text;

/// Where a document begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, or `stdin`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Where it begins.
    pub place: Place,
    /// As it is written.
    pub text: String,
    /// What it says.
    pub value: Value,
}

/// What is wrong with a document, or with a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the document begins.
    pub place: Place,
    /// The stage, if it is one that has a name.
    pub stage: Option<String>,
    /// A JSON pointer into the document; empty: all of it.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

// === impl Document ===

impl Document {
    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.value.pointer("/metadata/name")?.as_str()
    }

    /// The group of `apiVersion`, and the kind.
    #[must_use]
    pub fn group_kind(&self) -> (&str, &str) {
        let text = |key: &str| self.value.get(key).and_then(Value::as_str);
        let version = text("apiVersion").unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        (group, text("kind").unwrap_or_default())
    }

    /// Something that is wrong with it.
    #[must_use]
    pub fn problem(&self, path: impl Into<String>, message: impl Into<String>) -> Problem {
        let (_, kind) = self.group_kind();
        Problem {
            place: self.place.clone(),
            stage: self.name().filter(|_| kind == "Stage").map(str::to_owned),
            path: path.into(),
            message: message.into(),
        }
    }
}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(stage) = &self.stage {
            write!(f, "stage {stage}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// The documents of a text, without empty ones; the items of a list are documents too.
pub fn documents(text: &Text, found: &mut Vec<Document>, problems: &mut Vec<Problem>) {
    for (line, begin, part) in split(&text.text) {
        let place = Place {
            file: text.file.clone(),
            line,
        };
        let value = match parse(part) {
            Ok(Value::Null) => continue,
            Ok(value) => value,
            Err(_) => {
                // Read once more where it stands, so that the message has the file's lines.
                let above = text.text.get(..begin).unwrap_or_default();
                let lines = "\n".repeat(above.matches('\n').count());
                let message = parse(&format!("{lines}{part}")).err();
                let message = message.unwrap_or_else(|| "cannot be read".to_owned());
                problems.push(Problem {
                    place,
                    stage: None,
                    path: String::new(),
                    message,
                });
                continue;
            }
        };
        let is_list = value.get("kind").and_then(Value::as_str);
        let is_list = is_list.is_some_and(|kind| kind.ends_with("List"));
        match value.get("items").and_then(Value::as_array) {
            Some(items) if is_list => found.extend(items.iter().map(|item| Document {
                place: place.clone(),
                text: item.to_string(),
                value: item.clone(),
            })),
            _ => found.push(Document {
                place,
                text: part.to_owned(),
                value,
            }),
        }
    }
}

/// The parts between lines of `---`, with the line and the byte each begins at. Such a line within a text ends it in YAML too.
fn split(text: &str) -> Vec<(usize, usize, &str)> {
    let mut parts = Vec::new();
    let (mut begin, mut begun, mut at) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.strip_prefix("---");
        if marker.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            parts.push((begun, begin, text.get(begin..at).unwrap_or_default()));
            // What follows on the marker's own line is part of the document.
            begin = at + "---".len();
            begun = number + 2;
        }
        at += line.len();
    }
    parts.push((begun, begin, text.get(begin..).unwrap_or_default()));
    parts.retain(|(.., part)| !part.trim().is_empty());
    parts
}

/// One document, in YAML 1.1 as Kubernetes reads it: keys given twice count once, whole floats are whole.
///
/// # Errors
/// What is wrong, with line and column.
pub fn parse(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    let read = serde_saphyr::from_str_with_options(text, options);
    let mut value = read.map_err(|error: serde_saphyr::Error| {
        // The source beneath the message is more than a line can hold.
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        first.trim_start_matches("error: ").to_owned()
    })?;
    whole(&mut value);
    Ok(value)
}

fn whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            // Beyond 2^53 not each whole number is one.
            if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 {
                #[allow(clippy::cast_possible_truncation, reason = "a whole number in range")]
                let whole = float as i64;
                *number = Number::from(whole);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole),
        Value::Object(entries) => entries.values_mut().for_each(whole),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (Vec<Document>, Vec<Problem>) {
        let text = Text {
            file: "f.yaml".to_owned(),
            text: text.to_owned(),
        };
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        documents(&text, &mut found, &mut problems);
        (found, problems)
    }

    #[test]
    fn each_document_has_its_place() {
        let (found, problems) =
            read("# a comment\na: 1\n---\n---\nb: |\n  x\n --- no\n---\n{\"c\": 1e3}\n");
        let places: Vec<usize> = found.iter().map(|document| document.place.line).collect();
        assert_eq!(places, [1, 9]);
        assert_eq!(found[0].value, json!({"a": 1}));
        assert_eq!(found[1].value, json!({"c": 1000}));
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place.to_string(), "f.yaml:5");
    }

    #[test]
    fn one_that_is_broken_leaves_the_others() {
        let (found, problems) = read("a: [\n--- {b: 1}\n---\nc: yes\n");
        let values: Vec<&Value> = found.iter().map(|document| &document.value).collect();
        assert_eq!(values, [&json!({"b": 1}), &json!({"c": true})]);
        assert!(
            problems[0].to_string().starts_with("f.yaml:1: "),
            "{problems:?}"
        );
        let (_, problems) = read("a: 1\n---\nb: [\n");
        assert!(
            problems[0].to_string().starts_with("f.yaml:3: line 3 "),
            "{problems:?}"
        );
    }

    #[test]
    fn the_items_of_a_list_are_documents() {
        let (found, _) =
            read("kind: StageList\nitems:\n- kind: Stage\n  metadata: {name: a}\n- kind: Stage\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].name(), Some("a"));
        assert_eq!(found[1].group_kind(), ("", "Stage"));
    }
}
