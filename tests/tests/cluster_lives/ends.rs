//! How pods end: by themselves, by deletion, by eviction, by their deadline.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::EvictParams;
use serde_json::{Value, json};
use stagewright_tests::scenario::{self, SOON, Scene, is_true, name, phase, text, uid};

use super::support::{
    alone, any, ask, container, ever, exit_code, nodes, number, pod, runs, says, status, until,
    view,
};

/// A pod with a finalizer: its container ends within the grace period, the pod is terminal before it goes (`canBeDeleted` in
/// status_manager.go), and it goes when the finalizer does, not earlier.
pub async fn a_deleted_pod_ends_and_waits_for_its_finalizers(scene: Scene) -> Result<()> {
    let mut object = pod(&scene, "web", &[("exit-code", "5")], json!({}));
    scenario::set(
        &mut object,
        "metadata",
        "finalizers",
        json!(["example.com/hold"]),
    );
    let (pods, created) = alone(&scene, object).await?;
    until(&pods, "web", "Ready", |pod| is_true(pod, "Ready")).await?;
    scenario::delete(&scene.client, &created, Some(4)).await?;
    let ended = until(&pods, "web", "ended", |pod| phase(pod) == "Failed").await?;
    ensure!(
        exit_code(&ended, "main") == Some(5) && says(&ended, "Ready") == "False/PodFailed",
        "{ended}"
    );
    let terminating =
        |pod: &Value| !text(pod, "/metadata/deletionTimestamp").is_empty() && runs(pod, "main");
    ensure!(
        ever(&pods.now(), uid(&created), terminating),
        "its container ran on for a while"
    );
    pods.holds("the pod waits for its finalizer", SOON / 15, |known| {
        known.get("web").is_some()
    })
    .await?;
    scenario::merge(
        &scene.client,
        &created,
        None,
        json!({"metadata": {"finalizers": null}}),
    )
    .await?;
    pods.until("the pod gone", SOON, |known| known.is_empty())
        .await
}

/// One container ends in the very second in which both began, so that the other's end is the same stage of the same stay: it comes
/// nevertheless, though the API server completes each status that is written.
pub async fn containers_end_one_by_one_within_one_stay(scene: Scene) -> Result<()> {
    let spec =
        json!({"restartPolicy": "Never", "containers": [container("main"), container("other")]});
    let asks = [("run-for", "main=1ms,other=3s")];
    let (pods, _) = alone(&scene, pod(&scene, "web", &asks, spec)).await?;
    let ended = until(&pods, "web", "ended", |pod| phase(pod) == "Succeeded").await?;
    ensure!(
        exit_code(&ended, "main") == Some(0) && exit_code(&ended, "other") == Some(0),
        "{ended}"
    );
    Ok(())
}

/// A pod past its `activeDeadlineSeconds` (`active_deadline.go`), and a Job past its own, whose pods its controller deletes.
pub async fn active_deadlines_end_pods_and_jobs(scene: Scene) -> Result<()> {
    let (pods, created) = alone(
        &scene,
        pod(&scene, "web", &[], json!({"activeDeadlineSeconds": 4})),
    )
    .await?;
    let ended = until(&pods, "web", "Failed", |pod| phase(pod) == "Failed").await?;
    ensure!(
        text(&ended, "/status/reason") == "DeadlineExceeded"
            && exit_code(&ended, "main") == Some(137),
        "{ended}"
    );
    ensure!(
        ever(&pods.now(), uid(&created), |pod| is_true(pod, "Ready")),
        "it ran before"
    );

    let jobs = view(&scene, "batch/v1/Job").await?;
    let template = super::support::template(
        &scene,
        "slow",
        &[("complete-delay", "10m")],
        json!({"restartPolicy": "Never"}),
    );
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "slow", "namespace": scene.name},
        "spec": {"activeDeadlineSeconds": 5, "template": template}});
    scenario::create(&scene.client, job).await?;
    let failed = until(&jobs, "slow", "Failed", |job| is_true(job, "Failed")).await?;
    ensure!(
        says(&failed, "Failed") == "True/DeadlineExceeded",
        "{failed}"
    );
    pods.until("the Job's pod gone", SOON, |known| {
        known.all(1, |pod| name(pod) == "web")
    })
    .await
}

