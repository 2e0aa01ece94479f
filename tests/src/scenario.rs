//! What the cluster tests share: one control plane for a program, scenes on it, objects by the hundred, bounded waits on watches.

mod definitions;
mod guest;
mod measure;
mod objects;
mod requests;
mod stage;
mod view;

use std::time::Duration;

pub use definitions::{define, undefine};
pub use guest::component;
pub use measure::patches;
pub use objects::{
    custom_kind, delay_annotation, is_true, name, node, phase, pod, set, text, uid, version,
};
pub use requests::{
    Touches, api, create, create_all, create_when_served, delete, delete_all, merge, now_micros,
    read,
};
pub use stage::{Company, Scenario, Scene, play, play_together};
pub use view::{Known, Seen, View};

/// How long a scenario waits for what needs no delay of its own. Long, since the machine may be busy; a good run never gets near.
pub const SOON: Duration = Duration::from_secs(60);
