//! The rank watcher is proved to see: KWOK v0.4.0, in which users reported pods that move backward (kwok#1002), with the stages that
//! its own module ships, fast and general beside each other.
#![expect(
    clippy::disallowed_methods,
    reason = "the test plays the user who touches pods"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use stagewright_tests::controlplane::{ControlPlane, Nodes, Options, Pods, wait_for};
use stagewright_tests::host::{Kwok, Version};
use stagewright_tests::watcher::RankWatcher;
use tokio::task::JoinHandle;

/// As many as the report was reproduced with.
const PODS: usize = 60;

/// How many moves are dozens.
const ENOUGH: usize = 24;

/// A pod moves backward at the beginning of its life or never: the general stages take up to 6 s to begin and 5 s to go on. Whoever has
/// not seen enough by then needs new pods, not more time; how many of them move rests on how the machine's other work falls.
const WAVE: Duration = Duration::from_secs(25);
const WAVES: usize = 10;

/// A busy machine takes long.
const LIMIT: Duration = Duration::from_secs(120);

const STAGES: [&str; 3] = [
    "kustomize/stage/node/fast",
    "kustomize/stage/pod/fast",
    "kustomize/stage/pod/general",
];

/// Sets a label on each third pod of a wave every 100 ms.
fn touch(client: &Client, prefix: String) -> JoinHandle<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for round in 0_u64.. {
            ticks.tick().await;
            let patch = Patch::Merge(json!({"metadata": {"labels": {"touch": round.to_string()}}}));
            let touch = async |number: usize| {
                drop(
                    pods.patch(
                        &format!("{prefix}-{number}"),
                        &PatchParams::default(),
                        &patch,
                    )
                    .await,
                )
            };
            stream::iter((0..PODS).step_by(3))
                .for_each_concurrent(20, touch)
                .await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_pods_move_backward_under_kwok_v0_4() -> Result<()> {
    let plane = ControlPlane::start(Options::api_only()).await?;
    let client = plane.client().await?;
    let nodes = plane
        .create_nodes(&Nodes {
            prefix: "node",
            count: 4,
            labels: &[],
            pods: 110,
        })
        .await?;
    let watcher = RankWatcher::start(&client).await?;
    let kwok = Kwok::start(&plane, Version::V04, &STAGES, &[]).await?;
    let mut waves = 0..WAVES;
    while let Some(wave) = waves.next() {
        let prefix = format!("wave-{wave}");
        let pods = Pods {
            namespace: "default",
            prefix: &prefix,
            count: PODS,
            nodes: &nodes,
            annotations: &[],
        };
        plane.create_pods(&pods).await?;
        let touches = touch(&client, prefix);
        let enough = watcher
            .until("dozens of moves backward", WAVE, |report| {
                report.of("PhaseBackward").len() >= ENOUGH
            })
            .await;
        touches.abort();
        let Err(error) = enough else { break };
        let seen = watcher.so_far().of("PhaseBackward").len();
        println!("after wave {wave}: {seen} moves");
        ensure!(!waves.is_empty(), "{seen} moves: {error}\n{}", kwok.log());
    }
    let report = watcher.stop().await?;
    let moves = report.of("PhaseBackward");
    ensure!(
        moves
            .iter()
            .all(|moved| moved.from == "Running" && moved.to == "Pending"),
        "another move than Running -> Pending: {moves:#?}"
    );
    ensure!(
        moves.iter().all(|moved| moved.manager.starts_with("kwok")),
        "somebody else moved a pod: {moves:#?}"
    );
    let pods: BTreeSet<&str> = moves.iter().map(|moved| moved.uid.as_str()).collect();
    println!(
        "{} moves Running -> Pending on {} pods, in {} versions of {} objects",
        moves.len(),
        pods.len(),
        report.versions,
        report.objects
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_finds_nothing_where_pods_only_go_forward() -> Result<()> {
    let plane = ControlPlane::start(Options::api_only()).await?;
    let client = plane.client().await?;
    let nodes = plane
        .create_nodes(&Nodes {
            prefix: "node",
            count: 4,
            labels: &[],
            pods: 110,
        })
        .await?;
    let watcher = RankWatcher::start(&client).await?;
    let _kwok = Kwok::start(
        &plane,
        Version::V08,
        &["kustomize/stage/node/fast", "kustomize/stage/pod/fast"],
        &[],
    )
    .await?;
    plane
        .create_pods(&Pods {
            namespace: "default",
            prefix: "pod",
            count: PODS,
            nodes: &nodes,
            annotations: &[],
        })
        .await?;
    let is_running = |pod: &Pod| {
        pod.status
            .as_ref()
            .and_then(|status| status.phase.as_deref())
            == Some("Running")
    };
    let all = |pods: &std::collections::HashMap<String, Pod>| {
        pods.len() == PODS && pods.values().all(is_running)
    };
    wait_for(
        Api::<Pod>::namespaced(client, "default"),
        "all pods Running",
        LIMIT,
        all,
    )
    .await?;
    let report = watcher.stop().await?;
    ensure!(
        report.versions >= 2 * PODS as u64,
        "only {} versions",
        report.versions
    );
    let orders: Vec<_> = report
        .backward
        .iter()
        .filter(|moved| moved.kind == "Pod")
        .collect();
    ensure!(orders.is_empty(), "{orders:#?}");
    Ok(())
}
