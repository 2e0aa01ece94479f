//! When a Job's pods count as failed, and when the Job as succeeded.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::super::look::{at, int, items, list, text};
use super::super::choice::{Unset, choice};
use super::super::pod::{CODES, RULES};
use super::super::{Errors, metadata, names};
use super::indexes;

/// The longest list of succeeded indices, in bytes.
const INDEXES: usize = 64 << 10;

/// Which failures of pods are failures of the Job.
pub(super) fn failure(errors: &mut Errors, spec: &Value, path: &str) {
    let path = format!("{path}.podFailurePolicy.rules");
    let rules = "/podFailurePolicy/rules";
    errors.too_many(&path, list(spec, rules).len(), RULES);
    let containers: BTreeSet<&str> = ["/containers", "/initContainers"]
        .into_iter()
        .flat_map(|name| list(at(spec, "/template/spec"), name))
        .map(|container| text(container, "/name"))
        .collect();
    for (path, rule) in items(spec, rules, &path) {
        let action = text(rule, "/action");
        if action == "FailIndex" && int(spec, "/backoffLimitPerIndex").is_none() {
            let words = "requires the backoffLimitPerIndex to be set";
            errors.invalid(&format!("{path}.action"), action, words);
        }
        let known = ["Count", "FailIndex", "FailJob", "Ignore"];
        choice(errors, rule, &path, "action", &known, Unset::RequiredOf);
        let codes = at(rule, "/onExitCodes");
        let conditions = !list(rule, "/onPodConditions").is_empty();
        if !codes.is_null() {
            exit_codes(errors, codes, &format!("{path}.onExitCodes"), &containers);
        }
        patterns(errors, rule, &path);
        match (codes.is_null(), conditions) {
            (false, true) => errors.somehow(
                &path,
                "specifying both OnExitCodes and OnPodConditions is not supported",
            ),
            (true, false) => errors.somehow(
                &path,
                "specifying one of OnExitCodes and OnPodConditions is required",
            ),
            _ => {}
        }
    }
}

fn patterns(errors: &mut Errors, rule: &Value, path: &str) {
    let path = format!("{path}.onPodConditions");
    errors.too_many(&path, list(rule, "/onPodConditions").len(), RULES);
    for (path, pattern) in items(rule, "/onPodConditions", &path) {
        let name = text(pattern, "/type");
        errors.form(&format!("{path}.type"), name, names::key(name));
        let known = ["False", "True", "Unknown"];
        choice(errors, pattern, &path, "status", &known, Unset::RequiredOf);
    }
}

fn exit_codes(errors: &mut Errors, codes: &Value, path: &str, containers: &BTreeSet<&str>) {
    let known = ["In", "NotIn"];
    choice(errors, codes, path, "operator", &known, Unset::RequiredOf);
    if let Some(name) = at(codes, "/containerName").as_str()
        && !containers.contains(name)
    {
        let words = "must be one of the container or initContainer names in the pod template";
        errors.invalid(&format!("{path}.containerName"), name, words);
    }
    let path = format!("{path}.values");
    let values = list(codes, "/values");
    if values.is_empty() {
        errors.invalid(&path, values, "at least one value is required");
    }
    errors.too_many(&path, values.len(), CODES);
    let mut seen = BTreeSet::new();
    let mut before = i64::MIN;
    let mut rises = true;
    for (index, value) in values.iter().enumerate() {
        let code = value.as_i64().unwrap_or(0);
        let path = format!("{path}[{index}]");
        if code == 0 && text(codes, "/operator") == "In" {
            errors.invalid(&path, code, "must not be 0 for the In operator");
        }
        if !seen.insert(code) {
            errors.duplicate(&path, code);
        }
        rises &= before <= code;
        before = code;
    }
    if !rises {
        errors.invalid(&path, values, "must be ordered");
    }
}

/// Which indices must succeed for the Job to.
pub(super) fn success(errors: &mut Errors, spec: &Value, path: &str) {
    let path = format!("{path}.successPolicy.rules");
    let rules = list(spec, "/successPolicy/rules");
    if rules.is_empty() {
        let words = "at least one rules must be specified when the successPolicy is specified";
        errors.required(&path, words);
    }
    errors.too_many(&path, rules.len(), RULES);
    let completions = int(spec, "/completions").unwrap_or(0);
    for (path, rule) in items(spec, "/successPolicy/rules", &path) {
        succeeded(errors, rule, &path, completions);
    }
}

fn succeeded(errors: &mut Errors, rule: &Value, path: &str, completions: i64) {
    let indices = at(rule, "/succeededIndexes").as_str();
    let count = int(rule, "/succeededCount");
    if indices.is_none() && count.is_none() {
        let words = "at least one of succeededCount or succeededIndexes must be specified";
        errors.required(path, words);
    }
    let mut all = None;
    if let Some(indices) = indices {
        let path = format!("{path}.succeededIndexes");
        if indices.len() > INDEXES {
            errors.too_long(&path, INDEXES);
        }
        let read = indexes::count(indices, completions);
        if let Err(error) = &read {
            let words = format!("error parsing succeededIndexes: {error}");
            errors.invalid(&path, indices, &words);
        }
        all = Some(read.unwrap_or(0));
    }
    metadata::not_below_zero(errors, rule, "succeededCount", path);
    let limits = [
        (Some(completions), "the number of specified completions"),
        (
            all,
            "the number of indexes in the specified succeededIndexes field",
        ),
    ];
    for (most, which) in limits {
        if let (Some(count), Some(most)) = (count, most)
            && count > most
        {
            let words = format!("must be less than or equal to {most} ({which})");
            errors.invalid(&format!("{path}.succeededCount"), count, &words);
        }
    }
}
