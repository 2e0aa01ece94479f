//! All objects under one revision, with the last changes.
//!
//! Pure and synchronous. Every write takes the next revision. The last writes are kept as a log, and an older state is found by
//! undoing them: so pages of one list, exact lists and watches of the past share one memory and one limit.

mod entry;
mod fields;
mod list;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

pub use self::entry::{Draft, Entry, Pairs, find};
pub use self::fields::Fields;
pub use self::list::{Page, Range};

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// How many writes.
    pub events: usize,
    /// About how many bytes the versions in them may take.
    pub bytes: usize,
}

/// One write.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its revision.
    pub revision: u64,
    /// The object before; none if it was created.
    pub old: Option<Arc<Entry>>,
    /// The object after; none if it was deleted.
    pub new: Option<Arc<Entry>>,
}

/// What a write left, for who keeps objects elsewhere too.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where.
    pub collection: Arc<str>,
    /// Which object.
    pub key: Arc<str>,
    /// As it is now; none if it is gone.
    pub new: Option<Arc<Entry>>,
}

/// The object is not the version that the writer knew, or not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

/// The asked revision is not kept any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The oldest revision that is.
    pub oldest: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Store {
    revision: u64,
    collections: BTreeMap<Arc<str>, Collection>,
    /// The collection of each event in the logs, oldest first.
    order: VecDeque<Arc<str>>,
    /// What the events in the logs weigh.
    weight: usize,
    /// No revision before this one is answered for, whatever the logs have.
    compacted: u64,
    history: History,
    woken: Vec<Waker>,
    /// The writes since they were last taken, if somebody takes them.
    changes: Option<Vec<Change>>,
}

/// The objects of one kind.
#[derive(Debug, Default)]
struct Collection {
    objects: BTreeMap<Arc<str>, Arc<Entry>>,
    log: VecDeque<Event>,
    /// The revision of the newest event that the log has lost.
    compacted: u64,
    /// Watchers that have seen all events.
    waiting: BTreeMap<u64, Waker>,
}

// === impl Store ===

impl Store {
    /// An empty store, at revision 1 as etcd's is.
    #[must_use]
    pub fn new(history: History) -> Self {
        Self {
            revision: 1,
            collections: BTreeMap::new(),
            order: VecDeque::new(),
            weight: 0,
            compacted: 0,
            history,
            woken: Vec::new(),
            changes: None,
        }
    }

    /// A store with these objects, of which the last write had that revision. What was before is not known any more. Its writes are
    /// noted for [`Store::take_changes`].
    #[must_use]
    pub fn restored(
        history: History,
        revision: u64,
        entries: impl Iterator<Item = (Arc<str>, Arc<Entry>)>,
    ) -> Self {
        let mut store = Self::new(history);
        store.revision = store.revision.max(revision);
        store.compacted = revision;
        store.changes = Some(Vec::new());
        for (collection, entry) in entries {
            let objects = &mut store.collections.entry(collection).or_default().objects;
            objects.insert(Arc::clone(&entry.key), entry);
        }
        store
    }

    /// The writes since this was last called, in their order. Nothing where no writes are noted.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.changes
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// The revision of the last write.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The object, if it is there.
    #[must_use]
    pub fn get(&self, collection: &str, key: &str) -> Option<&Arc<Entry>> {
        self.collections.get(collection)?.objects.get(key)
    }

    /// Writes the object, if its revision is still the expected one, or if it is not there when `None` is expected.
    ///
    /// # Errors
    /// If it is another.
    pub fn put(
        &mut self,
        collection: &Arc<str>,
        key: &str,
        expected: Option<u64>,
        draft: Draft,
    ) -> Result<Arc<Entry>, Stale> {
        let old = self.expect(collection, key, expected)?;
        let key = old
            .as_ref()
            .map_or_else(|| key.into(), |old| Arc::clone(&old.key));
        let new = Arc::new(Entry::new(key, self.revision + 1, draft));
        self.insert(collection, Arc::clone(&new), old);
        Ok(new)
    }

    /// Deletes the object, if its revision is still the expected one; answers with the revision of the deletion.
    ///
    /// # Errors
    /// If it is another.
    pub fn remove(
        &mut self,
        collection: &Arc<str>,
        key: &str,
        expected: u64,
    ) -> Result<u64, Stale> {
        let old = self.expect(collection, key, Some(expected))?;
        self.collections
            .entry(Arc::clone(collection))
            .or_default()
            .objects
            .remove(key);
        self.record(collection, old, None);
        Ok(self.revision)
    }

