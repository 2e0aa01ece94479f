//! Pods that somebody deletes, in both profiles.

use serde_json::{Value, json};
use stagewright_plugin::harness::{self, Harness};
use stagewright_plugin::{Answer, Effect};
use stagewright_plugin_pod::Pods;

use crate::world::{
    LATER, annotate, condition, fast, general, job_pod, live, pod, pod_with_inits, seconds,
    status_of, steady, walk,
};

/// Deletion is requested a minute after the creation.
const DELETED: &str = "2026-01-01T00:01:00Z";

fn running(pod: Value) -> Value {
    let mut harness =
        Harness::<Pods>::new(&json!({"profile": "general", "delays": {"complete": "1h"}})).unwrap();
    let life = harness.live(pod, DELETED).unwrap();
    life.object().unwrap().clone()
}

fn deleted(mut pod: Value, grace: u32) -> Value {
    harness::delete(&mut pod, DELETED, grace);
    pod
}

#[test]
fn fast_deletes_at_once_whatever_the_phase() {
    for pod in [
        pod(),
        running(pod()),
        fast()
            .live(job_pod(false), DELETED)
            .unwrap()
            .object()
            .unwrap()
            .clone(),
    ] {
        let life = live(&mut fast(), deleted(pod, 30));
        assert_eq!(life.stages(), ["delete"]);
        assert_eq!(life.steps[0].effects, [Effect::delete(0)]);
        assert_eq!(seconds(life.steps[0].at), 60.0);
        assert_eq!(life.object(), None);
    }
}

#[test]
fn general_ends_a_running_pod_within_its_grace_period_first() {
    for seed in 0..50 {
        let life = live(
            &mut general().seed(seed),
            deleted(running(pod_with_inits()), 30),
        );
        // The sidecar goes after the main container.
        assert_eq!(life.stages(), ["terminate", "stop", "delete"]);
        let ended = seconds(life.steps[0].at);
        assert!((61.0..=90.0).contains(&ended), "{ended}");
        let stopped = seconds(life.steps[1].at);
        assert!(stopped <= 90.0, "{stopped}");
        let pod = life.steps[0].object.as_ref().unwrap();
        assert_eq!(pod["status"]["phase"], "Running");
        let pod = life.steps[1].object.as_ref().unwrap();
        assert_eq!(pod["status"]["phase"], "Succeeded");
        assert_eq!(
            status_of(pod, "containerStatuses", "main")["state"]["terminated"]["exitCode"],
            0
        );
        let proxy = status_of(pod, "initContainerStatuses", "proxy");
        assert_eq!(
            (&proxy["state"]["terminated"]["exitCode"], &proxy["ready"]),
            (&json!(0), &json!(false))
        );
        assert_eq!(
            condition(pod, "PodReadyToStartContainers")["status"],
            "False"
        );
        assert_eq!(condition(pod, "Initialized")["status"], "True");
        assert!(
            life.steps[2].at.since(life.steps[1].at).is_zero(),
            "gone as soon as it has ended"
        );
        assert_eq!(life.object(), None);
        assert_eq!(
            life.events()
                .map(stagewright_plugin::Event::reason)
                .collect::<Vec<_>>(),
            ["Killing", "Killing"]
        );
    }
}

#[test]
fn no_delay_outlasts_the_grace_period() {
    let mut pod = running(pod());
    annotate(&mut pod, "stagewright.dev/pod.terminate-delay", "10m");
    for grace in [0, 1, 30] {
        let life = live(&mut general(), deleted(pod.clone(), grace));
        assert_eq!(seconds(life.steps[0].at), 60.0 + f64::from(grace));
    }
    annotate(&mut pod, "stagewright.dev/pod.terminate-delay", "5s");
    let life = live(&mut general(), deleted(pod, 30));
    assert_eq!(seconds(life.steps[0].at), 65.0);
}

#[test]
fn a_second_request_shortens_the_wait() {
    let mut pod = deleted(running(pod()), 3600);
    annotate(&mut pod, "pod-delete.stage.kwok.x-k8s.io/delay", "50m");
    annotate(
        &mut pod,
        "pod-delete.stage.kwok.x-k8s.io/jitter-delay",
        "50m",
    );
    let due = |pod: &Value| match general().decide(pod, LATER).unwrap() {
        Answer::Stage { due, .. } => seconds(due),
        answer => panic!("{answer:?}"),
    };
    assert_eq!(due(&pod), 3060.0);
    harness::delete(&mut pod, "2026-01-01T00:02:00Z", 2);
    assert_eq!(due(&pod), 62.0);
}

#[test]
fn containers_end_as_they_are_told() {
    let mut pod = running(pod());
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "143");
    let life = live(&mut general(), deleted(pod, 30));
    let pod = life.steps[0].object.as_ref().unwrap();
    assert_eq!(pod["status"]["phase"], "Failed");
    let ended = &status_of(pod, "containerStatuses", "main")["state"]["terminated"];
    assert_eq!(
        (&ended["exitCode"], &ended["reason"]),
        (&json!(143), &json!("Error"))
    );
}

/// `canBeDeleted` in status_manager.go: a pod of which the kubelet made something has an end before it goes.
#[test]
fn a_pod_that_never_ran_fails_and_goes_at_once() {
    let mut walked = steady();
    let created = walked
        .live(pod_with_inits(), "2026-01-01T00:00:08Z")
        .unwrap();
    let created = created.object().unwrap().clone();
    for (pod, expected) in [
        (pod(), vec!["+53 delete"]),
        (
            created,
            vec![
                "+53 terminate Failed first:exit137 proxy:PodInitializing second:PodInitializing main:PodInitializing",
                "+53 delete",
            ],
        ),
    ] {
        walk(&mut walked, deleted(pod, 30), 3600, &expected);
    }
}

#[test]
fn a_pod_with_finalizers_ends_and_waits_and_goes_when_they_are_gone() {
    let created = general()
        .live(job_pod(true), "2026-01-01T00:00:13Z")
        .unwrap()
        .steps[0]
        .object
        .clone()
        .unwrap();
    for (pod, phase) in [
        (running(job_pod(true)), "Succeeded"),
        (job_pod(true), "Failed"),
        (created, "Failed"),
    ] {
        for mut profile in [fast(), general()] {
            let life = live(&mut profile, deleted(pod.clone(), 30));
            assert_eq!(life.stages(), ["terminate"]);
            let Answer::Idle(note) = &life.last else {
                panic!("{:?}", life.last)
            };
            assert!(note.contains("job-tracking"), "{note}");
            let mut pod = life.object().unwrap().clone();
            assert_eq!(pod["status"]["phase"], phase);
            pod["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("finalizers");
            let life = live(&mut profile, pod);
            assert_eq!((life.stages(), life.object()), (vec!["delete"], None));
        }
    }
}

#[test]
fn a_pod_that_ended_before_goes_at_once() {
    let mut pod = pod();
    pod["status"]["phase"] = json!("Failed");
    for mut profile in [fast(), general()] {
        assert_eq!(
            profile
                .live(deleted(pod.clone(), 30), LATER)
                .unwrap()
                .stages(),
            ["delete"]
        );
    }
}

#[test]
fn a_touch_restarts_no_deletion() {
    let mut pod = deleted(running(pod()), 30);
    let before = general().decide(&pod, LATER).unwrap();
    pod["metadata"]["labels"]["touched"] = json!("yes");
    assert_eq!(general().decide(&pod, LATER).unwrap(), before);
}
