//! Pods and their templates (kubernetes, `pkg/apis/core/validation/validation.go`).

mod affinity;
mod annotations;
mod claims;
mod containers;
mod handlers;
mod mounts;
mod network;
mod paths;
mod resources;
mod restarts;
mod security;
mod selectors;
mod status;
mod system;
mod update;
mod volumes;
mod walls;
mod windows;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::look::{at, int, is_true, items, list, text};
use super::choice::one_of;
use super::names;
use super::{Change, Errors, metadata};

pub(super) use self::resources::quantity;
pub(super) use self::restarts::{CODES, RULES};
pub(super) use self::status::check as status;
pub(super) use self::update::{ephemeral, resize, update};

/// Whose specification it is: a pod's, or a template's in which less is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Pod,
    Template,
}

/// Whose specification it is, and the pod's name if it has one.
struct Whose<'a> {
    owner: Owner,
    name: &'a str,
}

/// A new pod.
pub(super) fn create(errors: &mut Errors, change: Change<'_>) {
    check(errors, change);
    let spec = at(change.new, "/spec");
    if !list(spec, "/ephemeralContainers").is_empty() {
        errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    let gated = !list(spec, "/schedulingGates").is_empty();
    if gated && !text(spec, "/nodeName").is_empty() {
        let words = "cannot be set until all schedulingGates have been cleared";
        errors.forbidden("spec.nodeName", words);
    }
    annotations::agree(errors, change.new);
}

/// A pod, new or changed: what is to be said of it as it is.
fn check(errors: &mut Errors, change: Change<'_>) {
    annotations::check(errors, change);
    let pod = at(change.new, "/spec");
    let whose = Whose {
        owner: Owner::Pod,
        name: text(change.new, "/metadata/name"),
    };
    spec(errors, pod, "spec", &whose);
    for (path, container) in every(pod, "spec") {
        let image = text(container, "/image");
        if image.trim() != image {
            let words = "must not have leading or trailing whitespace";
            errors.invalid(&format!("{path}.image"), image, words);
        }
    }
}

/// All containers of a specification, with their places.
fn every<'a>(spec: &'a Value, path: &str) -> impl Iterator<Item = (String, &'a Value)> + use<'a> {
    let path = path.to_owned();
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists
        .into_iter()
        .flat_map(move |name| items(spec, &format!("/{name}"), &format!("{path}.{name}")))
}

/// A template, which is at that place.
pub(super) fn template(errors: &mut Errors, template: &Value, path: &str) {
    let labels = format!("{path}.labels");
    metadata::labels(errors, template, "/metadata/labels", &labels);
    let annotations = format!("{path}.annotations");
    metadata::annotations(errors, template, "/metadata/annotations", &annotations);
    let whose = Whose {
        owner: Owner::Template,
        name: "",
    };
    let place = format!("{path}.spec");
    spec(errors, at(template, "/spec"), &place, &whose);
    if !list(template, "/spec/ephemeralContainers").is_empty() {
        errors.forbidden(
            &format!("{path}.spec.ephemeralContainers"),
            "ephemeral containers not allowed in pod template",
        );
    }
}

fn spec(errors: &mut Errors, spec: &Value, path: &str, whose: &Whose<'_>) {
    let volumes = volumes::check(errors, spec, path, whose);
    claims::check(errors, spec, path);
    containers::check(errors, spec, path, &volumes);
    resources::of_pod(errors, spec, path);
    if is_true(spec, "/hostNetwork") {
        host_ports(errors, spec, path, whose.owner);
    }
    one_of(
        errors,
        spec,
        path,
        "restartPolicy",
        &["Always", "OnFailure", "Never"],
    );
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(errors, spec, path, "dnsPolicy", &policies);
    metadata::labels(
        errors,
        spec,
        "/nodeSelector",
        &format!("{path}.nodeSelector"),
    );
    security::of_pod(errors, spec, path);
    affinity::check(errors, spec, path);
    network::dns(errors, spec, path);
    gates(errors, spec, path);
    affinity::spread(errors, spec, path);
    windows::host_processes(errors, spec, path);
    system::users(errors, spec, path);
    network::name(errors, spec, path);
    named(errors, spec, path);
    if let Some(seconds) = int(spec, "/activeDeadlineSeconds")
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        let words = "must be between 1 and 2147483647, inclusive";
        errors.invalid(&format!("{path}.activeDeadlineSeconds"), seconds, words);
    }
    tolerations(errors, spec, &format!("{path}.tolerations"));
    network::hosts(errors, spec, path);
    if !text(spec, "/preemptionPolicy").is_empty() {
        one_of(
            errors,
            spec,
            path,
            "preemptionPolicy",
            &["PreemptLowerPriority", "Never"],
        );
    }
    quantities(errors, spec, "/overhead", &format!("{path}.overhead"));
    system::check(errors, spec, path);
    mounts::of_files(errors, spec, path);
}

