//! The proof that a write is forward.

use super::took::{Meant, Took, Unheeded};
use super::wire::Action;
use crate::object::{Key, Snapshot};
use crate::order::{Mend, Rank};

/// A write that the guard found forward, for one version of one object. Whoever commits takes it by value, so it is used once.
///
/// Nobody can keep a second one:
///
/// ```compile_fail,E0277
/// fn copied<T: Clone>() {}
/// copied::<stagewright_core::guard::Admitted>();
/// ```
///
/// nor make one up:
///
/// ```compile_fail,E0624
/// # use stagewright_core::{guard::{Action, Admitted}, object::Key, order::Rank};
/// # fn made(key: Key, action: Action, ranks: (Rank, Rank)) {
/// Admitted::new(key, action, Vec::new(), ranks, None);
/// # }
/// ```
///
/// ```compile_fail,E0451
/// # use stagewright_core::{guard::{Action, Admitted}, object::Key, order::Rank};
/// # fn made(key: Key, action: Action, from: Rank, to: Rank) {
/// Admitted { key, action, mended: Vec::new(), from, to, meant: None };
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    key: Key,
    action: Action,
    mended: Vec<Mend>,
    from: Rank,
    to: Rank,
    /// None of a deletion.
    meant: Option<Meant>,
}

// === impl Admitted ===

impl Admitted {
    /// For the guard alone.
    pub(super) fn new(
        key: Key,
        action: Action,
        mended: Vec<Mend>,
        ranks: (Rank, Rank),
        meant: Option<Meant>,
    ) -> Self {
        let (from, to) = ranks;
        Self {
            key,
            action,
            mended,
            from,
            to,
            meant,
        }
    }

    /// What is written.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// How.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Which of the plugin's bookkeeping was put right.
    #[must_use]
    pub fn mended(&self) -> &[Mend] {
        &self.mended
    }

    /// The rank it leaves. Of a creation: the rank it begins with.
    #[must_use]
    pub fn from(&self) -> &Rank {
        &self.from
    }

    /// The rank it reaches.
    #[must_use]
    pub fn to(&self) -> &Rank {
        &self.to
    }

    /// Whether the server stored what was meant, by its response.
    #[must_use]
    pub fn took(&self, response: &Snapshot) -> Took {
        self.meant
            .as_ref()
            .map_or(Took::Stored, |meant| meant.took(&self.key, response))
    }

    /// Whether it asks the server for nothing but what it did not heed before.
    #[must_use]
    pub fn repeats(&self, unheeded: &Unheeded) -> bool {
        self.meant
            .as_ref()
            .is_some_and(|meant| meant.repeats(&self.key, unheeded))
    }
}
