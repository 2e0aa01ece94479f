use serde_json::{Value, json};

use super::{check, with};
use crate::order::Order;

fn pod(policy: &str, container: Value, statuses: Value) -> Value {
    json!({
        "metadata": {"uid": "u"},
        "spec": {"restartPolicy": policy, "containers": [container]},
        "status": {"phase": "Running", "containerStatuses": statuses},
    })
}

/// One container's status: `waiting`, `running`, `exit N`, `back-off N`, after that many restarts.
fn status(restarts: i64, state: &str) -> Value {
    let (state, code) = state.split_once(' ').unwrap_or((state, "0"));
    let end = json!({"terminated": {"exitCode": code.parse::<i64>().unwrap()}});
    let mut status = json!({"name": "web", "restartCount": restarts});
    match state {
        "waiting" => status["state"] = json!({"waiting": {"reason": "ContainerCreating"}}),
        "running" => status["state"] = json!({"running": {}}),
        "exit" => status["state"] = end,
        "back-off" => {
            status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff"}});
            status["lastState"] = end;
        }
        "none" => return json!([]),
        other => panic!("{other}"),
    }
    json!([status])
}

#[track_caller]
fn moves(policy: &str, from: (i64, &str), to: (i64, &str), expected: &str) {
    let container = json!({"name": "web"});
    let [from, to] =
        [from, to].map(|(restarts, state)| pod(policy, container.clone(), status(restarts, state)));
    check(&Order::Pod, &from, &to, expected);
}

#[test]
fn an_attempt_goes_forward() {
    for policy in ["Always", "OnFailure", "Never"] {
        for (from, to) in [
            ("none", "waiting"),
            ("none", "running"),
            ("waiting", "running"),
            ("waiting", "exit 1"),
            ("running", "exit 0"),
            ("running", "exit 1"),
            ("running", "running"),
        ] {
            moves(policy, (0, from), (0, to), "forward");
        }
        moves(policy, (1, "running"), (1, "waiting"), "ContainerBackward");
        moves(policy, (1, "exit 1"), (1, "running"), "ContainerBackward");
        moves(policy, (1, "exit 1"), (1, "waiting"), "ContainerBackward");
        moves(policy, (0, "running"), (0, "none"), "ContainerBackward");
        moves(policy, (0, "waiting"), (0, "none"), "ContainerLost");
        // KWOK's #1002.
        moves(policy, (0, "running"), (0, "waiting"), "ContainerBackward");
    }
}

#[test]
fn a_crash_loop_is_forward_by_its_restart_count() {
    let policy = "Always";
    moves(policy, (0, "exit 1"), (0, "back-off 1"), "forward");
    moves(policy, (0, "back-off 1"), (1, "running"), "forward");
    moves(policy, (0, "exit 1"), (1, "running"), "forward");
    moves(policy, (0, "running"), (0, "back-off 1"), "forward");
    moves(policy, (0, "exit 1"), (1, "waiting"), "forward");
    moves(policy, (1, "waiting"), (1, "running"), "forward");
    moves(policy, (0, "running"), (3, "back-off 1"), "forward");
    moves(
        policy,
        (0, "back-off 1"),
        (0, "running"),
        "ContainerBackward",
    );
    moves(
        policy,
        (0, "back-off 1"),
        (0, "waiting"),
        "ContainerBackward",
    );
}

#[test]
fn a_container_made_and_not_started_is_the_next_attempt() {
    let made = |id: &str, restarts: i64| {
        let last = json!({"terminated": {"exitCode": 1, "containerID": "one"}});
        let status = json!({"name": "web", "restartCount": restarts, "containerID": id, "state": {"waiting": {}}, "lastState": last});
        pod("Always", json!({"name": "web"}), json!([status]))
    };
    let runs = |restarts| {
        pod(
            "Always",
            json!({"name": "web"}),
            status(restarts, "running"),
        )
    };
    check(&Order::Pod, &made("two", 1), &runs(1), "forward");
    check(&Order::Pod, &made("one", 1), &runs(1), "ContainerBackward");
    check(&Order::Pod, &made("one", 1), &runs(2), "forward");
}

/// Validation.go: a status whose container is none of the pod's has no policy, so the API server lets it never leave its end.
#[test]
fn what_has_a_status_alone_ends_once() {
    let all = json!({"name": "other", "restartPolicyRules": [{"action": "RestartAllContainers"}]});
    for (policy, container, to, expected) in [
        (
            "Always",
            json!({"name": "other"}),
            "back-off 1",
            "RestartNotAllowed",
        ),
        ("Always", json!({"name": "other"}), "exit 1", "forward"),
        ("Always", json!({"name": "other"}), "none", "ContainerLost"),
        ("Never", all, "back-off 1", "forward"),
    ] {
        let [from, to] =
            ["exit 1", to].map(|state| pod(policy, container.clone(), status(0, state)));
        check(&Order::Pod, &from, &to, expected);
    }
}

