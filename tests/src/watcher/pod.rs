//! Pods: what the kubelet keeps to and the API server does not ask for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{
    Finding, by_key, conditions, deletion, never_falls, number, set_once, text, time,
};

/// Conditions that stay True.
const LATCHES: [&str; 3] = ["PodScheduled", "DisruptionTarget", "Initialized"];

/// The lists of container statuses, and of the spec's containers that they are about.
const CONTAINERS: [(&str, &str); 3] = [
    ("/status/initContainerStatuses", "/spec/initContainers"),
    ("/status/containerStatuses", "/spec/containers"),
    (
        "/status/ephemeralContainerStatuses",
        "/spec/ephemeralContainers",
    ),
];

/// Two versions of a pod.
///
/// A kubelet may take a Running pod back to Pending when its sandbox is made anew (a reboot). There is no kubelet here that would, and
/// the witness of such a move is easily part of a stale write, so no move of that sort is excused.
pub(super) fn compare(
    before: &Value,
    after: &Value,
    found: &mut Vec<Finding>,
    untidy: &mut Vec<Finding>,
) {
    deletion(before, after, found);
    phase(before, after, found);
    for (statuses, specs) in CONTAINERS {
        containers(before, after, statuses, specs, found);
    }
    conditions(before, after, &LATCHES, found, untidy);
    let once = [
        "/status/startTime",
        "/status/podIP",
        "/status/podIPs/0",
        "/status/hostIP",
        "/spec/nodeName",
        "/status/qosClass",
    ];
    set_once(before, after, &once, found);
    never_falls(
        before,
        after,
        &["/metadata/generation", "/status/observedGeneration"],
        found,
    );
    // Each is told once, at the write that brought it: whoever writes something else after that is not to blame.
    let is_new = |holds: fn(&Value) -> bool| holds(after) && !holds(before);
    if is_new(is_terminal_and_ready) {
        untidy.push(Finding::new(
            "TerminalReady",
            "/status/conditions/Ready",
            "True",
            text(after, "/status/phase"),
        ));
    }
    if is_new(is_observed_ahead) {
        untidy.push(Finding::new(
            "ObservedAhead",
            "/status/observedGeneration",
            "",
            "",
        ));
    }
}

fn is_terminal_and_ready(pod: &Value) -> bool {
    let conditions = by_key(pod, "/status/conditions", "type");
    let ready = conditions.get("Ready");
    ready.is_some_and(|ready| text(ready, "/status") == "True")
        && is_terminal(text(pod, "/status/phase"))
}

fn is_observed_ahead(pod: &Value) -> bool {
    number(pod, "/status/observedGeneration") > number(pod, "/metadata/generation").or(Some(0))
}

fn is_terminal(phase: &str) -> bool {
    matches!(phase, "Succeeded" | "Failed")
}

/// `kubelet_pods.go`: "pods are not allowed to transition out of terminal phases"; `status_manager.go`: the phase "progresses
/// monotonically".
fn phase(before: &Value, after: &Value, found: &mut Vec<Finding>) {
    let (from, to) = (text(before, "/status/phase"), text(after, "/status/phase"));
    let is_forward = from == to
        || matches!(
            (from, to),
            ("", "Pending" | "Running" | "Succeeded" | "Failed")
                | ("Pending", "Running" | "Succeeded" | "Failed")
                | ("Running", "Succeeded" | "Failed")
        );
    if !is_forward {
        let rule = if is_terminal(from) {
            "TerminalLeft"
        } else {
            "PhaseBackward"
        };
        found.push(Finding::new(rule, "/status/phase", from, to));
    }
}

/// How far one attempt of a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Waiting,
    Running,
    Terminated,
    /// Waiting for the next attempt, with this one's end as `lastState`.
    BackOff,
}

fn step(status: &Value) -> Step {
    let state = status.get("state");
    let has = |field: &str| {
        state
            .and_then(|state| state.get(field))
            .is_some_and(Value::is_object)
    };
    match (has("running"), has("terminated")) {
        (true, _) => Step::Running,
        (_, true) => Step::Terminated,
        // Counted on when it was taken away, to be started with all others (KEP-5532).
        _ if text(status, "/state/waiting/reason") == "RestartingAllContainers" => Step::Waiting,
        _ if status
            .pointer("/lastState/terminated")
            .is_some_and(Value::is_object) =>
        {
            Step::BackOff
        }
        _ => Step::Waiting,
    }
}

/// Whether the pod ends here.
fn ends(before: &Value, after: &Value) -> bool {
    !is_terminal(text(before, "/status/phase")) && is_terminal(text(after, "/status/phase"))
}

