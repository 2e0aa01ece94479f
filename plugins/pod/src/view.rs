//! A pod as far as deciding needs it. Strings are borrowed: most decisions allocate nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};
use stagewright_plugin::Time;

/// A pod, cut to the description's `reads`.
#[derive(Debug, Deserialize)]
pub struct Pod<'a> {
    #[serde(borrow, default)]
    pub metadata: Metadata<'a>,
    #[serde(borrow, default)]
    pub spec: Spec<'a>,
    #[serde(borrow, default)]
    pub status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata<'a> {
    #[serde(borrow)]
    pub deletion_timestamp: Option<Text<'a>>,
    pub deletion_grace_period_seconds: Option<u32>,
    #[serde(borrow)]
    pub finalizers: Vec<Text<'a>>,
    #[serde(borrow)]
    pub owner_references: Vec<Owner<'a>>,
    #[serde(borrow)]
    pub annotations: Annotations<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Owner<'a> {
    #[serde(borrow)]
    pub kind: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec<'a> {
    #[serde(borrow)]
    pub restart_policy: Text<'a>,
    #[serde(borrow)]
    pub init_containers: Vec<InitContainer<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InitContainer<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    restart_policy: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status<'a> {
    #[serde(borrow)]
    pub phase: Option<Text<'a>>,
    #[serde(borrow)]
    pub conditions: Vec<Condition<'a>>,
    #[serde(borrow)]
    pub init_container_statuses: Vec<ContainerStatus<'a>>,
    #[serde(borrow)]
    pub container_statuses: Vec<ContainerStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub last_transition_time: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ContainerStatus<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub state: State,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct State {
    pub running: Option<Running>,
    pub terminated: Option<Terminated>,
}

#[derive(Debug, Deserialize)]
pub struct Running {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terminated {
    #[serde(default)]
    pub exit_code: i64,
}

/// Annotations by key; only those that the description reads are here, so mostly none.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Annotations<'a>(#[serde(borrow)] BTreeMap<Text<'a>, Text<'a>>);

/// A string, borrowed unless it has escapes.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Pod<'a> {
    /// When the scheduler bound the pod; a pod that was created with a node has no such moment.
    pub fn scheduled(&self) -> Option<Time> {
        let condition = self
            .status
            .conditions
            .iter()
            .find(|condition| condition.kind.as_str() == "PodScheduled")?;
        Time::parse(condition.last_transition_time.as_ref()?.as_str())
    }

    /// Whether a Job made it.
    pub fn is_of_a_job(&self) -> bool {
        self.metadata
            .owner_references
            .iter()
            .any(|owner| owner.kind.as_str() == "Job")
    }

    /// The state of an init container.
    pub fn init_state(&self, name: &str) -> Option<&State> {
        let mut statuses = self.status.init_container_statuses.iter();
        statuses
            .find(|status| status.name.as_str() == name)
            .map(|status| &status.state)
    }
}

impl InitContainer<'_> {
    /// A sidecar starts in its turn and runs on (KEP-753).
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_str() == "Always"
    }
}

impl Annotations<'_> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known.as_str() == key)
            .map(|(_, value)| value.as_str())
    }
}

impl Text<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}
