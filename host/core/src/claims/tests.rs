//! Nodes gained and lost, and what may be claimed meanwhile.

use serde_json::json;

use super::*;
use crate::object::Kind;

const NOW: Time = Time(1_767_261_600_000);
const OURS: &str = "stagewright-a";
const OTHER: &str = "stagewright-b";
const KUBELET: &str = "n1";

fn at(seconds: i64) -> Time {
    Time(NOW.0 + seconds * 1000)
}

fn all(leases: bool) -> Claims {
    claims(Selection::All, leases)
}

fn claims(selection: Selection, leases: bool) -> Claims {
    Claims::new(selection, OURS.to_owned(), leases)
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

/// A node with a label and an annotation of the same name.
fn node(name: &str, version: u64, label: &str, annotation: &str) -> Snapshot {
    let body = json!({"metadata": {"name": name, "uid": format!("u-{name}"), "resourceVersion": version.to_string(),
        "labels": {"type": label}, "annotations": {"type": annotation}}});
    Snapshot::parse(&Kind::new("v1", "Node"), body).unwrap()
}

/// A lease of 40 seconds, renewed at `renewed`.
fn lease(name: &str, version: u64, holder: &str, renewed: Time) -> Snapshot {
    let body = json!({"metadata": {"name": name, "namespace": LEASE_NAMESPACE, "uid": format!("l-{name}"),
        "resourceVersion": version.to_string()},
        "spec": {"holderIdentity": holder, "renewTime": renewed.to_micros(), "leaseDurationSeconds": 40}});
    Snapshot::parse(&Kind::new("coordination.k8s.io/v1", "Lease"), body).unwrap()
}

fn pod(node: &str) -> Snapshot {
    let body = json!({"metadata": {"name": "web", "namespace": "default", "uid": "u-web", "resourceVersion": "5"},
        "spec": {"nodeName": node}});
    Snapshot::parse(&Kind::new("v1", "Pod"), body).unwrap()
}

fn ours(claims: &Claims) -> Vec<&str> {
    claims.nodes().iter().map(AsRef::as_ref).collect()
}

/// A pod on `n1` and the node itself can be claimed, or not for this reason.
#[track_caller]
fn check(claims: &Claims, expected: Result<(), NotOurs>) {
    assert_eq!(claims.claim(&pod("n1")).map(|_| ()), expected, "the pod");
    assert_eq!(
        claims.claim(&node("n1", 1, "", "")).map(|_| ()),
        expected,
        "the node"
    );
    assert_eq!(
        ours(claims).contains(&"n1"),
        expected.is_ok(),
        "among the nodes"
    );
}

#[test]
fn each_selection_selects() {
    let names = Selection::Names(["n1".to_owned()].into());
    for (selection, expected) in [
        (Selection::All, vec!["n1", "n2", "n3"]),
        (Selection::Labels(selector("type=kwok")), vec!["n1", "n2"]),
        (
            Selection::Annotations(selector("type=kwok")),
            vec!["n2", "n3"],
        ),
        (
            Selection::LabelsAndAnnotations(selector("type=kwok"), selector("type=kwok")),
            vec!["n2"],
        ),
        (names, vec!["n1"]),
    ] {
        let mut claims = claims(selection.clone(), false);
        for (name, label, annotation) in [
            ("n1", "kwok", ""),
            ("n2", "kwok", "kwok"),
            ("n3", "", "kwok"),
        ] {
            claims.observe_node(&node(name, 1, label, annotation));
        }
        assert_eq!(ours(&claims), expected, "{selection:?}");
        assert_eq!(
            ["n1", "n2", "n3", "n4"].map(|name| claims.is_selected(name)),
            ["n1", "n2", "n3", "n4"].map(|name| expected.contains(&name))
        );
    }
}

/// A dead kubelet renews no lease and writes no status; that its lease still holds a while changes nothing.
#[test]
fn a_silent_node_is_nobodys_until_it_speaks_again() {
    let silent = |version: u64, value: &str| {
        let body = json!({"metadata": {"name": "n1", "uid": "u-n1", "resourceVersion": version.to_string(),
            "annotations": {"stagewright.dev/node.silent": value}}});
        Snapshot::parse(&Kind::new("v1", "Node"), body).unwrap()
    };
    for selection in [Selection::All, Selection::Names(["n1".to_owned()].into())] {
        let mut claims = claims(selection, true);
        claims.observe_node(&node("n1", 1, "", ""));
        claims.observe_lease(&lease("n1", 1, OURS, NOW), NOW);
        check(&claims, Ok(()));
        assert_eq!(claims.observe_node(&silent(2, "true")), NodeChange::Lost);
        check(&claims, Err(NotOurs::NodeSilent));
        assert!(!claims.is_selected("n1"), "its lease is not held any more");
        assert_eq!(claims.observe_node(&silent(3, "false")), NodeChange::Gained);
        check(&claims, Ok(()));
    }
    let mut others = claims(Selection::Labels(selector("type=kwok")), false);
    others.observe_node(&silent(1, "true"));
    check(&others, Err(NotOurs::NodeNotSelected));
}

#[test]
fn a_claim_names_the_object_it_was_made_for() {
    let mut claims = all(false);
    claims.observe_node(&node("n1", 1, "", ""));
    let claim = claims.claim(&pod("n1")).unwrap();
    assert_eq!(
        (claim.key(), claim.uid()),
        (pod("n1").key(), &Uid::new("u-web"))
    );
}

#[test]
fn a_node_that_loses_its_label_is_lost_with_its_pods() {
    let mut claims = claims(Selection::Labels(selector("type=kwok")), false);
    check(&claims, Err(NotOurs::NodeUnknown));
    assert_eq!(
        claims.observe_node(&node("n1", 1, "kwok", "")),
        NodeChange::Gained
    );
    check(&claims, Ok(()));
    assert_eq!(
        claims.observe_node(&node("n1", 2, "kwok", "")),
        NodeChange::Same
    );
    assert_eq!(
        claims.observe_node(&node("n1", 3, "real", "")),
        NodeChange::Lost
    );
    check(&claims, Err(NotOurs::NodeNotSelected));
    assert_eq!(
        claims.observe_node(&node("n1", 2, "kwok", "")),
        NodeChange::Same,
        "an older version"
    );
    check(&claims, Err(NotOurs::NodeNotSelected));
    assert_eq!(
        claims.observe_node(&node("n1", 4, "kwok", "")),
        NodeChange::Gained
    );
    assert_eq!(claims.forget_node("n1"), NodeChange::Lost);
    check(&claims, Err(NotOurs::NodeUnknown));
    assert!(!claims.is_selected("n1"));
}

#[test]
fn pods_are_claimed_by_their_node_and_mirror_pods_never() {
    let mut claims = all(false);
    claims.observe_node(&node("n1", 1, "", ""));
    let mut cases = vec![
        (pod("n1"), None),
        (pod("n2"), Some(NotOurs::NodeUnknown)),
        (pod(""), Some(NotOurs::NoNode)),
    ];
    let mut mirror = pod("n1").body().clone();
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "hash"});
    cases.push((
        Snapshot::parse(&Kind::new("v1", "Pod"), mirror).unwrap(),
        Some(NotOurs::MirrorPod),
    ));
    let mut unbound = pod("n1").body().clone();
    unbound["spec"] = json!({});
    cases.push((
        Snapshot::parse(&Kind::new("v1", "Pod"), unbound).unwrap(),
        Some(NotOurs::NoNode),
    ));
    for (pod, expected) in cases {
        assert_eq!(claims.claim(&pod).err(), expected, "{}", pod.body());
    }
}

