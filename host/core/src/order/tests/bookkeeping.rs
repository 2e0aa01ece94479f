use serde_json::{Value, json};

use super::{NOW, check, condition, now, with};
use crate::order::Order;
use crate::time::Time;

const OLD: &str = "2026-03-01T10:00:00Z";
const NEW: &str = "2026-03-01T11:00:00Z";
const FUTURE: &str = "2027-01-01T00:00:00Z";

fn conditions(conditions: Value) -> Value {
    json!({"metadata": {"uid": "u"}, "spec": {}, "status": {"conditions": conditions}})
}

/// What becomes of one condition's transition time.
#[track_caller]
fn clock(stored: (&str, &str), wanted: (&str, &str), expected: &str) {
    let before = conditions(json!([condition("Ready", stored.0, stored.1)]));
    let mut after = conditions(json!([condition("Ready", wanted.0, wanted.1)]));
    let mends = Order::Node.mend(&before, &mut after, now());
    assert_eq!(
        after["status"]["conditions"][0]["lastTransitionTime"],
        expected
    );
    assert_eq!(mends.len(), usize::from(expected != wanted.1), "{mends:?}");
}

#[test]
fn the_transition_time_moves_with_the_status_alone() {
    clock(("True", OLD), ("True", OLD), OLD);
    clock(("True", OLD), ("True", NEW), OLD);
    clock(("True", OLD), ("True", FUTURE), OLD);
    clock(("True", OLD), ("True", ""), OLD);
    clock(("True", OLD), ("False", NEW), NEW);
    clock(("True", OLD), ("False", OLD), NOW);
    clock(("True", OLD), ("False", "2026-01-01T00:00:00Z"), NOW);
    clock(("True", OLD), ("False", FUTURE), NOW);
    clock(("True", OLD), ("False", "soon"), NOW);
    // What is stored may lie in the future; time still does not fall.
    clock(("True", FUTURE), ("False", NEW), FUTURE);
    clock(("True", FUTURE), ("False", FUTURE), FUTURE);
    // Twice in one second.
    clock(("True", NOW), ("False", NOW), NOW);
}

#[test]
fn a_new_condition_has_the_time_it_says() {
    let none = conditions(json!([]));
    for (wanted, expected) in [
        (condition("Ready", "True", OLD), OLD),
        (condition("Ready", "True", FUTURE), NOW),
        (json!({"type": "Ready", "status": "True"}), NOW),
    ] {
        let mut after = conditions(json!([wanted]));
        Order::Node.mend(&none, &mut after, now());
        assert_eq!(
            after["status"]["conditions"][0]["lastTransitionTime"],
            expected
        );
    }
    // A kind that may not have the field does not get it.
    let bare = conditions(json!([{"type": "Ready", "status": "True"}]));
    check(&Order::Any, &none, &bare, "forward");
}

#[test]
fn heartbeats_do_not_fall() {
    let at = |field: &str, time: Value| {
        let mut condition = condition("Ready", "True", OLD);
        condition[field] = time;
        conditions(json!([condition]))
    };
    for field in ["lastHeartbeatTime", "lastProbeTime", "lastUpdateTime"] {
        check(
            &Order::Node,
            &at(field, json!(OLD)),
            &at(field, json!(NEW)),
            "forward",
        );
        check(
            &Order::Node,
            &at(field, json!(NEW)),
            &at(field, json!(OLD)),
            "mended ConditionTime",
        );
        check(
            &Order::Node,
            &at(field, json!(NEW)),
            &at(field, json!(FUTURE)),
            "mended ConditionTime",
        );
        check(
            &Order::Node,
            &at(field, json!(NEW)),
            &at(field, json!(null)),
            "mended ConditionTime",
        );
        check(
            &Order::Node,
            &at(field, json!(null)),
            &at(field, json!(null)),
            "forward",
        );
        check(
            &Order::Node,
            &at(field, json!(FUTURE)),
            &at(field, json!(NEW)),
            "mended ConditionTime",
        );
    }
    // The same instant in other words is no news.
    let (a, b) = (
        at("lastHeartbeatTime", json!(OLD)),
        at("lastHeartbeatTime", json!("2026-03-01T11:00:00+01:00")),
    );
    check(&Order::Node, &a, &b, "forward");
}

#[test]
fn a_pods_fields_are_set_once() {
    let pod = |field: &str, value: Value| {
        with(
            &json!({"metadata": {"uid": "u"}, "spec": {}, "status": {}}),
            &[(field, value)],
        )
    };
    let unset = pod("/status/message", json!("new"));
    for (field, first, second) in [
        ("/status/startTime", json!(OLD), json!(NEW)),
        ("/status/podIP", json!("10.0.0.1"), json!("10.0.0.2")),
        (
            "/status/podIPs",
            json!([{"ip": "10.0.0.1"}]),
            json!([{"ip": "10.0.0.2"}]),
        ),
        ("/status/hostIP", json!("10.0.0.1"), json!("10.0.0.2")),
        ("/status/qosClass", json!("BestEffort"), json!("Burstable")),
        ("/spec/nodeName", json!("a"), json!("b")),
    ] {
        check(&Order::Pod, &unset, &pod(field, first.clone()), "forward");
        check(
            &Order::Pod,
            &pod(field, first.clone()),
            &pod(field, first.clone()),
            "forward",
        );
        check(
            &Order::Pod,
            &pod(field, first.clone()),
            &pod(field, second),
            "mended SetOnce",
        );
        check(&Order::Pod, &pod(field, first), &unset, "mended SetOnce");
    }
    check(
        &Order::Pod,
        &pod("/status/podIP", json!("")),
        &pod("/status/podIP", json!("10.0.0.1")),
        "forward",
    );
    let (a, b) = (
        pod("/status/startTime", json!(OLD)),
        pod("/status/startTime", json!("2026-03-01T10:00:00.000Z")),
    );
    check(&Order::Pod, &a, &b, "forward");
}

