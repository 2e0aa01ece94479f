//! A node as far as deciding needs it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

/// On which node, and why, is not Ready: `true`, or a reason of one word.
pub const NOT_READY: &str = "stagewright.dev/node.not-ready";
/// The reason of a node that is not Ready because of the annotation, unless that names one.
pub const ON_DEMAND: &str = "NotReadyOnDemand";

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
    pub last_heartbeat_time: Option<Cow<'a, str>>,
}

impl Node<'_> {
    pub fn ready(&self) -> Option<&Condition<'_>> {
        self.status
            .conditions
            .iter()
            .find(|condition| condition.kind == "Ready")
    }
}

/// Why the node shall not be Ready; none: it shall.
///
/// # Errors
/// If the annotation is neither a yes, a no nor a reason: names it, its value, and what is expected.
pub fn not_ready(annotation: Option<&str>) -> Result<Option<&str>, String> {
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
