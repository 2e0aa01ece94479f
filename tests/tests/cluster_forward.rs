//! The bug this project comes from (kwok#1002): whatever happens around it, no write of the host moves an object backward, and none
//! lands on another object of the same name. And the proof that this comes from the preconditions, and that the watcher would see it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stagewright_tests::host::Host;
use stagewright_tests::proxy::{Proxy, Tamper};
use stagewright_tests::scenario::{self, SOON, Scene, Touches, View, phase, pod};
use stagewright_tests::watcher::{Move, RankWatcher};

/// As many as the report of kwok#1002 was reproduced with.
const PODS: usize = 60;

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(fast_then_general_over_the_same_pods_never_moves_one_backward),
        stagewright_tests::scenario!(with_late_news_but_preconditions_nothing_moves_backward),
        stagewright_tests::scenario!(without_preconditions_the_watcher_sees_pods_move_backward),
    ]);
}

/// Competing hosts: without leases, nothing but the preconditions stands between two writers.
fn profile(scene: &Scene, profile: &str) -> Vec<String> {
    let mut arguments = match profile {
        "fast" => scene.selected(),
        _ => scene.general(),
    };
    arguments.push("--node-lease-duration-seconds=0".to_owned());
    arguments
}

/// One of the scenario's four nodes.
fn node_name(scene: &Scene, number: usize) -> String {
    format!("{}-{}", scene.name, number % 4)
}

/// The pods of one round, over four nodes. The image tells one round's pod from its namesakes.
fn pods(scene: &Scene, numbers: impl Iterator<Item = usize>, round: usize) -> Vec<Value> {
    numbers
        .map(|number| {
            let mut pod = pod(&scene.name, &format!("pod-{number}"), &node_name(scene, number));
            scenario::set(&mut pod, "spec", "containers", serde_json::json!([{"name": format!("main-{round}"), "image": format!("example.com/round:{round}")}]));
            pod
        })
        .collect()
}

/// Rounds of: another profile by SIGKILL and restart, a third of the pods deleted and re-created under their names (some with a grace
/// period, some at once), a third touched every 100 ms; and a second host of the other profile all the while.
async fn fast_then_general_over_the_same_pods_never_moves_one_backward(scene: Scene) -> Result<()> {
    let watcher = RankWatcher::start(&scene.client).await?;
    let second = scene.host(&profile(&scene, "general")).await?;
    let mut first: Host = scene.host(&profile(&scene, "fast")).await?;
    for number in 0..4 {
        scene.ready_node(&node_name(&scene, number)).await?;
    }
    let view = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let mut current = scenario::create_all(&scene.client, pods(&scene, 0..PODS, 0)).await?;
    let touches = Touches::start(
        &scene.client,
        current.iter().skip(1).step_by(3).cloned().collect(),
        Duration::from_millis(100),
    );
    let running = |pod: &Value| phase(pod) == "Running";
    view.until("all Running", SOON, |known| known.all(PODS, running))
        .await?;
    for round in 1..=6 {
        first.kill().await?;
        let replaced: Vec<usize> = (0..PODS).skip(round % 3).step_by(3).collect();
        let old: Vec<Value> = replaced
            .iter()
            .filter_map(|number| current.get(*number).cloned())
            .collect();
        let (graceful, at_once) = old.split_at(old.len() / 2);
        scenario::delete_all(&scene.client, at_once, Some(0)).await?;
        scenario::delete_all(&scene.client, graceful, Some(1)).await?;
        first = scene
            .host(&profile(
                &scene,
                if round % 2 == 1 { "general" } else { "fast" },
            ))
            .await?;
        let gone = |known: &scenario::Known| {
            old.iter().all(|old| {
                known
                    .objects
                    .values()
                    .all(|pod| scenario::uid(pod) != scenario::uid(old))
            })
        };
        view.until("the old pods gone", SOON, gone).await?;
        let new =
            scenario::create_all(&scene.client, pods(&scene, replaced.iter().copied(), round))
                .await?;
        for (number, pod) in replaced.into_iter().zip(new) {
            *current.get_mut(number).context("a pod")? = pod;
        }
        view.until("all Running again", SOON, |known| known.all(PODS, running))
            .await?;
    }
    drop(touches);
    drop((first, second));
    let report = watcher.stop().await?;
    ensure!(
        report.versions > 1000,
        "the watcher saw only {} versions",
        report.versions
    );
    ensure!(
        report.backward.is_empty(),
        "{} backward moves: {:#?}",
        report.backward.len(),
        report.backward
    );
    ensure!(
        report.misplaced.is_empty(),
        "{} writes on another pod of the name: {:#?}",
        report.misplaced.len(),
        report.misplaced
    );
    ensure!(
        report.untidy.is_empty(),
        "{} untidy writes: {:#?}",
        report.untidy.len(),
        report.untidy
    );
    Ok(())
}

/// The fast profile at once; the general one through a proxy that brings it every event 3 s late. Answers the moves backward.
async fn late_news(scene: &Scene, tamper: Tamper) -> Result<Vec<Move>> {
    let watcher = RankWatcher::start(&scene.client).await?;
    let proxy = Proxy::start(&scene.plane, tamper).await?;
    let _fast = scene.host(&profile(scene, "fast")).await?;
    let general = profile(scene, "general");
    let _general = Host::start_with(&scene.plane, proxy.kubeconfig(), &general).await?;
    for number in 0..4 {
        scene.ready_node(&node_name(scene, number)).await?;
    }
    // The late host has its nodes too, or it would not concern itself with their pods.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let view = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let delays = [("pod-create", 1), ("pod-ready", 1)];
    let objects = (0..PODS).map(|number| {
        scene.pod_with_delays(&format!("pod-{number}"), &node_name(scene, number), &delays)
    });
    scenario::create_all(&scene.client, objects).await?;
    view.until("all Running", SOON, |known| {
        known.all(PODS, |pod| phase(pod) == "Running")
    })
    .await?;
    // What the late host still has to say.
    tokio::time::sleep(Duration::from_secs(8)).await;
    Ok(watcher.stop().await?.backward)
}

async fn with_late_news_but_preconditions_nothing_moves_backward(scene: Scene) -> Result<()> {
    let moves = late_news(
        &scene,
        Tamper {
            delay_watch: Duration::from_secs(3),
            strip_preconditions: false,
        },
    )
    .await?;
    ensure!(
        moves.is_empty(),
        "backward moves, though every write carried uid and resourceVersion: {moves:#?}"
    );
    Ok(())
}

async fn without_preconditions_the_watcher_sees_pods_move_backward(scene: Scene) -> Result<()> {
    let moves = late_news(
        &scene,
        Tamper {
            delay_watch: Duration::from_secs(3),
            strip_preconditions: true,
        },
    )
    .await?;
    let ours = moves.iter().filter(|moved| moved.manager == "stagewright");
    let pods: BTreeSet<&str> = ours.map(|moved| moved.uid.as_str()).collect();
    ensure!(
        !pods.is_empty(),
        "the watcher saw none of our writes move a pod backward, although uid and resourceVersion were taken from them: {moves:#?}"
    );
    println!(
        "{} of {PODS} pods moved backward without preconditions",
        pods.len()
    );
    Ok(())
}
