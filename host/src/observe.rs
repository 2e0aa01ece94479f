//! What others see of the controller's work: metrics, Events on the objects, and the notes that `explain` shows.

mod conditions;
mod events;
mod metrics;
mod notes;
mod process;

pub use conditions::{Conditions, Verdict};
pub use events::{EventSink, Events, events};
pub use metrics::Metrics;
pub use notes::{Note, NoteKind, Notes};
