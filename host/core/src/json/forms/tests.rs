use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::json::testing;

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "7",
        "creationTimestamp": "2026-11-24T01:55:20Z", "labels": {"a": "b"}}, "spec": {"nodeName": "n"}, "status": {"phase": "Pending", "n": 1}})
}

fn run(
    form: Form,
    current: &Value,
    body: &Value,
    subresource: Option<&str>,
) -> Result<Value, PatchError> {
    apply(form, &Kind::new("v1", "Pod"), current, body, subresource)
}

#[track_caller]
fn refused(form: Form, body: Value, category: &str, part: &str) {
    let error = run(form, &pod(), &body, Some("status")).unwrap_err();
    assert_eq!(error.category(), category);
    assert!(error.to_string().contains(part), "{error}");
}

#[test]
fn the_forms_say_the_same_in_their_ways() {
    let mut running = pod();
    running["status"] = json!({"phase": "Running"});
    for (form, body) in [
        (
            Form::Merge,
            json!({"status": {"phase": "Running", "n": null}}),
        ),
        (
            Form::Strategic,
            json!({"status": {"phase": "Running", "n": null}}),
        ),
        (
            Form::Strategic,
            json!({"status": {"$patch": "replace", "phase": "Running"}}),
        ),
        (
            Form::Json,
            json!([{"op": "test", "path": "/status/n", "value": 1.0}, {"op": "remove", "path": "/status/n"},
            {"op": "replace", "path": "/status/phase", "value": "Running"}]),
        ),
        (Form::Replace, json!({"status": {"phase": "Running"}})),
        (
            Form::Replace,
            json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running"}}),
        ),
        (Form::Replace, running.clone()),
    ] {
        assert_eq!(
            run(form, &pod(), &body, Some("status")),
            Ok(running.clone()),
            "{body}"
        );
    }
}

#[test]
fn a_whole_replacement_keeps_what_the_server_owns() {
    let after = run(
        Form::Replace,
        &pod(),
        &json!({"metadata": {"name": "other", "creationTimestamp": null}, "spec": {}}),
        None,
    )
    .unwrap();
    assert_eq!(
        after,
        json!({"apiVersion": "v1", "kind": "Pod", "spec": {}, "metadata": {"name": "other", "namespace": "default", "uid": "u",
            "resourceVersion": "7", "creationTimestamp": "2026-11-24T01:55:20Z"}})
    );
}

#[test]
fn what_is_no_patch_is_refused() {
    refused(Form::Merge, json!([]), "InvalidPatch", "JSON object");
    refused(Form::Merge, json!(null), "InvalidPatch", "JSON object");
    refused(Form::Strategic, json!("x"), "InvalidPatch", "JSON object");
    refused(Form::Replace, json!(1), "InvalidPatch", "JSON object");
    refused(
        Form::Replace,
        json!({"status": {}, "spec": {}}),
        "InvalidPatch",
        "alone",
    );
    refused(Form::Replace, json!({}), "InvalidPatch", "alone");
    refused(Form::Json, json!({"op": "add"}), "InvalidPatch", "array");
    refused(
        Form::Json,
        json!([{"op": "jump", "path": "/a"}]),
        "InvalidPatch",
        "operation 0",
    );
    refused(
        Form::Json,
        json!([{"op": "add", "path": "a", "value": 1}]),
        "InvalidPatch",
        "operation 0",
    );
    refused(
        Form::Json,
        json!([{"op": "remove", "path": "/none"}]),
        "InvalidPatch",
        "at /none: operation 0",
    );
    refused(
        Form::Json,
        json!([{"op": "add", "path": "/none/a", "value": 1}]),
        "InvalidPatch",
        "/none/a",
    );
    refused(
        Form::Json,
        json!([{"op": "move", "from": "/status", "path": "/status/a"}]),
        "InvalidPatch",
        "inside itself",
    );
    refused(
        Form::Json,
        json!([{"op": "test", "path": "/status/n", "value": 1}, {"op": "test", "path": "/status/n", "value": 2}]),
        "TestFailed",
        "operation 1",
    );
    refused(
        Form::Json,
        json!([{"op": "test", "path": "/none", "value": null}]),
        "TestFailed",
        "/none",
    );
    let error = apply(
        Form::Strategic,
        &Kind::new("example.com/v1", "Widget"),
        &pod(),
        &json!({}),
        None,
    )
    .unwrap_err();
    assert_eq!(error.category(), "Unsupported");
    assert!(error.to_string().contains("use merge"), "{error}");
}

