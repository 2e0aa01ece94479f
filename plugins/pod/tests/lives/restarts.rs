//! Containers that end and run again, or do not. Kubernetes sources are those of 1.36, below `pkg/`.

use serde_json::{Value, json};

use crate::world::{annotate, condition, pod, pod_with_inits, status_of, steady, walk};

/// kuberuntime/kuberuntime_manager.go `doBackOff`: the first restart comes at once, the next after ten seconds that double. client-go's
/// flowcontrol/backoff.go `hasExpired`: they begin anew after a run of ten minutes.
#[test]
fn a_container_that_fails_is_restarted_with_growing_back_off() {
    let mut pod = pod();
    annotate(&mut pod, "stagewright.dev/pod.run-for", "5s");
    annotate(&mut pod, "stagewright.dev/pod.crashes", "3");
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "42");
    let expected = [
        "+1 create Pending main:ContainerCreating",
        "+2 ready Running main:up*",
        "+7 exit Running main:exit42",
        "+8 restart Running main:up*#1",
        "+13 exit Running main:exit42#1",
        "+14 back-off Running main:CrashLoopBackOff#1",
        "+23 restart Running main:up*#2",
        "+28 exit Running main:exit42#2",
        "+29 back-off Running main:CrashLoopBackOff#2",
        "+48 restart Running main:up*#3",
        "+53 exit Running main:exit0#3",
        "+54 back-off Running main:CrashLoopBackOff#3",
    ];
    let life = walk(&mut steady(), pod, 90, &expected);
    let main = |step: usize| {
        status_of(
            life.steps[step].object.as_ref().unwrap(),
            "containerStatuses",
            "main",
        )
        .clone()
    };
    assert_eq!(main(5)["lastState"], main(4)["state"]);
    assert_eq!(main(5)["lastState"]["terminated"]["reason"], "Error");
    assert!(
        main(5)["state"]["waiting"]["message"]
            .as_str()
            .unwrap()
            .contains("10s")
    );
    assert_eq!(
        main(6)["lastState"],
        main(4)["state"],
        "it stays while the next attempt runs"
    );
    let pod = life.steps[5].object.as_ref().unwrap();
    assert_eq!(condition(pod, "Ready")["reason"], "ContainersNotReady");
    assert_eq!(condition(pod, "Initialized")["status"], "True");
}

#[test]
fn back_offs_reach_five_minutes_and_begin_anew_after_ten_minutes_of_running() {
    let mut pod = pod();
    annotate(&mut pod, "stagewright.dev/pod.run-for", "1s");
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "1");
    let life = steady().live(pod, "2026-01-01T01:00:00Z").unwrap();
    let pauses = |life: &stagewright_plugin::harness::Life| -> Vec<u64> {
        let mut ended = None;
        let mut pauses = Vec::new();
        for step in &life.steps {
            match step.stage.as_str() {
                "exit" => ended = Some(step.at),
                "restart" => pauses.push(step.at.since(ended.unwrap()).as_secs()),
                _ => {}
            }
        }
        pauses
    };
    assert_eq!(pauses(&life)[..9], [1, 10, 20, 40, 80, 160, 300, 300, 300]);

    let running = life
        .steps
        .iter()
        .rfind(|step| step.stage == "restart")
        .unwrap();
    let mut pod = running.object.clone().unwrap();
    annotate(&mut pod, "stagewright.dev/pod.run-for", "11m");
    let life = steady().live(pod, "2026-01-01T03:00:00Z").unwrap();
    assert_eq!(pauses(&life)[..3], [1, 1, 1], "it runs long each time");
    let mut pod = life
        .steps
        .iter()
        .rfind(|step| step.stage == "restart")
        .unwrap()
        .object
        .clone()
        .unwrap();
    annotate(&mut pod, "stagewright.dev/pod.run-for", "1s");
    let life = steady().live(pod, "2026-01-01T04:00:00Z").unwrap();
    assert_eq!(
        pauses(&life)[..3],
        [10, 20, 40],
        "and was remembered as calm"
    );
}

