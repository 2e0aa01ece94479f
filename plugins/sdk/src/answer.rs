//! What a plugin says comes next.

use crate::time::Time;

/// What a plugin says comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Not this plugin's object: the plugin of the next lower priority is asked.
    Pass,
    /// Like [`Answer::Pass`], and ask again at this time.
    PassUntil(Time),
    /// This plugin's object, and nothing to do until it, or one related to it, changes. The text is what `explain` shows.
    Idle(String),
    /// A stage, played when it is due.
    Stage {
        /// One of the description's stages.
        stage: String,
        /// When; past means at once. Reckoned from [`crate::Context::since`], [`crate::Context::changed`] or a time in the object, not
        /// from now: an object touched while it waits is asked about again, and must answer the same.
        due: Time,
    },
    /// The object lacks what the plugin needs. It is left alone until it changes, and this is reported on it.
    Invalid(String),
}

impl Answer {
    /// A stage and when it is due.
    pub fn stage(stage: impl Into<String>, due: Time) -> Self {
        Self::Stage {
            stage: stage.into(),
            due,
        }
    }

    /// Nothing to do, and why.
    pub fn idle(note: impl Into<String>) -> Self {
        Self::Idle(note.into())
    }

    /// The object is wrong, and how. Name the field, its value and what it may be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
}
