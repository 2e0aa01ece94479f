use serde_json::{Value, json};

use super::{Action, Bench, claim, pod};
use crate::guard::{Surface, Verdict, Violation, admit_apply, admit_remove};
use crate::interface::ApplyEffect;
use crate::object::{Kind, Snapshot};
use crate::order::Order;

fn config(owner: Option<&str>, data: Value) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "default", "uid": "cu", "resourceVersion": "3"},
        "data": data,
    });
    if let Some(uid) = owner {
        object["metadata"]["ownerReferences"] = json!([{"uid": uid, "controller": true}]);
    }
    object
}

fn wanted(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
}

fn apply(
    bench: &Bench,
    existing: Option<&Value>,
    object: Value,
    owned: bool,
    sub: Option<&str>,
) -> Result<Verdict, Violation> {
    let subject = bench.snapshot(&pod(json!({"phase": "Pending"})));
    let (api_version, kind) = (
        object["apiVersion"].as_str().unwrap(),
        object["kind"].as_str().unwrap(),
    );
    let kind = Kind::new(api_version, kind);
    let existing = existing.map(|body| Snapshot::parse(&kind, body.clone()).unwrap());
    let order = Order::built_in(&kind).unwrap_or(Order::Any);
    let surface = Surface::built_in(&kind).unwrap_or(Surface::custom(true, false));
    let effect = ApplyEffect {
        object,
        subresource: sub.map(str::to_owned),
        owned,
    };
    admit_apply(
        &claim(&subject),
        &subject,
        existing.as_ref(),
        &effect,
        &order,
        &surface,
        &bench.rules(),
    )
}

fn word(verdict: Result<Verdict, Violation>) -> String {
    match verdict {
        Ok(Verdict::Unchanged { .. }) => "unchanged".to_owned(),
        Ok(Verdict::Write(admitted)) => match admitted.action() {
            Action::Create { .. } => "create".to_owned(),
            Action::Patch { .. } => "patch".to_owned(),
            Action::Delete { .. } => "delete".to_owned(),
        },
        Err(violation) => violation.category().to_owned(),
    }
}

#[test]
fn what_is_not_there_is_created_as_the_subjects() {
    let bench = Bench::built_in("v1/Pod").applies("v1/ConfigMap", false);
    let Ok(Verdict::Write(admitted)) = apply(&bench, None, wanted(json!({"a": "b"})), true, None)
    else {
        panic!()
    };
    assert_eq!(admitted.key().to_string(), "ConfigMap default/c");
    let Action::Create { body } = admitted.action() else {
        panic!()
    };
    let body: Value = serde_json::from_slice(body).unwrap();
    let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "u", "controller": true, "blockOwnerDeletion": true});
    assert_eq!(
        body["metadata"],
        json!({"name": "c", "ownerReferences": [owner]})
    );
    let Ok(Verdict::Write(free)) = apply(&bench, None, wanted(json!({})), false, None) else {
        panic!()
    };
    let Action::Create { body } = free.action() else {
        panic!()
    };
    assert!(!String::from_utf8_lossy(body).contains("ownerReferences"));
}

#[test]
fn what_may_not_be_created() {
    let bench = Bench::built_in("v1/Pod").applies("v1/ConfigMap", true);
    let with = |field: &str, value: Value| {
        let mut object = wanted(json!({}));
        object["metadata"][field] = value;
        object
    };
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}});
    for (object, sub, expected) in [
        (secret, None, "NotDeclared"),
        (with("name", json!(null)), None, "InvalidPatch"),
        (with("generateName", json!("c-")), None, "InvalidPatch"),
        (with("namespace", json!("other")), None, "NotOwned"),
        (with("uid", json!("x")), None, "IdentityChanged"),
        (
            with("annotations", json!({"stagewright.dev/held": "x"})),
            None,
            "HostAnnotation",
        ),
        (
            with("annotations", json!({"stagewright.dev/gang.x": "x"})),
            None,
            "create",
        ),
        (
            with("ownerReferences", json!([{"uid": "x", "controller": true}])),
            None,
            "NotOwned",
        ),
        (
            with("labels", json!({"a": "b"})),
            Some("status"),
            "InvalidPatch",
        ),
        (with("creationTimestamp", json!(null)), None, "create"),
    ] {
        assert_eq!(
            word(apply(&bench, None, object.clone(), true, sub)),
            expected,
            "{object}"
        );
    }
    let pods = Bench::built_in("v1/Pod").applies("v1/Pod", true);
    let running = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}, "status": {"phase": "Running"}});
    assert_eq!(
        word(apply(&pods, None, running, false, None)),
        "OutsideSubresource"
    );
}

