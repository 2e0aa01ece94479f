//! What is known of every followed object, and whose turn is next.
//!
//! One [`Entry`](entry) per object: the newest version seen, its rank, and of each plugin that may have it the declared reads,
//! from which it can be asked again at any time. The whole object is kept only while work on it is pending. What is kept of an
//! object that rests is put away small on a [`Shelf`](shelf). The schedule hands out [`Run`]s, one at a time per object, and takes
//! back what became of them; it never calls anybody.

mod candidate;
mod entry;
mod failures;
mod shelf;
mod supersede;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::backoff::Backoff;
use crate::guard::Unheeded;
use crate::object::{Key, Kind, ResourceVersion, Snapshot, Uid};
use crate::order::{Order, Rank};
use crate::queue::Queue;
use crate::time::Time;

pub use candidate::{Anew, Candidate, Played};
use entry::{Body, Entry};
pub use failures::{Failure, Failures};
use shelf::Shelf;

/// How long a conflict waits for the watch to bring the newer version before the object is read.
const WATCH_GRACE: Duration = Duration::from_secs(1);
/// Whole objects kept as trees at once; past that they are put away as text, and parsed again in their run.
const MAX_TREES: usize = 32;
/// Retries of what failed in passing: an API server that is busy, a conflict that repeats.
const TRANSIENT: Backoff = Backoff {
    base: Duration::from_millis(250),
    cap: Duration::from_secs(30),
};
/// Retries of what will fail again unless something changes: a refused play, a trap.
const REFUSED: Backoff = Backoff {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(300),
};
/// Between plays of one stage within one stay.
const REPEATED: Backoff = Backoff {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(60),
};

/// A version of an object as it comes in.
#[derive(Debug)]
pub struct Sight<'a> {
    /// The object.
    pub snapshot: &'a Snapshot,
    /// Its kind's order.
    pub order: &'a Order,
    /// The plugins that may have it, by priority, with their cut of it. `changed` is filled in by the schedule.
    pub candidates: Vec<Candidate>,
    /// Whether a later run is likely to need the whole object although nothing is pending yet (its claim is being acquired).
    pub keep_body: bool,
    /// Since when the plugins are asked about the kind, if objects may have been there before and nobody has waited for them.
    pub begun: Option<Time>,
}

/// What a sight was in the light of what is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// First seen, or another object in the place of one that went.
    New,
    /// A newer version.
    Newer {
        /// Whether a declared read of a candidate changed: it is asked again.
        reads_changed: bool,
        /// The ranks, if the object went backward. Not by us; it is the new base.
        backward: Option<Box<(Rank, Rank)>>,
    },
    /// Known already, or older than what is known.
    Stale,
}

/// What a run has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Ask the candidates, and play at once if a stage is due.
    Decide,
    /// Read the object from the server: what is known of it is too old or too little.
    Read,
}

/// One object's turn. It ends with [`Schedule::finish`].
#[derive(Debug)]
pub struct Run {
    /// The object.
    pub key: Key,
    /// Its uid.
    pub uid: Uid,
    /// The version that `candidates` and `snapshot` are cut from.
    pub version: ResourceVersion,
    /// When it was due; for an object first seen after that, when it was seen.
    pub due: Time,
    /// What to do.
    pub task: Task,
    /// The plugins that may have it.
    pub candidates: std::sync::Arc<[Candidate]>,
    /// The whole object, if it is kept.
    pub snapshot: Option<Snapshot>,
    /// A stage that was played in this stay already, and when it may be played again.
    pub pause: Option<(Played, Time)>,
    /// What the last play asked for and the server wrote otherwise, if nobody has changed the object since.
    pub remade: Option<Unheeded>,
    /// The last refusals, for the `failure` facts.
    pub failures: Failures,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Not ours at present. Asked again when the claim changes ([`Schedule::wake`]).
    Unclaimed,
    /// No plugin wants it, at least until then.
    Passed(Option<Time>),
    /// A plugin has it, and there is nothing to do until something changes.
    Idle,
    /// A plugin has it, and this comes next.
    Wait(Played, Time),
    /// The stage was played and stored; the response went through [`Schedule::observe`].
    Stored(Played),
    /// Stored, but the server made something else of it, in this version. Asked once more it would come to the same.
    Remade(Played, ResourceVersion, Unheeded),
    /// The play changes nothing, or the server stored nothing of it: quiet until somebody else changes the object. With the
    /// newest version that is our own doing.
    WithoutEffect(Played, ResourceVersion),
    /// The server knows a newer version than this one.
    Conflict(ResourceVersion),
    /// The run needs the whole object, which is not kept.
    NeedsBody,
    /// The object was read, and what came went through [`Schedule::observe`].
    Read,
    /// It failed in passing; the server's wish for a pause, if it had one.
    Transient(Option<Duration>),
    /// The guard or the server refused it, or the plugin of this name failed.
    Refused(String, Failure),
    /// The object is gone.
    Gone,
}