#[test]
fn other_kinds_are_claimed_whatever_the_nodes() {
    let job = json!({"metadata": {"name": "j", "namespace": "default", "uid": "u", "resourceVersion": "1"}, "spec": {"nodeName": "n"}});
    for kind in [
        Kind::new("batch/v1", "Job"),
        Kind::new("example.com/v1", "Pod"),
        Kind::new("example.com/v1", "Node"),
    ] {
        assert!(
            all(true)
                .claim(&Snapshot::parse(&kind, job.clone()).unwrap())
                .is_ok(),
            "{kind}"
        );
    }
}

#[test]
fn a_living_kubelet_keeps_its_node() {
    for leases in [false, true] {
        let mut claims = all(leases);
        assert_eq!(
            claims.observe_lease(&lease("n1", 1, KUBELET, NOW), NOW),
            NodeChange::Same
        );
        assert_eq!(
            claims.observe_node(&node("n1", 1, "", "")),
            NodeChange::Same
        );
        check(&claims, Err(NotOurs::Kubelet));
        // KWOK's holders look like this: somebody else's just as well.
        claims.observe_lease(
            &lease("n1", 2, "host_2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d", NOW),
            NOW,
        );
        check(&claims, Err(NotOurs::Kubelet));
        assert!(claims.is_selected("n1"), "whatever the lease says");
    }
}

