//! Profile `general`.

use std::time::Duration;

use serde_json::json;
use stagewright_plugin::{Answer, Time};

use crate::world::{
    BOUND, LATER, after_binding, annotate, condition, general, job_pod, live, pod, pod_with_inits,
    seconds, status_of,
};

#[track_caller]
fn due(answer: &Answer) -> f64 {
    match answer {
        Answer::Stage { due, .. } => seconds(*due),
        _ => panic!("{answer:?} is no stage"),
    }
}

#[test]
fn a_pod_is_created_and_then_runs() {
    let life = live(&mut general(), pod());
    assert_eq!(life.stages(), ["create", "ready"]);
    let created = life.steps[0].object.as_ref().unwrap();
    assert_eq!(created["status"]["phase"], "Pending");
    assert_eq!(
        status_of(created, "containerStatuses", "main")["state"],
        json!({"waiting": {"reason": "ContainerCreating"}})
    );
    assert_eq!(created["status"]["podIP"], "10.244.0.5");
    assert_eq!(condition(created, "Initialized")["status"], "True");
    assert_eq!(
        condition(created, "PodReadyToStartContainers")["status"],
        "True"
    );
    assert_eq!(condition(created, "Ready")["reason"], "ContainersNotReady");
    let pod = life.object().unwrap();
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(condition(pod, "Ready")["status"], "True");
    assert_eq!(condition(pod, "Ready").get("reason"), None);
    let reasons: Vec<&str> = life
        .events()
        .map(stagewright_plugin::Event::reason)
        .collect();
    assert_eq!(reasons, ["Created", "Started"]);
}

#[test]
fn delays_count_from_the_step_before_and_are_one_to_five_seconds() {
    for seed in 0..50 {
        let life = live(&mut general().seed(seed), pod());
        let created = after_binding(life.steps[0].at);
        assert!((1.0..=5.0).contains(&created), "{created}");
        let started = Time::parse(
            life.steps[0].object.as_ref().unwrap()["status"]["startTime"]
                .as_str()
                .unwrap(),
        )
        .unwrap();
        let ready = life.steps[1].at.since(started).as_secs_f64();
        assert!((1.0..=5.0).contains(&ready), "{ready}");
    }
    let times: Vec<Time> = (0..50)
        .map(|seed| general().seed(seed).live(pod(), LATER).unwrap().steps[0].at)
        .collect();
    assert!(
        times.iter().any(|time| *time != times[0]),
        "delays are drawn"
    );
}

#[test]
fn init_containers_go_one_after_the_other() {
    let life = live(&mut general(), pod_with_inits());
    let stages = [
        "create",
        "init-start",
        "init-complete",
        "init-start",
        "init-start",
        "init-complete",
        "ready",
    ];
    assert_eq!(life.stages(), stages);
    let states = |step: usize| {
        let pod = life.steps[step].object.as_ref().unwrap();
        ["first", "proxy", "second"].map(|name| {
            let state = &status_of(pod, "initContainerStatuses", name)["state"];
            state.as_object().unwrap().keys().next().unwrap().clone()
        })
    };
    assert_eq!(states(0), ["waiting"; 3]);
    assert_eq!(states(1), ["running", "waiting", "waiting"]);
    assert_eq!(states(2), ["terminated", "waiting", "waiting"]);
    assert_eq!(states(3), ["terminated", "running", "waiting"]);
    assert_eq!(states(4), ["terminated", "running", "running"]);
    assert_eq!(states(6), ["terminated", "running", "terminated"]);
    let initialized =
        |step: usize| condition(life.steps[step].object.as_ref().unwrap(), "Initialized").clone();
    assert_eq!(initialized(4)["status"], "False");
    assert!(
        initialized(4)["message"]
            .as_str()
            .unwrap()
            .ends_with(": second"),
        "{}",
        initialized(4)
    );
    assert_eq!(initialized(5)["status"], "True");
    let main = status_of(
        life.steps[5].object.as_ref().unwrap(),
        "containerStatuses",
        "main",
    );
    assert_eq!(
        main["state"],
        json!({"waiting": {"reason": "PodInitializing"}})
    );
    let times: Vec<Time> = life.steps.iter().map(|step| step.at).collect();
    assert!(
        times
            .windows(2)
            .all(|pair| pair[1].since(pair[0]) >= Duration::from_millis(1)),
        "{times:?}"
    );
}

#[test]
fn a_jobs_pod_completes_later() {
    let life = live(&mut general(), job_pod(true));
    assert_eq!(life.stages(), ["create", "ready", "complete"]);
    assert!(life.steps[2].at > life.steps[1].at);
    assert_eq!(life.object().unwrap()["status"]["phase"], "Succeeded");
}

#[test]
fn a_pod_that_may_end_does_so_if_it_is_told_when() {
    let mut pod = pod();
    annotate(&mut pod, "stagewright.dev/pod.complete-delay", "10m");
    assert_eq!(
        live(&mut general(), pod.clone()).stages(),
        ["create", "ready"],
        "restartPolicy Always never ends"
    );
    pod["spec"]["restartPolicy"] = json!("Never");
    let life = live(&mut general(), pod);
    assert_eq!(life.stages(), ["create", "ready", "complete"]);
    let ran = life.steps[2].at.since(life.steps[1].at).as_secs_f64();
    assert!((599.0..=600.0).contains(&ran), "{ran}");
}

