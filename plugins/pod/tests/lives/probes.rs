//! What probes make of a container. Kubernetes sources are those of 1.36, below `pkg/`.

use serde_json::{Value, json};
use stagewright_plugin::Answer;

use crate::world::{annotate, condition, live, pod, steady, walk};

fn probed() -> Value {
    let mut pod = pod();
    let container = &mut pod["spec"]["containers"][0];
    container["startupProbe"] = json!({"initialDelaySeconds": 3, "periodSeconds": 2, "failureThreshold": 4, "successThreshold": 1});
    container["readinessProbe"] = json!({"initialDelaySeconds": 10, "periodSeconds": 5, "failureThreshold": 3, "successThreshold": 2});
    pod
}

/// kubelet/prober/prober_manager.go `UpdatePodStatus`, worker.go `doProbe`: not started before the startup probe succeeds, not ready
/// before the readiness probe does, as often as its threshold says.
#[test]
fn a_container_is_started_and_ready_when_its_probes_say_so() {
    let expected = [
        "+1 create Pending main:ContainerCreating",
        "+2 ready Running main:up~",
        "+5 probe Running main:up",
        "+17 probe Running main:up*",
    ];
    let life = walk(&mut steady(), probed(), 3600, &expected);
    let ready = |step: usize| condition(life.steps[step].object.as_ref().unwrap(), "Ready").clone();
    assert_eq!(ready(2)["reason"], "ContainersNotReady");
    assert_eq!(ready(3)["status"], "True");
}

/// A probe without an initial delay succeeds as the container starts: no write more.
#[test]
fn probes_without_delay_cost_nothing() {
    let mut pod = pod();
    pod["spec"]["containers"][0]["readinessProbe"] =
        json!({"periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3});
    let expected = [
        "+1 create Pending main:ContainerCreating",
        "+2 ready Running main:up*",
    ];
    walk(&mut steady(), pod, 3600, &expected);
}

/// A sidecar with a startup probe holds back what comes after it (KEP-753).
#[test]
fn a_sidecar_that_did_not_start_holds_the_next() {
    let mut pod = pod();
    pod["spec"]["initContainers"] = json!([{"name": "proxy", "image": "b", "restartPolicy": "Always",
        "startupProbe": {"initialDelaySeconds": 6, "periodSeconds": 1, "failureThreshold": 1}}]);
    let expected = [
        "+1 create Pending proxy:PodInitializing main:PodInitializing",
        "+2 init-start Pending proxy:up~ main:PodInitializing",
        "+8 probe Pending proxy:up* main:PodInitializing",
        "+8 ready Running proxy:up* main:up*",
    ];
    walk(&mut steady(), pod, 3600, &expected);
}

/// kubelet/prober: after `failureThreshold` failures the kubelet kills the container, and the restart policy decides.
#[test]
fn startup_and_liveness_failures_kill_the_container() {
    let mut pod = probed();
    annotate(&mut pod, "stagewright.dev/pod.startup-failures", "1");
    annotate(&mut pod, "stagewright.dev/pod.liveness-fails-after", "20s");
    annotate(&mut pod, "stagewright.dev/pod.crashes", "2");
    pod["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .remove("readinessProbe");
    let expected = [
        "+1 create Pending main:ContainerCreating",
        "+2 ready Running main:up~",
        // Three seconds, and four tries of two seconds each. What is to crash does so by its probes, and by nothing else before.
        "+13 exit Running main:exit137",
        "+14 restart Running main:up~#1",
        "+17 probe Running main:up*#1",
        "+34 exit Running main:exit137#1",
        "+35 back-off Running main:CrashLoopBackOff#1",
        "+44 restart Running main:up~#2",
        "+47 probe Running main:up*#2",
    ];
    walk(&mut steady(), pod.clone(), 3600, &expected);
    pod["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .remove("stagewright.dev/pod.crashes");
    let expected = [
        "+1 create Pending main:ContainerCreating",
        "+2 ready Running main:up~",
        "+13 exit Running main:exit137",
        "+14 restart Running main:up~#1",
        "+17 probe Running main:up*#1",
        "+34 exit Running main:exit137#1",
        "+35 back-off Running main:CrashLoopBackOff#1",
    ];
    let life = walk(&mut steady(), pod, 40, &expected);
    let events: Vec<&str> = life
        .events()
        .map(stagewright_plugin::Event::reason)
        .collect();
    assert_eq!(
        events,
        [
            "Created",
            "Started",
            "Unhealthy",
            "Killing",
            "Started",
            "Unhealthy",
            "Killing",
            "BackOff"
        ]
    );
}

/// Readiness fails and comes back on demand, and moves nothing else.
#[test]
fn a_container_is_not_ready_on_demand() {
    let mut pod = live(&mut steady(), pod()).object().unwrap().clone();
    for (value, stage, status) in [
        ("true", "unready", "False"),
        ("main=false", "probe", "True"),
        ("main=true", "unready", "False"),
    ] {
        annotate(&mut pod, "stagewright.dev/pod.not-ready", value);
        let life = live(&mut steady(), pod);
        assert_eq!(life.stages(), [stage], "{value}");
        assert_eq!(life.last, Answer::idle("the pod runs"));
        pod = life.object().unwrap().clone();
        for kind in ["Ready", "ContainersReady"] {
            assert_eq!(condition(&pod, kind)["status"], status, "{value}");
        }
        assert_eq!(pod["status"]["phase"], "Running");
    }
    // A pod that is to be unready from the first moment never is ready.
    let mut pod = crate::world::pod();
    annotate(&mut pod, "stagewright.dev/pod.not-ready", "true");
    let expected = [
        "+1 create Pending main:ContainerCreating",
        "+2 ready Running main:up",
    ];
    walk(&mut steady(), pod, 3600, &expected);
}
