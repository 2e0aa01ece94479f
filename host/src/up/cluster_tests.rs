use serde_json::{Value, json};

use super::*;

fn node(name: &str, pods: usize, spec: Value) -> Change<NodeObject> {
    let object = json!({"metadata": {"name": name, "labels": {"name": name}}, "spec": spec,
        "status": {"allocatable": {"pods": pods.to_string()}, "conditions": [{"type": "Ready", "status": "True"}]}});
    Change::There(serde_json::from_value(object).unwrap())
}

fn pod_object(name: &str, spec: Value, phase: &str) -> PodObject {
    let object = json!({"metadata": {"name": name, "namespace": "default", "uid": name}, "spec": spec, "status": {"phase": phase}});
    serde_json::from_value(object).unwrap()
}

fn pod(name: &str, spec: Value) -> Change<PodObject> {
    Change::There(pod_object(name, spec, "Pending"))
}

fn places(cluster: &mut Cluster) -> Vec<String> {
    std::iter::from_fn(|| cluster.place())
        .map(|placed| format!("{} {}", placed.name, placed.node))
        .collect()
}

#[test]
fn the_emptiest_node_that_fits_has_the_next_pod() {
    let mut cluster = Cluster::default();
    cluster.pod(pod("there", json!({"nodeName": "a"})));
    for (name, room, spec) in [
        ("a", 9, json!({})),
        ("b", 1, json!({})),
        ("c", 9, json!({"unschedulable": true})),
        (
            "d",
            9,
            json!({"taints": [{"key": "x", "effect": "NoSchedule"}]}),
        ),
    ] {
        cluster.node(node(name, room, spec));
    }
    for name in ["p1", "p2", "p3"] {
        cluster.pod(pod(name, json!({})));
    }
    cluster.pod(pod("p4", json!({"tolerations": [{"operator": "Exists"}]})));
    cluster.pod(pod("other", json!({"schedulerName": "mine"})));
    cluster.pod(pod("gated", json!({"schedulingGates": [{"name": "x"}]})));
    assert_eq!(places(&mut cluster), ["p1 b", "p2 a", "p3 a", "p4 d"]);
    assert_eq!(cluster.counts().unbound, 2);
    assert_eq!(cluster.place(), None);
}

#[test]
fn who_found_no_node_is_tried_again_when_there_may_be_one() {
    let mut cluster = Cluster::default();
    cluster.pod(pod("p1", json!({"nodeSelector": {"name": "b"}})));
    assert_eq!(places(&mut cluster), [""; 0]);
    cluster.node(node("a", 9, json!({})));
    assert_eq!(places(&mut cluster), [""; 0]);
    cluster.node(node("b", 1, json!({})));
    assert_eq!(places(&mut cluster), ["p1 b"]);
    cluster.pod(pod("p2", json!({"nodeSelector": {"name": "b"}})));
    assert_eq!(places(&mut cluster), [""; 0], "b is full");
    cluster.pod(Change::Gone(pod_object(
        "p1",
        json!({"nodeName": "b"}),
        "Running",
    )));
    assert_eq!(places(&mut cluster), ["p2 b"]);
}

#[test]
fn a_pod_that_was_not_bound_gives_its_place_back() {
    let mut cluster = Cluster::default();
    cluster.node(node("a", 1, json!({})));
    cluster.pod(pod("p1", json!({})));
    let placed = cluster.place().unwrap();
    assert_eq!(cluster.counts().unbound, 0);
    cluster.displace(&placed);
    assert_eq!((cluster.counts().unbound, cluster.place()), (1, None));
    cluster.pod(pod("p1", json!({})));
    assert_eq!(places(&mut cluster), ["p1 a"]);
}

#[test]
fn settled_means_that_all_were_seen_and_none_is_on_its_way() {
    let mut cluster = Cluster::default();
    assert!(cluster.counts().is_settled(0, 0));
    assert!(
        !cluster.counts().is_settled(1, 0),
        "the node was not seen yet"
    );
    cluster.node(node("a", 9, json!({})));
    assert!(cluster.counts().is_settled(1, 0));
    assert!(!cluster.counts().is_settled(1, 1));
    cluster.pod(pod("p1", json!({"nodeName": "a"})));
    assert!(!cluster.counts().is_settled(1, 1), "it is Pending");
    let run = |phase: &str| Change::There(pod_object("p1", json!({"nodeName": "a"}), phase));
    for (phase, place) in [("Running", 1), ("Failed", 3), ("Odd", 4)] {
        cluster.pod(run(phase));
        assert!(cluster.counts().is_settled(1, 1), "{phase}");
        assert_eq!(cluster.counts().phases[place], 1);
        assert_eq!(cluster.counts().pods(), 1);
    }
    assert_eq!(cluster.counts().pods_seen, 1, "the same pod is one pod");
    cluster.pod(Change::Gone(pod_object(
        "p1",
        json!({"nodeName": "a"}),
        "Running",
    )));
    assert_eq!(
        (cluster.counts().pods(), cluster.counts().pods_seen),
        (0, 1)
    );
    cluster.pod(Change::Anew);
    cluster.node(Change::Anew);
    assert_eq!((cluster.counts().nodes, cluster.counts().ready), (0, 0));
}

#[test]
fn missing_and_null_fields_are_nothing() {
    for object in [
        json!({"metadata": {"name": "a"}}),
        json!({"metadata": {"name": "a", "labels": null}, "spec": null, "status": null}),
        json!({"metadata": {"name": "a"}, "spec": {"nodeName": null, "tolerations": null, "schedulingGates": null}, "status": {"phase": null}}),
    ] {
        let mut cluster = Cluster::default();
        cluster.pod(Change::There(
            serde_json::from_value(object.clone()).unwrap(),
        ));
        assert_eq!(cluster.counts().unbound, 1, "{object}");
    }
}
