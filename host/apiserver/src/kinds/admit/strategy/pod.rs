//! What the server itself writes into pods (kubernetes, `pkg/registry/core/pod/strategy.go`, and the admission plugins that every
//! server runs).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use stagewright_core::time::Time;

use super::super::look::{at, entries, fill, list, section, take_over, text, text_of};
use super::super::quantity;

/// Taints that a pod bears for five minutes, if it says nothing else.
const BORNE: [&str; 2] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
];

/// What a resize may change in a container.
const RESIZED: [&str; 2] = ["resources", "resizePolicy"];

/// The priorities of the classes that every cluster has.
const CLASSES: [(&str, i64); 3] = [
    ("", 0),
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
];

/// Status, account, tolerations and priority.
pub(super) fn create(pod: &mut Map<String, Value>, now: Time) {
    let of_metadata = |pointer| {
        let metadata = pod.get("metadata");
        metadata.map_or(Value::Null, |metadata| at(metadata, pointer).clone())
    };
    let (labels, annotations) = (of_metadata("/labels"), of_metadata("/annotations"));
    let spec = section(pod, "spec");
    if !spec.contains_key("serviceAccountName") {
        spec.insert("serviceAccountName".to_owned(), json!("default"));
        spec.insert("serviceAccount".to_owned(), json!("default"));
    }
    let class = text_of(spec, "priorityClassName").to_owned();
    if let Some((_, priority)) = CLASSES.iter().find(|(name, _)| *name == class) {
        fill(spec, "priority", *priority);
        fill(spec, "preemptionPolicy", "PreemptLowerPriority");
    }
    tolerate(spec);
    select_by_own_labels(spec, &labels);
    wall_in(spec, &annotations);
    let gated = spec.contains_key("schedulingGates");
    let class = quality(spec);
    let mut status = json!({"phase": "Pending", "qosClass": class});
    if gated && let Some(status) = status.as_object_mut() {
        let condition = json!({
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastTransitionTime": now.to_seconds(),
        });
        status.insert("conditions".to_owned(), json!([condition]));
    }
    pod.insert("status".to_owned(), status);
}

/// The tolerations are completed at every update, and the priority that was given in the beginning stays (the admission plugins
/// `DefaultTolerationSeconds` and `Priority`).
pub(super) fn update(pod: &mut Map<String, Value>, old: &Value) {
    let spec = section(pod, "spec");
    tolerate(spec);
    for field in ["priority", "preemptionPolicy"] {
        if !spec.contains_key(field) {
            take_over(spec, at(old, "/spec"), field);
        }
    }
}

/// Keys of labels in terms about other pods stand for what the pod itself has of them (`mutatePodAffinity`,
/// `mutateTopologySpreadConstraints`).
fn select_by_own_labels(spec: &mut Map<String, Value>, labels: &Value) {
    let spread = spec.get_mut("topologySpreadConstraints");
    for constraint in spread.and_then(Value::as_array_mut).into_iter().flatten() {
        complete(constraint, labels);
    }
    for sort in ["podAffinity", "podAntiAffinity"] {
        let affinity = spec.get_mut("affinity");
        let terms = affinity.and_then(|affinity| affinity.get_mut(sort)?.as_object_mut());
        let lists = terms.into_iter().flat_map(Map::values_mut);
        for term in lists.filter_map(Value::as_array_mut).flatten() {
            // A term that is only better has a weight beside it.
            match term.get_mut("podAffinityTerm") {
                Some(term) => complete(term, labels),
                None => complete(term, labels),
            }
        }
    }
}