#[test]
fn a_bound_pod_is_nominated_for_no_other_node() {
    let pod = |node: &str, nominated: Option<&str>| json!({"metadata": {"uid": "u"}, "spec": {"nodeName": node}, "status": {"nominatedNodeName": nominated}});
    for (before, after, expected) in [
        (pod("", None), pod("", Some("a")), "forward"),
        (pod("", Some("a")), pod("", Some("b")), "forward"),
        (pod("a", Some("b")), pod("a", Some("b")), "forward"),
        (pod("a", Some("b")), pod("a", None), "forward"),
        (
            pod("a", None),
            pod("a", Some("b")),
            "mended NominatedAfterBinding",
        ),
        (
            pod("a", Some("b")),
            pod("a", Some("c")),
            "mended NominatedAfterBinding",
        ),
    ] {
        check(&Order::Pod, &before, &after, expected);
    }
}

#[test]
fn the_start_of_a_pod_survives_its_sandbox() {
    let at = |epoch: &str, start: &str| json!({"metadata": {"uid": "u", "annotations": {"stagewright.dev/sandbox-epoch": epoch}}, "spec": {}, "status": {"startTime": start}});
    check(&Order::Pod, &at("1", OLD), &at("2", NEW), "mended SetOnce");
}

#[test]
fn a_pod_that_ended_is_not_ready() {
    let pod = |phase: &str, status: &str| {
        let ready = |name| json!({"type": name, "status": status, "reason": "Fine", "message": "fine", "lastTransitionTime": OLD});
        json!({"metadata": {"uid": "u"}, "spec": {}, "status": {"phase": phase, "conditions": [ready("Ready"), ready("ContainersReady")]}})
    };
    for (phase, reason) in [("Succeeded", "PodCompleted"), ("Failed", "PodFailed")] {
        let mut after = pod(phase, "True");
        let mends = Order::Pod.mend(&pod("Running", "True"), &mut after, now());
        let expected = |name| json!({"type": name, "status": "False", "reason": reason, "lastTransitionTime": NOW});
        assert_eq!(
            after["status"]["conditions"],
            json!([expected("Ready"), expected("ContainersReady")])
        );
        let rules: Vec<&str> = mends.iter().map(|mend| mend.rule).collect();
        assert_eq!(
            rules,
            [
                "ReadyAfterEnd",
                "ReadyAfterEnd",
                "TransitionTime",
                "TransitionTime"
            ]
        );
        check(
            &Order::Pod,
            &pod(phase, "False"),
            &pod(phase, "False"),
            "forward",
        );
    }
    check(
        &Order::Pod,
        &pod("Running", "True"),
        &pod("Running", "True"),
        "forward",
    );
}

#[test]
fn what_was_observed_exists_and_is_not_forgotten() {
    let at = |observed: Value| {
        let condition = json!({"type": "Ready", "status": "True", "lastTransitionTime": OLD, "observedGeneration": observed});
        json!({"metadata": {"uid": "u", "generation": 5}, "status": {"observedGeneration": observed, "conditions": [condition]}})
    };
    check(&Order::Any, &at(json!(2)), &at(json!(5)), "forward");
    for (wanted, right) in [(json!(1), 2), (json!(6), 5)] {
        let mut after = at(wanted);
        let mends = Order::Any.mend(&at(json!(2)), &mut after, now());
        assert_eq!(after, at(json!(right)));
        assert_eq!(mends.len(), 2, "{mends:?}");
    }
    let forgotten = json!({"metadata": {"uid": "u", "generation": 5}, "status": {}});
    check(
        &Order::Any,
        &at(json!(2)),
        &forgotten,
        "mended ObservedGeneration",
    );
}

#[test]
fn what_is_in_the_way_is_left_alone() {
    let before = json!({"metadata": {"uid": "u"}, "status": {"startTime": OLD, "conditions": [condition("Ready", "True", OLD)]}});
    for after in [
        json!({"metadata": {"uid": "u"}, "status": "gone"}),
        json!({"metadata": {"uid": "u"}, "status": {"conditions": {"a": 1}}}),
    ] {
        let mut mended = after.clone();
        Order::Pod.mend(&before, &mut mended, now());
        let mut again = mended.clone();
        assert_eq!(Order::Pod.mend(&before, &mut again, now()), []);
        assert_eq!(again, mended);
    }
}

#[test]
fn a_mend_says_what_it_did() {
    let at = |time: &str| json!({"metadata": {"uid": "u"}, "status": {"startTime": time}});
    let mut after = at(NEW);
    let mends = Order::Pod.mend(&at(OLD), &mut after, Time::parse(NOW).unwrap());
    assert_eq!(
        mends.first().unwrap().to_string(),
        format!("SetOnce at /status/startTime: {OLD}, not {NEW}")
    );
}