    /// Keeps other fields of an object for selectors, if its revision is still this one. That is no write: nobody is told.
    pub fn refield(&mut self, collection: &str, key: &str, revision: u64, fields: Fields) {
        let objects = self
            .collections
            .get_mut(collection)
            .map(|known| &mut known.objects);
        let entry = objects.and_then(|objects| objects.get_mut(key));
        if let Some(entry) = entry.filter(|entry| entry.revision == revision) {
            *entry = Arc::new(entry.with_fields(fields));
        }
    }

    fn expect(
        &self,
        collection: &str,
        key: &str,
        expected: Option<u64>,
    ) -> Result<Option<Arc<Entry>>, Stale> {
        let old = self.get(collection, key);
        if old.map(|old| old.revision) == expected {
            Ok(old.cloned())
        } else {
            Err(Stale)
        }
    }

    fn insert(&mut self, collection: &Arc<str>, new: Arc<Entry>, old: Option<Arc<Entry>>) {
        let objects = &mut self
            .collections
            .entry(Arc::clone(collection))
            .or_default()
            .objects;
        objects.insert(Arc::clone(&new.key), Arc::clone(&new));
        self.record(collection, old, Some(new));
    }

    fn record(&mut self, name: &Arc<str>, old: Option<Arc<Entry>>, new: Option<Arc<Entry>>) {
        self.revision += 1;
        if let (Some(changes), Some(entry)) = (&mut self.changes, new.as_ref().or(old.as_ref())) {
            changes.push(Change {
                collection: Arc::clone(name),
                key: Arc::clone(&entry.key),
                new: new.clone(),
            });
        }
        let event = Event {
            revision: self.revision,
            old,
            new,
        };
        self.weight += event.weight();
        self.order.push_back(Arc::clone(name));
        let collection = self.collections.entry(Arc::clone(name)).or_default();
        collection.log.push_back(event);
        self.woken
            .extend(std::mem::take(&mut collection.waiting).into_values());
        self.forget();
    }

    /// Drops the oldest events until the rest is within its limits.
    fn forget(&mut self) {
        while self.order.len() > self.history.events || self.weight > self.history.bytes {
            let Some(name) = self.order.pop_front() else {
                return;
            };
            let Some(collection) = self.collections.get_mut(&name) else {
                continue;
            };
            if let Some(event) = collection.log.pop_front() {
                self.weight = self.weight.saturating_sub(event.weight());
                collection.compacted = event.revision;
            }
        }
    }

    /// Forgets all states before this revision, as etcd's compaction does: for tests of what follows from that.
    pub fn compact(&mut self, revision: u64) {
        self.compacted = self.compacted.max(revision.min(self.revision));
        for collection in self.collections.values_mut() {
            self.woken
                .extend(std::mem::take(&mut collection.waiting).into_values());
        }
    }

    /// The events of a collection after a revision.
    ///
    /// # Errors
    /// If some of them are gone.
    pub fn events(
        &self,
        collection: &str,
        after: u64,
    ) -> Result<impl Iterator<Item = &Event>, Compacted> {
        let collection = self.collections.get(collection);
        let oldest = self.oldest(collection);
        if after < oldest {
            return Err(Compacted { oldest });
        }
        let log = collection.map(|collection| &collection.log);
        let from = log.map_or(0, |log| {
            log.partition_point(|event| event.revision <= after)
        });
        Ok(log.into_iter().flat_map(move |log| log.range(from..)))
    }

    fn oldest(&self, collection: Option<&Collection>) -> u64 {
        collection
            .map_or(0, |collection| collection.compacted)
            .max(self.compacted)
    }

    /// Wakes the watcher of that number at the collection's next event.
    pub fn wait(&mut self, collection: &Arc<str>, watcher: u64, waker: &Waker) {
        let collection = self.collections.entry(Arc::clone(collection)).or_default();
        collection.waiting.insert(watcher, waker.clone());
    }

    /// Forgets a watcher.
    pub fn leave(&mut self, collection: &str, watcher: u64) {
        if let Some(collection) = self.collections.get_mut(collection) {
            collection.waiting.remove(&watcher);
        }
    }

    /// The watchers to wake, when the lock around the store is free.
    #[must_use]
    pub fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    /// All objects of all kinds: the collection's name with each.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Entry>)> {
        self.collections.iter().flat_map(|(name, collection)| {
            collection.objects.values().map(move |entry| (name, entry))
        })
    }

    /// How many objects the collection has.
    #[must_use]
    pub fn len(&self, collection: &str) -> usize {
        self.collections
            .get(collection)
            .map_or(0, |collection| collection.objects.len())
    }
}

// === impl Event ===

impl Event {
    /// The version before is counted with the event that made it.
    fn weight(&self) -> usize {
        size_of::<Self>() + self.new.as_ref().map_or(0, |new| new.weight())
    }
}
