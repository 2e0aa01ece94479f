//! What belongs to nodes, and the plugins that make it beside their lives: what is listed late is not taken for absent, and neither a kind
//! that is never listed nor a slip in an annotation holds a node up for ever. Against the server in this process, in virtual time.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::api::ListParams;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use stagewright::client::{Requests, in_process};
use stagewright::clock::Clock;
use stagewright::host::{Host, HostParts};
use stagewright::observe::Metrics;
use stagewright::plugin::{Plugin, Source};
use stagewright_apiserver::clock::TokioClock;
use stagewright_apiserver::{ApiServer, Body, Options};
use stagewright_core::time::Time;
use stagewright_tests::scenario::{api, create, is_true, read, uid};
use stagewright_tests::simulator::{config, engine};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const START: Time = Time(1_780_000_000_000);
const DRIVER: &str = "gpu.example.com";
/// Far more than all takes that nothing holds up.
const LONG: Duration = Duration::from_secs(20);
/// Longer than anything may hold an object up.
const PATIENCE: Duration = Duration::from_secs(150);

/// What becomes of lists and watches of what belongs to nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lists {
    Answered,
    Forbidden,
    /// Not answered while it is so.
    Held,
}

/// The server, and what is between it and the host.
#[derive(Clone)]
struct Way {
    server: ApiServer,
    lists: watch::Receiver<Lists>,
}

impl tower::Service<Request<kube::client::Body>> for Way {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let mut way = self.clone();
        let path = request.uri().path();
        let is_list = path.ends_with("/resourceslices") || path.ends_with("/csinodes");
        Box::pin(async move {
            if is_list && request.method() == Method::GET {
                let is_held = |lists: &Lists| *lists != Lists::Held;
                let lists = way.lists.wait_for(is_held).await.map(|lists| *lists);
                if matches!(lists, Ok(Lists::Forbidden)) {
                    return Ok(forbidden());
                }
            }
            tower::Service::call(&mut way.server, request).await
        })
    }
}

fn forbidden() -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 403,
        "reason": "Forbidden", "message": "no"});
    let mut response = Response::new(Body::from(status.to_string().into_bytes()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

/// A server with a node that asks for two devices, and has a slice of one: of a pool that was changed before. And the node's CSINode, with
/// somebody else's driver; and a node that asks for nothing.
struct World {
    client: Client,
    lists: watch::Sender<Lists>,
    plugins: watch::Sender<Vec<Arc<Plugin>>>,
    node: Value,
    plain: Value,
    slice: Value,
    csi_node: Value,
    host: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.host.abort();
    }
}

impl World {
    /// A host with these stock plugins begins.
    async fn begin(lists: Lists, plugins: &[&'static str]) -> Result<Self> {
        let server = ApiServer::new(Options::new(Arc::new(TokioClock::starting_at(START)), 1));
        let client = Client::new(server.clone(), "default");
        let node = create(
            &client,
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1",
                "annotations": {format!("devices.stagewright.dev/{DRIVER}"): "2"}}}),
        );
        let node = node.await?;
        let plain = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2"}});
        let plain = create(&client, plain).await?;
        let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uid(&node), "controller": true}]);
        let slice = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice",
            "metadata": {"name": format!("n1-{DRIVER}"), "ownerReferences": owner,
                "annotations": {"stagewright.dev/devices.published": "[1,null,null]"}},
            "spec": {"driver": DRIVER, "nodeName": "n1", "devices": [{"name": "device-0"}],
                "pool": {"name": "n1", "generation": 5, "resourceSliceCount": 1}}});
        let csi_node = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode",
            "metadata": {"name": "n1", "ownerReferences": owner},
            "spec": {"drivers": [{"name": "other.example.com", "nodeID": "n1"}]}});
        let (lists, asked) = watch::channel(lists);
        let (sender, renewed) = watch::channel(stock(plugins)?);
        let clock = Clock::on_tokio(START, 1);
        let way = Way {
            server,
            lists: asked,
        };
        let slice = create(&client, slice).await?;
        let csi_node = create(&client, csi_node).await?;
        let host = Host::new(HostParts {
            client: in_process(way, &clock, &Requests::default()),
            clock,
            plugins: renewed,
            live: None,
            orders: None,
            metrics: Arc::new(Metrics::register(&mut Registry::default())),
            identity: "host".to_owned(),
            config: config()?,
        });
        let (listed, _) = oneshot::channel();
        let host = tokio::spawn(host.run(CancellationToken::new(), listed));
        Ok(Self {
            client,
            lists,
            plugins: sender,
            node,
            plain,
            slice,
            csi_node,
            host,
        })
    }

    async fn is_ready(&self) -> Result<bool> {
        Ok(is_true(&read(&self.client, &self.node).await?, "Ready"))
    }

    async fn pool(&self) -> Result<Value> {
        let slice = read(&self.client, &self.slice).await?;
        let generation = slice.pointer("/spec/pool/generation");
        Ok(generation.cloned().unwrap_or_default())
    }

    async fn drivers(&self) -> Result<Vec<Value>> {
        let csi_node = read(&self.client, &self.csi_node).await?;
        let drivers = csi_node.pointer("/spec/drivers").and_then(Value::as_array);
        let names = drivers
            .into_iter()
            .flatten()
            .filter_map(|driver| driver.get("name"));
        Ok(names.cloned().collect())
    }

    /// What was told as a warning.
    async fn warnings(&self) -> Result<Vec<String>> {
        let events = api(&self.client, "v1/Event", None)?;
        let events = events.list(&ListParams::default()).await?;
        let warnings = events
            .iter()
            .filter(|event| event.data.get("type").is_some_and(|kind| kind == "Warning"));
        Ok(warnings.map(|event| event.data.to_string()).collect())
    }
}

