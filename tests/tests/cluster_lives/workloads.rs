//! What the real controllers make of pods that fail, succeed and are ready.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{self, SOON, Scene, is_true, name, phase, text};

use super::support::{node, nodes, number, says, template, until, view};

fn job(scene: &Scene, name: &str, asks: &[(&str, &str)], policy: &str, spec: Value) -> Value {
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": scene.name},
        "spec": {"template": template(scene, name, asks, json!({"restartPolicy": policy}))}});
    if let (Some(whole), Value::Object(spec)) = (
        job.pointer_mut("/spec").and_then(Value::as_object_mut),
        spec,
    ) {
        whole.extend(spec);
    }
    job
}

/// Two failures are one more than the limit allows; restarts in place count too if the policy is OnFailure.
pub async fn jobs_fail_at_their_back_off_limit(scene: Scene) -> Result<()> {
    nodes(&scene, 1).await?;
    let (pods, jobs) = (
        view(&scene, "v1/Pod").await?,
        view(&scene, "batch/v1/Job").await?,
    );
    let anew = job(
        &scene,
        "anew",
        &[("exit-code", "1")],
        "Never",
        json!({"backoffLimit": 1}),
    );
    let place = job(
        &scene,
        "place",
        &[("crashes", "always")],
        "OnFailure",
        json!({"backoffLimit": 1}),
    );
    scenario::create_all(&scene.client, [anew, place]).await?;
    for name in ["anew", "place"] {
        let failed = until(&jobs, name, "Failed", |job| is_true(job, "Failed")).await?;
        ensure!(
            says(&failed, "Failed") == "True/BackoffLimitExceeded",
            "{failed}"
        );
    }
    let failed = pods
        .now()
        .count(|pod| text(pod, "/metadata/labels/app") == "anew" && phase(pod) == "Failed");
    ensure!(failed == 2, "{failed} pods failed");
    Ok(())
}

/// One exit code fails the whole Job; another fails one index only.
pub async fn pod_failure_policies_read_exit_codes(scene: Scene) -> Result<()> {
    nodes(&scene, 1).await?;
    let (pods, jobs) = (
        view(&scene, "v1/Pod").await?,
        view(&scene, "batch/v1/Job").await?,
    );
    let policy = |action: &str| json!({"rules": [{"action": action, "onExitCodes": {"operator": "In", "values": [42]}}]});
    let whole = json!({"backoffLimit": 6, "podFailurePolicy": policy("FailJob")});
    let index = json!({"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1,
        "podFailurePolicy": policy("FailIndex")});
    let asks = [("exit-code", "42")];
    let jobs_made = [
        job(&scene, "whole", &asks, "Never", whole),
        job(&scene, "index", &asks, "Never", index),
    ];
    scenario::create_all(&scene.client, jobs_made).await?;
    let failed = until(&jobs, "whole", "Failed", |job| is_true(job, "Failed")).await?;
    ensure!(
        says(&failed, "Failed") == "True/PodFailurePolicy",
        "{failed}"
    );
    let failed = until(&jobs, "index", "Failed", |job| is_true(job, "Failed")).await?;
    ensure!(text(&failed, "/status/failedIndexes") == "0,1", "{failed}");
    let tried = |app: &str| {
        pods.now()
            .count(|pod| text(pod, "/metadata/labels/app") == app)
    };
    ensure!(
        tried("whole") == 1 && tried("index") == 2,
        "nothing was tried twice"
    );
    Ok(())
}

/// Each index has one pod that succeeds, two at a time.
pub async fn an_indexed_job_completes_every_index(scene: Scene) -> Result<()> {
    nodes(&scene, 1).await?;
    let (pods, jobs) = (
        view(&scene, "v1/Pod").await?,
        view(&scene, "batch/v1/Job").await?,
    );
    let spec = json!({"completions": 4, "parallelism": 2, "completionMode": "Indexed"});
    scenario::create(&scene.client, job(&scene, "work", &[], "Never", spec)).await?;
    let done = until(&jobs, "work", "Complete", |job| is_true(job, "Complete")).await?;
    ensure!(
        text(&done, "/status/completedIndexes") == "0-3" && number(&done, "/status/succeeded") == 4,
        "{done}"
    );
    pods.until("four pods without finalizers", SOON, |known| {
        known.all(4, |pod| {
            phase(pod) == "Succeeded" && pod.pointer("/metadata/finalizers").is_none()
        })
    })
    .await
}

/// Up in order, each when the one before is Ready; down the other way round, each when the one before is gone.
pub async fn a_stateful_set_goes_up_and_down_in_order(scene: Scene) -> Result<()> {
    nodes(&scene, 2).await?;
    let pods = view(&scene, "v1/Pod").await?;
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": scene.name},
        "spec": {"replicas": 3, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template(&scene, "db", &[], json!({}))}});
    let set = scenario::create(&scene.client, set).await?;
    pods.until("three Ready", SOON, |known| {
        known.all(3, |pod| is_true(pod, "Ready"))
    })
    .await?;
    {
        let known = pods.now();
        let mut ready = Vec::<&str>::new();
        for seen in &known.history {
            let name = name(&seen.object);
            let before = match name {
                "db-1" => Some("db-0"),
                "db-2" => Some("db-1"),
                _ => None,
            };
            ensure!(
                before.is_none_or(|before| ready.contains(&before)),
                "{name} came before the one before it was Ready"
            );
            if is_true(&seen.object, "Ready") {
                ready.push(name);
            }
        }
    }
    scenario::merge(&scene.client, &set, None, json!({"spec": {"replicas": 0}})).await?;
    pods.until("all gone", SOON, |known| known.is_empty())
        .await?;
    let known = pods.now();
    let gone: Vec<&str> = known
        .history
        .iter()
        .filter(|seen| seen.gone)
        .map(|seen| name(&seen.object))
        .collect();
    ensure!(gone == ["db-2", "db-1", "db-0"], "they went as {gone:?}");
    Ok(())
}

/// One pod on every node, also on one that comes later and on one that is cordoned.
pub async fn a_daemon_set_is_on_all_nodes(scene: Scene) -> Result<()> {
    let nodes = nodes(&scene, 3).await?;
    let (pods, sets) = (
        view(&scene, "v1/Pod").await?,
        view(&scene, "apps/v1/DaemonSet").await?,
    );
    let cordoned = nodes.first().cloned().unwrap_or_default();
    scenario::merge(
        &scene.client,
        &cordoned,
        None,
        json!({"spec": {"unschedulable": true}}),
    )
    .await?;
    let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": scene.name},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template(&scene, "agent", &[], json!({}))}});
    scenario::create(&scene.client, set).await?;
    until(&sets, "agent", "on three nodes", |set| {
        number(set, "/status/numberReady") == 3
    })
    .await?;
    scenario::create(&scene.client, node(&scene, &format!("{}-late", scene.name))).await?;
    until(&sets, "agent", "on four nodes", |set| {
        number(set, "/status/numberAvailable") == 4
    })
    .await?;
    let known = pods.now();
    let mut on: Vec<&str> = known
        .objects
        .values()
        .map(|pod| text(pod, "/spec/nodeName"))
        .collect();
    on.sort_unstable();
    on.dedup();
    ensure!(on.len() == 4, "one on each: {on:?}");
    drop(known);
    // What the annotation says of the daemon's pods is theirs alone: the set stays as it is.
    pods.holds("they stay", Duration::from_secs(3), |known| {
        known.all(4, |pod| is_true(pod, "Ready"))
    })
    .await
}
