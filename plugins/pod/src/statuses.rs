//! Container statuses: what is there is moved on, and what is missing is filled in.

use serde_json::{Map, Value, json};
use stagewright_plugin::Time;

use crate::ids;

/// A status being changed.
pub type Status = Map<String, Value>;

/// How containers end.
#[derive(Debug, Clone, Copy)]
pub struct End {
    pub exit_code: u8,
    pub at: Time,
}

/// The status of each container of a list in the spec, in its order, each changed.
pub fn each(pod: &Value, list: &str, mut change: impl FnMut(&Value, &mut Status)) -> Vec<Value> {
    let containers = items(pod, &format!("/spec/{list}s"));
    let known = items(pod, &format!("/status/{list}Statuses"));
    let statuses = containers.iter().map(|container| {
        let name = text(container, "name");
        let status = known.iter().find(|status| text(status, "name") == name);
        let mut status = status
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        fill(&mut status, container);
        change(container, &mut status);
        Value::Object(status)
    });
    statuses.collect()
}

/// What the API server requires of a status, and what it would add to it.
fn fill(status: &mut Status, container: &Value) {
    for (field, value) in [
        ("name", text(container, "name").into()),
        ("image", text(container, "image").into()),
        ("imageID", "".into()),
        ("ready", false.into()),
        ("restartCount", 0.into()),
        ("started", false.into()),
        ("state", json!({})),
        ("lastState", json!({})),
    ] {
        status.entry(field).or_insert(value);
    }
}

/// Waits, unless it has done more already.
pub fn wait(status: &mut Status, reason: &str) {
    if !is_in(status, "running") && !is_in(status, "terminated") {
        status.insert("state".into(), json!({"waiting": {"reason": reason}}));
    }
}

/// Runs. What has ended stays ended: only a restart, which this plugin does not do, would bring it back.
pub fn run(status: &mut Status, pod: &Value, now: Time) {
    if is_in(status, "terminated") {
        return;
    }
    identify(status, pod);
    if !is_in(status, "running") {
        status.insert("state".into(), json!({"running": {"startedAt": now}}));
    }
    status.insert("ready".into(), true.into());
    status.insert("started".into(), true.into());
}

/// Ends. Answers the exit code that it has then.
pub fn end(status: &mut Status, pod: &Value, end: End) -> i64 {
    if let Some(code) = exit_code(status) {
        status.insert("started".into(), false.into());
        return code;
    }
    let started = status
        .get("state")
        .and_then(|state| state.pointer("/running/startedAt"))
        .cloned();
    let terminated = match started {
        Some(started) => {
            identify(status, pod);
            let reason = if end.exit_code == 0 {
                "Completed"
            } else {
                "Error"
            };
            json!({"exitCode": end.exit_code, "reason": reason, "startedAt": started, "finishedAt": end.at,
                "containerID": status.get("containerID").cloned().unwrap_or_default()})
        }
        // As the kubelet has it for a container that never ran, or that it lost.
        None => {
            json!({"exitCode": 137, "reason": "ContainerStatusUnknown", "message": "the container did not run when its pod ended",
            "startedAt": end.at, "finishedAt": end.at})
        }
    };
    status.insert("state".into(), json!({ "terminated": terminated }));
    status.insert("ready".into(), false.into());
    status.insert("started".into(), false.into());
    exit_code(status).unwrap_or_default()
}

/// An init container that is done: ready, since nothing waits for it any more.
pub fn done(status: &mut Status, pod: &Value, now: Time) {
    run(status, pod, now);
    end(
        status,
        pod,
        End {
            exit_code: 0,
            at: now,
        },
    );
    status.insert("ready".into(), true.into());
}

/// Whether its state is of that name.
pub fn is_in(status: &Status, state: &str) -> bool {
    status
        .get("state")
        .and_then(|states| states.get(state))
        .is_some_and(|state| !state.is_null())
}

/// Whether an init container lets the next one start: it is done, or a sidecar that runs.
pub fn is_passed(container: &Value, status: &Status) -> bool {
    is_in(status, "terminated") || (is_sidecar(container) && is_in(status, "running"))
}

/// A sidecar starts in its turn and runs on (KEP-753).
pub fn is_sidecar(container: &Value) -> bool {
    text(container, "restartPolicy") == "Always"
}

fn exit_code(status: &Status) -> Option<i64> {
    let state = status.get("state")?.get("terminated")?;
    Some(
        state
            .get("exitCode")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
    )
}

fn identify(status: &mut Status, pod: &Value) {
    let name = status
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let image = status
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let uid = pod
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let ids = [
        ("containerID", ids::container(uid, name)),
        ("imageID", ids::image(image)),
    ];
    for (field, id) in ids {
        if status
            .get(field)
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            status.insert(field.into(), id.into());
        }
    }
}

/// A string field; empty if there is none.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a pointer; empty if there is none.
pub fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}
