//! Who owns which field after a create, an update, a patch.

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::*;

pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
pub const APPLY: &str = "application/apply-patch+yaml";

impl Server {
    pub fn apply(&self, path: &str, manager: &str, config: &Value) -> Answer {
        let joint = if path.contains('?') { '&' } else { '?' };
        self.patch(
            &format!("{path}{joint}fieldManager={manager}"),
            APPLY,
            config,
        )
    }

    pub fn patch(&self, path: &str, kind: &str, body: &Value) -> Answer {
        answer(self.send("PATCH", path, kind, body))
    }

    pub fn as_agent(&self, method: &str, path: &str, agent: &str, body: &Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("user-agent", agent)
            .header("content-type", "application/json")
            .body(Full::new(bytes::Bytes::from(body.to_string())))
            .unwrap();
        let response =
            futures::FutureExt::now_or_never(tower::Service::call(&mut self.api.clone(), request));
        answer(response.unwrap().unwrap())
    }

    pub fn wait(&self, seconds: u64) {
        self.clock.advance(std::time::Duration::from_secs(seconds));
    }
}

pub fn answer(response: http::Response<stagewright_apiserver::Body>) -> Answer {
    let code = response.status().as_u16();
    let bytes = response.into_body().into_bytes().unwrap();
    (code, serde_json::from_slice(&bytes).unwrap())
}

pub fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

pub fn deployment(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})
}

pub fn template(containers: Value) -> Value {
    json!({
        "selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}},
    })
}

/// The entries, each as manager, operation, subresource and time, with its fields.
pub fn owners(object: &Value) -> Vec<(String, Value)> {
    let list = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let short = |entry: &Value| {
        let word = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        let words = ["manager", "operation", "apiVersion", "subresource", "time"].map(word);
        assert_eq!(entry["fieldsType"], "FieldsV1");
        (words.join(" "), entry["fieldsV1"].clone())
    };
    list.into_iter().flatten().map(short).collect()
}

