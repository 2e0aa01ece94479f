//! The object as an API server would have stored it.

use std::time::Duration;

use serde_json::{Map, Value, json};
use stagewright_core::object::{Kind, Snapshot};
use stagewright_core::time::Time;

/// When an object begins that does not say so. The same each time, so that two runs are the same.
const BEGINNING: &str = "2026-01-01T00:00:00Z";
/// The grace period of a pod that names none (API default).
const GRACE: u64 = 30;

/// Fills in what the API server and the scheduler would, where it is missing.
///
/// # Errors
/// Names the field that nobody can fill in.
pub fn prepare(mut body: Value) -> Result<Snapshot, String> {
    let text = |key: &str| {
        let text = body.get(key).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| format!("{key} is missing; write a whole object"))
    };
    let kind = Kind::new(&text("apiVersion")?, &text("kind")?);
    let Some(object) = body.as_object_mut() else {
        return Err("this is no object".to_owned());
    };
    let mut defaults = vec![
        ("metadata", "name", json!("simulated")),
        (
            "metadata",
            "uid",
            json!("00000000-0000-4000-8000-000000000001"),
        ),
        ("metadata", "resourceVersion", json!("1")),
        ("metadata", "creationTimestamp", json!(BEGINNING)),
    ];
    if kind.is_core("Pod") {
        defaults.push(("metadata", "namespace", json!("default")));
        defaults.push(("spec", "nodeName", json!("node")));
        defaults.push(("spec", "restartPolicy", json!("Always")));
        defaults.push(("status", "phase", json!("Pending")));
    }
    for (part, key, value) in defaults {
        let part = object
            .entry(part)
            .or_insert_with(|| Value::Object(Map::new()));
        let Some(part) = part.as_object_mut() else {
            return Err(format!(
                "{key} is to be in a mapping, and there is something else"
            ));
        };
        part.entry(key).or_insert(value);
    }
    Snapshot::parse(&kind, body).map_err(|error| error.to_string())
}

/// What becomes of an object whose deletion is requested; nothing is left of one that nobody holds.
#[must_use]
pub fn deleted(body: &Value, grace: Option<u32>, now: Time) -> Option<Value> {
    let is_pod = body.get("kind").and_then(Value::as_str) == Some("Pod");
    let own = body.pointer("/spec/terminationGracePeriodSeconds");
    let own = own.and_then(Value::as_u64).unwrap_or(GRACE);
    let grace = match grace {
        Some(grace) => u64::from(grace),
        None if is_pod => own,
        None => 0,
    };
    let mut body = body.clone();
    let metadata = body.get_mut("metadata").and_then(Value::as_object_mut)?;
    let until = now + Duration::from_secs(grace);
    metadata.insert("deletionTimestamp".to_owned(), until.to_seconds().into());
    metadata.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
    (!is_gone(&body)).then_some(body)
}

/// An object goes when its deletion is requested, its grace period is over and no finalizer holds it.
#[must_use]
pub fn is_gone(body: &Value) -> bool {
    let metadata = |key: &str| body.get("metadata").and_then(|metadata| metadata.get(key));
    let held = metadata("finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty());
    let grace = metadata("deletionGracePeriodSeconds").and_then(Value::as_u64);
    metadata("deletionTimestamp").is_some() && grace.unwrap_or(0) == 0 && !held
}

/// The object's state in a word or two.
#[must_use]
pub fn state(body: &Value) -> String {
    let phase = body.pointer("/status/phase").and_then(Value::as_str);
    let conditions = body.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().find_map(|condition| {
        let text = |key: &str| condition.get(key).and_then(Value::as_str);
        (text("type") == Some("Ready")).then(|| text("status") == Some("True"))
    });
    let is_node = body.get("kind").and_then(Value::as_str) == Some("Node");
    let mut words = match (phase, ready) {
        (_, Some(ready)) if is_node => if ready { "Ready" } else { "NotReady" }.to_owned(),
        (Some(phase), _) => phase.to_owned(),
        (None, Some(true)) => "Ready".to_owned(),
        (None, Some(false)) => "NotReady".to_owned(),
        (None, None) => "-".to_owned(),
    };
    if body.pointer("/metadata/deletionTimestamp").is_some() {
        words.push_str(", deleting");
    }
    words
}
