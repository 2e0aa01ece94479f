//! Nodes and pods as the server tells them, as far as they are looked at. What is missing or null is nothing.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::fit::{Taint, Wishes};

/// The scheduler whose pods are bound here.
const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// The phases of pods, in the order of their lives.
pub(super) const PHASES: [&str; 5] = ["Pending", "Running", "Succeeded", "Failed", "Unknown"];

/// Namespace and name.
pub(super) type PodKey = (Box<str>, Box<str>);

/// A node as the binder looks at it.
#[derive(Debug)]
pub(super) struct Node {
    /// Whether its condition Ready is True.
    pub ready: bool,
    /// How many pods it takes; none if it is cordoned or not Ready.
    pub room: Option<usize>,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
}

/// A pod as the binder looks at it.
#[derive(Debug)]
pub(super) struct Pod {
    pub uid: String,
    pub node: Option<Box<str>>,
    /// Its place in [`PHASES`].
    pub phase: usize,
    pub deleting: bool,
    /// What it asks of a node, while it waits for one from us.
    pub wishes: Option<Box<Wishes>>,
}

/// What is read of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: Box<str>,
    namespace: Option<Box<str>>,
    uid: String,
    labels: Option<BTreeMap<String, String>>,
    deletion_timestamp: Option<String>,
}

/// What is read of a node.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeObject {
    metadata: Metadata,
    spec: Option<NodeSpec>,
    status: Option<NodeStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    unschedulable: Option<bool>,
    taints: Option<Vec<Taint>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeStatus {
    allocatable: Option<HashMap<String, serde_json::Value>>,
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// What is read of a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodObject {
    metadata: Metadata,
    spec: Option<PodSpec>,
    status: Option<PodStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    node_name: Option<Box<str>>,
    scheduler_name: Option<String>,
    scheduling_gates: Option<Vec<serde::de::IgnoredAny>>,
    #[serde(flatten)]
    wishes: Wishes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodStatus {
    phase: Option<String>,
}

// === impl NodeObject ===

impl NodeObject {
    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }
}

impl From<NodeObject> for Node {
    fn from(object: NodeObject) -> Self {
        let spec = object.spec.unwrap_or_default();
        let status = object.status.unwrap_or_default();
        let ready = status
            .conditions
            .iter()
            .flatten()
            .any(|condition| condition.kind == "Ready" && condition.status == "True");
        let room = status.allocatable.as_ref().and_then(|all| all.get("pods"));
        // A node that does not say takes as many as there are.
        let room = room.map_or(usize::MAX, |room| {
            let text = room
                .as_str()
                .map_or_else(|| room.to_string(), str::to_owned);
            text.parse().unwrap_or(usize::MAX)
        });
        let open = ready
            && spec.unschedulable != Some(true)
            && object.metadata.deletion_timestamp.is_none();
        Self {
            ready,
            room: open.then_some(room),
            labels: object.metadata.labels.unwrap_or_default(),
            taints: spec.taints.unwrap_or_default(),
        }
    }
}

// === impl PodObject ===

impl PodObject {
    pub(super) fn key(&self) -> PodKey {
        let namespace = self.metadata.namespace.clone().unwrap_or_default();
        (namespace, self.metadata.name.clone())
    }
}

impl From<PodObject> for Pod {
    fn from(object: PodObject) -> Self {
        let spec = object.spec.unwrap_or_default();
        let phase = object.status.and_then(|status| status.phase);
        let phase = phase.filter(|phase| !phase.is_empty());
        let phase = phase.map_or(0, |phase| {
            PHASES
                .iter()
                .position(|known| *known == phase)
                .unwrap_or(PHASES.len() - 1)
        });
        let deleting = object.metadata.deletion_timestamp.is_some();
        let node = spec.node_name.filter(|name| !name.is_empty());
        let scheduler = spec.scheduler_name.filter(|name| !name.is_empty());
        let ours = node.is_none()
            && !deleting
            && phase == 0
            && scheduler.is_none_or(|name| name == DEFAULT_SCHEDULER)
            && spec.scheduling_gates.is_none_or(|gates| gates.is_empty());
        Self {
            uid: object.metadata.uid,
            node,
            phase,
            deleting,
            wishes: ours.then(|| Box::new(spec.wishes)),
        }
    }
}
