//! The description as the harness reads it: strictly, so that a misspelt key fails natively too.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::tree;
use crate::time::Time;

/// What the harness must know of a description.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declared {
    schema: String,
    pub(super) name: String,
    #[serde(rename = "version")]
    _version: String,
    pub(super) stages: Vec<String>,
    #[serde(default, rename = "requires")]
    _requires: Vec<String>,
    #[serde(default, rename = "applies")]
    _applies: Vec<Value>,
    subjects: Vec<DeclaredSubject>,
    #[serde(default, rename = "problems")]
    _problems: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct DeclaredSubject {
    kind: String,
    #[serde(default, rename = "selector")]
    _selector: Option<String>,
    #[serde(default)]
    pub(super) reads: Vec<String>,
    #[serde(default)]
    since: Vec<String>,
    #[serde(default)]
    pub(super) play_reads: Option<Vec<String>>,
    #[serde(default)]
    writes: Vec<String>,
    #[serde(default)]
    pub(super) facts: Vec<String>,
    #[serde(default)]
    pub(super) relations: Vec<DeclaredRelation>,
    #[serde(default, rename = "order")]
    _order: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeclaredRelation {
    pub(super) name: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "by")]
    _by: Value,
    #[serde(default)]
    reads: Vec<String>,
    #[serde(default, rename = "max")]
    _max: Option<u16>,
}

// === impl Declared ===

impl Declared {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let declared: Self =
            serde_json::from_str(text).map_err(|error| format!("the description: {error}"))?;
        if declared.schema != crate::Description::SCHEMA {
            return Err(format!("the description: schema is {:?}", declared.schema));
        }
        Ok(declared)
    }

    /// The first subject of the object's kind; selectors are not looked at.
    pub(super) fn subject(&self, object: &Value) -> Result<&DeclaredSubject, String> {
        let field = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = format!("{}/{}", field("apiVersion"), field("kind"));
        let subject = self.subjects.iter().find(|subject| subject.kind == kind);
        subject.ok_or_else(|| format!("the description has no subject of kind {kind:?}"))
    }
}

// === impl DeclaredSubject ===

impl DeclaredSubject {
    /// When the object's present stay began.
    pub(super) fn since(&self, object: &Value) -> Time {
        since(object, &self.since)
    }

    /// The host's clock is never before a time in the object.
    pub(super) fn now(&self, object: &Value, at: Time) -> Time {
        let written = object.get("status").and_then(tree::newest);
        at.max(self.since(object)).max(written.unwrap_or(at))
    }

    pub(super) fn may_write(&self, pointer: &str) -> Result<(), String> {
        let covers = |path: &String| {
            pointer
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if self.writes.iter().any(covers) {
            return Ok(());
        }
        Err(format!(
            "{pointer} was changed, and is not under writes ({})",
            self.writes.join(", ")
        ))
    }
}

// === impl DeclaredRelation ===

impl DeclaredRelation {
    pub(super) fn render(&self, object: &Value) -> Value {
        let since = since(object, &[]);
        json!({"object": tree::prune(object, &self.reads), "sinceMs": since.0, "changedMs": since.0})
    }
}

fn since(object: &Value, paths: &[String]) -> Time {
    let time = |value: &Value| Time::parse(value.as_str()?);
    let at = |pointer: &str| object.pointer(pointer);
    let grace = at("/metadata/deletionGracePeriodSeconds")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let created = at("/metadata/creationTimestamp").and_then(time);
    let deleted = at("/metadata/deletionTimestamp")
        .and_then(time)
        .map(|time| time - Duration::from_secs(grace));
    let declared = paths
        .iter()
        .flat_map(|path| tree::values(object, path))
        .filter_map(time);
    created
        .into_iter()
        .chain(deleted)
        .chain(declared)
        .max()
        .unwrap_or_default()
}

/// The facts of a small world: one node, and one address for whatever pod is asked about.
pub(super) fn fact(name: &str, object: &Value) -> Option<Value> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match (name, text("/kind")) {
        ("addresses", "Pod") => {
            let host_network = object.pointer("/spec/hostNetwork") == Some(&Value::Bool(true));
            let pod = if host_network {
                "10.0.0.1"
            } else {
                "10.244.0.5"
            };
            Some(json!({"hostIPs": ["10.0.0.1"], "podIPs": [pod], "kubeletPort": 10247}))
        }
        ("addresses", "Node") => Some(
            json!({"hostIPs": ["10.0.0.1"], "hostname": text("/metadata/name"), "kubeletPort": 10247}),
        ),
        _ => None,
    }
}
