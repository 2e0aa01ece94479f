//! `stagewright up`: the binary as its users start it.
#![allow(
    clippy::unwrap_used,
    reason = "what cannot be unwrapped here is a failure"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a test plays the users whose writes no guard admits"
)]

mod again;
mod alone;
mod capture;
mod garbage;
mod plugin;
mod reload;
mod secure;
mod support;

use anyhow::{Context as _, Result};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use serde_json::json;
use stagewright_tests::promise::Promise;

use support::*;

#[tokio::test]
async fn everything_settles_and_the_summary_says_how() -> Result<()> {
    let arguments = [
        "--nodes=100",
        "--pods=1000",
        "--exit-when-settled",
        "--output=json",
    ];
    let mut up = Up::start(&arguments, "").await?;
    let summary = up.summary().await?;
    assert_eq!(
        (&summary["nodes"], &summary["nodesReady"], &summary["pods"]),
        (&json!(100), &json!(100), &json!(1000))
    );
    assert_eq!(
        summary["podsByPhase"],
        json!({"Pending": 0, "Running": 1000, "Succeeded": 0, "Failed": 0, "Unknown": 0})
    );
    assert_eq!(
        (&summary["refused"], &summary["backward"]),
        (&json!(0), &json!(0))
    );
    assert!(summary["stagesPlayed"].as_u64() >= Some(1100), "{summary}");
    let times: Vec<f64> = [
        "firstDecisionSeconds",
        "createdSeconds",
        "nodesReadySeconds",
        "settledSeconds",
        "cpuSeconds",
    ]
    .iter()
    .filter_map(|name| summary[*name].as_f64())
    .collect();
    assert!(
        times.len() == 5 && times.iter().all(|time| *time > 0.0),
        "{summary}"
    );
    assert!(
        summary["lagSeconds"]["median"].as_f64() <= summary["lagSeconds"]["p99"].as_f64(),
        "{summary}"
    );
    assert!(
        summary["residentBytes"].as_u64() > Some(1 << 20),
        "{summary}"
    );
    let (server, context) = (summary["server"].as_str().unwrap(), &summary["context"]);
    assert!(
        server.starts_with("http://127.0.0.1:") && context == "stagewright",
        "{summary}"
    );
    let file = kubeconfig(&summary)?;
    let (status, errors) = up.end().await?;
    assert!(status.success(), "{errors}");
    assert_eq!(errors, "", "scripts get no progress");
    assert!(!file.exists(), "the kubeconfig goes with the cluster");
    Ok(())
}

#[tokio::test]
async fn everything_settles_within_ten_seconds() -> Result<()> {
    let arguments = ["--nodes=100", "--pods=1000", "--output=json"];
    let mut promise = Promise::of(10.0);
    while promise.next_start()?.is_some() {
        let mut up = Up::start(&arguments, "").await?;
        let summary = up.summary().await?;
        let seconds = |name: &str| summary[name].as_f64().context("seconds");
        promise.took(seconds("settledSeconds")?, seconds("cpuSeconds")?)?;
        up.stop().await?;
    }
    promise.verdict()
}

