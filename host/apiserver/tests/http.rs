//! The server as its clients see it: requests through the service, without a socket.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, which may fail loudly"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use stagewright_apiserver::clock::ManualClock;
use stagewright_apiserver::{ApiServer, Body, History, Options};
use stagewright_core::time::Time;

const PODS: &str = "/api/v1/namespaces/default/pods";

struct Server {
    api: ApiServer,
    clock: ManualClock,
}

/// An answer: code and document.
type Answer = (u16, Value);

impl Server {
    fn new() -> Self {
        Self::with_history(1_000)
    }

    fn with_history(events: usize) -> Self {
        let clock = ManualClock::new(Time::parse("2026-01-02T03:04:05Z").unwrap());
        let mut options = Options::new(Arc::new(clock.clone()), 7);
        options.history = History {
            events,
            bytes: 1 << 20,
        };
        Self {
            api: ApiServer::new(options),
            clock,
        }
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &Value) -> http::Response<Body> {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind);
        let request = request.body(Full::new(Bytes::from(bytes))).unwrap();
        tower::Service::call(&mut self.api.clone(), request)
            .now_or_never()
            .unwrap()
            .unwrap()
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let response = self.send(method, path, kind, body);
        let code = response.status().as_u16();
        (
            code,
            serde_json::from_slice(&response.into_body().into_bytes().unwrap()).unwrap(),
        )
    }

    fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null)
    }

    fn pod(&self, name: &str) -> Value {
        let (code, pod) = self.call("POST", PODS, &pod(name));
        assert_eq!(code, 201, "{pod}");
        pod
    }

    fn watch(&self, path: &str) -> Watcher {
        let response = self.send("GET", path, "", &Value::Null);
        assert_eq!(response.status(), 200);
        Watcher {
            body: response.into_body(),
            over: false,
        }
    }
}

struct Watcher {
    body: Body,
    over: bool,
}

impl Watcher {
    /// What has come so far: type, name or revision, and the object.
    fn events(&mut self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        while let Some(frame) = self.body.frame().now_or_never() {
            let Some(frame) = frame else {
                self.over = true;
                break;
            };
            for line in frame
                .unwrap()
                .into_data()
                .unwrap()
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                let mut event: Value = serde_json::from_slice(line).unwrap();
                events.push((
                    event["type"].as_str().unwrap().to_owned(),
                    event["object"].take(),
                ));
            }
        }
        events
    }

    /// The same, shortened to type and name.
    fn names(&mut self) -> Vec<String> {
        let short = |(kind, object): (String, Value)| {
            format!(
                "{kind} {}",
                object
                    .pointer("/metadata/name")
                    .and_then(Value::as_str)
                    .unwrap_or("-")
            )
        };
        self.events().into_iter().map(short).collect()
    }
}

fn pod(name: &str) -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 30, "containers": [{"name": "c", "image": "i"}]},
    })
}

fn revision(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}

fn reason(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.1["kind"], "Status", "{}", answer.1);
    (answer.0, answer.1["reason"].as_str().unwrap_or_default())
}

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
        reason(&send("application/apply-patch+yaml", &json!({}))),
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
fn a_watch_tells_what_enters_and_leaves_its_selection() {
    let server = Server::new();
    server.pod("a");
    let mut all = server.watch(&format!("{PODS}?watch=1"));
    let mut labelled = server.watch(&format!("{PODS}?watch=1&labelSelector=x%3D1"));
    let mut elsewhere = server.watch("/api/v1/namespaces/other/pods?watch=1");
    let mut field = server.watch("/api/v1/pods?watch=1&fieldSelector=status.phase%3DRunning");
    assert_eq!(all.names(), ["ADDED a"]);
    let label = |value: Value| {
        server
            .call(
                "PATCH",
                &format!("{PODS}/a"),
                &json!({"metadata": {"labels": {"x": value}}}),
            )
            .1
    };
    label(json!("1"));
    server.call(
        "PATCH",
        &format!("{PODS}/a/status"),
        &json!({"status": {"phase": "Running"}}),
    );
    let left = label(json!("2"));
    assert_eq!(all.names(), ["MODIFIED a", "MODIFIED a", "MODIFIED a"]);
    assert_eq!(field.names(), ["ADDED a", "MODIFIED a"]);
    assert!(elsewhere.names().is_empty());
    let events = labelled.events();
    let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["ADDED", "MODIFIED", "DELETED"]);
    // It leaves as it was last seen, at the revision of the change that took it away.
    assert_eq!(
        (
            revision(&events[2].1),
            &events[2].1["metadata"]["labels"]["x"]
        ),
        (revision(&left), &json!("1"))
    );
}

