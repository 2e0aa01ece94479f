//! Pods.

use serde_json::{Value, json};

use super::report;
use crate::watcher::Rules;

/// The rules that a pod's way breaks, in order.
fn broken(versions: &[Value]) -> Vec<&'static str> {
    report(&Rules::Pod, versions)
        .backward
        .iter()
        .map(|moved| moved.rule)
        .collect()
}

fn phase(phase: &str) -> Value {
    json!({"status": {"phase": phase}})
}

fn status(status: Value) -> Value {
    json!({"spec": {"restartPolicy": "Always", "containers": [{"name": "a", "image": "i"}]}, "status": status})
}

fn container(restarts: u32, state: &str) -> Value {
    let (state, last) = match state {
        "waiting" => (json!({"waiting": {}}), json!({})),
        "running" => (json!({"running": {}}), json!({})),
        "done" => (json!({"terminated": {"exitCode": 0}}), json!({})),
        "failed" => (json!({"terminated": {"exitCode": 1}}), json!({})),
        "back-off" => (
            json!({"waiting": {"reason": "CrashLoopBackOff"}}),
            json!({"terminated": {"exitCode": 1}}),
        ),
        other => panic!("{other}"),
    };
    json!({"name": "a", "restartCount": restarts, "state": state, "lastState": last})
}

fn containers(restarts: u32, state: &str) -> Value {
    status(json!({"phase": "Running", "containerStatuses": [container(restarts, state)]}))
}

#[test]
fn a_pods_life_passes() {
    let nothing: [&str; 0] = [];
    for way in [
        ["", "Pending", "Running", "Succeeded"],
        ["Pending", "Pending", "Running", "Failed"],
        ["Pending", "Failed", "Failed", "Failed"],
    ] {
        assert_eq!(broken(&way.map(phase)), nothing, "{way:?}");
    }
}

#[test]
fn phases_never_go_back() {
    assert_eq!(
        broken(&["Running", "Pending"].map(phase)),
        ["PhaseBackward"]
    );
    assert_eq!(
        broken(&["Pending", "", "Running"].map(phase)),
        ["PhaseBackward"]
    );
    assert_eq!(broken(&["Running", "Banana"].map(phase)), ["PhaseBackward"]);
    // And again, from where it then is.
    assert_eq!(
        broken(&["Running", "Pending", "Running", "Pending"].map(phase)),
        ["PhaseBackward", "PhaseBackward"]
    );
}

/// What the kubelet writes when a rule restarts all containers, and when a pod ends while a container waits for its next attempt.
#[test]
fn containers_taken_away_and_lost_are_forward() {
    let nothing: [&str; 0] = [];
    let gone = |restarts: u32| {
        status(
            json!({"phase": "Running", "containerStatuses": [{"name": "a", "restartCount": restarts,
            "state": {"waiting": {"reason": "RestartingAllContainers"}}, "lastState": {"terminated": {"exitCode": 137}}}]}),
        )
    };
    let way = [containers(0, "failed"), gone(1), containers(1, "running")];
    assert_eq!(broken(&way), nothing);
    let end = |phase: &str| {
        status(json!({"phase": phase, "containerStatuses": [container(1, "failed")]}))
    };
    assert_eq!(broken(&[containers(1, "back-off"), end("Failed")]), nothing);
    assert_eq!(
        broken(&[containers(1, "back-off"), end("Running")]),
        ["ContainerBackward"]
    );
}

#[test]
fn terminal_is_the_end() {
    for to in ["Running", "Pending", "Failed", ""] {
        assert_eq!(
            broken(&["Succeeded", to].map(phase)),
            ["TerminalLeft"],
            "{to}"
        );
    }
    assert_eq!(
        broken(&["Failed", "Succeeded"].map(phase)),
        ["TerminalLeft"]
    );
}

#[test]
fn deletion_only_comes_nearer() {
    let deleting = |at: &str, grace: u32| json!({"metadata": {"deletionTimestamp": at, "deletionGracePeriodSeconds": grace}});
    let (soon, late, expired) = (
        deleting("2026-01-01T00:00:10Z", 30),
        deleting("2026-01-01T00:00:40Z", 30),
        deleting("2026-01-01T00:00:40Z", 0),
    );
    assert!(broken(&[json!({}), late.clone(), soon.clone()]).is_empty());
    assert_eq!(broken(&[soon.clone(), late]), ["DeletionPostponed"]);
    assert_eq!(broken(&[soon.clone(), json!({})]), ["DeletionUndone"]);
    assert!(broken(&[soon, expired]).is_empty());
}

#[test]
fn containers_go_forward_within_an_attempt() {
    let way = |steps: &[(u32, &str)]| {
        broken(
            &steps
                .iter()
                .map(|(restarts, state)| containers(*restarts, state))
                .collect::<Vec<_>>(),
        )
    };
    assert!(
        way(&[
            (0, "waiting"),
            (0, "running"),
            (0, "failed"),
            (0, "back-off"),
            (1, "running"),
            (1, "done")
        ])
        .is_empty()
    );
    assert_eq!(
        way(&[(0, "running"), (0, "waiting")]),
        ["ContainerBackward"]
    );
    assert_eq!(way(&[(0, "failed"), (0, "running")]), ["ContainerBackward"]);
    assert_eq!(
        way(&[(0, "back-off"), (0, "running")]),
        ["ContainerBackward"]
    );
    assert_eq!(way(&[(5, "running"), (1, "running")]), ["RestartCountFell"]);
    assert_eq!(
        broken(&[
            containers(0, "running"),
            status(json!({"phase": "Running"}))
        ]),
        ["ContainerLost"]
    );
}

