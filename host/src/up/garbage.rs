//! Takes away what has lost its owners, as long as no kube-controller-manager does (kube-controller-manager, `pkg/controller/garbagecollector`).
//!
//! It follows all kinds that can be listed, watched and deleted, and keeps only who has owners. Whether an owner is there, it asks the
//! server, which answers at once.

mod graph;
mod object;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, AbortHandle, BoxStream, SelectAll};
use serde_json::{Value, json};
use stagewright_apiserver::kinds::Resource;
use tokio::time::{Instant, MissedTickBehavior};

use self::graph::Graph;
use self::object::{FOREGROUND, Key, Metadata, Mode, ORPHAN, Object, Owner};
use super::component::Component;
use super::follow::{Change, Follow};
use super::user::{Refused, User};

/// Kinds that appear or go are noticed after so long.
const LOOK_FOR_KINDS: Duration = Duration::from_secs(1);
/// What was refused is tried again after so long, then after twice as long, and so on.
const AGAIN: Duration = Duration::from_millis(100);
/// But no later than after this.
const AGAIN_AT_MOST: Duration = Duration::from_secs(30);
/// So many are looked at before what happened meanwhile.
const BATCH: usize = 64;
/// Of an answer: it is gone.
const NOT_FOUND: u16 = 404;
/// Of an answer: it is another by now.
const CONFLICT: u16 = 409;

/// What happened to objects of a kind.
type Happened = (Arc<str>, Vec<Change<Object>>);

/// Follows all kinds for ever.
pub(super) async fn run(user: User) {
    let mut collector = Collector::new(&user);
    let mut manager = Component::new(&user, "kube-controller-manager");
    let mut was_there = false;
    let mut look_for_kinds = tokio::time::interval(LOOK_FOR_KINDS);
    look_for_kinds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let at = collector.due_at().filter(|_| !manager.is_there());
        tokio::select! {
            biased;
            () = manager.changed() => {}
            _ = look_for_kinds.tick() => collector.follow_kinds(),
            Some((kind, changes)) = collector.events.next() => collector.take_in(&kind, changes),
            () = due(at) => collector.collect(),
        }
        match (was_there, manager.is_there()) {
            (_, true) => collector.rest(),
            (true, false) => collector.graph.all_due(),
            (false, false) => {}
        }
        was_there = manager.is_there();
    }
}

/// All that is followed, and what is to be done.
struct Collector {
    user: User,
    graph: Graph,
    /// By collection.
    kinds: BTreeMap<Arc<str>, Followed>,
    events: SelectAll<BoxStream<'static, Happened>>,
    /// Kinds of which not all is known yet: before it is, nobody counts as without dependents.
    unlisted: BTreeSet<Arc<str>>,
    retries: BTreeMap<Key, Retry>,
}

/// A kind that is followed until the value goes.
struct Followed {
    kind: Arc<Resource>,
    stop: AbortHandle,
}

/// What was refused.
struct Retry {
    at: Instant,
    pause: Duration,
}

/// Why an object could not be judged.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("no kind {kind} in {api_version} is served, of which its owner is")]
    NoKind {
        api_version: Box<str>,
        kind: Box<str>,
    },
}

/// The owners of an object, by what became of them.
#[derive(Default)]
struct Owners {
    /// There.
    solid: Vec<Owner>,
    /// There, and waiting for their dependents to go.
    waiting: Vec<Owner>,
    /// Not there.
    absent: usize,
}

// === impl Collector ===

impl Collector {
    fn new(user: &User) -> Self {
        Self {
            user: user.clone(),
            graph: Graph::default(),
            kinds: BTreeMap::new(),
            events: SelectAll::new(),
            unlisted: BTreeSet::new(),
            retries: BTreeMap::new(),
        }
    }

    /// Follows the kinds that are served by now, and no others.
    fn follow_kinds(&mut self) {
        let mut served = BTreeMap::new();
        for kind in self.user.collected_kinds() {
            // Of a kind's versions one tells all, and the stored one costs least.
            if *kind.api_version() == *kind.stored_api_version {
                served.insert(Arc::clone(&kind.collection), kind);
            } else {
                served.entry(Arc::clone(&kind.collection)).or_insert(kind);
            }
        }
        let gone = self.kinds.extract_if(.., |collection, followed| {
            served
                .get(collection)
                .is_none_or(|kind| kind.version != followed.kind.version)
        });
        for (collection, _) in gone.collect::<Vec<_>>() {
            self.unlisted.remove(&collection);
            self.graph.forget(&collection);
        }
        for (collection, kind) in served {
            if !self.kinds.contains_key(&collection) {
                self.follow(collection, kind);
            }
        }
    }

