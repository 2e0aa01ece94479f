//! Profile `general` as the kubelet reports pods. Kubernetes sources are those of 1.36, below `pkg/`.

use serde_json::{Value, json};
use stagewright_plugin::harness::{self, Harness};
use stagewright_plugin_pod::Pods;

use crate::world::{
    annotate, condition, job_pod, pod, pod_with_inits, status_of, steady, steady_with, walk,
};

fn with_policy(mut pod: Value, policy: &str) -> Value {
    pod["spec"]["restartPolicy"] = json!(policy);
    pod
}

pub fn last(life: &harness::Life) -> &Value {
    life.object().unwrap()
}

/// kubelet/kubelet_pods.go `getPhase`: Pending while an init container is not done; sidecars run on and count for nothing at the end.
#[test]
fn init_containers_and_sidecars_start_in_turn_and_sidecars_end_last() {
    let mut pod = pod_with_inits();
    pod["metadata"]["ownerReferences"] = job_pod(false)["metadata"]["ownerReferences"].clone();
    pod["spec"]["initContainers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "log", "image": "d", "restartPolicy": "Always"}));
    let expected = [
        "+1 create Pending first:PodInitializing proxy:PodInitializing second:PodInitializing log:PodInitializing main:PodInitializing",
        "+2 init-start Pending first:up proxy:PodInitializing second:PodInitializing log:PodInitializing main:PodInitializing",
        "+4 init-complete Pending first:exit0* proxy:PodInitializing second:PodInitializing log:PodInitializing main:PodInitializing",
        "+5 init-start Pending first:exit0* proxy:up* second:PodInitializing log:PodInitializing main:PodInitializing",
        "+6 init-start Pending first:exit0* proxy:up* second:up log:PodInitializing main:PodInitializing",
        "+8 init-complete Pending first:exit0* proxy:up* second:exit0* log:PodInitializing main:PodInitializing",
        "+9 init-start Pending first:exit0* proxy:up* second:exit0* log:up* main:PodInitializing",
        "+10 ready Running first:exit0* proxy:up* second:exit0* log:up* main:up*",
        "+20 complete Running first:exit0* proxy:up* second:exit0* log:up* main:exit0",
        "+21 stop Running first:exit0* proxy:up* second:exit0* log:exit0 main:exit0",
        "+22 stop Succeeded first:exit0* proxy:exit0 second:exit0* log:exit0 main:exit0",
    ];
    let pod = with_policy(pod, "Never");
    let life = walk(&mut steady(), pod.clone(), 3600, &expected);
    assert_eq!(
        condition(last(&life), "Initialized")["reason"],
        "PodCompleted"
    );
    // Deleted while it runs, it goes the same way (kuberuntime/kuberuntime_termination_order.go `newTerminationOrdering`).
    let mut pod = life.steps[7].object.clone().unwrap();
    harness::delete(&mut pod, "2026-01-01T00:00:20Z", 30);
    let expected = [
        "+15 terminate Running first:exit0* proxy:up* second:exit0* log:up* main:exit0",
        "+16 stop Running first:exit0* proxy:up* second:exit0* log:exit0 main:exit0",
        "+17 stop Succeeded first:exit0* proxy:exit0 second:exit0* log:exit0 main:exit0",
        "+17 delete",
    ];
    walk(&mut steady(), pod, 3600, &expected);
}

/// What still runs at the end of the grace period is killed, whoever's turn it is.
#[test]
fn the_end_of_the_grace_period_waits_for_nobody() {
    let mut pod = last(&walk_until(pod_with_inits(), 15)).clone();
    annotate(&mut pod, "stagewright.dev/pod.terminate-delay", "10m");
    harness::delete(&mut pod, "2026-01-01T00:00:27Z", 5);
    let expected = [
        "+25 terminate Failed first:exit0* proxy:exit137 second:exit0* main:exit137",
        "+25 delete",
    ];
    walk(&mut steady(), pod, 3600, &expected);
}

pub fn walk_until(pod: Value, seconds: u64) -> harness::Life {
    let until = stagewright_plugin::Time::parse(crate::world::BOUND).unwrap()
        + std::time::Duration::from_secs(seconds);
    steady().live(pod, &until.to_string()).unwrap()
}

/// kubelet/kubelet_pods.go `getPhase`: an init container that fails for good fails the pod; the main containers never had their turn
/// and stay waiting (kubelet/status/status_manager.go `TerminatePod`). The sidecar beside it is stopped first.
#[test]
fn an_init_container_that_fails_for_good_fails_its_pod() {
    let mut pod = with_policy(pod_with_inits(), "Never");
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "second=3");
    let expected = [
        "+1 create Pending first:PodInitializing proxy:PodInitializing second:PodInitializing main:PodInitializing",
        "+2 init-start Pending first:up proxy:PodInitializing second:PodInitializing main:PodInitializing",
        "+4 init-complete Pending first:exit0* proxy:PodInitializing second:PodInitializing main:PodInitializing",
        "+5 init-start Pending first:exit0* proxy:up* second:PodInitializing main:PodInitializing",
        "+6 init-start Pending first:exit0* proxy:up* second:up main:PodInitializing",
        "+8 exit Pending first:exit0* proxy:up* second:exit3 main:PodInitializing",
        "+9 stop Failed first:exit0* proxy:exit0 second:exit3 main:PodInitializing",
    ];
    let life = walk(&mut steady(), pod, 3600, &expected);
    let pod = last(&life);
    assert_eq!(
        condition(pod, "Initialized")["reason"],
        "ContainersNotInitialized"
    );
    assert_eq!(condition(pod, "Ready")["reason"], "PodFailed");
    assert_eq!(
        status_of(pod, "initContainerStatuses", "second")["state"]["terminated"]["reason"],
        "Error"
    );
}

