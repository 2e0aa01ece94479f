//! What is kept of one object.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::candidate::{Anew, Candidate, Candidates, Played};
use super::shelf::{Kept, Shelf};
use super::{Failures, Outcome, REFUSED, REPEATED, Sight, Standing, TRANSIENT, Task, WATCH_GRACE};
use crate::guard::Unheeded;
use crate::object::{Key, ResourceVersion, Snapshot, Uid};
use crate::order::Rank;
use crate::time::Time;

/// A whole object, kept while work on it is pending.
#[derive(Debug)]
pub(super) enum Body {
    /// As parsed: quick, but four times the size.
    Tree(Arc<Value>),
    /// As JSON text, put away.
    Text(Kept),
}

impl Body {
    pub(super) fn text(snapshot: &Snapshot, shelf: &mut Shelf) -> Option<Self> {
        let text = serde_json::to_string(snapshot.body()).ok()?;
        Some(Self::Text(shelf.put(&snapshot.key().kind, &text)))
    }

    pub(super) fn restore(self, key: &Key, entry: &Entry, shelf: &Shelf) -> Option<Snapshot> {
        let tree = match self {
            Self::Tree(tree) => tree,
            Self::Text(kept) => Arc::new(serde_json::from_str(&shelf.get(&key.kind, &kept)?).ok()?),
        };
        Some(Snapshot::restore(
            key.clone(),
            entry.uid.clone(),
            entry.version,
            tree,
        ))
    }
}

/// Where an object stands between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Undecided,
    Unclaimed,
    Passed,
    Idle,
    /// For the stage in [`Entry::waiting`].
    Waiting,
    WithoutEffect,
    BackingOff,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) uid: Uid,
    /// When it was seen first.
    pub(super) seen: Time,
    pub(super) version: ResourceVersion,
    pub(super) rank: Rank,
    pub(super) candidates: Candidates,
    pub(super) body: Option<Body>,
    /// What is known changed since the last decision.
    pub(super) dirty: bool,
    /// Something else than the object did: a related one, the claim, the plugins.
    pub(super) woken: bool,
    /// The plugins changed and nobody has cut the object for them yet: there is nobody to ask.
    pub(super) blind: bool,
    /// The last play had no effect; only a change by somebody else or of something related is a reason to ask again.
    pub(super) inert: bool,
    /// A run found no body and cannot go on without.
    pub(super) needs_body: bool,
    /// The version in which the server stored something else than the last play meant.
    pub(super) remade: Option<Box<(ResourceVersion, Unheeded)>>,
    pub(super) failures: Failures,
    /// Whether the body is worth keeping while the object is not ours, since it soon may be.
    keep_body: bool,
    pub(super) state: State,
    /// The stage that waits, also while its play is tried again.
    pub(super) waiting: Option<Box<Played>>,
    /// The version that the server said is not its newest.
    outdated: Option<ResourceVersion>,
    pub(super) attempts: u32,
    last: Option<(Played, Time)>,
    pub(super) repeats: u32,
}

impl Entry {
    pub(super) fn new(sight: &Sight<'_>, body: Body, now: Time) -> Self {
        let changed = |candidate: &Candidate| Candidate {
            changed: candidate.since,
            anew: sight.begun.map(Anew::since).map(Box::new),
            ..candidate.clone()
        };
        Self {
            uid: sight.snapshot.uid().clone(),
            seen: now,
            version: sight.snapshot.version(),
            rank: sight.order.rank(sight.snapshot.body()),
            candidates: Candidates::AtHand(sight.candidates.iter().map(changed).collect()),
            keep_body: sight.keep_body,
            body: Some(body),
            dirty: true,
            woken: false,
            blind: false,
            inert: false,
            needs_body: false,
            remade: None,
            failures: Failures::default(),
            state: State::Undecided,
            waiting: None,
            outdated: None,
            attempts: 0,
            last: None,
            repeats: 0,
        }
    }

