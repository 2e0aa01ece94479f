//! The plugin interface as data: what `wit/stage.wit` says, in the host's own types. The engine turns one into the other.

use serde::Serialize;
use serde_json::Value;

use crate::time::Time;

/// All that an answer may depend on beside the plugin's settings and the object. Recorded with the answer; a replay gets the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Context {
    /// The server's time when the plugin was asked.
    pub now: Time,
    /// When the object's present stay began ([`crate::due::since`]).
    pub since: Time,
    /// The newest of `since` and the last change that the host saw of a declared read.
    pub changed: Time,
    /// 128 random bits, the same for one `since`.
    pub entropy: [u32; 4],
    /// Related objects by relation, as JSON text.
    pub related: String,
    /// The facts that the subject asked for, as JSON text.
    pub facts: String,
}

// === impl Context ===

impl Context {
    /// For a question about no object of a cluster: at time zero, with no randomness, nothing related and no facts.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            now: Time(0),
            since: Time(0),
            changed: Time(0),
            entropy: [0; 4],
            related: "{}".to_owned(),
            facts: "{}".to_owned(),
        }
    }
}

/// What a plugin says comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "answer")]
pub enum Answer {
    /// Not this plugin's object: the next one is asked.
    Pass,
    /// Like [`Answer::Pass`], but ask again at this time.
    PassUntil {
        /// When.
        until: Time,
    },
    /// This plugin's object, and nothing to do until it or a related one changes.
    Idle {
        /// Why, for `explain`.
        note: String,
    },
    /// A stage, played when it is due.
    Stage {
        /// One of the description's stages.
        stage: String,
        /// When; past means at once.
        due: Time,
    },
    /// The object lacks what the plugin needs.
    Invalid {
        /// What is wrong with it.
        message: String,
    },
}

/// How a patch's body is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// RFC 7396.
    Merge,
    /// RFC 6902.
    Json,
    /// Kubernetes' strategic merge.
    Strategic,
    /// The whole object, or the whole subresource, as it shall be.
    Replace,
}

/// A change of the subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PatchEffect {
    /// How `body` is meant.
    pub form: Form,
    /// `status`, `scale`, … or none for the object itself.
    pub subresource: Option<String>,
    /// The patch.
    pub body: Value,
    /// Whom to impersonate.
    pub as_user: Option<String>,
}

/// Another object, of a kind that the description declares under `applies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// `v1`, `batch/v1`.
    pub api_version: String,
    /// `Pod`.
    pub kind: String,
    /// None: the subject's, or none for a cluster-wide kind.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// Another object to create, or to merge into if it exists.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApplyEffect {
    /// Whole, with a name.
    pub object: Value,
    /// `status` or none.
    pub subresource: Option<String>,
    /// The host sets the subject as controlling owner.
    pub owned: bool,
}

/// How loud an Event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Severity {
    /// Information.
    Normal,
    /// Something a user may want to act on.
    Warning,
}

/// An Event about the subject, sent after the play's last write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventEffect {
    /// Normal or Warning.
    pub severity: Severity,
    /// PascalCase, at most 128 bytes.
    pub reason: String,
    /// At most 1,024 bytes are kept.
    pub message: String,
}

/// One thing that a play does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Change the subject.
    Patch(PatchEffect),
    /// Create or change another object.
    Apply(ApplyEffect),
    /// Delete an object that the subject owns.
    Remove(Reference),
    /// Report on the subject.
    Event(EventEffect),
    /// Delete the subject.
    Delete {
        /// Grace period in seconds; none: the object's own.
        grace: Option<u32>,
    },
    /// An ability this version does not know; refused unless it is in `requires`, which this version refuses at load.
    Extension {
        /// Its name.
        name: String,
    },
}