#[test]
fn a_streaming_list_ends_with_its_bookmark() {
    let server = Server::new();
    server.pod("a");
    server.pod("b");
    let query =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = server.watch(&format!("{PODS}?{query}"));
    let events = watch.events();
    assert_eq!(events.len(), 3);
    assert_eq!(events[2].0, "BOOKMARK");
    assert_eq!(
        events[2].1["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert_eq!(revision(&events[2].1), server.api.revision().to_string());
    let refused = server.get(&format!("{PODS}?watch=1&sendInitialEvents=true"));
    assert_eq!(reason(&refused), (422, "Invalid"));
}

#[test]
fn a_watch_has_bookmarks_and_an_end() {
    let server = Server::new();
    let mut watch = server.watch(&format!(
        "{PODS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=90"
    ));
    let mut plain = server.watch(&format!("{PODS}?watch=1&timeoutSeconds=90"));
    assert!(watch.events().is_empty());
    server.call(
        "POST",
        "/api/v1/namespaces/default/configmaps",
        &json!({"metadata": {"name": "elsewhere"}}),
    );
    server.clock.advance(Duration::from_secs(61));
    let events = watch.events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].0.as_str(), revision(&events[0].1)),
        ("BOOKMARK", &*server.api.revision().to_string())
    );
    server.clock.advance(Duration::from_secs(30));
    assert!(watch.events().is_empty(), "nothing new to mark");
    assert!(watch.over);
    assert!(plain.events().is_empty());
    assert!(plain.over);
    drop((watch, plain));
    assert_eq!(
        server.clock.next(),
        None,
        "a watch that is over waits for nothing"
    );
}

#[test]
fn the_past_can_be_watched_and_listed_until_it_is_forgotten() {
    let server = Server::with_history(4);
    let first = server.pod("a");
    let second = server.pod("b");
    let mut watch = server.watch(&format!(
        "{PODS}?watch=1&resourceVersion={}",
        revision(&first)
    ));
    assert_eq!(watch.names(), ["ADDED b"]);
    let exact = format!(
        "{PODS}?resourceVersion={}&resourceVersionMatch=Exact",
        revision(&first)
    );
    let (code, list) = server.get(&exact);
    assert_eq!(
        (
            code,
            list["items"].as_array().unwrap().len(),
            revision(&list)
        ),
        (200, 1, revision(&first))
    );
    assert!(
        list["items"][0].get("kind").is_none(),
        "items of a built-in kind do not repeat it"
    );
    let mut slow = server.watch(&format!(
        "{PODS}?watch=1&resourceVersion={}",
        revision(&second)
    ));
    for number in 0..6 {
        server.pod(&format!("more-{number}"));
    }
    assert_eq!(reason(&server.get(&exact)), (410, "Expired"));
    let events = slow.events();
    assert_eq!(
        (events[0].0.as_str(), &events[0].1["reason"]),
        ("ERROR", &json!("Expired"))
    );
    assert!(slow.over);
    let refused = server.get(&format!("{PODS}?resourceVersion=999"));
    assert_eq!(reason(&refused), (504, "Timeout"));
}

#[test]
fn lists_come_in_pages() {
    let server = Server::with_history(20);
    for name in ["a", "b", "c", "d", "e"] {
        server.pod(name);
    }
    let names = |list: &Value| -> Vec<String> {
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (_, first) = server.get(&format!("{PODS}?limit=2"));
    assert_eq!(
        (names(&first), &first["metadata"]["remainingItemCount"]),
        (vec!["a".to_owned(), "b".to_owned()], &json!(3))
    );
    let token = first["metadata"]["continue"].as_str().unwrap();
    server.call(
        "DELETE",
        &format!("{PODS}/c"),
        &json!({"gracePeriodSeconds": 0}),
    );
    let (_, second) = server.get(&format!("{PODS}?limit=2&continue={token}"));
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(revision(&second), revision(&first));
    server.api.compact(server.api.revision());
    let expired = server.get(&format!("{PODS}?limit=2&continue={token}"));
    assert_eq!(reason(&expired), (410, "Expired"));
    let token = expired.1["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = server.get(&format!("{PODS}?limit=5&continue={token}"));
    assert_eq!(names(&rest), ["d", "e"]);
    assert_eq!(
        reason(&server.get(&format!("{PODS}?continue=nonsense"))),
        (400, "BadRequest")
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
