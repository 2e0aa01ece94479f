//! The rules on sequences of versions, each named for what it must find or must let pass.

mod pods;

use serde_json::{Value, json};

use super::record::Record;
use super::{DeclaredOrder, Report, Rules};

/// Feeds versions of one object to a record; each has the number of its place.
fn report(rules: &Rules, versions: &[Value]) -> Report {
    let mut record = Record::default();
    for (number, object) in (1..).zip(versions) {
        let mut object = object.clone();
        let metadata = object
            .as_object_mut()
            .unwrap()
            .entry("metadata")
            .or_insert_with(|| json!({}));
        metadata["resourceVersion"] = json!(format!("{number}"));
        metadata
            .as_object_mut()
            .unwrap()
            .entry("uid")
            .or_insert_with(|| json!("u"));
        record.observe("Kind", rules, object.into(), false);
    }
    record.check().unwrap();
    record.report
}

#[test]
fn one_pod_is_not_compared_with_its_namesake() {
    let version = |uid: &str, phase: &str| json!({"metadata": {"uid": uid, "name": "p"}, "status": {"phase": phase}});
    let versions = [
        version("u", "Running"),
        version("v", "Pending"),
        version("v", "Running"),
    ];
    assert!(report(&Rules::Pod, &versions).backward.is_empty());
}

#[test]
fn the_first_of_a_pods_addresses_is_its_address() {
    let version = |ip: &str| json!({"metadata": {"uid": "u"}, "status": {"phase": "Running", "podIPs": [{"ip": ip}]}});
    let moved = report(&Rules::Pod, &[version("10.0.0.1"), version("10.0.0.2")]);
    assert_eq!(moved.backward.len(), 1);
}

#[test]
fn a_version_that_comes_twice_is_an_error() {
    let mut record = Record::default();
    let version = |number: &str| json!({"metadata": {"uid": "u", "resourceVersion": number}});
    record.observe("Kind", &Rules::Pod, version("5").into(), false);
    assert!(record.check().is_ok());
    record.observe("Kind", &Rules::Pod, version("5").into(), false);
    assert!(record.check().is_err());
}

#[test]
fn the_writer_is_whose_entry_is_new() {
    let version = |managers: &[(&str, &str)], phase: &str| {
        let entries: Vec<Value> = managers.iter().map(|(manager, time)| json!({"manager": manager, "time": time, "subresource": "status"})).collect();
        json!({"metadata": {"managedFields": entries}, "status": {"phase": phase}})
    };
    let (first, second) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
    let versions = [
        version(&[("a", first)], "Running"),
        version(&[("a", first), ("b", second)], "Pending"),
    ];
    let report = report(&Rules::Pod, &versions);
    assert_eq!(report.by("b").len(), 1);
    assert_eq!(report.writes.get("b"), Some(&1));
    for (manager, kind, place, left) in [
        ("b", "Kind", "/status/phase", 0),
        ("b", "Kind", "/status", 0),
        ("b", "Kind", "/status/ph", 1),
        ("b", "Other", "/status/phase", 1),
        ("a", "Kind", "/status/phase", 1),
    ] {
        let backward = report.backward_but(manager, kind, place);
        assert_eq!(backward.len(), left, "{manager} {kind} {place}");
    }
}

/// A manager whose field another takes has another entry too, and may come first.
#[test]
fn whoever_lost_a_field_is_not_the_writer() {
    let entry = |manager: &str, fields: Value| json!({"manager": manager, "operation": "Update", "subresource": "status", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields});
    let version = |phase: &str, managers: Vec<Value>| json!({"metadata": {"managedFields": managers}, "status": {"phase": phase}});
    let both = json!({"f:status": {"f:phase": {}, "f:podIP": {}}});
    let versions = [
        version("Running", vec![entry("a", both)]),
        version(
            "Pending",
            vec![
                entry("a", json!({"f:status": {"f:podIP": {}}})),
                entry("b", json!({"f:status": {"f:phase": {}}})),
            ],
        ),
    ];
    let report = report(&Rules::Pod, &versions);
    assert_eq!(report.by("b").len(), 1);
}

fn declared() -> Rules {
    let next = |to: &[&str]| to.iter().map(|&phase| phase.to_owned()).collect();
    Rules::Declared(DeclaredOrder {
        phase: "/status/phase".into(),
        initial: "Queued".into(),
        next: [
            ("Queued".into(), next(&["Provisioning"])),
            ("Provisioning".into(), next(&["Active"])),
            ("Active".into(), next(&["Retired"])),
        ]
        .into(),
        latches: vec!["Established".into()],
        epochs: vec!["/status/observedGeneration".into()],
    })
}

#[test]
fn a_declared_order_with_its_epoch() {
    let version =
        |phase: &str, epoch: u32| json!({"status": {"phase": phase, "observedGeneration": epoch}});
    let of = |versions: &[Value]| {
        report(&declared(), versions)
            .backward
            .iter()
            .map(|moved| moved.rule)
            .collect::<Vec<_>>()
    };
    assert!(
        of(&[
            json!({}),
            version("Queued", 1),
            version("Active", 1),
            version("Queued", 2),
            version("Retired", 2)
        ])
        .is_empty()
    );
    assert_eq!(
        of(&[version("Active", 1), version("Provisioning", 1)]),
        ["PhaseBackward"]
    );
    assert_eq!(
        of(&[version("Active", 2), version("Active", 1)]),
        ["EpochFell"]
    );
    assert_eq!(
        of(&[
            version("Active", 1),
            json!({"status": {"observedGeneration": 1}})
        ]),
        ["PhaseBackward"]
    );
}

#[test]
fn a_lease_is_never_set_back() {
    let version = |at: &str, transitions: u32| json!({"spec": {"renewTime": at, "leaseTransitions": transitions}});
    let versions = [
        version("2026-01-01T00:00:00.000000Z", 1),
        version("2026-01-01T00:00:01.000000Z", 1),
        version("2026-01-01T00:00:00.500000Z", 0),
    ];
    let rules: Vec<_> = report(&Rules::Lease, &versions)
        .backward
        .iter()
        .map(|moved| moved.rule)
        .collect();
    assert_eq!(rules, ["TimeFell", "NumberFell"]);
}

#[test]
fn a_nodes_conditions_turn_both_ways() {
    let version = |value: &str, at: &str, cidr: &str| json!({"spec": {"podCIDR": cidr}, "status": {"conditions": [{"type": "Ready", "status": value, "lastTransitionTime": at, "lastHeartbeatTime": at}]}});
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z");
    let of = |versions: &[Value]| {
        report(&Rules::Node, versions)
            .backward
            .iter()
            .map(|moved| moved.rule)
            .collect::<Vec<_>>()
    };
    assert!(
        of(&[
            version("True", early, ""),
            version("Unknown", late, "c"),
            version("True", late, "c")
        ])
        .is_empty()
    );
    assert_eq!(
        of(&[version("True", late, "c"), version("False", early, "d")]),
        ["TimeFell", "TimeFell", "SetOnceChanged"]
    );
}
