//! A way to the API server that can be made worse: late news, writes without their preconditions, faults. Plain HTTP on loopback comes
//! in, the administrator's requests go out.

mod faults;
pub(crate) mod strip;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use futures::StreamExt as _;
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::controlplane::ControlPlane;
pub use faults::Fault;
use faults::{Faults, Sort};

/// The most that a request's body may have.
const BODY: usize = 16 << 20;

/// How many pieces of a watch may be held back at once; more than a test makes.
const HELD: usize = 65_536;

/// What the proxy does to what passes.
#[derive(Debug, Clone, Default)]
pub struct Tamper {
    /// Brings each piece of a watch (a streamed list is one too) so much later.
    pub delay_watch: Duration,
    /// Takes `metadata.uid` and `metadata.resourceVersion` from patches, `test` operations from JSON patches, and the preconditions
    /// from deletions: what an API server would hold a stale write up with.
    pub strip_preconditions: bool,
}

/// Requests by method and resource, like `("PATCH", "pods/status")`; a watch counts as `WATCH`.
pub type Counts = BTreeMap<(String, String), u64>;

/// A running proxy. It stops when the value goes, and with it the connections through it.
#[derive(Debug)]
pub struct Proxy {
    kubeconfig: PathBuf,
    counts: Arc<Mutex<Counts>>,
    stored: Arc<Mutex<Counts>>,
    faults: Arc<Faults>,
    is_open: watch::Sender<bool>,
    delay: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Way {
    client: Client,
    tamper: Tamper,
    counts: Arc<Mutex<Counts>>,
    /// Writes that the server carried out, by method and path.
    stored: Arc<Mutex<Counts>>,
    faults: Arc<Faults>,
    is_open: watch::Receiver<bool>,
    /// Milliseconds by which requests are held back.
    delay: Arc<AtomicU64>,
}

impl Proxy {
    /// Starts a proxy in front of the control plane's API server.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(plane: &ControlPlane, tamper: Tamper) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = format!("http://{}", listener.local_addr()?);
        let kubeconfig = plane.instance_folder("proxy")?.join("kubeconfig");
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "proxy", "users": [{"name": "proxy", "user": {}}],
            "clusters": [{"name": "proxy", "cluster": {"server": server}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}]});
        fs::write(&kubeconfig, config.to_string())?;
        let counts = Arc::new(Mutex::new(Counts::new()));
        let (stored, faults) = (Arc::default(), Arc::new(Faults::none()));
        let (is_open, open) = watch::channel(true);
        let delay = Arc::new(AtomicU64::new(0));
        let way = Way {
            delay: Arc::clone(&delay),
            client: plane.client().await?,
            tamper,
            counts: Arc::clone(&counts),
            stored: Arc::clone(&stored),
            faults: Arc::clone(&faults),
            is_open: open,
        };
        let router = Router::new().fallback(pass).with_state(way);
        let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self {
            kubeconfig,
            counts,
            stored,
            faults,
            is_open,
            delay,
            task,
        })
    }

    /// A kubeconfig that leads through the proxy.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Holds back all news of watches from now on.
    pub fn hold_watches(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets the news go that were held back.
    pub fn release_watches(&self) {
        self.is_open.send_replace(true);
    }

    /// Holds back each request that is no watch for so long, from now on.
    pub fn delay_requests(&self, delay: Duration) {
        self.delay.store(
            delay.as_millis().try_into().unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    /// Puts faults in from now on, drawn from the seed: of a thousand requests, so many meet one. 0 ends it.
    pub fn put_faults(&self, permille: u64, seed: u64) {
        self.faults.set(permille, seed);
    }

    /// Which faults there were so far.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<Fault, u64> {
        self.faults.met()
    }

    /// The faults that no request has met yet.
    #[must_use]
    pub fn unmet(&self) -> BTreeSet<Fault> {
        self.faults.unmet()
    }

    /// What was asked so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        copy(&self.counts)
    }

    /// The writes that the API server carried out so far, by method and path, whatever the caller came to know of it.
    #[must_use]
    pub fn stored(&self) -> Counts {
        copy(&self.stored)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Connections have tasks of their own; what they still hold back goes when nobody can open them any more.
        self.task.abort();
    }
}

