//! What comes after a SIGKILL: a controller whose pods run is killed, more pods come while nobody is there, and it is started again with
//! its nodes still leased.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use kube::Client;
use serde_json::Value;
use stagewright_tests::controlplane::ControlPlane;
use stagewright_tests::scenario::{self, Known, View, phase, uid};

use crate::controllers::{Controller, Nodes, Who, create_pods};
use crate::table::{Measured, Table, quantile};
use crate::turns::in_turn;

/// kwok waits until its own leases have run out.
const PATIENCE: Duration = Duration::from_secs(300);

/// How much.
#[derive(Debug, Args)]
pub struct Options {
    /// Whom to run.
    #[arg(long, value_delimiter = ',', default_value = "kwok,stagewright,stages")]
    who: Vec<Who>,
    /// How often, turn by turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Nodes.
    #[arg(long, default_value_t = 20)]
    nodes: usize,
    /// Pods that run when it is killed.
    #[arg(long, default_value_t = 3_000)]
    pods: usize,
    /// Pods that come while it is dead.
    #[arg(long, default_value_t = 300)]
    more: usize,
}

/// Kills each of them, and answers what was measured.
pub async fn compare(options: &Options) -> Result<Table> {
    in_turn(
        options.rounds,
        &options.who,
        async |who, plane, client, table| {
            let measured = recovered(who, options, plane, client).await?;
            table.add("started again after SIGKILL", who.column(), measured);
            Ok(())
        },
    )
    .await
}

async fn recovered(
    who: Who,
    options: &Options,
    plane: &ControlPlane,
    client: &Client,
) -> Result<Measured> {
    let nodes = Nodes::create(client, options.nodes).await?;
    let controller = Controller::start(who, plane).await?;
    nodes.ready().await?;
    let view = View::open(client, "v1/Pod", Some("default")).await?;
    let running = async |count: usize, what: &str| {
        let all = |known: &Known| known.all(count, |pod| phase(pod) == "Running");
        view.until(what, PATIENCE, all).await
    };
    let mut created = create_pods(client, &nodes.nodes, options.pods, None).await?;
    running(options.pods, "all pods Running").await?;
    // Dropping it is a SIGKILL.
    drop(controller);
    let more = create_pods(client, &nodes.nodes, options.more, None).await?;

    let before = scenario::patches(client, "pods", "status").await?;
    let started = Instant::now();
    let controller = Controller::start(who, plane).await?;
    created.extend(more.iter().cloned());
    running(created.len(), "the pods that came meanwhile Running").await?;
    let sent = scenario::patches(client, "pods", "status").await? - before;
    let mut measured = Measured::default();
    let since = seconds_to_running(&view.now(), &more, started);
    measured.put("1 first of the new pods Running, s", quantile(&since, 0.0)?);
    measured.put("2 last of the new pods Running, s", quantile(&since, 1.0)?);
    measured.put(
        "3 CPU until then, ms",
        controller.cpu()?.as_secs_f64() * 1e3,
    );
    measured.put("4 writes a new pod", sent as f64 / options.more as f64);

    scenario::delete_all(client, &created, None).await?;
    view.until("all pods gone", PATIENCE, Known::is_empty)
        .await?;
    drop(controller);
    nodes.delete().await?;
    Ok(measured)
}

/// From a moment to the event of each pod's being Running, sorted.
fn seconds_to_running(known: &Known, pods: &[Value], since: Instant) -> Vec<f64> {
    let mut left: BTreeSet<&str> = pods.iter().map(uid).collect();
    let mut seconds = Vec::with_capacity(pods.len());
    for seen in &known.history {
        if phase(&seen.object) == "Running" && left.remove(uid(&seen.object)) {
            seconds.push(seen.at.duration_since(since).as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    seconds
}
