//! The API server in the box beside kube-apiserver and etcd: the same writes, lists and watches, one server after the other. CPU and
//! memory are the servers' own from /proc, etcd's included; the client shares their cores, so what counts is writes by CPU time.
#![expect(
    clippy::disallowed_methods,
    reason = "it plays the clients of an API server"
)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use futures::{AsyncReadExt as _, TryStreamExt as _, stream};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use stagewright_tests::boxed::Boxed;
use stagewright_tests::controlplane::{self, ControlPlane};
use stagewright_tests::host::{cpu, resident};
use stagewright_tests::scenario;
use tokio::task::JoinSet;

use crate::table::{Measured, Table};

const THEIRS: &str = "kube-apiserver + etcd";
const OURS: &str = "stagewright up --server-only";

/// How many writes are under way at a time.
const IN_FLIGHT: usize = 32;
/// Objects of a list's page, as client-go asks for.
const PAGE: usize = 500;

/// What is asked of each server.
#[derive(Debug, Args)]
pub struct Options {
    /// How often each server is run, turn by turn.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Pods that are created.
    #[arg(long, default_value_t = 100_000)]
    pods: usize,
    /// How many of them get a status.
    #[arg(long, default_value_t = 20_000)]
    patches: usize,
    /// Watches of all pods that are open meanwhile.
    #[arg(long, default_value_t = 10)]
    watches: usize,
}

/// A running server. It stops when this is dropped.
enum Server {
    Theirs(Box<ControlPlane>),
    Ours(Boxed),
}

// === impl Server ===

impl Server {
    async fn start(column: &str) -> Result<Self> {
        Ok(if column == THEIRS {
            Self::Theirs(Box::new(
                ControlPlane::start(controlplane::Options::api_only()).await?,
            ))
        } else {
            Self::Ours(Boxed::start().await?)
        })
    }

    async fn client(&self) -> Result<Client> {
        match self {
            Self::Theirs(plane) => plane.client().await,
            Self::Ours(boxed) => boxed.client().await,
        }
    }

    fn processes(&self) -> Vec<u32> {
        match self {
            Self::Theirs(plane) => vec![plane.api_server_pid(), plane.etcd_pid()],
            Self::Ours(boxed) => vec![boxed.server_pid()],
        }
    }

    fn cpu(&self) -> Result<Duration> {
        self.processes().into_iter().map(cpu).sum()
    }

    /// In MiB.
    fn resident(&self) -> Result<f64> {
        let bytes: u64 = self
            .processes()
            .into_iter()
            .map(resident)
            .sum::<Result<u64>>()?;
        Ok(bytes as f64 / f64::from(1 << 20))
    }
}

/// Runs each server under each load, and answers what was measured.
pub async fn compare(options: &Options) -> Result<Table> {
    let mut table = Table::new(&[THEIRS, OURS]);
    for _ in 0..options.rounds {
        for column in [THEIRS, OURS] {
            eprintln!("{column}");
            let server = Server::start(column).await?;
            let client = server.client().await?;
            let empty = server.resident()?;
            let created = measure(&server, options.pods, create(&client, options.pods)).await?;
            table.add("create", column, created);
            let listed = measure(&server, options.pods, list(&client, options.pods)).await?;
            table.add("list by pages of 500", column, listed);
            let watches = watch(&client, options.watches).await?;
            let patched = patch(&client, options.patches);
            let patched = measure(&server, options.patches, patched).await?;
            table.add("status patches, watched", column, patched);
            drop(watches);
            let mut memory = Measured::default();
            memory.put("memory when empty, MiB", empty);
            memory.put("memory with all pods, MiB", server.resident()?);
            table.add("at the end", column, memory);
        }
    }
    Ok(table)
}

/// What a load that touches so many objects takes.
async fn measure(
    server: &Server,
    objects: usize,
    load: impl Future<Output = Result<()>>,
) -> Result<Measured> {
    let (before, began) = (server.cpu()?, Instant::now());
    load.await?;
    let (spent, lasted) = (server.cpu()? - before, began.elapsed());
    let mut measured = Measured::default();
    measured.put("pods a second of CPU", objects as f64 / spent.as_secs_f64());
    measured.put(
        "pods a second beside the client",
        objects as f64 / lasted.as_secs_f64(),
    );
    Ok(measured)
}

/// Sends many requests, some at a time; any that is refused is an error.
async fn send(
    client: &Client,
    count: usize,
    request: impl Fn(usize) -> Result<Request<Vec<u8>>>,
) -> Result<()> {
    stream::iter((0..count).map(request))
        .map_ok(|request| async { Ok(client.request_text(request).await.map(drop)?) })
        .try_buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod_name(number: usize) -> String {
    format!("pod-{number:06}")
}

async fn create(client: &Client, count: usize) -> Result<()> {
    let request = |number| {
        let pod = scenario::pod(
            "default",
            &pod_name(number),
            &format!("node-{}", number % 1_000),
        );
        let request = Request::post(PODS).header("content-type", "application/json");
        Ok(request.body(serde_json::to_vec(&pod)?)?)
    };
    send(client, count, request).await
}

async fn patch(client: &Client, count: usize) -> Result<()> {
    let ready =
        json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status =
        json!({"status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [ready]}});
    let body = serde_json::to_vec(&status)?;
    let request = |number| {
        let path = format!("{PODS}/{}/status", pod_name(number));
        let request = Request::builder().method(Method::PATCH).uri(path);
        let request = request.header("content-type", "application/merge-patch+json");
        Ok(request.body(body.clone())?)
    };
    send(client, count, request).await
}

/// All pods, page by page, as an informer that starts.
async fn list(client: &Client, count: usize) -> Result<()> {
    let (mut seen, mut next) = (0, String::new());
    while seen < count {
        let path = format!("/api/v1/pods?limit={PAGE}&continue={next}");
        let page: Value = client.request(Request::get(path).body(Vec::new())?).await?;
        let items = page.pointer("/items").and_then(Value::as_array);
        seen += items.context("a list of pods")?.len();
        next = scenario::text(&page, "/metadata/continue").to_owned();
        anyhow::ensure!(seen >= count || !next.is_empty(), "only {seen} pods");
    }
    Ok(())
}

/// Watches of all pods from now on, which read whatever comes until they are dropped.
async fn watch(client: &Client, count: usize) -> Result<JoinSet<()>> {
    let now: Value = client
        .request(Request::get("/api/v1/pods?limit=1").body(Vec::new())?)
        .await?;
    let version = scenario::text(&now, "/metadata/resourceVersion");
    let path = format!("/api/v1/pods?watch=true&timeoutSeconds=3600&resourceVersion={version}");
    let mut watches = JoinSet::new();
    for _ in 0..count {
        let request = Request::get(&path).body(Vec::new())?;
        let mut events = Box::pin(client.request_stream(request).await?);
        watches.spawn(async move {
            let mut buffer = vec![0; 1 << 16];
            while matches!(events.read(&mut buffer).await, Ok(read) if read > 0) {}
        });
    }
    Ok(watches)
}
