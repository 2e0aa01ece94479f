//! Fields that are set once, numbers and times that never fall.

use serde_json::{Map, Value};

use super::breach::Mend;
use super::conditions;
use super::model::{Model, number};
use crate::json::At as _;
use crate::time::Time;

const OBSERVED: &str = "observedGeneration";

/// Takes back what the model says cannot be changed. `renewed`: the object is in a new epoch.
pub(super) fn mend(
    model: &Model,
    before: &Value,
    after: &mut Value,
    renewed: bool,
    now: Time,
    mends: &mut Vec<Mend>,
) {
    for once in model.once {
        let free = once
            .unless
            .is_some_and(|unless| unless(before) || unless(after));
        let Some(stored) = before.at(once.at).filter(|stored| is_set(stored)) else {
            continue;
        };
        if !(free || renewed && once.within_epoch) {
            put(after, once.at, stored.clone(), "SetOnce", mends);
        }
    }
    for at in model.rising {
        let Some(stored) = before.at(at) else {
            continue;
        };
        if number(stored) > after.at(at).and_then(number) {
            put(after, at, stored.clone(), "NumberFell", mends);
        }
    }
    for at in model.falling {
        let Some(stored) = before.at(at).filter(|stored| number(stored).is_some()) else {
            continue;
        };
        if after
            .at(at)
            .and_then(number)
            .is_none_or(|wanted| Some(wanted) > number(stored))
        {
            put(after, at, stored.clone(), "NumberRose", mends);
        }
    }
    for at in model.times {
        if let Some(right) = conditions::never_falls(before.at(at), after.at(at), now) {
            put(after, at, right, "TimeFell", mends);
        }
    }
}

/// What was observed never falls, and is at most what there is (the API server checks neither; `status_manager.go` keeps the
/// higher one). Of conditions too.
pub(super) fn mend_observed(before: &Value, after: &mut Value, mends: &mut Vec<Mend>) {
    let generation = after.at("/metadata/generation").and_then(number);
    let stored = before.at("/status/observedGeneration").and_then(number);
    let wanted = after.at("/status/observedGeneration").and_then(number);
    if let Some(right) =
        observed(stored, wanted.or(stored), generation).filter(|right| wanted != Some(*right))
    {
        put(
            after,
            "/status/observedGeneration",
            right.into(),
            "ObservedGeneration",
            mends,
        );
    }
    let conditions = after
        .pointer_mut("/status/conditions")
        .and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        let Some(name) = condition
            .get("type")
            .and_then(Value::as_str)
            .map(str::to_owned)
        else {
            continue;
        };
        let stored =
            conditions::find(before, &name).and_then(|stored| stored.get(OBSERVED)?.as_i64());
        let wanted = condition.get(OBSERVED).and_then(number);
        let (Some(right), Some(condition)) = (
            observed(stored, wanted, generation),
            condition.as_object_mut(),
        ) else {
            continue;
        };
        if wanted != Some(right) {
            let was = condition.insert(OBSERVED.to_owned(), right.into());
            let path = format!("{}/{OBSERVED}", conditions::path(&name));
            mends.push(Mend::new(
                "ObservedGeneration",
                path,
                was.as_ref(),
                Some(&right.into()),
            ));
        }
    }
}

fn observed(stored: Option<i64>, wanted: Option<i64>, generation: Option<i64>) -> Option<i64> {
    let wanted = wanted?;
    Some(
        wanted
            .min(generation.unwrap_or(wanted))
            .max(stored.unwrap_or(i64::MIN)),
    )
}

fn put(after: &mut Value, at: &str, right: Value, rule: &'static str, mends: &mut Vec<Mend>) {
    let was = after.at(at).cloned();
    if was.as_ref() == Some(&right) {
        return;
    }
    let quiet = was
        .as_ref()
        .is_some_and(|was| conditions::same(was, &right));
    if set(after, at, right.clone()) && !quiet {
        mends.push(Mend::new(rule, at, was.as_ref(), Some(&right)));
    }
}

/// Writes a member, with the objects above it where there is nothing. False if something else is in the way.
fn set(object: &mut Value, at: &str, value: Value) -> bool {
    let Some((parent, field)) = at.rsplit_once('/') else {
        return false;
    };
    let mut place = object;
    for segment in parent.split('/').skip(1) {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Some(map) = place.as_object_mut() else {
            return false;
        };
        place = map.entry(segment).or_insert(Value::Null);
    }
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    place
        .as_object_mut()
        .map(|map| map.insert(field.to_owned(), value))
        .is_some()
}

/// Whether there is anything to keep.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}