#[test]
fn whether_a_container_runs_again_is_its_policy() {
    for (policy, end, expected) in [
        ("Always", "exit 0", "forward"),
        ("Always", "exit 1", "forward"),
        ("", "exit 0", "forward"),
        ("OnFailure", "exit 0", "RestartNotAllowed"),
        ("OnFailure", "exit 1", "forward"),
        ("OnFailure", "back-off 1", "forward"),
        ("OnFailure", "back-off 0", "RestartNotAllowed"),
        ("Never", "exit 0", "RestartNotAllowed"),
        ("Never", "exit 1", "RestartNotAllowed"),
        ("OnFailure", "running", "forward"),
        ("Never", "running", "RestartNotAllowed"),
        ("Never", "waiting", "RestartNotAllowed"),
    ] {
        moves(policy, (0, end), (1, "running"), expected);
    }
    // What the kubelet writes of a container it lost.
    moves("Never", (0, "running"), (1, "exit 137"), "forward");
    moves("Never", (0, "exit 1"), (1, "exit 137"), "RestartNotAllowed");
    moves(
        "Never",
        (0, "running"),
        (1, "back-off 137"),
        "RestartNotAllowed",
    );
    // An end that forbids it does not turn into one that allows it.
    moves(
        "OnFailure",
        (0, "exit 0"),
        (0, "exit 1"),
        "ContainerBackward",
    );
    moves("OnFailure", (0, "exit 1"), (0, "exit 0"), "forward");
}

#[test]
fn a_container_has_its_own_policy_and_rules() {
    let rule = |action: &str, operator: &str| json!([{"action": action, "exitCodes": {"operator": operator, "values": [42]}}]);
    for (pod_policy, own, rules, code, expected) in [
        ("Never", "Always", json!([]), 0, "forward"),
        ("Always", "Never", json!([]), 1, "RestartNotAllowed"),
        ("Never", "OnFailure", json!([]), 0, "RestartNotAllowed"),
        ("Never", "OnFailure", json!([]), 1, "forward"),
        ("Never", "Never", rule("Restart", "In"), 42, "forward"),
        (
            "Never",
            "Never",
            rule("Restart", "In"),
            41,
            "RestartNotAllowed",
        ),
        ("Never", "Never", rule("Restart", "NotIn"), 41, "forward"),
        (
            "Never",
            "Never",
            rule("Restart", "NotIn"),
            42,
            "RestartNotAllowed",
        ),
        // Rules count only beside a policy of the container's own.
        ("Never", "", rule("Restart", "In"), 42, "RestartNotAllowed"),
        (
            "Never",
            "Never",
            rule("RestartAllContainers", "In"),
            7,
            "forward",
        ),
    ] {
        let container = json!({"name": "web", "restartPolicy": own, "restartPolicyRules": rules});
        let before = pod(
            pod_policy,
            container.clone(),
            status(0, &format!("exit {code}")),
        );
        let after = pod(pod_policy, container, status(1, "running"));
        check(&Order::Pod, &before, &after, expected);
    }
}

#[test]
fn one_rule_restarts_all_containers() {
    let rules =
        json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [1]}}]);
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [{"name": "init"}],
        "containers": [{"name": "web", "restartPolicy": "Never", "restartPolicyRules": rules}],
    });
    let at = |init: Value| json!({"metadata": {"uid": "u"}, "spec": spec, "status": {"phase": "Running", "initContainerStatuses": [init]}});
    let done =
        at(json!({"name": "init", "restartCount": 0, "state": {"terminated": {"exitCode": 0}}}));
    let again = at(json!({"name": "init", "restartCount": 1, "state": {"running": {}}}));
    check(&Order::Pod, &done, &again, "forward");
}

/// `convertToAPIContainerStatuses` in `kubelet_pods.go`: a container that is taken away waits as `RestartingAllContainers`, counted on,
/// with an end of that name as its last one; then it is started with the same count.
#[test]
fn a_container_restarted_with_all_is_counted_on_when_it_is_taken_away() {
    let rules =
        json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [1]}}]);
    let container = json!({"name": "web", "restartPolicy": "Never", "restartPolicyRules": rules});
    let at = |status: Value| pod("Never", container.clone(), status);
    let gone = |restarts: i64| {
        let waiting = json!({"waiting": {"reason": "RestartingAllContainers"}});
        let last = json!({"terminated": {"exitCode": 137, "reason": "RestartingAllContainers"}});
        at(json!([{"name": "web", "restartCount": restarts, "state": waiting, "lastState": last}]))
    };
    for (from, to, expected) in [
        (at(status(0, "exit 1")), gone(1), "forward"),
        (at(status(0, "running")), gone(1), "forward"),
        (gone(1), at(status(1, "running")), "forward"),
        (gone(1), gone(2), "forward"),
        (at(status(1, "running")), gone(1), "ContainerBackward"),
        (at(status(1, "exit 1")), gone(1), "ContainerBackward"),
    ] {
        check(&Order::Pod, &from, &to, expected);
    }
}