    fn follow(&mut self, collection: Arc<str>, kind: Arc<Resource>) {
        let follow = Follow::new(&self.user, &User::path_of_all(&kind), "");
        let name = Arc::clone(&collection);
        let events = stream::unfold(follow, move |mut follow| {
            let name = Arc::clone(&name);
            async move { Some(((name, follow.next::<Object>().await), follow)) }
        });
        let (events, stop) = stream::abortable(events);
        self.events.push(events.boxed());
        self.unlisted.insert(Arc::clone(&collection));
        self.kinds.insert(collection, Followed { kind, stop });
    }

    fn take_in(&mut self, kind: &Arc<str>, changes: Vec<Change<Object>>) {
        // What was on its way when the kind went.
        if !self.kinds.contains_key(kind) {
            return;
        }
        for change in changes {
            match change {
                Change::Anew => {
                    self.unlisted.insert(Arc::clone(kind));
                }
                Change::Listed => {
                    self.unlisted.remove(kind);
                }
                Change::There(_) | Change::Gone(_) => {}
            }
            self.graph.take_in(kind, change);
        }
    }

    /// When there is something to do; none if there is nothing.
    fn due_at(&self) -> Option<Instant> {
        if !self.unlisted.is_empty() {
            return None;
        }
        let retry = self.retries.values().map(|retry| retry.at).min();
        let now = self.graph.has_due().then(Instant::now);
        now.or(retry)
    }

    /// Somebody else does it.
    fn rest(&mut self) {
        self.graph.none_due();
        self.retries.clear();
    }

    fn collect(&mut self) {
        let now = Instant::now();
        let again = self.retries.iter().filter(|(_, retry)| retry.at <= now);
        let again: Vec<Key> = again.map(|(key, _)| key.clone()).collect();
        self.graph.make_due(again);
        for _ in 0..BATCH {
            let Some(key) = self.graph.next_due() else {
                return;
            };
            match self.look_at(&key) {
                Ok(()) => {
                    self.retries.remove(&key);
                }
                Err(trouble) => self.put_off(key, &trouble, now),
            }
        }
    }

    fn put_off(&mut self, key: Key, trouble: &Trouble, now: Instant) {
        let is_overtaken = matches!(trouble, Trouble::Refused(refused) if refused.code == CONFLICT);
        let known = self.retries.get(&key);
        let pause = known.map_or(AGAIN, |retry| (retry.pause * 2).min(AGAIN_AT_MOST));
        if !is_overtaken && known.is_none() {
            tracing::warn!(
                kind = &*key.kind,
                namespace = &*key.namespace,
                name = &*key.name,
                "an object with owners, or an owner, is not collected yet: {trouble}"
            );
        }
        let at = now + pause;
        self.retries.insert(key, Retry { at, pause });
    }

    /// Judges one object as it is now.
    fn look_at(&mut self, key: &Key) -> Result<(), Trouble> {
        let Some(followed) = self.kinds.get(&key.kind) else {
            return Ok(());
        };
        let kind = Arc::clone(&followed.kind);
        let Some(object) = self.read(&kind, &key.namespace, &key.name)? else {
            return Ok(());
        };
        let done = match object.mode() {
            Some(Mode::Orphan) => self.orphan(&kind, &object),
            Some(Mode::Foreground) => self.foreground(&kind, &object),
            None if object.is_going() => Ok(()),
            None => self.has_owners(&kind, key, &object),
        };
        match done {
            // It went meanwhile, and those that depend on it hear of that.
            Err(Trouble::Refused(refused)) if refused.code == NOT_FOUND => Ok(()),
            done => done,
        }
    }

