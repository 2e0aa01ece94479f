//! Who has an owner, and which owners wait for their dependents. Pure: what happened goes in, whom to look at comes out.
//!
//! Objects without owners are not kept. An owner need not be known: whether it is there is asked of the server when it matters.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::object::{Key, Metadata, Mode, Object};
use crate::up::follow::Change;

/// All that have an owner, and all that wait.
#[derive(Debug, Default)]
pub(super) struct Graph {
    dependents: BTreeMap<Key, Dependent>,
    /// By the owner's uid.
    by_owner: HashMap<Box<str>, BTreeSet<Key>>,
    /// Owners that are to go after something became of their dependents, by uid.
    waiting: HashMap<Box<str>, (Key, Mode)>,
    /// To be looked at.
    due: BTreeSet<Key>,
}

#[derive(Debug, PartialEq, Eq)]
struct Dependent {
    uid: Box<str>,
    /// The owners' uids, and whether this one must be gone before they are.
    owners: Vec<(Box<str>, bool)>,
}

// === impl Graph ===

impl Graph {
    /// Takes in what happened to an object of a kind.
    pub(super) fn take_in(&mut self, kind: &Arc<str>, change: Change<Object>) {
        match change {
            Change::Anew => self.forget(kind),
            // What went while nobody looked had dependents of any kind.
            Change::Listed => self.all_due(),
            Change::There(object) => self.is_there(kind, &object.metadata),
            Change::Gone(object) => self.is_gone(kind, &object.metadata),
        }
    }

    /// The next one to be looked at.
    pub(super) fn next_due(&mut self) -> Option<Key> {
        self.due.pop_first()
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    pub(super) fn make_due(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.due.extend(keys);
    }

    /// All that may have lost an owner, and all owners that wait.
    pub(super) fn all_due(&mut self) {
        let owners = self.waiting.values().map(|(key, _)| key);
        self.due
            .extend(self.dependents.keys().chain(owners).cloned());
    }

    /// Nothing is to be looked at: somebody else does it.
    pub(super) fn none_due(&mut self) {
        self.due.clear();
    }

    /// Those that have this owner.
    pub(super) fn dependents(&self, owner: &str) -> Vec<Key> {
        let keys = self.by_owner.get(owner).into_iter().flatten();
        keys.cloned().collect()
    }

    /// Those of them that must be gone before it is.
    pub(super) fn blocking(&self, owner: &str) -> Vec<Key> {
        let blocks = |key: &Key| {
            let dependent = self.dependents.get(key);
            let mut owners = dependent.into_iter().flat_map(|known| &known.owners);
            owners.any(|(uid, blocks)| **uid == *owner && *blocks)
        };
        let mut keys = self.dependents(owner);
        keys.retain(blocks);
        keys
    }

    /// Whether the dependent is an owner that waits for its own dependents to go.
    pub(super) fn waits(&self, key: &Key) -> bool {
        let waiting = |dependent: &Dependent| self.waiting.get(&dependent.uid);
        let known = self.dependents.get(key).and_then(waiting);
        known.is_some_and(|(_, mode)| *mode == Mode::Foreground)
    }

    /// Forgets a kind.
    pub(super) fn forget(&mut self, kind: &Arc<str>) {
        let of_kind = |key: &&Key| key.kind == *kind;
        let keys: Vec<Key> = self.dependents.keys().filter(of_kind).cloned().collect();
        for key in keys {
            self.unlink(&key);
        }
        self.waiting.retain(|_, (key, _)| key.kind != *kind);
    }

    fn is_there(&mut self, kind: &Arc<str>, object: &Metadata) {
        let key = object.key(kind);
        let owners = object.owner_references.iter();
        let fresh = Dependent {
            uid: object.uid.clone(),
            owners: owners
                .map(|owner| (owner.uid.clone(), owner.blocks()))
                .collect(),
        };
        if self.dependents.get(&key) != Some(&fresh) {
            let before = self.unlink(&key);
            let blocked = before.into_iter().flat_map(|before| before.owners);
            let released = blocked.filter(|(owner, blocked)| {
                *blocked && !fresh.owners.contains(&(owner.clone(), true))
            });
            for (owner, _) in released {
                self.owner_due(&owner);
            }
            self.link(key.clone(), fresh);
        }
        let Some(mode) = object.mode() else {
            self.waiting.remove(&object.uid);
            return;
        };
        let before = self.waiting.insert(object.uid.clone(), (key.clone(), mode));
        if before.is_none_or(|(_, before)| before != mode) {
            self.due.extend(self.dependents(&object.uid));
            self.due.insert(key);
        }
    }

    fn is_gone(&mut self, kind: &Arc<str>, object: &Metadata) {
        self.waiting.remove(&object.uid);
        let before = self.unlink(&object.key(kind));
        for (owner, _) in before.into_iter().flat_map(|before| before.owners) {
            self.owner_due(&owner);
        }
        self.due.extend(self.dependents(&object.uid));
    }

    /// An owner may have waited for just that.
    fn owner_due(&mut self, uid: &str) {
        let waiting = self.waiting.get(uid);
        self.due.extend(waiting.map(|(key, _)| key.clone()));
    }

    fn link(&mut self, key: Key, dependent: Dependent) {
        if dependent.owners.is_empty() {
            return;
        }
        for (owner, _) in &dependent.owners {
            let keys = self.by_owner.entry(owner.clone()).or_default();
            keys.insert(key.clone());
        }
        self.due.insert(key.clone());
        self.dependents.insert(key, dependent);
    }

    fn unlink(&mut self, key: &Key) -> Option<Dependent> {
        let dependent = self.dependents.remove(key)?;
        for (owner, _) in &dependent.owners {
            if let Some(keys) = self.by_owner.get_mut(owner) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_owner.remove(owner);
                }
            }
        }
        Some(dependent)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::object::{FOREGROUND, ORPHAN};
    use super::*;

