use serde_json::{Value, json};

use super::{Bench, object, patch, pod, status};
use crate::interface::{Effect, Form, PatchEffect};
use crate::order::Order;

fn main(body: Value) -> Effect {
    patch(Form::Merge, None, body)
}

#[test]
fn each_subresource_has_its_reach() {
    let pods = Bench::built_in("v1/Pod");
    let deployments = Bench::built_in("apps/v1/Deployment");
    let (with, without) = (
        Bench::custom(Order::Any, true, true),
        Bench::custom(Order::Any, false, false),
    );
    let config = Bench::built_in("v1/ConfigMap");
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let to = |subresource: &str, body: &Value| patch(Form::Merge, Some(subresource), body.clone());
    let replicas = json!({"spec": {"replicas": 3}});
    let phase = json!({"status": {"phase": "Running"}});
    let refused = "OutsideSubresource";
    for (bench, effect, expected) in [
        (&pods, to("status", &phase), "write"),
        (&pods, main(phase.clone()), refused),
        (&pods, to("status", &labels), "write"),
        (
            &pods,
            to("status", &json!({"metadata": {"finalizers": ["a/b"]}})),
            "write",
        ),
        (
            &pods,
            to("status", &json!({"metadata": {"ownerReferences": []}})),
            refused,
        ),
        (
            &pods,
            to("status", &json!({"spec": {"hostname": "x"}})),
            refused,
        ),
        (&pods, main(labels.clone()), "write"),
        (&pods, main(json!({"spec": {"hostname": "x"}})), "write"),
        (&pods, to("scale", &replicas), refused),
        (&pods, to("binding", &labels), refused),
        (&pods, to("", &labels), "write"),
        (&deployments, to("scale", &replicas), "write"),
        (
            &deployments,
            to("scale", &json!({"spec": {"paused": true}})),
            refused,
        ),
        (&with, to("status", &phase), "write"),
        (&with, to("status", &labels), refused),
        (&with, main(phase.clone()), refused),
        (&with, to("scale", &replicas), "write"),
        (&without, main(phase.clone()), "write"),
        (&without, to("status", &phase), refused),
        (&config, main(json!({"data": {"a": "b"}})), "write"),
        (&config, to("status", &phase), refused),
    ] {
        let body = object(json!({"nodeName": "n"}), json!({}));
        assert_eq!(
            bench.outcome(&body, &effect),
            expected,
            "{:?} {effect:?}",
            bench.kind
        );
    }
}

#[test]
fn a_replacement_of_the_object_says_nothing_of_its_status() {
    let bench = Bench::built_in("v1/Pod");
    let mut whole = pod(json!({"phase": "Running"}));
    whole["metadata"]["labels"] = json!({"a": "b"});
    whole.as_object_mut().unwrap().remove("status");
    let admitted = bench.write(
        &pod(json!({"phase": "Running"})),
        &patch(Form::Replace, None, whole),
    );
    assert_eq!(admitted.to().phase(), Some("Running"));
}

#[test]
fn only_what_is_declared_is_written() {
    let pending = pod(json!({"phase": "Pending"}));
    let phase = status(json!({"phase": "Running"}));
    for (writes, expected) in [
        (&["/status"][..], "write"),
        (&["/status/phase"], "write"),
        (&[""], "write"),
        (&["/status/conditions"], "OutsideWrites"),
        (&["/metadata", "/spec"], "OutsideWrites"),
        (&[], "OutsideWrites"),
    ] {
        assert_eq!(
            Bench::built_in("v1/Pod")
                .writes(writes)
                .outcome(&pending, &phase),
            expected,
            "{writes:?}"
        );
    }
    // What the host mends is the host's to write.
    let ready =
        pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
    let end = status(json!({"phase": "Succeeded"}));
    let bench = Bench::built_in("v1/Pod").writes(&["/status/phase"]);
    assert_eq!(
        bench.outcome(&ready, &end),
        "write ReadyAfterEnd TransitionTime"
    );
    // ownerReferences are no identity.
    let owner = main(json!({"metadata": {"ownerReferences": [{"uid": "x"}]}}));
    assert_eq!(bench.outcome(&pending, &owner), "OutsideWrites");
    assert_eq!(Bench::built_in("v1/Pod").outcome(&pending, &owner), "write");
}

#[test]
fn an_object_stays_the_object_it_is() {
    let bench = Bench::built_in("v1/Pod");
    let pending = pod(json!({"phase": "Pending"}));
    for (field, value) in [
        ("name", json!("p")),
        ("namespace", json!("other")),
        ("uid", json!("v")),
        ("resourceVersion", json!("8")),
        ("creationTimestamp", json!("2026-01-01T00:00:00Z")),
        ("generation", json!(9)),
        ("deletionTimestamp", json!("2026-01-01T00:00:00Z")),
        ("managedFields", json!([{}])),
        ("selfLink", json!("/")),
        ("uid", json!(null)),
    ] {
        for subresource in [None, Some("status")] {
            let effect = patch(
                Form::Merge,
                subresource,
                json!({"metadata": {field: value}}),
            );
            assert_eq!(
                bench.outcome(&pending, &effect),
                "IdentityChanged",
                "{field}"
            );
        }
    }
    assert_eq!(
        bench.outcome(&pending, &main(json!({"kind": "Node"}))),
        "IdentityChanged"
    );
    assert_eq!(
        bench.outcome(&pending, &main(json!({"apiVersion": "v2"}))),
        "IdentityChanged"
    );
    // The same again is no change.
    assert_eq!(
        bench.outcome(
            &pending,
            &main(json!({"metadata": {"uid": "u", "resourceVersion": "7"}}))
        ),
        "unchanged"
    );
}

