//! What decisions are measured with: a pod that a scheduler has just bound.

use serde_json::json;
use stagewright_core::interface::Context;
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
