//! The plugins that are asked at present. A lineup does not change: other plugins are another lineup, which takes its place in one
//! moment, under the lock of the brain. Who has taken a turn holds on to the lineup that it was taken with until its end.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use stagewright_core::description::Subject;
use stagewright_core::object::Kind;
use stagewright_core::order::Order;
use stagewright_core::relation::Relations;
use stagewright_core::schedule::Candidate;
use stagewright_core::time::Time;

use super::kinds::{Followed, Follower, Kinds, OrderConflict};
use super::{Brain, Shared, is_lease};
use crate::kwok;
use crate::orders::Orders;
use crate::plugin::Plugin;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Lineup {
    /// Which one it is, from 0.
    pub generation: u64,
    /// KWOK's stages that decide in it, if they come from the API server.
    pub stages: usize,
    /// The administrator's orders that hold in it.
    pub orders: usize,
    /// Who may be asked, by priority. A plugin keeps its place from one lineup to the next, also while it is not asked.
    places: Vec<Option<Arc<Plugin>>>,
    pub kinds: Kinds,
}

/// What another lineup means for the objects of a kind.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    /// Nobody is asked any more.
    Ended,
    /// Others are asked, who read what is known: each plugin's place, and its subject's before and after.
    Moved(Vec<(usize, usize, usize)>),
    /// Others are asked, who read something else.
    Unseen,
}

// === impl Lineup ===

impl Lineup {
    /// The first one.
    pub(super) fn new(
        places: Vec<Option<Arc<Plugin>>>,
        orders: &Orders,
    ) -> (Self, Vec<OrderConflict>) {
        let descriptions: Vec<_> = places
            .iter()
            .enumerate()
            .filter_map(|(place, plugin)| Some((place, plugin.as_ref()?.description())))
            .collect();
        let (kinds, conflicts) = Kinds::of(&descriptions, orders);
        let lineup = Self {
            generation: 0,
            stages: 0,
            orders: orders.len(),
            places,
            kinds,
        };
        (lineup, conflicts)
    }

    /// Makes it the next one. What was not followed before begins at that time; without one nothing was followed, so nothing begins
    /// late.
    pub(super) fn after(mut self, before: &Self, stages: usize, now: Option<Time>) -> Self {
        self.generation = before.generation + 1;
        self.stages = stages;
        if let Some(now) = now {
            self.kinds.go_on(&before.kinds, now);
        }
        self
    }

    /// Says of which kinds nobody has an order: what is written to them is held by the rules for all objects alone.
    pub(super) fn tell_unordered(&self, before: Option<&Self>) {
        let is_unordered =
            |followed: &Followed| !followed.followers.is_empty() && followed.order == Order::Any;
        for followed in self.kinds.iter().filter(|followed| is_unordered(followed)) {
            let known = before.and_then(|before| before.kinds.get(&followed.kind));
            if !known.is_some_and(is_unordered) {
                tracing::info!(kind = %followed.kind, "no order for {}: declare one with a PhaseOrder, or in the plugin", followed.kind);
            }
        }
    }

    /// Who is asked, by priority.
    pub(super) fn plugins(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.places.iter().flatten()
    }

    /// The kinds that stages decide on.
    pub(super) fn staged(&self) -> impl Iterator<Item = &Kind> {
        let staged = self.plugins().find(|plugin| plugin.name() == kwok::PLUGIN);
        let subjects = staged
            .into_iter()
            .flat_map(|plugin| &plugin.description().subjects);
        subjects.map(|subject| &subject.kind)
    }

    /// The subjects of all plugins.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.plugins()
            .flat_map(|plugin| &plugin.description().subjects)
    }

    /// Those that see related objects.
    fn related(&self) -> impl Iterator<Item = &Subject> {
        self.subjects()
            .filter(|subject| !subject.relations.is_empty())
    }

    /// The plugin in a place.
    fn plugin(&self, place: usize) -> Option<&Arc<Plugin>> {
        self.places.get(place)?.as_ref()
    }

    pub(super) fn plugin_name(&self, place: usize) -> &str {
        self.plugin(place).map_or("", |plugin| plugin.name())
    }

    pub(super) fn declared(&self, place: usize, subject: usize) -> Option<&Subject> {
        self.plugin(place)?.description().subjects.get(subject)
    }

    pub(super) fn subject(&self, candidate: &Candidate) -> Option<(&Plugin, &Subject)> {
        let plugin = self.plugin(candidate.plugin)?;
        let subject = plugin.description().subjects.get(candidate.subject)?;
        Some((plugin, subject))
    }

    /// What it means that `next` comes after this one, for each kind for which it means anything.
    fn changes(&self, next: &Self) -> Vec<(Kind, Change)> {
        let both = self.kinds.iter().chain(next.kinds.iter());
        let kinds: BTreeSet<&Kind> = both.map(|followed| &followed.kind).collect();
        let change = |kind: &Kind| Some((kind.clone(), self.change(next, kind)?));
        kinds.into_iter().filter_map(change).collect()
    }

    fn change(&self, next: &Self, kind: &Kind) -> Option<Change> {
        let before = self.kinds.get(kind).map_or(&[][..], Followed::asked);
        let after = next.kinds.get(kind).map_or(&[][..], Followed::asked);
        if before.is_empty() {
            // A kind that begins has no objects yet.
            return None;
        }
        if after.is_empty() {
            return Some(Change::Ended);
        }
        let order = |lineup: &Self| {
            lineup
                .kinds
                .get(kind)
                .map(|followed| followed.order.clone())
        };
        if order(self) != order(next) {
            return Some(Change::Unseen);
        }
        let pairs = || before.iter().zip(after);
        let same_plugin = |place: usize| {
            let both = self.plugin(place).zip(next.plugin(place));
            both.is_some_and(|(one, other)| Arc::ptr_eq(one, other))
        };
        let is_as_long = before.len() == after.len();
        if is_as_long && pairs().all(|(one, other)| one == other && same_plugin(one.plugin)) {
            return None;
        }
        let reads_the_same = is_as_long
            && pairs().all(|(one, other)| {
                let subjects = self
                    .declared(one.plugin, one.subject)
                    .zip(next.declared(other.plugin, other.subject));
                one.plugin == other.plugin
                    && one.reads == other.reads
                    && subjects.is_some_and(|(one, other)| {
                        one.selector == other.selector
                            && one.since == other.since
                            && one.relations == other.relations
                    })
            });
        Some(if reads_the_same {
            let place =
                |(one, other): (&Follower, &Follower)| (one.plugin, one.subject, other.subject);
            Change::Moved(pairs().map(place).collect())
        } else {
            Change::Unseen
        })
    }
}