/// api/v1/pod/util.go `ContainerShouldRestart`: the container's rules, its policy, the pod's.
#[test]
fn whether_a_container_runs_again_is_its_policy() {
    let rule = |operator: &str| json!([{"action": "Restart", "exitCodes": {"operator": operator, "values": [42]}}]);
    for (pod_policy, own, rules, code, expected) in [
        ("Always", "", json!([]), 0, "restart"),
        ("OnFailure", "", json!([]), 0, "Succeeded"),
        ("OnFailure", "", json!([]), 1, "restart"),
        ("Never", "", json!([]), 0, "Succeeded"),
        ("Never", "", json!([]), 1, "Failed"),
        ("Never", "OnFailure", json!([]), 1, "restart"),
        ("Always", "Never", json!([]), 1, "Failed"),
        ("Never", "Never", rule("In"), 42, "restart"),
        ("Never", "Never", rule("In"), 41, "Failed"),
        ("Never", "Never", rule("NotIn"), 41, "restart"),
        ("Never", "Never", rule("NotIn"), 42, "Failed"),
    ] {
        let mut pod = pod();
        pod["spec"]["restartPolicy"] = json!(pod_policy);
        let container = &mut pod["spec"]["containers"][0];
        if !own.is_empty() {
            container["restartPolicy"] = json!(own);
        }
        container["restartPolicyRules"] = rules.clone();
        annotate(&mut pod, "stagewright.dev/pod.run-for", "5s");
        annotate(&mut pod, "stagewright.dev/pod.exit-code", &code.to_string());
        let life = steady().live(pod, "2026-01-01T00:00:16Z").unwrap();
        let step = life.steps.last().unwrap();
        let phase = step.object.as_ref().unwrap()["status"]["phase"]
            .as_str()
            .unwrap();
        let found = if step.stage == "restart" {
            "restart"
        } else {
            phase
        };
        assert_eq!(
            found, expected,
            "pod {pod_policy}, own {own}, rules {rules}, exit {code}"
        );
    }
}

/// An init container is retried under the pod's policy, also under Always; what was done before is not done again.
#[test]
fn an_init_container_that_fails_is_retried() {
    let mut pod = pod_with_inits();
    annotate(&mut pod, "stagewright.dev/pod.crashes", "second=2");
    let expected = [
        "+1 create Pending first:PodInitializing proxy:PodInitializing second:PodInitializing main:PodInitializing",
        "+2 init-start Pending first:up proxy:PodInitializing second:PodInitializing main:PodInitializing",
        "+4 init-complete Pending first:exit0* proxy:PodInitializing second:PodInitializing main:PodInitializing",
        "+5 init-start Pending first:exit0* proxy:up* second:PodInitializing main:PodInitializing",
        "+6 init-start Pending first:exit0* proxy:up* second:up main:PodInitializing",
        "+8 exit Pending first:exit0* proxy:up* second:exit1 main:PodInitializing",
        "+9 restart Pending first:exit0* proxy:up* second:up#1 main:PodInitializing",
        "+11 exit Pending first:exit0* proxy:up* second:exit1#1 main:PodInitializing",
        "+12 back-off Pending first:exit0* proxy:up* second:CrashLoopBackOff#1 main:PodInitializing",
        "+21 restart Pending first:exit0* proxy:up* second:up#2 main:PodInitializing",
        "+23 init-complete Pending first:exit0* proxy:up* second:exit0*#2 main:PodInitializing",
        "+24 ready Running first:exit0* proxy:up* second:exit0*#2 main:up*",
    ];
    walk(&mut steady(), pod, 3600, &expected);
}

/// A sidecar is restarted whatever the pod's policy, and its end counts for nothing (KEP-753). One in back-off is lost with its pod
/// (kubelet/status/status_manager.go `TerminatePod`).
#[test]
fn a_sidecar_that_fails_is_restarted_beside_the_others() {
    let mut pod = pod();
    pod["spec"]["restartPolicy"] = json!("Never");
    pod["spec"]["initContainers"] =
        json!([{"name": "proxy", "image": "b", "restartPolicy": "Always"}]);
    annotate(&mut pod, "stagewright.dev/pod.run-for", "proxy=5s,main=17s");
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "proxy=1");
    let expected = [
        "+1 create Pending proxy:PodInitializing main:PodInitializing",
        "+2 init-start Pending proxy:up* main:PodInitializing",
        "+3 ready Running proxy:up* main:up*",
        "+7 exit Running proxy:exit1 main:up*",
        "+8 restart Running proxy:up*#1 main:up*",
        "+13 exit Running proxy:exit1#1 main:up*",
        "+14 back-off Running proxy:CrashLoopBackOff#1 main:up*",
        "+20 exit Succeeded proxy:exit137#1 main:exit0",
    ];
    let life = walk(&mut steady(), pod, 3600, &expected);
    let proxy = status_of(life.object().unwrap(), "initContainerStatuses", "proxy");
    assert_eq!(
        proxy["state"]["terminated"]["reason"],
        "ContainerStatusUnknown"
    );
    assert_eq!(
        condition(life.steps[3].object.as_ref().unwrap(), "Ready")["status"],
        "False"
    );
}

/// A container in back-off ends with the pod that is deleted, and is not restarted meanwhile.
#[test]
fn a_deleted_pod_restarts_nothing() {
    let mut pod = pod();
    annotate(&mut pod, "stagewright.dev/pod.run-for", "5s");
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "1");
    let life = steady().live(pod, "2026-01-01T00:00:22Z").unwrap();
    let mut pod = life.object().unwrap().clone();
    stagewright_plugin::harness::delete(&mut pod, "2026-01-01T00:00:22Z", 30);
    walk(
        &mut steady(),
        pod,
        3600,
        &["+15 terminate Failed main:exit137#1", "+15 delete"],
    );
}

