//! `cargo demo`: a real control plane, nodes and pods by the hundred, and the host that brings them to life, on one terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use serde_json::json;
use stagewright_tests::controlplane::{ControlPlane, Nodes, Options, Pods, wait_for};
use stagewright_tests::host::Host;
use stagewright_tests::programs::{Program, program};
use stagewright_tests::watcher::RankWatcher;
use tokio::signal::unix::{SignalKind, signal};

/// Where the pods are.
const NAMESPACE: &str = "demo";

/// How long the load may take: `--pods` by the hundred thousand are for the benches.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Starts a real Kubernetes control plane and stagewright, and brings nodes and pods to life.
#[derive(Debug, Parser)]
#[command(name = "demo", max_term_width = 110)]
struct Args {
    /// How many nodes.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5000))]
    nodes: u32,
    /// How many pods; the real scheduler places them.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=50_000))]
    pods: u32,
    /// How pods live: `fast` runs them at once, `general` takes its time, as containers do.
    #[arg(long, value_enum, default_value_t = Profile::Fast)]
    profile: Profile,
    /// End when all pods are Running, instead of waiting for Ctrl-C.
    #[arg(long)]
    exit_when_settled: bool,
    /// `json`: a line on stdout that sums it up.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    Fast,
    General,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<()> {
    let started = Instant::now();
    say(
        started,
        "starting etcd, kube-apiserver, kube-scheduler and kube-controller-manager",
    );
    let plane = ControlPlane::start(Options::default()).await?;
    let kubeconfig = publish(&plane)?;
    say(started, "starting stagewright");
    let profile = if args.profile == Profile::Fast {
        "fast"
    } else {
        "general"
    };
    let settings = format!("pod={}", json!({"profile": profile}));
    let host = Arc::new(Host::start(&plane, &["--settings", &settings]).await?);
    let watcher = RankWatcher::start(&plane.client().await?).await?;
    let load = tokio::select! {
        load = bring_to_life(&args, &plane, &host, started) => load?,
        () = stopped() => return Ok(()),
    };
    let report = watcher.stop().await?;
    let kubectl = tokio::task::spawn_blocking(|| program(Program::Kubectl)).await??;
    say(
        started,
        &format!(
            "{} pods Running on {} nodes: {:.1} s ({:.0} a second); {} refused by the guard; {} of {} versions moved backward",
            args.pods,
            args.nodes,
            load.pods.as_secs_f64(),
            load.rate(&args),
            load.refused,
            report.backward.len(),
            report.versions,
        ),
    );
    if args.output == Output::Json {
        let summary = json!({
            "nodes": args.nodes, "pods": args.pods, "profile": profile, "kubeconfig": kubeconfig, "kubectl": kubectl,
            "nodesReadySeconds": load.nodes.as_secs_f64(), "podsRunningSeconds": load.pods.as_secs_f64(), "podsPerSecond": load.rate(&args),
            "refused": load.refused, "versions": report.versions, "backward": report.backward.len(),
            "hostCpuSeconds": host.cpu()?.as_secs_f64(), "hostResidentBytes": host.resident()?,
        });
        println!("{summary}");
    }
    if !args.exit_when_settled {
        eprintln!("\nLook around (in another terminal):\n");
        eprintln!("  export KUBECONFIG={}", kubeconfig.display());
        eprintln!("  {} get nodes", kubectl.display());
        eprintln!("  {} --namespace {NAMESPACE} get pods", kubectl.display());
        eprintln!(
            "  {} create deployment web --image=web --replicas=50",
            kubectl.display()
        );
        eprintln!(
            "\nMetrics: {}/metrics   Log: {}",
            host.admin(),
            host.log_path().display()
        );
        eprintln!("Ctrl-C stops everything and removes its data.");
        stopped().await;
    }
    say(started, "stopping");
    if let Some(host) = Arc::into_inner(host) {
        host.terminate().await?;
    }
    drop(plane);
    drop(std::fs::remove_file(kubeconfig));
    Ok(())
}

/// What the load took.
struct Load {
    nodes: Duration,
    pods: Duration,
    refused: u64,
}

impl Load {
    fn rate(&self, args: &Args) -> f64 {
        f64::from(args.pods) / self.pods.as_secs_f64().max(0.001)
    }
}

/// Creates the nodes and pods, and shows them until all are Running.
async fn bring_to_life(
    args: &Args,
    plane: &ControlPlane,
    host: &Arc<Host>,
    started: Instant,
) -> Result<Load> {
    let client = plane.client().await?;
    plane.namespace(NAMESPACE).await?;
    let count = args.nodes as usize;
    let begun = Instant::now();
    // Room for all, however few the nodes are.
    let room = (args.pods as usize)
        .div_ceil(count)
        .saturating_mul(2)
        .max(110);
    plane
        .create_nodes(&Nodes {
            prefix: "node",
            count,
            labels: &[("type", "stagewright")],
            pods: room,
        })
        .await?;
    let is_ready = |node: &Node| {
        let conditions = node
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref());
        conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    wait_for(
        Api::<Node>::all(client.clone()),
        "all nodes Ready",
        PATIENCE,
        |nodes| nodes.len() == count && nodes.values().all(is_ready),
    )
    .await?;
    let nodes = begun.elapsed();
    say(
        started,
        &format!("{count} nodes Ready in {:.1} s", nodes.as_secs_f64()),
    );

    let begun = Instant::now();
    let count = args.pods as usize;
    let refused = Arc::new(AtomicU64::new(0));
    let poll = tokio::spawn(poll_refused(Arc::clone(host), Arc::clone(&refused)));
    let wanted = Pods {
        namespace: NAMESPACE,
        prefix: "pod",
        count,
        nodes: &[],
        annotations: &[],
    };
    let mut view = View::new(count);
    let api = Api::<Pod>::namespaced(client, NAMESPACE);
    let running = wait_for(api, "all pods Running", PATIENCE, |pods| {
        view.show(pods.values(), refused.load(Ordering::Relaxed));
        pods.len() == count && pods.values().all(|pod| phase(pod) == "Running")
    });
    let both = tokio::try_join!(plane.create_pods(&wanted), running);
    poll.abort();
    view.end();
    both.inspect_err(|_| eprintln!("the host's log is {}", host.log_path().display()))?;
    let refused = host
        .metric("stagewright_guard_rejections_total", &[])
        .await?;
    // A counter of a run this short is a whole number well within both types.
    Ok(Load {
        nodes,
        pods: begun.elapsed(),
        refused: refused as u64,
    })
}

async fn poll_refused(host: Arc<Host>, refused: Arc<AtomicU64>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        if let Ok(count) = host.metric("stagewright_guard_rejections_total", &[]).await {
            refused.store(count as u64, Ordering::Relaxed);
        }
    }
}

fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("Pending")
}

/// A moving line on a terminal; elsewhere a plain one every few seconds.
struct View {
    bar: Option<ProgressBar>,
    begun: Instant,
    shown: Instant,
}

impl View {
    fn new(pods: usize) -> Self {
        let style =
            ProgressStyle::with_template("{elapsed:>4} [{bar:40}] {pos}/{len} Running  {msg}");
        let bar = std::io::stderr()
            .is_terminal()
            .then(|| ProgressBar::new(pods as u64));
        if let (Some(bar), Ok(style)) = (&bar, style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            begun: Instant::now(),
            shown: Instant::now(),
        }
    }

    fn show<'a>(&mut self, pods: impl Iterator<Item = &'a Pod>, refused: u64) {
        let every = Duration::from_millis(if self.bar.is_some() { 100 } else { 2000 });
        if self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let mut phases = BTreeMap::<&str, u64>::new();
        pods.for_each(|pod| *phases.entry(phase(pod)).or_default() += 1);
        let running = phases.get("Running").copied().unwrap_or(0);
        let rate = running as f64 / self.begun.elapsed().as_secs_f64();
        let phases: Vec<String> = phases
            .iter()
            .map(|(phase, count)| format!("{phase} {count}"))
            .collect();
        let line = format!("{}  {rate:.0}/s  {refused} refused", phases.join("  "));
        match &self.bar {
            Some(bar) => {
                bar.set_position(running);
                bar.set_message(line);
            }
            None => eprintln!("  {line}"),
        }
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Puts the administrator's kubeconfig where the next command can name it: it lives as long as the control plane.
fn publish(plane: &ControlPlane) -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the workspace")?;
    let folder = workspace.join(".stagewright/demo");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let file = folder.join("kubeconfig");
    std::fs::copy(plane.kubeconfig(), &file)
        .with_context(|| format!("write {}", file.display()))?;
    Ok(file)
}

/// Returns when somebody asks for the end.
async fn stopped() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn say(started: Instant, what: &str) {
    eprintln!("{:6.1} s  {what}", started.elapsed().as_secs_f64());
}
