//! Objects: written, read, deleted, refused.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::support::*;

#[test]
fn objects_are_created_read_changed_and_deleted() {
    let server = Server::new();
    let path = "/api/v1/namespaces/default/configmaps";
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "1"}});
    let (code, created) = server.call("POST", path, &body);
    assert_eq!(code, 201);
    assert_eq!(
        created["metadata"]["creationTimestamp"],
        "2026-01-02T03:04:05Z"
    );
    assert_eq!(created["metadata"]["namespace"], "default");
    assert_eq!(
        (&created["kind"], &created["apiVersion"]),
        (&json!("ConfigMap"), &json!("v1"))
    );
    let one = format!("{path}/a");
    assert_eq!(server.get(&one), (200, created.clone()));

    let answer = server.call("POST", path, &body);
    assert_eq!(reason(&answer), (409, "AlreadyExists"));
    assert_eq!(answer.1["message"], "configmaps \"a\" already exists");

    let mut changed = created.clone();
    changed["data"]["k"] = json!("2");
    let (code, stored) = server.call("PUT", &one, &changed);
    assert_eq!((code, &stored["data"]["k"]), (200, &json!("2")));
    assert_ne!(revision(&stored), revision(&created));
    let answer = server.call("PUT", &one, &changed);
    assert_eq!(reason(&answer), (409, "Conflict"));
    assert!(
        answer.1["message"]
            .as_str()
            .unwrap()
            .contains("the object has been modified")
    );

    // What changes nothing is not written.
    assert_eq!(
        server.call("PATCH", &one, &json!({"data": {"k": "2"}})),
        (200, stored.clone())
    );

    let answer = server.call(
        "DELETE",
        &one,
        &json!({"preconditions": {"uid": "another"}}),
    );
    assert_eq!(reason(&answer), (409, "Conflict"));
    let (code, status) = server.call("DELETE", &one, &Value::Null);
    assert_eq!((code, &status["status"]), (200, &json!("Success")));
    assert_eq!(
        status["details"],
        json!({"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]})
    );
    let answer = server.get(&one);
    assert_eq!(reason(&answer), (404, "NotFound"));
    assert_eq!(
        answer.1["details"],
        json!({"name": "a", "kind": "configmaps"})
    );
}

#[test]
fn a_dry_run_answers_and_stores_nothing() {
    let server = Server::new();
    let before = server.api.revision();
    let (code, object) = server.call("POST", &format!("{PODS}?dryRun=All"), &pod("a"));
    assert_eq!((code, &object["metadata"]["name"]), (201, &json!("a")));
    assert_eq!(server.api.revision(), before);
    server.pod("a");
    let before = server.api.revision();
    server.call(
        "PATCH",
        &format!("{PODS}/a?dryRun=All"),
        &json!({"metadata": {"labels": {"x": "y"}}}),
    );
    server.call("DELETE", &format!("{PODS}/a?dryRun=All"), &Value::Null);
    server.call(
        "DELETE",
        &format!("{PODS}/a"),
        &json!({"dryRun": ["All"], "gracePeriodSeconds": 0}),
    );
    assert_eq!(server.api.revision(), before);
    assert_eq!(
        reason(&server.call("DELETE", &format!("{PODS}/a?dryRun=some"), &Value::Null)),
        (422, "Invalid")
    );
}

#[test]
fn a_version_with_a_sign_is_none() {
    let server = Server::new();
    let mut signed = pod("a");
    signed["metadata"]["resourceVersion"] = json!("+5");
    let (code, mut created) = server.call("POST", PODS, &signed);
    assert_eq!(code, 201, "{created}");
    let signed = format!("+{}", revision(&created));
    let far = "99999999999999999999".to_owned();
    for (version, why) in [(signed, "invalid syntax"), (far, "value out of range")] {
        created["metadata"]["resourceVersion"] = json!(version);
        let answer = server.call("PUT", &format!("{PODS}/a"), &created);
        assert_eq!(reason(&answer), (500, ""));
        let words = format!("strconv.ParseUint: parsing {version:?}: {why}");
        assert_eq!(answer.1["message"], json!(words));
    }
}

#[test]
fn patches_hold_their_preconditions() {
    let server = Server::new();
    let created = server.pod("a");
    let one = format!("{PODS}/a");
    let patch = |body: Value| server.call("PATCH", &one, &body);
    let (code, _) =
        patch(json!({"metadata": {"resourceVersion": revision(&created), "labels": {"x": "1"}}}));
    assert_eq!(code, 200);
    let stale =
        patch(json!({"metadata": {"resourceVersion": revision(&created), "labels": {"x": "2"}}}));
    assert_eq!(reason(&stale), (409, "Conflict"));
    let send = |kind: &str, body: &Value| {
        let response = server.send("PATCH", &one, kind, body);
        (
            response.status().as_u16(),
            serde_json::from_slice(&response.into_body().into_bytes().unwrap()).unwrap(),
        )
    };
    let test = json!([{"op": "test", "path": "/metadata/labels/x", "value": "9"}, {"op": "remove", "path": "/metadata/labels"}]);
    assert_eq!(
        reason(&send("application/json-patch+json", &test)),
        (422, "Invalid")
    );
    let strategic = json!({"spec": {"containers": [{"name": "c", "image": "j"}]}});
    let (code, object) = send("application/strategic-merge-patch+json", &strategic);
    assert_eq!(
        (code, &object["spec"]["containers"][0]["image"]),
        (200, &json!("j"))
    );
    assert_eq!(
        reason(&send("application/apply-patch+cbor", &json!({}))),
        (415, "UnsupportedMediaType")
    );
    assert_eq!(
        reason(&send("text/plain", &json!({}))),
        (415, "UnsupportedMediaType")
    );
    let status = server.call(
        "PATCH",
        &format!("{one}/status"),
        &json!({"status": {"phase": "Running"}, "spec": {"nodeName": "m"}}),
    );
    assert_eq!(
        (&status.1["status"]["phase"], &status.1["spec"]["nodeName"]),
        (&json!("Running"), &json!("n"))
    );
}

#[test]
fn a_pod_is_deleted_in_grace_and_an_unbound_one_at_once() {
    let server = Server::new();
    let mut watch = server.watch(&format!("{PODS}?watch=true"));
    server.pod("a");
    let one = format!("{PODS}/a");
    let (code, marked) = server.call("DELETE", &one, &Value::Null);
    assert_eq!(
        (code, &marked["metadata"]["deletionGracePeriodSeconds"]),
        (200, &json!(30))
    );
    assert_eq!(
        marked["metadata"]["deletionTimestamp"],
        "2026-01-02T03:04:35Z"
    );
    // A longer grace is not given, a shorter one is.
    let (_, same) = server.call("DELETE", &one, &json!({"gracePeriodSeconds": 60}));
    assert_eq!(same, marked);
    let (_, shorter) = server.call("DELETE", &one, &json!({"gracePeriodSeconds": 10}));
    assert_eq!(
        shorter["metadata"]["deletionTimestamp"],
        "2026-01-02T03:04:15Z"
    );
    let (code, gone) = server.call("DELETE", &one, &json!({"gracePeriodSeconds": 0}));
    assert_eq!((code, &gone["kind"]), (200, &json!("Pod")));
    assert_eq!(server.get(&one).0, 404);

    let mut unbound = pod("b");
    unbound["spec"].as_object_mut().unwrap().remove("nodeName");
    server.call("POST", PODS, &unbound);
    server.call("DELETE", &format!("{PODS}/b"), &Value::Null);
    assert_eq!(server.get(&format!("{PODS}/b")).0, 404);
    assert_eq!(
        watch.names(),
        [
            "ADDED a",
            "MODIFIED a",
            "MODIFIED a",
            "MODIFIED a",
            "DELETED a",
            "ADDED b",
            "MODIFIED b",
            "DELETED b"
        ]
    );
}

#[test]
fn finalizers_hold_an_object_until_the_last_is_gone() {
    let server = Server::new();
    let path = "/api/v1/namespaces/default/configmaps";
    server.call(
        "POST",
        path,
        &json!({"metadata": {"name": "a", "finalizers": ["x.io/one"]}}),
    );
    let one = format!("{path}/a");
    let (code, held) = server.call("DELETE", &one, &Value::Null);
    assert_eq!(
        (code, &held["metadata"]["deletionTimestamp"]),
        (200, &json!("2026-01-02T03:04:05Z"))
    );
    assert_eq!(held["metadata"]["deletionGracePeriodSeconds"], 0);
    let (code, gone) = server.call("PATCH", &one, &json!({"metadata": {"finalizers": null}}));
    assert_eq!((code, &gone["metadata"]["name"]), (200, &json!("a")));
    assert_eq!(server.get(&one).0, 404);

    server.call("POST", path, &json!({"metadata": {"name": "b"}}));
    let policy = json!({"propagationPolicy": "Foreground"});
    let (_, held) = server.call("DELETE", &format!("{path}/b"), &policy);
    assert_eq!(
        held["metadata"]["finalizers"],
        json!(["foregroundDeletion"])
    );
}

#[test]
fn names_are_made_and_uids_come_from_the_seed() {
    let make = || {
        let server = Server::new();
        let mut body = pod("x");
        body["metadata"] = json!({"generateName": "x-"});
        server.call("POST", PODS, &body).1
    };
    let (one, other) = (make(), make());
    assert_eq!(one, other);
    let name = one["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("x-") && name.len() == 7, "{name}");
    assert_eq!(one["metadata"]["uid"].as_str().unwrap().len(), 36);
}

#[test]
fn nothing_is_created_in_a_namespace_that_is_not_there_or_goes() {
    let server = Server::new();
    let missing = server.call("POST", "/api/v1/namespaces/nope/pods", &pod("a"));
    assert_eq!(reason(&missing), (404, "NotFound"));
    assert_eq!(missing.1["message"], "namespaces \"nope\" not found");
    let (code, _) = server.call(
        "POST",
        "/api/v1/namespaces",
        &json!({"metadata": {"name": "ns"}, "spec": {"finalizers": ["kubernetes"]}}),
    );
    assert_eq!(code, 201);
    let (code, marked) = server.call("DELETE", "/api/v1/namespaces/ns", &Value::Null);
    assert_eq!(
        (code, &marked["status"]["phase"]),
        (200, &json!("Terminating"))
    );
    let late = server.call("POST", "/api/v1/namespaces/ns/pods", &pod("a"));
    assert_eq!(reason(&late), (403, "Forbidden"));
    assert_eq!(
        late.1["details"]["causes"][0]["reason"],
        "NamespaceTerminating"
    );
    let mut free = marked;
    free["spec"]["finalizers"] = json!([]);
    let (code, _) = server.call("PUT", "/api/v1/namespaces/ns/finalize", &free);
    assert_eq!(code, 200);
    assert_eq!(server.get("/api/v1/namespaces/ns").0, 404);
    assert_eq!(
        reason(&server.call("DELETE", "/api/v1/namespaces/default", &Value::Null)),
        (403, "Forbidden")
    );
}

#[test]
fn a_pod_is_bound_once() {
    let server = Server::new();
    let mut free = pod("a");
    free["spec"].as_object_mut().unwrap().remove("nodeName");
    server.call("POST", PODS, &free);
    let binding = json!({"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n1"}});
    let path = format!("{PODS}/a/binding");
    let (code, status) = server.call("POST", &path, &binding);
    assert_eq!((code, &status["status"]), (201, &json!("Success")));
    let (_, bound) = server.get(&format!("{PODS}/a"));
    assert_eq!(bound["spec"]["nodeName"], "n1");
    assert_eq!(bound["status"]["conditions"][0]["type"], "PodScheduled");
    let again = server.call("POST", &path, &binding);
    assert_eq!(reason(&again), (409, "Conflict"));
    assert!(
        again.1["message"]
            .as_str()
            .unwrap()
            .ends_with("pod a is already assigned to node \"n1\""),
        "{}",
        again.1
    );
}

#[test]
fn a_collection_is_deleted_by_selector() {
    let server = Server::new();
    for name in ["a", "b", "c"] {
        server.pod(name);
    }
    let (code, list) = server.call(
        "DELETE",
        &format!("{PODS}?labelSelector=app!%3Db"),
        &json!({"gracePeriodSeconds": 0}),
    );
    assert_eq!((code, list["items"].as_array().unwrap().len()), (200, 2));
    let (_, rest) = server.get(PODS);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_not_served_is_refused_as_the_real_server_does() {
    let server = Server::new();
    for (method, path, code) in [
        ("GET", "/api/v1/namespaces/default/widgets", 404),
        ("GET", "/apis/no.such.group/v1/things", 404),
        ("GET", "/api/v1/namespaces/default/pods/a/nonsense", 404),
        ("POST", "/api/v1/pods", 405),
        ("DELETE", "/api/v1/pods", 405),
        ("POST", "/api/v1/namespaces/default/pods/a", 405),
        (
            "GET",
            "/api/v1/namespaces/default/pods?fieldSelector=spec.nonsense%3D1",
            400,
        ),
        (
            "GET",
            "/api/v1/namespaces/default/pods?labelSelector=%3D",
            400,
        ),
    ] {
        let response = server.send(method, path, "application/json", &Value::Null);
        assert_eq!(response.status().as_u16(), code, "{method} {path}");
    }
    let request = Request::builder()
        .uri(PODS)
        .header("accept", "application/vnd.kubernetes.protobuf");
    let response = server.api.call(request.body(Bytes::new()).unwrap());
    assert_eq!(response.status(), 406);
    let date = server
        .api
        .call(Request::builder().uri("/livez").body(Bytes::new()).unwrap());
    assert_eq!(date.headers()["date"], "Fri, 02 Jan 2026 03:04:05 GMT");
}
