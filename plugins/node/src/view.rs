//! A node as far as deciding needs it, and what its annotations ask for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use stagewright_plugin::{Context, Delay, Time, chance_of};

use crate::settings::Settings;

/// Whether the node is not Ready, and why: `true`, or a reason of one word.
pub const NOT_READY: &str = "stagewright.dev/node.not-ready";
/// What the node runs out of: `memory`, `disk`, `pid`, `network`, with commas between them.
pub const PRESSURE: &str = "stagewright.dev/node.pressure";
/// How long the node is Ready, and how long it is not, over and over: `5m/30s`.
pub const FLAP: &str = "stagewright.dev/node.flap";
/// The reason of a node that is not Ready because of the annotation, unless that names one.
pub const ON_DEMAND: &str = "NotReadyOnDemand";
/// The reason of a node that is not Ready because it flaps.
pub const FLAPS: &str = "Flapping";

/// What a node may run out of: the word, the condition, and its reason (kubelet/nodestatus/setters.go; the cloud's route controller).
const RESOURCES: [(&str, &str, &str); 4] = [
    ("memory", "MemoryPressure", "KubeletHasInsufficientMemory"),
    ("disk", "DiskPressure", "KubeletHasDiskPressure"),
    ("pid", "PIDPressure", "KubeletHasInsufficientPID"),
    ("network", "NetworkUnavailable", "NoRouteCreated"),
];

/// How a node flaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flap {
    pub up: Delay,
    pub down: Delay,
}

/// What is asked of a node.
#[derive(Debug)]
pub struct Wishes<'a> {
    /// Why it shall not be Ready, if it shall not.
    pub not_ready: Option<&'a str>,
    pub flap: Option<Flap>,
    pressure: &'a str,
}

/// A node, cut to the description's `reads`.
#[derive(Debug, Deserialize)]
pub struct Node<'a> {
    #[serde(borrow, default)]
    pub metadata: Metadata<'a>,
    #[serde(borrow, default)]
    pub status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata<'a> {
    #[serde(borrow)]
    pub uid: Cow<'a, str>,
    #[serde(borrow)]
    pub deletion_timestamp: Option<Cow<'a, str>>,
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Status<'a> {
    #[serde(borrow)]
    pub conditions: Vec<Condition<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    #[serde(borrow)]
    pub last_heartbeat_time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub last_transition_time: Option<Cow<'a, str>>,
}

// === impl Node ===

impl<'a> Node<'a> {
    pub fn condition(&self, kind: &str) -> Option<&Condition<'a>> {
        let mut conditions = self.status.conditions.iter();
        conditions.find(|condition| condition.kind == kind)
    }
}

impl Condition<'_> {
    /// When it turned to what it is; the beginning of the stay if nobody says.
    pub fn turned(&self, ctx: &Context) -> Time {
        let turned = self.last_transition_time.as_deref().and_then(Time::parse);
        turned.unwrap_or(ctx.since)
    }
}

// === impl Wishes ===

impl<'a> Wishes<'a> {
    /// Reads the annotations; what they do not say the settings may.
    ///
    /// # Errors
    /// Names the annotation, its value, and what may stand there.
    pub fn read(
        get: impl Fn(&str) -> Option<&'a str>,
        settings: &Settings,
    ) -> Result<Self, String> {
        let flap = get(FLAP).map(Flap::parse).transpose();
        let flap = flap.map_err(|error| format!("annotation {FLAP}: {error}"))?;
        let pressure = get(PRESSURE).unwrap_or_default();
        for word in words(pressure) {
            if !RESOURCES.iter().any(|(known, ..)| *known == word) {
                let known = RESOURCES.map(|(known, ..)| known).join(", ");
                return Err(format!(
                    "annotation {PRESSURE}: {word:?} is nothing that a node runs out of: write some of {known}"
                ));
            }
        }
        Ok(Self {
            not_ready: not_ready(get(NOT_READY))?,
            flap: flap.unwrap_or(settings.flap),
            pressure,
        })
    }

    /// Status and reason of a condition that the node is to have for want of something; none if it wants nothing of that sort.
    pub fn pressure(&self, condition: &str) -> Option<&'static str> {
        let (word, _, reason) = RESOURCES.iter().find(|(_, known, _)| *known == condition)?;
        words(self.pressure)
            .any(|wanted| wanted == *word)
            .then_some(*reason)
    }

    /// When a node that is Ready, or not, turns next because it flaps.
    pub fn turns(&self, uid: &str, ready: bool, since: Time) -> Option<Time> {
        let flap = self.flap?;
        let delay = if ready { flap.up } else { flap.down };
        let chance = chance_of(&[uid, "flap", &since.to_string()]);
        Some(since + delay.min + (delay.max - delay.min).mul_f64(chance))
    }
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// Why the node shall not be Ready; none: it shall.
fn not_ready(annotation: Option<&str>) -> Result<Option<&str>, String> {
    match annotation {
        None | Some("" | "false") => Ok(None),
        Some("true") => Ok(Some(ON_DEMAND)),
        Some(reason) if is_reason(reason) => Ok(Some(reason)),
        Some(text) => Err(format!(
            "annotation {NOT_READY}: {text:?} is no reason: write \"true\", or one word like \"KubeletStopped\""
        )),
    }
}

/// `metav1.Condition`'s pattern, less what no reason has.
fn is_reason(text: &str) -> bool {
    let inner = |char: char| char.is_ascii_alphanumeric() || char == '_';
    text.len() <= 128
        && text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.chars().all(inner)
}

// === impl Flap ===

impl Flap {
    /// `5m/30s`, each a delay; `false` is none.
    ///
    /// # Errors
    /// If the text has another shape, or one of the two is no time at all.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if matches!(text, "" | "false") {
            return Ok(None);
        }
        let both = text.split_once('/').and_then(|(up, down)| {
            let (up, down) = (Delay::parse(up).ok()?, Delay::parse(down).ok()?);
            // A node that turned without end would do nothing else.
            let whole = |delay: Delay| delay.min.as_secs() > 0;
            (whole(up) && whole(down)).then_some(Self { up, down })
        });
        both.map(Some).ok_or_else(|| {
            format!(
                "{text:?} says not how long the node is Ready and how long it is not: write two delays of a second or more, like \"5m/30s\" or \"1m..5m/10s..30s\""
            )
        })
    }
}

/// The setting `flap`.
pub fn flap<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Flap>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Flap::parse(&text).map_err(serde::de::Error::custom)
}