/// Names in a specification have their forms.
fn named(errors: &mut Errors, spec: &Value, path: &str) {
    let forms: [(&str, names::Check); 6] = [
        ("serviceAccountName", names::subdomain),
        ("nodeName", names::subdomain),
        ("hostname", names::label),
        ("subdomain", names::label),
        ("priorityClassName", names::subdomain),
        ("runtimeClassName", names::subdomain),
    ];
    for (field, form) in forms {
        let given = text(spec, &format!("/{field}"));
        if !given.is_empty() {
            errors.form(&format!("{path}.{field}"), given, form(given));
        }
    }
}

/// Quantities in a map that are not below zero.
fn quantities(errors: &mut Errors, spec: &Value, pointer: &str, path: &str) {
    for (name, amount) in super::super::look::entries(spec, pointer) {
        quantity(errors, name, amount, &format!("{path}[{name}]"));
    }
}

fn host_ports(errors: &mut Errors, spec: &Value, path: &str, owner: Owner) {
    for (path, container) in items(spec, "/containers", &format!("{path}.containers")) {
        for (path, port) in items(container, "/ports", &format!("{path}.ports")) {
            let number = |field: &str| int(port, field).unwrap_or(0);
            let (host, own) = (number("/hostPort"), number("/containerPort"));
            if host != own && (owner == Owner::Pod || host != 0) {
                let words = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&format!("{path}.hostPort"), host, words);
            }
        }
    }
}

fn gates(errors: &mut Errors, spec: &Value, path: &str) {
    for (path, gate) in items(spec, "/readinessGates", &format!("{path}.readinessGates")) {
        let name = text(gate, "/conditionType");
        errors.form(&format!("{path}.conditionType"), name, names::key(name));
    }
    let mut seen = BTreeSet::new();
    for (path, gate) in items(spec, "/schedulingGates", &format!("{path}.schedulingGates")) {
        let name = text(gate, "/name");
        errors.form(&path, name, names::key(name));
        if !seen.insert(name) {
            errors.duplicate(&path, name);
        }
    }
}

fn tolerations(errors: &mut Errors, spec: &Value, path: &str) {
    for (path, toleration) in items(spec, "/tolerations", path) {
        let part = |field: &str| text(toleration, field);
        let operator = format!("{path}.operator");
        if !part("/key").is_empty() {
            errors.form(
                &format!("{path}.key"),
                part("/key"),
                names::key(part("/key")),
            );
        } else if part("/operator") != "Exists" {
            errors.invalid(
                &operator,
                part("/operator"),
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            );
        }
        if int(toleration, "/tolerationSeconds").is_some() && part("/effect") != "NoExecute" {
            errors.invalid(
                &format!("{path}.effect"),
                part("/effect"),
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            );
        }
        let value = part("/value");
        match part("/operator") {
            "" | "Equal" => {
                let broken = names::label_value(value);
                if !broken.is_empty() {
                    errors.invalid(&operator, value, &broken.join(";"));
                }
            }
            "Exists" if !value.is_empty() => {
                let words = "value must be empty when `operator` is 'Exists'";
                errors.invalid(&operator, value, words);
            }
            "Exists" => {}
            other @ ("Lt" | "Gt") => {
                errors.not_supported(&operator, other, &["Equal", "Exists", "Lt", "Gt"]);
            }
            other => errors.not_supported(&operator, other, &["Equal", "Exists"]),
        }
        if !part("/effect").is_empty() {
            effect(errors, toleration, &path);
        }
    }
}

/// The effect of a taint.
pub(super) fn effect(errors: &mut Errors, taint: &Value, path: &str) {
    one_of(
        errors,
        taint,
        path,
        "effect",
        &["NoSchedule", "PreferNoSchedule", "NoExecute"],
    );
}

/// A number or name of a port.
pub(super) fn port_or_name(errors: &mut Errors, port: &Value, path: &str) {
    match port {
        Value::String(name) => errors.form(path, name, names::port_name(name)),
        port => {
            let number = port.as_i64().unwrap_or(0);
            if let Some(words) = names::port(number) {
                errors.invalid(path, json!(number), words);
            }
        }
    }
}
