//! Who asks for what: the way from a changed object to the subjects that refer to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::handle::Handle;
use crate::object::Key;

/// A relation of a declared subject: the places of both.
pub(super) type Wire = (usize, usize);

/// What subjects ask for, from both ends.
#[derive(Debug, Default)]
pub(super) struct Asks {
    by_handle: HashMap<Handle, BTreeSet<(Arc<Key>, Wire)>>,
    by_subject: BTreeMap<Arc<Key>, BTreeSet<(Wire, Handle)>>,
}

// === impl Asks ===

impl Asks {
    /// The subjects that ask for the handle, and by which relation.
    pub(super) fn of(&self, handle: &Handle) -> impl Iterator<Item = &(Arc<Key>, Wire)> {
        self.by_handle.get(handle).into_iter().flatten()
    }

    /// Replaces what the subject asks for by the relations declared at `place`; what it asks for other plugins stays.
    pub(super) fn set(&mut self, key: &Key, place: usize, asked: &[BTreeSet<Handle>]) {
        let wires = (place, 0)..(place + 1, 0);
        let wired = |(relation, handles): (usize, &BTreeSet<Handle>)| {
            handles
                .iter()
                .map(|handle| ((place, relation), handle.clone()))
                .collect::<Vec<_>>()
        };
        let new: BTreeSet<(Wire, Handle)> = asked.iter().enumerate().flat_map(wired).collect();
        let known = self.by_subject.get_key_value(key);
        let old = known
            .into_iter()
            .flat_map(|(_, asked)| asked)
            .filter(|(wire, _)| wires.contains(wire));
        let old: BTreeSet<(Wire, Handle)> = old.cloned().collect();
        if old == new {
            return;
        }
        let key = known.map_or_else(|| Arc::new(key.clone()), |(key, _)| Arc::clone(key));
        for (wire, handle) in old.difference(&new) {
            self.remove(&key, *wire, handle);
        }
        for (wire, handle) in new.difference(&old) {
            self.by_handle
                .entry(handle.clone())
                .or_default()
                .insert((Arc::clone(&key), *wire));
        }
        let all = self.by_subject.entry(Arc::clone(&key)).or_default();
        all.retain(|(wire, _)| !wires.contains(wire));
        all.extend(new);
        if all.is_empty() {
            self.by_subject.remove(&key);
        }
    }

    /// The subject asks for nothing any more.
    pub(super) fn forget(&mut self, key: &Key) {
        let Some((key, asked)) = self.by_subject.remove_entry(key) else {
            return;
        };
        for (wire, handle) in asked {
            self.remove(&key, wire, &handle);
        }
    }

    /// Handles asked for, and subjects that ask.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.by_handle.len(), self.by_subject.len())
    }

    fn remove(&mut self, key: &Arc<Key>, wire: Wire, handle: &Handle) {
        if let Some(subjects) = self.by_handle.get_mut(handle) {
            subjects.remove(&(Arc::clone(key), wire));
            if subjects.is_empty() {
                self.by_handle.remove(handle);
            }
        }
    }
}
