//! What is generated from the interface is what the interface says, and what the stock plugins do is forward in the host's eyes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use stagewright_core::description::Description;
use stagewright_core::object::Kind;
use stagewright_core::order::Order;
use stagewright_core::time::Time;
use stagewright_plugin::harness::{self, Harness, Step};
use stagewright_plugin::{Plugin, Settings};
use stagewright_plugin_node::Nodes;
use stagewright_plugin_pod::Pods;

const BORN: &str = "2026-01-01T00:00:00Z";
const DELETED: &str = "2026-01-01T00:02:00Z";
const LATER: &str = "2026-01-01T01:00:00Z";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

#[test]
fn the_bindings_are_what_the_interface_says() {
    let program = env!("CARGO_BIN_EXE_generate-bindings");
    let output = Command::new(program).arg("--check").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[test]
fn a_released_interface_never_changes() {
    let interface = fs::read_to_string(root().join("wit/stage.wit")).unwrap();
    let version = interface
        .lines()
        .find_map(|line| {
            line.strip_prefix("package stagewright:stage@")?
                .strip_suffix(';')
        })
        .unwrap();
    let released = root().join(format!("wit/released/{version}/stage.wit"));
    assert_eq!(interface, fs::read_to_string(released).unwrap());
}

fn description<P: Plugin>(settings: Value) -> Description {
    let (_, description) = P::configure(&Settings::from(settings)).unwrap();
    Description::parse(&description.into_text().unwrap()).unwrap()
}

#[test]
fn the_host_takes_the_stock_plugins_descriptions() {
    for profile in ["fast", "general"] {
        assert_eq!(
            description::<Pods>(json!({ "profile": profile })).name,
            "pod"
        );
    }
    assert_eq!(description::<Nodes>(json!({})).name, "node");
}

/// No step breaks the order, and none needs mending.
#[track_caller]
fn forward(kind: &str, first: &Value, steps: &[Step]) {
    let order = Order::built_in(&Kind::parse(kind).unwrap()).unwrap();
    let mut before = first.clone();
    for step in steps {
        let Some(after) = &step.object else { continue };
        let breaches = order.breaches(&before, after);
        assert!(breaches.is_empty(), "{}: {breaches:?}", step.stage);
        let mends = order.mend(&before, &mut after.clone(), Time(step.at.0));
        assert!(mends.is_empty(), "{}: {mends:?}", step.stage);
        before = after.clone();
    }
}

fn pods() -> Vec<Value> {
    let pod = |restart: &str, spec: Value, owners: Value, conditions: Value| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "default", "uid": "6b0e", "creationTimestamp": BORN,
                "ownerReferences": owners, "finalizers": ["example.com/hold"]},
            "spec": {"nodeName": "n1", "restartPolicy": restart, "containers": [{"name": "main", "image": "example.com/web:1"}]},
            "status": {"phase": "Pending", "qosClass": "BestEffort", "conditions": conditions}});
        for (field, value) in spec.as_object().unwrap() {
            pod["spec"][field] = value.clone();
        }
        pod
    };
    let job = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "work", "uid": "j"}]);
    let bound = json!([{"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:00:07Z"}]);
    let inits = json!({"initContainers": [{"name": "first", "image": "a"},
        {"name": "proxy", "image": "b", "restartPolicy": "Always"}, {"name": "second", "image": "c"}]});
    vec![
        pod("Always", json!({}), json!([]), bound.clone()),
        pod("Always", json!({"hostNetwork": true}), json!([]), json!([])),
        pod("Always", inits.clone(), json!([]), bound.clone()),
        pod("Never", inits, job, bound),
    ]
}

#[test]
fn every_life_of_a_pod_is_forward() {
    for pod in pods() {
        for first in ["fast", "general"] {
            let harness =
                |profile: &str| Harness::<Pods>::new(&json!({ "profile": profile })).unwrap();
            let life = harness(first).live(pod.clone(), LATER).unwrap();
            forward("v1/Pod", &pod, &life.steps);
            // From each step on under the other profile, and deleted.
            for step in &life.steps {
                for second in ["fast", "general"] {
                    let pod = step.object.clone().unwrap();
                    let rest = harness(second).live(pod.clone(), LATER).unwrap();
                    forward("v1/Pod", &pod, &rest.steps);
                    let mut deleted = pod.clone();
                    harness::delete(&mut deleted, DELETED, 30);
                    let rest = harness(second).live(deleted.clone(), LATER).unwrap();
                    forward("v1/Pod", &deleted, &rest.steps);
                }
            }
        }
    }
}

#[test]
fn every_life_of_a_node_is_forward() {
    let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u", "creationTimestamp": BORN}});
    for not_ready in ["false", "true", "Another", "false"] {
        node["metadata"]["annotations"] = json!({"stagewright.dev/node.not-ready": not_ready});
        let life = Harness::<Nodes>::new(&json!({}))
            .unwrap()
            .live(node.clone(), LATER)
            .unwrap();
        forward("v1/Node", &node, &life.steps);
        node = life.object().unwrap().clone();
    }
}
