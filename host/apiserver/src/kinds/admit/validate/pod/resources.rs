//! What containers ask for, and what they are limited to.

use std::cmp::Ordering;

use serde_json::Value;

use super::super::super::look::{at, entries, list, text};
use super::super::super::quantity as amounts;
use super::super::{Errors, names};

/// Resources of a container that need no domain.
const STANDARD: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Resources that are counted.
const COUNTED: [&str; 9] = [
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// Resources that are no container's and not counted.
const ELSEWHERE: [&str; 8] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "storage",
];

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether a resource is of Kubernetes itself.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether more may be promised than there is.
fn is_overcommitted(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// The forms of names that resources have: a container's, or a pod's own.
type Known = fn(&mut Errors, &str, &str);

/// Requests and limits of a container.
pub(super) fn check(errors: &mut Errors, resources: &Value, path: &str) {
    amounts_of(errors, resources, path, known);
}

/// Requests and limits that a pod has for all its containers.
pub(super) fn of_pod(errors: &mut Errors, spec: &Value, path: &str) {
    let resources = at(spec, "/resources");
    let path = format!("{path}.resources");
    if resources.is_null() {
        return;
    }
    if text(spec, "/os/name") == "windows" {
        return errors.forbidden(&path, "may not be set for a windows pod");
    }
    if resources.get("claims").is_some() {
        let words = "claims may not be set for Resources at pod-level";
        errors.forbidden(&format!("{path}.claims"), words);
    }
    amounts_of(errors, resources, &path, known_of_pod);
    for (index, container) in list(spec, "/containers").iter().enumerate() {
        for (name, limit) in entries(container, "/resources/limits") {
            let most = at(resources, "/limits").get(name);
            if let Some(most) = most.filter(|most| amounts::compare(limit, most).is_gt()) {
                let shown = most.as_str().unwrap_or_default();
                let words = format!("must be less than or equal to pod limits of {shown}");
                let path = format!("{path}.containers[{index}][{name}].limits");
                errors.invalid(&path, limit.clone(), &words);
            }
        }
    }
}

fn amounts_of(errors: &mut Errors, resources: &Value, path: &str, known: Known) {
    let mut paged = false;
    let mut computed = false;
    for part in ["limits", "requests"] {
        for (name, amount) in entries(resources, &format!("/{part}")) {
            let path = format!("{path}.{part}[{name}]");
            known(errors, name, &path);
            quantity(errors, name, amount, &path);
            pages(errors, name, amount, &path);
            paged |= is_huge_page(name);
            computed |= ["cpu", "memory"].contains(&name);
        }
    }
    for (name, request) in entries(resources, "/requests") {
        within(errors, resources, name, request, path);
    }
    if paged && !computed {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
}

fn within(errors: &mut Errors, resources: &Value, name: &str, request: &Value, path: &str) {
    let limit = at(resources, "/limits").get(name);
    let Some(limit) = limit else {
        if !is_overcommitted(name) {
            let words = "Limit must be set for non overcommitable resources";
            errors.required(&format!("{path}.limits"), words);
        }
        return;
    };
    let shown = limit.as_str().unwrap_or_default();
    let rule = match amounts::compare(request, limit) {
        Ordering::Equal => return,
        _ if !is_overcommitted(name) => "must be equal to",
        Ordering::Greater => "must be less than or equal to",
        Ordering::Less => return,
    };
    errors.invalid(
        &format!("{path}.requests"),
        request.clone(),
        &format!("{rule} {name} limit of {shown}"),
    );
}

/// Huge pages are asked for in whole pages.
fn pages(errors: &mut Errors, name: &str, amount: &Value, path: &str) {
    let Some(size) = name.strip_prefix("hugepages-") else {
        return;
    };
    let size = amounts::nanos(&size.into());
    if size <= 0 || amounts::nanos(amount) % size != 0 {
        let shown = amount.as_str().unwrap_or_default();
        let words = format!("{shown} is not positive integer multiple of {name}");
        errors.invalid(path, amount.clone(), &words);
    }
}

/// Whether the name is one. What has no domain is a resource of Kubernetes.
fn is_name(errors: &mut Errors, name: &str, path: &str) -> bool {
    let broken = names::key(name);
    let is_key = broken.is_empty();
    errors.form(path, name, broken);
    let standard = STANDARD.contains(&name)
        || COUNTED.contains(&name)
        || ELSEWHERE.contains(&name)
        || name.starts_with("requests.hugepages-")
        || is_huge_page(name);
    if is_key && !name.contains('/') && !standard {
        let words = "must be a standard resource type or fully qualified";
        errors.invalid(path, name, words);
        return false;
    }
    is_key
}

fn known(errors: &mut Errors, name: &str, path: &str) {
    is_name(errors, name, path);
    if !name.contains('/') {
        if !STANDARD.contains(&name) && !is_huge_page(name) {
            errors.invalid(path, name, "must be a standard resource for containers");
        }
    } else if !is_native(name)
        && (name.starts_with("requests.") || !names::key(&format!("requests.{name}")).is_empty())
    {
        errors.invalid(path, name, "doesn't follow extended resource name standard");
    }
}

fn known_of_pod(errors: &mut Errors, name: &str, path: &str) {
    if is_name(errors, name, path) && !["cpu", "memory"].contains(&name) && !is_huge_page(name) {
        errors.not_supported(path, name, &["cpu", "hugepages-", "memory"]);
    }
}

/// An amount of a resource: not below zero, and whole if it is counted.
pub(in super::super) fn quantity(errors: &mut Errors, name: &str, amount: &Value, path: &str) {
    if amounts::nanos(amount) < 0 {
        errors.invalid(path, amount.clone(), "must be greater than or equal to 0");
    }
    if (COUNTED.contains(&name) || !is_native(name)) && !amounts::is_whole(amount) {
        errors.invalid(path, amount.clone(), "must be an integer");
    }
}
