//! In-place resize of containers (KEP-1287): what is asked for in the spec, what is allocated, and what is there.

use serde_json::{Value, json};
use stagewright_plugin::Time;

use crate::statuses::{self, End, Status};

const ALLOCATED: &str = "allocatedResources";
const ACTUAL: &str = "resources";

fn part<'v>(resources: Option<&'v Value>, name: &str) -> Option<&'v Value> {
    let part = resources?.get(name)?;
    part.as_object()
        .filter(|part| !part.is_empty())
        .map(|_| part)
}

/// A container that starts gets what its spec asks for, unless something else was allocated to it before.
pub fn allocate(status: &mut Status, container: &Value) {
    if status.contains_key(ALLOCATED) || status.contains_key(ACTUAL) {
        return;
    }
    let asked = container.get(ACTUAL);
    if let Some(requests) = part(asked, "requests") {
        status.insert(ALLOCATED.into(), requests.clone());
    }
    if let Some(asked) = asked.filter(|asked| {
        part(Some(asked), "requests").is_some() || part(Some(asked), "limits").is_some()
    }) {
        status.insert(ACTUAL.into(), asked.clone());
    }
}

/// Whether the spec asks for something else than is allocated. `doing`: a resize is under way, so that limits are not there yet.
pub fn is_asked(status: &Status, container: &Value, doing: bool) -> bool {
    if !statuses::runs(status) || !(status.contains_key(ALLOCATED) || status.contains_key(ACTUAL)) {
        return false;
    }
    let asked = container.get(ACTUAL);
    let allocated = status
        .get(ALLOCATED)
        .filter(|allocated| !allocated.is_null());
    let limits = part(status.get(ACTUAL), "limits");
    part(asked, "requests") != allocated || !doing && part(asked, "limits") != limits
}

/// Allocates what the spec asks for.
pub fn grant(status: &mut Status, container: &Value) {
    if !status.contains_key(ALLOCATED) && !status.contains_key(ACTUAL) {
        return;
    }
    match part(container.get(ACTUAL), "requests") {
        Some(requests) => status.insert(ALLOCATED.into(), requests.clone()),
        None => status.remove(ALLOCATED),
    };
}

/// What was allocated is there; a container whose policy for the resource says so was restarted for it.
pub fn actuate(status: &mut Status, container: &Value, uid: &str, now: Time) {
    if !status.contains_key(ALLOCATED) && !status.contains_key(ACTUAL) {
        return;
    }
    let mut resources = container.get(ACTUAL).cloned().unwrap_or_else(|| json!({}));
    if let (Some(allocated), Some(resources)) = (status.get(ALLOCATED), resources.as_object_mut()) {
        resources.insert("requests".into(), allocated.clone());
    }
    let before = status.insert(ACTUAL.into(), resources.clone());
    if statuses::runs(status) && restarts(container, before.as_ref(), &resources) {
        let stopped = End {
            exit_code: 0,
            reason: None,
            at: now,
        };
        statuses::end(status, uid, stopped);
        statuses::start(status, uid, now);
    }
}

fn restarts(container: &Value, before: Option<&Value>, after: &Value) -> bool {
    let policies = container.get("resizePolicy").and_then(Value::as_array);
    policies.into_iter().flatten().any(|policy| {
        let resource = statuses::text(policy, "resourceName");
        let at = |resources: Option<&Value>| {
            ["requests", "limits"].map(|part| {
                let part = resources.and_then(|resources| resources.get(part));
                part.and_then(|part| part.get(resource)).cloned()
            })
        };
        statuses::text(policy, "restartPolicy") == "RestartContainer"
            && at(before) != at(Some(after))
    })
}