/// What the schedule knows of an object, for `explain`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Its uid.
    pub uid: Uid,
    /// The newest version seen.
    pub version: ResourceVersion,
    /// Its rank.
    pub rank: Rank,
    /// In one word: `Running`, `Waiting`, `Idle`, `WithoutEffect`, `BackingOff`, `Unclaimed`, `Undecided`.
    pub state: &'static str,
    /// When it is looked at again, if nothing changes before.
    pub next: Option<Time>,
    /// The stage that comes next, if one is decided.
    pub stage: Option<String>,
    /// The stage played last.
    pub last: Option<Played>,
    /// The last failures in a row.
    #[serde(skip)]
    pub failures: Failures,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Boxed, since a table is half empty, and there twice while it grows.
    entries: HashMap<Key, Box<Entry>>,
    queue: Queue<Key>,
    shelf: Shelf,
    trees: usize,
}

impl Schedule {
    /// Takes in a version of an object, whoever brought it (watch, response, read).
    pub fn observe(&mut self, sight: Sight<'_>, now: Time) -> Observed {
        let key = sight.snapshot.key().clone();
        let known = self.entries.get(&key);
        match known {
            Some(entry) if entry.sees_again(sight.snapshot) => self.renew(&key, sight, now),
            Some(entry) if sight.snapshot.version() <= entry.version => {
                self.supply(&key, sight.snapshot);
                Observed::Stale
            }
            Some(entry) if entry.uid == *sight.snapshot.uid() => self.renew(&key, sight, now),
            _ => {
                self.drop_body(&key);
                let body = self.body(sight.snapshot);
                let entry = Entry::new(&sight, body, now);
                let due = Entry::arrival(&sight, now);
                self.entries.insert(key.clone(), Box::new(entry));
                self.queue.push(key, due);
                Observed::New
            }
        }
    }

    fn renew(&mut self, key: &Key, sight: Sight<'_>, now: Time) -> Observed {
        let rank = sight.order.rank(sight.snapshot.body());
        let snapshot = sight.snapshot;
        let Some(entry) = self.entries.get_mut(key) else {
            return Observed::Stale;
        };
        // With other plugins there may be another order, and ranks of two orders say nothing of each other.
        let backward = (!entry.blind && !entry.rank.reaches(sight.order, &rank))
            .then(|| Box::new((entry.rank.clone(), rank.clone())));
        let reads_changed = entry.renew(sight, rank, &self.shelf, now);
        if !entry.dirty {
            entry.candidates.put_away(&mut self.shelf, &key.kind);
        }
        let wanted = entry.wants_body();
        if reads_changed {
            self.queue.push(key.clone(), now);
        }
        self.drop_body(key);
        if wanted {
            let body = self.body(snapshot);
            if let Some(entry) = self.entries.get_mut(key) {
                entry.keep(body);
            }
        }
        Observed::Newer {
            reads_changed,
            backward,
        }
    }

    /// A version that is known already may still bring the body that a run asked for.
    fn supply(&mut self, key: &Key, snapshot: &Snapshot) {
        let asked = self.entries.get(key).is_some_and(|entry| {
            entry.needs_body && entry.version == snapshot.version() && entry.uid == *snapshot.uid()
        });
        if asked {
            let body = self.body(snapshot);
            if let Some(entry) = self.entries.get_mut(key) {
                entry.keep(body);
            }
        }
    }

    /// The object went. Answers whether it was known under that uid.
    pub fn forget(&mut self, key: &Key, uid: Option<&Uid>) -> bool {
        let known = self
            .entries
            .get(key)
            .is_some_and(|entry| uid.is_none_or(|uid| entry.uid == *uid));
        if known {
            self.drop_body(key);
            self.entries.remove(key);
            self.queue.remove(key);
        }
        known
    }