fn restarting_all() -> Value {
    let mut pod = pod_with_inits();
    pod["spec"]["restartPolicy"] = json!("Never");
    pod["spec"]["containers"][0]["restartPolicy"] = json!("Never");
    pod["spec"]["containers"][0]["restartPolicyRules"] = json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [88]}}]);
    annotate(&mut pod, "stagewright.dev/pod.run-for", "main=5s");
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "main=88");
    annotate(&mut pod, "stagewright.dev/pod.crashes", "main=1");
    pod
}

/// KEP-5532; kubelet/kubelet_pods.go `convertToAPIContainerStatuses`: all containers are taken away and wait as
/// `RestartingAllContainers`, one restart on; kubelet/status/generate.go `GenerateAllContainersRestartingCondition`. The phase stays
/// Running, where the kubelet would say Pending while init containers run again: no phase of ours goes back.
#[test]
fn a_rule_restarts_all_containers() {
    let expected = [
        "+1 create Pending first:PodInitializing proxy:PodInitializing second:PodInitializing main:PodInitializing",
        "+2 init-start Pending first:up proxy:PodInitializing second:PodInitializing main:PodInitializing",
        "+4 init-complete Pending first:exit0* proxy:PodInitializing second:PodInitializing main:PodInitializing",
        "+5 init-start Pending first:exit0* proxy:up* second:PodInitializing main:PodInitializing",
        "+6 init-start Pending first:exit0* proxy:up* second:up main:PodInitializing",
        "+8 init-complete Pending first:exit0* proxy:up* second:exit0* main:PodInitializing",
        "+9 ready Running first:exit0* proxy:up* second:exit0* main:up*",
        "+14 exit Running first:exit0* proxy:up* second:exit0* main:exit88",
        "+15 restart-all Running first:RestartingAllContainers#1 proxy:RestartingAllContainers#1 second:RestartingAllContainers#1 main:RestartingAllContainers#1",
        "+16 init-start Running first:up#1 proxy:RestartingAllContainers#1 second:RestartingAllContainers#1 main:RestartingAllContainers#1",
        "+18 init-complete Running first:exit0*#1 proxy:RestartingAllContainers#1 second:RestartingAllContainers#1 main:RestartingAllContainers#1",
        "+19 init-start Running first:exit0*#1 proxy:up*#1 second:RestartingAllContainers#1 main:RestartingAllContainers#1",
        "+20 init-start Running first:exit0*#1 proxy:up*#1 second:up#1 main:RestartingAllContainers#1",
        "+22 init-complete Running first:exit0*#1 proxy:up*#1 second:exit0*#1 main:RestartingAllContainers#1",
        "+23 ready Running first:exit0*#1 proxy:up*#1 second:exit0*#1 main:up*#1",
        "+28 exit Running first:exit0*#1 proxy:up*#1 second:exit0*#1 main:exit0#1",
        "+29 stop Succeeded first:exit0*#1 proxy:exit0#1 second:exit0*#1 main:exit0#1",
    ];
    let life = walk(&mut steady(), restarting_all(), 3600, &expected);
    let of = |step: usize, kind: &str| {
        condition(life.steps[step].object.as_ref().unwrap(), kind).clone()
    };
    assert_eq!(of(7, "AllContainersRestarting")["status"], "False");
    assert_eq!(
        of(8, "AllContainersRestarting")["reason"],
        "RestartAllContainersStarted"
    );
    assert_eq!(of(9, "AllContainersRestarting")["status"], "False");
    assert_eq!(
        of(9, "Initialized")["status"],
        "True",
        "what is initialized stays so"
    );
    assert_eq!(of(16, "AllContainersRestarting")["reason"], "PodCompleted");
    let main = status_of(
        life.steps[8].object.as_ref().unwrap(),
        "containerStatuses",
        "main",
    );
    let last = &main["lastState"]["terminated"];
    assert_eq!(
        (&last["exitCode"], &last["reason"]),
        (&json!(137), &json!("RestartingAllContainers"))
    );
}

/// A play has at most 16 effects, however many containers move at once.
#[test]
fn forty_containers_that_fail_together_fit_into_a_play() {
    let mut pod = pod();
    let containers = (0..40).map(|number| json!({"name": format!("c{number}"), "image": "i"}));
    pod["spec"]["containers"] = containers.collect();
    annotate(&mut pod, "stagewright.dev/pod.run-for", "5s");
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "1");
    let life = steady().live(pod, "2026-01-01T00:01:00Z").unwrap();
    assert!(life.steps.iter().any(|step| step.stage == "back-off"));
    for step in &life.steps {
        assert!(
            step.effects.len() <= 16,
            "{}: {} effects",
            step.stage,
            step.effects.len()
        );
    }
}
