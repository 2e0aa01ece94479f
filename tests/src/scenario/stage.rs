//! One control plane for a test program, and its scenes: each with a namespace and a label of its own, one after another.

use std::ffi::OsStr;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::Client;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{SOON, View, create, delay_annotation, delete, is_true, node, pod, set, version};
use crate::controlplane::{ControlPlane, Options};
use crate::host::Host;

/// How long a scenario may take before it counts as stuck.
const LIMIT: Duration = Duration::from_secs(600);

/// A scenario's function.
pub type Play = fn(Scene) -> Pin<Box<dyn Future<Output = Result<()>>>>;

/// A scenario and its name. [`crate::scenario!`] makes it of an async function.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// The function's name.
    pub name: &'static str,
    /// The function.
    pub play: Play,
}

/// A [`Scenario`] of an `async fn(Scene) -> Result<()>`, under the function's name.
#[macro_export]
macro_rules! scenario {
    ($play:ident) => {
        $crate::scenario::Scenario {
            name: stringify!($play),
            play: |scene| Box::pin($play(scene)),
        }
    };
}

/// What a scenario plays on.
#[derive(Clone)]
pub struct Scene {
    /// The real control plane, shared with the program's other scenarios.
    pub plane: Arc<ControlPlane>,
    /// Its administrator.
    pub client: Client,
    /// The scenario's namespace, and the value of the label `group` on its nodes.
    pub name: String,
}

/// Runs the scenarios one after another on one control plane, which starts with the first and stops with the last. The program's
/// arguments are those of any Rust test program.
pub fn play(scenarios: &'static [Scenario]) {
    let mut arguments = Arguments::from_args();
    // Each has the machine to itself: they measure times and CPU.
    arguments.test_threads = Some(1);
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        return;
    };
    let (runtime, plane) = (
        Arc::new(runtime),
        Arc::new(OnceCell::<Arc<ControlPlane>>::new()),
    );
    let trial = |(number, scenario): (usize, &'static Scenario)| {
        let (runtime, plane) = (Arc::clone(&runtime), Arc::clone(&plane));
        Trial::test(scenario.name, move || {
            let run = async {
                let plane = plane
                    .get_or_try_init(|| async {
                        Ok::<_, anyhow::Error>(Arc::new(
                            ControlPlane::start(Options::default()).await?,
                        ))
                    })
                    .await?;
                let scene = Scene::open(Arc::clone(plane), format!("scene-{number}")).await?;
                tokio::time::timeout(LIMIT, (scenario.play)(scene))
                    .await
                    .context("the scenario is stuck")?
            };
            runtime
                .block_on(run)
                .map_err(|error| Failed::from(format!("{error:#}")))
        })
    };
    let conclusion = libtest_mimic::run(
        &arguments,
        scenarios.iter().enumerate().map(trial).collect(),
    );
    // The trials are gone, so this is the last of the control plane; it stops here, before the program ends.
    drop(plane);
    drop(runtime);
    conclusion.exit();
}

impl Scene {
    async fn open(plane: Arc<ControlPlane>, name: String) -> Result<Self> {
        let client = plane.client().await?;
        let scene = Self {
            plane,
            client,
            name,
        };
        scene.plane.namespace(&scene.name).await?;
        Ok(scene)
    }

    /// Starts a host with the arguments and waits until it is ready.
    ///
    /// # Errors
    /// If it ends or is not ready in time.
    pub async fn host(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Host> {
        Host::start_with(&self.plane, &self.plane.kubeconfig(), arguments).await
    }

    /// Starts a host that need not become ready.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn host_unready(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Host> {
        Host::spawn(&self.plane, &self.plane.kubeconfig(), arguments).await
    }

    /// Starts a host that knows the API server by another address, and does not wait for it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn host_behind(
        &self,
        address: SocketAddr,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<Host> {
        let kubeconfig = std::fs::read_to_string(self.plane.kubeconfig())?;
        let moved = kubeconfig.replace(self.plane.url(), &format!("https://{address}"));
        ensure!(
            moved != kubeconfig,
            "the kubeconfig does not have the API server's address"
        );
        let file = self
            .plane
            .folder()
            .join(format!("{}.kubeconfig", self.name));
        std::fs::write(&file, moved)?;
        Host::spawn(&self.plane, &file, arguments).await
    }

    /// Where the API server listens.
    ///
    /// # Errors
    /// If its URL has no address.
    pub fn server(&self) -> Result<SocketAddr> {
        let url = self.plane.url();
        let (_, address) = url
            .split_once("://")
            .with_context(|| format!("{url} is no URL"))?;
        address
            .parse()
            .with_context(|| format!("{url} has no address"))
    }

    /// Arguments that select the scenario's nodes; pods are brought to life at once.
    #[must_use]
    pub fn selected(&self) -> Vec<String> {
        vec![format!(
            "--manage-nodes-with-label-selector=group={}",
            self.name
        )]
    }

    /// Arguments that select the scenario's nodes; pods take their time.
    #[must_use]
    pub fn general(&self) -> Vec<String> {
        let mut arguments = self.selected();
        arguments.push("--settings=pod={\"profile\": \"general\"}".to_owned());
        arguments
    }

    /// A pod on a node, its stages' delays set in seconds and without jitter.
    #[must_use]
    pub fn pod_with_delays(&self, name: &str, node: &str, delays: &[(&str, u64)]) -> Value {
        let mut annotations = serde_json::Map::new();
        for (stage, seconds) in delays {
            annotations.insert(delay_annotation(stage), format!("{seconds}s").into());
            annotations.insert(
                format!("{stage}.stage.kwok.x-k8s.io/jitter-delay"),
                format!("{seconds}s").into(),
            );
        }
        let mut pod = pod(&self.name, name, node);
        set(
            &mut pod,
            "metadata",
            "annotations",
            Value::Object(annotations),
        );
        pod
    }

    /// Creates a node of the scenario and waits until a host has made it Ready.
    ///
    /// # Errors
    /// If that takes longer than [`SOON`].
    pub async fn ready_node(&self, name: &str) -> Result<Value> {
        let nodes = View::open(&self.client, "v1/Node", None).await?;
        let node = create(&self.client, node(name, &self.name)).await?;
        nodes
            .until("the node Ready", SOON, |known| {
                known.get(name).is_some_and(|node| is_true(node, "Ready"))
            })
            .await?;
        Ok(node)
    }

    /// Waits until the host has heard of everything that was written to nodes before: a node created now is Ready. Answers the
    /// resourceVersion at which it is.
    ///
    /// # Errors
    /// If that takes longer than [`SOON`].
    pub async fn caught_up(&self) -> Result<u64> {
        let sentinel = format!("{}-sentinel", self.name);
        self.ready_node(&sentinel).await?;
        let nodes = View::open(&self.client, "v1/Node", None).await?;
        let reached = nodes
            .now()
            .get(&sentinel)
            .map(version)
            .context("the sentinel")?;
        let node = nodes
            .now()
            .get(&sentinel)
            .cloned()
            .context("the sentinel")?;
        delete(&self.client, &node, Some(0)).await?;
        Ok(reached)
    }
}
