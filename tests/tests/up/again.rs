//! A cluster that is killed, and goes on where it was.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Node, Pod, PodStatus};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};

use crate::support::*;

const PODS: usize = 600;
/// When so many pods run, others are not even created.
const SOME: usize = 40;

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// Each pod's uid and status.
async fn pods(client: &Client) -> Result<BTreeMap<String, (String, PodStatus)>> {
    let list = Api::<Pod>::default_namespaced(client.clone())
        .list(&ListParams::default())
        .await?;
    let pods = list.items.into_iter().map(|pod| {
        let name = pod.metadata.name.context("a name")?;
        let uid = pod.metadata.uid.context("a uid")?;
        Ok((name, (uid, pod.status.unwrap_or_default())))
    });
    pods.collect()
}

async fn node_uids(client: &Client) -> Result<Vec<Option<String>>> {
    let nodes = Api::<Node>::all(client.clone());
    let list = nodes.list(&ListParams::default()).await?;
    Ok(list
        .items
        .into_iter()
        .map(|node| node.metadata.uid)
        .collect())
}

async fn until_some_run(client: &Client) -> Result<()> {
    let pods = Api::<Pod>::default_namespaced(client.clone());
    let mut events = pods.watch(&WatchParams::default(), "0").await?.boxed();
    let mut running = 0;
    while let Some(event) = events.try_next().await? {
        if let WatchEvent::Added(pod) | WatchEvent::Modified(pod) = event {
            running += usize::from(phase(&pod) == Some("Running"));
        }
        if running >= SOME {
            return Ok(());
        }
    }
    bail!("the watch ended")
}

#[tokio::test]
async fn what_lives_goes_on_after_a_kill() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = format!("--data-dir={}", folder.path().join("data").display());
    let file = folder.path().join("kubeconfig");
    let kubeconfig_file = format!("--kubeconfig={}", file.display());
    let all_pods = format!("--pods={PODS}");
    let arguments = [
        "--nodes=20",
        &all_pods,
        &data,
        &kubeconfig_file,
        "--output=json",
    ];
    let up = Up::start(&arguments, "").await?;
    let written = async {
        while !file.exists() {
            tokio::task::yield_now().await;
        }
    };
    within("the kubeconfig", written).await?;
    let first = client(&file).await?;
    within("some pods", until_some_run(&first)).await??;
    let (nodes, early) = (node_uids(&first).await?, pods(&first).await?);
    up.kill().await?;
    let is_running = |status: &PodStatus| status.phase.as_deref() == Some("Running");
    let ran = early.values().filter(|(_, status)| is_running(status));
    let ran = ran.count();
    ensure!(
        (SOME..PODS).contains(&ran),
        "{ran} pods ran: that is no middle"
    );

    // It is in the middle, and then at rest.
    let mut before = early;
    for _ in 0..2 {
        let mut up = Up::start(&arguments, "").await?;
        let summary = up.summary().await?;
        assert_eq!(summary["backward"], 0, "{summary}");
        let again = client(&kubeconfig(&summary)?).await?;
        assert_eq!(node_uids(&again).await?, nodes);
        let after = pods(&again).await?;
        assert_eq!(after.len(), PODS);
        for (name, (uid, status)) in &before {
            let (same, now) = after.get(name).context("no pod is lost")?;
            assert_eq!(uid, same, "{name}");
            if is_running(status) {
                assert_eq!(status, now, "{name}");
            }
        }
        assert!(after.values().all(|(_, status)| is_running(status)));
        up.kill().await?;
        before = after;
    }
    Ok(())
}