fn complete(term: &mut Value, labels: &Value) {
    let mut more = Vec::new();
    for (field, operator) in [("/matchLabelKeys", "In"), ("/mismatchLabelKeys", "NotIn")] {
        for key in list(term, field).iter().filter_map(Value::as_str) {
            if let Some(value) = labels.get(key) {
                more.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    let selector = term.get_mut("labelSelector").and_then(Value::as_object_mut);
    let Some(selector) = selector.filter(|_| !more.is_empty()) else {
        return;
    };
    let wanted = selector
        .entry("matchExpressions")
        .or_insert_with(|| json!([]));
    if let Some(wanted) = wanted.as_array_mut() {
        wanted.append(&mut more);
    }
}

/// What an annotation says of AppArmor becomes the field of a container that has none (`applyAppArmorVersionSkew`).
fn wall_in(spec: &mut Map<String, Value>, annotations: &Value) {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io";
    let windows = spec
        .get("os")
        .is_some_and(|os| text(os, "/name") == "windows");
    if windows || annotations.is_null() {
        return;
    }
    let context = spec.get("securityContext").cloned().unwrap_or_default();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        let containers = containers.into_iter().flatten();
        for container in containers.filter_map(Value::as_object_mut) {
            let key = format!("{PREFIX}/{}", text_of(container, "name"));
            let annotation = annotations.get(&key).and_then(Value::as_str);
            let Some(profile) = annotation.and_then(profile) else {
                continue;
            };
            if profile != *at(&context, "/appArmorProfile") {
                fill(
                    section(container, "securityContext"),
                    "appArmorProfile",
                    profile,
                );
            }
        }
    }
}

/// The profile that an annotation of AppArmor names.
fn profile(annotation: &str) -> Option<Value> {
    match annotation {
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        "unconfined" => Some(json!({"type": "Unconfined"})),
        _ => {
            let name = annotation.strip_prefix("localhost/")?;
            let is_name = !name.is_empty() && name.trim() == name;
            is_name.then(|| json!({"type": "Localhost", "localhostProfile": name}))
        }
    }
}

/// `DefaultTolerationSeconds`.
fn tolerate(spec: &mut Map<String, Value>) {
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    let Some(tolerations) = tolerations.as_array_mut() else {
        return;
    };
    for taint in BORNE {
        let borne = tolerations.iter().any(|toleration| {
            ["", taint].contains(&text(toleration, "/key"))
                && ["", "NoExecute"].contains(&text(toleration, "/effect"))
        });
        if !borne {
            tolerations.push(json!({
                "key": taint,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }));
        }
    }
}

/// The quality of service (`ComputePodQOS`).
pub(in super::super) fn quality(spec: &Map<String, Value>) -> &'static str {
    let mut sums: [BTreeMap<String, i128>; 2] = [BTreeMap::new(), BTreeMap::new()];
    let mut guaranteed = true;
    let own = spec.get("resources");
    let containers = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|name| {
            let list = spec.get(name).and_then(Value::as_array);
            list.into_iter()
                .flatten()
                .map(|container| at(container, "/resources"))
        });
    let all: Vec<&Value> = own.map_or_else(|| containers.collect(), |own| vec![own]);
    for resources in all {
        let mut limited = 0;
        for (sum, pointer) in sums.iter_mut().zip(["/requests", "/limits"]) {
            for (name, amount) in entries(resources, pointer) {
                let amount = quantity::nanos(amount);
                if ["cpu", "memory"].contains(&name) && amount > 0 {
                    let sum = sum.entry(name.to_owned()).or_default();
                    *sum = sum.saturating_add(amount);
                    limited += u8::from(pointer == "/limits");
                }
            }
        }
        guaranteed &= limited == 2;
    }
    let [requests, limits] = sums;
    if requests.is_empty() && limits.is_empty() {
        "BestEffort"
    } else if guaranteed && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// What a writer of the status leaves out stays: the quality of service, and the generations that were observed
/// (`preserveOldObservedGeneration`).
pub(super) fn update_status(pod: &mut Map<String, Value>, old: &Value) {
    const OBSERVED: &str = "observedGeneration";
    let before = at(old, "/status");
    let status = section(pod, "status");
    for field in ["qosClass", OBSERVED] {
        if !status.contains_key(field) {
            take_over(status, before, field);
        }
    }
    let mut taken: Vec<bool> = vec![false; list(before, "/conditions").len()];
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        // Types may stand there more than once; each has the one of the same turn before it.
        let mut pairs = list(before, "/conditions").iter().zip(&mut taken);
        let known =
            pairs.find(|(known, taken)| !**taken && known.get("type") == condition.get("type"));
        if let Some((known, taken)) = known {
            *taken = true;
            if !condition.contains_key(OBSERVED) {
                take_over(condition, known, OBSERVED);
            }
        }
    }
}

/// Only the ephemeral containers are written there.
pub(super) fn add_ephemeral(pod: &mut Map<String, Value>, old: &Value) {
    let wanted = pod
        .get("spec")
        .map(|spec| at(spec, "/ephemeralContainers").clone());
    take_over(pod, old, "spec");
    let spec = section(pod, "spec");
    match wanted {
        Some(wanted) if !wanted.is_null() => {
            spec.insert("ephemeralContainers".to_owned(), wanted);
        }
        _ => {
            spec.remove("ephemeralContainers");
        }
    }
}

/// Only resources are written there. Containers that came or went are left for the validation to refuse.
pub(super) fn resize(pod: &mut Map<String, Value>, old: &Value) {
    let wanted = pod.get("spec").cloned().unwrap_or_default();
    let lists = ["/containers", "/initContainers"];
    let before = at(old, "/spec");
    if lists
        .iter()
        .any(|name| list(&wanted, name).len() != list(before, name).len())
    {
        return;
    }
    take_over(pod, old, "spec");
    let spec = section(pod, "spec");
    take_over(spec, &wanted, "resources");
    for pointer in lists {
        let name = pointer.trim_start_matches('/');
        let containers = spec.get_mut(name).and_then(Value::as_array_mut);
        let pairs = containers.into_iter().flatten().zip(list(&wanted, pointer));
        for (container, wanted) in pairs {
            if let Some(container) = container.as_object_mut()
                && container.get("name") == wanted.get("name")
            {
                RESIZED
                    .iter()
                    .for_each(|field| take_over(container, wanted, field));
            }
        }
    }
}
