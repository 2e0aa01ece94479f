//! Nodes (`ValidateNode`, `ValidateNodeUpdate`).

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde_json::Value;

use super::super::look::{at, entries, items, list, text};
use super::{Change, Errors, names, pod};

/// A node, new or changed: the rules differ little.
pub(super) fn check(errors: &mut Errors, change: Change<'_>) {
    let (new, old) = (change.new, change.old);
    taints(errors, new);
    for part in ["capacity", "allocatable"] {
        for (name, amount) in entries(new, &format!("/status/{part}")) {
            pod::quantity(errors, name, amount, &format!("status.{part}.{name}"));
        }
    }
    ranges(errors, new);
    if old.is_null() {
        return;
    }
    let mut seen = Vec::new();
    for (path, address) in items(new, "/status/addresses", "status.addresses") {
        if seen.contains(&address) {
            errors.duplicate(&path, address.clone());
        }
        seen.push(address);
    }
    let before = list(old, "/spec/podCIDRs");
    if !before.is_empty() && before != list(new, "/spec/podCIDRs") {
        let words = "node updates may not change podCIDR except from \"\" to valid";
        errors.forbidden("spec.podCIDRs", words);
    }
    for (field, words) in [
        (
            "providerID",
            "node updates may not change providerID except from \"\" to valid",
        ),
        ("externalID", "may not be updated"),
    ] {
        let pointer = format!("/spec/{field}");
        let before = text(old, &pointer);
        let fixed = field == "externalID" || !before.is_empty();
        if fixed && before != text(new, &pointer) {
            errors.forbidden(&format!("spec.{field}"), words);
        }
    }
}

/// The real server names them as if they were metadata.
fn taints(errors: &mut Errors, node: &Value) {
    let mut known = BTreeSet::new();
    for (path, taint) in items(node, "/spec/taints", "metadata.taints") {
        let (key, value) = (text(taint, "/key"), text(taint, "/value"));
        errors.form(&format!("{path}.key"), key, names::key(key));
        let broken = names::label_value(value);
        if !broken.is_empty() {
            errors.invalid(&format!("{path}.value"), value, &broken.join(";"));
        }
        pod::effect(errors, taint, &path);
        if !known.insert((key, text(taint, "/effect"))) {
            let words = "taints must be unique by key and effect pair";
            errors.duplicate_because(&path, taint.clone(), words);
        }
    }
}

fn ranges(errors: &mut Errors, node: &Value) {
    let all = list(node, "/spec/podCIDRs");
    let mut sixes = 0;
    for (index, range) in all.iter().enumerate() {
        let range = range.as_str().unwrap_or_default();
        sixes += usize::from(range.contains(':'));
        if range.parse::<IpNet>().is_err() {
            let words = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            errors.invalid(&format!("spec.podCIDRs[{index}]"), range, words);
        }
    }
    if all.len() > 2 || (all.len() == 2 && sixes != 1) {
        errors.invalid(
            "spec.podCIDRs",
            at(node, "/spec/podCIDRs").clone(),
            "may specify no more than one CIDR for each IP family",
        );
    }
}
