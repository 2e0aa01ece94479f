//! kwok v0.8.0 and stagewright, one after the other on the same control plane, round by round, and the least that any client spends.
//!
//! Nothing here is a benchmark of the control plane: pods are bound already, CPU is the controller's own from /proc, lag is between
//! two events of one watch.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use kube::Client;
use serde_json::Value;
use stagewright_tests::controlplane::{self, ControlPlane};
use stagewright_tests::host::{Host, Kwok, Version, shipped_stages};
use stagewright_tests::programs::{Program, program, stagewright};
use stagewright_tests::scenario::{self, Known, View, is_true, name, node, phase, uid};

use crate::bare::Bare;
use crate::table::{Measured, Table, quantile};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Who {
    Kwok,
    Stagewright,
    /// Ours with kwok's stages in the place of its own plugins.
    Stages,
    Bare,
}

impl Who {
    /// Its column.
    pub fn column(self) -> &'static str {
        match self {
            Who::Kwok => KWOK,
            Who::Stagewright => OURS,
            Who::Stages => OURS_WITH_STAGES,
            Who::Bare => BARE,
        }
    }
}

const KWOK: &str = "kwok v0.8.0";
const OURS: &str = "stagewright";
const OURS_WITH_STAGES: &str = "with kwok's stages";
const BARE: &str = "bare client";
/// All columns.
pub const COLUMNS: &[&str] = &[KWOK, OURS, OURS_WITH_STAGES, BARE];

/// How long the slower of the two may take for a load beyond the load's own length.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// What is measured, and how long.
#[derive(Debug, Args)]
pub struct Options {
    /// Whom to run.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "kwok,stagewright,stages,bare"
    )]
    who: Vec<Who>,
    /// How often each load is run with each controller, turn by turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Nodes under the loads of pods.
    #[arg(long, default_value_t = 20)]
    nodes: usize,
    /// Rates of the open loops, in pods a second.
    #[arg(long, value_delimiter = ',', default_value = "50,100")]
    rates: Vec<usize>,
    /// How long an open loop runs, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Pods of the burst; 0: none.
    #[arg(long, default_value_t = 5000)]
    burst: usize,
    /// Leased nodes of the idle load; 0: none.
    #[arg(long, default_value_t = 1000)]
    idle_nodes: usize,
    /// How long the idle load is measured, in seconds.
    #[arg(long, default_value_t = 60)]
    idle_seconds: u64,
    /// How often each controller is started on an empty cluster; 0: never.
    #[arg(long, default_value_t = 3)]
    starts: usize,
}

/// A running controller. It stops when this is dropped.
pub enum Controller {
    Kwok(Kwok),
    Stagewright(Host),
    Bare(Bare),
}

impl Controller {
    pub async fn start(who: Who, plane: &ControlPlane) -> Result<Self> {
        Ok(match who {
            Who::Kwok => {
                Self::Kwok(Kwok::start(plane, Version::V08, &STAGES, &[LEASES, CIDR]).await?)
            }
            Who::Stagewright => Self::Stagewright(Host::start(plane, &[LEASES, CIDR]).await?),
            Who::Stages => {
                let config = plane.folder().join("stages.yaml");
                std::fs::write(&config, shipped_stages(Version::V08, &STAGES).await?)?;
                let config = format!("--config={}", config.display());
                Self::Stagewright(Host::start(plane, &[LEASES, CIDR, &config]).await?)
            }
            Who::Bare => Self::Bare(Bare::start(plane)?),
        })
    }

    pub fn cpu(&self) -> Result<Duration> {
        match self {
            Self::Kwok(kwok) => kwok.cpu(),
            Self::Stagewright(host) => host.cpu(),
            Self::Bare(bare) => bare.cpu(),
        }
    }

    /// In MiB.
    pub fn resident(&self) -> Result<f64> {
        let bytes = match self {
            Self::Kwok(kwok) => kwok.resident()?,
            Self::Stagewright(host) => host.resident()?,
            Self::Bare(bare) => bare.resident()?,
        };
        Ok(bytes as f64 / f64::from(1 << 20))
    }
}

/// kwok's fast stages, from its own module.
const STAGES: [&str; 3] = [
    "kustomize/stage/node/fast",
    "kustomize/stage/node/heartbeat-with-lease",
    "kustomize/stage/pod/fast",
];
/// As its deployments have it.
const LEASES: &str = "--node-lease-duration-seconds=40";
/// Room for every load; kwok's default has 254 addresses.
const CIDR: &str = "--cidr=10.0.0.0/8";

/// Runs each of them under each load, and answers what was measured.
pub async fn compare(options: &Options) -> Result<Table> {
    let (plane, client) = plane().await?;
    let mut table = Table::new(COLUMNS);
    for round in 0..options.rounds.max(options.starts) {
        for &who in &options.who {
            if round < options.starts && who != Who::Bare {
                table.add("start", who.column(), start(who, &plane, &client).await?);
            }
            if round < options.rounds {
                loads(who, options, &plane, &client, &mut table).await?;
            }
        }
    }
    Ok(table)
}

