use serde_json::{Value, json};

use super::{check, condition, with};
use crate::object::Kind;
use crate::order::Order;

const DELETION: &str = "/metadata/deletionTimestamp";

fn job(conditions: &[&str]) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|name| condition(name, "True", "2026-03-01T10:00:00Z"))
        .collect();
    json!({"metadata": {"uid": "u"}, "spec": {}, "status": {"conditions": conditions, "failed": 1, "succeeded": 2}})
}

#[test]
fn a_job_ends_once() {
    for (from, to, expected) in [
        (&[][..], &["SuccessCriteriaMet"][..], "forward"),
        (&[], &["Complete"], "forward"),
        (&[], &["Failed"], "forward"),
        (
            &["SuccessCriteriaMet"],
            &["SuccessCriteriaMet", "Complete"],
            "forward",
        ),
        (&["FailureTarget"], &["FailureTarget", "Failed"], "forward"),
        (
            &["FailureTarget"],
            &["FailureTarget", "Complete"],
            "PhaseUnknown",
        ),
        (
            &["SuccessCriteriaMet"],
            &["Failed"],
            "PhaseBackward LatchReset",
        ),
        (&["Complete"], &[], "TerminalLeft LatchReset"),
        (&["Failed"], &["Complete"], "TerminalLeft LatchReset"),
        (&["Complete"], &["Complete", "Failed"], "PhaseUnknown"),
        (&["Complete"], &["Complete"], "forward"),
    ] {
        check(&Order::Job, &job(from), &job(to), expected);
    }
}

#[test]
fn a_job_counts_up() {
    let at = |field: &str, count: i64| with(&job(&[]), &[(field, json!(count))]);
    check(
        &Order::Job,
        &at("/status/failed", 1),
        &at("/status/failed", 2),
        "forward",
    );
    check(
        &Order::Job,
        &at("/status/failed", 2),
        &at("/status/failed", 1),
        "CounterFell",
    );
    check(
        &Order::Job,
        &at("/status/succeeded", 2),
        &at("/status/succeeded", 1),
        "CounterFell",
    );
    check(
        &Order::Job,
        &at("/status/succeeded", 2),
        &with(&job(&[]), &[("/status/succeeded", Value::Null)]),
        "CounterFell",
    );
    // An elastic job is scaled down.
    let elastic = |count: i64| {
        let spec = json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2});
        with(&at("/status/succeeded", count), &[("/spec", spec)])
    };
    check(&Order::Job, &elastic(3), &elastic(2), "forward");
}

#[test]
fn a_jobs_times_are_set_once() {
    let at = |field: &str, time: &str| with(&job(&[]), &[(field, json!(time))]);
    let (early, late) = ("2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z");
    check(
        &Order::Job,
        &at("/status/completionTime", early),
        &at("/status/completionTime", late),
        "mended SetOnce",
    );
    check(
        &Order::Job,
        &at("/status/startTime", early),
        &job(&[]),
        "mended SetOnce",
    );
    let suspended = |pod: Value| with(&pod, &[("/spec/suspend", json!(true))]);
    check(
        &Order::Job,
        &suspended(at("/status/startTime", early)),
        &suspended(job(&[])),
        "forward",
    );
}

#[test]
fn a_namespace_terminates_when_it_is_deleted() {
    let at = |phase: &str| json!({"metadata": {"uid": "u"}, "status": {"phase": phase}});
    let deleting = |phase: &str| with(&at(phase), &[(DELETION, json!("2026-03-01T10:00:00Z"))]);
    check(
        &Order::Namespace,
        &at("Active"),
        &at("Terminating"),
        "PhaseWithoutDeletion",
    );
    check(
        &Order::Namespace,
        &deleting("Active"),
        &deleting("Terminating"),
        "forward",
    );
    check(
        &Order::Namespace,
        &deleting("Terminating"),
        &deleting("Active"),
        "TerminalLeft",
    );
    check(
        &Order::Namespace,
        &at("Active"),
        &at("Gone"),
        "PhaseUnknown",
    );
}

