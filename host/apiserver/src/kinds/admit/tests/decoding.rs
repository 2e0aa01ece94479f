//! Values of Go's types.

use serde_json::{Value, json};

use super::super::schema::Schema;
use super::super::{decode, normal, quantity};
use super::*;

#[test]
fn quantities_are_written_as_the_real_type_writes_them() {
    for (given, written) in [
        (json!("1000m"), "1"),
        (json!(0.5), "500m"),
        (json!("0.1"), "100m"),
        (json!("1024Mi"), "1Gi"),
        (json!("1.5Gi"), "1536Mi"),
        (json!("0.5Ki"), "512"),
        (json!("1e3"), "1e3"),
        (json!("1000k"), "1M"),
        (json!(2_000_000_000), "2G"),
        (json!("-1"), "-1"),
        (json!("0"), "0"),
        (json!("1n"), "1n"),
        (json!("1023Ki"), "1023Ki"),
    ] {
        assert_eq!(
            quantity::canonical(&given).as_deref(),
            Ok(written),
            "{given}"
        );
    }
    for wrong in ["", "x", "1x", "1..2", "--1", "1 Gi", "1Gim"] {
        assert!(quantity::canonical(&json!(wrong)).is_err(), "{wrong:?}");
    }
}

#[test]
fn quantities_compare_by_value() {
    let pairs = [("1", "1000m"), ("1Gi", "1024Mi"), ("1e3", "1k")];
    for (one, other) in pairs {
        let order = quantity::compare(&json!(one), &json!(other));
        assert_eq!(order, std::cmp::Ordering::Equal, "{one} {other}");
    }
    assert!(quantity::compare(&json!("1.1"), &json!("1")).is_gt());
    assert!(quantity::is_whole(&json!("1Ki")) && !quantity::is_whole(&json!("1m")));
}

#[test]
fn what_is_empty_goes_and_what_is_said_stays() {
    let mut pod = stored_pod();
    // A pointer to false is said, a plain false is not.
    assert_eq!(pod["spec"].get("hostNetwork"), None);
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    let mut again = json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "q", "namespace": "default", "labels": {}, "annotations": null},
        "spec": {
            "containers": [{"name": "c", "image": "i", "args": [], "env": [{"name": "A", "value": ""}]}],
            "automountServiceAccountToken": false,
            "hostNetwork": false,
            "nodeSelector": null,
            "securityContext": {},
        },
    });
    admit(&resource("", "pods"), Operation::Create, &mut again).unwrap();
    let spec = &again["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(spec["securityContext"], json!({}));
    assert_eq!(spec["containers"][0]["env"], json!([{"name": "A"}]));
    for gone in [
        "/metadata/labels",
        "/metadata/annotations",
        "/spec/hostNetwork",
        "/spec/nodeSelector",
        "/spec/containers/0/args",
    ] {
        assert_eq!(again.pointer(gone), None, "{gone}");
    }
}

#[test]
fn what_is_admitted_is_admitted_again_unchanged() {
    let pods = resource("", "pods");
    let pod = stored_pod();
    let mut again = pod.clone();
    admit(&pods, Operation::Update { old: &pod }, &mut again).unwrap();
    assert_eq!(again, pod);
    let mut status = pod.clone();
    admit(&pods, Operation::UpdateStatus { old: &pod }, &mut status).unwrap();
    assert_eq!(status, pod);
}

#[test]
fn unknown_fields_are_dropped_told_or_refused() {
    let pods = resource("", "pods");
    let given = json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i", "x": 1}]},
    });
    let admitted = |validation| {
        let mut pod = given.clone();
        let told = admit_with(validation, &pods, Operation::Create, &mut pod);
        (told, pod)
    };
    let (told, pod) = admitted(FieldValidation::Ignore);
    assert_eq!(
        (told.unwrap(), pod["spec"]["containers"][0].get("x")),
        (vec![], None::<&Value>)
    );
    let (told, _) = admitted(FieldValidation::Warn);
    let words = "unknown field \"spec.containers[0].x\"";
    assert_eq!(told.unwrap(), [Warning(words.to_owned())]);
    let refused = admitted(FieldValidation::Strict).0.unwrap_err();
    assert_eq!(refused.code, 400);
    assert!(
        refused
            .message
            .ends_with(&format!("strict decoding error: {words}")),
        "{refused}"
    );
}

/// What stands in an object's normal form and what is filled in is found by the members that it has; the real decoder looks at all.
#[test]
fn what_is_stored_has_the_normal_form_that_decoding_would_give_it() {
    let resource = resource("", "pods");
    let root = Schema::get().kind("v1", "Pod").unwrap();
    let mut pod = stored_pod();
    pod["metadata"]["labels"] = json!({"empty": "", "full": "x"});
    pod["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": ""}]);
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    let old = pod.clone();
    admit(&resource, Operation::Update { old: &old }, &mut pod).unwrap();
    let mut decoded = pod.clone();
    decode::decode(root, &mut decoded);
    assert_ne!(decoded, pod, "zeros are shown in what is stored");
    assert_eq!(normal::of_stored(root, &pod), decoded);
    decode::encode(root, &mut decoded);
    assert_eq!(decoded, pod);
}