/// What all of them run on.
pub async fn plane() -> Result<(ControlPlane, Client)> {
    let plane = ControlPlane::start(controlplane::Options::api_only()).await?;
    let client = plane.client().await?;
    // A build is no part of a start.
    tokio::task::spawn_blocking(|| {
        program(Program::Kwok)?;
        stagewright()
    })
    .await??;
    Ok((plane, client))
}

/// All loads with one controller.
async fn loads(
    who: Who,
    options: &Options,
    plane: &ControlPlane,
    client: &Client,
    table: &mut Table,
) -> Result<()> {
    let nodes = Nodes::create(client, options.nodes).await?;
    let controller = Controller::start(who, plane).await?;
    nodes.ready().await?;
    for rate in &options.rates {
        let count = rate * usize::try_from(options.seconds)?;
        let label: &'static str = Box::leak(format!("{rate} pods/s").into_boxed_str());
        eprintln!("{who:?}: {label}");
        table.add(
            label,
            who.column(),
            pods(&controller, client, &nodes, count, Some(*rate)).await?,
        );
    }
    if options.burst > 0 {
        eprintln!("{who:?}: burst of {}", options.burst);
        table.add(
            "burst",
            who.column(),
            pods(&controller, client, &nodes, options.burst, None).await?,
        );
    }
    drop(controller);
    nodes.delete().await?;
    // The bare client holds no leases.
    if options.idle_nodes > 0 && who != Who::Bare {
        eprintln!("{who:?}: idle with {} nodes", options.idle_nodes);
        table.add(
            "idle",
            who.column(),
            idle(who, options, plane, client).await?,
        );
    }
    Ok(())
}

/// Nodes that a controller takes.
pub struct Nodes {
    client: Client,
    pub nodes: Vec<Value>,
    view: View,
}

impl Nodes {
    pub async fn create(client: &Client, count: usize) -> Result<Self> {
        let nodes = scenario::create_all(client, Self::named(count)).await?;
        Self::there(client, nodes).await
    }

    /// What is to be created.
    pub fn named(count: usize) -> impl Iterator<Item = Value> {
        // Names of their own for each run: the last one's leases are still there, and not yet run out.
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        (0..count).map(move |number| node(&format!("bench-{run}-{number}"), "bench"))
    }

    /// Those that are there.
    pub async fn there(client: &Client, nodes: Vec<Value>) -> Result<Self> {
        Ok(Self {
            client: client.clone(),
            nodes,
            view: View::open(client, "v1/Node", None).await?,
        })
    }

    pub async fn ready(&self) -> Result<()> {
        let all = |known: &Known| known.count(|node| is_true(node, "Ready")) == self.nodes.len();
        self.view.until("all nodes Ready", PATIENCE, all).await
    }

    pub async fn delete(self) -> Result<()> {
        scenario::delete_all(&self.client, &self.nodes, Some(0)).await?;
        self.view
            .until("all nodes gone", PATIENCE, Known::is_empty)
            .await
    }
}

/// From the start of the process to the first node Ready, on a cluster with nothing but that node.
async fn start(who: Who, plane: &ControlPlane, client: &Client) -> Result<Measured> {
    let nodes = Nodes::create(client, 1).await?;
    let started = Instant::now();
    let _controller = Controller::start(who, plane).await?;
    nodes.ready().await?;
    let mut measured = Measured::default();
    let known = nodes.view.now();
    let ready = known
        .history
        .iter()
        .find(|seen| is_true(&seen.object, "Ready"))
        .context("no node was Ready")?
        .at;
    measured.put(
        "first decision, ms",
        ready.duration_since(started).as_secs_f64() * 1e3,
    );
    drop(known);
    nodes.delete().await?;
    Ok(measured)
}

/// Pods at a rate, or all at once; then their deletion.
async fn pods(
    controller: &Controller,
    client: &Client,
    nodes: &Nodes,
    count: usize,
    rate: Option<usize>,
) -> Result<Measured> {
    let view = View::open(client, "v1/Pod", Some("default")).await?;
    let mut measured = Measured::default();
    let (cpu, patches) = (
        controller.cpu()?,
        scenario::patches(client, "pods", "status").await?,
    );
    let created = create_pods(client, &nodes.nodes, count, rate).await?;
    view.until("all pods Running", PATIENCE, |known| {
        known.all(count, |pod| phase(pod) == "Running")
    })
    .await?;
    let spent = controller.cpu()? - cpu;
    let sent = scenario::patches(client, "pods", "status").await? - patches;
    measured.put(
        "CPU a pod to Running, ms",
        spent.as_secs_f64() * 1e3 / count as f64,
    );
    measured.put("writes a pod to Running", sent as f64 / count as f64);
    measured.put("RSS, MiB", controller.resident()?);
    let lags = lags(&view.now(), &created);
    measured.put("lag to Running, median ms", quantile(&lags, 0.5)?);
    measured.put("lag to Running, 99 % ms", quantile(&lags, 0.99)?);
    measured.put("fields of the status", fields(&view));

    let cpu = controller.cpu()?;
    scenario::delete_all(client, &created, None).await?;
    view.until("all pods gone", PATIENCE, Known::is_empty)
        .await?;
    let spent = controller.cpu()? - cpu;
    measured.put(
        "CPU a pod deleted, ms",
        spent.as_secs_f64() * 1e3 / count as f64,
    );
    Ok(measured)
}

