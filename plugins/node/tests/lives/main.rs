//! Nodes walked through their lives, natively.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod trouble;

use serde_json::{Value, json};
use stagewright_plugin::harness::{Harness, Life};
use stagewright_plugin::{Answer, Time};
use stagewright_plugin_node::Nodes;

const BORN: &str = "2026-01-01T00:00:00Z";
const SOON: &str = "2026-01-01T00:05:00Z";
const NOT_READY: &str = "stagewright.dev/node.not-ready";
const PRESSURE: &str = "stagewright.dev/node.pressure";
const FLAP: &str = "stagewright.dev/node.flap";

fn harness(settings: Value) -> Harness<Nodes> {
    Harness::new(&settings).unwrap()
}

/// As the API server stores a node that was made without a status.
fn node() -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u", "creationTimestamp": BORN},
        "spec": {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}], "unschedulable": true},
        "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}, "nodeInfo": {"machineID": "", "systemUUID": "", "bootID": "",
            "kernelVersion": "", "osImage": "", "containerRuntimeVersion": "", "kubeletVersion": "", "kubeProxyVersion": "",
            "operatingSystem": "", "architecture": ""}}})
}

#[track_caller]
fn live(node: Value, until: &str) -> Life {
    harness(json!({})).live(node, until).unwrap()
}

fn ready() -> Value {
    live(node(), SOON).object().unwrap().clone()
}

fn condition<'a>(node: &'a Value, kind: &str) -> &'a Value {
    let mut conditions = node["status"]["conditions"].as_array().unwrap().iter();
    conditions
        .find(|condition| condition["type"] == kind)
        .unwrap()
}

#[track_caller]
fn due(answer: &Answer) -> Time {
    match answer {
        Answer::Stage { due, .. } => *due,
        _ => panic!("{answer:?} is no stage"),
    }
}

fn minutes_after(time: Time, earlier: &str) -> f64 {
    time.since(Time::parse(earlier).unwrap()).as_secs_f64() / 60.0
}

#[test]
fn a_bare_node_becomes_ready_at_once_with_everything_filled_in() {
    let life = live(node(), SOON);
    assert_eq!(life.stages(), ["initialize"]);
    assert_eq!(life.steps[0].at, Time::parse(BORN).unwrap());
    let node = life.object().unwrap();
    for (kind, status) in [
        ("Ready", "True"),
        ("MemoryPressure", "False"),
        ("DiskPressure", "False"),
        ("PIDPressure", "False"),
        ("NetworkUnavailable", "False"),
    ] {
        let condition = condition(node, kind);
        assert_eq!(condition["status"], status, "{kind}");
        assert_eq!(
            (
                &condition["lastHeartbeatTime"],
                &condition["lastTransitionTime"]
            ),
            (&json!(BORN), &json!(BORN))
        );
        assert!(condition["reason"].is_string() && condition["message"].is_string());
    }
    let status = &node["status"];
    assert_eq!(
        status["capacity"],
        json!({"cpu": "1k", "memory": "1Ti", "pods": "1M"})
    );
    assert_eq!(status["allocatable"], status["capacity"]);
    assert_eq!(
        status["addresses"],
        json!([{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "n1"}])
    );
    assert_eq!(status["daemonEndpoints"]["kubeletEndpoint"]["Port"], 10247);
    assert_eq!(status["phase"], "Running");
    assert_eq!(
        (
            &status["nodeInfo"]["architecture"],
            &status["nodeInfo"]["operatingSystem"]
        ),
        (&json!("amd64"), &json!("linux"))
    );
    assert_eq!(
        status["nodeInfo"].as_object().unwrap().len(),
        10,
        "all are required"
    );
    assert_eq!(node["spec"], self::node()["spec"], "the spec is not ours");
}

#[test]
fn what_its_maker_said_stays() {
    let mut node = node();
    node["metadata"]["labels"] = json!({"kubernetes.io/arch": "arm64"});
    node["status"]["capacity"] = json!({"cpu": "4", "example.com/gpu": "2"});
    node["status"]["allocatable"] = json!({"cpu": "3", "memory": "8Gi"});
    node["status"]["addresses"] = json!([{"type": "InternalIP", "address": "10.9.9.9"}]);
    node["status"]["nodeInfo"]["kubeletVersion"] = json!("v1.36.0");
    let other = json!({"type": "KernelDeadlock", "status": "False", "lastTransitionTime": BORN});
    node["status"]["conditions"] = json!([other]);
    let life = live(node, SOON);
    let status = &life.object().unwrap()["status"];
    assert_eq!(
        status["capacity"],
        json!({"cpu": "4", "example.com/gpu": "2", "memory": "8Gi", "pods": "1M"})
    );
    assert_eq!(
        status["allocatable"],
        json!({"cpu": "3", "example.com/gpu": "2", "memory": "8Gi", "pods": "1M"})
    );
    assert_eq!(
        status["addresses"],
        json!([{"type": "InternalIP", "address": "10.9.9.9"}, {"type": "Hostname", "address": "n1"}])
    );
    assert_eq!(status["nodeInfo"]["kubeletVersion"], "v1.36.0");
    assert_eq!(status["nodeInfo"]["architecture"], "arm64");
    assert_eq!(status["conditions"][0], other);
}