fn containers(
    before: &Value,
    after: &Value,
    statuses: &str,
    specs: &str,
    found: &mut Vec<Finding>,
) {
    let new = by_key(after, statuses, "name");
    let specs = by_key(after, specs, "name");
    for (name, old) in by_key(before, statuses, "name") {
        let path = format!("{statuses}/{name}");
        let Some(new) = new.get(name) else {
            found.push(Finding::new(
                "ContainerLost",
                path,
                format!("{:?}", step(old)),
                "none",
            ));
            continue;
        };
        let attempt = |status: &Value| number(status, "/restartCount").unwrap_or(0);
        let (was, is) = (step(old), step(new));
        match attempt(new).cmp(&attempt(old)) {
            std::cmp::Ordering::Less => found.push(Finding::new(
                "RestartCountFell",
                path,
                attempt(old),
                attempt(new),
            )),
            // What waits for its next attempt when the pod ends is lost (kubelet `TerminatePod`).
            std::cmp::Ordering::Equal
                if (was, is) == (Step::BackOff, Step::Terminated) && ends(before, after) => {}
            std::cmp::Ordering::Equal if is < was => {
                found.push(Finding::new(
                    "ContainerBackward",
                    path,
                    format!("{was:?}"),
                    format!("{is:?}"),
                ));
            }
            std::cmp::Ordering::Equal => {
                let started =
                    |status: &Value| status.get("started").and_then(Value::as_bool) == Some(true);
                if was == Step::Running && is == Step::Running && started(old) && !started(new) {
                    found.push(Finding::new("StartedFell", path, "true", "false"));
                }
            }
            std::cmp::Ordering::Greater => {
                let has_ended = was >= Step::Terminated;
                if has_ended
                    && is != Step::BackOff
                    && !may_restart(before, statuses, specs.get(name).copied(), old)
                {
                    found.push(Finding::new(
                        "RestartNotAllowed",
                        path,
                        format!("{was:?}"),
                        format!("{is:?}"),
                    ));
                }
            }
        }
    }
}

/// `ContainerShouldRestart` (pkg/api/v1/pod/util.go): the container's own rules, then its policy, then the pod's. An init container
/// that has done its work is not run again under any policy of the pod.
fn may_restart(pod: &Value, statuses: &str, spec: Option<&Value>, status: &Value) -> bool {
    if is_terminal(text(pod, "/status/phase")) || time(pod, "/metadata/deletionTimestamp").is_some()
    {
        return false;
    }
    if spec.is_some_and(|spec| spec.get("restartPolicyRules").is_some()) || restarts_all(pod) {
        return true;
    }
    let code = number(status, "/state/terminated/exitCode")
        .or_else(|| number(status, "/lastState/terminated/exitCode"));
    let has_failed = code != Some(0);
    let own = spec
        .map(|spec| text(spec, "/restartPolicy"))
        .unwrap_or_default();
    let is_init = statuses.contains("init");
    match (own, text(pod, "/spec/restartPolicy")) {
        ("Always", _) => true,
        ("OnFailure", _) => has_failed,
        ("Never", _) | (_, "Never") => false,
        (_, "OnFailure") => has_failed,
        _ => !is_init || has_failed,
    }
}

/// Whether a rule of some container restarts all of them (KEP-5532).
fn restarts_all(pod: &Value) -> bool {
    let specs = CONTAINERS
        .iter()
        .flat_map(|(_, specs)| by_key(pod, specs, "name"));
    specs
        .filter_map(|(_, spec)| spec.get("restartPolicyRules")?.as_array())
        .flatten()
        .any(|rule| text(rule, "/action") == "RestartAllContainers")
}

/// Whether the status is another pod's: one that had the name before. `owners` knows which uid a container's id was first seen on.
pub(super) fn misplaced(pod: &Value, owners: &mut BTreeMap<String, String>) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(created) = time(pod, "/metadata/creationTimestamp") else {
        return found;
    };
    if let Some(started) = time(pod, "/status/startTime").filter(|&started| started < created) {
        found.push(Finding::new(
            "StartedBeforeCreation",
            "/status/startTime",
            created,
            started,
        ));
    }
    for (statuses, specs) in CONTAINERS {
        let specs = by_key(pod, specs, "name");
        for (name, status) in by_key(pod, statuses, "name") {
            let path = format!("{statuses}/{name}");
            match specs.get(name).map(|spec| text(spec, "/image")) {
                None => found.push(Finding::new(
                    "ForeignContainer",
                    &path,
                    "not in the spec",
                    name,
                )),
                Some(image)
                    if text(status, "/image") != image && !text(status, "/image").is_empty() =>
                {
                    found.push(Finding::new(
                        "ForeignImage",
                        &path,
                        image,
                        text(status, "/image"),
                    ));
                }
                Some(_) => {}
            }
            for at in ["/state/running/startedAt", "/state/terminated/startedAt"] {
                if let Some(started) = time(status, at).filter(|&started| started < created) {
                    found.push(Finding::new(
                        "StartedBeforeCreation",
                        format!("{path}{at}"),
                        created,
                        started,
                    ));
                }
            }
            let (id, uid) = (text(status, "/containerID"), text(pod, "/metadata/uid"));
            if !id.is_empty() {
                let owner = owners
                    .entry(id.to_owned())
                    .or_insert_with(|| uid.to_owned());
                if owner != uid {
                    found.push(Finding::new("SharedContainer", path, &*owner, uid));
                }
            }
        }
    }
    found
}
