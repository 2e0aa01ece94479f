//! Nodes and claims walked through their lives, natively.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use stagewright_plugin::harness::Harness;
use stagewright_plugin::{Answer, Effect, Value, json};
use stagewright_plugin_devices::Devices;

const BORN: &str = "2026-01-01T00:00:00Z";
const SOON: &str = "2026-01-01T00:05:00Z";
const GPU: &str = "gpu.example.com";

fn harness(settings: Value) -> Harness<Devices> {
    Harness::new(&settings).unwrap()
}

fn node(asks: &[(&str, &str)]) -> Value {
    let asks = asks.iter();
    let annotations: Value = asks
        .map(|(driver, count)| (format!("devices.stagewright.dev/{driver}"), json!(count)))
        .collect();
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "n1", "uid": "u1", "creationTimestamp": BORN, "annotations": annotations}})
}

/// The slices that a node gets whose slices are these.
#[track_caller]
fn published(settings: &Value, node: &Value, slices: &[Value]) -> Vec<Value> {
    let harness = harness(settings.clone()).related("slices", slices.to_vec());
    let answer = harness.decide(node, SOON).unwrap();
    let effects = harness.play("publish", node, SOON).unwrap();
    let is_due = matches!(answer, Answer::Stage { stage, .. } if stage == "publish");
    assert_eq!(is_due, !effects.is_empty());
    let bodies = effects.iter().map(|effect| match effect {
        Effect::Apply(slice) => slice.body().unwrap(),
        Effect::Remove(slice) => json!({ "removed": slice.name }),
        _ => panic!("{effect:?}"),
    });
    bodies.collect()
}

#[test]
fn a_node_has_a_slice_for_each_driver_that_it_asks_for() {
    let settings = json!({"drivers": {GPU: {"capacity": {"memory": "80Gi"},
        "attributes": {"model": "H100", "index": 3, "ecc": true, "driverVersion": {"version": "1.2.3"}}}}});
    let slices = published(
        &settings,
        &node(&[
            (GPU, "2"),
            ("nic.example.com", "1"),
            ("none.example.com", "0"),
        ]),
        &[],
    );
    assert_eq!(slices.len(), 2);
    assert_eq!(slices[0]["metadata"]["name"], "n1-gpu.example.com");
    let spec = &slices[0]["spec"];
    assert_eq!(
        (&spec["driver"], &spec["nodeName"]),
        (&json!(GPU), &json!("n1"))
    );
    assert_eq!(
        spec["pool"],
        json!({"name": "n1", "generation": 1, "resourceSliceCount": 1})
    );
    let device = |name: &str| {
        json!({"name": name, "capacity": {"memory": {"value": "80Gi"}}, "attributes": {"model": {"string": "H100"},
            "index": {"int": 3}, "ecc": {"bool": true}, "driverVersion": {"version": "1.2.3"}}})
    };
    assert_eq!(
        spec["devices"],
        json!([device("device-0"), device("device-1")])
    );
    assert_eq!(slices[1]["spec"]["devices"], json!([{"name": "device-0"}]));
}

#[test]
fn slices_follow_what_is_asked_for() {
    let none = json!({});
    let two = published(&none, &node(&[(GPU, "2")]), &[]);
    assert!(published(&none, &node(&[(GPU, "2")]), &two).is_empty());
    let three = published(&none, &node(&[(GPU, "3")]), &two);
    assert_eq!(three[0]["metadata"]["name"], two[0]["metadata"]["name"]);
    assert_eq!(three[0]["spec"]["pool"]["generation"], 2);
    assert_eq!(three[0]["spec"]["devices"].as_array().unwrap().len(), 3);
    let settings = json!({"drivers": {GPU: {"attributes": {"model": "H200"}}}});
    let better = published(&settings, &node(&[(GPU, "2")]), &two);
    assert_eq!(better[0]["spec"]["pool"]["generation"], 2);
    for asks in [&[][..], &[(GPU, "0")]] {
        let gone = published(&none, &node(asks), &two);
        assert_eq!(gone, [json!({"removed": "n1-gpu.example.com"})]);
    }
}

#[test]
fn a_slice_that_somebody_else_published_is_left_alone() {
    let mut slice = published(&json!({}), &node(&[(GPU, "2")]), &[]).remove(0);
    slice["metadata"]["annotations"] = json!({});
    for asks in [&[][..], &[(GPU, "3")]] {
        assert!(published(&json!({}), &node(asks), std::slice::from_ref(&slice)).is_empty());
    }
}

#[test]
fn a_node_is_only_held_while_something_is_to_be_done() {
    let decide = |node: &Value| harness(json!({})).decide(node, SOON).unwrap();
    assert_eq!(decide(&node(&[])), Answer::Pass);
    let mut deleted = node(&[(GPU, "1")]);
    deleted["metadata"]["deletionTimestamp"] = json!(SOON);
    assert_eq!(decide(&deleted), Answer::Pass);
    let failure = json!({"stage": "publish", "code": "forbidden", "message": "no", "count": 1});
    let forbidden = harness(json!({})).fact("failure", failure);
    assert_eq!(
        forbidden.decide(&node(&[(GPU, "1")]), SOON),
        Ok(Answer::Pass)
    );
}