/// `TerminatePod` in `status_manager.go`: what waits for its next attempt when the pod ends is reported as lost, with the same count.
#[test]
fn a_container_in_back_off_ends_with_its_pod_and_only_then() {
    let at = |phase: &str, state: &str| {
        let pod = pod("Always", json!({"name": "web"}), status(2, state));
        with(&pod, &[("/status/phase", json!(phase))])
    };
    let waits = at("Running", "back-off 1");
    check(&Order::Pod, &waits, &at("Failed", "exit 137"), "forward");
    check(&Order::Pod, &waits, &at("Failed", "back-off 1"), "forward");
    check(
        &Order::Pod,
        &waits,
        &at("Running", "exit 137"),
        "ContainerBackward",
    );
    check(
        &Order::Pod,
        &waits,
        &at("Failed", "running"),
        "ContainerBackward",
    );
    let ended = at("Failed", "back-off 1");
    check(
        &Order::Pod,
        &ended,
        &at("Failed", "exit 137"),
        "ContainerBackward",
    );
}

#[test]
fn init_containers_sidecars_and_ephemeral_ones() {
    let at = |field: &str, statuses: &str, container: Value, restarts: i64, state: Value| {
        let mut pod = json!({"metadata": {"uid": "u"}, "spec": {"restartPolicy": "Never"}, "status": {"phase": "Running"}});
        pod["spec"][field] = json!([container]);
        pod["status"][statuses] = json!([{"name": "c", "restartCount": restarts, "state": state}]);
        pod
    };
    let (ended, running) = (
        json!({"terminated": {"exitCode": 1}}),
        json!({"running": {}}),
    );
    for (field, statuses, container, expected) in [
        (
            "initContainers",
            "initContainerStatuses",
            json!({"name": "c"}),
            "RestartNotAllowed",
        ),
        (
            "initContainers",
            "initContainerStatuses",
            json!({"name": "c", "restartPolicy": "Always"}),
            "forward",
        ),
        (
            "ephemeralContainers",
            "ephemeralContainerStatuses",
            json!({"name": "c"}),
            "RestartNotAllowed",
        ),
        (
            "ephemeralContainers",
            "ephemeralContainerStatuses",
            json!({"name": "c", "restartPolicy": "Always"}),
            "RestartNotAllowed",
        ),
    ] {
        let before = at(field, statuses, container.clone(), 0, ended.clone());
        let after = at(field, statuses, container, 1, running.clone());
        check(&Order::Pod, &before, &after, expected);
    }
}

#[test]
fn nothing_starts_in_a_pod_that_ended_nor_restarts_in_one_being_deleted() {
    let container = json!({"name": "web"});
    let at = |restarts, state| pod("Always", container.clone(), status(restarts, state));
    let ended = |pod: Value| with(&pod, &[("/status/phase", json!("Failed"))]);
    check(
        &Order::Pod,
        &ended(at(0, "waiting")),
        &ended(at(0, "running")),
        "StartedAfterEnd",
    );
    check(
        &Order::Pod,
        &ended(at(0, "exit 1")),
        &ended(at(1, "running")),
        "StartedAfterEnd",
    );
    check(
        &Order::Pod,
        &ended(at(0, "waiting")),
        &ended(at(0, "exit 137")),
        "forward",
    );
    check(
        &Order::Pod,
        &ended(at(0, "running")),
        &ended(at(0, "exit 0")),
        "forward",
    );
    let deleting = |pod: Value| {
        with(
            &pod,
            &[("/metadata/deletionTimestamp", json!("2026-03-01T11:00:00Z"))],
        )
    };
    check(
        &Order::Pod,
        &deleting(at(0, "exit 1")),
        &deleting(at(1, "running")),
        "RestartNotAllowed",
    );
    check(
        &Order::Pod,
        &deleting(at(0, "running")),
        &deleting(at(0, "exit 0")),
        "forward",
    );
}

#[test]
fn a_lost_restart_count_is_mended_and_a_step_backward_is_not() {
    moves(
        "Always",
        (3, "running"),
        (0, "exit 1"),
        "mended RestartCount",
    );
    moves(
        "Always",
        (3, "running"),
        (0, "running"),
        "mended RestartCount",
    );
    moves("Always", (3, "exit 1"), (0, "running"), "ContainerBackward");
    moves("Always", (3, "exit 1"), (0, "waiting"), "ContainerBackward");
    let lowered = pod("Always", json!({"name": "web"}), status(1, "exit 1"));
    let before = pod("Always", json!({"name": "web"}), status(3, "running"));
    assert_eq!(
        Order::Pod.breaches(&before, &lowered).first().unwrap().rule,
        "RestartCountFell"
    );
    let epoch = (
        "/metadata/annotations/stagewright.dev~1sandbox-epoch",
        json!("1"),
    );
    let anew = pod("Always", json!({"name": "web"}), status(0, "waiting"));
    check(&Order::Pod, &before, &with(&anew, &[epoch]), "forward");
}

#[test]
fn started_stays_within_an_attempt() {
    let at = |started: bool, restarts: i64| {
        let status = json!({"name": "web", "restartCount": restarts, "started": started, "state": {"running": {}}});
        pod("Always", json!({"name": "web"}), json!([status]))
    };
    check(&Order::Pod, &at(true, 0), &at(false, 0), "mended Started");
    check(&Order::Pod, &at(true, 0), &at(false, 1), "forward");
    check(&Order::Pod, &at(false, 0), &at(true, 0), "forward");
}
