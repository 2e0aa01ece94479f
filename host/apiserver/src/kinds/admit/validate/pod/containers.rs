//! A pod's containers: those of the pod, those before, and those that come later.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::super::look::{at, int, items, list, text};
use super::super::{Errors, metadata, names};
use super::{one_of, port_or_name, resources};

/// Ways to ask a container how it is.
const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// Probes, and whether one success must be enough.
const PROBES: [(&str, bool); 3] = [
    ("livenessProbe", true),
    ("readinessProbe", false),
    ("startupProbe", true),
];

/// All containers of a specification.
pub(super) fn check(errors: &mut Errors, spec: &Value, path: &str, volumes: &BTreeSet<&str>) {
    let containers = format!("{path}.containers");
    if list(spec, "/containers").is_empty() {
        errors.required(&containers, "");
    }
    let mut known = BTreeSet::new();
    let mut ports = BTreeSet::new();
    for (path, container) in items(spec, "/containers", &containers) {
        common(errors, container, &path, volumes);
        named_once(errors, container, &path, &mut known);
        alive(errors, container, &path);
        host_ports(errors, container, &path, &mut ports);
    }
    for (path, container) in items(spec, "/initContainers", &format!("{path}.initContainers")) {
        common(errors, container, &path, volumes);
        named_once(errors, container, &path, &mut known);
        host_ports(errors, container, &path, &mut BTreeSet::new());
        if text(container, "/restartPolicy") == "Always" {
            alive(errors, container, &path);
        } else {
            passing(errors, container, &path);
        }
    }
    let path = format!("{path}.ephemeralContainers");
    let targets = known.clone();
    for (path, container) in items(spec, "/ephemeralContainers", &path) {
        common(errors, container, &path, volumes);
        named_once(errors, container, &path, &mut known);
        let target = text(container, "/targetContainerName");
        if !target.is_empty() && !targets.contains(target) {
            errors.not_found(&format!("{path}.targetContainerName"), target);
        }
        for field in [
            "ports",
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle",
            "resources",
        ] {
            if container.get(field).is_some() {
                let words = "cannot be set for an Ephemeral Container";
                errors.forbidden(&format!("{path}.{field}"), words);
            }
        }
    }
}

fn named_once<'a>(
    errors: &mut Errors,
    container: &'a Value,
    path: &str,
    known: &mut BTreeSet<&'a str>,
) {
    let name = text(container, "/name");
    if !known.insert(name) {
        errors.duplicate(&format!("{path}.name"), name);
    }
}

fn common(errors: &mut Errors, container: &Value, path: &str, volumes: &BTreeSet<&str>) {
    let name = text(container, "/name");
    if name.is_empty() {
        errors.required(&format!("{path}.name"), "");
    } else {
        errors.form(&format!("{path}.name"), name, names::label(name));
    }
    if text(container, "/image").is_empty() {
        errors.required(&format!("{path}.image"), "");
    }
    let policies = ["File", "FallbackToLogsOnError"];
    one_of(
        errors,
        container,
        path,
        "terminationMessagePolicy",
        &policies,
    );
    ports(errors, container, path);
    environment(errors, container, path);
    mounts(errors, container, path, volumes);
    one_of(
        errors,
        container,
        path,
        "imagePullPolicy",
        &["Always", "IfNotPresent", "Never"],
    );
    resources::check(
        errors,
        at(container, "/resources"),
        &format!("{path}.resources"),
    );
}

fn ports(errors: &mut Errors, container: &Value, path: &str) {
    let mut known = BTreeSet::new();
    for (path, port) in items(container, "/ports", &format!("{path}.ports")) {
        let name = text(port, "/name");
        if !name.is_empty() {
            let broken = names::port_name(name);
            if broken.is_empty() && !known.insert(name) {
                errors.duplicate(&format!("{path}.name"), name);
            }
            errors.form(&format!("{path}.name"), name, broken);
        }
        for (field, needed) in [("containerPort", true), ("hostPort", false)] {
            let number = int(port, &format!("/{field}")).unwrap_or(0);
            let path = format!("{path}.{field}");
            if number == 0 && needed {
                errors.required(&path, "");
            } else if let (true, Some(words)) = (number != 0, names::port(number)) {
                errors.invalid(&path, number, words);
            }
        }
        one_of(errors, port, &path, "protocol", &["SCTP", "TCP", "UDP"]);
    }
}

fn host_ports(errors: &mut Errors, container: &Value, path: &str, taken: &mut BTreeSet<String>) {
    for (path, port) in items(container, "/ports", &format!("{path}.ports")) {
        let Some(number) = int(port, "/hostPort") else {
            continue;
        };
        let place = format!(
            "{}/{}/{number}",
            text(port, "/protocol"),
            text(port, "/hostIP")
        );
        if !taken.insert(place.clone()) {
            errors.duplicate(&format!("{path}.hostPort"), place);
        }
    }
}

