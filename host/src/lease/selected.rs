//! The nodes whose leases are to be held, between who selects them and the keeper.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use stagewright_core::object::Uid;
use tokio::sync::Notify;

/// A node that is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Which of its name.
    pub uid: Uid,
    /// Whether a lease of its name was there. A node without one nearly always is new, and is spared a look.
    pub has_lease: bool,
}

/// What became of nodes, by their names; nothing: they are selected no more.
pub(super) type Changes = BTreeMap<Arc<str>, Option<Selected>>;

/// The selected nodes, and what the keeper has not heard of them: as much as the nodes that changed, however many there are.
#[derive(Debug, Default)]
pub struct SelectedNodes {
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    nodes: BTreeMap<Arc<str>, Selected>,
    /// None while nobody asked yet: leases may not be kept at all.
    changes: Option<Changes>,
}

impl SelectedNodes {
    /// Selects a node, or no longer. The same node twice is no news.
    pub fn set(&self, name: &Arc<str>, node: Option<Selected>) {
        let mut inner = self.inner.lock();
        let known = inner.nodes.get(name);
        if known.map(|known| &known.uid) == node.as_ref().map(|node| &node.uid) {
            return;
        }
        match &node {
            Some(node) => drop(inner.nodes.insert(Arc::clone(name), node.clone())),
            None => drop(inner.nodes.remove(name)),
        }
        if let Some(changes) = &mut inner.changes {
            changes.insert(Arc::clone(name), node);
        }
        drop(inner);
        self.news.notify_one();
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.inner.lock().nodes.len()
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        self.inner.lock().nodes.keys().map(Arc::clone).collect()
    }

    /// What changed since the last call; all of them the first time. Waits until there is something. For one who asks.
    pub(super) async fn changed(&self) -> Changes {
        loop {
            let changes = self.take();
            if !changes.is_empty() {
                return changes;
            }
            // What is set in between has left its mark.
            self.news.notified().await;
        }
    }

    fn take(&self) -> Changes {
        let mut inner = self.inner.lock();
        match inner.changes.replace(Changes::new()) {
            Some(changes) => changes,
            None => {
                let all = inner.nodes.iter();
                all.map(|(name, node)| (Arc::clone(name), Some(node.clone())))
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(uid: &str) -> Option<Selected> {
        Some(Selected {
            uid: Uid::new(uid),
            has_lease: false,
        })
    }

    #[tokio::test]
    async fn the_keeper_hears_what_changed_and_that_alone() {
        let nodes = SelectedNodes::default();
        let [a, b] = [Arc::from("a"), Arc::from("b")];
        nodes.set(&a, node("1"));
        nodes.set(&b, node("2"));
        nodes.set(&b, None);
        assert_eq!(
            nodes.changed().await,
            Changes::from([(Arc::clone(&a), node("1"))])
        );
        nodes.set(&a, node("1"));
        nodes.set(&b, node("3"));
        assert_eq!(
            nodes.changed().await,
            Changes::from([(Arc::clone(&b), node("3"))])
        );
        nodes.set(&a, None);
        nodes.set(&a, node("4"));
        assert_eq!(
            nodes.changed().await,
            Changes::from([(Arc::clone(&a), node("4"))])
        );
        assert_eq!((nodes.count(), nodes.names()), (2, vec![a, b]));
    }
}