#[test]
fn annotations_of_the_host_are_the_hosts() {
    let bench = Bench::built_in("v1/Pod");
    let annotate = |name: &str, value: Value| {
        patch(
            Form::Merge,
            Some("status"),
            json!({"metadata": {"annotations": {name: value}}}),
        )
    };
    let mut body = pod(json!({"phase": "Pending"}));
    body["metadata"]["annotations"] =
        json!({"stagewright.dev/held": "yes", "stagewright.dev/sandbox-epoch": "1"});
    for (name, value, expected) in [
        ("example.com/a", json!("b"), "write"),
        ("stagewright.dev/gang.step", json!("3"), "write"),
        ("stagewright.dev/gang", json!("3"), "HostAnnotation"),
        ("stagewright.dev/gangs.step", json!("3"), "HostAnnotation"),
        ("stagewright.dev/other.step", json!("3"), "HostAnnotation"),
        ("stagewright.dev/held", json!(null), "HostAnnotation"),
        ("stagewright.dev/held", json!("yes"), "unchanged"),
        (
            "stagewright.dev/sandbox-epoch",
            json!("2"),
            "HostAnnotation",
        ),
    ] {
        assert_eq!(
            bench.outcome(&body, &annotate(name, value)),
            expected,
            "{name}"
        );
    }
    let all = patch(
        Form::Merge,
        None,
        json!({"metadata": {"annotations": null}}),
    );
    assert_eq!(bench.outcome(&body, &all), "HostAnnotation");
    // The count of sandboxes is a plugin's to raise if it says so.
    let declared = Bench::built_in("v1/Pod").writes(&[
        "/status",
        "/metadata/annotations/stagewright.dev~1sandbox-epoch",
    ]);
    assert_eq!(
        declared.outcome(
            &body,
            &annotate("stagewright.dev/sandbox-epoch", json!("2"))
        ),
        "write"
    );
    assert_eq!(
        declared.outcome(
            &body,
            &annotate("stagewright.dev/sandbox-epoch", json!("0"))
        ),
        "Backward"
    );
}

#[test]
fn no_finalizers_come_while_deleting() {
    let bench = Bench::built_in("v1/Pod");
    let mut body = pod(json!({"phase": "Running"}));
    body["metadata"]["finalizers"] = json!(["a/b", "c/d"]);
    let finalizers = |names: Value| main(json!({"metadata": {"finalizers": names}}));
    assert_eq!(
        bench.outcome(&body, &finalizers(json!(["a/b", "c/d", "e/f"]))),
        "write"
    );
    body["metadata"]["deletionTimestamp"] = json!("2026-03-01T11:00:00Z");
    for (names, expected) in [
        (json!(["a/b", "c/d", "e/f"]), "Backward"),
        (json!(["e/f"]), "Backward"),
        (json!(["a/b"]), "write"),
        (json!(null), "write"),
    ] {
        assert_eq!(bench.outcome(&body, &finalizers(names)), expected);
    }
    assert_eq!(
        bench.outcome(&body, &status(json!({"phase": "Succeeded"}))),
        "write"
    );
    assert_eq!(
        bench.outcome(&body, &status(json!({"phase": "Pending"}))),
        "Backward"
    );
}

#[test]
fn impersonation_is_for_the_installation_to_allow() {
    let body = pod(json!({"phase": "Pending"}));
    let effect = Effect::Patch(PatchEffect {
        form: Form::Merge,
        subresource: Some("status".to_owned()),
        body: json!({"status": {"phase": "Running"}}),
        as_user: Some("admin".to_owned()),
    });
    let bench = Bench::built_in("v1/Pod");
    assert_eq!(bench.outcome(&body, &effect), "ImpersonationRefused");
    let bench = Bench {
        impersonation: true,
        ..bench
    };
    assert_eq!(bench.outcome(&body, &effect), "write");
}

#[test]
fn what_cannot_be_applied_is_refused() {
    let bench = Bench::built_in("v1/Pod");
    let body = pod(json!({"phase": "Pending"}));
    assert_eq!(
        bench.outcome(&body, &patch(Form::Merge, None, json!([]))),
        "InvalidPatch"
    );
    let test = json!([{"op": "test", "path": "/status/phase", "value": "Running"}]);
    assert_eq!(
        bench.outcome(&body, &patch(Form::Json, Some("status"), test)),
        "TestFailed"
    );
    let custom = Bench::custom(Order::Any, true, false);
    assert_eq!(
        custom.outcome(&body, &patch(Form::Strategic, Some("status"), json!({}))),
        "Unsupported"
    );
    let large = status(json!({"message": "x".repeat(1_600_000)}));
    assert_eq!(bench.outcome(&body, &large), "TooLarge");
    assert_eq!(
        bench.outcome(
            &body,
            &Effect::Extension {
                name: "exec".to_owned()
            }
        ),
        "NotDeclared"
    );
}
