//! Field selectors: what may be named, and what is found.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail loudly"
)]

use serde_json::{Value, json};

use crate::support::*;

const EVENTS: &str = "/api/v1/namespaces/default/events";
const NEW_EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

/// The names that a list with this selector has.
fn found(server: &Server, path: &str, selector: &str) -> Vec<String> {
    let (code, list) = server.get(&format!("{path}?fieldSelector={}", escaped(selector)));
    assert_eq!(code, 200, "{selector}: {list}");
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn escaped(selector: &str) -> String {
    form_urlencoded::byte_serialize(selector.as_bytes()).collect()
}

/// Why a selector is refused.
fn refusal(server: &Server, path: &str, selector: &str) -> String {
    let answer = server.get(&format!("{path}?fieldSelector={}", escaped(selector)));
    assert_eq!(reason(&answer), (400, "BadRequest"), "{selector}");
    answer.1["message"].as_str().unwrap().to_owned()
}

fn create(server: &Server, path: &str, object: &Value) {
    let (code, answer) = server.call("POST", path, object);
    assert_eq!(code, 201, "{answer}");
}

#[test]
fn events_of_an_object_are_found_in_both_groups() {
    let server = Server::new();
    create(
        &server,
        EVENTS,
        &json!({"metadata": {"name": "old"}, "involvedObject": {"kind": "Pod", "namespace": "default", "name": "a", "uid": "u-a"},
            "reason": "Scheduled", "type": "Normal", "message": "there", "source": {"component": "scheduler"}}),
    );
    create(
        &server,
        NEW_EVENTS,
        &json!({"metadata": {"name": "new"}, "regarding": {"kind": "Pod", "namespace": "default", "name": "b", "uid": "u-b"},
            "reason": "Failed", "type": "Warning", "note": "gone", "action": "Run", "eventTime": "2026-01-02T03:04:05.000000Z",
            "reportingController": "example.com/runner", "reportingInstance": "r-1"}),
    );
    for (selector, name) in [
        // As `kubectl describe` asks.
        (
            "involvedObject.name=a,involvedObject.namespace=default,involvedObject.kind=Pod,involvedObject.uid=u-a",
            "old",
        ),
        ("involvedObject.uid=u-b", "new"),
        ("source=scheduler", "old"),
        // An event without a source is told by who reports it.
        ("source=example.com/runner", "new"),
        ("reportingComponent=example.com/runner", "new"),
        ("reason!=Scheduled", "new"),
        ("type=Normal,metadata.namespace=default", "old"),
    ] {
        assert_eq!(found(&server, EVENTS, selector), [name], "{selector}");
    }
    assert_eq!(found(&server, NEW_EVENTS, "regarding.name=a"), ["old"]);
    assert_eq!(
        found(
            &server,
            NEW_EVENTS,
            "reportingController=example.com/runner,type=Warning"
        ),
        ["new"]
    );
    assert_eq!(
        refusal(&server, NEW_EVENTS, "involvedObject.name=a"),
        "field label not supported: involvedObject.name"
    );
    assert_eq!(
        refusal(&server, EVENTS, "regarding.name=a"),
        "field label not supported: regarding.name"
    );
    let (_, shown) = server.get(&format!("{EVENTS}/new"));
    assert_eq!(
        [
            &shown["message"],
            &shown["reportingComponent"],
            &shown["firstTimestamp"]
        ],
        [&json!("gone"), &json!("example.com/runner"), &Value::Null]
    );
    assert!(shown.get("note").is_none() && shown.get("regarding").is_none());
    let (_, shown) = server.get(&format!("{NEW_EVENTS}/old"));
    assert_eq!(
        (&shown["note"], &shown["deprecatedSource"]["component"]),
        (&json!("there"), &json!("scheduler"))
    );
}

#[test]
fn pods_are_found_by_what_the_scheduler_and_nodes_ask_for() {
    let server = Server::new();
    server.pod("a");
    let mut other = pod("b");
    other["spec"]["nodeName"] = json!("m");
    other["spec"]["hostNetwork"] = json!(true);
    other["spec"]["restartPolicy"] = json!("Never");
    other["spec"]["serviceAccountName"] = json!("robot");
    create(&server, PODS, &other);
    let status = json!({"status": {"podIPs": [{"ip": "10.0.0.9"}], "podIP": "10.0.0.9"}});
    let (code, answer) = server.call("PATCH", &format!("{PODS}/b/status"), &status);
    assert_eq!(code, 200, "{answer}");
    for selector in [
        "spec.nodeName=m",
        "spec.host=m",
        "spec.hostNetwork=true",
        "spec.restartPolicy=Never",
        "spec.serviceAccountName=robot",
        "status.podIP=10.0.0.9",
        "spec.schedulerName=default-scheduler,metadata.name=b",
    ] {
        assert_eq!(found(&server, PODS, selector), ["b"], "{selector}");
    }
    assert_eq!(found(&server, PODS, "spec.hostNetwork=false"), ["a"]);
    assert_eq!(
        found(&server, PODS, "status.phase=Pending,status.podIPs!=x"),
        ["a", "b"]
    );
    let mut waiting = pod("c");
    waiting["spec"]["nodeName"] = Value::Null;
    create(&server, PODS, &waiting);
    let status = json!({"status": {"nominatedNodeName": "x"}});
    server.call("PATCH", &format!("{PODS}/c/status"), &status);
    assert_eq!(
        found(&server, PODS, "status.nominatedNodeName=x,spec.nodeName="),
        ["c"]
    );
}

#[test]
fn what_stands_for_nothing_is_selected_too() {
    let server = Server::new();
    create(
        &server,
        "/api/v1/nodes",
        &json!({"metadata": {"name": "open"}}),
    );
    create(
        &server,
        "/api/v1/nodes",
        &json!({"metadata": {"name": "shut"}, "spec": {"unschedulable": true}}),
    );
    let nodes = |selector| found(&server, "/api/v1/nodes", selector);
    assert_eq!(nodes("spec.unschedulable=false"), ["open"]);
    assert_eq!(nodes("spec.unschedulable=true"), ["shut"]);
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let template =
        json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    create(
        &server,
        jobs,
        &json!({"metadata": {"name": "j"}, "spec": {"template": template}}),
    );
    assert_eq!(found(&server, jobs, "status.successful=0"), ["j"]);
    let secrets = "/api/v1/namespaces/default/secrets";
    create(&server, secrets, &json!({"metadata": {"name": "s"}}));
    assert_eq!(found(&server, secrets, "type=Opaque"), ["s"]);
}

#[test]
fn other_fields_are_refused_in_the_words_of_each_kind() {
    let server = Server::new();
    for (path, selector, words) in [
        (
            PODS,
            "spec.priority=1",
            "field label not supported: spec.priority",
        ),
        (
            "/api/v1/nodes",
            "metadata.namespace=x",
            "field label not supported: metadata.namespace",
        ),
        (
            "/apis/apps/v1/deployments",
            "spec.replicas=1",
            "\"spec.replicas\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        ),
        (
            "/apis/batch/v1/jobs",
            "status.failed=1",
            "field label \"status.failed\" not supported for Job",
        ),
        (
            "/apis/resource.k8s.io/v1/resourceslices",
            "spec.pool=1",
            "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.pool",
        ),
    ] {
        assert_eq!(refusal(&server, path, selector), words);
    }
    // A cluster-wide kind without labels of its own has no namespace, which may be asked.
    let classes = "/apis/storage.k8s.io/v1/storageclasses";
    assert!(found(&server, classes, "metadata.namespace=x").is_empty());
}

#[test]
fn definitions_say_what_is_selectable_of_each_version() {
    let server = Server::new();
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "color": {"type": "string"}, "size": {"type": "integer"}}}}}});
    let version = |name: &str, storage: bool, field: &str| {
        json!({"name": name, "served": true, "storage": storage, "schema": schema,
        "selectableFields": [{"jsonPath": field}]})
    };
    let definition = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [version("v1", true, ".spec.color"), version("v2", false, ".spec.size")]},
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    create(&server, definitions, &definition);
    let of = |version: &str| format!("/apis/example.com/{version}/namespaces/default/widgets");
    for (name, spec) in [("w", json!({"color": "red", "size": 3})), ("x", json!({}))] {
        let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec});
        create(&server, &of("v1"), &widget);
    }
    assert_eq!(found(&server, &of("v1"), "spec.color=red"), ["w"]);
    assert_eq!(found(&server, &of("v2"), "spec.size=3"), ["w"]);
    assert_eq!(
        refusal(&server, &of("v2"), "spec.color=red"),
        "field label not supported: spec.color"
    );
    // What was stored before is found by a field that becomes selectable later.
    let patch = json!([{"op": "add", "path": "/spec/versions/0/selectableFields/-", "value": {"jsonPath": ".spec.size"}}]);
    let path = format!("{definitions}/widgets.example.com");
    let response = server.send("PATCH", &path, "application/json-patch+json", &patch);
    assert_eq!(response.status(), 200);
    assert_eq!(
        found(&server, &of("v1"), "spec.size=3,spec.color=red"),
        ["w"]
    );
    assert_eq!(found(&server, &of("v1"), "spec.size="), ["x"]);
}