#[test]
fn cluster_wide_objects_have_no_namespace() {
    let bench = Bench::built_in("v1/PersistentVolumeClaim").applies("v1/PersistentVolume", false);
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}});
    let Ok(Verdict::Write(admitted)) = apply(&bench, None, volume.clone(), false, None) else {
        panic!()
    };
    assert_eq!(admitted.key().to_string(), "PersistentVolume v");
    assert_eq!(word(apply(&bench, None, volume, true, None)), "NotOwned");
}

#[test]
fn what_is_there_is_changed_if_it_is_the_subjects() {
    let (plain, adopting) = (
        Bench::built_in("v1/Pod").applies("v1/ConfigMap", false),
        Bench::built_in("v1/Pod").applies("v1/ConfigMap", true),
    );
    for (bench, owner, owned, expected) in [
        (&plain, Some("u"), true, "patch"),
        (&plain, Some("u"), false, "patch"),
        (&plain, None, false, "NotOwned"),
        (&plain, None, true, "NotOwned"),
        (&adopting, None, false, "patch"),
        (&adopting, None, true, "patch"),
        (&adopting, Some("x"), false, "patch"),
        (&adopting, Some("x"), true, "NotOwned"),
    ] {
        let existing = config(owner, json!({"a": "old"}));
        let verdict = apply(
            bench,
            Some(&existing),
            wanted(json!({"a": "new"})),
            owned,
            None,
        );
        assert_eq!(word(verdict), expected, "{owner:?} {owned}");
    }
    let same = config(Some("u"), json!({"a": "b"}));
    assert_eq!(
        word(apply(
            &plain,
            Some(&same),
            wanted(json!({"a": "b"})),
            true,
            None
        )),
        "unchanged"
    );
}

#[test]
fn other_objects_move_forward_too() {
    let bench = Bench::built_in("v1/PersistentVolumeClaim").applies("v1/PersistentVolume", true);
    let at = |phase: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v", "uid": "vu", "resourceVersion": "3"},
            "spec": {"claimRef": {"uid": "u"}}, "status": {"phase": phase}})
    };
    let wanted = |phase: &str| json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "status": {"phase": phase}});
    let go =
        |from: &str, to: &str, sub| word(apply(&bench, Some(&at(from)), wanted(to), false, sub));
    assert_eq!(go("Bound", "Released", Some("status")), "patch");
    assert_eq!(go("Released", "Bound", Some("status")), "Backward");
    assert_eq!(go("Bound", "Released", None), "OutsideSubresource");
}

#[test]
fn only_what_the_subject_owns_is_removed() {
    let bench = Bench::built_in("v1/Pod").applies("v1/ConfigMap", true);
    let subject = bench.snapshot(&pod(json!({"phase": "Pending"})));
    let remove = |bench: &Bench, body: Value| {
        let target = Snapshot::parse(&Kind::new("v1", "ConfigMap"), body).unwrap();
        word(admit_remove(
            &claim(&subject),
            &subject,
            &target,
            &bench.rules(),
        ))
    };
    assert_eq!(remove(&bench, config(Some("u"), json!({}))), "delete");
    assert_eq!(remove(&bench, config(Some("x"), json!({}))), "NotOwned");
    assert_eq!(remove(&bench, config(None, json!({}))), "NotOwned");
    assert_eq!(
        remove(&Bench::built_in("v1/Pod"), config(Some("u"), json!({}))),
        "NotDeclared"
    );
    let mut deleting = config(Some("u"), json!({}));
    deleting["metadata"]["deletionTimestamp"] = json!("2026-03-01T11:00:00Z");
    deleting["metadata"]["finalizers"] = json!(["example.com/hold"]);
    assert_eq!(remove(&bench, deleting), "unchanged");
}

#[test]
fn mirror_pods_and_the_subject_itself_are_out_of_bounds() {
    let bench = Bench::built_in("v1/Pod").applies("v1/Pod", true);
    let wanted =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "o", "labels": {"a": "b"}}});
    let mut other = pod(json!({"phase": "Pending"}));
    assert_eq!(
        word(apply(&bench, Some(&other), wanted.clone(), false, None)),
        "InvalidPatch"
    );
    other["metadata"]["uid"] = json!("w");
    assert_eq!(
        word(apply(&bench, Some(&other), wanted.clone(), false, None)),
        "patch"
    );
    other["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    assert_eq!(
        word(apply(&bench, Some(&other), wanted, false, None)),
        "NotOwned"
    );
}
