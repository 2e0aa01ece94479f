//! KWOK and the host side by side: the same stages, the same cluster, each on a node of its own.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use stagewright_tests::host::{Host, Kwok, Version, shipped_stages};
use stagewright_tests::scenario::{
    self, Known, SOON, Scene, View, create, is_true, name, node, phase, pod, text,
};

/// KWOK's stages of nodes, under its stages of pods.
pub const NODES: &str = "kustomize/stage/node/fast";
/// By which nodes are selected.
pub const LABELS: &str = "--manage-nodes-with-label-selector";

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// kwok v0.8.0.
    Kwok,
    /// The host.
    Ours,
}
pub use Side::{Kwok as Theirs, Ours};

/// Both.
pub const SIDES: [Side; 2] = [Theirs, Ours];

/// Both, running.
pub struct Contest {
    pub scene: Scene,
    pub kwok: Kwok,
    pub host: Host,
    pub pods: View,
    pub nodes: View,
}

impl Side {
    /// What its objects' names begin with.
    pub fn word(self) -> &'static str {
        match self {
            Theirs => "theirs",
            Ours => "ours",
        }
    }

    /// Its objects.
    pub fn of(self, known: &Known) -> impl Iterator<Item = &Value> {
        let objects = known.objects.values().map(|object| &**object);
        objects.filter(move |object| name(object).contains(self.word()))
    }

    /// How many of its objects have the property.
    pub fn count(self, known: &Known, property: impl Fn(&Value) -> bool) -> usize {
        self.of(known).filter(|object| property(object)).count()
    }
}

impl Contest {
    /// Starts both with KWOK's stages of nodes, with stages of its folders below `kustomize/stage/pod`, and with others as text. `select`
    /// is the flag that selects nodes by `group=GROUP`.
    pub async fn start(
        scene: &Scene,
        folders: &[&str],
        stages: &str,
        select: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let mut shipped = vec![NODES.to_owned()];
        shipped.extend(
            folders
                .iter()
                .map(|folder| format!("kustomize/stage/pod/{folder}")),
        );
        let shipped: Vec<&str> = shipped.iter().map(String::as_str).collect();
        let shipped = shipped_stages(Version::V08, &shipped).await?;
        let configuration = format!("{shipped}\n---\n{stages}");
        let file = scene.plane.folder().join(format!("{}.yaml", scene.name));
        std::fs::write(&file, &configuration)?;
        let selector = |side: Side| format!("{select}=group={}", group(scene, side));

        let (theirs, ours) = (selector(Theirs), selector(Ours));
        let mut all = vec!["--manage-all-nodes=false", theirs.as_str()];
        all.extend(arguments);
        let kwok = Kwok::start_with(&scene.plane, Version::V08, &configuration, &all).await?;
        let config = format!("--config={}", file.display());
        let mut all = vec![ours.as_str(), config.as_str()];
        all.extend(arguments);
        let host = scene.host(&all).await?;
        Ok(Self {
            kwok,
            host,
            pods: View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?,
            nodes: View::open(&scene.client, "v1/Node", None).await?,
            scene: scene.clone(),
        })
    }

    /// Starts both on nodes of their label, and waits until those are Ready.
    pub async fn ready(scene: &Scene, folders: &[&str], stages: &str) -> Result<Self> {
        let contest = Self::start(scene, folders, stages, LABELS, &[]).await?;
        for side in SIDES {
            create(&scene.client, contest.node(side)).await?;
        }
        let names = SIDES.map(|side| node_name(scene, side));
        let ready = |known: &Known| {
            let is_ready =
                |name: &String| known.get(name).is_some_and(|node| is_true(node, "Ready"));
            names.iter().all(is_ready)
        };
        contest.nodes.until("both nodes Ready", SOON, ready).await?;
        Ok(contest)
    }

    /// A side's node.
    pub fn node(&self, side: Side) -> Value {
        node(&node_name(&self.scene, side), &group(&self.scene, side))
    }

    /// A side's node as it is now.
    pub fn is_ready(&self, side: Side) -> bool {
        let known = self.nodes.now();
        let node = known.get(&node_name(&self.scene, side));
        node.is_some_and(|node| is_true(node, "Ready"))
    }

    /// A pod on a side's node.
    pub fn pod(&self, side: Side, number: usize) -> Value {
        let name = format!("{}-{number}", side.word());
        pod(&self.scene.name, &name, &node_name(&self.scene, side))
    }

    /// The same with delays of KWOK's general stages, in seconds.
    pub fn slow_pod(&self, side: Side, number: usize, delays: &[(&str, u64)]) -> Value {
        let name = format!("{}-{number}", side.word());
        let node = node_name(&self.scene, side);
        self.scene.pod_with_delays(&name, &node, delays)
    }

    /// Creates so many pods for each side.
    pub async fn create(
        &self,
        count: usize,
        pod: impl Fn(Side, usize) -> Value,
    ) -> Result<Vec<Value>> {
        let pods = SIDES
            .iter()
            .flat_map(|side| (0..count).map(|number| pod(*side, number)));
        let pods: Vec<Value> = pods.collect();
        scenario::create_all(&self.scene.client, pods).await
    }

    /// Waits until so many pods of a side have the property.
    pub async fn until(
        &self,
        what: &str,
        side: Side,
        count: usize,
        property: impl Fn(&Value) -> bool + Copy,
    ) -> Result<()> {
        let reached = |known: &Known| side.count(known, property) == count;
        self.pods.until(what, SOON, reached).await
    }

    /// Watches for so many seconds that this stays true of the pods.
    pub async fn holds(
        &self,
        what: &str,
        seconds: u64,
        condition: impl FnMut(&Known) -> bool,
    ) -> Result<()> {
        let during = Duration::from_secs(seconds);
        self.pods.holds(what, during, condition).await
    }

    /// Waits that the host's pods are Running, and then some seconds in which those of KWOK are not: it is given more time than we had.
    pub async fn only_ours_run(&self, count: usize) -> Result<()> {
        self.until("our pods Running", Ours, count, is_running)
            .await?;
        let stuck = |known: &Known| Theirs.count(known, is_running) == 0;
        self.holds("KWOK's pods are stuck", 3, stuck).await?;
        ensure!(self.host.is_alive(), "the host ended");
        Ok(())
    }
}

pub fn is_running(pod: &Value) -> bool {
    phase(pod) == "Running"
}

pub fn has_address(pod: &Value) -> bool {
    !text(pod, "/status/podIP").is_empty()
}

fn group(scene: &Scene, side: Side) -> String {
    format!("{}-{}", scene.name, side.word())
}

fn node_name(scene: &Scene, side: Side) -> String {
    group(scene, side)
}
