//! Which objects are ours to move: nodes by selection and lease, pods by their node.
//!
//! A node that a kubelet serves is never taken unless it is named: two writers of one status fight, and a pod that really runs
//! must not be told otherwise. KWOK takes every node that its selector matches.

mod lease;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::json::At as _;
use crate::object::{Key, ResourceVersion, Snapshot, Uid};
use crate::selector::Selector;
use crate::time::Time;
use lease::Lease;

/// How the identities of all stagewright hosts begin; any other holder of a node's lease is a kubelet, or acts as one.
pub const IDENTITY_PREFIX: &str = "stagewright-";
/// Where the leases of nodes are (`corev1.NamespaceNodeLease`).
pub const LEASE_NAMESPACE: &str = "kube-node-lease";
/// Marks a pod that mirrors a file on a real node (`corev1.MirrorPodAnnotationKey`): only its kubelet knows how it is.
const MIRROR: &str = "/metadata/annotations/kubernetes.io~1config.mirror";

/// Makes a node nobody's while it says `true`, as if its kubelet were dead: its lease runs out, and nothing of it is written.
const SILENT: &str = "/metadata/annotations/stagewright.dev~1node.silent";

/// Which nodes are ours to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every node.
    All,
    /// Nodes whose labels match.
    Labels(Selector),
    /// Nodes whose annotations match.
    Annotations(Selector),
    /// Nodes whose labels match the first and whose annotations match the second.
    LabelsAndAnnotations(Selector, Selector),
    /// These nodes, even if a kubelet serves them.
    Names(BTreeSet<String>),
}

/// That an object is ours to write now. Made by [`Claims::claim`] alone; what it stands for ends with the next change of the
/// claims, so it is taken right before a write and used up by it.
///
/// Nobody can keep a second one:
///
/// ```compile_fail,E0277
/// fn copied<T: Clone>() {}
/// copied::<stagewright_core::claims::Claim>();
/// ```
///
/// nor make one up:
///
/// ```compile_fail,E0451
/// # fn made(key: stagewright_core::object::Key, uid: stagewright_core::object::Uid) {
/// let claim = stagewright_core::claims::Claim { key, uid };
/// # }
/// ```
#[derive(Debug)]
pub struct Claim {
    key: Key,
    uid: Uid,
}

/// What is known of nodes and their leases, and which of them are ours.
#[derive(Debug)]
pub struct Claims {
    selection: Selection,
    identity: String,
    leases: bool,
    nodes: BTreeMap<Arc<str>, Node>,
    /// When the leases run out, for [`Claims::tick`].
    ends: BTreeSet<(Time, Arc<str>)>,
    /// The nodes that were ours when they were judged last.
    ours: BTreeSet<Arc<str>>,
    /// The latest instant we were told.
    now: Time,
    /// The instant up to which leases that ran out were judged again.
    ticked: Time,
}

/// A name for which a node, a lease or both are known.
#[derive(Debug, Default)]
struct Node {
    /// The newest version seen and whether we take it; none while only the lease is known.
    selected: Option<(ResourceVersion, Taken)>,
    lease: Option<Lease>,
}

/// Whether we take a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// The selection has it.
    Yes,
    /// The selection does not have it.
    No,
    /// It has, and the node is to be [`SILENT`].
    Silent,
}

/// What became of a node in our eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeChange {
    /// It is ours from now on.
    Gained,
    /// It is no longer ours.
    Lost,
    /// It is ours as before, or not, as before.
    Same,
}

/// Why an object is not ours to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotOurs {
    /// A pod that is bound to no node.
    #[error("the pod is not bound to a node")]
    NoNode,
    /// Its node is not there.
    #[error("the node is not known")]
    NodeUnknown,
    /// Its node is not among those that we run.
    #[error("the node is not selected: see the node selection flags")]
    NodeNotSelected,
    /// The node is to look dead.
    #[error("the node is silent: its annotation stagewright.dev/node.silent says so")]
    NodeSilent,
    /// A kubelet renews the node's lease.
    #[error("a kubelet serves the node")]
    Kubelet,
    /// A static pod's mirror.
    #[error("the pod mirrors a file on a real node")]
    MirrorPod,
    /// Another host holds the node's lease.
    #[error("the node's lease is held by {0:?}")]
    HeldBy(String),
    /// Nobody holds the node's lease, or ours ran out.
    #[error("the node's lease is not held by us yet")]
    LeaseNotHeld,
}

// === impl Claims ===

impl Claims {
    /// `identity` is what our leases name as holder, and begins with [`IDENTITY_PREFIX`]. Without `leases`, a node is ours as
    /// soon as it is selected.
    #[must_use]
    pub fn new(selection: Selection, identity: String, leases: bool) -> Self {
        let (nodes, ends, ours) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self {
            selection,
            identity,
            leases,
            nodes,
            ends,
            ours,
            now: Time::default(),
            ticked: Time::default(),
        }
    }