    fn read(
        &self,
        kind: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Metadata>, Trouble> {
        match self.user.read::<Object>(kind, namespace, name) {
            Ok(object) => Ok(Some(object.metadata)),
            Err(refused) if refused.code == NOT_FOUND => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Takes the owner from all its dependents, then lets it go.
    fn orphan(&self, kind: &Resource, owner: &Metadata) -> Result<(), Trouble> {
        for key in self.graph.dependents(&owner.uid) {
            let Some(followed) = self.kinds.get(&key.kind) else {
                continue;
            };
            let dependent = self.read(&followed.kind, &key.namespace, &key.name)?;
            let Some(dependent) = dependent else {
                continue;
            };
            let owners = dependent.owner_references.iter();
            let kept: Vec<&Owner> = owners.filter(|known| known.uid != owner.uid).collect();
            if kept.len() < dependent.owner_references.len() {
                self.change(&followed.kind, &dependent, "ownerReferences", json!(kept))?;
            }
        }
        self.release(kind, owner, ORPHAN)
    }

    /// Lets the owner go if no dependent blocks it any more.
    fn foreground(&mut self, kind: &Resource, owner: &Metadata) -> Result<(), Trouble> {
        let mut blocking = self.graph.blocking(&owner.uid);
        if blocking.is_empty() {
            return self.release(kind, owner, FOREGROUND);
        }
        blocking.retain(|key| !self.graph.waits(key));
        self.graph.make_due(blocking);
        Ok(())
    }

    /// Keeps an object that has an owner, and deletes one that had some.
    fn has_owners(&self, kind: &Resource, key: &Key, object: &Metadata) -> Result<(), Trouble> {
        if object.owner_references.is_empty() {
            return Ok(());
        }
        let Some(owners) = self.classify(object)? else {
            return Ok(());
        };
        if !owners.solid.is_empty() {
            if owners.waiting.is_empty() && owners.absent == 0 {
                return Ok(());
            }
            let solid = json!(owners.solid);
            return self.change(kind, object, "ownerReferences", solid);
        }
        let dependents = self.graph.dependents(&object.uid);
        if owners.waiting.is_empty() || dependents.is_empty() {
            let policy = match (object.has(ORPHAN), object.has(FOREGROUND)) {
                (true, _) => "Orphan",
                (false, true) => "Foreground",
                (false, false) => "Background",
            };
            return self.delete(kind, object, policy);
        }
        // Its dependents go before it. One that waits itself may wait for this one, which then blocks nobody.
        if dependents.iter().any(|key| self.graph.waits(key)) {
            let unblocked = |owner: &Owner| Owner {
                block_owner_deletion: Some(false),
                ..owner.clone()
            };
            let owners: Vec<Owner> = object.owner_references.iter().map(unblocked).collect();
            self.change(kind, object, "ownerReferences", json!(owners))?;
            let changed = self.read(kind, &key.namespace, &key.name)?;
            let changed = changed.filter(|changed| changed.uid == object.uid);
            return changed.map_or(Ok(()), |now| self.delete(kind, &now, "Foreground"));
        }
        self.delete(kind, object, "Foreground")
    }

    /// What became of its owners; none if that cannot be said for good: what has no namespace cannot belong to what has one.
    fn classify(&self, object: &Metadata) -> Result<Option<Owners>, Trouble> {
        let mut owners = Owners::default();
        for owner in &object.owner_references {
            let kind = self.user.kind(&owner.api_version, &owner.kind);
            let kind = kind.ok_or_else(|| Trouble::NoKind {
                api_version: owner.api_version.clone(),
                kind: owner.kind.clone(),
            })?;
            if kind.namespaced && object.namespace.is_empty() {
                return Ok(None);
            }
            let namespace = if kind.namespaced {
                &*object.namespace
            } else {
                ""
            };
            let found = self.read(&kind, namespace, &owner.name)?;
            match found.filter(|found| found.uid == owner.uid) {
                None => owners.absent += 1,
                Some(found) if found.is_going() && found.has(FOREGROUND) => {
                    owners.waiting.push(owner.clone());
                }
                Some(_) => owners.solid.push(owner.clone()),
            }
        }
        Ok(Some(owners))
    }

    /// Takes a finalizer away.
    fn release(&self, kind: &Resource, object: &Metadata, finalizer: &str) -> Result<(), Trouble> {
        let finalizers = object.finalizers.iter();
        let kept: Vec<&String> = finalizers.filter(|known| *known != finalizer).collect();
        self.change(kind, object, "finalizers", json!(kept))
    }

    /// Sets one field of the metadata, if the object is still what it was.
    fn change(
        &self,
        kind: &Resource,
        object: &Metadata,
        field: &str,
        value: Value,
    ) -> Result<(), Trouble> {
        let mut metadata = json!({
            "name": object.name, "namespace": object.namespace,
            "uid": object.uid, "resourceVersion": object.resource_version,
        });
        if let Some(map) = metadata.as_object_mut() {
            let is_empty = value.as_array().is_some_and(Vec::is_empty);
            let value = if is_empty { Value::Null } else { value };
            map.insert(field.to_owned(), value);
            if object.namespace.is_empty() {
                map.remove("namespace");
            }
        }
        let patch = json!({ "metadata": metadata });
        Ok(self.user.change(kind, &patch)?)
    }

    /// Deletes it, if it is still what it was.
    fn delete(&self, kind: &Resource, object: &Metadata, policy: &str) -> Result<(), Trouble> {
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy,
            "preconditions": {"uid": object.uid, "resourceVersion": object.resource_version},
        });
        let Metadata {
            namespace, name, ..
        } = object;
        Ok(self.user.delete(kind, namespace, name, &options)?)
    }
}

// === impl Followed ===

impl Drop for Followed {
    fn drop(&mut self) {
        self.stop.abort();
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