fn stock(names: &[&'static str]) -> Result<Vec<Arc<Plugin>>> {
    let load = |&name: &&'static str| {
        let plugin = Plugin::load(engine()?, &Source::Stock(name), &json!({}));
        Ok(Arc::new(plugin.with_context(|| format!("load {name}"))?))
    };
    names.iter().map(load).collect()
}

#[tokio::test(start_paused = true)]
async fn a_node_is_decided_on_when_what_belongs_to_it_is_listed() -> Result<()> {
    let world = World::begin(Lists::Held, &["devices", "storage", "node"]).await?;
    sleep(LONG).await;
    assert!(!world.is_ready().await?);
    assert_eq!(world.pool().await?, 5);
    world.lists.send_replace(Lists::Answered);
    sleep(LONG).await;
    assert!(world.is_ready().await?);
    assert_eq!(world.pool().await?, 6);
    assert!(world.drivers().await?.contains(&json!("other.example.com")));
    assert_eq!(world.warnings().await?, [] as [String; 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn at_an_undisturbed_start_nothing_is_refused() -> Result<()> {
    let world = World::begin(Lists::Answered, &["devices", "storage", "node"]).await?;
    sleep(LONG).await;
    assert!(world.is_ready().await?);
    assert_eq!(world.pool().await?, 6);
    assert_eq!(world.warnings().await?, [] as [String; 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn other_plugins_decide_when_what_they_look_at_is_listed() -> Result<()> {
    let world = World::begin(Lists::Answered, &["devices", "network", "node"]).await?;
    sleep(LONG).await;
    assert_eq!(world.pool().await?, 6);
    let asked =
        json!({"metadata": {"annotations": {format!("devices.stagewright.dev/{DRIVER}"): "3"}}});
    world.lists.send_replace(Lists::Held);
    world
        .plugins
        .send_replace(stock(&["devices", "storage", "node"])?);
    sleep(LONG).await;
    stagewright_tests::scenario::merge(&world.client, &world.node, None, asked).await?;
    sleep(LONG).await;
    // The slice is known from before; the CSINode is new to the host.
    assert_eq!(world.pool().await?, 7);
    assert_eq!(world.drivers().await?, ["other.example.com"]);
    world.lists.send_replace(Lists::Answered);
    sleep(LONG).await;
    assert_eq!(world.pool().await?, 7);
    assert_eq!(world.drivers().await?.len(), 2);
    assert_eq!(world.warnings().await?, [] as [String; 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_listed_or_is_never_answered_holds_no_node_for_ever() -> Result<()> {
    for (lists, patience) in [(Lists::Forbidden, LONG), (Lists::Held, PATIENCE)] {
        let world = World::begin(lists, &["devices", "node"]).await?;
        sleep(patience).await;
        // The other node has a slice that nobody may see.
        let node = read(&world.client, &world.plain).await?;
        assert!(is_true(&node, "Ready"), "{lists:?}: {node}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_slip_in_an_annotation_is_told_and_holds_no_node() -> Result<()> {
    let world = World::begin(Lists::Answered, &["devices", "storage", "node"]).await?;
    let slips = [
        "devices.stagewright.dev/nic.example.com",
        "stagewright.dev/storage.volumes",
    ];
    for (number, slip) in slips.iter().enumerate() {
        let name = format!("slip-{number}");
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": {*slip: "25 "}}});
        let node = create(&world.client, node).await?;
        sleep(LONG).await;
        assert!(
            is_true(&read(&world.client, &node).await?, "Ready"),
            "{slip}"
        );
        let warnings = world.warnings().await?;
        let told = warnings.iter().filter(|warning| warning.contains(slip));
        assert_eq!(told.count(), 1, "{warnings:?}");
    }
    Ok(())
}
