//! Conditions: each has a clock, and moves by it.

use serde_json::{Map, Value};

use super::breach::Mend;
use crate::json::At as _;
use crate::time::Time;

const CHANGED: &str = "lastTransitionTime";
/// Times of a condition beside [`CHANGED`] (Node, Pod, Deployment).
const SEEN: [&str; 3] = ["lastHeartbeatTime", "lastProbeTime", "lastUpdateTime"];

/// The condition of that type; of several the first, as Kubernetes' own readers take it.
pub(super) fn find<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let conditions = object.at("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|condition| type_of(condition) == Some(name))
}

pub(super) fn find_mut<'a>(
    object: &'a mut Value,
    name: &str,
) -> Option<&'a mut Map<String, Value>> {
    let conditions = object.pointer_mut("/status/conditions")?.as_array_mut()?;
    conditions
        .iter_mut()
        .find(|condition| type_of(condition) == Some(name))?
        .as_object_mut()
}

pub(super) fn is_true(object: &Value, name: &str) -> bool {
    find(object, name).and_then(status_of) == Some("True")
}

/// The condition's place as messages name it.
pub(super) fn path(name: &str) -> String {
    format!("/status/conditions/{name}")
}

/// Sets the clocks right: `lastTransitionTime` moves if and only if the status does, and no time falls or lies in the future
/// (`status_manager.go` `updateLastTransitionTime`; the API server checks neither).
///
/// `clocked`: whether a new condition without a time gets one.
pub(super) fn mend_clocks(
    before: &Value,
    after: &mut Value,
    now: Time,
    clocked: bool,
    mends: &mut Vec<Mend>,
) {
    let conditions = after.pointer_mut("/status/conditions");
    for condition in conditions
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let Some(name) = type_of(condition).map(str::to_owned) else {
            continue;
        };
        let stored = find(before, &name);
        let moved = stored.is_none_or(|stored| status_of(stored) != status_of(condition));
        let Some(condition) = condition.as_object_mut() else {
            continue;
        };
        let path = path(&name);
        let old = stored
            .and_then(|stored| stored.get(CHANGED))
            .filter(|old| time(old).is_some());
        let new = condition.get(CHANGED);
        let right = match (moved, old) {
            (false, Some(old)) => Some(old.clone()),
            (true, Some(old)) => turned(old, new, now),
            (_, None) if new.is_some_and(|new| time(new).is_some()) => not_future(new, now),
            (_, None) if clocked => Some(now.to_seconds().into()),
            (_, None) => None,
        };
        put(condition, CHANGED, right, "TransitionTime", &path, mends);
        for field in SEEN {
            let old = stored.and_then(|stored| stored.get(field));
            let right = never_falls(old, condition.get(field), now);
            put(condition, field, right, "ConditionTime", &path, mends);
        }
    }
}

/// A time that may neither fall below what is stored nor lie in the future: what must stand there instead, if anything.
pub(super) fn never_falls(old: Option<&Value>, new: Option<&Value>, now: Time) -> Option<Value> {
    let Some(old) = old.filter(|old| time(old).is_some()) else {
        return not_future(new, now);
    };
    let stored = time(old)?;
    match new.and_then(time) {
        Some(new) if new == stored => None,
        Some(new) if new < stored => Some(old.clone()),
        Some(new) if new > now && now > stored => Some(like(old, now)),
        Some(new) if new > now => Some(old.clone()),
        Some(_) => None,
        None => Some(old.clone()),
    }
}

/// Whether two values are the same, times by the instant.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    a == b || time(a).is_some_and(|instant| time(b) == Some(instant))
}

/// When a condition whose status moves did so: as it says, if that is later than the last time and has come; else now.
fn turned(old: &Value, new: Option<&Value>, now: Time) -> Option<Value> {
    let stored = time(old)?;
    let second = Time(now.0.div_euclid(1000) * 1000);
    let came = |new: Time| new > stored && new <= now || new == stored && stored >= second;
    if new.and_then(time).is_some_and(came) {
        return None;
    }
    Some(if stored >= second {
        old.clone()
    } else {
        now.to_seconds().into()
    })
}

fn not_future(new: Option<&Value>, now: Time) -> Option<Value> {
    let new = new?;
    (time(new)? > now).then(|| like(new, now))
}

/// The instant, written as that other time is: whole seconds, or with a fraction.
fn like(pattern: &Value, instant: Time) -> Value {
    let fraction = pattern.as_str().is_some_and(|text| text.contains('.'));
    if fraction {
        instant.to_micros()
    } else {
        instant.to_seconds()
    }
    .into()
}

fn put(
    condition: &mut Map<String, Value>,
    field: &str,
    right: Option<Value>,
    rule: &'static str,
    path: &str,
    mends: &mut Vec<Mend>,
) {
    let Some(right) = right else { return };
    let was = condition.insert(field.to_owned(), right.clone());
    if !was.as_ref().is_some_and(|was| same(was, &right)) {
        mends.push(Mend::new(
            rule,
            format!("{path}/{field}"),
            was.as_ref(),
            Some(&right),
        ));
    }
}

pub(super) fn time(value: &Value) -> Option<Time> {
    value.as_str().and_then(Time::parse)
}

fn type_of(condition: &Value) -> Option<&str> {
    condition.get("type")?.as_str()
}

fn status_of(condition: &Value) -> Option<&str> {
    condition.get("status")?.as_str()
}
