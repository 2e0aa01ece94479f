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
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::{SOON, View, create, delay_annotation, delete, is_true, node, pod, set, version};
use crate::controlplane::{ControlPlane, Options};
use crate::host::Host;
use crate::programs;
use crate::watcher::RankWatcher;

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
    ($play:path) => {
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
    // Each has the machine to itself: they measure times and CPU.
    run(scenarios, Company::default(), 1);
}

/// Runs the scenarios side by side, and judges after the last one that no version of a pod or node was a move backward.
///
/// For what takes its time and does not mind company: each has a namespace of its own, and nodes of its own by their label `group`.
pub fn play_together(scenarios: &'static [Scenario], company: Company) {
    run(scenarios, company, scenarios.len());
}

/// What scenarios share beside the API server.
#[derive(Debug, Clone, Default)]
pub struct Company {
    /// How the control plane is started.
    pub options: Options,
    /// The arguments of a host that serves all scenarios; none: each starts its own.
    pub host: Option<Vec<String>>,
}

/// The user that the rights are for.
const ACCOUNT: &str = "system:serviceaccount:stagewright:stagewright";

/// A host that may do what `stagewright rbac` says of its arguments, and nothing else.
async fn confined(plane: &ControlPlane, arguments: &[String]) -> Result<Host> {
    let mut rbac = Command::new(programs::stagewright()?);
    rbac.arg("rbac").args(arguments).args(["-o", "json"]);
    let printed: Value = serde_json::from_slice(&rbac.output().await?.stdout)?;
    let client = plane.client().await?;
    let objects = printed.get("items").and_then(Value::as_array);
    for object in objects.context("stagewright rbac printed no objects")? {
        create(&client, object.clone()).await?;
    }
    let arguments = [arguments, &[format!("--as={ACCOUNT}")]].concat();
    Host::start_with(plane, &plane.kubeconfig(), &arguments).await
}

/// What runs while scenarios do. Fields are dropped in this order.
struct Running {
    watcher: Option<RankWatcher>,
    host: Option<Host>,
    plane: Arc<ControlPlane>,
}

impl Running {
    async fn start(company: &Company, is_judged: bool) -> Result<Self> {
        let plane = Arc::new(ControlPlane::start(company.options.clone()).await?);
        let watcher = match is_judged {
            true => Some(RankWatcher::start(&plane.client().await?).await?),
            // It would take part in what they measure.
            false => None,
        };
        let host = match &company.host {
            Some(arguments) => Some(confined(&plane, arguments).await?),
            None => None,
        };
        Ok(Self {
            watcher,
            host,
            plane,
        })
    }

    /// Whether nothing moved backward, also where nobody looked.
    async fn judge(self) -> Result<()> {
        if let Some(host) = &self.host {
            let log = host.log();
            // Admission forbids things too, such as Events in a namespace that ends.
            let is_refusal = |line: &&str| line.contains(ACCOUNT) && line.contains(" cannot ");
            let refused = log.lines().find(is_refusal);
            ensure!(refused.is_none(), "the rights do not suffice: {refused:?}");
        }
        let Some(watcher) = self.watcher else {
            return Ok(());
        };
        let report = watcher.stop().await?;
        let judged = [
            ("moved backward", &report.backward),
            ("is another object's", &report.misplaced),
            ("is untidy", &report.untidy),
        ];
        for (what, moves) in judged {
            // Scenarios play other writers too, who may do as they like.
            let ours: Vec<_> = moves
                .iter()
                .filter(|moved| moved.manager == "stagewright")
                .collect();
            ensure!(ours.is_empty(), "{} times it {what}: {ours:#?}", ours.len());
        }
        Ok(())
    }
}

fn run(scenarios: &'static [Scenario], company: Company, at_once: usize) {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(at_once);
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        return;
    };
    let runtime = Arc::new(runtime);
    let running = Arc::new(OnceCell::<Running>::new());
    let company = Arc::new(company);
    let trial = |(number, scenario): (usize, &'static Scenario)| {
        let (runtime, running) = (Arc::clone(&runtime), Arc::clone(&running));
        let company = Arc::clone(&company);
        Trial::test(scenario.name, move || {
            let run = async {
                let running = running
                    .get_or_try_init(|| Running::start(&company, at_once > 1))
                    .await?;
                let plane = Arc::clone(&running.plane);
                let scene = Scene::open(plane, format!("scene-{number}")).await?;
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
    let running = Arc::into_inner(running).and_then(OnceCell::into_inner);
    let judged = running.map_or(Ok(()), |running| runtime.block_on(running.judge()));
    drop(runtime);
    if let Err(error) = judged {
        eprintln!("{error:#}");
        std::process::exit(101);
    }
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
