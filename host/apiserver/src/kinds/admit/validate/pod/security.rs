//! Under whose name, and how walled in, containers run (`validatePodSpecSecurityContext`, `ValidateSecurityContext`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::super::look::{at, int, is_true, items, list, text};
use super::super::Errors;
use super::super::choice::if_any;
use super::{walls, windows};

/// The form of a sysctl's name.
const SYSCTL: &str = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

/// The longest name of a sysctl.
const SYSCTL_NAME: usize = 253;

/// Sysctls that belong to the namespace of processes' communication, but for those of queues.
const COMMUNICATION: [&str; 10] = [
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.shm",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.msg",
];

/// What a pod says of all its containers.
pub(super) fn of_pod(errors: &mut Errors, spec: &Value, path: &str) {
    let context = at(spec, "/securityContext");
    if context.is_null() && !is_true(spec, "/hostPID") {
        return;
    }
    let path = format!("{path}.securityContext");
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        let place = format!("{path}.{field}");
        identity(errors, int(context, &format!("/{field}")), &place);
    }
    let groups = format!("{path}.supplementalGroups");
    for (path, group) in items(context, "/supplementalGroups", &groups) {
        identity(errors, group.as_i64(), &path);
    }
    if is_true(spec, "/shareProcessNamespace") && is_true(spec, "/hostPID") {
        let words = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(&format!("{path}.shareProcessNamespace"), true, words);
    }
    sysctls(errors, spec, &format!("{path}.sysctls"));
    let choices: [(&str, &[&str]); 3] = [
        ("fsGroupChangePolicy", &["Always", "OnRootMismatch"]),
        ("supplementalGroupsPolicy", &["Merge", "Strict"]),
        // Mounting with a label is not switched on.
        ("seLinuxChangePolicy", &["Recursive"]),
    ];
    for (field, known) in choices {
        if_any(errors, context, &path, field, known);
    }
    walls::check(errors, context, &path);
    windows::options(errors, context, &path);
}

/// What a container says of itself. That it may be privileged is left to who runs the server there; here it may.
pub(super) fn of_container(errors: &mut Errors, context: &Value, path: &str, host_users: bool) {
    if context.is_null() {
        return;
    }
    for field in ["runAsUser", "runAsGroup"] {
        let place = format!("{path}.{field}");
        identity(errors, int(context, &format!("/{field}")), &place);
    }
    let mount = "procMount";
    if_any(errors, context, path, mount, &["Default", "Unmasked"]);
    if host_users && text(context, "/procMount") == "Unmasked" {
        let words = "`hostUsers` must be false to use `Unmasked`";
        errors.invalid(&format!("{path}.{mount}"), "Unmasked", words);
    }
    if at(context, "/allowPrivilegeEscalation") == &Value::Bool(false) {
        let adds = list(context, "/capabilities/add").iter();
        let more = [
            (is_true(context, "/privileged"), "`privileged` to true"),
            (
                adds.clone().any(|added| added == "CAP_SYS_ADMIN"),
                "`capabilities.Add` CAP_SYS_ADMIN",
            ),
        ];
        for (_, which) in more.into_iter().filter(|(is, _)| *is) {
            let words = format!("cannot set `allowPrivilegeEscalation` to false and {which}");
            errors.invalid(path, context.clone(), &words);
        }
    }
    walls::check(errors, context, path);
    windows::options(errors, context, path);
}

/// The number of a user or a group.
fn identity(errors: &mut Errors, number: Option<i64>, path: &str) {
    if let Some(number) = number.filter(|number| !(0..=i64::from(i32::MAX)).contains(number)) {
        errors.invalid(path, number, "must be between 0 and 2147483647, inclusive");
    }
}

fn sysctls(errors: &mut Errors, spec: &Value, path: &str) {
    let mut seen = BTreeSet::new();
    for (path, sysctl) in items(spec, "/securityContext/sysctls", path) {
        let name = text(sysctl, "/name");
        let path = format!("{path}.name");
        if name.is_empty() {
            errors.required(&path, "");
        } else if !is_sysctl(name) {
            let words =
                format!("must have at most {SYSCTL_NAME} characters and match regex {SYSCTL}");
            errors.invalid(&path, name, &words);
        } else if seen.contains(name) {
            errors.duplicate(&path, name);
        }
        seen.insert(name);
        if let Some(shared) = namespace(name)
            && is_true(spec, &format!("/{shared}"))
        {
            let words = format!("may not be specified when '{shared}' is true");
            errors.invalid(&path, name, &words);
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let is_end = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let fits = |letter: char| is_end(letter) || ['-', '_'].contains(&letter);
    let is_part =
        |part: &str| part.chars().all(fits) && part.starts_with(is_end) && part.ends_with(is_end);
    name.len() <= SYSCTL_NAME && name.split(['.', '/']).all(is_part)
}

/// The field that gives a pod the host's namespace in which that sysctl is.
fn namespace(name: &str) -> Option<&'static str> {
    // With a slash first, slashes are dots and dots are slashes.
    let swapped: String = match name.find(['.', '/']).and_then(|place| name.get(place..)) {
        Some(rest) if rest.starts_with('/') => name
            .chars()
            .map(|letter| match letter {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    };
    let name = swapped.split('*').next().unwrap_or_default();
    if name.starts_with("net.") {
        Some("hostNetwork")
    } else if name.starts_with("fs.mqueue.") || COMMUNICATION.contains(&name) {
        Some("hostIPC")
    } else {
        None
    }
}