/// The eviction API under a PodDisruptionBudget: refused while it would go below, else the pod ends with the DisruptionTarget
/// condition that the API server set, and is replaced.
pub async fn evictions_respect_budgets_and_leave_their_mark(scene: Scene) -> Result<()> {
    nodes(&scene, 2).await?;
    let pods = view(&scene, "v1/Pod").await?;
    let budgets = view(&scene, "policy/v1/PodDisruptionBudget").await?;
    let labels = json!({"matchLabels": {"app": "web"}});
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": scene.name},
        "spec": {"minAvailable": 2, "selector": labels}});
    let budget = scenario::create(&scene.client, budget).await?;
    let template = super::support::template(&scene, "web", &[("terminate-delay", "2s")], json!({}));
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": scene.name},
        "spec": {"replicas": 2, "selector": labels, "template": template}});
    scenario::create(&scene.client, deployment).await?;
    until(&budgets, "web", "healthy", |budget| {
        number(budget, "/status/currentHealthy") == 2
    })
    .await?;
    let evicted = any(&pods)?;
    let api: Api<Pod> = Api::namespaced(scene.client.clone(), &scene.name);
    // The client tries again as the server tells it to, and that is for as long as the budget holds.
    let parameters = EvictParams::default();
    let refused = api.evict(name(&evicted), &parameters);
    let refused = tokio::time::timeout(Duration::from_secs(3), refused);
    if let Ok(answer) = refused.await {
        let code = answer.err().and_then(|error| match error {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        });
        ensure!(code == Some(429), "the budget did not hold: {code:?}");
    }
    let left = until(&pods, name(&evicted), "there", |_| true).await?;
    ensure!(
        is_true(&left, "Ready") && text(&left, "/metadata/deletionTimestamp").is_empty(),
        "the budget did not hold: {left}"
    );
    scenario::merge(
        &scene.client,
        &budget,
        None,
        json!({"spec": {"minAvailable": 1}}),
    )
    .await?;
    until(&budgets, "web", "with room for one", |budget| {
        number(budget, "/status/disruptionsAllowed") == 1
    })
    .await?;
    api.evict(name(&evicted), &EvictParams::default()).await?;
    let gone = |known: &scenario::Known| {
        known.get(name(&evicted)).is_none() && known.all(2, |pod| is_true(pod, "Ready"))
    };
    pods.until("it is gone, and two others are Ready", SOON, gone)
        .await?;
    let known = pods.now();
    let last = known
        .versions(uid(&evicted))
        .last()
        .context("its last version")?;
    ensure!(
        says(&last.object, "DisruptionTarget") == "True/EvictionByEvictionAPI",
        "{}",
        last.object
    );
    ensure!(
        matches!(phase(&last.object), "Succeeded" | "Failed"),
        "it ended before it went: {}",
        last.object
    );
    Ok(())
}

/// The kubelet's own eviction (`evictPod` in kubelet/eviction/eviction_manager.go): the pod has failed and stays; its ReplicaSet makes
/// another, and a Job that ignores disruptions does not count it.
pub async fn the_kubelets_evictions_fail_pods_that_are_replaced(scene: Scene) -> Result<()> {
    nodes(&scene, 1).await?;
    let (pods, jobs) = (
        view(&scene, "v1/Pod").await?,
        view(&scene, "batch/v1/Job").await?,
    );
    let spec = json!({"restartPolicy": "Never"});
    let template = super::support::template(&scene, "work", &[("complete-delay", "10m")], spec);
    let policy = json!({"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work", "namespace": scene.name},
        "spec": {"backoffLimit": 0, "podFailurePolicy": policy, "template": template}});
    scenario::create(&scene.client, job).await?;
    pods.until("its pod Ready", SOON, |known| {
        known.all(1, |pod| is_true(pod, "Ready"))
    })
    .await?;
    let first = any(&pods)?;
    scenario::merge(
        &scene.client,
        &first,
        None,
        ask("evict", "the disk is full".into()),
    )
    .await?;
    let evicted = until(&pods, name(&first), "evicted", |pod| {
        text(pod, "/status/reason") == "Evicted"
    })
    .await?;
    ensure!(
        phase(&evicted) == "Failed" && text(&evicted, "/status/message") == "the disk is full",
        "{evicted}"
    );
    ensure!(
        says(&evicted, "DisruptionTarget") == "True/TerminationByKubelet",
        "{evicted}"
    );
    ensure!(
        exit_code(&evicted, "main") == Some(137)
            && number(status(&evicted, "main"), "/restartCount") == 0,
        "{evicted}"
    );
    pods.until("another pod in its place", SOON, |known| {
        known.count(|pod| is_true(pod, "Ready")) == 1
    })
    .await?;
    let job = until(&jobs, "work", "active", |job| {
        number(job, "/status/active") == 1
    })
    .await?;
    ensure!(
        number(&job, "/status/failed") == 0,
        "a disruption does not count: {job}"
    );
    Ok(())
}