    /// When a new object has its first turn: in the order of age, so that a burst is served oldest first.
    pub(super) fn arrival(sight: &Sight<'_>, now: Time) -> Time {
        let since = sight.candidates.iter().map(|candidate| candidate.since);
        since.min().unwrap_or(now).min(now)
    }

    /// Takes in a newer version, or the same once more as other plugins see it. Answers whether a candidate sees anything new.
    pub(super) fn renew(&mut self, sight: Sight<'_>, rank: Rank, shelf: &Shelf, now: Time) -> bool {
        let before = self.candidates.fetch(shelf, &sight.snapshot.key().kind);
        let mut candidates = sight.candidates;
        let blind = std::mem::take(&mut self.blind);
        let mut changed = blind || candidates.len() != before.len();
        for candidate in &mut candidates {
            // After a change of the plugins their subjects have other places.
            let known = before.iter().find(|known| {
                known.plugin == candidate.plugin && (blind || known.subject == candidate.subject)
            });
            match known {
                Some(known) if blind || known.reads == candidate.reads => {
                    candidate.changed = known.changed.max(candidate.since);
                    candidate.anew.clone_from(&known.anew);
                }
                Some(_) => {
                    changed = true;
                    candidate.changed = now.max(candidate.since);
                }
                None => {
                    changed = true;
                    candidate.changed = candidate.since;
                    candidate.anew = blind.then(|| Box::new(Anew::since(now)));
                }
            }
        }
        let is_newer = sight.snapshot.version() > self.version;
        self.version = sight.snapshot.version();
        self.rank = rank;
        self.keep_body = sight.keep_body;
        self.candidates = Candidates::AtHand(candidates.into());
        let outdated = is_newer && self.outdated.take().is_some();
        let inert = std::mem::take(&mut self.inert);
        let asked = changed || outdated || inert;
        self.dirty |= asked;
        asked
    }

    /// Whether the next run will need the whole object.
    pub(super) fn wants_body(&self) -> bool {
        match self.state {
            State::Waiting | State::BackingOff => true,
            State::Unclaimed => self.dirty || self.keep_body,
            _ => self.dirty || self.needs_body,
        }
    }

    pub(super) fn keep(&mut self, body: Body) {
        self.body = Some(body);
        self.needs_body = false;
    }

    pub(super) fn task(&self) -> Task {
        let outdated = self.outdated.is_some_and(|version| self.version <= version);
        if outdated || self.needs_body {
            Task::Read
        } else {
            Task::Decide
        }
    }

    /// Takes in what became of a run; answers when the next one is due.
    pub(super) fn settle(&mut self, outcome: Outcome, now: Time) -> Option<Time> {
        if let Outcome::WithoutEffect(_, ours) = &outcome {
            // The watch may be quicker than the response: what it brought so far is our own doing.
            self.dirty &= self.woken || self.version > *ours;
        }
        let changed_meanwhile = self.dirty;
        let due = match outcome {
            Outcome::Unclaimed => self.rest(State::Unclaimed),
            Outcome::Passed(until) => {
                self.rest(State::Passed);
                // A time that has passed is no reason to ask again at once, and again.
                until.filter(|until| *until > now)
            }
            Outcome::Idle => self.rest(State::Idle),
            Outcome::Wait(stage, due) => {
                let due = self.not_before(&stage).map_or(due, |at| due.max(at));
                self.rest(State::Waiting);
                self.waiting = Some(Box::new(stage));
                Some(due.max(now))
            }
            Outcome::Stored(stage) => {
                self.remember(stage, now);
                self.rest(State::Undecided);
                self.ask(now)
            }
            Outcome::Remade(stage, version, unheeded) => {
                self.remember(stage, now);
                self.remade = Some(Box::new((version, unheeded)));
                self.rest(State::Undecided);
                self.ask(now)
            }
            Outcome::WithoutEffect(stage, _) => {
                self.remember(stage, now);
                self.inert = !changed_meanwhile;
                self.rest(State::WithoutEffect)
            }
            Outcome::Conflict(version) => self.conflict(version, now),
            Outcome::NeedsBody => {
                self.needs_body = true;
                Some(now)
            }
            Outcome::Read => {
                self.outdated = None;
                self.needs_body = false;
                self.ask(now)
            }
            Outcome::Transient(pause) => {
                Some(now + self.back_off(TRANSIENT).max(pause.unwrap_or_default()))
            }
            Outcome::Refused(plugin, failure) => {
                self.failures.add(plugin, failure);
                Some(now + self.back_off(REFUSED))
            }
            Outcome::Gone => None,
        };
        if changed_meanwhile {
            Some(due.map_or(now, |due| due.min(now)))
        } else {
            due
        }
    }