/// kubelet/kubelet_pods.go `getPhase`: one failed container of several fails the pod, once all have ended.
#[test]
fn a_pod_ends_when_its_last_container_does() {
    let mut pod = with_policy(pod(), "Never");
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "side", "image": "example.com/side:1"}));
    annotate(&mut pod, "stagewright.dev/pod.run-for", "5s,side=20s");
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "side=42");
    annotate(
        &mut pod,
        "stagewright.dev/pod.exit-reason",
        "side=OOMKilled",
    );
    let expected = [
        "+1 create Pending main:ContainerCreating side:ContainerCreating",
        "+2 ready Running main:up* side:up*",
        "+7 exit Running main:exit0 side:up*",
        "+22 exit Failed main:exit0 side:exit42",
    ];
    let life = walk(&mut steady(), pod.clone(), 3600, &expected);
    assert_eq!(
        condition(life.steps[2].object.as_ref().unwrap(), "Ready")["status"],
        "False"
    );
    let side = status_of(last(&life), "containerStatuses", "side");
    assert_eq!(side["state"]["terminated"]["reason"], "OOMKilled");
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "0");
    let life = steady().live(pod, crate::world::LATER).unwrap();
    assert_eq!(last(&life)["status"]["phase"], "Succeeded");
}

/// What settings say of all pods, an annotation says of one.
#[test]
fn defaults_are_for_pods_that_say_nothing() {
    let defaults = json!({"run-for": "5s", "exit-code": "1"});
    let silent = with_policy(pod(), "Never");
    let mut telling = silent.clone();
    annotate(&mut telling, "stagewright.dev/pod.exit-code", "0");
    for (pod, last) in [
        (silent, "+7 exit Failed main:exit1"),
        (telling, "+7 exit Succeeded main:exit0"),
    ] {
        let expected = [
            "+1 create Pending main:ContainerCreating",
            "+2 ready Running main:up*",
            last,
        ];
        walk(&mut steady_with(defaults.clone()), pod, 3600, &expected);
    }
}

/// kubelet/active_deadline.go `pastActiveDeadline`: counted from startTime. kubelet/kubelet_pods.go `generateAPIPodStatus`: Failed,
/// whatever the containers say.
#[test]
fn the_active_deadline_fails_a_pod_wherever_it_is() {
    let deadline = |mut pod: Value, seconds: u64| {
        pod["spec"]["activeDeadlineSeconds"] = json!(seconds);
        pod
    };
    for (pod, expected) in [
        (
            deadline(pod(), 30),
            vec![
                "+1 create Pending main:ContainerCreating",
                "+2 ready Running main:up*",
                "+31 deadline Failed main:exit137",
            ],
        ),
        (
            deadline(pod_with_inits(), 2),
            vec![
                "+1 create Pending first:PodInitializing proxy:PodInitializing second:PodInitializing main:PodInitializing",
                "+2 init-start Pending first:up proxy:PodInitializing second:PodInitializing main:PodInitializing",
                "+3 deadline Failed first:exit137 proxy:PodInitializing second:PodInitializing main:PodInitializing",
            ],
        ),
    ] {
        let life = walk(&mut steady(), pod, 3600, &expected);
        let status = &last(&life)["status"];
        assert_eq!(status["reason"], "DeadlineExceeded");
        assert!(
            status["message"]
                .as_str()
                .unwrap()
                .contains("activeDeadlineSeconds")
        );
    }
}

