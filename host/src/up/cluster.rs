//! Nodes and pods as far as the binder and the table look at them. Pure: what happened goes in, counts and places come out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::fit::{Place, Wishes};
use super::follow::Change;
use super::objects::{Node, NodeObject, PHASES, Pod, PodKey, PodObject};

/// All that is there.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    nodes: BTreeMap<Box<str>, Node>,
    /// The nodes that take pods, the emptiest first.
    emptiest: BTreeSet<(usize, Box<str>)>,
    /// Pods on each node, also on one that is not there.
    loads: HashMap<Box<str>, usize>,
    pods: HashMap<PodKey, Pod>,
    /// Pods that wait for a node and were not refused by all of them.
    waiting: BTreeSet<PodKey>,
    /// Those that were.
    stuck: BTreeSet<PodKey>,
    counts: Counts,
}

/// How many there are of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Nodes.
    pub nodes: usize,
    /// Of them, those that are Ready.
    pub ready: usize,
    /// Nodes that were ever there.
    pub nodes_seen: usize,
    /// Pods by phase, as [`PHASES`] has them.
    pub phases: [usize; PHASES.len()],
    /// Pods that are being deleted.
    pub deleting: usize,
    /// Pods without a node.
    pub unbound: usize,
    /// Pods that were ever there.
    pub pods_seen: usize,
}

/// A pod and the node that it gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub namespace: Box<str>,
    pub name: Box<str>,
    pub uid: String,
    pub node: Box<str>,
}

// === impl Counts ===

impl Counts {
    /// All pods.
    pub(super) fn pods(&self) -> usize {
        self.phases.iter().sum()
    }

    /// Whether all nodes that were ever there are, and are Ready, so many at least.
    pub(super) fn nodes_are_ready(&self, expected: usize) -> bool {
        self.nodes_seen >= expected && self.ready == self.nodes
    }

    /// Whether nothing is on its way, with at least so many nodes and pods seen.
    pub(super) fn is_settled(&self, nodes: usize, pods: usize) -> bool {
        let [pending, ..] = self.phases;
        self.nodes_are_ready(nodes) && self.pods_seen >= pods && pending == 0 && self.deleting == 0
    }
}

// === impl Cluster ===

impl Cluster {
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes in what happened to a node.
    pub(super) fn node(&mut self, change: Change<NodeObject>) {
        match change {
            Change::Anew => {
                self.nodes.clear();
                self.emptiest.clear();
                (self.counts.nodes, self.counts.ready) = (0, 0);
            }
            Change::Listed => {}
            Change::There(object) => self.node_is(object),
            Change::Gone(object) => self.forget_node(object.name()),
        }
    }

    /// Takes in what happened to a pod.
    pub(super) fn pod(&mut self, change: Change<PodObject>) {
        match change {
            Change::Anew => {
                let keys: Vec<PodKey> = self.pods.keys().cloned().collect();
                for key in keys {
                    self.pod_leaves(&key);
                }
            }
            Change::Listed => {}
            Change::There(object) => self.pod_is(object),
            Change::Gone(object) => self.pod_leaves(&object.key()),
        }
    }

    /// The next pod that waits, with a node for it: the one with the fewest pods. It counts as bound from now on.
    pub(super) fn place(&mut self) -> Option<Placed> {
        while let Some(key) = self.waiting.pop_first() {
            let Some(pod) = self.pods.get(&key) else {
                continue;
            };
            let wishes = pod.wishes.as_deref();
            let node = self
                .emptiest
                .iter()
                .find(|(load, name)| wishes.is_some_and(|wishes| self.takes(name, *load, wishes)));
            let Some(node) = node.map(|(_, name)| name.clone()) else {
                self.stuck.insert(key);
                continue;
            };
            let uid = pod.uid.clone();
            self.move_pod(&key, Some(node.clone()));
            let (namespace, name) = key;
            return Some(Placed {
                namespace,
                name,
                uid,
                node,
            });
        }
        None
    }

