//! One cell: what of an object stands there, and how.

use serde_json::{Value, json};
use stagewright_core::selector;
use stagewright_core::time::Time;

use super::duration;

/// One object, when it is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) object: &'a Value,
    pub(super) now: Time,
}

/// One cell of a kind's rows; texts are JSON pointers, and words for what is not there.
#[derive(Clone, Copy)]
pub(super) enum Cell {
    /// A text; empty if it is not there.
    Text(&'static str),
    /// A text, and what stands for none.
    TextOr(&'static str, &'static str),
    /// A number; 0 if it is not there.
    Number(&'static str),
    /// A number, or these words.
    NumberOr(&'static str, &'static str),
    /// A truth, and what it is if nothing is said.
    Flag(&'static str, bool),
    /// A truth as a word with a capital, or these words.
    FlagWord(&'static str, &'static str),
    /// How long ago a time is.
    Since(&'static str, &'static str),
    /// How many members lists and maps have together.
    Count(&'static [&'static str]),
    /// The texts of a list, with commas.
    Join(&'static str, &'static str),
    /// A map of labels.
    Labels(&'static str),
    /// A label selector.
    Selector(&'static str),
    /// The names of the containers of a pod's spec.
    Containers(&'static str),
    /// Their images.
    Images(&'static str),
    /// What takes more than that.
    Made(fn(&Row<'_>) -> Value),
}

// === impl Cell ===

impl Cell {
    pub(super) fn show(self, row: &Row<'_>) -> Value {
        use Cell::*;
        match self {
            Text(at) => json!(row.text(at)),
            TextOr(at, none) => json!(row.text_or(at, none)),
            Number(at) => json!(row.number(at).unwrap_or(0)),
            NumberOr(at, none) => json!(row.at(at).map_or_else(|| none.to_owned(), plain)),
            Flag(at, usual) => json!(row.flag(at).unwrap_or(usual)),
            FlagWord(at, none) => json!(match row.flag(at) {
                Some(true) => "True",
                Some(false) => "False",
                None => none,
            }),
            Since(at, none) => json!(row.since(at).unwrap_or_else(|| none.to_owned())),
            Count(places) => {
                let count = |at: &&str| match row.at(at) {
                    Some(Value::Array(list)) => list.len(),
                    Some(Value::Object(map)) => map.len(),
                    _ => 0,
                };
                json!(places.iter().map(count).sum::<usize>())
            }
            Join(at, none) => {
                let texts: Vec<&str> = row.list(at).iter().filter_map(Value::as_str).collect();
                json!(if texts.is_empty() {
                    none.to_owned()
                } else {
                    texts.join(",")
                })
            }
            Labels(at) => json!(labels(row.at(at))),
            Selector(at) => json!(selector(row.at(at))),
            Containers(at) => json!(containers(row, at, "name")),
            Images(at) => json!(containers(row, at, "image")),
            Made(make) => make(row),
        }
    }
}

fn containers(row: &Row<'_>, at: &str, field: &str) -> String {
    let containers = row.list(&format!("{at}/containers"));
    let texts: Vec<&str> = containers
        .iter()
        .map(|container| {
            container
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        })
        .collect();
    texts.join(",")
}

/// `a=b,c=d`.
pub(super) fn labels(map: Option<&Value>) -> String {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    let texts: Vec<String> = pairs
        .map(|(key, value)| format!("{key}={}", plain(value)))
        .collect();
    if texts.is_empty() {
        return "<none>".to_owned();
    }
    texts.join(",")
}

/// A label selector as text.
pub(super) fn selector(object: Option<&Value>) -> String {
    let Some(object) = object.filter(|object| !object.is_null()) else {
        return "<none>".to_owned();
    };
    match selector::Selector::from_label_selector(object).map(|selector| selector.to_string()) {
        Ok(text) if text.is_empty() => "<none>".to_owned(),
        Ok(text) => text,
        Err(_) => "<error>".to_owned(),
    }
}

/// A value without quotes.
pub(super) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

// === impl Row ===

impl<'a> Row<'a> {
    /// What is at that pointer, if it is not null.
    pub(super) fn at(&self, pointer: &str) -> Option<&'a Value> {
        self.object
            .pointer(pointer)
            .filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, pointer: &str) -> &'a str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn text_or(&self, pointer: &str, none: &'a str) -> &'a str {
        match self.text(pointer) {
            "" => none,
            text => text,
        }
    }

    pub(super) fn number(&self, pointer: &str) -> Option<i64> {
        self.at(pointer).and_then(Value::as_i64)
    }

    pub(super) fn flag(&self, pointer: &str) -> Option<bool> {
        self.at(pointer).and_then(Value::as_bool)
    }

    pub(super) fn list(&self, pointer: &str) -> &'a [Value] {
        self.at(pointer)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    pub(super) fn time(&self, pointer: &str) -> Option<Time> {
        Time::parse(self.text(pointer))
    }

    /// How long ago the time there is, for people.
    pub(super) fn since(&self, pointer: &str) -> Option<String> {
        self.time(pointer)
            .map(|time| duration::between(time, self.now))
    }

    /// The condition of that type.
    pub(super) fn condition(&self, kind: &str) -> Option<&'a Value> {
        let mut conditions = self.list("/status/conditions").iter();
        conditions.find(|condition| condition.get("type").is_some_and(|known| known == kind))
    }

    /// Whether the condition of that type is true.
    pub(super) fn holds(&self, kind: &str) -> bool {
        let condition = self.condition(kind);
        condition.is_some_and(|condition| condition.get("status").is_some_and(|now| now == "True"))
    }
}
