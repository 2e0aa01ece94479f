//! Where a pod is to be placed, and with whom (`validateAffinity`, `validateTopologySpreadConstraints`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::super::look::{at, entries, int, items, list, text};
use super::super::choice::if_any;
use super::super::metadata::{self, Labels};
use super::super::{Errors, names};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// To which nodes, and to or from which pods, a pod is drawn.
pub(super) fn check(errors: &mut Errors, spec: &Value, path: &str) {
    let affinity = at(spec, "/affinity");
    if affinity.is_null() {
        return;
    }
    let path = format!("{path}.affinity");
    nodes(
        errors,
        at(affinity, "/nodeAffinity"),
        &format!("{path}.nodeAffinity"),
    );
    for field in ["podAffinity", "podAntiAffinity"] {
        let affinity = at(affinity, &format!("/{field}"));
        let path = format!("{path}.{field}");
        for (path, term) in some(affinity, REQUIRED, &path) {
            pods(errors, term, &path);
        }
        for (path, term) in some(affinity, PREFERRED, &path) {
            weight(errors, term, &path);
            let path = format!("{path}.podAffinityTerm");
            pods(errors, at(term, "/podAffinityTerm"), &path);
        }
    }
}

/// The terms of one sort, with their places.
fn some<'a>(
    affinity: &'a Value,
    sort: &str,
    path: &str,
) -> impl Iterator<Item = (String, &'a Value)> + use<'a> {
    items(affinity, &format!("/{sort}"), &format!("{path}.{sort}"))
}

fn weight(errors: &mut Errors, term: &Value, path: &str) {
    let weight = int(term, "/weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        let words = "must be in the range 1-100";
        errors.invalid(&format!("{path}.weight"), weight, words);
    }
}

fn nodes(errors: &mut Errors, affinity: &Value, path: &str) {
    let required = at(affinity, &format!("/{REQUIRED}"));
    if !required.is_null() {
        let path = format!("{path}.{REQUIRED}.nodeSelectorTerms");
        if list(required, "/nodeSelectorTerms").is_empty() {
            errors.required(&path, "must have at least one node selector term");
        }
        for (path, term) in items(required, "/nodeSelectorTerms", &path) {
            node_term(errors, term, &path, Labels::Nodes);
        }
    }
    for (path, term) in some(affinity, PREFERRED, path) {
        weight(errors, term, &path);
        let path = format!("{path}.preference");
        node_term(errors, at(term, "/preference"), &path, Labels::BetterNodes);
    }
}

fn node_term(errors: &mut Errors, term: &Value, path: &str, of: Labels) {
    let labels = format!("{path}.matchExpressions");
    for (path, wanted) in items(term, "/matchExpressions", &labels) {
        metadata::requirement(errors, wanted, &path, of);
    }
    for (path, wanted) in items(term, "/matchFields", &format!("{path}.matchFields")) {
        let values = list(wanted, "/values");
        match text(wanted, "/operator") {
            "In" | "NotIn" if values.len() != 1 => errors.required(
                &format!("{path}.values"),
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            ),
            "In" | "NotIn" => {}
            other => errors.invalid(
                &format!("{path}.operator"),
                other,
                "not a valid selector operator",
            ),
        }
        let key = text(wanted, "/key");
        if key != "metadata.name" {
            let words = "not a valid field selector key";
            errors.invalid(&format!("{path}.key"), key, words);
            continue;
        }
        for (index, name) in values.iter().filter_map(Value::as_str).enumerate() {
            let path = format!("{path}.values[{index}]");
            errors.form(&path, name, names::subdomain(name));
        }
    }
}

fn pods(errors: &mut Errors, term: &Value, path: &str) {
    for field in ["labelSelector", "namespaceSelector"] {
        let selector = at(term, &format!("/{field}"));
        metadata::selector(errors, selector, &format!("{path}.{field}"));
    }
    for name in list(term, "/namespaces").iter().filter_map(Value::as_str) {
        errors.form(&format!("{path}.namespace"), name, names::label(name));
    }
    label_keys(errors, term, path);
    let key = text(term, "/topologyKey");
    let path = format!("{path}.topologyKey");
    if key.is_empty() {
        errors.required(&path, "can not be empty");
    }
    errors.form(&path, key, names::key(key));
}

/// Keys of labels whose values are taken from the pod. What a pod has of them was put into its selector before.
fn label_keys(errors: &mut Errors, term: &Value, path: &str) {
    let selector = at(term, "/labelSelector");
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let pointer = format!("/{field}");
        let place = format!("{path}.{field}");
        if selector.is_null() && !list(term, &pointer).is_empty() {
            errors.forbidden(
                &place,
                "must not be specified when labelSelector is not set",
            );
            continue;
        }
        for (path, key) in items(term, &pointer, &place) {
            let key = key.as_str().unwrap_or_default();
            errors.form(&path, key, names::key(key));
        }
    }
    let keys = |field| list(term, field).iter().filter_map(Value::as_str);
    let places: BTreeMap<&str, usize> = keys("/matchLabelKeys").zip(0..).collect();
    let mut selected: BTreeSet<&str> = entries(selector, "/matchLabels")
        .map(|(key, _)| key)
        .collect();
    for wanted in list(selector, "/matchExpressions") {
        let key = text(wanted, "/key");
        if let (Some(index), false) = (places.get(key), selected.insert(key)) {
            let words = "exists in both matchLabelKeys and labelSelector";
            errors.invalid(&format!("{path}[{index}]"), key, words);
        }
    }
    let others: BTreeSet<&str> = keys("/mismatchLabelKeys").collect();
    for (index, key) in keys("/matchLabelKeys").enumerate() {
        if others.contains(key) {
            let words = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(&format!("{path}.matchLabelKeys[{index}]"), key, words);
        }
    }
}

