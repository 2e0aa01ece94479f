//! What an applied configuration makes of an object (structured-merge-diff, `typed/merge.go`).

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::types::{Form, List, Members, Relation, Typed};

/// The object with the configuration's leaves. Nothing is taken away.
pub(super) fn merge(typed: Typed<'_>, object: &Value, config: &Value) -> Value {
    merged(typed, Some(object), Some(config)).unwrap_or_default()
}

/// `None` where nothing is left.
fn merged(typed: Typed<'_>, old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    let (Some(before), Some(after)) = (old, new) else {
        return new.or(old).cloned();
    };
    match typed.atom().form(Some(after)) {
        Form::Map(members) if !members.atomic => {
            let (old, new) = (before.as_object(), after.as_object());
            let some = |map: Option<&Map<String, Value>>| map.is_some_and(|map| !map.is_empty());
            if some(old) || some(new) {
                return maps(typed, members, old, new);
            }
        }
        Form::List(list) if list.relation != Relation::Atomic => {
            let items = |value: &'_ Value| value.as_array().is_some_and(|items| !items.is_empty());
            if items(before) || items(after) {
                let (old, new) = (before.as_array(), after.as_array());
                let slice = |items: Option<&'_ Vec<Value>>| items.cloned().unwrap_or_default();
                return lists(typed, list, &slice(old), &slice(new));
            }
        }
        _ => {}
    }
    Some(after.clone())
}

fn maps(
    typed: Typed<'_>,
    members: &Members,
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
) -> Option<Value> {
    let mut out = old.cloned().unwrap_or_default();
    for (name, value) in new.into_iter().flatten() {
        let of = typed.member(members, name);
        match merged(of, old.and_then(|old| old.get(name)), Some(value)) {
            Some(value) => out.insert(name.clone(), value),
            None => out.remove(name),
        };
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

/// What both lists have stands in the order of the configuration; what only the object has stays where it is among the rest.
fn lists(typed: Typed<'_>, list: &List, old: &[Value], new: &[Value]) -> Option<Value> {
    let of = typed.to(list.of);
    let (before, after) = (indexed(list, old), indexed(list, new));
    let known = by_element(&before);
    let wanted = by_element(&after);
    let mut both = after
        .iter()
        .map(|(element, _)| element.as_str())
        .filter(|element| known.contains_key(element));
    let mut next = both.next();
    let mut taken: HashSet<&str> = HashSet::new();
    let mut out = Vec::new();
    let take = |element: &str| {
        let old = known.get(element).copied().flatten();
        merged(of, old, wanted.get(element).copied().flatten())
    };
    let (mut left, mut right) = (before.iter().peekable(), after.iter().peekable());
    while left.peek().is_some() || right.peek().is_some() {
        if let Some((element, item)) = left.peek().copied() {
            let here = right.peek().map(|(other, _)| other == element);
            if !wanted.contains_key(element.as_str()) {
                out.push((*item).clone());
                left.next();
                continue;
            }
            // Both have it, and its turn is later in the configuration's order.
            if here == Some(false) && next.is_some_and(|next| next != element) {
                left.next();
                continue;
            }
            if here == Some(true) || taken.contains(element.as_str()) {
                left.next();
            }
        }
        if let Some((element, _)) = right.next() {
            taken.insert(element);
            out.extend(take(element));
            if next == Some(element.as_str()) {
                next = both.next();
            }
        }
    }
    (!out.is_empty()).then_some(Value::Array(out))
}

fn indexed<'a>(list: &List, items: &'a [Value]) -> Vec<(String, &'a Value)> {
    items
        .iter()
        .filter_map(|item| Some((list.element(item).ok()?, item)))
        .collect()
}

/// The items by their steps; `None` for one that is there twice, which is merged with nothing.
fn by_element<'a>(items: &'a [(String, &'a Value)]) -> HashMap<&'a str, Option<&'a Value>> {
    let mut found = HashMap::with_capacity(items.len());
    for (element, item) in items {
        found
            .entry(element.as_str())
            .and_modify(|known| *known = None)
            .or_insert(Some(*item));
    }
    found
}
