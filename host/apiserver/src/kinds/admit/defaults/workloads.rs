//! Defaults of the kinds that make pods.

use serde_json::{Map, Value, json};
use stagewright_core::time::Time;

use super::super::look::{fill, section, text_of};

/// A backoff limit that is none.
const MAX_INT32: i32 = i32::MAX;

/// Parallelism and completions, limits and policies, and the template's labels.
pub(super) fn job(job: &mut Map<String, Value>, _now: Time) {
    let labels = labels_of_template(job);
    let spec = section(job, "spec");
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        spec.insert("completions".to_owned(), json!(1));
    }
    fill(spec, "parallelism", 1);
    let limit = if spec.contains_key("backoffLimitPerIndex") {
        MAX_INT32
    } else {
        6
    };
    fill(spec, "backoffLimit", limit);
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    let policy = if spec.contains_key("podFailurePolicy") {
        "Failed"
    } else {
        "TerminatingOrFailed"
    };
    fill(spec, "podReplacementPolicy", policy);
    fill(spec, "manualSelector", false);
    adopt_labels(job, labels);
}

/// The selector and the labels are the template's labels.
pub(super) fn replication_controller(controller: &mut Map<String, Value>, _now: Time) {
    let labels = labels_of_template(controller);
    if let Some(labels) = labels.clone() {
        fill(section(controller, "spec"), "selector", labels);
    }
    adopt_labels(controller, labels);
}

fn labels_of_template(owner: &Map<String, Value>) -> Option<Value> {
    let labels = owner.get("spec")?.pointer("/template/metadata/labels");
    labels.cloned()
}

fn adopt_labels(owner: &mut Map<String, Value>, labels: Option<Value>) {
    if let Some(labels) = labels {
        fill(section(owner, "metadata"), "labels", labels);
    }
}

/// A quarter of the pods at a time.
pub(super) fn deployment_strategy(strategy: &mut Map<String, Value>, _now: Time) {
    fill(strategy, "type", "RollingUpdate");
    if text_of(strategy, "type") == "RollingUpdate" {
        let rolling = section(strategy, "rollingUpdate");
        fill(rolling, "maxUnavailable", "25%");
        fill(rolling, "maxSurge", "25%");
    }
}

/// One pod at a time.
pub(super) fn daemon_set_strategy(strategy: &mut Map<String, Value>, _now: Time) {
    fill(strategy, "type", "RollingUpdate");
    if text_of(strategy, "type") == "RollingUpdate" {
        let rolling = section(strategy, "rollingUpdate");
        fill(rolling, "maxUnavailable", 1);
        fill(rolling, "maxSurge", 0);
    }
}

/// Templates of claims say what they are (`Convert_apps_StatefulSetSpec_To_v1_StatefulSetSpec`).
pub(super) fn stateful_set(spec: &mut Map<String, Value>, _now: Time) {
    let claims = spec
        .get_mut("volumeClaimTemplates")
        .and_then(Value::as_array_mut);
    for claim in claims
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        fill(claim, "apiVersion", "v1");
        fill(claim, "kind", "PersistentVolumeClaim");
    }
}

/// All pods, the last first. A strategy that is only named keeps its emptiness.
pub(super) fn stateful_set_strategy(strategy: &mut Map<String, Value>, _now: Time) {
    if !strategy.contains_key("type") {
        strategy.insert("type".to_owned(), json!("RollingUpdate"));
        section(strategy, "rollingUpdate");
    }
    let rolling = strategy
        .get_mut("rollingUpdate")
        .and_then(Value::as_object_mut);
    if let Some(rolling) = rolling {
        fill(rolling, "partition", 0);
    }
}

/// The one metric of the first version (`Convert_autoscaling_HorizontalPodAutoscaler_To_v1_HorizontalPodAutoscaler`).
pub(super) fn autoscaler_v1(scaler: &mut Map<String, Value>, _now: Time) {
    let other = scaler
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations"))
        .is_some_and(|annotations| {
            annotations
                .get("autoscaling.alpha.kubernetes.io/metrics")
                .is_some()
        });
    if !other {
        fill(
            section(scaler, "spec"),
            "targetCPUUtilizationPercentage",
            80,
        );
    }
}

/// Up fast and down slowly, where anything is said on it.
pub(super) fn autoscaler_behavior(behavior: &mut Map<String, Value>, _now: Time) {
    let up = section(behavior, "scaleUp");
    fill(up, "stabilizationWindowSeconds", 0);
    fill(up, "selectPolicy", "Max");
    let policies = json!([
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ]);
    fill(up, "policies", policies);
    let down = section(behavior, "scaleDown");
    fill(down, "selectPolicy", "Max");
    let policies = json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]);
    fill(down, "policies", policies);
}
