//! What the watches bring, put where it belongs: claims, addresses, relations, the schedule.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;
use stagewright_core::claims::NodeChange;
use stagewright_core::due;
use stagewright_core::json;
use stagewright_core::json::At as _;
use stagewright_core::object::{Key, Kind, ResourceVersion, Snapshot, Uid};
use stagewright_core::order::Order;
use stagewright_core::schedule::{Candidate, Observed, Sight};
use stagewright_core::time::Time;

use super::kinds::Followed;
use super::lineup::Lineup;
use super::{Brain, Shared, is_lease, node_of, watches};
use crate::lease::Selected;
use crate::watch::{Event, Filter};

/// At most one question an object in this time because of what is related to it.
const RELATED_PAUSE: Duration = Duration::from_millis(100);

/// A list under way: what it does not name is gone when it ends.
#[derive(Debug, Default)]
pub(super) struct Listing(Option<Listed>);

/// What there was before a list, and what it has named so far.
#[derive(Debug)]
struct Listed {
    /// The lineup that it is for; none if that wants other objects.
    generation: Option<u64>,
    before: BTreeSet<Key>,
    seen: BTreeSet<Key>,
}

impl Shared {
    /// One event of a kind's watch, which brings what the filter lets through.
    pub(super) fn event(
        &self,
        (kind, filter): (&Kind, &Filter),
        listing: &mut Listing,
        event: Event,
    ) {
        match event {
            Event::ListStarted => {
                let lineup = self.lineup();
                let is_for_it = *filter == watches::filter(&lineup, kind);
                listing.0 = Some(Listed {
                    generation: is_for_it.then_some(lineup.generation),
                    before: self.known(kind),
                    seen: BTreeSet::new(),
                });
            }
            Event::Seen(snapshot) => {
                if let Some(listed) = &mut listing.0 {
                    listed.seen.insert(snapshot.key().clone());
                }
                self.take_in(&snapshot);
            }
            Event::ListEnded => {
                let listed = listing.0.take();
                for key in listed
                    .iter()
                    .flat_map(|listed| listed.before.difference(&listed.seen))
                {
                    self.gone(key, None);
                }
                if let Some(generation) = listed.and_then(|listed| listed.generation) {
                    self.answered(|awaited| awaited.listed(kind, generation));
                }
            }
            Event::Gone(key, uid) => {
                if let Some(listed) = &mut listing.0 {
                    listed.seen.remove(&key);
                }
                self.gone(&key, uid.as_ref());
            }
            Event::Unfollowable(error) => {
                self.metrics.unfollowable(kind);
                tracing::warn!(%error, "object cannot be followed, and is left alone");
            }
            Event::Trouble { category, message } => {
                self.metrics.watch_restarted(kind, category);
                // Anything else may be over with the next try.
                if matches!(category, "Forbidden" | "NotServed" | "Refused") {
                    self.answered(|awaited| awaited.refused(kind));
                }
                tracing::warn!(%kind, category, message, "watch interrupted, to be taken up again");
            }
        }
    }

    /// A version of an object that a write or a read was answered with. An object that the watch said farewell to meanwhile stays
    /// forgotten.
    pub(super) fn take_in_answer(&self, snapshot: &Snapshot) {
        let followed = self.followed(snapshot.key());
        if followed.is_some_and(|(uid, _)| uid == *snapshot.uid()) {
            self.take_in(snapshot);
        }
    }

    /// A version of an object that a watch brought.
    pub(super) fn take_in(&self, snapshot: &Snapshot) {
        let kind = &snapshot.key().kind;
        let now = self.clock.now();
        if is_lease(kind) {
            let change = self.brain.lock().claims.observe_lease(snapshot, now);
            self.node_changed(&snapshot.key().name, change, now);
        }
        if kind.is_core("Node") {
            self.take_in_node(snapshot, now);
        }
        while !self.take_in_for(&self.lineup(), snapshot, now) {}
    }

