//! Containers that end and run again, or do not.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{self, SOON, Scene, is_true, name, phase, text, uid};

use super::support::{
    alone, container, ever, exit_code, nodes, number, pod, runs, says, seconds, status, until, view,
};

/// Three failures: the first restart is at once, the next after 10 s, then 20 s (`doBackOff` in kuberuntime_manager.go). Phase and
/// neighbour stay as they are, and each restart is a new container.
pub async fn a_container_that_crashes_waits_longer_each_time(scene: Scene) -> Result<()> {
    let spec = json!({"containers": [container("main"), container("other")]});
    let asks = [
        ("crashes", "main=3"),
        ("exit-code", "main=3"),
        ("exit-reason", "main=OOMKilled"),
    ];
    let (pods, created) = alone(&scene, pod(&scene, "web", &asks, spec)).await?;
    let calm = until(&pods, "web", "Ready after three restarts", |pod| {
        number(status(pod, "main"), "/restartCount") == 3 && is_true(pod, "Ready")
    })
    .await?;
    let known = pods.now();
    let versions: Vec<&Value> = known
        .versions(uid(&created))
        .map(|seen| &*seen.object)
        .collect();
    let mut ids = Vec::new();
    for (restarts, wait) in [(1, 0..=4), (2, 10..=14), (3, 20..=24)] {
        let again = versions.iter().find(|pod| {
            number(status(pod, "main"), "/restartCount") == restarts && runs(pod, "main")
        });
        let again = status(again.map_or(&Value::Null, |pod| pod), "main");
        let ended = seconds(again, "/lastState/terminated/finishedAt")?;
        let waited = seconds(again, "/state/running/startedAt")? - ended;
        ensure!(
            wait.contains(&waited),
            "restart {restarts} came after {waited} s: {again}"
        );
        ensure!(
            number(again, "/lastState/terminated/exitCode") == 3
                && text(again, "/lastState/terminated/reason") == "OOMKilled",
            "its last end is told: {again}"
        );
        ids.push(text(again, "/containerID").to_owned());
    }
    ids.dedup();
    ensure!(ids.len() == 3, "each is a container of its own: {ids:?}");
    let backs_off =
        |pod: &Value| text(status(pod, "main"), "/state/waiting/reason") == "CrashLoopBackOff";
    // A container that waits after an end counts as one that is to be restarted, not as one that never ran (`getPhase`).
    ensure!(
        ever(&known, uid(&created), |pod| backs_off(pod)
            && phase(pod) == "Running"
            && says(pod, "Ready") == "False/ContainersNotReady"),
        "it backed off in a pod that runs and is not ready"
    );
    ensure!(
        number(status(&calm, "other"), "/restartCount") == 0,
        "the other was left alone: {calm}"
    );
    Ok(())
}