#[test]
fn settings_say_what_nodes_have_that_do_not_say() {
    let settings = json!({"capacity": {"cpu": "8", "example.com/gpu": "1"}, "allocatable": {"cpu": "7500m"},
        "nodeInfo": {"osImage": "none"}, "kubeletPort": 10250});
    let life = harness(settings).live(node(), SOON).unwrap();
    let status = &life.object().unwrap()["status"];
    assert_eq!(
        status["capacity"],
        json!({"cpu": "8", "example.com/gpu": "1", "memory": "1Ti", "pods": "1M"})
    );
    assert_eq!(status["allocatable"]["cpu"], "7500m");
    assert_eq!(status["nodeInfo"]["osImage"], "none");
    assert_eq!(status["daemonEndpoints"]["kubeletEndpoint"]["Port"], 10250);
}

#[test]
fn heartbeats_move_nothing_but_their_times() {
    let life = live(node(), "2026-01-01T01:00:00Z");
    assert_eq!(life.stages()[1..], ["heartbeat"; 5]);
    let mut last = Time::parse(BORN).unwrap();
    let mut intervals = Vec::new();
    for step in &life.steps[1..] {
        let minutes = step.at.since(last).as_secs_f64() / 60.0;
        // A time is written in whole seconds.
        assert!((10.0..10.2).contains(&minutes), "{minutes}");
        last = Time::parse(&step.at.to_string()).unwrap();
        intervals.push(minutes);
    }
    assert!(
        intervals.windows(2).all(|pair| pair[0] != pair[1]),
        "each is a stay of its own: {intervals:?}"
    );
    let (mut first, mut beaten) = (ready(), life.object().unwrap().clone());
    assert_eq!(
        condition(&beaten, "Ready")["lastHeartbeatTime"],
        json!(last)
    );
    for node in [&mut first, &mut beaten] {
        for condition in node["status"]["conditions"].as_array_mut().unwrap() {
            condition["lastHeartbeatTime"] = json!(null);
        }
    }
    assert_eq!(first, beaten);
}

#[test]
fn heartbeats_spread_and_are_as_the_settings_say() {
    let at = |settings: Value, seed: u32| {
        minutes_after(
            due(&harness(settings).seed(seed).decide(&ready(), SOON).unwrap()),
            BORN,
        )
    };
    let (one, other) = (at(json!({}), 1), at(json!({}), 2));
    assert!(
        one != other,
        "nodes that were made together do not beat together"
    );
    assert!((60.0..=61.0).contains(&at(json!({"heartbeat": "1h"}), 1)));
    assert!((20.0..=40.0).contains(&at(json!({"heartbeat": "20m..40m"}), 1)));
    let never = harness(json!({"heartbeat": "0s"}))
        .decide(&ready(), SOON)
        .unwrap();
    assert!(matches!(never, Answer::Idle(_)), "{never:?}");
}

#[test]
fn a_touch_moves_no_heartbeat() {
    let mut node = ready();
    let before = harness(json!({})).decide(&node, SOON).unwrap();
    node["metadata"]["labels"] = json!({"touched": "yes"});
    node["metadata"]["annotations"] = json!({"example.com/a": "b"});
    node["spec"]["taints"] = json!([]);
    node["status"]["images"] = json!([{"names": ["a"]}]);
    assert_eq!(harness(json!({})).decide(&node, SOON).unwrap(), before);
}

#[test]
fn a_node_is_not_ready_on_demand_and_comes_back() {
    for (value, reason) in [
        ("true", "NotReadyOnDemand"),
        ("KubeletStopped", "KubeletStopped"),
    ] {
        let mut node = ready();
        node["metadata"]["annotations"] = json!({NOT_READY: value});
        let life = live(node, "2026-01-02T00:00:00Z");
        assert_eq!(life.stages(), ["not-ready"], "it stays, without heartbeats");
        assert!(
            matches!(&life.last, Answer::Idle(note) if note.contains(NOT_READY)),
            "{:?}",
            life.last
        );
        let mut node = life.object().unwrap().clone();
        assert_eq!(
            (
                &condition(&node, "Ready")["status"],
                &condition(&node, "Ready")["reason"]
            ),
            (&json!("False"), &json!(reason))
        );
        assert_eq!(
            condition(&node, "MemoryPressure"),
            condition(&ready(), "MemoryPressure")
        );

        node["metadata"]["annotations"] = json!({NOT_READY: "false"});
        let life = live(node, SOON);
        assert_eq!(life.stages(), ["recover"]);
        let node = life.object().unwrap();
        assert_eq!(
            (
                &condition(node, "Ready")["status"],
                &condition(node, "Ready")["reason"]
            ),
            (&json!("True"), &json!("KubeletReady"))
        );
    }
}