#[test]
fn a_volume_is_freed_with_its_claim() {
    let at = |phase: &str, claim: Option<&str>| {
        let claim = claim.map_or(json!({}), |uid| json!({"claimRef": {"uid": uid}}));
        json!({"metadata": {"uid": "u"}, "spec": claim, "status": {"phase": phase}})
    };
    let order = Order::PersistentVolume;
    for (from, to, expected) in [
        (at("Pending", None), at("Available", None), "forward"),
        (at("Available", None), at("Bound", Some("a")), "forward"),
        (at("Pending", Some("a")), at("Bound", Some("a")), "forward"),
        (at("Bound", Some("a")), at("Released", Some("a")), "forward"),
        (
            at("Released", Some("a")),
            at("Failed", Some("a")),
            "forward",
        ),
        (
            at("Bound", Some("a")),
            at("Available", Some("a")),
            "PhaseBackward",
        ),
        (
            at("Released", Some("a")),
            at("Available", Some("a")),
            "PhaseBackward",
        ),
        (at("Released", Some("a")), at("Available", None), "forward"),
        (at("Failed", Some("a")), at("Available", None), "forward"),
        (at("Released", Some("a")), at("Bound", Some("b")), "forward"),
        (
            at("Released", Some("a")),
            at("Broken", None),
            "PhaseUnknown",
        ),
    ] {
        check(&order, &from, &to, expected);
    }
}

#[test]
fn a_claim_is_lost_for_good_unless_bound_elsewhere() {
    let at = |phase: &str, volume: &str| json!({"metadata": {"uid": "u"}, "spec": {"volumeName": volume}, "status": {"phase": phase}});
    let order = Order::PersistentVolumeClaim;
    check(&order, &at("Pending", ""), &at("Bound", "v"), "forward");
    check(&order, &at("Bound", "v"), &at("Lost", "v"), "forward");
    check(
        &order,
        &at("Bound", "v"),
        &at("Pending", "v"),
        "PhaseBackward",
    );
    check(&order, &at("Lost", "v"), &at("Bound", "v"), "PhaseBackward");
    check(&order, &at("Lost", ""), &at("Bound", "w"), "forward");
    check(
        &order,
        &at("Bound", "v"),
        &at("Bound", "w"),
        "mended SetOnce",
    );
}

#[test]
fn an_attachment_is_attached_once_and_detached_by_its_deletion() {
    let at = |attached: bool| json!({"metadata": {"uid": "u"}, "spec": {"attacher": "a", "nodeName": "n"}, "status": {"attached": attached}});
    let deleting =
        |attached: bool| with(&at(attached), &[(DELETION, json!("2026-03-01T10:00:00Z"))]);
    let unsaid = with(&at(false), &[("/status", Value::Null)]);
    let elsewhere = with(&at(true), &[("/spec/nodeName", json!("m"))]);
    let order = Order::VolumeAttachment;
    for (from, to, expected) in [
        (unsaid.clone(), at(false), "forward"),
        (unsaid, at(true), "forward"),
        (at(false), at(true), "forward"),
        (at(true), at(false), "PhaseBackward"),
        (at(true), deleting(true), "forward"),
        (deleting(true), deleting(false), "forward"),
        (deleting(false), deleting(true), "PhaseBackward"),
        (at(false), deleting(false), "forward"),
        (at(true), elsewhere, "mended SetOnce"),
    ] {
        check(&order, &from, &to, expected);
    }
}

#[test]
fn a_claim_to_devices_keeps_them_while_it_is_reserved() {
    let at = |device: Option<&str>, pods: &[&str]| {
        let allocation = device.map(|device| json!({"devices": {"results": [{"device": device}]}}));
        let reserved: Vec<Value> = pods.iter().map(|uid| json!({ "uid": uid })).collect();
        json!({"metadata": {"uid": "u"}, "status": {"allocation": allocation, "reservedFor": reserved}})
    };
    let order = Order::ResourceClaim;
    for (from, to, expected) in [
        (at(None, &[]), at(Some("gpu-0"), &["p"]), "forward"),
        (
            at(Some("gpu-0"), &["p"]),
            at(Some("gpu-1"), &["p"]),
            "mended SetOnce",
        ),
        (
            at(Some("gpu-0"), &["p"]),
            at(None, &["p"]),
            "mended SetOnce",
        ),
        (at(Some("gpu-0"), &["p"]), at(None, &[]), "forward"),
        (at(Some("gpu-0"), &[]), at(Some("gpu-1"), &["q"]), "forward"),
    ] {
        check(&order, &from, &to, expected);
    }
}

