//! What containers ask for, and what they are limited to.

use std::cmp::Ordering;

use serde_json::Value;

use super::super::super::look::{at, entries};
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

/// Requests and limits of a container.
pub(super) fn check(errors: &mut Errors, resources: &Value, path: &str) {
    let mut paged = false;
    let mut computed = false;
    for part in ["limits", "requests"] {
        for (name, amount) in entries(resources, &format!("/{part}")) {
            let path = format!("{path}.{part}[{name}]");
            known(errors, name, &path);
            quantity(errors, name, amount, &path);
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

fn known(errors: &mut Errors, name: &str, path: &str) {
    let broken = names::key(name);
    let standard = STANDARD.contains(&name) || is_huge_page(name);
    if broken.is_empty() && !name.contains('/') && !standard {
        errors.invalid(
            path,
            name,
            "must be a standard resource type or fully qualified",
        );
        errors.invalid(path, name, "must be a standard resource for containers");
    }
    errors.form(path, name, broken);
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