/// kubelet/eviction/eviction_manager.go `evictPod`: Failed, reason Evicted, and the DisruptionTarget condition of
/// `TerminationByKubelet`.
#[test]
fn a_pod_is_evicted_on_demand() {
    let running = last(&walk_until(pod(), 5)).clone();
    for (value, message) in [
        ("true", "stagewright.dev/pod.evict"),
        ("The node was low on resource: memory.", "low on resource"),
    ] {
        let mut pod = running.clone();
        annotate(&mut pod, "stagewright.dev/pod.evict", value);
        let life = walk(&mut steady(), pod, 3600, &["+2 evict Failed main:exit137"]);
        let pod = last(&life);
        assert_eq!(pod["status"]["reason"], "Evicted");
        assert!(pod["status"]["message"].as_str().unwrap().contains(message));
        let disruption = condition(pod, "DisruptionTarget");
        assert_eq!(
            (&disruption["status"], &disruption["reason"]),
            (&json!("True"), &json!("TerminationByKubelet"))
        );
    }
    let mut pod = running;
    annotate(&mut pod, "stagewright.dev/pod.evict", "false");
    walk(&mut steady(), pod, 3600, &[]);
}

/// Whoever disrupts a pod says so in a condition of his own (controller/podgc, the eviction API, the scheduler's preemption); the
/// pod's end leaves it as it is.
#[test]
fn a_disruption_by_others_is_kept_to_the_end() {
    let mut pod = last(&walk_until(pod(), 5)).clone();
    let disruption = json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "why",
        "lastTransitionTime": "2026-01-01T00:00:20Z"});
    pod["status"]["conditions"]
        .as_array_mut()
        .unwrap()
        .push(disruption.clone());
    pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    harness::delete(&mut pod, "2026-01-01T00:00:20Z", 30);
    let life = walk(
        &mut steady(),
        pod,
        3600,
        &["+15 terminate Succeeded main:exit0"],
    );
    assert_eq!(*condition(last(&life), "DisruptionTarget"), disruption);
}

/// kubelet/images/image_manager.go `pullImage`: `ErrImagePull`, then `ImagePullBackOff` for ten seconds that double.
#[test]
fn images_fail_to_come_with_growing_back_off() {
    let mut pod = pod();
    annotate(&mut pod, "stagewright.dev/pod.pull-failures", "3");
    let expected = [
        "+1 create Pending main:ContainerCreating",
        "+2 pull-fail Pending main:ErrImagePull",
        "+4 pull-back-off Pending main:ImagePullBackOff",
        "+12 pull-fail Pending main:ErrImagePull",
        "+14 pull-back-off Pending main:ImagePullBackOff",
        "+32 pull-fail Pending main:ErrImagePull",
        "+34 pull-back-off Pending main:ImagePullBackOff",
        "+72 ready Running main:up*",
    ];
    let life = walk(&mut steady(), pod.clone(), 3600, &expected);
    let annotations = &last(&life)["metadata"]["annotations"];
    assert_eq!(
        annotations.get("stagewright.dev/pod.pulls"),
        None,
        "nothing is left to remember"
    );
    let waiting = &status_of(
        life.steps[1].object.as_ref().unwrap(),
        "containerStatuses",
        "main",
    )["state"]["waiting"];
    assert!(
        waiting["message"]
            .as_str()
            .unwrap()
            .contains("example.com/web:1"),
        "{waiting}"
    );

    // An image that never comes is tried every five minutes in the end, and is there as soon as the user says so.
    annotate(&mut pod, "stagewright.dev/pod.pull-failures", "always");
    let mut life = steady().live(pod, "2026-01-01T02:00:07Z").unwrap();
    let times: Vec<f64> = life
        .steps
        .iter()
        .filter(|step| step.stage == "pull-fail")
        .map(|step| crate::world::after_binding(step.at))
        .collect();
    assert_eq!(times[..7], [2.0, 12.0, 32.0, 72.0, 152.0, 312.0, 612.0]);
    assert_eq!(times[7] - times[6], 300.0);
    let mut pod = life.steps.pop().unwrap().object.unwrap();
    pod["metadata"]["annotations"]["stagewright.dev/pod.pull-failures"] = json!("0");
    let life = steady().live(pod, "2026-01-01T03:00:00Z").unwrap();
    assert_eq!(life.stages(), ["ready"]);
}

/// Containers wait for their own images.
#[test]
fn images_take_as_long_as_is_said() {
    let mut pod = pod();
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "side", "image": "example.com/side:1"}));
    annotate(&mut pod, "stagewright.dev/pod.pull-delay", "4s,side=20s");
    let expected = [
        "+1 create Pending main:ContainerCreating side:ContainerCreating",
        "+6 ready Pending main:up* side:ContainerCreating",
        "+22 ready Running main:up* side:up*",
    ];
    walk(&mut steady(), pod, 3600, &expected);
}

