//! Reading JSON, and what the rules of several kinds share.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rule: &'static str,
    pub(super) path: String,
    pub(super) from: String,
    pub(super) to: String,
}

impl Finding {
    pub(super) fn new(
        rule: &'static str,
        path: impl Into<String>,
        from: impl ToString,
        to: impl ToString,
    ) -> Self {
        Self {
            rule,
            path: path.into(),
            from: from.to_string(),
            to: to.to_string(),
        }
    }
}

/// What is at a pointer without escapes. [`Value::pointer`] makes a copy of each name.
fn at<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut names = pointer.split('/').skip(1);
    names.try_fold(object, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    })
}

/// The text at a pointer; empty if there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub(super) fn number(object: &Value, pointer: &str) -> Option<i64> {
    at(object, pointer).and_then(Value::as_i64)
}

/// The time at a pointer. What is no time counts as none.
pub(super) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

/// The items of a list, by the text of one of their fields.
pub(super) fn by_key<'a>(
    object: &'a Value,
    pointer: &str,
    key: &str,
) -> BTreeMap<&'a str, &'a Value> {
    let items = at(object, pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    items
        .filter_map(|item| Some((item.get(key)?.as_str()?, item)))
        .collect()
}

/// A value that is there never changes and never goes.
pub(super) fn set_once(before: &Value, after: &Value, pointers: &[&str], found: &mut Vec<Finding>) {
    for &pointer in pointers {
        let (old, new) = (at(before, pointer), at(after, pointer));
        let is_set = old.is_some_and(|old| {
            !old.is_null()
                && old.as_str() != Some("")
                && old.as_array().is_none_or(|list| !list.is_empty())
        });
        if is_set && old != new {
            found.push(Finding::new(
                "SetOnceChanged",
                pointer,
                shown(old),
                shown(new),
            ));
        }
    }
}

/// A number that is there never falls and never goes.
pub(super) fn never_falls(
    before: &Value,
    after: &Value,
    pointers: &[&str],
    found: &mut Vec<Finding>,
) {
    for &pointer in pointers {
        let (old, new) = (number(before, pointer), number(after, pointer));
        if old > new {
            found.push(Finding::new(
                "NumberFell",
                pointer,
                shown(before.pointer(pointer)),
                shown(after.pointer(pointer)),
            ));
        }
    }
}

/// A time that is there never falls and never goes.
pub(super) fn never_earlier(
    before: &Value,
    after: &Value,
    path: &str,
    pointer: &str,
    found: &mut Vec<Finding>,
) {
    let (old, new) = (text(before, pointer), text(after, pointer));
    if old != new && time(before, pointer) > time(after, pointer) {
        found.push(Finding::new(
            "TimeFell",
            format!("{path}{pointer}"),
            old,
            new,
        ));
    }
}

/// Deletion, once asked for, is never taken back and only comes nearer (`ObjectMeta.deletionTimestamp`). A shortened grace period
/// that is over already makes the server write the present moment (apiserver `BeforeDelete`): nearer too, though a later time.
pub(super) fn deletion(before: &Value, after: &Value, found: &mut Vec<Finding>) {
    let (pointer, grace) = (
        "/metadata/deletionTimestamp",
        "/metadata/deletionGracePeriodSeconds",
    );
    let Some(old) = time(before, pointer) else {
        return;
    };
    match time(after, pointer) {
        None => found.push(Finding::new("DeletionUndone", pointer, old, "none")),
        Some(_) if number(after, grace) < number(before, grace) => {}
        Some(new) if new > old => found.push(Finding::new("DeletionPostponed", pointer, old, new)),
        Some(_) => {}
    }
}

/// Conditions: their times never fall; those of `latches` stay True. A time that moves while the status stays is untidy.
pub(super) fn conditions(
    before: &Value,
    after: &Value,
    latches: &[&str],
    found: &mut Vec<Finding>,
    untidy: &mut Vec<Finding>,
) {
    let (old, new) = (
        by_key(before, "/status/conditions", "type"),
        by_key(after, "/status/conditions", "type"),
    );
    for (kind, old) in old {
        let path = format!("/status/conditions/{kind}");
        let was = text(old, "/status");
        let Some(new) = new.get(kind) else {
            if was == "True" && latches.contains(&kind) {
                found.push(Finding::new("LatchReset", path, was, "none"));
            }
            continue;
        };
        let is = text(new, "/status");
        if was == "True" && is != "True" && latches.contains(&kind) {
            found.push(Finding::new("LatchReset", &path, was, is));
        }
        for pointer in ["/lastTransitionTime", "/lastHeartbeatTime"] {
            never_earlier(old, new, &path, pointer, found);
        }
        let (since, now) = (
            time(old, "/lastTransitionTime"),
            time(new, "/lastTransitionTime"),
        );
        if was == is && since.is_some() && now > since {
            untidy.push(Finding::new(
                "TransitionTimeMoved",
                path,
                text(old, "/lastTransitionTime"),
                text(new, "/lastTransitionTime"),
            ));
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), Value::to_string)
}