#[test]
fn a_kubelet_that_starts_later_takes_its_node_back() {
    let mut claims = all(false);
    claims.observe_node(&node("n1", 1, "", ""));
    check(&claims, Ok(()));
    assert_eq!(
        claims.observe_lease(&lease("n1", 1, KUBELET, at(10)), at(10)),
        NodeChange::Lost
    );
    check(&claims, Err(NotOurs::Kubelet));
    assert_eq!(claims.tick(at(49)), []);
    assert_eq!(
        claims.tick(at(50)),
        [(Arc::from("n1"), NodeChange::Gained)],
        "it has not renewed in time"
    );
    check(&claims, Ok(()));
    assert_eq!(claims.tick(at(60)), []);
    assert_eq!(
        claims.observe_lease(&lease("n1", 2, KUBELET, at(61)), at(61)),
        NodeChange::Lost
    );
    assert_eq!(claims.forget_lease("n1"), NodeChange::Gained);
    assert_eq!(claims.tick(at(200)), []);
}

#[test]
fn a_named_node_is_taken_from_its_kubelet() {
    let mut claims = claims(Selection::Names(["n1".to_owned()].into()), false);
    claims.observe_lease(&lease("n1", 1, KUBELET, NOW), NOW);
    assert_eq!(
        claims.observe_node(&node("n1", 1, "", "")),
        NodeChange::Gained
    );
    check(&claims, Ok(()));
}

#[test]
fn a_named_node_needs_our_lease_where_there_are_leases() {
    let mut claims = claims(Selection::Names(["n1".to_owned()].into()), true);
    claims.observe_lease(&lease("n1", 1, KUBELET, NOW), NOW);
    claims.observe_node(&node("n1", 1, "", ""));
    check(&claims, Err(NotOurs::HeldBy(KUBELET.to_owned())));
}

#[test]
fn with_leases_a_node_is_ours_while_we_hold_it() {
    let mut claims = all(true);
    assert_eq!(
        claims.observe_node(&node("n1", 1, "", "")),
        NodeChange::Same
    );
    check(&claims, Err(NotOurs::LeaseNotHeld));
    assert_eq!(
        claims.observe_lease(&lease("n1", 1, OURS, at(0)), at(0)),
        NodeChange::Gained
    );
    check(&claims, Ok(()));
    assert_eq!(
        claims.observe_lease(&lease("n1", 2, OURS, at(10)), at(10)),
        NodeChange::Same
    );
    assert_eq!(claims.tick(at(40)), [], "it was renewed");
    check(&claims, Ok(()));
    assert_eq!(claims.claim_at(&pod("n1"), at(49)).err(), None);
    assert_eq!(
        claims.claim_at(&pod("n1"), at(50)).err(),
        Some(NotOurs::LeaseNotHeld),
        "before any tick says so"
    );
    assert_eq!(claims.tick(at(50)), [], "it is known by now");
    check(&claims, Err(NotOurs::LeaseNotHeld));
    assert_eq!(
        claims.observe_lease(&lease("n1", 3, OURS, at(51)), at(51)),
        NodeChange::Gained
    );
    assert_eq!(
        claims.observe_lease(&lease("n1", 4, OTHER, at(52)), at(52)),
        NodeChange::Lost
    );
    check(&claims, Err(NotOurs::HeldBy(OTHER.to_owned())));
    assert_eq!(
        claims.observe_lease(&lease("n1", 3, OURS, at(51)), at(53)),
        NodeChange::Same,
        "an older version"
    );
    check(&claims, Err(NotOurs::HeldBy(OTHER.to_owned())));
    assert_eq!(claims.tick(at(92)), []);
    check(&claims, Err(NotOurs::LeaseNotHeld));
    assert_eq!(
        claims.observe_lease(&lease("n1", 5, OURS, at(93)), at(93)),
        NodeChange::Gained
    );
    assert_eq!(claims.forget_lease("n1"), NodeChange::Lost);
    check(&claims, Err(NotOurs::LeaseNotHeld));
}

