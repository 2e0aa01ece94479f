//! KWOK's own limits (`test/e2e/benchmark.go` of its module): 5,000 nodes Ready within 60 s, 10,000 pods of one node Running within 60 s
//! and gone within 90 s, with hardly a pod that waits. Its CI has four cores for that, and here the API server needs most of two. And
//! those of `benchmark_hack.go`, for objects that are put straight into etcd: 20 s, 20 s and 30 s.
#![expect(
    clippy::disallowed_methods,
    reason = "it plays the API server, whose clock it is"
)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use stagewright_tests::controlplane::ControlPlane;
use stagewright_tests::scenario::{self, Known, View, name, phase, uid};

use crate::controllers::{Controller, Nodes, PATIENCE, Who, create_pods, new_pods};
use crate::table::{Measured, Table, quantile};
use crate::turns::in_turn;

/// Between two looks at how many wait.
const LOOK: Duration = Duration::from_secs(1);

/// How much.
#[derive(Debug, Args)]
pub struct Options {
    /// Whom to run.
    #[arg(long, value_delimiter = ',', default_value = "kwok,stagewright,stages")]
    who: Vec<Who>,
    /// How often, turn by turn.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Nodes.
    #[arg(long, default_value_t = 5_000)]
    nodes: usize,
    /// Pods, all on one node.
    #[arg(long, default_value_t = 10_000)]
    pods: usize,
    /// Put nodes and pods straight into etcd, which takes them faster than an API server.
    #[arg(long)]
    straight: bool,
}

/// Runs each of them under the load, and answers what was measured.
pub async fn compare(options: &Options) -> Result<Table> {
    in_turn(
        options.rounds,
        &options.who,
        async |who, plane, client, table| run(who, options, (plane, client), table).await,
    )
    .await
}

async fn run(
    who: Who,
    options: &Options,
    (plane, client): (&ControlPlane, &Client),
    table: &mut Table,
) -> Result<()> {
    let controller = Controller::start(who, plane).await?;
    let began = Began::now(&controller)?;
    let nodes = if options.straight {
        Nodes::there(
            client,
            put(plane, "minions", Nodes::named(options.nodes)).await?,
        )
        .await?
    } else {
        Nodes::create(client, options.nodes).await?
    };
    nodes.ready().await?;
    table.add(
        &format!("{} nodes Ready", options.nodes),
        who.column(),
        began.measured(&controller, options.nodes)?,
    );

    let view = View::open(client, "v1/Pod", Some("default")).await?;
    let began = Began::now(&controller)?;
    let at = began.at;
    let one = nodes.nodes.get(..1).unwrap_or_default();
    let created = if options.straight {
        put(
            plane,
            "pods/default",
            new_pods(one, options.pods).map(pending),
        )
        .await?
    } else {
        create_pods(client, one, options.pods, None).await?
    };
    let running = |known: &Known| known.all(options.pods, |pod| phase(pod) == "Running");
    view.until("all pods Running", PATIENCE, running).await?;
    let mut measured = began.measured(&controller, options.pods)?;
    let waiting = waiting(&view.now(), at);
    measured.put("created and not Running, median", quantile(&waiting, 0.5)?);
    measured.put("created and not Running, most", quantile(&waiting, 1.0)?);
    table.add(
        &format!("{} pods Running", options.pods),
        who.column(),
        measured,
    );

    let began = Began::now(&controller)?;
    scenario::delete_all(client, &created, None).await?;
    view.until("all pods gone", PATIENCE, Known::is_empty)
        .await?;
    table.add(
        &format!("{} pods gone", options.pods),
        who.column(),
        began.measured(&controller, options.pods)?,
    );
    drop(controller);
    nodes.delete().await
}

/// A pod with what the API server gives it when it is created.
fn pending(mut pod: Value) -> Value {
    if let Some(pod) = pod.as_object_mut() {
        let status = json!({"phase": "Pending", "qosClass": "BestEffort"});
        pod.insert("status".to_owned(), status);
    }
    pod
}

/// Puts objects into etcd as an API server would have, below that key.
async fn put(
    plane: &ControlPlane,
    below: &str,
    objects: impl Iterator<Item = Value>,
) -> Result<Vec<Value>> {
    static UIDS: AtomicUsize = AtomicUsize::new(1);
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut stored: Vec<Value> = objects.collect();
    for object in &mut stored {
        let number = UIDS.fetch_add(1, Ordering::Relaxed);
        let uid = format!("00000000-0000-4000-8000-{number:012x}");
        scenario::set(object, "metadata", "uid", uid.into());
        scenario::set(object, "metadata", "creationTimestamp", now.clone().into());
    }
    let keyed = |object: &Value| (format!("{below}/{}", name(object)), object.clone());
    plane
        .put(&stored.iter().map(keyed).collect::<Vec<_>>())
        .await?;
    Ok(stored)
}

/// How many pods were there and not Running, at the end of each second; sorted.
fn waiting(known: &Known, began: Instant) -> Vec<f64> {
    let (mut there, mut running) = (BTreeSet::new(), BTreeSet::new());
    let mut waiting = Vec::new();
    let mut next = began + LOOK;
    for seen in &known.history {
        while seen.at >= next {
            waiting.push((there.len() - running.len()) as f64);
            next += LOOK;
        }
        let uid = uid(&seen.object);
        there.insert(uid);
        if phase(&seen.object) == "Running" {
            running.insert(uid);
        }
    }
    waiting.sort_by(f64::total_cmp);
    waiting
}

/// When a load began, and what the controller had spent until then.
struct Began {
    at: Instant,
    cpu: Duration,
}

impl Began {
    fn now(controller: &Controller) -> Result<Self> {
        let (at, cpu) = (Instant::now(), controller.cpu()?);
        Ok(Self { at, cpu })
    }

    fn measured(self, controller: &Controller, count: usize) -> Result<Measured> {
        let mut measured = Measured::default();
        let spent = controller.cpu()?.saturating_sub(self.cpu);
        measured.put("seconds", self.at.elapsed().as_secs_f64());
        measured.put("CPU each, ms", spent.as_secs_f64() * 1e3 / count as f64);
        measured.put("RSS, MiB", controller.resident()?);
        Ok(measured)
    }
}