#[test]
fn annotations_set_delays() {
    let mut pod = pod();
    annotate(&mut pod, "stagewright.dev/pod.create-delay", "1m");
    annotate(&mut pod, "stagewright.dev/pod.ready-delay", "20s..30s");
    let life = live(&mut general(), pod);
    assert_eq!(seconds(life.steps[0].at), 67.0);
    let ready = seconds(life.steps[1].at);
    assert!((87.0..=97.0).contains(&ready), "{ready}");
}

#[test]
fn kwoks_annotations_set_delays() {
    let at = |delay: Option<&str>, jitter: Option<&str>| {
        let mut pod = pod();
        for (key, value) in [("delay", delay), ("jitter-delay", jitter)] {
            if let Some(value) = value {
                annotate(
                    &mut pod,
                    &format!("pod-create.stage.kwok.x-k8s.io/{key}"),
                    value,
                );
            }
        }
        let times: Vec<f64> = (0..20)
            .map(
                |seed| match general().seed(seed).decide(&pod, LATER).unwrap() {
                    Answer::Stage { due, .. } => after_binding(due),
                    answer => panic!("{answer:?} is no stage"),
                },
            )
            .collect();
        let min = times.iter().copied().fold(f64::MAX, f64::min);
        (min, times.into_iter().fold(0.0, f64::max))
    };
    assert_eq!(at(Some("6s"), Some("6s")), (6.0, 6.0));
    assert_eq!(at(Some("6s"), None), (6.0, 6.0));
    assert_eq!(at(Some("1s"), Some("200ms")), (0.2, 0.2));
    let (min, max) = at(Some("10s"), Some("20s"));
    assert!(
        (10.0..14.0).contains(&min) && 16.0 < max && max <= 20.0,
        "{min} {max}"
    );
    let (min, max) = at(None, Some("100s"));
    assert!(
        (1.0..40.0).contains(&min) && 60.0 < max && max <= 100.0,
        "{min} {max}"
    );

    let mut both = pod();
    annotate(&mut both, "pod-create.stage.kwok.x-k8s.io/delay", "6s");
    annotate(&mut both, "stagewright.dev/pod.create-delay", "2s");
    assert_eq!(
        due(&general().decide(&both, LATER).unwrap()),
        9.0,
        "our own is stronger"
    );
}

#[test]
fn every_stage_has_its_annotations_and_the_plugin_sees_them() {
    // A delay of an hour shows that the stage looked at it.
    let stages = [
        ("create", "pod-create"),
        ("init-start", "pod-init-container-running"),
        ("init-complete", "pod-init-container-completed"),
        ("ready", "pod-ready"),
        ("complete", "pod-complete"),
    ];
    for (stage, kwok) in stages {
        for key in [
            format!("stagewright.dev/pod.{stage}-delay"),
            format!("{kwok}.stage.kwok.x-k8s.io/delay"),
        ] {
            let mut pod = pod_with_inits();
            pod["metadata"]["ownerReferences"] =
                job_pod(false)["metadata"]["ownerReferences"].clone();
            annotate(&mut pod, &key, "1h");
            let life = general().live(pod, LATER).unwrap();
            assert!(
                matches!(&life.last, Answer::Stage { stage: next, .. } if next == stage),
                "{key}: {:?}",
                life.last
            );
        }
    }
}

#[test]
fn an_annotation_without_a_delay_is_named() {
    for key in [
        "stagewright.dev/pod.create-delay",
        "pod-create.stage.kwok.x-k8s.io/delay",
        "pod-create.stage.kwok.x-k8s.io/jitter-delay",
    ] {
        let mut pod = pod();
        annotate(&mut pod, key, "so\"on");
        let Answer::Invalid(message) = general().decide(&pod, BOUND).unwrap() else {
            panic!("{key} is not invalid")
        };
        assert!(
            message.contains(key) && message.contains("so\\\"on") && message.contains("10s"),
            "{message}"
        );
    }
}

#[test]
fn a_touch_restarts_nothing() {
    let life = general().live(pod_with_inits(), LATER).unwrap();
    for step in &life.steps {
        let mut pod = step.object.clone().unwrap();
        let before = general().decide(&pod, LATER).unwrap();
        pod["metadata"]["labels"]["touched"] = json!("yes");
        pod["metadata"]["annotations"] = json!({"example.com/a": "b"});
        pod["spec"]["containers"][0]["image"] = json!("example.com/web:2");
        pod["status"]["conditions"]
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "Odd", "status": "True",
            "lastTransitionTime": "2026-01-01T00:59:00Z"}));
        assert_eq!(
            general().decide(&pod, LATER).unwrap(),
            before,
            "after {}",
            step.stage
        );
    }
}

#[test]
fn settings_set_delays() {
    let delays = json!({"create": "0s", "init-start": "0s", "init-complete": "0s", "ready": "1h", "complete": "0s", "terminate": "0s"});
    let mut harness = stagewright_plugin::harness::Harness::<stagewright_plugin_pod::Pods>::new(
        &json!({"profile": "general", "delays": delays}),
    )
    .unwrap();
    let life = live(&mut harness, pod_with_inits());
    assert_eq!(life.steps.len(), 6);
    assert_eq!(seconds(life.steps[5].at), 7.0);
    assert_eq!(due(&life.last), 3607.0);
}