/// Whether a container runs again is its rules', its own and the pod's policy's word, in that order (`ContainerShouldRestart` in
/// pkg/api/v1/pod/util.go); what the pod came to is `getPhase`'s.
pub async fn policies_and_rules_say_what_becomes_of_an_exit_code(scene: Scene) -> Result<()> {
    nodes(&scene, 1).await?;
    let pods = view(&scene, "v1/Pod").await?;
    let rule = |code: u8, action: &str| {
        json!({"name": "main", "image": "example.com/main:1", "restartPolicy": "Never",
        "restartPolicyRules": [{"action": action, "exitCodes": {"operator": "In", "values": [code]}}]})
    };
    // Name, policy, containers, exit code, how often it fails, the phase at the end, restarts at the end.
    let cases = [
        (
            "never-well",
            "Never",
            container("main"),
            "0",
            None,
            "Succeeded",
            0,
        ),
        (
            "never-badly",
            "Never",
            container("main"),
            "3",
            None,
            "Failed",
            0,
        ),
        (
            "on-failure-well",
            "OnFailure",
            container("main"),
            "0",
            None,
            "Succeeded",
            0,
        ),
        (
            "on-failure-badly",
            "OnFailure",
            container("main"),
            "3",
            Some("1"),
            "Succeeded",
            1,
        ),
        (
            "rule-met",
            "Never",
            rule(42, "Restart"),
            "42",
            Some("1"),
            "Succeeded",
            1,
        ),
        (
            "rule-missed",
            "Never",
            rule(42, "Restart"),
            "41",
            Some("1"),
            "Failed",
            0,
        ),
    ];
    for (name, policy, container, code, crashes, ..) in &cases {
        let mut asks = vec![("run-for", "1s"), ("exit-code", *code)];
        asks.extend(crashes.map(|crashes| ("crashes", crashes)));
        let spec = json!({"restartPolicy": policy, "containers": [container]});
        scenario::create(&scene.client, pod(&scene, name, &asks, spec)).await?;
    }
    for (name, .., code, _, ended, restarts) in &cases {
        let pod = until(&pods, name, ended, |pod| phase(pod) == *ended).await?;
        let main = status(&pod, "main");
        ensure!(number(main, "/restartCount") == *restarts, "{name}: {main}");
        let code = if *ended == "Failed" {
            code.parse().ok()
        } else {
            Some(0)
        };
        ensure!(exit_code(&pod, "main") == code, "{name}: {main}");
        // `mergePodStatus` in status_manager.go: a pod that ended is not ready.
        let reason = if *ended == "Failed" {
            "False/PodFailed"
        } else {
            "False/PodCompleted"
        };
        ensure!(
            says(&pod, "Ready") == reason && says(&pod, "ContainersReady") == reason,
            "{name}: {pod}"
        );
    }
    pods.holds("what has ended stays so", SOON / 20, |known| {
        cases
            .iter()
            .all(|case| known.get(case.0).is_some_and(|pod| phase(pod) == case.5))
    })
    .await
}

/// One container's exit restarts all of them in place, init containers first (KEP-5532; `convertToAPIContainerStatuses` in
/// kubelet_pods.go).
pub async fn a_rule_restarts_all_containers_in_place(scene: Scene) -> Result<()> {
    let rule = json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [88]}}]);
    let trainer = json!({"name": "trainer", "image": "example.com/trainer:1", "restartPolicy": "Never", "restartPolicyRules": rule});
    let spec = json!({"restartPolicy": "Never", "initContainers": [container("setup")], "containers": [trainer, container("watch")]});
    let asks = [
        ("crashes", "trainer=1"),
        ("exit-code", "trainer=88"),
        ("run-for", "trainer=2s"),
    ];
    let (pods, created) = alone(&scene, pod(&scene, "train", &asks, spec)).await?;
    let again = until(&pods, "train", "begun anew", |pod| {
        runs(pod, "watch")
            && ["setup", "trainer", "watch"]
                .iter()
                .all(|one| number(status(pod, one), "/restartCount") == 1)
    })
    .await?;
    ensure!(phase(&again) == "Running", "{again}");
    let restarting =
        |pod: &Value| says(pod, "AllContainersRestarting") == "True/RestartAllContainersStarted";
    ensure!(
        ever(&pods.now(), uid(&created), restarting),
        "the condition told of it"
    );
    Ok(())
}

/// A Deployment's pods with `crashes` are replaced by nobody: a restart is the kubelet's, and the ReplicaSet's pods stay the same.
pub async fn a_replica_set_keeps_pods_that_restart(scene: Scene) -> Result<()> {
    nodes(&scene, 1).await?;
    let (pods, sets) = (
        view(&scene, "v1/Pod").await?,
        view(&scene, "apps/v1/ReplicaSet").await?,
    );
    let template = super::support::template(&scene, "web", &[("crashes", "1")], json!({}));
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "namespace": scene.name},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}});
    scenario::create(&scene.client, set).await?;
    pods.until("three pods restarted once and Ready", SOON, |known| {
        known.all(3, |pod| {
            number(status(pod, "main"), "/restartCount") == 1 && is_true(pod, "Ready")
        })
    })
    .await?;
    until(&sets, "web", "available", |set| {
        number(set, "/status/availableReplicas") == 3
    })
    .await?;
    let mut names: Vec<String> = pods
        .now()
        .history
        .iter()
        .map(|seen| name(&seen.object).to_owned())
        .collect();
    names.sort();
    names.dedup();
    ensure!(names.len() == 3, "no pod was replaced: {names:?}");
    Ok(())
}
