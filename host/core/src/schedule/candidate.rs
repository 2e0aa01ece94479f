//! Who may be asked about an object, and what its due times are counted from.

use std::sync::Arc;

use serde::Serialize;

use super::shelf::{Kept, Shelf};
use crate::object::Kind;
use crate::time::Time;

/// A plugin's subject that matches an object, with all the plugin may see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The plugin, by its place in the order of priority.
    pub plugin: usize,
    /// The subject in the plugin's description.
    pub subject: usize,
    /// The object cut to the subject's reads, as JSON text.
    pub reads: Box<str>,
    /// When the present stay began.
    pub since: Time,
    /// When a declared read changed last, as far as was seen; [`Candidate::since`] after a restart.
    pub changed: Time,
    /// The plugins changed after that.
    pub anew: Option<Box<Anew>>,
}

/// Other plugins were set in while an object stayed as it was. A delay that ran goes on, others begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anew {
    /// The stage that the plugin had waiting by then; it is counted from [`Candidate::changed`].
    pub pending: Option<String>,
    /// What every other stage is counted from.
    pub at: Time,
}

// === impl Anew ===

impl Anew {
    /// Nothing waited then.
    pub(super) fn since(at: Time) -> Self {
        Self { pending: None, at }
    }
}

// === impl Candidate ===

impl Candidate {
    /// What a stage's due time is counted from: [`Candidate::changed`], or the plugins' change if the stage was not waiting before.
    #[must_use]
    pub fn counted_from(&self, stage: &str) -> Time {
        match &self.anew {
            Some(anew) if anew.pending.as_deref() != Some(stage) => self.changed.max(anew.at),
            _ => self.changed,
        }
    }

    /// The plugins change at that time, while this stage waits.
    pub(super) fn supersede(&mut self, waiting: Option<&Played>, now: Time) {
        let waiting = waiting.filter(|waiting| waiting.plugin == self.plugin);
        if let Some(waiting) = waiting {
            self.changed = self.counted_from(&waiting.stage);
        }
        self.anew = Some(Box::new(Anew {
            pending: waiting.map(|waiting| waiting.stage.clone()),
            at: now,
        }));
    }
}

/// All candidates of an object: with what they see at hand while a question is open, put away while the object rests.
#[derive(Debug)]
pub(super) enum Candidates {
    AtHand(Arc<[Candidate]>),
    /// Each without its reads, and these.
    PutAway(Box<[(Candidate, Kept)]>),
}

// === impl Candidates ===

impl Candidates {
    pub(super) fn put_away(&mut self, shelf: &mut Shelf, kind: &Kind) {
        let Self::AtHand(candidates) = self else {
            return;
        };
        let put_away = |candidate: &Candidate| {
            let kept = shelf.put(kind, &candidate.reads);
            let (reads, anew) = (Box::default(), candidate.anew.clone());
            let candidate = Candidate {
                reads,
                anew,
                ..*candidate
            };
            (candidate, kept)
        };
        *self = Self::PutAway(candidates.iter().map(put_away).collect());
    }

    /// Has them at hand again.
    pub(super) fn fetch(&mut self, shelf: &Shelf, kind: &Kind) -> Arc<[Candidate]> {
        let candidates = match self {
            Self::AtHand(candidates) => return Arc::clone(candidates),
            Self::PutAway(candidates) => candidates,
        };
        // What was put away under its kind comes back; a plugin refuses an empty text, and the object is held.
        let fetch = |(candidate, kept): (Candidate, Kept)| Candidate {
            reads: shelf.get(kind, &kept).unwrap_or_default(),
            ..candidate
        };
        let candidates: Arc<[Candidate]> =
            std::mem::take(candidates).into_iter().map(fetch).collect();
        *self = Self::AtHand(Arc::clone(&candidates));
        candidates
    }
}

/// A stage of one stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Played {
    /// The plugin, by its place in the order of priority.
    #[serde(skip)]
    pub plugin: usize,
    /// The stage.
    pub stage: String,
    /// The beginning of the stay it belongs to.
    pub since: Time,
}
