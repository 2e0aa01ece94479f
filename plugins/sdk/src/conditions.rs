//! Conditions of a status, as the API conventions have them: `lastTransitionTime` moves with `status` and with nothing else.

use serde_json::{Map, Value};

use crate::time::Time;

/// The condition of a type in a list of conditions.
#[must_use]
pub fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions
        .iter()
        .find(|condition| field(condition, "type") == kind)
}

/// The status of a condition: `True`, `False`, `Unknown`; empty if there is none.
#[must_use]
pub fn status<'a>(conditions: &'a [Value], kind: &str) -> &'a str {
    find(conditions, kind).map_or("", |condition| field(condition, "status"))
}

fn field<'a>(condition: &'a Value, name: &str) -> &'a str {
    condition
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Sets a condition in a list, in its place or at the end. The transition time stays if the status does; reason and message are
/// removed where they are empty; all other fields (probe and heartbeat times, observed generations) stay as they are.
pub fn set(
    conditions: &mut Vec<Value>,
    kind: &str,
    status: &str,
    (reason, message): (&str, &str),
    now: Time,
) {
    change(conditions, kind, |condition| {
        let moved = condition.get("status").and_then(Value::as_str) != Some(status);
        let timed = condition
            .get("lastTransitionTime")
            .is_some_and(|time| !time.is_null());
        condition.insert("status".into(), status.into());
        if moved || !timed {
            condition.insert("lastTransitionTime".into(), now.to_string().into());
        }
        for (name, text) in [("reason", reason), ("message", message)] {
            if text.is_empty() {
                condition.remove(name);
            } else {
                condition.insert(name.into(), text.into());
            }
        }
    });
}

/// Changes what [`set`] leaves alone of a condition. It is added at the end if there is none of that type.
pub fn change(
    conditions: &mut Vec<Value>,
    kind: &str,
    change: impl FnOnce(&mut Map<String, Value>),
) {
    let found = conditions
        .iter_mut()
        .find(|condition| field(condition, "type") == kind);
    if let Some(Value::Object(condition)) = found {
        change(condition);
        return;
    }
    let mut condition = Map::from_iter([("type".to_owned(), kind.into())]);
    change(&mut condition);
    conditions.push(Value::Object(condition));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_transition_time_moves_with_the_status_alone() {
        let old = "1970-01-01T00:00:00Z";
        let mut list = vec![
            json!({"type": "Other", "status": "True"}),
            json!({"type": "Ready", "status": "True", "lastTransitionTime": old, "lastProbeTime": null, "message": "m"}),
        ];
        set(&mut list, "Ready", "True", ("Fine", ""), Time(9000));
        assert_eq!(
            list[1],
            json!({"type": "Ready", "status": "True", "lastTransitionTime": old, "lastProbeTime": null, "reason": "Fine"})
        );
        set(&mut list, "Ready", "False", ("", ""), Time(9000));
        assert_eq!(list[1]["lastTransitionTime"], "1970-01-01T00:00:09Z");
        assert_eq!(status(&list, "Ready"), "False");
        assert_eq!(list[0], json!({"type": "Other", "status": "True"}));
    }

    #[test]
    fn a_new_one_is_added_and_one_without_a_time_gets_it() {
        let mut list = vec![json!({"type": "Ready", "status": "True"})];
        set(&mut list, "Ready", "True", ("", ""), Time(0));
        set(&mut list, "Initialized", "False", ("", ""), Time(0));
        change(&mut list, "Initialized", |condition| {
            condition.insert("lastProbeTime".into(), Value::Null);
        });
        assert_eq!(list[0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert_eq!(
            list[1],
            json!({"type": "Initialized", "status": "False", "lastTransitionTime": "1970-01-01T00:00:00Z", "lastProbeTime": null})
        );
        assert_eq!(status(&list, "None"), "");
    }
}