    /// The same as the plugins see it. False: meanwhile there are others.
    fn take_in_for(&self, lineup: &Lineup, snapshot: &Snapshot, now: Time) -> bool {
        let kind = &snapshot.key().kind;
        let Some(followed) = lineup.kinds.get(kind) else {
            return true;
        };
        // Cutting is the expensive part, and needs nothing that is shared. Of a version that is known, which each answer to a write
        // makes of the event that follows it, nothing is taken.
        let candidates = if self.brain.lock().schedule.lacks(snapshot) {
            candidates(lineup, followed, snapshot, now)
        } else {
            Vec::new()
        };
        let mut brain = self.brain.lock();
        if self.lineup().generation != lineup.generation {
            return false;
        }
        if kind.is_core("Pod") {
            brain.take_in_pod(snapshot);
        }
        if followed.related {
            brain.awaited.heard(kind, self.patience());
            for subject in brain.relations.observe(snapshot, now) {
                brain.schedule.wake(&subject, now + RELATED_PAUSE);
            }
        }
        if !candidates.is_empty() || brain.schedule.known(snapshot.key()).is_some() {
            // A node that is seen first has no lease yet, and will be asked about as soon as it has.
            let keep_body = brain.claims.is_on_selected(snapshot);
            let sight = Sight {
                snapshot,
                order: &followed.order,
                candidates,
                keep_body,
                begun: followed.begun,
            };
            let observed = brain.schedule.observe(sight, now);
            self.report(snapshot, &followed.order, &observed);
        }
        self.ring(&mut brain);
        true
    }

    /// Which object is followed under the key, and the newest version of it.
    fn followed(&self, key: &Key) -> Option<(Uid, ResourceVersion)> {
        let brain = self.brain.lock();
        let (uid, version) = brain.schedule.known(key)?;
        Some((uid.clone(), version))
    }

    /// A move backward by somebody else is told, and is the new base: we do not fight.
    fn report(&self, snapshot: &Snapshot, order: &Order, observed: &Observed) {
        if let Observed::Newer {
            backward: Some(ranks),
            ..
        } = observed
        {
            let (from, to) = &**ranks;
            self.metrics.moved_backward(&snapshot.key().kind);
            tracing::warn!(kind = %snapshot.key().kind, namespace = snapshot.key().namespace.as_deref(), name = &*snapshot.key().name, uid = %snapshot.uid(), resource_version = %snapshot.version(), order = order.name(), %from, %to,
                "somebody else moved the object backward; it goes on from there");
        }
    }

    /// The keys of a kind that anything here remembers.
    fn known(&self, kind: &Kind) -> BTreeSet<Key> {
        let brain = self.brain.lock();
        let mut known: BTreeSet<Key> = brain.schedule.keys(kind).into_iter().collect();
        known.extend(brain.relations.keys(kind));
        if kind.is_core("Pod") {
            known.extend(brain.pods.keys());
        }
        drop(brain);
        if kind.is_core("Node") {
            let selected = self.selected.names();
            known.extend(selected.iter().map(|name| Key::new(kind, None, name)));
        }
        known
    }

    /// A kind is not followed any more: nothing is kept of its objects.
    pub(super) fn forget_kind(&self, kind: &Kind) {
        for key in self.known(kind) {
            self.gone(&key, None);
        }
    }

    fn gone(&self, key: &Key, uid: Option<&Uid>) {
        let now = self.clock.now();
        let mut brain = self.brain.lock();
        if is_lease(&key.kind) {
            let change = brain.claims.forget_lease(&key.name);
            drop(brain);
            self.node_changed(&key.name, change, now);
            return;
        }
        if key.kind.is_core("Node") {
            // Its pods find out by their claims; there is nobody to tell.
            let _ = brain.claims.forget_node(&key.name);
            brain.addresses.forget_node(&key.name);
            self.selected.set(&key.name, None);
        }
        if key.kind.is_core("Pod") {
            brain.forget_pod(key, uid);
        }
        for subject in brain.relations.forget(key) {
            brain.schedule.wake(&subject, now + RELATED_PAUSE);
        }
        brain.relations.forget_subject(key);
        brain.schedule.forget(key, uid);
        self.ring(&mut brain);
    }

