//! A pod as far as deciding needs it. Strings are borrowed: most decisions allocate nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use stagewright_plugin::Time;

/// Why a container waits that a rule of KEP-5532 restarts with all others (`RestartingAllContainers` in kubelet_pods.go).
pub const RESTARTING_ALL: &str = "RestartingAllContainers";

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
    pub uid: Text<'a>,
    pub generation: i64,
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
    pub active_deadline_seconds: Option<u64>,
    #[serde(borrow)]
    pub readiness_gates: Vec<Gate<'a>>,
    #[serde(borrow)]
    pub init_containers: Vec<Container<'a>>,
    #[serde(borrow)]
    pub containers: Vec<Container<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Gate<'a> {
    #[serde(borrow)]
    pub condition_type: Text<'a>,
}

/// A container of the spec, init or not.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub restart_policy: Text<'a>,
    #[serde(borrow)]
    pub restart_policy_rules: Vec<Rule<'a>>,
    pub startup_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
}

/// A rule of KEP-5307.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule<'a> {
    #[serde(borrow)]
    pub action: Text<'a>,
    #[serde(borrow)]
    pub exit_codes: ExitCodes<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExitCodes<'a> {
    #[serde(borrow)]
    pub operator: Text<'a>,
    pub values: Vec<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    pub initial_delay_seconds: u32,
    pub period_seconds: u32,
    pub success_threshold: u32,
    pub failure_threshold: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status<'a> {
    #[serde(borrow)]
    pub phase: Option<Text<'a>>,
    pub observed_generation: i64,
    #[serde(borrow)]
    pub start_time: Option<Text<'a>>,
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
    pub status: Text<'a>,
    #[serde(borrow)]
    pub reason: Text<'a>,
    #[serde(borrow)]
    pub last_transition_time: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub restart_count: i64,
    pub ready: bool,
    pub started: Option<bool>,
    #[serde(borrow)]
    pub state: State<'a>,
    #[serde(borrow)]
    pub last_state: State<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct State<'a> {
    #[serde(borrow)]
    pub waiting: Option<Waiting<'a>>,
    #[serde(borrow)]
    pub running: Option<Running<'a>>,
    #[serde(borrow)]
    pub terminated: Option<Terminated<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct Waiting<'a> {
    #[serde(borrow, default)]
    pub reason: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running<'a> {
    #[serde(borrow, default)]
    pub started_at: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terminated<'a> {
    #[serde(default)]
    pub exit_code: i64,
    #[serde(borrow, default)]
    pub started_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub finished_at: Option<Text<'a>>,
}

/// Annotations by key; only those that the description reads are here, so mostly none.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Annotations<'a>(#[serde(borrow)] BTreeMap<Text<'a>, Text<'a>>);

/// A string, borrowed unless it has escapes.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

/// An instant that somebody wrote.
pub fn instant(text: Option<&Text<'_>>) -> Option<Time> {
    Time::parse(text?.as_str())
}

impl<'a> Pod<'a> {
    /// When the scheduler bound the pod; a pod that was created with a node has no such moment.
    pub fn scheduled(&self) -> Option<Time> {
        instant(
            self.condition("PodScheduled")?
                .last_transition_time
                .as_ref(),
        )
    }

    /// The condition of that type.
    pub fn condition(&self, kind: &str) -> Option<&Condition<'a>> {
        self.status
            .conditions
            .iter()
            .find(|condition| condition.kind.as_str() == kind)
    }

    /// Whether a Job made it.
    pub fn is_of_a_job(&self) -> bool {
        self.metadata
            .owner_references
            .iter()
            .any(|owner| owner.kind.as_str() == "Job")
    }

    /// When the kubelet took the pod.
    pub fn started(&self) -> Option<Time> {
        instant(self.status.start_time.as_ref())
    }
}

impl Container<'_> {
    /// An init container that starts in its turn and runs on (KEP-753).
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_str() == "Always"
    }
}

impl ContainerStatus<'_> {
    /// When it was started, if it runs.
    pub fn running_since(&self) -> Option<Time> {
        instant(self.state.running.as_ref()?.started_at.as_ref())
    }

    /// How its present attempt ended, if it did and the next has not begun.
    pub fn ended(&self) -> Option<&Terminated<'_>> {
        self.state.terminated.as_ref().or_else(|| {
            let waits = self.state.running.is_none() && !self.is_anew();
            self.last_state.terminated.as_ref().filter(|_| waits)
        })
    }

    /// The reason for which it waits.
    pub fn waits_for(&self) -> Option<&str> {
        self.state
            .waiting
            .as_ref()
            .map(|waiting| waiting.reason.as_str())
    }

    /// Whether it waits to be started for the first time, or once more with all others.
    pub fn is_anew(&self) -> bool {
        let reason = self.waits_for().unwrap_or_default();
        self.state.running.is_none()
            && self.state.terminated.is_none()
            && (self.last_state.terminated.is_none() || reason == RESTARTING_ALL)
    }
}

impl Terminated<'_> {
    /// When it ended.
    pub fn finished(&self) -> Option<Time> {
        instant(self.finished_at.as_ref())
    }

    /// How long it ran.
    pub fn ran(&self) -> Option<Duration> {
        Some(self.finished()?.since(instant(self.started_at.as_ref())?))
    }
}

impl Annotations<'_> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| *known == key)
            .map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
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
