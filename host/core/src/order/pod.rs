//! Pods. The API server compares their phases never, so this is where it is done.

use serde_json::{Value, json};

use super::breach::Mend;
use super::conditions;
use super::model::{ANY, EpochAt, Latch, Model, Once, status_phase, text_at};

/// Counts the pod's sandboxes. A rise says that the pod began anew on its node, as after a reboot: the witness that makes Running →
/// Pending and a restart count of 0 moves forward (core/v1 `ContainerStatus.restartCount`: it may be reset when state is lost).
/// The kubelet's own witnesses (PodReadyToStartContainers, container ids) are not ordered, so they prove nothing.
pub const SANDBOX_EPOCH: &str = "stagewright.dev/sandbox-epoch";

/// Pending → Succeeded is forward, through Running: the kubelet derives the phase from what the containers are now
/// (`kubelet_pods.go` `getPhase`), so a pod that ran between two looks is never reported Running.
///
/// `Unknown` is in no graph: it is unset by everyone since 2015.
pub(super) static MODEL: Model = Model {
    name: "pod",
    phase: Some(status_phase),
    phase_at: "/status/phase",
    graph: &[
        ("Pending", &["Running", "Failed"]),
        ("Running", &["Succeeded", "Failed"]),
        ("Succeeded", &[]),
        ("Failed", &[]),
    ],
    initial: "Pending",
    // kubelet_pods.go: "pods are not allowed to transition out of terminal phases".
    terminal: &["Succeeded", "Failed"],
    epochs: &[EpochAt::Number(
        "/metadata/annotations/stagewright.dev~1sandbox-epoch",
    )],
    latches: &[
        Latch {
            condition: "PodScheduled",
            within_epoch: false,
        },
        Latch {
            condition: "DisruptionTarget",
            within_epoch: false,
        },
        Latch {
            condition: "Initialized",
            within_epoch: true,
        },
    ],
    containers: true,
    once: &[
        // status_manager.go: "ensure that the start time does not change across updates".
        Once::ever("/status/startTime"),
        // validation.go ValidatePodStatusUpdate: "Pod QoS is immutable", nodeName "may not be changed directly".
        Once::ever("/status/qosClass"),
        Once::ever("/spec/nodeName"),
        Once::within_epoch("/status/podIP"),
        Once::within_epoch("/status/podIPs"),
        Once::within_epoch("/status/hostIP"),
        Once::within_epoch("/status/hostIPs"),
    ],
    // validation.go ValidatePodUpdate: "must be less than or equal to previous value", "must not update from a positive integer to nil".
    falling: &["/spec/activeDeadlineSeconds"],
    clocked: true,
    ..ANY
};

/// A pod that has a node is nominated for none any more (validation.go `ValidatePodStatusUpdate`: "nominatedNodeName" may not be set on
/// a pod that is bound).
pub(super) fn mend_nomination(before: &Value, after: &mut Value, mends: &mut Vec<Mend>) {
    const AT: &str = "/status/nominatedNodeName";
    let (had, wanted) = (text_at(before, AT).to_owned(), text_at(after, AT));
    if wanted.is_empty() || wanted == had || text_at(after, "/spec/nodeName").is_empty() {
        return;
    }
    let Some(status) = after.get_mut("status").and_then(Value::as_object_mut) else {
        return;
    };
    let right = (!had.is_empty()).then(|| json!(had));
    let was = match &right {
        Some(right) => status.insert("nominatedNodeName".to_owned(), right.clone()),
        None => status.remove("nominatedNodeName"),
    };
    mends.push(Mend::new(
        "NominatedAfterBinding",
        AT.to_owned(),
        was.as_ref(),
        right.as_ref(),
    ));
}

/// A pod that has ended is not ready, whatever its conditions say (`status_manager.go` `mergePodStatus`, kubernetes#108594).
pub(super) fn mend_ready(after: &mut Value, mends: &mut Vec<Mend>) {
    let reason = match text_at(after, "/status/phase") {
        "Succeeded" => "PodCompleted",
        "Failed" => "PodFailed",
        _ => return,
    };
    for name in ["Ready", "ContainersReady"] {
        let Some(condition) = conditions::find_mut(after, name) else {
            continue;
        };
        if condition.get("status").and_then(Value::as_str) != Some("True") {
            continue;
        }
        condition.insert("status".to_owned(), json!("False"));
        condition.insert("reason".to_owned(), json!(reason));
        condition.remove("message");
        let (from, to) = (json!("True"), json!("False"));
        mends.push(Mend::new(
            "ReadyAfterEnd",
            conditions::path(name),
            Some(&from),
            Some(&to),
        ));
    }
}
