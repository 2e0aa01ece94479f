//! Claims, volumes and attachments walked through their lives, natively.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use stagewright_plugin::harness::Harness;
use stagewright_plugin::{Answer, Effect, Value, json};
use stagewright_plugin_storage::{DRIVER, Storage};

const BORN: &str = "2026-01-01T00:00:00Z";
const SOON: &str = "2026-01-01T00:05:00Z";

fn harness(settings: Value) -> Harness<Storage> {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}, "provisioner": DRIVER,
        "reclaimPolicy": "Retain", "mountOptions": ["ro"]});
    Harness::new(&settings)
        .unwrap()
        .related("class", vec![class])
}

fn claim() -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "ns", "uid": "u1",
            "creationTimestamp": BORN, "annotations": {"volume.kubernetes.io/storage-provisioner": DRIVER}},
        "spec": {"storageClassName": "fast", "accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "7Gi"}}},
        "status": {"phase": "Pending"}})
}

fn volume(phase: &str, policy: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pvc-u1", "uid": "u2", "creationTimestamp": BORN,
            "annotations": {"pv.kubernetes.io/provisioned-by": DRIVER}},
        "spec": {"persistentVolumeReclaimPolicy": policy}, "status": {"phase": phase, "lastPhaseTransitionTime": SOON}})
}

fn attachment(attacher: &str) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "a", "uid": "u3", "creationTimestamp": BORN},
        "spec": {"attacher": attacher, "nodeName": "n1", "source": {"persistentVolumeName": "pvc-u1"}}})
}

#[track_caller]
fn decide(object: &Value) -> Answer {
    harness(json!({})).decide(object, SOON).unwrap()
}

#[test]
fn a_claim_gets_the_volume_that_it_asks_for() {
    assert!(matches!(decide(&claim()), Answer::Stage { stage, .. } if stage == "provision"));
    let effects = harness(json!({}))
        .play("provision", &claim(), SOON)
        .unwrap();
    let Some(Effect::Apply(volume)) = effects.first() else {
        panic!("{effects:?}");
    };
    let volume = volume.body().unwrap();
    assert_eq!(volume["metadata"]["name"], "pvc-u1");
    let spec = &volume["spec"];
    assert_eq!(spec["capacity"]["storage"], "7Gi");
    assert_eq!(spec["accessModes"], json!(["ReadWriteMany"]));
    assert_eq!(spec["persistentVolumeReclaimPolicy"], "Retain");
    assert_eq!(spec["mountOptions"], json!(["ro"]));
    assert_eq!(spec["csi"]["driver"], DRIVER);
    assert_eq!(spec["claimRef"]["uid"], "u1");
    assert_eq!(spec["claimRef"]["namespace"], "ns");
}

#[test]
fn claims_that_nobody_asks_for_or_that_have_a_volume_are_left_alone() {
    let mut others = claim();
    others["metadata"]["annotations"] =
        json!({"volume.kubernetes.io/storage-provisioner": "ebs.csi.aws.com"});
    assert_eq!(decide(&others), Answer::Pass);
    let mut unasked = claim();
    unasked["metadata"]["annotations"] = json!({});
    assert_eq!(decide(&unasked), Answer::Pass);
    let mut bound = claim();
    bound["spec"]["volumeName"] = json!("pvc-u1");
    assert!(matches!(decide(&bound), Answer::Idle(_)));
    let classless = Harness::<Storage>::new(&json!({}))
        .unwrap()
        .related("class", Vec::new());
    assert!(matches!(
        classless.decide(&claim(), SOON).unwrap(),
        Answer::Idle(_)
    ));
}

#[test]
fn a_released_volume_goes_unless_it_is_kept() {
    let gone = harness(json!({}))
        .live(volume("Released", "Delete"), "2026-01-01T01:00:00Z")
        .unwrap();
    assert_eq!((gone.stages(), gone.object()), (vec!["reclaim"], None));
    for kept in [
        volume("Released", "Retain"),
        volume("Bound", "Delete"),
        volume("Failed", "Delete"),
    ] {
        assert!(matches!(decide(&kept), Answer::Idle(_)), "{kept}");
    }
    let mut others = volume("Released", "Delete");
    others["metadata"]["annotations"] = json!({});
    assert_eq!(decide(&others), Answer::Pass);
}

#[test]
fn an_attachment_is_attached_after_its_delay() {
    let mut slow = harness(json!({"attach": "90s"}));
    let early = slow
        .live(attachment(DRIVER), "2026-01-01T00:01:29Z")
        .unwrap();
    assert!(early.stages().is_empty());
    let life = slow
        .live(attachment(DRIVER), "2026-01-01T00:01:31Z")
        .unwrap();
    assert_eq!(life.object().unwrap()["status"]["attached"], true);
    assert!(matches!(decide(life.object().unwrap()), Answer::Idle(_)));
    assert_eq!(decide(&attachment("others.example.com")), Answer::Pass);
}

fn node(annotations: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "n1", "uid": "u4", "creationTimestamp": BORN, "annotations": annotations}})
}