#[test]
fn who_is_refused_before_a_tick_is_told_of_a_renewal_before_it() {
    let mut claims = all(true);
    claims.observe_node(&node("n1", 1, "", ""));
    claims.observe_lease(&lease("n1", 1, OURS, at(0)), at(0));
    assert_eq!(
        claims.claim_at(&pod("n1"), at(40)).err(),
        Some(NotOurs::LeaseNotHeld)
    );
    assert_eq!(
        claims.observe_lease(&lease("n1", 2, OURS, at(41)), at(41)),
        NodeChange::Gained
    );
    check(&claims, Ok(()));
    assert_eq!(
        claims.tick(at(81)),
        [(Arc::from("n1"), NodeChange::Lost)],
        "nobody asked meanwhile"
    );
}

#[test]
fn without_leases_another_host_is_not_in_the_way() {
    let mut claims = all(false);
    claims.observe_lease(&lease("n1", 1, OTHER, NOW), NOW);
    assert_eq!(
        claims.observe_node(&node("n1", 1, "", "")),
        NodeChange::Gained
    );
    check(&claims, Ok(()));
}

#[test]
fn a_lease_without_holder_time_or_duration_holds_nothing() {
    for (field, value) in [
        ("holderIdentity", json!("")),
        ("renewTime", json!(null)),
        ("leaseDurationSeconds", json!(null)),
        ("renewTime", json!("x")),
    ] {
        let mut body = lease("n1", 1, KUBELET, NOW).body().clone();
        body["spec"][field] = value;
        let lease = Snapshot::parse(&Kind::new("coordination.k8s.io/v1", "Lease"), body).unwrap();
        let mut claims = all(false);
        claims.observe_lease(&lease, NOW);
        assert_eq!(
            claims.observe_node(&node("n1", 1, "", "")),
            NodeChange::Gained,
            "{field}"
        );
    }
}

#[test]
fn a_lease_elsewhere_is_no_node_s() {
    let mut body = lease("n1", 1, KUBELET, NOW).body().clone();
    body["metadata"]["namespace"] = json!("kube-system");
    let lease = Snapshot::parse(&Kind::new("coordination.k8s.io/v1", "Lease"), body).unwrap();
    let mut claims = all(false);
    claims.observe_node(&node("n1", 1, "", ""));
    assert_eq!(claims.observe_lease(&lease, NOW), NodeChange::Same);
    check(&claims, Ok(()));
}

#[test]
fn a_clock_that_is_corrected_backward_revives_leases() {
    let mut claims = all(true);
    claims.observe_node(&node("n1", 1, "", ""));
    claims.observe_lease(&lease("n1", 1, OURS, at(0)), at(0));
    assert_eq!(claims.tick(at(3600)), [(Arc::from("n1"), NodeChange::Lost)]);
    assert_eq!(claims.tick(at(5)), [(Arc::from("n1"), NodeChange::Gained)]);
}

#[test]
fn what_went_leaves_nothing_behind() {
    let mut claims = all(true);
    for index in 0..50 {
        let name = format!("n{index}");
        claims.observe_node(&node(&name, 1, "", ""));
        claims.observe_lease(&lease(&name, 1, OURS, NOW), NOW);
        claims.observe_lease(&lease(&name, 2, OURS, at(1)), at(1));
    }
    assert_eq!(claims.ends.len(), 50);
    for index in 0..50 {
        assert_eq!(claims.forget_node(&format!("n{index}")), NodeChange::Lost);
        assert_eq!(claims.forget_lease(&format!("n{index}")), NodeChange::Same);
    }
    assert_eq!(
        (claims.nodes.len(), claims.ends.len(), claims.ours.len()),
        (0, 0, 0)
    );
}