    /// The server did not bind it: it waits until something changes.
    pub(super) fn displace(&mut self, placed: &Placed) {
        let key = (placed.namespace.clone(), placed.name.clone());
        if self.pods.get(&key).is_some_and(|pod| pod.uid == placed.uid) {
            self.move_pod(&key, None);
            self.stuck.insert(key);
        }
    }

    fn takes(&self, name: &str, load: usize, wishes: &Wishes) -> bool {
        self.nodes.get(name).is_some_and(|node| {
            node.room.is_some_and(|room| load < room)
                && wishes.allow(Place {
                    name,
                    labels: &node.labels,
                    taints: &node.taints,
                })
        })
    }

    fn node_is(&mut self, object: NodeObject) {
        let name: Box<str> = object.name().into();
        let fresh = Node::from(object);
        let known = self.nodes.get(&name);
        let same = known.is_some_and(|known| {
            known.room == fresh.room && known.labels == fresh.labels && known.taints == fresh.taints
        });
        if known.is_none() {
            self.counts.nodes_seen += 1;
        }
        self.forget_node(&name);
        self.counts.nodes += 1;
        self.counts.ready += usize::from(fresh.ready);
        if fresh.room.is_some() {
            let load = self.loads.get(&name).copied().unwrap_or(0);
            self.emptiest.insert((load, name.clone()));
        }
        self.nodes.insert(name, fresh);
        if !same {
            self.try_again();
        }
    }

    fn forget_node(&mut self, name: &str) {
        if let Some((name, known)) = self.nodes.remove_entry(name) {
            self.counts.nodes -= 1;
            self.counts.ready -= usize::from(known.ready);
            let load = self.loads.get(&name).copied().unwrap_or(0);
            self.emptiest.remove(&(load, name));
        }
    }

    fn pod_is(&mut self, object: PodObject) {
        let key = object.key();
        let fresh = Pod::from(object);
        let known = self
            .pods
            .get(&key)
            .is_some_and(|known| known.uid == fresh.uid);
        if !known {
            self.counts.pods_seen += 1;
        }
        self.pod_leaves(&key);
        self.count(&fresh, true);
        if fresh.wishes.is_some() {
            self.waiting.insert(key.clone());
        }
        self.pods.insert(key, fresh);
    }

    fn pod_leaves(&mut self, key: &PodKey) {
        self.waiting.remove(key);
        self.stuck.remove(key);
        if let Some(pod) = self.pods.remove(key) {
            self.count(&pod, false);
            if pod.node.is_some() {
                self.try_again();
            }
        }
    }

    /// Gives a pod another node, or none.
    fn move_pod(&mut self, key: &PodKey, node: Option<Box<str>>) {
        if let Some(mut pod) = self.pods.remove(key) {
            self.count(&pod, false);
            pod.node = node;
            self.count(&pod, true);
            self.pods.insert(key.clone(), pod);
        }
    }

    /// Adds a pod to the counts, or takes it out of them.
    fn count(&mut self, pod: &Pod, comes: bool) {
        let step = |count: &mut usize, is: bool| match (is, comes) {
            (false, _) => {}
            (true, true) => *count += 1,
            (true, false) => *count = count.saturating_sub(1),
        };
        if let Some(count) = self.counts.phases.get_mut(pod.phase) {
            step(count, true);
        }
        step(&mut self.counts.deleting, pod.deleting);
        step(&mut self.counts.unbound, pod.node.is_none());
        if let Some(node) = &pod.node {
            let load = self.loads.entry(node.clone()).or_default();
            let before = *load;
            step(load, true);
            let after = *load;
            if after == 0 {
                self.loads.remove(node);
            }
            if self.emptiest.remove(&(before, node.clone())) {
                self.emptiest.insert((after, node.clone()));
            }
        }
    }

    fn try_again(&mut self) {
        self.waiting.append(&mut self.stuck);
    }
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