fn csi_node(owner: &str, drivers: Value) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "n1", "uid": "u5", "creationTimestamp": BORN,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": owner, "controller": true}]},
        "spec": {"drivers": drivers}})
}

const ATTACHES: &str = "volumes.kubernetes.io/controller-managed-attach-detach";

/// What a node with that CSINode gets, and whether something is annotated.
#[track_caller]
fn registered(settings: &Value, node: &Value, csi_node: Option<Value>) -> (Option<Value>, bool) {
    let harness = harness(settings.clone()).related("csinode", csi_node.into_iter().collect());
    let answer = harness.decide(node, SOON).unwrap();
    let effects = harness.play("register", node, SOON).unwrap();
    let is_due = matches!(answer, Answer::Stage { stage, .. } if stage == "register");
    assert_eq!(is_due, !effects.is_empty());
    let applied = effects.iter().find_map(|effect| match effect {
        Effect::Apply(applied) => Some(applied.body().unwrap()["spec"]["drivers"].clone()),
        _ => None,
    });
    let annotates = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Patch(_)));
    (applied, annotates)
}

#[test]
fn a_node_says_which_drivers_it_has_and_how_many_volumes_each_attaches() {
    let none = json!({});
    let unlimited = json!([{"name": DRIVER, "nodeID": "n1", "allocatable": null}]);
    assert_eq!(
        registered(&none, &node(json!({})), None),
        (Some(unlimited), true)
    );
    let attaches = json!({ATTACHES: "true"});
    let asks = json!({ATTACHES: "true", "stagewright.dev/storage.volumes": "1"});
    let limited =
        |count: u16| json!([{"name": DRIVER, "nodeID": "n1", "allocatable": {"count": count}}]);
    let settings = json!({"volumes": 25});
    assert_eq!(
        registered(&settings, &node(attaches.clone()), None),
        (Some(limited(25)), false)
    );
    assert_eq!(
        registered(&settings, &node(asks.clone()), None),
        (Some(limited(1)), false)
    );
    let made = |count: u16| Some(csi_node("u4", limited(count)));
    assert_eq!(
        registered(&settings, &node(asks), made(25)),
        (Some(limited(1)), false)
    );
    assert_eq!(
        registered(&settings, &node(attaches), made(25)),
        (None, false)
    );
    assert_eq!(
        registered(&settings, &node(json!({})), made(25)),
        (None, true)
    );
}

#[test]
fn what_others_registered_stays() {
    let others = json!({"name": "others.example.com", "nodeID": "i-1"});
    let (drivers, _) = registered(
        &json!({}),
        &node(json!({})),
        Some(csi_node("u4", json!([others]))),
    );
    assert_eq!(drivers.unwrap()[0], others);
    // Made by a user, by a kubelet, or for an earlier node of that name.
    let earlier = csi_node("u0", json!([]));
    let mut users = earlier.clone();
    users["metadata"]["ownerReferences"] = json!([]);
    for csi_node in [earlier, users] {
        assert_eq!(
            registered(&json!({}), &node(json!({})), Some(csi_node)),
            (None, false)
        );
    }
}

#[test]
fn a_node_lives_on_where_it_cannot_be_registered() {
    let mut deleted = node(json!({}));
    deleted["metadata"]["deletionTimestamp"] = json!(SOON);
    assert_eq!(decide(&deleted), Answer::Pass);
    let failure = json!({"stage": "register", "code": "forbidden", "message": "no", "count": 1});
    let forbidden = harness(json!({})).fact("failure", failure);
    assert_eq!(forbidden.decide(&node(json!({})), SOON), Ok(Answer::Pass));
}

#[test]
fn a_number_that_is_none_is_told_and_holds_no_node() {
    for wrong in ["many", "25 "] {
        let node = node(json!({"stagewright.dev/storage.volumes": wrong}));
        let answer = decide(&node);
        assert!(matches!(answer, Answer::Stage { stage, .. } if stage == "report"));
        let problem = harness(json!({})).play("report", &node, SOON).unwrap_err();
        assert!(problem.contains(wrong), "{problem}");
        let failure = json!({"stage": "report", "code": "refused", "message": "no", "count": 1});
        let told = harness(json!({})).fact("failure", failure);
        assert_eq!(told.decide(&node, SOON), Ok(Answer::Pass));
    }
}

#[test]
fn what_is_being_deleted_is_left_alone() {
    for mut object in [claim(), volume("Released", "Delete"), attachment(DRIVER)] {
        object["metadata"]["deletionTimestamp"] = json!(SOON);
        assert!(matches!(decide(&object), Answer::Idle(_)));
    }
}

#[test]
fn settings_that_say_nothing_are_named_with_their_remedy() {
    for (settings, parts) in [
        (json!({"driver": "x"}), ["driver", "drivers"]),
        (json!({"drivers": []}), ["drivers", DRIVER]),
        (json!({"attach": "soon"}), ["soon", "5s"]),
        (json!([]), ["no object", "drivers"]),
    ] {
        let error = Harness::<Storage>::new(&settings).err().unwrap();
        assert!(
            parts.iter().all(|part| error.contains(part)),
            "{settings}: {error}"
        );
    }
}
