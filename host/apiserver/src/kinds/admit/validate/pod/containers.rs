//! A pod's containers: those of the pod, those before, and those that come later.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::super::look::{at, int, items, list, text};
use super::super::choice::one_of;
use super::super::{Errors, metadata, names};
use super::volumes::Volumes;
use super::{claims, every, handlers, mounts, resources, restarts, security, selectors};

/// All containers of a specification.
pub(super) fn check(errors: &mut Errors, spec: &Value, path: &str, volumes: &Volumes<'_>) {
    contexts(errors, spec, path);
    claims::uses(errors, spec, path);
    restarts::check(errors, spec, path);
    let grace = int(spec, "/terminationGracePeriodSeconds");
    let containers = format!("{path}.containers");
    if list(spec, "/containers").is_empty() {
        errors.required(&containers, "");
    }
    let mut known = BTreeSet::new();
    let mut ports = BTreeSet::new();
    for (path, container) in items(spec, "/containers", &containers) {
        common(errors, container, &path, volumes);
        named_once(errors, container, &path, &mut known);
        handlers::alive(errors, container, &path, grace);
        host_ports(errors, container, &path, &mut ports);
    }
    for (path, container) in items(spec, "/initContainers", &format!("{path}.initContainers")) {
        common(errors, container, &path, volumes);
        named_once(errors, container, &path, &mut known);
        host_ports(errors, container, &path, &mut BTreeSet::new());
        if text(container, "/restartPolicy") == "Always" {
            handlers::alive(errors, container, &path, grace);
        } else {
            handlers::passing(errors, container, &path);
        }
    }
    let path = format!("{path}.ephemeralContainers");
    let targets = known.clone();
    for (path, container) in items(spec, "/ephemeralContainers", &path) {
        common(errors, container, &path, volumes);
        named_once(errors, container, &path, &mut known);
        let target = text(container, "/targetContainerName");
        if !target.is_empty() && !targets.contains(target) {
            errors.not_found(&format!("{path}.targetContainerName"), target, "");
        }
        mounts::whole(errors, container, &path);
        for field in [
            "ports",
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle",
            "resources",
            "resizePolicy",
            "restartPolicy",
            "restartPolicyRules",
        ] {
            if container.get(field).is_some() {
                let words = "cannot be set for an Ephemeral Container";
                errors.forbidden(&format!("{path}.{field}"), words);
            }
        }
    }
}

fn contexts(errors: &mut Errors, spec: &Value, path: &str) {
    let host_users = at(spec, "/hostUsers") != &Value::Bool(false);
    for (path, container) in every(spec, path) {
        let context = at(container, "/securityContext");
        let path = format!("{path}.securityContext");
        security::of_container(errors, context, &path, host_users);
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

fn common(errors: &mut Errors, container: &Value, path: &str, volumes: &Volumes<'_>) {
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
    mounts::check(errors, container, path, volumes);
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
        let path = format!("{path}.valueFrom");
        selectors::variable(errors, source, &path);
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
        errors.invalid(&path, "", words);
    }
    let from = format!("{path}.envFrom");
    for (path, source) in items(container, "/envFrom", &from) {
        let prefix = text(source, "/prefix");
        errors.form(&format!("{path}.prefix"), prefix, names::env_name(prefix));
        for field in ["configMapRef", "secretRef"] {
            let object = at(source, &format!("/{field}"));
            if !object.is_null() {
                let path = format!("{path}.{field}");
                selectors::filled(errors, object, &path, "name", base_name);
            }
        }
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

/// The form of a name, which may go on after a hyphen.
fn base_name(name: &str) -> Vec<String> {
    names::subdomain(&metadata::completed(name))
}