// === impl Shared ===

impl Shared {
    /// The plugins that are asked now.
    pub(super) fn lineup(&self) -> Arc<Lineup> {
        Arc::clone(&self.lineup.read())
    }

    /// Sets the next lineup in. Every object that it concerns is a question again, at once or when it is seen again; answers the kinds
    /// that have to be listed for that. What is under way ends as it would, through the guard.
    pub(super) fn set_in(&self, next: Lineup) -> BTreeSet<Kind> {
        let now = self.clock.now();
        let mut unseen = BTreeSet::new();
        let mut brain = self.brain.lock();
        let before = self.lineup();
        for (kind, change) in before.changes(&next) {
            match change {
                Change::Ended => {
                    for key in brain.schedule.keys(&kind) {
                        brain.schedule.forget(&key, None);
                        brain.relations.forget_subject(&key);
                    }
                }
                Change::Moved(places) => {
                    let moved = |candidates: &[Candidate]| Some(moved(candidates, &places));
                    brain.schedule.supersede(&kind, moved, now);
                }
                Change::Unseen => {
                    brain.schedule.supersede(&kind, |_| None, now);
                    unseen.insert(kind);
                }
            }
        }
        let (related, subjects) = brain.relate(&before, &next, now);
        brain.expect((&before, &next), &related, (now, self.patience()));
        unseen.extend(related.into_iter().chain(subjects));
        self.metrics.lineup(next.generation);
        *self.lineup.write() = Arc::new(next);
        self.ring(&mut brain);
        unseen
    }
}

// === impl Brain ===

impl Brain {
    /// Where the next plugins see other related objects, their subjects are questions again, and of what was known that is kept which they
    /// see as it was seen before. Answers the related kinds that are to be seen anew, and the subjects'.
    fn relate(
        &mut self,
        before: &Lineup,
        next: &Lineup,
        now: Time,
    ) -> (BTreeSet<Kind>, BTreeSet<Kind>) {
        let same = |one: &Subject, other: &Subject| {
            one.kind == other.kind && one.relations == other.relations
        };
        let (old, new): (Vec<_>, Vec<_>) = (before.related().collect(), next.related().collect());
        if old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| same(old, new)) {
            return (BTreeSet::new(), BTreeSet::new());
        }
        let subjects: BTreeSet<Kind> = new.iter().map(|subject| subject.kind.clone()).collect();
        for kind in &subjects {
            self.schedule.supersede(kind, |_| None, now);
        }
        let known = mem::replace(&mut self.relations, Relations::new(next.subjects()));
        let unseen = self.relations.take_over(known);
        self.related_since = next.generation;
        (unseen.into_iter().collect(), subjects)
    }

    /// What is new to the next plugins, or related to their objects in another way, is waited for; what they know nothing of no longer.
    fn expect(
        &mut self,
        (before, next): (&Lineup, &Lineup),
        related: &BTreeSet<Kind>,
        (now, until): (Time, Time),
    ) {
        for kind in next.kinds.iter().map(|followed| &followed.kind) {
            let is_known = before.kinds.get(kind).is_some();
            if !is_known || related.contains(kind) {
                // A new one is not looked for yet, but for leases, which always are.
                let until = (is_known || is_lease(kind)).then_some(until);
                self.awaited.expect(kind, next.generation, until);
            }
        }
        let freed = self.awaited.keep(|kind| next.kinds.get(kind).is_some());
        self.wake(&freed, now);
    }
}

fn moved(candidates: &[Candidate], places: &[(usize, usize, usize)]) -> Vec<Candidate> {
    let moved = |candidate: &Candidate| {
        let is_its = |(plugin, from, _): &&(usize, usize, usize)| {
            (*plugin, *from) == (candidate.plugin, candidate.subject)
        };
        let place = places.iter().find(is_its);
        Candidate {
            subject: place.map_or(candidate.subject, |(.., to)| *to),
            ..candidate.clone()
        }
    };
    candidates.iter().map(moved).collect()
}