pub async fn create_pods(
    client: &Client,
    nodes: &[Value],
    count: usize,
    rate: Option<usize>,
) -> Result<Vec<Value>> {
    let pods = new_pods(nodes, count);
    let Some(rate) = rate else {
        return scenario::create_all(client, pods).await;
    };
    // An open loop: each is sent at its time, whatever became of those before.
    let started = tokio::time::Instant::now();
    let mut sent = tokio::task::JoinSet::new();
    for (number, pod) in pods.enumerate() {
        tokio::time::sleep_until(started + Duration::from_secs_f64(number as f64 / rate as f64))
            .await;
        let client = client.clone();
        sent.spawn(async move { scenario::create(&client, pod).await });
    }
    let mut created = Vec::new();
    while let Some(pod) = sent.join_next().await {
        created.push(pod??);
    }
    Ok(created)
}

/// Pods to be created, spread over the nodes.
pub fn new_pods(nodes: &[Value], count: usize) -> impl Iterator<Item = Value> {
    // A name of its own for each pod: kwok writes by name, and may still have something to say to the last load's.
    static LOADS: AtomicUsize = AtomicUsize::new(0);
    let prefix = format!("load-{}", LOADS.fetch_add(1, Ordering::Relaxed));
    (0..count).map(move |number| {
        let node = nodes.get(number % nodes.len()).map(name);
        let node = node.unwrap_or_default();
        scenario::pod("default", &format!("{prefix}-{number}"), node)
    })
}

/// From the event of a pod's creation to the event of its being Running, in milliseconds, sorted.
fn lags(known: &Known, created: &[Value]) -> Vec<f64> {
    let mut first = BTreeMap::<&str, Instant>::new();
    let mut lags = Vec::with_capacity(created.len());
    let mut running = std::collections::BTreeSet::<&str>::new();
    for seen in &known.history {
        let uid = uid(&seen.object);
        let began = *first.entry(uid).or_insert(seen.at);
        if phase(&seen.object) == "Running" && running.insert(uid) {
            lags.push(seen.at.duration_since(began).as_secs_f64() * 1e3);
        }
    }
    lags.sort_by(f64::total_cmp);
    lags
}

/// How many leaves the status of a Running pod has: the two must write the same fields.
fn fields(view: &View) -> f64 {
    fn leaves(value: &Value) -> usize {
        match value {
            Value::Object(map) => map.values().map(leaves).sum(),
            Value::Array(items) => items.iter().map(leaves).sum(),
            _ => 1,
        }
    }
    view.now()
        .objects
        .values()
        .next()
        .and_then(|pod| pod.pointer("/status").map(leaves))
        .unwrap_or_default() as f64
}

/// Nothing happens but leases and heartbeats.
async fn idle(
    who: Who,
    options: &Options,
    plane: &ControlPlane,
    client: &Client,
) -> Result<Measured> {
    let nodes = Nodes::create(client, options.idle_nodes).await?;
    let controller = Controller::start(who, plane).await?;
    nodes.ready().await?;
    let leases = View::open(
        client,
        "coordination.k8s.io/v1/Lease",
        Some("kube-node-lease"),
    )
    .await?;
    let held = |known: &Known| {
        nodes
            .nodes
            .iter()
            .all(|node| known.get(name(node)).is_some())
    };
    leases
        .until("a lease for each node", PATIENCE, held)
        .await?;
    let (cpu, seen) = (controller.cpu()?, leases.now().history.len());
    tokio::time::sleep(Duration::from_secs(options.idle_seconds)).await;
    let (spent, renewed) = (controller.cpu()? - cpu, leases.now().history.len() - seen);
    let mut measured = Measured::default();
    let seconds = options.idle_seconds as f64;
    measured.put("CPU, % of a core", spent.as_secs_f64() / seconds * 100.0);
    measured.put("lease writes a second", renewed as f64 / seconds);
    measured.put("RSS, MiB", controller.resident()?);
    let unready = nodes.view.now().count(|node| !is_true(node, "Ready"));
    ensure!(
        unready == 0,
        "{who:?} let {unready} of {} nodes go",
        options.idle_nodes
    );
    drop(controller);
    nodes.delete().await?;
    Ok(measured)
}