    /// Asks again, not before `at`: a related object, the claim, or a plugin changed.
    pub fn wake(&mut self, key: &Key, at: Time) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.dirty = true;
            entry.woken = true;
            entry.inert = false;
            entry.remade = None;
            if entry.blind {
                return;
            }
            let due = self.queue.due_at(key).map_or(at, |due| due.min(at));
            self.queue.push(key.clone(), due);
        }
    }

    /// The next turn that is due. Its object has no other until [`Schedule::finish`].
    pub fn start(&mut self, now: Time) -> Option<Run> {
        loop {
            let due = self.queue.next_due()?;
            let key = self.queue.pop_due(now)?;
            let Some(entry) = self.entries.get_mut(&key) else {
                self.queue.done(&key);
                continue;
            };
            let task = entry.task();
            entry.dirty = false;
            entry.woken = false;
            let body = if task == Task::Decide {
                entry.body.take()
            } else {
                None
            };
            if matches!(body, Some(Body::Tree(_))) {
                self.trees = self.trees.saturating_sub(1);
            }
            let snapshot = body.and_then(|body| body.restore(&key, entry, &self.shelf));
            return Some(Run {
                uid: entry.uid.clone(),
                version: entry.version,
                due: due.max(entry.seen),
                task,
                candidates: entry.candidates.fetch(&self.shelf, &key.kind),
                snapshot,
                pause: entry.pause(),
                remade: entry.remade(),
                failures: entry.failures.clone(),
                key,
            });
        }
    }

    /// Takes a run back. `snapshot` is the newest whole object the run held, to be kept if work is pending.
    pub fn finish(
        &mut self,
        key: &Key,
        uid: &Uid,
        snapshot: Option<&Snapshot>,
        outcome: Outcome,
        now: Time,
    ) {
        self.queue.done(key);
        if outcome == Outcome::Gone {
            self.forget(key, Some(uid));
            return;
        }
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.uid == *uid) else {
            return;
        };
        let due = entry.settle(outcome, now).filter(|_| !entry.blind);
        if !entry.dirty {
            entry.candidates.put_away(&mut self.shelf, &key.kind);
        }
        // A body of an older version would be played and answered 409: only the newest is worth keeping.
        let kept = snapshot.filter(|snapshot| {
            entry.wants_body()
                && entry.body.is_none()
                && snapshot.uid() == uid
                && snapshot.version() == entry.version
        });
        if let Some(body) = kept.and_then(|snapshot| Body::text(snapshot, &mut self.shelf)) {
            entry.keep(body);
        }
        match due {
            Some(due) => {
                let due = self.queue.due_at(key).map_or(due, |queued| queued.min(due));
                self.queue.push(key.clone(), due);
            }
            // What was queued meanwhile turned out to be our own doing.
            None if !entry.dirty || entry.blind => self.queue.remove(key),
            None => {}
        }
    }

    /// When the next turn is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.queue.next_due()
    }

    /// Which object is followed under the key, and the newest version of it.
    #[must_use]
    pub fn known(&self, key: &Key) -> Option<(&Uid, ResourceVersion)> {
        let entry = self.entries.get(key)?;
        Some((&entry.uid, entry.version))
    }

    /// What is known of an object.
    #[must_use]
    pub fn standing(&self, key: &Key) -> Option<Standing> {
        self.entries
            .get(key)
            .map(|entry| entry.standing(self.queue.due_at(key)))
    }

    /// The keys of one kind, in order; a list that does not name them any more has lost them.
    #[must_use]
    pub fn keys(&self, kind: &Kind) -> Vec<Key> {
        let mut keys: Vec<Key> = self
            .entries
            .keys()
            .filter(|key| key.kind == *kind)
            .cloned()
            .collect();
        keys.sort();
        keys
    }

    /// Objects followed, by kind.
    #[must_use]
    pub fn counts(&self) -> std::collections::BTreeMap<Kind, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for key in self.entries.keys() {
            match counts.get_mut(&key.kind) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(key.kind.clone(), 1);
                }
            }
        }
        counts
    }

    /// Objects followed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Turns waiting for their time, and turns under way.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        (self.queue.len(), self.queue.running())
    }

    fn body(&mut self, snapshot: &Snapshot) -> Body {
        if self.trees < MAX_TREES {
            self.trees += 1;
            return Body::Tree(snapshot.shared_body());
        }
        Body::text(snapshot, &mut self.shelf).unwrap_or_else(|| Body::Tree(snapshot.shared_body()))
    }

    fn drop_body(&mut self, key: &Key) {
        let body = self
            .entries
            .get_mut(key)
            .and_then(|entry| entry.body.take());
        if matches!(body, Some(Body::Tree(_))) {
            self.trees = self.trees.saturating_sub(1);
        }
    }
}
