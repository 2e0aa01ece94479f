//! When containers are started again: by their own rules, and when they are resized (`validateContainerRestartPolicy`,
//! `validateResizePolicy`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::super::look::{at, items, list, text};
use super::super::Errors;
use super::super::choice::{Unset, choice, if_any};
use super::every;

/// The most rules that containers, or a Job's failing and succeeding, have, and the most exit codes of a rule.
pub(in super::super) const RULES: usize = 20;
pub(in super::super) const CODES: usize = 255;

/// The rules of all containers.
pub(super) fn check(errors: &mut Errors, spec: &Value, path: &str) {
    for list in ["containers", "initContainers"] {
        let place = format!("{path}.{list}");
        for (path, container) in items(spec, &format!("/{list}"), &place) {
            rules(errors, container, &path);
            let sidecar = text(container, "/restartPolicy") == "Always";
            if list == "initContainers" && !sidecar {
                not_started_for_size(errors, container, &path);
            }
        }
    }
    let never = text(spec, "/restartPolicy") == "Never";
    for (path, container) in every(spec, path) {
        resized(errors, container, &format!("{path}.resizePolicy"), never);
    }
}

fn rules(errors: &mut Errors, container: &Value, path: &str) {
    let known = ["Always", "Never", "OnFailure"];
    if_any(errors, container, path, "restartPolicy", &known);
    let place = format!("{path}.restartPolicyRules");
    let rules = list(container, "/restartPolicyRules");
    if !rules.is_empty() && container.get("restartPolicy").is_none() {
        let words = "must specify restartPolicy when restart rules are used";
        errors.required(&format!("{path}.restartPolicy"), words);
        // Of an init container no more is said.
        if path.contains(".initContainers[") {
            return;
        }
    }
    errors.too_many(&place, rules.len(), RULES);
    for (path, rule) in items(container, "/restartPolicyRules", &place) {
        let known = ["Restart", "RestartAllContainers"];
        let unset = Unset::Unsupported;
        choice(errors, rule, &path, "action", &known, unset);
        let codes = at(rule, "/exitCodes");
        let path = format!("{path}.exitCodes");
        if codes.is_null() {
            errors.required(&path, "must be specified");
            continue;
        }
        choice(errors, codes, &path, "operator", &["In", "NotIn"], unset);
        let values = list(codes, "/values").len();
        errors.too_many(&format!("{path}.values"), values, CODES);
    }
}

fn not_started_for_size(errors: &mut Errors, container: &Value, path: &str) {
    let place = format!("{path}.resizePolicy");
    for (path, policy) in items(container, "/resizePolicy", &place) {
        let given = text(policy, "/restartPolicy");
        if given == "RestartContainer" {
            let words = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            errors.invalid(&format!("{path}.restartPolicy"), given, words);
        }
    }
}

/// Whether a container is started again for more of a resource. Errors are at the list, as the real server has it.
fn resized(errors: &mut Errors, container: &Value, path: &str, never: bool) {
    let mut seen = BTreeSet::new();
    for (place, policy) in items(container, "/resizePolicy", path) {
        let resource = text(policy, "/resourceName");
        let restart = text(policy, "/restartPolicy");
        if !seen.insert(resource) {
            errors.duplicate(&place, resource);
        }
        let known: [(&str, &[&str]); 2] = [
            (resource, &["cpu", "memory"]),
            (restart, &["NotRequired", "RestartContainer"]),
        ];
        for (given, known) in known {
            if given.is_empty() {
                errors.required(path, "");
            } else if !known.contains(&given) {
                errors.not_supported(path, given, known);
            }
        }
        if never && restart != "NotRequired" {
            let words = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            errors.invalid(path, restart, words);
        }
    }
}
