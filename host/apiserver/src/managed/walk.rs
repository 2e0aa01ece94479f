//! Walks over values and their types: which paths a value has, what is wrong with it, and what is left when paths are taken out
//! (structured-merge-diff, `typed/tofieldset.go`, `validate.go`, `remove.go`).

use serde_json::{Map, Value};

use super::element;
use super::set::{self, Node, Set, Steps};
use super::types::{Form, List, Members, Relation, Scalar, Typed};

// === paths ===

/// All leaves and items that a value has.
pub(super) fn paths(typed: Typed<'_>, value: &Value) -> Set {
    Set::of(node(typed, value))
}

fn node(typed: Typed<'_>, value: &Value) -> Node {
    let mut found = Node::default();
    match (typed.atom().form(Some(value)), value) {
        (Form::Scalar(_), _) => found.member = true,
        (Form::Map(members), _) if members.atomic => found.member = true,
        (Form::List(list), _) if list.relation == Relation::Atomic => found.member = true,
        (Form::Map(members), Value::Object(map)) => {
            for (name, value) in map {
                let mut inner = node(typed.member(members, name), value);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                inner.member |= empty || !members.fields.contains_key(name.as_str());
                found.put(element::field(name), inner);
            }
        }
        (Form::List(list), Value::Array(items)) => {
            for same in by_element(list, items).chunk_by(alike) {
                let mut inner = match same {
                    [(_, item)] => node(typed.to(list.of), item),
                    _ => Node::default(),
                };
                inner.member = true;
                if let Some((element, _)) = same.first() {
                    found.put(element.clone(), inner);
                }
            }
        }
        _ => {}
    }
    found
}

/// The items of a list with the steps to them, by those. Items are alike where the list breaks its own rule.
pub(super) fn by_element<'a>(list: &List, items: &'a [Value]) -> Vec<(String, &'a Value)> {
    let with_step = |item| Some((list.element(item).ok()?, item));
    let mut found: Vec<(String, &Value)> = items.iter().filter_map(with_step).collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// Whether two items have the same step.
pub(super) fn alike(one: &(String, &Value), other: &(String, &Value)) -> bool {
    one.0 == other.0
}

// === taking out ===

/// The value without what is in the set. What loses its last member is null.
pub(super) fn remove(typed: Typed<'_>, value: Value, less: &Set) -> Value {
    without(typed, value, &less.0)
}

fn without(typed: Typed<'_>, value: Value, less: &Steps) -> Value {
    match (typed.atom().form(Some(&value)), value) {
        (Form::Scalar(_) | Form::Nothing, value) => value,
        (Form::Map(members), Value::Object(map)) if !members.atomic => {
            let mut kept = Map::new();
            for (name, value) in map {
                let element = element::field(&name);
                if less.get(&element).is_some_and(set::is_member) {
                    continue;
                }
                let value = match set::below(less, &element) {
                    Some(less) => without(typed.member(members, &name), value, less),
                    None => value,
                };
                kept.insert(name, value);
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Object(kept)
            }
        }
        (Form::List(list), Value::Array(items)) if list.relation != Relation::Atomic => {
            let mut kept = Vec::new();
            for item in items {
                let element = list.element(&item).unwrap_or_default();
                if less.get(&element).is_some_and(set::is_member) {
                    continue;
                }
                kept.push(match set::below(less, &element) {
                    Some(less) => without(typed.to(list.of), item, less),
                    None => item,
                });
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Array(kept)
            }
        }
        _ => Value::Null,
    }
}

// === what is wrong ===

/// What is wrong with a value, in the words of the real server; `None` if nothing is.
pub(super) fn check(typed: Typed<'_>, value: &Value) -> Option<String> {
    let mut errors = Vec::new();
    wrong(typed, value, &mut String::new(), &mut errors);
    match errors.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("errors:\n  {}", several.join("\n  "))),
    }
}

fn wrong(typed: Typed<'_>, value: &Value, path: &mut String, errors: &mut Vec<String>) {
    let mut tell = |path: &str, words: String| {
        errors.push(if path.is_empty() {
            words
        } else {
            format!("{path}: {words}")
        });
    };
    match (typed.atom().form(Some(value)), value) {
        (_, Value::Null) => {}
        (Form::Scalar(scalar), value) => {
            if let Some(words) = misfit(scalar, value) {
                tell(path, words);
            }
        }
        (Form::Map(members), Value::Object(map)) => {
            wrong_members(typed, members, map, path, errors)
        }
        (Form::List(list), Value::Array(items)) => wrong_items(typed, list, items, path, errors),
        (Form::Map(_), value) => tell(path, format!("expected map, got &{{{}}}", go(value))),
        (Form::List(_), value) => tell(path, format!("expected list, got &{{{}}}", go(value))),
        (Form::Nothing, _) => tell(path, "schema error: invalid atom: inlined".to_owned()),
    }
}

fn wrong_members(
    typed: Typed<'_>,
    members: &Members,
    map: &Map<String, Value>,
    path: &mut String,
    errors: &mut Vec<String>,
) {
    for (name, value) in map {
        let length = path.len();
        path.push('.');
        path.push_str(name);
        match members.member(name) {
            Some(place) => wrong(typed.to(place), value, path, errors),
            None => {
                errors.push(format!("{path}: field not declared in schema"));
                path.truncate(length);
                return;
            }
        }
        path.truncate(length);
    }
}

fn wrong_items(
    typed: Typed<'_>,
    list: &List,
    items: &[Value],
    path: &mut String,
    errors: &mut Vec<String>,
) {
    let mut seen = std::collections::HashSet::new();
    for (at, item) in items.iter().enumerate() {
        let shown = if list.relation == Relation::Atomic {
            format!("[{at}]")
        } else {
            match list.element(item) {
                Ok(element) => {
                    let shown = element::shown(&element);
                    if !seen.insert(element) {
                        errors.push(format!("{path}: duplicate entries for key {shown}"));
                    }
                    shown
                }
                Err(words) => {
                    errors.push(format!("{path}: element {at}: {words}"));
                    return;
                }
            }
        };
        let length = path.len();
        path.push_str(&shown);
        wrong(typed.to(list.of), item, path, errors);
        path.truncate(length);
    }
}

fn misfit(scalar: Scalar, value: &Value) -> Option<String> {
    match (scalar, value) {
        (Scalar::Number, Value::Number(_))
        | (Scalar::Text, Value::String(_))
        | (Scalar::Bool, Value::Bool(_))
        | (Scalar::Any, Value::Number(_) | Value::String(_) | Value::Bool(_)) => None,
        (Scalar::Number, _) => Some(format!(
            "expected numeric (int or float), got {}",
            go_type(value)
        )),
        (Scalar::Text, _) => Some(format!(
            "expected string, got &value.valueUnstructured{{Value:{}}}",
            go(value)
        )),
        (Scalar::Bool, _) => Some(format!("expected boolean, got &{{{}}}", go(value))),
        (Scalar::Any, _) => Some(format!("expected any scalar, got &{{{}}}", go(value))),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go prints it.
fn go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .map(|(name, value)| format!("{name}:{}", go(value)))
                .collect();
            format!("map[{}]", members.join(" "))
        }
        other => other.to_string(),
    }
}