    /// A version of a node; one that is not newer than what is known is left aside.
    pub fn observe_node(&mut self, node: &Snapshot) -> NodeChange {
        let name = &node.key().name;
        let selected = self.selects(node);
        let known = self.nodes.entry(Arc::clone(name)).or_default();
        if known
            .selected
            .is_some_and(|(version, _)| version >= node.version())
        {
            return NodeChange::Same;
        }
        known.selected = Some((node.version(), selected));
        self.judge(name, self.now)
    }

    /// The node went.
    pub fn forget_node(&mut self, name: &str) -> NodeChange {
        let Some((name, node)) = self.entry(name) else {
            return NodeChange::Same;
        };
        node.selected = None;
        self.judge(&name, self.now)
    }

    /// A version of a lease, judged at `now`. Leases outside of [`LEASE_NAMESPACE`] are no nodes'.
    pub fn observe_lease(&mut self, lease: &Snapshot, now: Time) -> NodeChange {
        let key = lease.key();
        if key.namespace.as_deref() != Some(LEASE_NAMESPACE) {
            return NodeChange::Same;
        }
        self.now = now;
        let node = self.nodes.entry(Arc::clone(&key.name)).or_default();
        if node
            .lease
            .as_ref()
            .is_some_and(|known| known.version >= lease.version())
        {
            return self.judge(&key.name, now);
        }
        let lease = Lease::of(lease);
        let ends = lease.ends;
        if let Some(known) = node.lease.replace(lease) {
            self.ends.remove(&(known.ends, Arc::clone(&key.name)));
        }
        self.ends.insert((ends, Arc::clone(&key.name)));
        self.judge(&key.name, now)
    }

    /// The node's lease went.
    pub fn forget_lease(&mut self, node: &str) -> NodeChange {
        let Some((name, node)) = self.entry(node) else {
            return NodeChange::Same;
        };
        if let Some(known) = node.lease.take() {
            self.ends.remove(&(known.ends, Arc::clone(&name)));
        }
        self.judge(&name, self.now)
    }

    /// Judges leases again that ran out since, and answers the nodes that changed.
    pub fn tick(&mut self, now: Time) -> Vec<(Arc<str>, NodeChange)> {
        // The server's clock is estimated, and may be corrected backward: then leases come back to life.
        let (first, last) = (self.ticked.min(now), self.ticked.max(now));
        let (after, until) = (
            (first, Arc::from("")),
            (last + std::time::Duration::from_millis(1), Arc::from("")),
        );
        let names: Vec<Arc<str>> = self
            .ends
            .range(after..until)
            .map(|(_, name)| Arc::clone(name))
            .collect();
        self.now = now;
        self.ticked = now;
        let judged = names.into_iter().map(|name| {
            let change = self.judge(&name, now);
            (name, change)
        });
        judged
            .filter(|(_, change)| *change != NodeChange::Same)
            .collect()
    }

    /// A claim to the object, if it is ours at the latest instant that was told ([`Claims::tick`], [`Claims::observe_lease`]).
    ///
    /// # Errors
    /// If it is not ours, and why.
    pub fn claim(&self, object: &Snapshot) -> Result<Claim, NotOurs> {
        self.claimed(object, node_of(object)?, self.now)
    }

    /// A claim to the object, if it is ours at `now`. Prefer it where the time is known: a process that was paused finds its
    /// leases run out before its first tick. Whoever is refused here is told when the node is gained again.
    ///
    /// # Errors
    /// If it is not ours, and why.
    pub fn claim_at(&mut self, object: &Snapshot, now: Time) -> Result<Claim, NotOurs> {
        let node = node_of(object)?;
        let claim = self.claimed(object, node, now);
        if let (Err(_), Some(node)) = (&claim, node) {
            // A lease that is renewed before the next tick would seem never to have run out.
            self.ours.remove(node);
        }
        claim
    }

    fn claimed(&self, object: &Snapshot, node: Option<&str>, now: Time) -> Result<Claim, NotOurs> {
        if let Some(node) = node {
            self.standing(node, now)?;
        }
        Ok(Claim {
            key: object.key().clone(),
            uid: object.uid().clone(),
        })
    }

    /// The nodes that are ours, in order.
    #[must_use]
    pub fn nodes(&self) -> &BTreeSet<Arc<str>> {
        &self.ours
    }

