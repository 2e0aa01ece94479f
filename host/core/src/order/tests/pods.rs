use serde_json::{Value, json};

use super::{check, with};
use crate::order::Order;

const EPOCH: &str = "/metadata/annotations/stagewright.dev~1sandbox-epoch";
const DELETION: &str = "/metadata/deletionTimestamp";
const GRACE: &str = "/metadata/deletionGracePeriodSeconds";

fn pod(phase: Option<&str>) -> Value {
    let pod = json!({"metadata": {"uid": "u"}, "spec": {"containers": []}, "status": {}});
    with(
        &pod,
        &[("/status/phase", phase.map_or(Value::Null, Into::into))],
    )
}

#[track_caller]
fn moves(from: Option<&str>, to: Option<&str>, expected: &str) {
    check(&Order::Pod, &pod(from), &pod(to), expected);
}

#[test]
fn phases_go_forward_only() {
    for (from, to, expected) in [
        ("Pending", "Pending", "forward"),
        ("Pending", "Running", "forward"),
        // What the kubelet reports of a pod that ran between two looks.
        ("Pending", "Succeeded", "forward"),
        ("Pending", "Failed", "forward"),
        ("Running", "Succeeded", "forward"),
        ("Running", "Failed", "forward"),
        ("Running", "Pending", "PhaseBackward"),
        ("Succeeded", "Running", "TerminalLeft"),
        ("Succeeded", "Pending", "TerminalLeft"),
        ("Succeeded", "Failed", "TerminalLeft"),
        ("Failed", "Succeeded", "TerminalLeft"),
        ("Failed", "Running", "TerminalLeft"),
        ("Succeeded", "Succeeded", "forward"),
    ] {
        moves(Some(from), Some(to), expected);
    }
}

#[test]
fn an_empty_status_is_pending() {
    moves(None, Some("Pending"), "forward");
    moves(None, Some("Running"), "forward");
    // What was said is not unsaid.
    moves(None, None, "forward");
    moves(Some("Pending"), None, "PhaseLost");
    moves(Some("Running"), None, "PhaseBackward");
    moves(Some("Succeeded"), None, "TerminalLeft");
    check(
        &Order::Pod,
        &json!({}),
        &json!({"status": {"phase": "Failed"}}),
        "forward",
    );
}

#[test]
fn a_phase_nobody_knows_is_never_written_but_left_at_once() {
    for unknown in ["Banana", "Unknown", "running"] {
        moves(Some("Pending"), Some(unknown), "PhaseUnknown");
        moves(Some("Succeeded"), Some(unknown), "PhaseUnknown");
        moves(Some(unknown), Some(unknown), "forward");
        for known in ["Pending", "Running", "Succeeded", "Failed"] {
            moves(Some(unknown), Some(known), "forward");
        }
    }
    moves(Some("Banana"), Some("Unknown"), "PhaseUnknown");
}

#[test]
fn another_pod_of_the_same_name_is_no_successor() {
    let other = with(&pod(Some("Running")), &[("/metadata/uid", json!("v"))]);
    let breaches = Order::Pod.breaches(&pod(Some("Pending")), &other);
    assert_eq!(
        breaches.first().map(|breach| breach.rule),
        Some("OtherObject")
    );
}

#[test]
fn a_new_sandbox_begins_anew() {
    let old = with(
        &pod(Some("Running")),
        &[(EPOCH, json!("1")), ("/status/podIP", json!("10.0.0.1"))],
    );
    let new = |epoch: &str| {
        with(
            &pod(Some("Pending")),
            &[(EPOCH, json!(epoch)), ("/status/podIP", json!("10.0.0.2"))],
        )
    };
    check(&Order::Pod, &old, &new("2"), "forward");
    check(&Order::Pod, &old, &new("10"), "forward");
    check(&Order::Pod, &old, &new("1"), "PhaseBackward");
    check(&Order::Pod, &old, &new("0"), "EpochFell PhaseBackward");
    check(&Order::Pod, &old, &new("soon"), "EpochFell PhaseBackward");
    check(&Order::Pod, &old, &pod(Some("Succeeded")), "EpochFell");
    check(&Order::Pod, &pod(Some("Running")), &new("1"), "forward");
}

