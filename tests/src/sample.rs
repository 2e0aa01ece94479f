//! What decisions are measured with: a pod that a scheduler has just bound.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use stagewright::plugin::Plugin;
use stagewright_core::description::Subject;
use stagewright_core::guard::{Rules, Surface};
use stagewright_core::interface::Context;
use stagewright_core::object::{Kind, Snapshot};
use stagewright_core::order::Order;
use stagewright_core::time::Time;

/// The pod, as plugins get it.
#[must_use]
pub fn pod() -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": "default", "uid": "7a7e4f0e-6c3b-4a0e-9a51-1d2c5e0b7a11",
                     "creationTimestamp": "2026-11-24T01:55:20Z"},
        "spec": {"nodeName": "node-1", "restartPolicy": "Always",
                 "containers": [{"name": "app", "image": "example.com/app:1"}, {"name": "log", "image": "example.com/log:1"}]},
        "status": {"phase": "Pending",
                   "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-24T01:55:20Z"}]},
    })
    .to_string()
}

/// The pod, as a server sends it.
///
/// # Errors
/// If it is no object.
pub fn stored() -> Result<Value> {
    let mut pod: Value = serde_json::from_str(&pod())?;
    let metadata = pod.get_mut("metadata").and_then(Value::as_object_mut);
    let metadata = metadata.context("metadata")?;
    metadata.insert("resourceVersion".to_owned(), json!("7"));
    Ok(pod)
}

/// What a plugin declares of pods.
///
/// # Errors
/// If that is nothing.
pub fn declared(plugin: &Plugin) -> Result<&Subject> {
    let kind = Kind::new("v1", "Pod");
    let mut subjects = plugin.description().subjects.iter();
    subjects
        .find(|subject| subject.kind == kind)
        .context("it has no pods")
}

/// Does some work with the stored pod and the rules by which the guard judges what the plugin does to it.
///
/// # Errors
/// The work's, or if the plugin has no pods.
pub fn judged<T>(
    plugin: &Plugin,
    work: impl FnOnce(&Snapshot, &Rules<'_>) -> Result<T>,
) -> Result<T> {
    let kind = Kind::new("v1", "Pod");
    let rules = Rules {
        plugin: plugin.name(),
        order: &Order::built_in(&kind).context("the order of pods")?,
        surface: &Surface::built_in(&kind).context("the surface of pods")?,
        writes: &declared(plugin)?.writes,
        applies: &plugin.description().applies,
        impersonation: false,
        now: context().now,
    };
    work(&Snapshot::parse(&kind, stored()?)?, &rules)
}

/// What a plugin is told beside it.
#[must_use]
pub fn context() -> Context {
    let since = Time::parse("2026-11-24T01:55:20Z").unwrap_or_default();
    Context {
        now: since,
        since,
        changed: since,
        entropy: [1, 2, 3, 4],
        related: "{}".to_owned(),
        facts: r#"{"addresses":{"hostIPs":["10.0.0.1"],"podIPs":["10.1.0.1"]}}"#.to_owned(),
    }
}