    fn take_in_node(&self, node: &Snapshot, now: Time) {
        let name = &node.key().name;
        let cidrs: Vec<IpNet> = strings(node.body(), "/spec/podCIDRs")
            .filter_map(|cidr| cidr.parse().ok())
            .collect();
        let host_ips: Vec<IpAddr> = node
            .body()
            .at("/status/addresses")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|address| address.get("type").and_then(Value::as_str) == Some("InternalIP"))
            .filter_map(|address| address.get("address")?.as_str()?.parse().ok())
            .collect();
        let host_ips = if host_ips.is_empty() {
            self.options.node_ips.clone()
        } else {
            host_ips
        };
        let mut brain = self.brain.lock();
        brain.addresses.set_node(name, &cidrs, host_ips);
        let change = brain.claims.observe_node(node);
        let selected = brain.claims.is_selected(name).then(|| Selected {
            uid: node.uid().clone(),
            has_lease: brain.claims.has_lease(name),
        });
        drop(brain);
        self.selected.set(name, selected);
        self.node_changed(name, change, now);
    }

    /// A node became ours, or is no longer: it and its pods are looked at again. What is not ours any more is found so by its claim.
    pub(super) fn node_changed(&self, name: &Arc<str>, change: NodeChange, now: Time) {
        if change == NodeChange::Same {
            return;
        }
        tracing::debug!(node = %name, ?change, "node");
        let mut brain = self.brain.lock();
        let mut keys = brain.pods.on(name);
        keys.push(Key::new(&Kind::new("v1", "Node"), None, name));
        for key in keys {
            brain.schedule.wake(&key, now);
        }
        self.ring(&mut brain);
    }
}

impl Brain {
    /// The pod's node and the addresses it has already.
    fn take_in_pod(&mut self, pod: &Snapshot) {
        if let Some(node) = node_of(pod) {
            self.pods.insert(pod.key(), pod.uid(), node);
        }
        let host_network =
            pod.body().at("/spec/hostNetwork").and_then(Value::as_bool) == Some(true);
        let addresses = pod.body().at("/status/podIPs").and_then(Value::as_array);
        for ip in addresses.into_iter().flatten().filter(|_| !host_network) {
            let ip = ip
                .get("ip")
                .and_then(Value::as_str)
                .and_then(|ip| ip.parse().ok());
            if let Some(Err(error)) = ip.map(|ip| self.addresses.reserve(pod.uid(), ip)) {
                tracing::warn!(pod = %pod.key(), %error, "pod address");
            }
        }
    }

    fn forget_pod(&mut self, key: &Key, uid: Option<&Uid>) {
        if let Some(uid) = self.pods.remove(key, uid) {
            self.addresses.release(&uid);
        }
    }
}

/// The plugins that may have the object, each with its cut of it.
pub(super) fn candidates(
    lineup: &Lineup,
    followed: &Followed,
    snapshot: &Snapshot,
    now: Time,
) -> Vec<Candidate> {
    let body = snapshot.body();
    let labels = body.at("/metadata/labels");
    let mut candidates: Vec<Candidate> = Vec::new();
    for follower in &followed.followers {
        let taken = candidates
            .iter()
            .any(|candidate| candidate.plugin == follower.plugin);
        let Some(subject) = lineup.declared(follower.plugin, follower.subject) else {
            continue;
        };
        if taken || !subject.selector.matches(labels) {
            continue;
        }
        candidates.push(Candidate {
            plugin: follower.plugin,
            subject: follower.subject,
            reads: json::prune(body, &follower.reads).text().into_boxed_str(),
            since: due::since(body, &subject.since),
            changed: now,
            anew: None,
        });
    }
    candidates
}

fn strings<'a>(body: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> {
    body.at(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}