#[tokio::test]
async fn clients_list_watch_delete_and_have_their_pods_bound() -> Result<()> {
    let mut up = Up::start(&["--nodes=3", "--pods=9", "--output=json"], "").await?;
    let summary = up.summary().await?;
    let client = client(&kubeconfig(&summary)?).await?;
    let nodes = Api::<Node>::all(client.clone())
        .list(&ListParams::default())
        .await?;
    assert_eq!(nodes.items.len(), 3);
    let pods = Api::<Pod>::namespaced(client, "default");
    let list = pods.list(&ListParams::default()).await?;
    for node in &nodes {
        let on_it = list
            .iter()
            .filter(|pod| pod.spec.as_ref().unwrap().node_name == node.metadata.name);
        assert_eq!(on_it.count(), 3, "{:?}", node.metadata.name);
    }
    pods.delete("pod-0", &DeleteParams::default()).await?;
    gone(&pods, "pod-0").await?;
    pods.create(&PostParams::default(), &pod("late")?).await?;
    let late = running(&pods, "late").await?;
    // pod-0 was on the first node, which has been the emptiest since.
    assert_eq!(late.spec.unwrap().node_name.as_deref(), Some("node-0"));
    up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_namespace_goes_with_all_that_is_in_it() -> Result<()> {
    let mut up = Up::start(&["--nodes=1", "--pods=0", "--output=json"], "").await?;
    let client = client(&kubeconfig(&up.summary().await?)?).await?;
    let namespaces = Api::<Namespace>::all(client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"name": "short"}}))?;
    namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let pods = Api::<Pod>::namespaced(client.clone(), "short");
    pods.create(&PostParams::default(), &pod("web")?).await?;
    running(&pods, "web").await?;
    let maps = Api::<ConfigMap>::namespaced(client, "short");
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    let held = serde_json::from_value(held)?;
    maps.create(&PostParams::default(), &held).await?;
    namespaces.delete("short", &DeleteParams::default()).await?;
    gone(&pods, "web").await?;
    let refused = pods.create(&PostParams::default(), &pod("late")?).await;
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("because it is being terminated"),
        "{message}"
    );
    // What somebody still holds holds the namespace.
    let phase = namespaces.get("short").await?.status.unwrap().phase;
    assert_eq!(phase.as_deref(), Some("Terminating"));
    let release = json!({"metadata": {"finalizers": null}});
    maps.patch("held", &PatchParams::default(), &Patch::Merge(&release))
        .await?;
    gone(&namespaces, "short").await?;
    up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn pods_are_left_to_a_scheduler_as_long_as_it_holds_its_lease() -> Result<()> {
    let mut up = Up::start(&["--nodes=1", "--pods=0", "--output=json"], "").await?;
    let client = client(&kubeconfig(&up.summary().await?)?).await?;
    let leases = Api::<Lease>::namespaced(client.clone(), "kube-system");
    let lease = json!({"metadata": {"name": "kube-scheduler"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 3600}});
    let lease = serde_json::from_value(lease)?;
    leases.create(&PostParams::default(), &lease).await?;
    let pods = Api::<Pod>::namespaced(client, "default");
    pods.create(&PostParams::default(), &pod("waits")?).await?;
    let mut bound = pod("bound")?;
    bound.spec.as_mut().unwrap().node_name = Some("node-0".into());
    pods.create(&PostParams::default(), &bound).await?;
    running(&pods, "bound").await?;
    assert_eq!(pods.get("waits").await?.spec.unwrap().node_name, None);
    leases
        .delete("kube-scheduler", &DeleteParams::default())
        .await?;
    running(&pods, "waits").await?;
    up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn manifests_and_shapes_are_brought_to_life_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let gpu = folder.path().join("gpu.yaml");
    std::fs::write(
        &gpu,
        "zone: [a, b]\ncapacity: {nvidia.com/gpu: 8}\ntaints: [{key: gpu, effect: NoSchedule}]\n",
    )?;
    let input = "apiVersion: v1\nkind: Pod\nmetadata: {name: one, namespace: own}\nspec: {containers: [{name: c, image: i}]}\n---\n\
        apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\ndata: {a: b}\n---\n\
        apiVersion: v1\nkind: Namespace\nmetadata: {name: own}\n";
    let gpu = format!("--nodes=2@{}", gpu.display());
    let arguments = [
        "--nodes=1",
        &gpu,
        "--pods=0",
        "-f",
        "-",
        "--time-scale=10",
        "--output=json",
    ];
    let mut up = Up::start(&arguments, input).await?;
    let summary = up.summary().await?;
    assert_eq!(
        (&summary["nodesReady"], &summary["podsByPhase"]["Running"]),
        (&json!(3), &json!(1))
    );
    let client = client(&kubeconfig(&summary)?).await?;
    let node = Api::<Node>::all(client.clone()).get("gpu-1").await?;
    let gpus = node.status.unwrap().capacity.unwrap()["nvidia.com/gpu"]
        .0
        .clone();
    let zone = node.metadata.labels.unwrap()["topology.kubernetes.io/zone"].clone();
    assert_eq!((gpus.as_str(), zone.as_str()), ("8", "b"));
    let one = Api::<Pod>::namespaced(client.clone(), "own")
        .get("one")
        .await?;
    assert_eq!(
        one.spec.unwrap().node_name.as_deref(),
        Some("node-0"),
        "the others have a taint"
    );
    let map = Api::<ConfigMap>::namespaced(client, "default")
        .get("map")
        .await?;
    assert_eq!(map.data.unwrap()["a"], "b");
    up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn the_server_alone_changes_nothing_and_its_context_is_merged_for_as_long() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("k.yaml");
    let own = format!("--kubeconfig={}", file.display());
    let arguments = ["--server-only", "--merge-kubeconfig", &own, "--output=json"];
    let mut up = Up::start(&arguments, "").await?;
    let summary = up.summary().await?;
    assert_eq!(kubeconfig(&summary)?, file);
    let merged = up.home.path().join(".kube/config");
    let client = client(&merged).await?;
    assert!(
        Api::<Node>::all(client.clone())
            .list(&ListParams::default())
            .await?
            .items
            .is_empty()
    );
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces
        .delete("kube-node-lease", &DeleteParams::default())
        .await?;
    let pods = Api::<Pod>::namespaced(client, "default");
    let created = pods.create(&PostParams::default(), &pod("alone")?).await?;
    let list = pods.list(&ListParams::default()).await?;
    assert_eq!(list.items.len(), 1);
    // The list's revision is that of the last write to anything.
    assert_eq!(
        list.metadata.resource_version,
        created.metadata.resource_version
    );
    let home = up.stop().await?;
    let left = Kubeconfig::read_from(home.path().join(".kube/config"))?;
    assert!(left.clusters.is_empty() && left.contexts.is_empty() && left.auth_infos.is_empty());
    assert!(!file.exists(), "the kubeconfig goes with the cluster");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_had_is_named_with_the_remedy() -> Result<()> {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let port = taken.local_addr()?.port().to_string();
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("file"), "")?;
    let unwritable = folder.path().join("file/kubeconfig");
    let unwritable = unwritable.to_str().context("UTF-8")?;
    let elsewhere = format!("127.0.0.1:{port}");
    for (arguments, code, parts) in [
        (
            vec!["--port", &port],
            1,
            vec!["--port", port.as_str(), "free one"],
        ),
        (
            vec!["--kubeconfig", unwritable],
            1,
            vec!["--kubeconfig", unwritable, "folder"],
        ),
        (
            vec!["--server-address", &elsewhere],
            1,
            vec!["--server-address", port.as_str()],
        ),
        (
            vec!["--bind", "192.0.2.7"],
            1,
            vec!["--bind", "192.0.2.7", "127.0.0.1"],
        ),
        (
            vec!["-f", "/no/such/file.yaml"],
            1,
            vec!["--filename", "/no/such/file.yaml"],
        ),
        (vec!["--nodes", "many"], 64, vec!["--nodes", "gpu.yaml"]),
        (
            vec!["--server-only", "--nodes", "3"],
            64,
            vec!["--server-only", "--nodes"],
        ),
        (
            vec!["--settings", "pod={profile: slow}", "--pods", "1"],
            1,
            vec!["slow"],
        ),
    ] {
        refused(&arguments, code, &parts).await?;
    }
    drop(taken);
    Ok(())
}

#[tokio::test]
async fn what_does_not_settle_fails_in_time() -> Result<()> {
    let input = "apiVersion: v1\nkind: Pod\nmetadata: {name: nowhere}\nspec: {nodeSelector: {no: where}, containers: [{name: c, image: i}]}\n";
    let arguments = [
        "--nodes=1",
        "--pods=0",
        "-f",
        "-",
        "--exit-when-settled",
        "--timeout=2s",
    ];
    let mut up = Up::start(&arguments, input).await?;
    let (status, errors) = up.end().await?;
    assert_eq!(status.code(), Some(1), "{errors}");
    for part in [
        "--exit-when-settled",
        "1 of 1 nodes are Ready",
        "1 Pending",
        "1 without a node",
    ] {
        assert!(errors.contains(part), "no {part:?} in:\n{errors}");
    }
    Ok(())
}