pub fn names(object: &Value) -> Vec<String> {
    owners(object).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_create_is_tracked_as_its_writer_wrote_it() {
    let server = Server::new();
    let (_, created) = server.as_agent(
        "POST",
        PODS,
        "kubelet/v1.36.3 (linux/amd64)",
        &json!({
            "metadata": {"name": "a", "labels": {"x": "y"}},
            "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]},
            "status": {"phase": "Running"},
        }),
    );
    let [(name, fields)] = &owners(&created)[..] else {
        panic!("{created}")
    };
    assert_eq!(name, "kubelet Update v1 - 2026-01-02T03:04:05Z");
    // With defaults, which are given before; without what the server adds to pods, and without status.
    let container = json!({".": {}, "f:name": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:resources": {}, "f:terminationMessagePath": {},
        "f:terminationMessagePolicy": {}, "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}}}});
    let expected = json!({
        "f:metadata": {"f:labels": {".": {}, "f:x": {}}},
        "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": container}, "f:dnsPolicy": {}, "f:enableServiceLinks": {}, "f:restartPolicy": {},
            "f:schedulerName": {}, "f:securityContext": {}, "f:terminationGracePeriodSeconds": {}},
    });
    assert_eq!(fields, &expected);
}

#[test]
fn updates_take_what_they_change() {
    let server = Server::new();
    let one = format!("{MAPS}/a");
    let (_, mut object) = server.as_agent("POST", MAPS, "one", &map(json!({"k": "1", "l": "1"})));
    server.wait(1);
    object["data"] = json!({"k": "2", "l": "1", "m": "1"});
    let (_, mut object) = server.call("PUT", &format!("{one}?fieldManager=two"), &object);
    let expected = [
        (
            "one Update v1 - 2026-01-02T03:04:05Z".to_owned(),
            json!({"f:data": {".": {}, "f:l": {}}}),
        ),
        (
            "two Update v1 - 2026-01-02T03:04:06Z".to_owned(),
            json!({"f:data": {"f:k": {}, "f:m": {}}}),
        ),
    ];
    assert_eq!(owners(&object), expected);

    // What changes nothing is no new revision, whenever it comes and whoever does it.
    server.wait(1);
    let (_, same) = server.call("PUT", &format!("{one}?fieldManager=three"), &object);
    assert_eq!(same, object);
    // A writer who does not know of owners keeps them.
    object["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("managedFields");
    assert_eq!(
        server.call("PUT", &format!("{one}?fieldManager=three"), &object),
        (200, same)
    );

    // One that says so forgets them, until somebody applies.
    for reset in [json!([]), json!([{}])] {
        let (_, object) = server.call(
            "PATCH",
            &one,
            &json!({"metadata": {"managedFields": reset}}),
        );
        assert_eq!(owners(&object), []);
    }
    let (_, object) = server.call("PATCH", &one, &json!({"data": {"k": "3"}}));
    assert_eq!(owners(&object), []);
    let (_, object) = server.apply(&one, "me", &map(json!({"k": "3"})));
    assert_eq!(
        names(&object),
        [
            "me Apply v1 - -",
            "before-first-apply Update v1 - 2026-01-02T03:04:07Z"
        ]
    );
}

#[test]
fn who_writes_is_named_by_the_query_or_the_agent() {
    let server = Server::new();
    let long = "x".repeat(129);
    let answer = server.call(
        "POST",
        &format!("{MAPS}?fieldManager={long}"),
        &map(json!({})),
    );
    assert_eq!(reason(&answer), (422, "Invalid"));
    assert_eq!(
        answer.1["message"],
        "CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes"
    );
    let answer = server.call(
        "POST",
        &format!("{MAPS}?fieldManager=a%09b"),
        &map(json!({})),
    );
    assert_eq!(
        answer.1["details"]["causes"][0]["message"],
        "Invalid value: \"a\\tb\": invalid character U+0009 (at position 1)"
    );
    let (_, object) = server.as_agent("POST", MAPS, "", &map(json!({"k": "v"})));
    assert_eq!(names(&object), ["unknown Update v1 - 2026-01-02T03:04:05Z"]);
    let (_, object) = server.as_agent(
        "PUT",
        &format!("{MAPS}/a"),
        &"a".repeat(200),
        &map(json!({"k": "w"})),
    );
    assert_eq!(
        names(&object)[0],
        format!("{} Update v1 - 2026-01-02T03:04:05Z", "a".repeat(128))
    );
}

#[test]
fn a_status_update_owns_status_alone() {
    let server = Server::new();
    server.call(
        "POST",
        &format!("{DEPLOYMENTS}?fieldManager=one"),
        &deployment("a", template(json!([{"name": "c", "image": "i"}]))),
    );
    let path = format!("{DEPLOYMENTS}/a/status?fieldManager=two");
    let (_, object) = server.call(
        "PATCH",
        &path,
        &json!({
            "metadata": {"labels": {"no": "1"}, "annotations": {"yes": "1"}, "managedFields": []},
            "spec": {"replicas": 7},
            "status": {"replicas": 1, "conditions": [{"type": "Available", "status": "True"}]},
        }),
    );
    let (name, fields) = &owners(&object)[1];
    assert_eq!(name, "two Update apps/v1 status 2026-01-02T03:04:05Z");
    let condition = json!({".": {}, "f:type": {}, "f:status": {}, "f:lastTransitionTime": {}, "f:lastUpdateTime": {}});
    assert_eq!(
        fields,
        &json!({
            "f:metadata": {"f:annotations": {".": {}, "f:yes": {}}},
            "f:status": {"f:replicas": {}, "f:conditions": {".": {}, "k:{\"type\":\"Available\"}": condition}},
        })
    );
    let (_, object) = server.call(
        "PATCH",
        &format!("{DEPLOYMENTS}/a?fieldManager=three"),
        &json!({"status": {"replicas": 9}}),
    );
    assert_eq!(owners(&object).len(), 2);
    // The same fields once more: a new time, and nothing else.
    server.wait(1);
    let (_, again) = server.call("PATCH", &path, &json!({"status": {"replicas": 2}}));
    let (name, fields) = &owners(&again)[1];
    assert_eq!(name, "two Update apps/v1 status 2026-01-02T03:04:06Z");
    assert_eq!(fields, &owners(&object)[1].1);
    // One field less of the other's, as soon as somebody else writes it.
    let (_, taken) = server.call(
        "PATCH",
        &format!("{DEPLOYMENTS}/a/status?fieldManager=thief"),
        &json!({"status": {"replicas": 3}}),
    );
    assert_eq!(
        names(&taken)[1..],
        [
            "thief Update apps/v1 status 2026-01-02T03:04:06Z",
            "two Update apps/v1 status 2026-01-02T03:04:06Z"
        ]
    );
    assert_eq!(owners(&taken)[2].1["f:status"].get("f:replicas"), None);
}

#[test]
fn what_the_server_itself_writes_has_no_owner() {
    let server = Server::new();
    let mut body = pod("a");
    body["spec"].as_object_mut().unwrap().remove("nodeName");
    let (_, created) = server.call("POST", PODS, &body);
    let binding = json!({"metadata": {"name": "a"}, "target": {"name": "n"}});
    assert_eq!(
        server
            .call("POST", &format!("{PODS}/a/binding"), &binding)
            .0,
        201
    );
    let (_, bound) = server.get(&format!("{PODS}/a"));
    assert_eq!(bound["spec"]["nodeName"], "n");
    assert_eq!(owners(&bound), owners(&created));
}

#[test]
fn an_empty_list_is_owned_where_none_would_be_null() {
    let server = Server::new();
    let path = "/apis/storage.k8s.io/v1/csinodes";
    for (name, drivers) in [("a", json!([])), ("b", Value::Null)] {
        let owned = !drivers.is_null();
        let body = json!({"metadata": {"name": name}, "spec": {"drivers": drivers}});
        let (_, created) = server.call("POST", path, &body);
        assert_eq!(created["spec"], json!({"drivers": null}));
        let expected = json!({"f:spec": {"f:drivers": {}}});
        let fields = owners(&created).pop().map(|(_, fields)| fields);
        assert_eq!(fields, owned.then_some(expected));
    }
}
