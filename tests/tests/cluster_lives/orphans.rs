//! A node that is deleted, its pods, and one that is made again under its name.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{self, SOON, Scene, View, is_true, name, phase, text, uid};

use super::support::{ask, node, nodes, pod, runs, says, template, until, view};

/// The pods of a node that goes, in every state, are cleaned up by the pod garbage collector (`gcOrphaned` in gc_controller.go, after
/// 40 s of quarantine) and the DaemonSet's controller: one that runs, one that is being deleted, one that failed (kwok#1485), one that a
/// finalizer holds, a DaemonSet's. None is written to by us. The next node of that name has nothing of it.
pub async fn a_deleted_nodes_pods_are_cleaned_and_its_namesake_starts_clean(
    scene: Scene,
) -> Result<()> {
    let made = nodes(&scene, 1).await?;
    let gone = made.first().context("a node")?;
    let (pods, view_of_nodes) = (
        view(&scene, "v1/Pod").await?,
        View::open(&scene.client, "v1/Node", None).await?,
    );
    let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": scene.name},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template(&scene, "agent", &[], json!({}))}});
    scenario::create(&scene.client, set).await?;
    let long = json!({"terminationGracePeriodSeconds": 600});
    let mut held = pod(&scene, "held", &[], json!({}));
    scenario::set(
        &mut held,
        "metadata",
        "finalizers",
        json!(["example.com/hold"]),
    );
    let single = [
        pod(&scene, "running", &[], json!({})),
        pod(&scene, "terminating", &[("terminate-delay", "600s")], long),
        pod(&scene, "failed", &[], json!({"restartPolicy": "Never"})),
        held,
    ];
    let single = scenario::create_all(&scene.client, single).await?;
    pods.until("five Ready", SOON, |known| {
        known.all(5, |pod| is_true(pod, "Ready"))
    })
    .await?;
    let [_, terminating, failed, held] = single.as_slice() else {
        anyhow::bail!("four pods");
    };
    scenario::delete(&scene.client, terminating, None).await?;
    scenario::merge(&scene.client, failed, None, ask("evict", "true".into())).await?;
    until(&pods, "failed", "Failed", |pod| phase(pod) == "Failed").await?;
    let addresses = taken(&pods);

    scenario::delete(&scene.client, gone, None).await?;
    pods.until(
        "all but the held one gone, and that one Failed",
        3 * SOON,
        |known| known.all(1, |pod| name(pod) == "held" && phase(pod) == "Failed"),
    )
    .await?;
    let left = pods.now().get("held").cloned().unwrap_or_default();
    ensure!(
        phase(&left) == "Failed" && says(&left, "DisruptionTarget") == "True/DeletionByPodGC",
        "{left}"
    );

    let again = scenario::create(&scene.client, node(&scene, name(gone))).await?;
    let ready = until(&view_of_nodes, name(gone), "Ready again", |node| {
        is_true(node, "Ready")
    })
    .await?;
    ensure!(uid(&ready) == uid(&again), "it is another node");
    pods.until(
        "the held pod as it was, and the DaemonSet's anew",
        SOON,
        |known| {
            let held = known.get("held").is_some_and(|pod| phase(pod) == "Failed");
            held && known
                .count(|pod| is_true(pod, "Ready") && text(pod, "/metadata/labels/app") == "agent")
                == 1
        },
    )
    .await?;
    scenario::merge(
        &scene.client,
        held,
        None,
        json!({"metadata": {"finalizers": null}}),
    )
    .await?;
    pods.until("the held pod gone", SOON, |known| {
        known.get("held").is_none()
    })
    .await?;
    scenario::create(&scene.client, pod(&scene, "running", &[], json!({}))).await?;
    let new = until(&pods, "running", "Ready", |pod| is_true(pod, "Ready")).await?;
    ensure!(runs(&new, "main") && !addresses.is_empty(), "{new}");
    let mut now = taken(&pods);
    let all = now.len();
    now.sort();
    now.dedup();
    ensure!(
        now.len() == all && all == 2,
        "each has an address of its own: {now:?}"
    );
    Ok(())
}

fn taken(pods: &View) -> Vec<String> {
    let known = pods.now();
    known
        .objects
        .values()
        .map(|pod: &std::sync::Arc<Value>| text(pod, "/status/podIP").to_owned())
        .collect()
}
