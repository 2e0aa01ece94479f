//! A cluster that is killed, and goes on where it was.

use std::collections::BTreeMap;
use std::fmt::Debug;

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Node, Pod, PodStatus};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::support::*;

const NODES: usize = 20;
const PODS: usize = 600;
/// When so many pods run, it is killed: others are not even created.
const SOME: usize = 40;
/// The pod that has no node before the second start, so that there is a middle however fast the others are.
const LATE: &str = "late";

/// Each object's uid, by its name.
type Uids = BTreeMap<String, String>;

/// Each pod's uid and status, by its name.
type Pods = BTreeMap<String, (String, PodStatus)>;

fn is_running(status: &PodStatus) -> bool {
    status.phase.as_deref() == Some("Running")
}

/// The name and the uid.
fn identity(object: &impl Resource) -> Result<(String, String)> {
    let metadata = object.meta();
    let name = metadata.name.clone().context("a name")?;
    Ok((name, metadata.uid.clone().context("a uid")?))
}

async fn pods(client: &Client) -> Result<Pods> {
    let pods = Api::<Pod>::default_namespaced(client.clone());
    let list = pods.list(&ListParams::default()).await?;
    let pods = list.items.into_iter().map(|pod| {
        let (name, uid) = identity(&pod)?;
        Ok((name, (uid, pod.status.unwrap_or_default())))
    });
    pods.collect()
}

async fn node_uids(client: &Client) -> Result<Uids> {
    let nodes = Api::<Node>::all(client.clone());
    let list = nodes.list(&ListParams::default()).await?;
    list.items.iter().map(identity).collect()
}

/// Tells of objects, from the first one on, until that is enough.
async fn follow<K>(api: Api<K>, mut is_enough: impl FnMut(K) -> Result<bool>) -> Result<()>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut events = api.watch(&WatchParams::default(), "0").await?.boxed();
    while let Some(event) = events.try_next().await? {
        if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event
            && is_enough(object)?
        {
            return Ok(());
        }
    }
    bail!("the watch ended")
}

/// All nodes.
async fn until_nodes(client: &Client) -> Result<Uids> {
    let mut uids = Uids::new();
    let nodes = Api::<Node>::all(client.clone());
    follow(nodes, |node| {
        uids.extend([identity(&node)?]);
        Ok(uids.len() == NODES)
    })
    .await?;
    Ok(uids)
}

/// The pods that were heard of when some ran.
async fn until_some_run(client: &Client) -> Result<Pods> {
    let mut known = Pods::new();
    let pods = Api::<Pod>::default_namespaced(client.clone());
    follow(pods, |pod| {
        let (name, uid) = identity(&pod)?;
        known.insert(name, (uid, pod.status.unwrap_or_default()));
        let running = known.values().filter(|(_, status)| is_running(status));
        Ok(running.count() >= SOME)
    })
    .await?;
    Ok(known)
}

#[tokio::test]
async fn what_lives_goes_on_after_a_kill() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = format!("--data-dir={}", folder.path().join("data").display());
    let file = folder.path().join("kubeconfig");
    let kubeconfig_file = format!("--kubeconfig={}", file.display());
    let (all_nodes, all_pods) = (format!("--nodes={NODES}"), format!("--pods={PODS}"));
    let arguments = [
        all_nodes.as_str(),
        &all_pods,
        "--filename=-",
        &data,
        &kubeconfig_file,
        "--output=json",
    ];
    let late = serde_json::to_string(&pod(LATE)?)?;
    let up = Up::start(&[&arguments[..], &["--no-binder"]].concat(), &late).await?;
    until("the kubeconfig", async || Ok(file.exists())).await?;
    let first = client(&file).await?;
    let nodes = within("the nodes", until_nodes(&first)).await??;
    let mut before = within("some pods", until_some_run(&first)).await??;
    up.kill().await?;
    let of_late = before.get(LATE);
    assert!(of_late.is_some_and(|(_, status)| !is_running(status)));

    // It is in the middle, and then at rest.
    for _ in 0..2 {
        let mut up = Up::start(&arguments, &late).await?;
        let summary = up.summary().await?;
        assert_eq!(summary["backward"], 0, "{summary}");
        let again = client(&kubeconfig(&summary)?).await?;
        assert_eq!(node_uids(&again).await?, nodes);
        let after = pods(&again).await?;
        assert_eq!(after.len(), PODS + 1);
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
