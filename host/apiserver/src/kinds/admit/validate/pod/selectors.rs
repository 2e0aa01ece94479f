//! Values that containers get from elsewhere: from fields of their pod, keys of other objects, files.

use serde_json::Value;

use super::super::super::look::{at, text};
use super::super::super::quantity;
use super::super::{Errors, names};
use super::paths;

/// Fields of a pod that are variables, in the order in which they are told.
const IN_VARIABLES: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields of a pod that are files.
pub(super) const IN_FILES: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];

/// Fields that have a name, but are neither the one nor the other.
const OTHERS: [&str; 4] = [
    "spec.host",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
];

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// What amounts are divided by.
const UNITS: [&str; 13] = [
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
];

/// Where a variable's value comes from.
pub(super) fn variable(errors: &mut Errors, source: &Value, path: &str) {
    let part = |name: &str| {
        let value = at(source, &format!("/{name}"));
        (!value.is_null()).then(|| (value, format!("{path}.{name}")))
    };
    if let Some((value, path)) = part("fieldRef") {
        field(errors, value, &path, &IN_VARIABLES);
    }
    if let Some((value, path)) = part("resourceFieldRef") {
        resource(errors, value, &path, false);
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        if let Some((value, path)) = part(name) {
            let name = text(value, "/name");
            errors.form(&format!("{path}.name"), name, names::subdomain(name));
            filled(errors, value, &path, "key", names::config_key);
        }
    }
    if let Some((value, path)) = part("fileKeyRef") {
        filled(errors, value, &path, "key", names::env_name);
        filled(errors, value, &path, "volumeName", names::label);
        let file = text(value, "/path");
        let path = format!("{path}.path");
        if file.is_empty() {
            errors.required(&path, "");
        }
        paths::no_steps_back(errors, file, &path);
    }
}

/// A text that is there, and has a form.
pub(super) fn filled(
    errors: &mut Errors,
    object: &Value,
    path: &str,
    field: &str,
    form: names::Check,
) {
    let given = text(object, &format!("/{field}"));
    let path = format!("{path}.{field}");
    if given.is_empty() {
        errors.required(&path, "");
    } else {
        errors.form(&path, given, form(given));
    }
}

/// A field of the pod, one of those or one label or annotation.
pub(super) fn field(errors: &mut Errors, selector: &Value, path: &str, known: &[&str]) {
    let (version, name) = (text(selector, "/apiVersion"), text(selector, "/fieldPath"));
    let place = format!("{path}.fieldPath");
    if version.is_empty() {
        return errors.required(&format!("{path}.apiVersion"), "");
    }
    if name.is_empty() {
        return errors.required(&place, "");
    }
    let subscript = name
        .strip_suffix("']")
        .and_then(|rest| rest.split_once("['"));
    let subscript = subscript.filter(|(field, _)| !field.is_empty());
    let exists = [&IN_VARIABLES[..], &IN_FILES, &OTHERS]
        .concat()
        .contains(&name);
    let problem = match subscript {
        _ if version != "v1" => format!("unsupported pod version: {version}"),
        Some(("metadata.annotations", key)) => {
            return errors.form(path, &key.to_lowercase(), names::key(&key.to_lowercase()));
        }
        Some(("metadata.labels", key)) => return errors.form(path, key, names::key(key)),
        Some(_) => format!("field label does not support subscript: {name}"),
        None if !exists => format!("field label not supported: {name}"),
        None => {
            // An old name of the same.
            let name = if name == "spec.host" {
                "spec.nodeName"
            } else {
                name
            };
            if !known.contains(&name) {
                errors.not_supported(&place, name, known);
            }
            return;
        }
    };
    errors.invalid(
        &place,
        name,
        &format!("error converting fieldPath: {problem}"),
    );
}

/// An amount that a container has. In a volume it says which container's.
pub(super) fn resource(errors: &mut Errors, selector: &Value, path: &str, in_volume: bool) {
    let name = text(selector, "/resource");
    let huge = ["requests.hugepages-", "limits.hugepages-"]
        .iter()
        .any(|start| name.starts_with(start));
    if in_volume && text(selector, "/containerName").is_empty() {
        errors.required(&format!("{path}.containerName"), "");
    } else if name.is_empty() {
        errors.required(&format!("{path}.resource"), "");
    } else if !huge && !RESOURCES.contains(&name) {
        errors.not_supported(&format!("{path}.resource"), name, &RESOURCES);
    }
    let divisor = at(selector, "/divisor");
    if divisor.is_null() || quantity::nanos(divisor) == 0 {
        return;
    }
    let shown = divisor.as_str().unwrap_or_default();
    let sort = match name.split_once('.').map(|(_, sort)| sort) {
        Some("cpu") if ["1m", "1"].contains(&shown) => return,
        Some("cpu") => {
            let words = "only divisor's values 1m and 1 are supported with the cpu resource";
            return errors.invalid(&format!("{path}.divisor"), name, words);
        }
        _ if UNITS.contains(&shown) => return,
        Some("memory") => "memory",
        Some("ephemeral-storage") => "local ephemeral storage",
        _ if huge => "hugepages",
        _ => return,
    };
    let units = UNITS.join(", ");
    let words = format!("only divisor's values {units} are supported with the {sort} resource");
    errors.invalid(&format!("{path}.divisor"), name, &words);
}