#[test]
fn a_slice_of_devices_stays_its_drivers_and_its_nodes() {
    let slice = json!({"metadata": {"uid": "u"}, "spec": {"driver": "a.example.com", "nodeName": "n",
        "pool": {"name": "n", "generation": 2, "resourceSliceCount": 1}, "devices": [{"name": "gpu-0"}]}});
    for (at, expected) in [
        ("/spec/driver", "mended SetOnce"),
        ("/spec/nodeName", "mended SetOnce"),
        ("/spec/pool/name", "mended SetOnce"),
        ("/spec/pool/generation", "forward"),
        ("/spec/devices", "forward"),
    ] {
        let changed = with(&slice, &[(at, json!("other"))]);
        check(&Order::ResourceSlice, &slice, &changed, expected);
    }
}

#[test]
fn a_node_has_no_phases_and_keeps_its_addresses() {
    let node = json!({"metadata": {"uid": "u"}, "spec": {"podCIDR": "10.0.0.0/24"}, "status": {"phase": "Running"}});
    check(
        &Order::Node,
        &node,
        &with(&node, &[("/status/phase", json!("Pending"))]),
        "forward",
    );
    check(
        &Order::Node,
        &node,
        &with(&node, &[("/spec/podCIDR", json!("10.0.1.0/24"))]),
        "mended SetOnce",
    );
    check(
        &Order::Node,
        &node,
        &with(&node, &[("/spec/providerID", json!("kwok://a"))]),
        "forward",
    );
    check(
        &Order::Node,
        &node,
        &with(&node, &[("/status/nodeInfo/bootID", json!("b"))]),
        "forward",
    );
}

#[test]
fn other_kinds_keep_what_they_must() {
    let lease = |renewed: &str, transitions: i64| json!({"metadata": {"uid": "u"}, "spec": {"renewTime": renewed, "leaseTransitions": transitions}});
    let (old, new, future) = (
        "2026-03-01T10:00:00.000000Z",
        "2026-03-01T11:00:00.000000Z",
        "2027-01-01T00:00:00.000000Z",
    );
    check(&Order::Lease, &lease(old, 1), &lease(new, 2), "forward");
    check(
        &Order::Lease,
        &lease(new, 1),
        &lease(old, 1),
        "mended TimeFell",
    );
    check(
        &Order::Lease,
        &lease(new, 1),
        &lease(future, 1),
        "mended TimeFell",
    );
    check(
        &Order::Lease,
        &lease(old, 2),
        &lease(new, 1),
        "mended NumberFell",
    );
    let object =
        |count: i64| json!({"metadata": {"uid": "u"}, "status": {"collisionCount": count}});
    check(&Order::Any, &object(2), &object(1), "mended NumberFell");
    let pod = |seconds: Value| json!({"metadata": {"uid": "u"}, "spec": {"activeDeadlineSeconds": seconds}});
    let none = json!({"metadata": {"uid": "u"}, "spec": {}});
    check(&Order::Pod, &none, &pod(json!(9)), "forward");
    check(&Order::Pod, &pod(json!(9)), &pod(json!(3)), "forward");
    check(
        &Order::Pod,
        &pod(json!(3)),
        &pod(json!(9)),
        "mended NumberRose",
    );
    check(&Order::Pod, &pod(json!(3)), &none, "mended NumberRose");
    check(
        &Order::Any,
        &object(2),
        &with(&object(2), &[("/status/phase", json!("Any"))]),
        "forward",
    );
    for (order, name) in [
        (Order::CertificateSigningRequest, "Approved"),
        (Order::CustomResourceDefinition, "Established"),
    ] {
        let at = |status: &str| json!({"metadata": {"uid": "u"}, "status": {"conditions": [condition(name, status, "2026-03-01T12:00:00Z")]}});
        check(&order, &at("True"), &at("False"), "LatchReset");
    }
}

#[test]
fn deletion_holds_for_every_kind() {
    let object = json!({"metadata": {"uid": "u"}});
    let deleting = with(&object, &[(DELETION, json!("2026-03-01T10:00:00Z"))]);
    for order in [Order::Any, Order::Node, Order::Job, Order::PersistentVolume] {
        check(&order, &object, &deleting, "forward");
        check(&order, &deleting, &object, "DeletionUndone");
    }
}

#[test]
fn kinds_and_names() {
    let order = |kind: &str| Order::built_in(&Kind::parse(kind).unwrap());
    assert_eq!(order("v1/Pod"), Some(Order::Pod));
    assert_eq!(order("batch/v1/Job"), Some(Order::Job));
    assert_eq!(order("v1/ConfigMap"), None);
    assert_eq!(order("example.com/v1/Pod"), None);
    assert_eq!(Order::Any.name(), "none");
    assert_eq!(
        Order::PersistentVolumeClaim.name(),
        "persistent-volume-claim"
    );
}