#[test]
fn a_container_restarts_only_by_policy() {
    let end = |policy: &str, state: &str| {
        let mut versions = [containers(0, state), containers(1, "running")];
        versions
            .iter_mut()
            .for_each(|version| version["spec"]["restartPolicy"] = json!(policy));
        broken(&versions)
    };
    assert!(end("Always", "done").is_empty());
    assert!(end("OnFailure", "failed").is_empty());
    assert_eq!(end("OnFailure", "done"), ["RestartNotAllowed"]);
    assert_eq!(end("Never", "failed"), ["RestartNotAllowed"]);
    let mut deleting = [containers(0, "failed"), containers(1, "running")];
    deleting.iter_mut().for_each(|version| {
        version["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"})
    });
    assert_eq!(broken(&deleting), ["RestartNotAllowed"]);
}

#[test]
fn an_init_container_that_is_done_stays_done() {
    let version = |restarts, state, policy: Option<&str>| {
        json!({"spec": {"restartPolicy": "Always", "initContainers": [{"name": "a", "restartPolicy": policy}]},
            "status": {"phase": "Pending", "initContainerStatuses": [container(restarts, state)]}})
    };
    assert_eq!(
        broken(&[version(0, "done", None), version(1, "running", None)]),
        ["RestartNotAllowed"]
    );
    assert!(broken(&[version(0, "failed", None), version(1, "running", None)]).is_empty());
    assert!(
        broken(&[
            version(0, "done", Some("Always")),
            version(1, "running", Some("Always"))
        ])
        .is_empty()
    );
}

#[test]
fn conditions_turn_but_their_clocks_do_not() {
    let ready = |value: &str, at: &str| {
        status(
            json!({"conditions": [{"type": "Ready", "status": value, "lastTransitionTime": at}]}),
        )
    };
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z");
    assert!(
        broken(&[
            ready("True", early),
            ready("False", late),
            ready("True", late)
        ])
        .is_empty()
    );
    assert_eq!(
        broken(&[ready("True", late), ready("False", early)]),
        ["TimeFell"]
    );
    let report = report(&Rules::Pod, &[ready("True", early), ready("True", late)]);
    assert!(report.backward.is_empty());
    assert_eq!(report.untidy[0].rule, "TransitionTimeMoved");
}

#[test]
fn latches_stay() {
    let condition =
        |kind: &str, value: &str| status(json!({"conditions": [{"type": kind, "status": value}]}));
    for latch in ["PodScheduled", "Initialized", "DisruptionTarget"] {
        assert!(broken(&[condition(latch, "False"), condition(latch, "True")]).is_empty());
        assert_eq!(
            broken(&[condition(latch, "True"), condition(latch, "False")]),
            ["LatchReset"]
        );
        assert_eq!(
            broken(&[condition(latch, "True"), status(json!({}))]),
            ["LatchReset"]
        );
    }
}

#[test]
fn what_is_set_once_stays() {
    for (field, value, other) in [
        ("startTime", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
        ("podIP", "10.0.0.1", "10.0.0.2"),
    ] {
        assert!(broken(&[status(json!({})), status(json!({field: value}))]).is_empty());
        assert_eq!(
            broken(&[status(json!({field: value})), status(json!({field: other}))]),
            ["SetOnceChanged"]
        );
        assert_eq!(
            broken(&[status(json!({field: value})), status(json!({}))]),
            ["SetOnceChanged"]
        );
    }
    let generation = |number: u32| json!({"metadata": {"generation": number}});
    assert_eq!(broken(&[generation(2), generation(1)]), ["NumberFell"]);
}

#[test]
fn a_terminal_pod_that_is_ready_is_untidy() {
    let ready =
        status(json!({"phase": "Succeeded", "conditions": [{"type": "Ready", "status": "True"}]}));
    let mut touched = ready.clone();
    touched["metadata"] = json!({"labels": {"touched": "true"}});
    let told = |versions: &[Value]| {
        let untidy = report(&Rules::Pod, versions).untidy;
        untidy.iter().map(|moved| moved.rule).collect::<Vec<_>>()
    };
    assert_eq!(told(&[phase("Running"), ready.clone()]), ["TerminalReady"]);
    assert!(
        told(&[ready, touched]).is_empty(),
        "told at the write that brought it"
    );
}

#[test]
fn a_namesakes_status_is_seen() {
    let pod = |uid: &str, image: &str, status: Value| {
        json!({"metadata": {"uid": uid, "creationTimestamp": "2026-01-01T00:01:00Z"},
            "spec": {"containers": [{"name": "a", "image": image}]}, "status": status})
    };
    let of = |versions: &[Value]| {
        report(&Rules::Pod, versions)
            .misplaced
            .iter()
            .map(|moved| moved.rule)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of(&[pod("u", "i", json!({"startTime": "2026-01-01T00:00:30Z"}))]),
        ["StartedBeforeCreation"]
    );
    assert!(of(&[pod("u", "i", json!({"startTime": "2026-01-01T00:01:00Z"}))]).is_empty());
    let running = |name: &str, image: &str, id: &str| json!({"containerStatuses": [{"name": name, "image": image, "containerID": id}]});
    assert_eq!(
        of(&[pod("u", "i", running("b", "i", ""))]),
        ["ForeignContainer"]
    );
    assert_eq!(
        of(&[pod("u", "i", running("a", "j", ""))]),
        ["ForeignImage"]
    );
    assert_eq!(
        of(&[
            pod("u", "i", running("a", "i", "x")),
            pod("v", "i", running("a", "i", "x"))
        ]),
        ["SharedContainer"]
    );
    // Told once, not again with each version.
    let again = [
        pod("u", "i", running("b", "i", "")),
        pod("u", "i", running("b", "i", "x")),
    ];
    assert_eq!(of(&again), ["ForeignContainer"]);
}