    fn ask(&mut self, now: Time) -> Option<Time> {
        self.dirty = true;
        Some(now)
    }

    fn rest(&mut self, state: State) -> Option<Time> {
        self.waiting = None;
        self.state = state;
        self.attempts = 0;
        None
    }

    fn back_off(&mut self, backoff: crate::backoff::Backoff) -> Duration {
        self.state = State::BackingOff;
        self.dirty = true;
        let wait = backoff.delay(self.attempts, self.chance());
        self.attempts = self.attempts.saturating_add(1);
        wait
    }

    fn conflict(&mut self, version: ResourceVersion, now: Time) -> Option<Time> {
        self.state = State::BackingOff;
        self.dirty = true;
        let wait = TRANSIENT.delay(self.attempts, self.chance());
        self.attempts = self.attempts.saturating_add(1);
        if self.version > version {
            return Some(
                now + if self.attempts > 1 {
                    wait
                } else {
                    Duration::ZERO
                },
            );
        }
        self.outdated = Some(version);
        Some(now + WATCH_GRACE.max(wait))
    }

    /// Jitter needs no randomness: that two objects differ is enough.
    fn chance(&self) -> u32 {
        let seed = u64::from(self.attempts);
        let [chance, ..] = crate::due::entropy(seed, &self.uid, "backoff", Time(0));
        chance
    }

    fn remember(&mut self, stage: Played, now: Time) {
        let again = self.last.as_ref().is_some_and(|(last, _)| *last == stage);
        self.repeats = if again {
            self.repeats.saturating_add(1)
        } else {
            0
        };
        self.failures.clear();
        self.remade = None;
        self.last = Some((stage, now));
    }

    /// A stage played in this very stay already waits before it is played once more.
    fn not_before(&self, stage: &Played) -> Option<Time> {
        self.pause()
            .filter(|(last, _)| last == stage)
            .map(|(_, at)| at)
    }

    pub(super) fn pause(&self) -> Option<(Played, Time)> {
        let (last, at) = self.last.as_ref()?;
        Some((
            last.clone(),
            *at + REPEATED.delay(self.repeats, self.chance()),
        ))
    }

    /// What the last play asked for in vain, while the object is as the server remade it.
    pub(super) fn remade(&self) -> Option<Unheeded> {
        let (version, unheeded) = self.remade.as_deref()?;
        (*version == self.version).then(|| unheeded.clone())
    }

    pub(super) fn standing(&self, next: Option<Time>) -> Standing {
        let state = match self.state {
            State::Undecided => "Undecided",
            State::Unclaimed => "Unclaimed",
            State::Passed => "Passed",
            State::Idle => "Idle",
            State::Waiting => "Waiting",
            State::WithoutEffect => "WithoutEffect",
            State::BackingOff => "BackingOff",
        };
        let waiting = self.waiting.as_ref();
        let stage = waiting.filter(|_| self.state == State::Waiting);
        Standing {
            uid: self.uid.clone(),
            version: self.version,
            rank: self.rank.clone(),
            state,
            next,
            stage: stage.map(|waiting| waiting.stage.clone()),
            last: self.last.as_ref().map(|(stage, _)| stage.clone()),
            failures: self.failures.clone(),
        }
    }
}