fn environment(errors: &mut Errors, container: &Value, path: &str) {
    for (path, variable) in items(container, "/env", &format!("{path}.env")) {
        let name = text(variable, "/name");
        if name.is_empty() {
            errors.required(&format!("{path}.name"), "");
        } else {
            errors.form(&format!("{path}.name"), name, names::env_name(name));
        }
        let source = at(variable, "/valueFrom");
        let count = source.as_object().map(serde_json::Map::len);
        let words = match count {
            None => continue,
            Some(0) => {
                "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
            }
            Some(_) if !text(variable, "/value").is_empty() => {
                "may not be specified when `value` is not empty"
            }
            Some(1) => continue,
            Some(_) => "may not have more than one field specified at a time",
        };
        errors.invalid(&format!("{path}.valueFrom"), "", words);
    }
    let from = format!("{path}.envFrom");
    for (_, source) in items(container, "/envFrom", &from) {
        let has = |field: &str| source.get(field).is_some();
        match (has("configMapRef"), has("secretRef")) {
            (false, false) => {
                errors.invalid(
                    &from,
                    "",
                    "must specify one of: `configMapRef` or `secretRef`",
                );
            }
            (true, true) => {
                errors.invalid(
                    &from,
                    "",
                    "may not have more than one field specified at a time",
                );
            }
            _ => {}
        }
    }
}

fn mounts(errors: &mut Errors, container: &Value, path: &str, volumes: &BTreeSet<&str>) {
    let mut places = BTreeSet::new();
    for (path, mount) in items(container, "/volumeMounts", &format!("{path}.volumeMounts")) {
        let (name, place) = (text(mount, "/name"), text(mount, "/mountPath"));
        if name.is_empty() {
            errors.required(&format!("{path}.name"), "");
        }
        if !volumes.contains(name) {
            errors.not_found(&format!("{path}.name"), name);
        }
        if place.is_empty() {
            errors.required(&format!("{path}.mountPath"), "");
        }
        if !places.insert(place) {
            errors.invalid(&format!("{path}.mountPath"), place, "must be unique");
        }
    }
}

/// What a container that runs on may have.
fn alive(errors: &mut Errors, container: &Value, path: &str) {
    for hook in ["postStart", "preStop"] {
        let handler = at(container, &format!("/lifecycle/{hook}"));
        if !handler.is_null() {
            handled(errors, handler, &format!("{path}.lifecycle.{hook}"));
        }
    }
    for (field, once) in PROBES {
        let probe = at(container, &format!("/{field}"));
        if probe.is_null() {
            continue;
        }
        let path = format!("{path}.{field}");
        handled(errors, probe, &path);
        for field in [
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ] {
            metadata::not_below_zero(errors, probe, field, &path);
        }
        let successes = int(probe, "/successThreshold").unwrap_or(0);
        if once && successes != 1 {
            errors.invalid(&format!("{path}.successThreshold"), successes, "must be 1");
        }
        if let Some(seconds) = int(probe, "/terminationGracePeriodSeconds") {
            let path = format!("{path}.terminationGracePeriodSeconds");
            if seconds <= 0 {
                errors.invalid(&path, seconds, "must be greater than 0");
            }
            if field == "readinessProbe" {
                errors.invalid(&path, seconds, "must not be set for readinessProbes");
            }
        }
    }
}

/// What a container that must end may not have.
fn passing(errors: &mut Errors, container: &Value, path: &str) {
    let fields = ["lifecycle"]
        .into_iter()
        .chain(PROBES.map(|(field, _)| field));
    for field in fields.filter(|field| container.get(field).is_some()) {
        errors.forbidden(
            &format!("{path}.{field}"),
            "may not be set for init containers without restartPolicy=Always",
        );
    }
}

fn handled(errors: &mut Errors, handler: &Value, path: &str) {
    let mut there = HANDLERS
        .into_iter()
        .filter(|name| handler.get(name).is_some());
    let Some(first) = there.next() else {
        errors.required(path, "must specify a handler type");
        return;
    };
    for more in there {
        errors.forbidden(
            &format!("{path}.{more}"),
            "may not specify more than 1 handler type",
        );
    }
    let action = at(handler, &format!("/{first}"));
    match first {
        "exec" if list(action, "/command").is_empty() => {
            errors.required(&format!("{path}.exec.command"), "");
        }
        "httpGet" | "tcpSocket" => {
            port_or_name(errors, at(action, "/port"), &format!("{path}.{first}.port"));
            if first == "httpGet" {
                let path = format!("{path}.httpGet");
                one_of(errors, action, &path, "scheme", &["HTTP", "HTTPS"]);
            }
        }
        _ => {}
    }
}
