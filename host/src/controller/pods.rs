//! Which pods are on which node, so that a node that becomes ours brings its pods along.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use stagewright_core::object::{Key, Uid};

/// An index of bound pods.
#[derive(Debug, Default)]
pub(super) struct Pods {
    of: HashMap<Key, (Uid, Arc<str>)>,
    on: BTreeMap<Arc<str>, BTreeSet<Key>>,
}

impl Pods {
    /// A pod as seen; another pod may have had its name before.
    pub(super) fn insert(&mut self, key: &Key, uid: &Uid, node: &str) {
        if self
            .of
            .get(key)
            .is_some_and(|(known, on)| known == uid && **on == *node)
        {
            return;
        }
        self.remove(key, None);
        let node: Arc<str> = self
            .on
            .get_key_value(node)
            .map_or_else(|| node.into(), |(node, _)| Arc::clone(node));
        self.on
            .entry(Arc::clone(&node))
            .or_default()
            .insert(key.clone());
        self.of.insert(key.clone(), (uid.clone(), node));
    }

    /// The pod went. Answers its uid, if it was this one.
    pub(super) fn remove(&mut self, key: &Key, uid: Option<&Uid>) -> Option<Uid> {
        if uid.is_some_and(|uid| self.of.get(key).is_some_and(|(known, _)| known != uid)) {
            return None;
        }
        let (uid, node) = self.of.remove(key)?;
        if let Some(pods) = self.on.get_mut(&node) {
            pods.remove(key);
            if pods.is_empty() {
                self.on.remove(&node);
            }
        }
        Some(uid)
    }

    /// The pods on a node.
    pub(super) fn on(&self, node: &str) -> Vec<Key> {
        self.on.get(node).into_iter().flatten().cloned().collect()
    }

    /// All of them.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.of.keys().cloned()
    }
}

#[cfg(test)]
mod tests {
    use stagewright_core::object::Kind;

    use super::*;

    fn key(name: &str) -> Key {
        Key::new(&Kind::new("v1", "Pod"), Some("default"), name)
    }

    #[test]
    fn a_pod_recreated_on_another_node_leaves_the_first() {
        let mut pods = Pods::default();
        pods.insert(&key("a"), &Uid::new("1"), "n1");
        pods.insert(&key("a"), &Uid::new("2"), "n2");
        assert!(pods.on("n1").is_empty());
        assert_eq!(pods.on("n2"), [key("a")]);
    }

    #[test]
    fn a_late_farewell_to_the_predecessor_changes_nothing() {
        let mut pods = Pods::default();
        pods.insert(&key("a"), &Uid::new("2"), "n1");
        assert_eq!(pods.remove(&key("a"), Some(&Uid::new("1"))), None);
        assert_eq!(pods.on("n1"), [key("a")]);
        assert_eq!(
            pods.remove(&key("a"), Some(&Uid::new("2"))),
            Some(Uid::new("2"))
        );
        assert!(pods.on("n1").is_empty());
    }
}
