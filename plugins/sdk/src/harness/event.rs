//! What tests ask of an Event.

use super::Event;

// === impl Event ===

impl Event {
    /// The Event's reason, for tests.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The Event's message, for tests.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}