    /// Whether the selection has the node, whatever its lease says: the leases of these are to be acquired, by the rules of
    /// leases, which leave a living holder alone.
    #[must_use]
    pub fn is_selected(&self, node: &str) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| matches!(node.selected, Some((_, Taken::Yes))))
    }

    /// The same of the node that decides whose the object is.
    #[must_use]
    pub fn is_on_selected(&self, object: &Snapshot) -> bool {
        let node = node_of(object).ok().flatten();
        node.is_some_and(|node| self.is_selected(node))
    }

    /// Whether a lease of the node was seen, whoever holds it.
    #[must_use]
    pub fn has_lease(&self, node: &str) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| node.lease.is_some())
    }

    fn entry(&mut self, name: &str) -> Option<(Arc<str>, &mut Node)> {
        let name = Arc::clone(self.nodes.get_key_value(name)?.0);
        let node = self.nodes.get_mut(&name)?;
        Some((name, node))
    }

    fn selects(&self, node: &Snapshot) -> Taken {
        let body = node.body();
        let (labels, annotations) = (
            body.at("/metadata/labels"),
            body.at("/metadata/annotations"),
        );
        let selected = match &self.selection {
            Selection::All => true,
            Selection::Labels(selector) => selector.matches(labels),
            Selection::Annotations(selector) => selector.matches(annotations),
            Selection::LabelsAndAnnotations(by_label, by_annotation) => {
                by_label.matches(labels) && by_annotation.matches(annotations)
            }
            Selection::Names(names) => names.contains(&*node.key().name),
        };
        let silent = body.at(SILENT).and_then(Value::as_str) == Some("true");
        match (selected, silent) {
            (true, false) => Taken::Yes,
            (true, true) => Taken::Silent,
            (false, _) => Taken::No,
        }
    }

    /// Whether the node is ours, and if not, why.
    fn standing(&self, name: &str, now: Time) -> Result<(), NotOurs> {
        let node = self.nodes.get(name).ok_or(NotOurs::NodeUnknown)?;
        let (_, selected) = node.selected.ok_or(NotOurs::NodeUnknown)?;
        match selected {
            Taken::Yes => {}
            Taken::No => return Err(NotOurs::NodeNotSelected),
            Taken::Silent => return Err(NotOurs::NodeSilent),
        }
        let holder = node.lease.as_ref().and_then(|lease| lease.holder_at(now));
        let named = matches!(self.selection, Selection::Names(_));
        match holder {
            Some(holder) if holder == self.identity => Ok(()),
            Some(holder) if !named && !holder.starts_with(IDENTITY_PREFIX) => Err(NotOurs::Kubelet),
            Some(holder) if self.leases => Err(NotOurs::HeldBy(holder.to_owned())),
            None if self.leases => Err(NotOurs::LeaseNotHeld),
            _ => Ok(()),
        }
    }

    /// Keeps what is remembered as ours in step, and drops names of which nothing is known any more.
    fn judge(&mut self, name: &Arc<str>, now: Time) -> NodeChange {
        let ours = self.standing(name, now).is_ok();
        if self
            .nodes
            .get(name)
            .is_some_and(|node| node.selected.is_none() && node.lease.is_none())
        {
            self.nodes.remove(name);
        }
        if ours {
            if self.ours.insert(Arc::clone(name)) {
                NodeChange::Gained
            } else {
                NodeChange::Same
            }
        } else if self.ours.remove(name) {
            NodeChange::Lost
        } else {
            NodeChange::Same
        }
    }
}

/// The node that decides whose the object is: a pod's, or the node itself. Others are anybody's.
fn node_of(object: &Snapshot) -> Result<Option<&str>, NotOurs> {
    let (key, body) = (object.key(), object.body());
    if key.kind.is_core("Node") {
        return Ok(Some(&key.name));
    }
    if !key.kind.is_core("Pod") {
        return Ok(None);
    }
    if body.at(MIRROR).is_some() {
        return Err(NotOurs::MirrorPod);
    }
    let node = body.at("/spec/nodeName").and_then(Value::as_str);
    node.filter(|node| !node.is_empty())
        .map(Some)
        .ok_or(NotOurs::NoNode)
}

// === impl Claim, NotOurs ===

impl Claim {
    /// The object.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Which object it was when it was claimed.
    #[must_use]
    pub fn uid(&self) -> &Uid {
        &self.uid
    }
}

impl NotOurs {
    /// The bounded word for metrics and `explain`.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::NoNode => "NoNode",
            Self::NodeUnknown => "NodeUnknown",
            Self::NodeNotSelected => "NodeNotSelected",
            Self::NodeSilent => "NodeSilent",
            Self::Kubelet => "Kubelet",
            Self::MirrorPod => "MirrorPod",
            Self::HeldBy(_) => "HeldBy",
            Self::LeaseNotHeld => "LeaseNotHeld",
        }
    }
}