#[test]
fn another_reason_is_told_anew() {
    let mut node = ready();
    node["metadata"]["annotations"] = json!({NOT_READY: "One"});
    let mut node = live(node, SOON).object().unwrap().clone();
    node["metadata"]["annotations"] = json!({NOT_READY: "Two"});
    let life = live(node, SOON);
    assert_eq!(condition(life.object().unwrap(), "Ready")["reason"], "Two");
}

#[test]
fn a_new_node_that_shall_not_be_ready_never_is() {
    let mut node = node();
    node["metadata"]["annotations"] = json!({NOT_READY: "true"});
    let life = live(node, SOON);
    assert_eq!(life.stages(), ["initialize"]);
    assert_eq!(
        condition(life.object().unwrap(), "Ready")["status"],
        "False"
    );
    assert_eq!(life.object().unwrap()["status"]["capacity"]["cpu"], "1k");
}

#[test]
fn an_annotation_that_says_nothing_is_named() {
    let mut node = ready();
    node["metadata"]["annotations"] = json!({NOT_READY: "because of rain"});
    let Answer::Invalid(message) = harness(json!({})).decide(&node, SOON).unwrap() else {
        panic!("not invalid")
    };
    assert!(
        message.contains(NOT_READY)
            && message.contains("because of rain")
            && message.contains("KubeletStopped"),
        "{message}"
    );
}

/// A node that is made again under its name has another uid and no status: nothing of its predecessor counts.
#[test]
fn a_node_made_again_begins_anew() {
    let mut old = ready();
    old["metadata"]["annotations"] = json!({NOT_READY: "true"});
    let old = live(old, SOON).object().unwrap().clone();
    let mut new = node();
    new["metadata"] =
        json!({"name": old["metadata"]["name"], "uid": "another", "creationTimestamp": SOON});
    let life = live(new, SOON);
    assert_eq!(life.stages(), ["initialize"]);
    assert_eq!(
        condition(life.object().unwrap(), "Ready")["lastTransitionTime"],
        SOON
    );
}

#[test]
fn a_wish_that_says_nothing_is_named() {
    for (key, value, parts) in [
        (PRESSURE, "ram", ["\"ram\"", "memory, disk, pid, network"]),
        (FLAP, "5m", ["\"5m\"", "5m/30s"]),
        (FLAP, "soon/later", ["soon", "5m/30s"]),
        (FLAP, "0s/0s", ["0s/0s", "a second or more"]),
    ] {
        for mut node in [node(), ready()] {
            node["metadata"]["annotations"] = json!({key: value});
            let Answer::Invalid(message) = harness(json!({})).decide(&node, SOON).unwrap() else {
                panic!("{value} is not invalid")
            };
            assert!(
                message.contains(key) && parts.iter().all(|part| message.contains(part)),
                "{message}"
            );
        }
    }
}

#[test]
fn a_node_that_was_given_up_recovers_at_once() {
    // As the node lifecycle controller leaves it.
    let mut node = ready();
    for condition in node["status"]["conditions"].as_array_mut().unwrap() {
        condition["status"] = json!("Unknown");
        condition["reason"] = json!("NodeStatusUnknown");
        condition["lastTransitionTime"] = json!(SOON);
    }
    let life = live(node, "2026-01-01T00:06:00Z");
    assert_eq!(life.stages(), ["recover"]);
    assert_eq!(life.steps[0].at, Time::parse(SOON).unwrap());
    let node = life.object().unwrap();
    assert_eq!(condition(node, "Ready")["status"], "True");
    assert_eq!(condition(node, "DiskPressure")["status"], "False");
}

#[test]
fn a_node_that_is_being_deleted_is_left_alone() {
    let mut node = node();
    stagewright_plugin::harness::delete(&mut node, SOON, 0);
    assert!(live(node, SOON).steps.is_empty());
}

#[test]
fn settings_that_are_wrong_are_named() {
    for (settings, parts) in [
        (json!({"heartbeats": 1}), ["heartbeats", "heartbeat"]),
        (json!({"heartbeat": "often"}), ["often", "10s"]),
        (
            json!({"capacity": {"cpu": "many"}}),
            ["capacity.cpu", "16Gi"],
        ),
        (
            json!({"allocatable": {"pods": "-1"}}),
            ["allocatable.pods", "\"-1\""],
        ),
        (json!({"nodeInfo": {"os": "x"}}), ["nodeInfo.os", "osImage"]),
        (json!({"flap": "often"}), ["often", "5m/30s"]),
        (json!([]), ["object", "heartbeat"]),
    ] {
        let error = Harness::<Nodes>::new(&settings).err().unwrap();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn features_are_declared_where_nobody_did() {
    let settings = json!({"declaredFeatures": ["Two", "One"]});
    let declared = |node: Value| {
        let life = harness(settings.clone()).live(node, SOON).unwrap();
        life.object().unwrap()["status"]["declaredFeatures"].clone()
    };
    assert_eq!(declared(node()), json!(["One", "Two"]));
    let mut own = node();
    own["status"]["declaredFeatures"] = json!(["Own"]);
    assert_eq!(declared(own), json!(["Own"]));
    let silent = live(node(), SOON);
    assert!(
        silent.object().unwrap()["status"]
            .get("declaredFeatures")
            .is_none()
    );
}
