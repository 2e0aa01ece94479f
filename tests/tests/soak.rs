//! Constant churn for as long as `STAGEWRIGHT_SOAK_SECONDS` says (a minute where nothing does), `STAGEWRIGHT_SOAK_RATE` pods a second
//! (20): nothing moves backward, nothing is lost, and the host is at the end what it was at the beginning.
//!
//! The first quarter restarts the host over and over, once asked and once killed. The rest watches one host. Its memory is sampled
//! every second, the first third of the samples left out (caches and the allocator's pools fill up). The slope is Theil's and Sen's:
//! the median of the slopes between all pairs of samples, which no burst bends. It counts as zero if the growth that it
//! makes of the whole time is within three times the noise, the median distance of the samples from that line, or within 3 MiB, what
//! an allocator may round.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use kube::Client;
use serde_json::Value;
use stagewright_tests::controlplane::{ControlPlane, Nodes, Options};
use stagewright_tests::environment::number;
use stagewright_tests::host::Host;
use stagewright_tests::scenario::{self, Known, SOON, Touches, View, name, phase, pod, text};
use stagewright_tests::simulator::dice::Dice;
use stagewright_tests::watcher::RankWatcher;

/// Pods that are alive at a time.
const PODS: usize = 200;
/// Pods that end in a second, and pods that come in their place.
const RATE: u64 = 20;
/// Steps in a second.
const STEPS: u64 = 2;
const STEP: Duration = Duration::from_millis(1_000 / STEPS);
const NODES: usize = 10;
/// How long a host lives in the time of restarts.
const LIFE: Duration = Duration::from_secs(5);
/// Growth that counts as none.
const ROUNDING: f64 = 3.0 * 1024.0 * 1024.0;
/// Descriptors and threads that come and go with connections.
const SLACK: usize = 6;

/// The pods that are alive, oldest first, and what gives their successors names.
struct Churn {
    client: Client,
    nodes: Vec<String>,
    alive: VecDeque<Value>,
    /// How many end at a step.
    changed: usize,
    made: usize,
    dice: Dice,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_under_constant_churn_stays_as_it_is() -> Result<()> {
    let seconds = number("STAGEWRIGHT_SOAK_SECONDS")?.unwrap_or(60);
    let rate = number("STAGEWRIGHT_SOAK_RATE")?.unwrap_or(RATE);
    let whole = Duration::from_secs(seconds);
    let plane = ControlPlane::start(Options::api_only()).await?;
    let client = plane.client().await?;
    let nodes = Nodes {
        prefix: "node",
        count: NODES,
        labels: &[],
        pods: 110,
    };
    let nodes = plane.create_nodes(&nodes).await?;
    let watcher = RankWatcher::start(&client).await?;
    let view = View::open(&client, "v1/Pod", Some("default")).await?;
    let mut churn = Churn {
        client: client.clone(),
        nodes,
        alive: VecDeque::new(),
        changed: usize::try_from(rate.div_ceil(STEPS))?,
        made: 0,
        dice: Dice::new(seconds),
    };
    churn.make(PODS).await?;

    let mut host = Host::start(&plane, ARGUMENTS).await?;
    let begun = Instant::now();
    let mut restarts = 0;
    while begun.elapsed() < whole / 4 {
        churn.during(LIFE, || Ok(())).await?;
        if restarts % 2 == 0 {
            ensure!(host.terminate().await? == 0, "the host did not stop well");
        } else {
            host.kill().await?;
        }
        restarts += 1;
        host = Host::start(&plane, ARGUMENTS).await?;
    }

    // A first look once every connection is there.
    churn.during(LIFE, || Ok(())).await?;
    let before = Held::by(&host)?;
    let mut samples = Vec::new();
    let started = Instant::now();
    let touches = Touches::start(&client, churn.some(40), STEP);
    churn
        .during(whole * 3 / 4, || {
            samples.push((started.elapsed().as_secs_f64(), host.resident()? as f64));
            Ok(())
        })
        .await?;
    drop(touches);
    let after = Held::by(&host)?;

    let all = |known: &Known| known.all(PODS, |pod| phase(pod) == "Running");
    if let Err(late) = view.until("all alive and Running", SOON, all).await {
        return Err(late.context(stuck(&host, &view).await?));
    }
    drained(&host).await?;
    let followed = host.metric("stagewright_cache_objects", &["Pod"]).await?;
    ensure!(
        followed == PODS as f64,
        "{followed} pods are followed, and {PODS} are there"
    );
    before.same_as(&after)?;
    let growth = flat(samples.get(samples.len() / 3..).context("no samples")?)?;
    let report = watcher.stop().await?;
    ensure!(report.backward.is_empty(), "{:#?}", report.backward);
    println!(
        "{} pods, {restarts} restarts, {} versions, memory {growth}, {before:?} -> {after:?}",
        churn.made, report.versions
    );
    Ok(())
}

/// What the host says of a pod that should be gone.
async fn stuck(host: &Host, view: &View) -> Result<String> {
    let is_ending = |pod: &&Value| !text(pod, "/metadata/deletionTimestamp").is_empty();
    let known = view.now();
    let ending: Vec<Value> = known
        .objects
        .values()
        .map(|pod| Value::clone(pod))
        .collect();
    drop(known);
    let Some(pod) = ending.iter().find(is_ending) else {
        return Ok("no pod is on its way out".to_owned());
    };
    let explained = host.explain_text("pod", Some("default"), name(pod)).await?;
    let count = ending.iter().filter(is_ending).count();
    Ok(format!(
        "{count} pods are on their way out: {pod}\n{explained}"
    ))
}

const ARGUMENTS: &[&str] = &["--settings=pod={\"profile\": \"fast\"}"];

// === impl Churn ===

impl Churn {
    async fn make(&mut self, count: usize) -> Result<()> {
        let made = self.made;
        let pods = (made..made + count).map(|number| {
            let node = self.nodes.get(number % NODES).map_or("", |node| node);
            pod("default", &format!("pod-{number}"), node)
        });
        let pods = scenario::create_all(&self.client, pods.collect::<Vec<_>>()).await?;
        self.made += count;
        self.alive.extend(pods);
        Ok(())
    }

