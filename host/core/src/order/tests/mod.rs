//! Each rule a case, through one helper.

mod bookkeeping;
mod containers;
mod declared;
mod kinds;
mod laws;
mod pods;

use serde_json::{Value, json};

use super::Order;
use crate::time::Time;

pub(super) const NOW: &str = "2026-03-01T12:00:00Z";

pub(super) fn now() -> Time {
    Time::parse(NOW).unwrap()
}

/// What the guard makes of the move: `forward`, `mended RULE …`, or `RULE …` for the breaches after mending.
#[track_caller]
pub(super) fn check(order: &Order, before: &Value, after: &Value, expected: &str) {
    let mut mended = after.clone();
    let mends = order.mend(before, &mut mended, now());
    let breaches = order.breaches(before, &mended);
    let rules = |rules: Vec<&'static str>| rules.join(" ");
    let found = if !breaches.is_empty() {
        rules(breaches.iter().map(|breach| breach.rule).collect())
    } else if !mends.is_empty() {
        format!(
            "mended {}",
            rules(mends.iter().map(|mend| mend.rule).collect())
        )
    } else {
        "forward".to_owned()
    };
    assert_eq!(
        found, expected,
        "{before} → {after}: {breaches:?} {mends:?}"
    );
    let reaches = order.rank(before).reaches(order, &order.rank(&mended));
    assert_eq!(reaches, breaches.is_empty(), "the ranks say the same");
    let mut again = mended.clone();
    assert_eq!(
        order.mend(before, &mut again, now()),
        [],
        "mended once is mended"
    );
    assert_eq!(again, mended);
}

/// The object with other values at those pointers; null takes a member away.
pub(super) fn with(object: &Value, changes: &[(&str, Value)]) -> Value {
    let mut object = object.clone();
    for (at, value) in changes {
        let (parent, field) = at.rsplit_once('/').unwrap();
        let mut place = &mut object;
        for segment in parent
            .split('/')
            .skip(1)
            .map(|segment| segment.replace("~1", "/"))
        {
            place = place
                .as_object_mut()
                .unwrap()
                .entry(segment)
                .or_insert(json!({}));
        }
        let place = place.as_object_mut().unwrap();
        match value {
            Value::Null => place.remove(&field.replace("~1", "/")),
            value => place.insert(field.replace("~1", "/"), value.clone()),
        };
    }
    object
}

pub(super) fn condition(name: &str, status: &str, changed: &str) -> Value {
    json!({"type": name, "status": status, "lastTransitionTime": changed})
}