    fn kind() -> Arc<str> {
        "/pods".into()
    }

    fn object(name: &str, more: Value) -> Object {
        let mut metadata = json!({"name": name, "uid": format!("uid-{name}")});
        let map = metadata.as_object_mut().unwrap();
        map.extend(more.as_object().unwrap().clone());
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    fn owned(name: &str, owner: &str, blocks: bool) -> Object {
        let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": owner, "uid": format!("uid-{owner}"), "blockOwnerDeletion": blocks});
        object(name, json!({"ownerReferences": [owner]}))
    }

    fn due(graph: &mut Graph) -> Vec<String> {
        std::iter::from_fn(|| graph.next_due())
            .map(|key| key.name.into())
            .collect()
    }

    #[test]
    fn a_dependent_is_due_when_it_comes_and_when_its_owner_goes() {
        let mut graph = Graph::default();
        graph.take_in(&kind(), Change::There(object("a", json!({}))));
        assert_eq!(due(&mut graph), Vec::<String>::new());
        graph.take_in(&kind(), Change::There(owned("b", "a", false)));
        assert_eq!(due(&mut graph), ["b"]);
        graph.take_in(&kind(), Change::There(owned("b", "a", false)));
        assert_eq!(due(&mut graph), Vec::<String>::new(), "as it was");
        graph.take_in(&kind(), Change::Gone(object("a", json!({}))));
        assert_eq!(due(&mut graph), ["b"]);
        graph.take_in(&kind(), Change::Gone(owned("b", "a", false)));
        graph.take_in(&kind(), Change::Gone(object("a", json!({}))));
        assert_eq!(due(&mut graph), Vec::<String>::new());
    }

    #[test]
    fn an_owner_that_waits_is_due_when_a_dependent_blocks_it_no_longer() {
        let mut graph = Graph::default();
        let a = |finalizer: &str| {
            let more =
                json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [finalizer]});
            Change::There(object("a", more))
        };
        for name in ["b", "c"] {
            graph.take_in(&kind(), Change::There(owned(name, "a", true)));
        }
        due(&mut graph);
        graph.take_in(&kind(), a(FOREGROUND));
        assert_eq!(due(&mut graph), ["a", "b", "c"]);
        assert_eq!(graph.blocking("uid-a").len(), 2);
        graph.take_in(&kind(), Change::There(owned("b", "a", false)));
        assert_eq!(due(&mut graph), ["a", "b"]);
        assert_eq!(graph.blocking("uid-a").len(), 1);
        graph.take_in(&kind(), Change::Gone(owned("c", "a", true)));
        assert_eq!(due(&mut graph), ["a"]);
        assert!(graph.blocking("uid-a").is_empty());
        graph.take_in(&kind(), a(FOREGROUND));
        assert_eq!(due(&mut graph), Vec::<String>::new(), "as it was");
        graph.take_in(&kind(), a(ORPHAN));
        assert_eq!(due(&mut graph), ["a", "b"], "it waits for something else");
    }

    #[test]
    fn what_is_listed_anew_may_have_lost_owners_unseen() {
        let mut graph = Graph::default();
        let other: Arc<str> = "/nodes".into();
        graph.take_in(&kind(), Change::There(owned("b", "a", true)));
        graph.take_in(&other, Change::There(owned("n", "a", true)));
        due(&mut graph);
        graph.take_in(&kind(), Change::Anew);
        assert_eq!(graph.dependents("uid-a").len(), 1);
        graph.take_in(&kind(), Change::Listed);
        assert_eq!(due(&mut graph), ["n"]);
    }
}
