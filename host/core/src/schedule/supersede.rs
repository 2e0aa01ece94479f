//! Other plugins for objects that are known: every one of them is a question again.

use super::Schedule;
use super::candidate::{Candidate, Candidates};
use super::entry::{Entry, State};
use crate::object::{Kind, Snapshot};
use crate::time::Time;

impl Schedule {
    /// The plugins of a kind changed. Each of its objects is asked about anew: at once where `candidates` makes the new plugins'
    /// candidates from the old ones', and else as soon as [`Schedule::observe`] brings the object in the version that is known or a newer
    /// one. A run under way ends as it would; what it comes to is a question again. A delay that runs goes on if the new plugins
    /// answer the same stage ([`Candidate::counted_from`]).
    pub fn supersede(
        &mut self,
        kind: &Kind,
        candidates: impl Fn(&[Candidate]) -> Option<Vec<Candidate>>,
        now: Time,
    ) {
        for key in self.keys(kind) {
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            // Who waits to be seen by the last plugins is not seen by the next ones either.
            let known = entry.candidates.fetch(&self.shelf, kind);
            let seen = (!entry.blind).then_some(&*known);
            let next = seen.and_then(&candidates);
            entry.supersede((&known, next), now);
            if entry.blind {
                self.queue.remove(&key);
            } else {
                self.queue.push(key, now);
            }
        }
    }

    /// Whether a sight of this version would tell anything.
    #[must_use]
    pub fn lacks(&self, snapshot: &Snapshot) -> bool {
        self.entries
            .get(snapshot.key())
            .is_none_or(|entry| entry.sees_again(snapshot) || snapshot.version() > entry.version)
    }
}

impl Entry {
    /// What was decided is a question again, and what stood in the way of its answer is forgotten. With no candidates nobody is asked
    /// until a sight brings some.
    fn supersede(&mut self, (known, next): (&[Candidate], Option<Vec<Candidate>>), now: Time) {
        self.blind = next.is_none();
        let mut candidates = next.unwrap_or_else(|| known.to_vec());
        for candidate in &mut candidates {
            candidate.supersede(self.waiting.as_deref(), now);
        }
        self.candidates = Candidates::AtHand(candidates.into());
        self.dirty = true;
        self.woken = true;
        self.inert = false;
        self.remade = None;
        self.failures.clear();
        self.attempts = 0;
        self.repeats = 0;
        if matches!(self.state, State::Waiting | State::BackingOff) {
            self.state = State::Undecided;
        }
    }

    /// Whether this brings what the new plugins lack: the version that is known.
    pub(super) fn sees_again(&self, snapshot: &Snapshot) -> bool {
        self.blind && self.version == snapshot.version() && self.uid == *snapshot.uid()
    }
}
