//! What of a pod its operating system allows, and users of its own (`validateOS`, `validateLinux`, `validateWindows`,
//! `validateHostUsers`).

use serde_json::Value;

use super::super::super::look::{at, is_true, list, text};
use super::super::{Errors, pointer};
use super::every;

const OPTIONS: &str = "securityContext.windowsOptions";

/// What is not for Windows in a pod.
const POD: [&str; 15] = [
    "securityContext.appArmorProfile",
    "securityContext.seLinuxOptions",
    "hostUsers",
    "hostPID",
    "hostIPC",
    "securityContext.seccompProfile",
    "securityContext.fsGroup",
    "securityContext.fsGroupChangePolicy",
    "securityContext.sysctls",
    "shareProcessNamespace",
    "securityContext.runAsUser",
    "securityContext.runAsGroup",
    "securityContext.supplementalGroups",
    "securityContext.supplementalGroupsPolicy",
    "securityContext.seLinuxChangePolicy",
];

/// What is not for Windows in a container.
const CONTAINER: [&str; 10] = [
    "securityContext.appArmorProfile",
    "securityContext.seLinuxOptions",
    "securityContext.seccompProfile",
    "securityContext.capabilities",
    "securityContext.readOnlyRootFilesystem",
    "securityContext.privileged",
    "securityContext.allowPrivilegeEscalation",
    "securityContext.procMount",
    "securityContext.runAsUser",
    "securityContext.runAsGroup",
];

/// The operating system that a pod is for.
pub(super) fn check(errors: &mut Errors, spec: &Value, path: &str) {
    let system = at(spec, "/os");
    if system.is_null() {
        return;
    }
    let (of_pod, of_container, words): (&[&str], &[&str], _) = match text(system, "/name") {
        "" => return errors.required(&format!("{path}.os.name"), ""),
        "linux" => (
            &[OPTIONS],
            &[OPTIONS],
            "windows options cannot be set for a linux pod",
        ),
        "windows" => (&POD, &CONTAINER, "cannot be set for a windows pod"),
        other => {
            return errors.not_supported(&format!("{path}.os"), other, &["linux", "windows"]);
        }
    };
    let mut without = |object: &Value, path: &str, fields: &[&str]| {
        for field in fields {
            if !at(object, &pointer(field)).is_null() {
                errors.forbidden(&format!("{path}.{field}"), words);
            }
        }
    };
    without(spec, path, of_pod);
    for (path, container) in every(spec, path) {
        without(container, &path, of_container);
    }
}

/// With users of its own, a pod has not the host's namespaces.
pub(super) fn users(errors: &mut Errors, spec: &Value, path: &str) {
    const WORDS: &str = "when `hostUsers` is false";
    if at(spec, "/hostUsers") != &Value::Bool(false) {
        return;
    }
    // The real server's paths have capitals here.
    for (field, name) in [
        ("hostNetwork", "hostNetwork"),
        ("hostPID", "HostPID"),
        ("hostIPC", "HostIPC"),
    ] {
        if is_true(spec, &format!("/{field}")) {
            errors.forbidden(&format!("{path}.{name}"), WORDS);
        }
    }
    for (path, container) in every(spec, path) {
        if !list(container, "/volumeDevices").is_empty() {
            errors.forbidden(&format!("{path}.volumeDevices"), WORDS);
        }
    }
}
