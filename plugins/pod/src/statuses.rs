//! Container statuses: what is there is moved on, and what is missing is filled in.

use std::time::Duration;

use serde_json::{Map, Value, json};
use stagewright_plugin::Time;

use crate::ids;
use crate::view::RESTARTING_ALL;

/// A status being changed.
pub type Status = Map<String, Value>;

/// How containers end.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    pub exit_code: u8,
    /// None: what the code says.
    pub reason: Option<&'a str>,
    pub at: Time,
}

/// What a status says, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// With the code of its last end, if it ended before and is not to begin anew with all others.
    Waiting(Option<i64>),
    Running,
    Terminated(i64),
}

/// The status of each container of a list in the spec, in its order.
pub fn of(pod: &Value, list: &str) -> Vec<Status> {
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
        status
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
    if matches!(state(status), State::Waiting(_)) {
        status.insert("state".into(), json!({"waiting": {"reason": reason}}));
    }
}

/// Waits for a reason, and says more about it.
pub fn wait_for(status: &mut Status, reason: &str, message: &str) {
    status.insert(
        "state".into(),
        json!({"waiting": {"reason": reason, "message": message}}),
    );
    status.insert("ready".into(), false.into());
    status.insert("started".into(), false.into());
}

/// Runs from now on. One that ended before is one on.
pub fn start(status: &mut Status, uid: &str, now: Time) {
    // One that waits because all restart was counted on when it was told to.
    let again = match state(status) {
        State::Running => return,
        State::Terminated(_) => true,
        State::Waiting(last) => last.is_some(),
    };
    if again {
        end_to_last_state(status);
        let restarts = restarts(status).saturating_add(1);
        status.insert("restartCount".into(), restarts.into());
    }
    identify(status, uid, true);
    status.insert("state".into(), json!({"running": {"startedAt": now}}));
}

/// Runs, ready at once, unless it has ended: nothing but [`start`] brings such a one back.
pub fn run(status: &mut Status, uid: &str, now: Time) {
    if matches!(state(status), State::Terminated(_)) {
        return;
    }
    start(status, uid, now);
    status.insert("ready".into(), true.into());
    status.insert("started".into(), true.into());
}

/// Ends. One that had ended stays as it was.
pub fn end(status: &mut Status, uid: &str, end: End<'_>) {
    match state(status) {
        State::Terminated(_) => {
            status.insert("started".into(), false.into());
            return;
        }
        State::Waiting(_) => return lose(status),
        State::Running => {}
    }
    identify(status, uid, false);
    let started = status
        .get("state")
        .and_then(|state| state.pointer("/running/startedAt"))
        .cloned();
    let usual = if end.exit_code == 0 {
        "Completed"
    } else {
        "Error"
    };
    let terminated = json!({"exitCode": end.exit_code, "reason": end.reason.unwrap_or(usual),
        "startedAt": started.unwrap_or_else(|| json!(end.at)), "finishedAt": end.at,
        "containerID": status.get("containerID").cloned().unwrap_or_default()});
    status.insert("state".into(), json!({ "terminated": terminated }));
    status.insert("ready".into(), false.into());
    status.insert("started".into(), false.into());
}

/// As the kubelet has it for a container that did not run when its pod ended, or that it lost (`TerminatePod` in
/// `status_manager.go`).
pub fn lose(status: &mut Status) {
    status.insert(
        "state".into(),
        json!({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown",
            "message": "the container did not run when its pod ended"}}),
    );
    status.insert("ready".into(), false.into());
    status.insert("started".into(), false.into());
}

/// Waits for its next attempt.
pub fn back_off(status: &mut Status, wait: Duration) {
    end_to_last_state(status);
    let name = name(status).to_owned();
    let message = format!(
        "back-off {}s before container {name} is restarted",
        wait.as_secs()
    );
    wait_for(status, "CrashLoopBackOff", &message);
}

/// Is taken away, to be started anew with all others (`convertToAPIContainerStatuses` in kubelet_pods.go).
pub fn restart_with_all(status: &mut Status) {
    let message = "a rule of a container that ended restarts all containers";
    if !matches!(state(status), State::Waiting(_)) {
        let restarts = restarts(status).saturating_add(1);
        status.insert("restartCount".into(), restarts.into());
        let last =
            json!({"terminated": {"exitCode": 137, "reason": RESTARTING_ALL, "message": message}});
        status.insert("lastState".into(), last);
    }
    status.remove("containerID");
    wait_for(status, RESTARTING_ALL, message);
}

/// An init container that is done: ready, since nothing waits for it any more.
pub fn done(status: &mut Status, uid: &str, now: Time) {
    run(status, uid, now);
    let well = End {
        exit_code: 0,
        reason: None,
        at: now,
    };
    end(status, uid, well);
    status.insert("ready".into(), true.into());
}

/// What the status says.
pub fn state(status: &Status) -> State {
    let part = |outer: &str, inner: &str| {
        let states = status.get(outer)?;
        states.get(inner).filter(|state| !state.is_null())
    };
    let code = |end: &Value| end.get("exitCode").and_then(Value::as_i64).unwrap_or(0);
    if part("state", "running").is_some() {
        return State::Running;
    }
    match part("state", "terminated") {
        Some(end) => State::Terminated(code(end)),
        None if waits_for(status) == RESTARTING_ALL => State::Waiting(None),
        None => State::Waiting(part("lastState", "terminated").map(code)),
    }
}

/// Whether it runs.
pub fn runs(status: &Status) -> bool {
    state(status) == State::Running
}

/// A flag; false if it is not there.
pub fn is(status: &Status, field: &str) -> bool {
    status.get(field) == Some(&Value::Bool(true))
}

/// Its name.
pub fn name(status: &Status) -> &str {
    status
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// When its container started, if it runs.
pub fn running_since(status: &Status) -> Option<Time> {
    let started = status.get("state")?.pointer("/running/startedAt")?;
    Time::parse(started.as_str()?)
}

/// How often it was restarted.
pub fn restarts(status: &Status) -> i64 {
    let count = status.get("restartCount").and_then(Value::as_i64);
    count.unwrap_or(0).max(0)
}

/// The reason for which it waits; empty if it does not.
pub fn waits_for(status: &Status) -> &str {
    let reason = status
        .get("state")
        .and_then(|state| state.pointer("/waiting/reason"));
    reason.and_then(Value::as_str).unwrap_or_default()
}

fn end_to_last_state(status: &mut Status) {
    let ended = status
        .get("state")
        .filter(|state| state.get("terminated").is_some_and(|end| !end.is_null()))
        .cloned();
    if let Some(ended) = ended {
        status.insert("lastState".into(), ended);
    }
}

/// Gives the container and its image the names that a runtime would; a new attempt gets another.
fn identify(status: &mut Status, uid: &str, anew: bool) {
    let image = status
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let ids = [
        (
            "containerID",
            ids::container(uid, name(status), restarts(status)),
            anew,
        ),
        ("imageID", ids::image(image), false),
    ];
    for (field, id, anew) in ids {
        let is_empty = status
            .get(field)
            .and_then(Value::as_str)
            .is_none_or(str::is_empty);
        if anew || is_empty {
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