#[test]
fn no_new_sandbox_for_a_pod_that_ended_or_is_being_deleted() {
    let anew = with(&pod(Some("Pending")), &[(EPOCH, json!("1"))]);
    check(&Order::Pod, &pod(Some("Failed")), &anew, "TerminalLeft");
    let deleting = [(DELETION, json!("2026-03-01T11:00:00Z"))];
    check(
        &Order::Pod,
        &with(&pod(Some("Running")), &deleting),
        &with(&anew, &deleting),
        "PhaseBackward",
    );
}

#[test]
fn deletion_is_not_undone_and_only_hastened() {
    let at = |time: &str| with(&pod(Some("Running")), &[(DELETION, json!(time))]);
    let (early, late) = (at("2026-03-01T11:00:00Z"), at("2026-03-01T11:00:30Z"));
    check(&Order::Pod, &pod(Some("Running")), &late, "forward");
    check(&Order::Pod, &late, &early, "forward");
    check(&Order::Pod, &early, &late, "DeletionPostponed");
    check(&Order::Pod, &early, &pod(Some("Running")), "DeletionUndone");
    // The server writes the present moment if the shortened period is over.
    let within = |object, seconds: i64| with(object, &[(GRACE, json!(seconds))]);
    let (long, none) = (within(&early, 30), within(&late, 0));
    check(&Order::Pod, &long, &none, "forward");
    check(&Order::Pod, &none, &long, "DeletionPostponed");
    check(
        &Order::Pod,
        &early,
        &with(&early, &[("/status/phase", json!("Failed"))]),
        "forward",
    );
}

#[test]
fn latches_stay() {
    let with_condition = |name: &str, status: &str, epoch: &str| {
        let conditions =
            json!([{"type": name, "status": status, "lastTransitionTime": "2026-03-01T10:00:00Z"}]);
        with(
            &pod(Some("Running")),
            &[("/status/conditions", conditions), (EPOCH, json!(epoch))],
        )
    };
    for (name, after_epoch) in [
        ("PodScheduled", "LatchReset"),
        ("DisruptionTarget", "LatchReset"),
        ("Initialized", "forward"),
    ] {
        let set = with_condition(name, "True", "1");
        check(
            &Order::Pod,
            &set,
            &with(&set, &[("/status/conditions", json!([]))]),
            "LatchReset",
        );
        let order = Order::Pod;
        for status in ["False", "Unknown"] {
            let reset = with_condition(name, status, "1");
            assert_eq!(order.breaches(&set, &reset).len(), 1, "{name}");
            assert_eq!(order.breaches(&reset, &set).len(), 0, "{name}");
            let renewed = with_condition(name, status, "2");
            let breaches = order.breaches(&set, &renewed);
            assert_eq!(
                breaches.first().map_or("forward", |breach| breach.rule),
                after_epoch,
                "{name}"
            );
        }
    }
    let ready = with_condition("Ready", "True", "1");
    assert_eq!(
        Order::Pod.breaches(&ready, &with_condition("Ready", "False", "1")),
        []
    );
}

#[test]
fn a_rank_says_what_it_is() {
    let pod = json!({
        "metadata": {"uid": "u", "annotations": {"stagewright.dev/sandbox-epoch": "3"}},
        "spec": {"containers": [{"name": "web"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{"name": "web", "restartCount": 2, "state": {"running": {}}}],
        },
    });
    let rank = Order::Pod.rank(&pod);
    assert_eq!(
        rank.to_string(),
        "deleting=no terminal=no epochs=3 phase=Running latches=PodScheduled containers=running (restart 2)"
    );
    assert_eq!(
        serde_json::to_value(&rank).unwrap(),
        json!({"terminal": false, "phase": "Running", "epochs": [3], "latches": ["PodScheduled"],
            "containers": ["web: running (restart 2)"]})
    );
    let breaches = Order::Pod.breaches(&pod, &with(&pod, &[("/status/phase", json!("Pending"))]));
    assert_eq!(
        breaches.first().unwrap().to_string(),
        "PhaseBackward at /status/phase: Running → Pending"
    );
}
