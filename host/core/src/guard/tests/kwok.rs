//! What KWOK's shipped stages write, which must pass by mending.

use serde_json::{Value, json};

use super::{Bench, NOW, pod, status, stored};

/// Plays patches one after the other, each on what the one before left, and answers the outcomes.
fn play(bench: &Bench, first: Value, patches: &[Value]) -> (Vec<String>, Value) {
    let mut body = first;
    let mut outcomes = Vec::new();
    for patch in patches {
        let effect = super::patch(
            crate::interface::Form::Strategic,
            Some("status"),
            json!({"status": patch}),
        );
        outcomes.push(bench.outcome(&body, &effect));
        let snapshot = bench.snapshot(&body);
        if let Ok(crate::guard::Verdict::Write(admitted)) = bench.admit(&body, &effect) {
            body = stored(&snapshot, admitted.action());
            body["metadata"]["resourceVersion"] = json!("7");
        }
    }
    (outcomes, body)
}

fn condition(name: &str, status: &str) -> Value {
    json!({"type": name, "status": status, "lastProbeTime": null, "lastTransitionTime": NOW})
}

fn container(state: Value, ready: bool) -> Value {
    json!([{"name": "web", "image": "web", "ready": ready, "restartCount": 0, "started": false, "state": state}])
}

#[test]
fn a_pod_of_a_job_lives_and_ends() {
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-03-01T10:00:00Z"});
    let first =
        pod(json!({"phase": "Pending", "qosClass": "BestEffort", "conditions": [scheduled]}));
    let create = json!({
        "conditions": [condition("Initialized", "True"), condition("Ready", "False"), condition("ContainersReady", "False")],
        "containerStatuses": container(json!({"waiting": {"reason": "ContainerCreating"}}), false),
        "hostIP": "10.0.0.1",
        "podIP": "10.1.0.1",
        "phase": "Pending",
    });
    let ready = json!({
        "conditions": [condition("Ready", "True"), condition("ContainersReady", "True")],
        "containerStatuses": container(json!({"running": {"startedAt": NOW}}), true),
        "phase": "Running",
        "startTime": NOW,
    });
    let complete = json!({
        "containerStatuses": container(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}), true),
        "phase": "Succeeded",
    });
    let (outcomes, end) = play(
        &Bench::built_in("v1/Pod"),
        first,
        &[create, ready, complete],
    );
    assert_eq!(
        outcomes,
        ["write", "write", "write ReadyAfterEnd ReadyAfterEnd"]
    );
    assert_eq!(end["status"]["phase"], "Succeeded");
    let reasons: Vec<&Value> = end["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|condition| &condition["reason"])
        .collect();
    assert_eq!(
        reasons
            .iter()
            .filter(|reason| **reason == "PodCompleted")
            .count(),
        2
    );
}

#[test]
fn the_chaos_stage_fails_a_pod_and_keeps_its_address() {
    let running = pod(json!({
        "phase": "Running",
        "startTime": "2026-03-01T10:00:00Z",
        "podIP": "10.1.0.1",
        "hostIP": "10.0.0.1",
        "containerStatuses": [{"name": "web", "restartCount": 4, "state": {"running": {}}}],
    }));
    let fail = json!({
        "conditions": [condition("Initialized", "True"), condition("Ready", "False"), condition("ContainersReady", "False")],
        "containerStatuses": container(json!({"terminated": {"exitCode": 1}}), false),
        "hostIP": "10.0.0.1",
        "podIP": "10.1.0.99",
        "phase": "Failed",
        "startTime": NOW,
    });
    let (outcomes, end) = play(&Bench::built_in("v1/Pod"), running, &[fail]);
    assert_eq!(outcomes, ["write SetOnce SetOnce RestartCount"]);
    assert_eq!(end["status"]["podIP"], "10.1.0.1");
    assert_eq!(end["status"]["containerStatuses"][0]["restartCount"], 4);
}

/// kubernetes-sigs/kwok#1002: Running → ContainerCreating → Running.
#[test]
fn a_running_pod_does_not_go_back_to_creating() {
    let running = pod(json!({
        "phase": "Running",
        "containerStatuses": [{"name": "web", "restartCount": 0, "state": {"running": {}}}],
    }));
    let create = json!({
        "conditions": [condition("Initialized", "True")],
        "containerStatuses": container(json!({"waiting": {"reason": "ContainerCreating"}}), false),
        "phase": "Pending",
    });
    assert_eq!(
        Bench::built_in("v1/Pod").outcome(&running, &status(create)),
        "Backward"
    );
}

#[test]
fn a_node_beats_though_its_template_turns_back_the_clock() {
    let node = |beat: &str, changed: &str| json!([{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": beat, "lastTransitionTime": changed}]);
    let stored = json!({
        "metadata": {"name": "n", "uid": "u", "resourceVersion": "7"},
        "status": {"conditions": node("2026-03-01T11:50:00Z", "2026-03-01T11:00:00Z"), "phase": "Running"},
    });
    // The stage writes the node's creation as the time of every transition.
    let beat = json!({"conditions": node(NOW, "2026-03-01T09:00:00Z")});
    let (outcomes, end) = play(&Bench::built_in("v1/Node"), stored, &[beat]);
    assert_eq!(outcomes, ["write TransitionTime"]);
    assert_eq!(
        end["status"]["conditions"],
        node(NOW, "2026-03-01T11:00:00Z")
    );
}

#[test]
fn a_claim_is_bound_and_a_volume_freed() {
    let volume = json!({
        "metadata": {"name": "v", "uid": "u", "resourceVersion": "7"},
        "spec": {"claimRef": {"name": "c"}},
        "status": {"phase": "Pending"},
    });
    let bench = Bench::built_in("v1/PersistentVolume");
    let bind = json!({"phase": "Bound", "lastPhaseTransitionTime": NOW});
    let (outcomes, end) = play(&bench, volume, &[bind, json!({"phase": "Released"})]);
    assert_eq!(outcomes, ["write", "write"]);
    assert_eq!(end["status"]["phase"], "Released");
}