/// How evenly pods are spread.
pub(super) fn spread(errors: &mut Errors, spec: &Value, path: &str) {
    const POINTER: &str = "/topologySpreadConstraints";
    let path = format!("{path}.topologySpreadConstraints");
    let kind = |constraint| {
        (
            text(constraint, "/topologyKey"),
            text(constraint, "/whenUnsatisfiable"),
        )
    };
    let mut rest = list(spec, POINTER).iter();
    for (path, constraint) in items(spec, POINTER, &path) {
        rest.next();
        positive(errors, constraint, &path, "maxSkew");
        let (key, action) = kind(constraint);
        if key.is_empty() {
            errors.required(&format!("{path}.topologyKey"), "can not be empty");
        }
        let known = ["DoNotSchedule", "ScheduleAnyway"];
        if !known.contains(&action) {
            errors.not_supported(&format!("{path}.whenUnsatisfiable"), action, &known);
        }
        if rest.clone().any(|other| kind(other) == (key, action)) {
            let path = format!("{path}.{{topologyKey, whenUnsatisfiable}}");
            errors.duplicate(&path, format!("{{{key}, {action}}}"));
        }
        positive(errors, constraint, &path, "minDomains");
        if let (Some(least), true) = (int(constraint, "/minDomains"), action != "DoNotSchedule") {
            let words =
                format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
            errors.invalid(&format!("{path}.minDomains"), least, &words);
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            if_any(errors, constraint, &path, field, &["Honor", "Ignore"]);
        }
        label_keys(errors, constraint, &path);
        let selector = at(constraint, "/labelSelector");
        metadata::selector(errors, selector, &format!("{path}.labelSelector"));
    }
}

/// A number above zero. The skew is one that must be there.
fn positive(errors: &mut Errors, constraint: &Value, path: &str, field: &str) {
    let missing = (field == "maxSkew").then_some(0);
    let number = int(constraint, &format!("/{field}")).or(missing);
    if let Some(number) = number.filter(|number| *number <= 0) {
        errors.invalid(
            &format!("{path}.{field}"),
            number,
            "must be greater than zero",
        );
    }
}
