//! What `stagewright explain` tells of an object: as data, and (its `Display`) as text for people.

mod text;

use serde::{Deserialize, Serialize};
use stagewright_core::time::Time;

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainQuery {
    /// As a user writes it: `pod`, `pods`, `po`, `batch/v1/Job`.
    pub kind: String,
    /// None for cluster-wide kinds; `default` is assumed for the others.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// All that is known of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Explanation {
    /// `v1/Pod`.
    pub kind: String,
    /// None for cluster-wide kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: String,
    /// The newest version seen.
    pub resource_version: String,
    /// When this was told, on the server's clock.
    #[serde(with = "instant")]
    pub now: Time,
    /// The order's name; `none` for kinds without one.
    pub order: String,
    /// How often other stages were set in.
    pub generation: u64,
    /// How many stages of the API server decide; 0 if they come from elsewhere.
    pub stages: usize,
    /// Where the object is in its order.
    pub rank: String,
    /// In one word: `Waiting`, `Idle`, `BackingOff`, …
    pub state: String,
    /// Whose it is.
    pub claim: ClaimAnswer,
    /// What each plugin says, the first asked first.
    pub plugins: Vec<PluginAnswer>,
    /// What comes next, if something is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStep>,
    /// The stage played last in this stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastPlay>,
    /// The last failure, until something succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<LastFailure>,
    /// Refusals and mends, the oldest first.
    pub notes: Vec<NoteLine>,
    /// What the API server finds remarkable in our writes of the kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Whose the object is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimAnswer {
    /// Whether this controller may write it.
    pub ours: bool,
    /// Why not, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why not, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a plugin says of the object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PluginAnswer {
    /// Its name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// `Pass`, `Idle`, `Stage`, `Invalid`, `Error`, `NotAsked`.
    pub answer: String,
    /// The stage, the note or the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it is due, for a stage.
    #[serde(with = "maybe_instant", skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// When the present stay began, as the plugin's subject counts it.
    #[serde(with = "maybe_instant", skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// What comes next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NextStep {
    /// The stage; none: the plugins are asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// When.
    #[serde(with = "instant")]
    pub at: Time,
}

/// A stage that was played.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LastPlay {
    /// By whom.
    pub plugin: String,
    /// Which.
    pub stage: String,
    /// The stay it belongs to.
    #[serde(with = "instant")]
    pub since: Time,
}

/// A failure for good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LastFailure {
    /// Of which stage.
    pub stage: String,
    /// As the plugin gets it.
    pub code: String,
    /// What the guard or the server said.
    pub message: String,
    /// How often in a row.
    pub count: u32,
}

/// Something refused, or mended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NoteLine {
    /// When.
    #[serde(with = "instant")]
    pub time: Time,
    /// `Refused` or `Mended`.
    pub kind: String,
    /// In one word.
    pub category: String,
    /// Whose play.
    pub plugin: String,
    /// Which stage; empty if none was played.
    pub stage: String,
    /// In full.
    pub message: String,
}

/// A time as RFC 3339 with milliseconds.
mod instant {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};
    use stagewright_core::time::Time;

    pub(super) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time.to_micros())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        Time::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no time")))
    }
}

/// The same for a time that may be missing.
mod maybe_instant {
    use serde::{Deserialize, Deserializer, Serializer};
    use stagewright_core::time::Time;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<Time>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::instant::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Time>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.as_deref().and_then(Time::parse))
    }
}
