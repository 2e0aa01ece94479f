//! A pod's status (`ValidatePodStatusUpdate`).

use serde_json::Value;

use super::super::super::look::{at, int, items, list, text};
use super::super::{Change, Errors, names};

/// Conditions with names of their own.
const OWN: [&str; 3] = ["PodScheduled", "Ready", "Initialized"];

/// Lists of containers' states, with the list of the containers that they are of.
const STATES: [(&str, &str); 2] = [
    ("containerStatuses", "containers"),
    ("initContainerStatuses", "initContainers"),
];

/// A status that a kubelet, or who plays one, writes.
pub(in super::super) fn check(errors: &mut Errors, change: Change<'_>) {
    let (new, old) = (change.new, change.old);
    for (path, condition) in items(new, "/status/conditions", "status.conditions") {
        generation(errors, condition, &path);
        let name = text(condition, "/type");
        if !OWN.contains(&name) {
            errors.form(&format!("{path}.Type"), name, names::key(name));
        }
    }
    nominated(errors, change);
    generation(errors, at(new, "/status"), "status");
    errors.immutable(new, old, "status.qosClass");
    for (states, containers) in STATES {
        transitions(errors, change, states, containers);
    }
    ephemeral(errors, change);
    claims(errors, new);
    addresses(errors, new, old);
}

fn generation(errors: &mut Errors, object: &Value, path: &str) {
    if let Some(number) = int(object, "/observedGeneration").filter(|number| *number < 0) {
        let words = "must be a non-negative integer";
        errors.invalid(&format!("{path}.observedGeneration"), number, words);
    }
}

fn nominated(errors: &mut Errors, change: Change<'_>) {
    const PATH: &str = "status.nominatedNodeName";
    let of = |object| text(object, "/status/nominatedNodeName");
    let name = of(change.new);
    if name.is_empty() || name == of(change.old) {
        return;
    }
    errors.form(PATH, name, names::subdomain(name));
    if !text(change.old, "/spec/nodeName").is_empty() {
        errors.forbidden(
            PATH,
            "may not be set on pods that are already bound to a node",
        );
    }
}

/// A container that has ended, and is not to be started again, stays so.
fn transitions(errors: &mut Errors, change: Change<'_>, states: &str, containers: &str) {
    let spec = at(change.old, "/spec");
    if restarts_as_one(spec) {
        return;
    }
    let pointer = format!("/status/{states}");
    for (path, old) in items(change.old, &pointer, &format!("status.{states}")) {
        let ended = at(old, "/state/terminated");
        if ended.is_null() {
            continue;
        }
        let name = text(old, "/name");
        let mut now = list(change.new, &pointer).iter();
        let now = now.find(|state| text(state, "/name") == name);
        if now.is_none_or(|state| !at(state, "/state/terminated").is_null()) {
            continue;
        }
        let mut all = list(spec, &format!("/{containers}")).iter();
        let container = all.find(|container| text(container, "/name") == name);
        let code = int(ended, "/exitCode").unwrap_or(0);
        if !container.is_some_and(|container| restarts(spec, container, code)) {
            let words = "may not be transitioned to non-terminated state";
            errors.forbidden(&format!("{path}.state"), words);
        }
    }
}

/// Whether a rule of some container starts all of them again (`AllContainersCouldRestart`).
fn restarts_as_one(spec: &Value) -> bool {
    let containers = ["/initContainers", "/containers"]
        .into_iter()
        .flat_map(|name| list(spec, name));
    let mut rules = containers.flat_map(|container| list(container, "/restartPolicyRules"));
    rules.any(|rule| text(rule, "/action") == "RestartAllContainers")
}

/// `ContainerShouldRestart`.
fn restarts(spec: &Value, container: &Value, code: i64) -> bool {
    let own = text(container, "/restartPolicy");
    let ruled = !own.is_empty()
        && list(container, "/restartPolicyRules").iter().any(|rule| {
            let named = list(rule, "/exitCodes/values")
                .iter()
                .any(|value| value.as_i64() == Some(code));
            match text(rule, "/exitCodes/operator") {
                "In" => named,
                "NotIn" => !named,
                _ => false,
            }
        });
    let policy = if own.is_empty() {
        text(spec, "/restartPolicy")
    } else {
        own
    };
    ruled
        || match policy {
            "OnFailure" => code != 0,
            "Never" => false,
            _ => true,
        }
}

/// Ephemeral containers are never started again.
fn ephemeral(errors: &mut Errors, change: Change<'_>) {
    const POINTER: &str = "/status/ephemeralContainerStatuses";
    for (path, old) in items(change.old, POINTER, "status.ephemeralContainerStatuses") {
        let mut now = list(change.new, POINTER).iter();
        let same = |state: &&Value| text(state, "/name") == text(old, "/name");
        let went = !at(old, "/state/terminated").is_null();
        if went
            && now
                .find(same)
                .is_some_and(|state| at(state, "/state/terminated").is_null())
        {
            let words = "may not be transitioned to non-terminated state";
            errors.forbidden(&format!("{path}.state"), words);
        }
    }
}

fn claims(errors: &mut Errors, pod: &Value) {
    let mut seen = Vec::new();
    let path = "status.resourceClaimStatuses";
    for (path, status) in items(pod, "/status/resourceClaimStatuses", path) {
        let name = text(status, "/name");
        let path = format!("{path}.name");
        let mut claims = list(pod, "/spec/resourceClaims").iter();
        if !claims.any(|claim| text(claim, "/name") == name) {
            let words = "must match the name of an entry in `spec.resourceClaims`";
            errors.invalid(&path, name, words);
        }
        if seen.contains(&name) {
            errors.duplicate(&path, name);
        }
        seen.push(name);
    }
}

/// Addresses are addresses, and no more than one of a family. Old ones are let be.
fn addresses(errors: &mut Errors, new: &Value, old: &Value) {
    let first = text(new, "/status/hostIPs/0/ip");
    if !list(new, "/status/hostIPs").is_empty() && first != text(new, "/status/hostIP") {
        errors.invalid("status.hostIPs[0].ip", first, "must be equal to `hostIP`");
    }
    for field in ["podIPs", "hostIPs"] {
        let pointer = format!("/status/{field}");
        let all = |object| -> Vec<&str> {
            list(object, &pointer)
                .iter()
                .map(|entry| text(entry, "/ip"))
                .collect()
        };
        let (given, before) = (all(new), all(old));
        for (index, address) in given.iter().enumerate() {
            if !before.contains(address) {
                let path = format!("status.{field}[{index}]");
                errors.form(&path, address, names::ip(address));
            }
        }
        let sixes = given.iter().filter(|address| address.contains(':')).count();
        if given.len() > 2 || (given.len() == 2 && sixes != 1) {
            errors.invalid(
                &format!("status.{field}"),
                at(new, &pointer).clone(),
                "may specify no more than one IP for each IP family",
            );
        }
    }
}
