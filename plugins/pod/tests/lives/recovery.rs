//! Pods whose node was given up for a while.

use serde_json::json;

use crate::kubelet::{last, walk_until};
use crate::world::{condition, pod, steady, walk};

/// controller/util/node `MarkPodsNotReady`: the node lifecycle controller turns Ready when it gives a node up. The pod is Ready again when
/// its node is, and nothing is restarted.
#[test]
fn a_pod_is_ready_again_when_its_node_is() {
    let before = last(&walk_until(pod(), 5)).clone();
    let mut pod = before.clone();
    for condition in pod["status"]["conditions"].as_array_mut().unwrap() {
        if condition["type"] == "Ready" {
            condition["status"] = json!("False");
            condition["lastTransitionTime"] = json!("2026-01-01T00:00:40Z");
        }
    }
    let node = |ready: &str| {
        vec![
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}}),
        ]
    };
    for status in ["False", "Unknown"] {
        let mut harness = steady().related("node", node(status));
        walk(&mut harness, pod.clone(), 3600, &[]);
    }
    let mut harness = steady().related("node", node("True"));
    let life = walk(
        &mut harness,
        pod.clone(),
        3600,
        &["+33 probe Running main:up*"],
    );
    assert_eq!(
        last(&life)["status"]["containerStatuses"],
        before["status"]["containerStatuses"]
    );
    assert_eq!(condition(last(&life), "Ready")["status"], "True");
    // Without delays the host's claim is all that counts: a node that is ours again has its pods Ready.
    let life = crate::world::fast().live(pod, crate::world::LATER).unwrap();
    assert_eq!(life.stages(), ["ready"]);
    assert_eq!(condition(last(&life), "Ready")["status"], "True");
}