#[test]
fn what_says_nothing_is_told_and_holds_neither_the_node_nor_its_other_devices() {
    for wrong in ["-1", "129", "some", "25 "] {
        let node = node(&[(GPU, wrong), ("nic.example.com", "1")]);
        let of_nic = published(&json!({}), &node, &[]);
        assert_eq!(of_nic[0]["metadata"]["name"], "n1-nic.example.com");
        let of_gpu = published(&json!({}), &self::node(&[(GPU, "1")]), &[]);
        let slices = [of_nic, of_gpu].concat();
        let complete = || harness(json!({})).related("slices", slices.clone());
        let answer = complete().decide(&node, SOON).unwrap();
        assert!(matches!(answer, Answer::Stage { stage, .. } if stage == "report"));
        let problem = complete().play("report", &node, SOON).unwrap_err();
        assert!(
            problem.contains(GPU) && problem.contains("128"),
            "{problem}"
        );
        let failure = json!({"stage": "report", "code": "refused", "message": "no", "count": 1});
        let told = complete().fact("failure", failure);
        assert_eq!(told.decide(&node, SOON), Ok(Answer::Pass));
    }
}

#[test]
fn a_slice_that_somebody_holds_on_to_holds_no_node() {
    let mut slices = published(&json!({}), &node(&[(GPU, "2")]), &[]);
    slices[0]["metadata"]["deletionTimestamp"] = json!(SOON);
    assert!(published(&json!({}), &node(&[]), &slices).is_empty());
}

fn result(driver: &str, pool: &str) -> Value {
    json!({"request": "one", "driver": driver, "pool": pool, "device": "device-0"})
}

fn claim(results: &[Value]) -> Value {
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
        "metadata": {"name": "web", "namespace": "ns", "uid": "c1", "creationTimestamp": BORN},
        "status": {"allocation": {"allocationTimestamp": SOON, "devices": {"results": results}},
            "devices": [{"driver": "real.example.com", "pool": "n1", "device": "device-0"}]}})
}

#[test]
fn the_devices_of_a_claim_are_ready_after_their_delay() {
    let mut slow = harness(json!({"prepare": "90s"})).related("nodes", vec![node(&[(GPU, "1")])]);
    let claim = claim(&[result(GPU, "n1"), result("real.example.com", "n1")]);
    let early = slow.live(claim.clone(), "2026-01-01T00:06:29Z").unwrap();
    assert!(early.stages().is_empty());
    let life = slow.live(claim, "2026-01-01T00:06:31Z").unwrap();
    assert_eq!(life.last, Answer::Pass);
    let devices = life.object().unwrap()["status"]["devices"].clone();
    assert_eq!(devices.as_array().unwrap().len(), 2);
    assert_eq!(devices[0]["driver"], "real.example.com");
    assert_eq!(devices[1]["device"], "device-0");
    assert_eq!(devices[1]["conditions"][0]["type"], "Ready");
    assert_eq!(devices[1]["conditions"][0]["status"], "True");
    assert_eq!(
        devices[1]["conditions"][0]["lastTransitionTime"],
        "2026-01-01T00:06:30Z"
    );
}

#[test]
fn claims_to_the_devices_of_others_are_left_alone() {
    let harness = harness(json!({})).related("nodes", vec![node(&[(GPU, "1")])]);
    let mut unallocated = claim(&[]);
    unallocated["status"] = json!({});
    let mut deleted = claim(&[result(GPU, "n1")]);
    deleted["metadata"]["deletionTimestamp"] = json!(SOON);
    for claim in [
        claim(&[result("real.example.com", "n1")]),
        claim(&[result(GPU, "n2")]),
        unallocated,
        deleted,
    ] {
        assert_eq!(harness.decide(&claim, SOON), Ok(Answer::Pass), "{claim}");
    }
}

#[test]
fn settings_that_say_nothing_are_named_with_their_remedy() {
    for (settings, parts) in [
        (json!({"driver": {}}), ["driver", "drivers"]),
        (
            json!({"drivers": {GPU: {"attributes": {"speed": 1.5}}}}),
            ["drivers.gpu.example.com.attributes.speed", "quote it"],
        ),
        (
            json!({"drivers": {GPU: {"count": 1}}}),
            ["count", "attributes"],
        ),
        (json!({"prepare": "soon"}), ["soon", "5s"]),
        (json!([]), ["no object", "drivers"]),
    ] {
        let error = Harness::<Devices>::new(&settings).err().unwrap();
        assert!(
            parts.iter().all(|part| error.contains(part)),
            "{settings}: {error}"
        );
    }
}