/// kubelet/status/generate.go `GeneratePodReadyCondition`: a gate that is not True keeps the pod from being Ready, not its containers.
#[test]
fn readiness_gates_are_others_to_open_if_the_pod_says_so() {
    let mut pod = pod();
    pod["spec"]["readinessGates"] = json!([{"conditionType": "example.com/lb"}]);
    let expected = [
        "+1 create Pending main:ContainerCreating",
        "+2 ready Running main:up*",
    ];
    let opened = walk(&mut steady(), pod.clone(), 3600, &expected);
    assert_eq!(condition(last(&opened), "Ready")["status"], "True");
    assert_eq!(condition(last(&opened), "example.com/lb")["status"], "True");

    annotate(&mut pod, "stagewright.dev/pod.gates", "wait");
    let life = walk(&mut steady(), pod, 3600, &expected);
    let mut pod = last(&life).clone();
    assert_eq!(condition(&pod, "ContainersReady")["status"], "True");
    let ready = condition(&pod, "Ready");
    assert_eq!(
        (&ready["status"], &ready["reason"]),
        (&json!("False"), &json!("ReadinessGatesNotReady"))
    );
    for (gate, stage, ready) in [("True", "probe", "True"), ("False", "unready", "False")] {
        let conditions = pod["status"]["conditions"].as_array_mut().unwrap();
        conditions.retain(|condition| condition["type"] != "example.com/lb");
        conditions.push(json!({"type": "example.com/lb", "status": gate, "lastTransitionTime": "2026-01-01T00:00:30Z"}));
        let life = steady().live(pod, crate::world::LATER).unwrap();
        assert_eq!(life.stages(), [stage]);
        pod = last(&life).clone();
        assert_eq!(condition(&pod, "Ready")["status"], ready);
    }
}

/// kubelet/kubelet_pods.go `sortPodIPs`, `generateAPIPodStatus`: both families, the node's own for a pod on its network.
#[test]
fn addresses_are_of_both_families() {
    let addresses =
        json!({"hostIPs": ["10.0.0.1", "fd00::1"], "podIPs": ["10.244.0.5", "fd00:1::5"]});
    let mut harness = steady().fact("addresses", addresses);
    let life = harness.live(pod(), crate::world::LATER).unwrap();
    let status = &last(&life)["status"];
    assert_eq!(
        status["podIPs"],
        json!([{"ip": "10.244.0.5"}, {"ip": "fd00:1::5"}])
    );
    assert_eq!(
        status["hostIPs"],
        json!([{"ip": "10.0.0.1"}, {"ip": "fd00::1"}])
    );
    assert_eq!(
        (&status["podIP"], &status["hostIP"]),
        (&json!("10.244.0.5"), &json!("10.0.0.1"))
    );
}

/// kubelet/kubelet_pods.go `generateAPIPodStatus`: a pod that nobody scheduled counts as scheduled once its kubelet has it.
#[test]
fn a_pod_that_came_with_its_node_is_scheduled() {
    let mut pod = pod();
    pod["status"]["conditions"] = json!([]);
    let life = steady().live(pod, crate::world::LATER).unwrap();
    assert_eq!(condition(last(&life), "PodScheduled")["status"], "True");
}

/// The times of conditions are those at which they turned.
#[test]
fn conditions_turn_when_what_they_say_does() {
    let life = walk_until(pod_with_inits(), 60);
    let turned = |kind: &str| {
        condition(last(&life), kind)["lastTransitionTime"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let at = |stage: &str, nth: usize| {
        let mut steps = life.steps.iter().filter(|step| step.stage == stage);
        steps.nth(nth).unwrap().at.to_string()
    };
    assert_eq!(turned("PodReadyToStartContainers"), at("create", 0));
    assert_eq!(turned("Initialized"), at("init-complete", 1));
    assert_eq!(turned("ContainersReady"), at("ready", 0));
    assert_eq!(turned("Ready"), at("ready", 0));
}

#[test]
fn a_job_pods_draws_are_its_own() {
    let complete = |uid: &str| {
        let mut pod = job_pod(false);
        pod["metadata"]["uid"] = json!(uid);
        let mut harness = Harness::<Pods>::new(&json!({"profile": "general"})).unwrap();
        let life = harness.live(pod, crate::world::LATER).unwrap();
        life.steps[2].at.since(life.steps[1].at).as_secs_f64()
    };
    let times: Vec<f64> = (0..20)
        .map(|number| complete(&format!("pod-{number}")))
        .collect();
    assert!(
        times.iter().all(|time| (0.0..=5.0).contains(time)),
        "{times:?}"
    );
    assert!(
        times.iter().any(|time| (time - times[0]).abs() > 0.5),
        "{times:?}"
    );
}