    /// Some that live long.
    fn some(&self, count: usize) -> Vec<Value> {
        self.alive.iter().rev().take(count).cloned().collect()
    }

    /// Step after step; `each` is called about once a second.
    async fn during(&mut self, time: Duration, mut each: impl FnMut() -> Result<()>) -> Result<()> {
        let begun = Instant::now();
        let mut sampled = begun;
        let mut steps = tokio::time::interval(STEP);
        steps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while begun.elapsed() < time {
            steps.tick().await;
            let changed = self.changed.min(self.alive.len());
            let old: Vec<Value> = self.alive.drain(..changed).collect();
            let grace = self.dice.permille(300).then_some(0);
            scenario::delete_all(&self.client, &old, grace).await?;
            self.make(changed).await?;
            if sampled.elapsed() >= Duration::from_secs(1) {
                sampled = Instant::now();
                each()?;
            }
        }
        Ok(())
    }
}

/// What the kernel keeps for the host.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
}

// === impl Held ===

impl Held {
    fn by(host: &Host) -> Result<Self> {
        let count = |folder: &str| -> Result<usize> {
            Ok(std::fs::read_dir(format!("/proc/{}/{folder}", host.pid()))?.count())
        };
        Ok(Self {
            descriptors: count("fd")?,
            threads: count("task")?,
        })
    }

    fn same_as(&self, after: &Self) -> Result<()> {
        ensure!(
            after.descriptors <= self.descriptors + SLACK && after.threads <= self.threads + SLACK,
            "the host kept what it no longer needs: {self:?} -> {after:?}"
        );
        Ok(())
    }
}

/// Waits until no turn runs, and none waits but each node's for its next heartbeat.
async fn drained(host: &Host) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let empty = async {
        loop {
            ticks.tick().await;
            let running = host.metric("stagewright_turns_running", &[]).await?;
            if running == 0.0 && due(&host.metrics().await?) <= NODES as f64 {
                return Ok::<(), anyhow::Error>(());
            }
        }
    };
    match tokio::time::timeout(SOON, empty).await {
        Ok(drained) => drained,
        Err(_) => bail!("the queue did not drain:\n{}", host.metrics().await?),
    }
}

/// The depth of the queue.
fn due(metrics: &str) -> f64 {
    let lines = metrics.lines();
    let depth = lines.filter(|line| line.starts_with("stagewright_queue_depth"));
    depth
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// Whether the samples, times and bytes, lie on a level line; see the module's text. Answers what was found.
fn flat(samples: &[(f64, f64)]) -> Result<String> {
    ensure!(samples.len() >= 10, "only {} samples", samples.len());
    let pairs = samples.iter().enumerate().flat_map(|(number, one)| {
        let later = samples.iter().skip(number + 1);
        later.map(move |other| (other.1 - one.1) / (other.0 - one.0))
    });
    let slope = median(pairs.collect()).context("no pairs")?;
    let level = samples.iter().map(|(at, bytes)| bytes - slope * at);
    let level = median(level.collect()).context("no samples")?;
    let distances = samples
        .iter()
        .map(|(at, bytes)| (bytes - slope * at - level).abs());
    let noise = median(distances.collect()).context("no samples")?;
    let first = samples.first().map_or(0.0, |(at, _)| *at);
    let last = samples.last().map_or(0.0, |(at, _)| *at);
    let growth = slope * (last - first);
    let found = format!(
        "{:.1} MiB, slope {:.1} KiB/s over {:.0} s, noise {:.2} MiB",
        level / 1048576.0,
        slope / 1024.0,
        last - first,
        noise / 1048576.0
    );
    ensure!(growth <= ROUNDING.max(3.0 * noise), "memory grows: {found}");
    Ok(found)
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

#[test]
fn a_leak_is_told_from_noise() {
    let noise = |second: u32| f64::from(second * 7919 % 13) * 20_000.0;
    let samples = |leak: f64| -> Vec<(f64, f64)> {
        (0..120)
            .map(|second| {
                (
                    f64::from(second),
                    5e7 + noise(second) + leak * f64::from(second),
                )
            })
            .collect()
    };
    assert!(flat(&samples(0.0)).is_ok());
    assert!(flat(&samples(-1e5)).is_ok());
    assert!(flat(&samples(1e5)).is_err());
}