async fn pass(State(way): State<Way>, request: Request) -> Response<Body> {
    match forward(&way, request).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = Response::new(Body::from(format!("{error:#}")));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

fn copy(counts: &Mutex<Counts>) -> Counts {
    counts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

fn count(counts: &Mutex<Counts>, method: &str, of: String) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    *counts.entry((method.to_owned(), of)).or_default() += 1;
}

async fn forward(way: &Way, request: Request) -> Result<Response<Body>> {
    let query = request.uri().query().unwrap_or_default();
    let is_watch = query
        .split('&')
        .any(|part| matches!(part, "watch=true" | "watch=1"));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (verb, sort) = match (is_watch, &method) {
        (true, _) => ("WATCH", Sort::Watch),
        (false, &Method::GET) => ("GET", Sort::Read),
        (false, method) => (method.as_str(), Sort::Write),
    };
    count(&way.counts, verb, resource(&path));
    let fault = way.faults.draw(sort);
    if let Some(fault) = fault.filter(|fault| !fault.is_after()) {
        return Ok(fault.answer().await);
    }
    let (mut parts, body) = send(way, request, is_watch).await?.into_parts();
    if sort == Sort::Write && parts.status.is_success() {
        count(&way.stored, method.as_str(), path);
    }
    if let Some(fault) = fault {
        return Ok(fault.answer().await);
    }
    without_connection(&mut parts.headers);
    Ok(Response::from_parts(
        parts,
        if is_watch { late(way, body) } else { body },
    ))
}

async fn send(way: &Way, request: Request, is_watch: bool) -> Result<Response<Body>> {
    let (mut parts, body) = request.into_parts();
    let mut body = to_bytes(body, BODY).await?.to_vec();
    if way.tamper.strip_preconditions
        && (parts.method == Method::PATCH || parts.method == Method::DELETE)
    {
        body = strip::preconditions(&body, &strip::ALL);
    }
    if !is_watch {
        tokio::time::sleep(Duration::from_millis(way.delay.load(Ordering::Relaxed))).await;
    }
    without_connection(&mut parts.headers);
    parts.headers.remove(header::HOST);
    // The server is to know the proxy's administrator, not the caller.
    parts.headers.remove(header::AUTHORIZATION);
    // The outer client adds the server's address to the path.
    parts.uri = parts
        .uri
        .path_and_query()
        .map_or_else(|| "/".parse(), |path| path.as_str().parse())?;
    let request = http::Request::from_parts(parts, body.into());
    Ok(way.client.send(request).await?.map(Body::new))
}

/// Headers that are about one connection; lengths change when bodies are cut.
fn without_connection(headers: &mut HeaderMap) {
    for name in [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
}

/// The pieces of a body, each so much later than it came, and none while news are held back.
fn late(way: &Way, body: Body) -> Body {
    let (sender, receiver) = mpsc::channel(HELD);
    let delay = way.tamper.delay_watch;
    let mut pieces = body.into_data_stream();
    tokio::spawn(async move {
        while let Some(piece) = pieces.next().await {
            if sender.send((Instant::now() + delay, piece)).await.is_err() {
                return;
            }
        }
    });
    let state = (receiver, way.is_open.clone(), Arc::clone(&way.faults));
    let pieces = futures::stream::unfold(state, |(mut receiver, mut is_open, faults)| async move {
        let (due, piece) = receiver.recv().await?;
        if faults.cuts() {
            return None;
        }
        tokio::time::sleep_until(due).await;
        // The proxy is gone if this fails, and the connection with it.
        is_open.wait_for(|is_open| *is_open).await.ok()?;
        Some((piece, (receiver, is_open, faults)))
    });
    Body::from_stream(pieces)
}

/// The resource and subresource of an API path, without namespaces and names.
fn resource(path: &str) -> String {
    let mut parts = path.trim_matches('/').split('/');
    // api/VERSION or apis/GROUP/VERSION
    let skipped = if parts.next() == Some("apis") { 2 } else { 1 };
    let rest: Vec<&str> = parts.skip(skipped).collect();
    let rest = match rest.as_slice() {
        ["namespaces", _, rest @ ..]
            if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) =>
        {
            rest
        }
        rest => rest,
    };
    match rest {
        [resource, _, subresource, ..] => format!("{resource}/{subresource}"),
        [resource, ..] => (*resource).to_owned(),
        [] => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::resource;

    #[test]
    fn paths_are_counted_by_resource() {
        for (path, counted) in [
            ("/api/v1/pods", "pods"),
            ("/api/v1/namespaces/default/pods/a/status", "pods/status"),
            ("/api/v1/namespaces/default/pods/a", "pods"),
            ("/api/v1/namespaces/default", "namespaces"),
            ("/api/v1/namespaces/default/status", "namespaces/status"),
            (
                "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n",
                "leases",
            ),
            ("/api/v1/nodes/n/status", "nodes/status"),
            ("/version", "/version"),
        ] {
            assert_eq!(resource(path), counted, "{path}");
        }
    }
}