#[test]
fn no_patch_makes_a_tree_too_deep() {
    let deep = testing::nested(MAX_DEPTH);
    assert_eq!(run(Form::Merge, &pod(), &deep, None).map(|_| ()), Ok(()));
    for form in [Form::Merge, Form::Strategic, Form::Replace] {
        refused(
            form,
            testing::nested(MAX_DEPTH + 1),
            "InvalidPatch",
            "levels",
        );
    }
    let value = testing::nested(MAX_DEPTH - 3);
    assert!(
        run(
            Form::Json,
            &pod(),
            &json!([{"op": "add", "path": "/status/x", "value": value}]),
            None
        )
        .is_ok()
    );
    refused(
        Form::Json,
        json!([{"op": "add", "path": "/status/x", "value": value}, {"op": "copy", "from": "", "path": "/status/y"}]),
        "InvalidPatch",
        "deep",
    );
    refused(
        Form::Json,
        json!([{"op": "add", "path": "/status/x", "value": value}, {"op": "add", "path": "/status/y", "value": {"a": {}}},
        {"op": "move", "from": "/status/x", "path": "/status/y/a/b"}]),
        "InvalidPatch",
        "deep",
    );
}

#[test]
fn no_patch_grows_without_bound() {
    let doubling: Vec<Value> = (0..40)
        .map(|n| json!({"op": "copy", "from": "/status", "path": format!("/status/x{n}")}))
        .collect();
    refused(
        Form::Json,
        json!(doubling),
        "InvalidPatch",
        "copies too much",
    );
    let text = "x".repeat(MAX_COPIED / 10);
    let mut copies = vec![json!({"op": "add", "path": "/status/x", "value": text})];
    copies.extend(
        (0..10)
            .map(|n| json!({"op": "copy", "from": "/status/x", "path": format!("/status/x{n}")})),
    );
    refused(
        Form::Json,
        json!(copies),
        "InvalidPatch",
        "operation 10: the patch copies too much",
    );
    refused(
        Form::Json,
        json!(vec![
            json!({"op": "add", "path": "/a", "value": 1});
            MAX_OPERATIONS + 1
        ]),
        "InvalidPatch",
        "operations",
    );
}

fn operation() -> impl Strategy<Value = Value> {
    let pointer = || {
        prop::sample::select(vec![
            "",
            "/a",
            "/a/0",
            "/a/-",
            "/b",
            "/b/a",
            "/c~1d",
            "/0",
            "/a/1/b",
            "/metadata",
            "~",
        ])
    };
    let op = prop::sample::select(vec![
        "add", "remove", "replace", "move", "copy", "test", "other",
    ]);
    (op, pointer(), pointer(), testing::object_with_nulls()).prop_map(
        |(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}),
    )
}

proptest! {
    #[test]
    fn any_json_patch_is_applied_or_refused(current in testing::object_with_nulls(), operations in prop::collection::vec(operation(), 0..6)) {
        if let Ok(after) = run(Form::Json, &current, &json!(operations), None) {
            prop_assert!(!deeper_than(&after, MAX_DEPTH));
        }
    }

    #[test]
    fn any_merge_patch_leaves_no_null_of_its_own(current in testing::object(), patch in testing::object_with_nulls()) {
        let after = run(Form::Merge, &current, &patch, None).unwrap();
        prop_assert_eq!(run(Form::Merge, &after, &patch, None).unwrap(), after);
    }
}
