//! Server-side apply. What is expected is read from apiserver, apimachinery and structured-merge-diff.

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::owners::*;
use crate::support::*;

#[test]
fn apply_creates_changes_and_takes_away() {
    let server = Server::new();
    let one = format!("{MAPS}/a");
    let (code, object) = server.apply(&one, "me", &map(json!({"k": "1", "l": "1"})));
    assert_eq!(code, 201);
    assert_eq!(
        owners(&object),
        [(
            "me Apply v1 - 2026-01-02T03:04:05Z".to_owned(),
            json!({"f:data": {"f:k": {}, "f:l": {}}})
        )]
    );
    server.wait(1);
    assert_eq!(
        server.apply(&one, "me", &map(json!({"k": "1", "l": "1"}))),
        (200, object)
    );

    let (code, object) = server.apply(&one, "me", &map(json!({"k": "2"})));
    assert_eq!((code, &object["data"]), (200, &json!({"k": "2"})));
    assert_eq!(names(&object), ["me Apply v1 - 2026-01-02T03:04:06Z"]);

    // Who applies the same owns it too: a new revision, of the same object.
    let (_, shared) = server.apply(&one, "other", &map(json!({"k": "2", "x": "1"})));
    assert_eq!(names(&shared).len(), 2);
    let mut config = map(json!({}));
    config.as_object_mut().unwrap().remove("data");
    let (_, object) = server.apply(&one, "me", &config);
    assert_eq!(object["data"], json!({"k": "2", "x": "1"}));
    assert_eq!(names(&object), ["other Apply v1 - 2026-01-02T03:04:06Z"]);
}

#[test]
fn a_dry_run_of_an_apply_stores_nothing() {
    let server = Server::new();
    let one = format!("{MAPS}/a?dryRun=All");
    let before = server.api.revision();
    let (code, object) = server.apply(&one, "me", &map(json!({"k": "1"})));
    assert_eq!((code, owners(&object).len()), (201, 1));
    server.apply(&format!("{MAPS}/a"), "me", &map(json!({"k": "1"})));
    let (code, object) = server.apply(&one, "me", &map(json!({"k": "2"})));
    assert_eq!((code, &object["data"]["k"]), (200, &json!("2")));
    assert_eq!(server.api.revision(), before + 1);
}

#[test]
fn conflicts_say_who_owns_what() {
    let server = Server::new();
    let one = format!("{DEPLOYMENTS}/a");
    let containers = |image: &str| template(json!([{"name": "c", "image": image}]));
    server.call(
        "POST",
        &format!("{DEPLOYMENTS}?fieldManager=x"),
        &deployment("a", containers("i")),
    );
    let wanted = deployment("a", containers("j"));
    let answer = server.apply(&one, "me", &wanted);
    assert_eq!(reason(&answer), (409, "Conflict"));
    let field = ".spec.template.spec.containers[name=\"c\"].image";
    assert_eq!(
        answer.1["message"],
        format!("Apply failed with 1 conflict: conflict with \"x\" using apps/v1: {field}")
    );
    assert_eq!(
        answer.1["details"],
        json!({"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"x\" using apps/v1", "field": field}]})
    );

    server.call(
        "PATCH",
        &format!("{one}/status?fieldManager=y"),
        &json!({"status": {"replicas": 1}}),
    );
    let mut both = deployment("a", containers("j"));
    both["spec"]["replicas"] = json!(3);
    let answer = server.apply(&one, "me", &both);
    assert_eq!(
        answer.1["message"],
        format!(
            "Apply failed with 2 conflicts: conflicts with \"x\" using apps/v1:\n- .spec.replicas\n- {field}"
        )
    );

    let (code, object) = server.apply(&format!("{one}?force=true"), "me", &wanted);
    assert_eq!(code, 200);
    assert_eq!(
        object["spec"]["template"]["spec"]["containers"][0]["image"],
        "j"
    );
    // The one who lost it may not set it back, and has its other fields still.
    let answer = server.apply(&one, "third", &deployment("a", containers("k")));
    assert_eq!(
        answer.1["details"]["causes"][0]["message"],
        "conflict with \"me\""
    );
    let (_, status) = server.apply(
        &format!("{one}/status"),
        "me",
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 2}}),
    );
    assert_eq!(
        status["details"]["causes"][0]["message"],
        "conflict with \"y\" with subresource \"status\" using apps/v1"
    );
}

#[test]
fn an_apply_is_refused_for_what_is_wrong_with_it() {
    let server = Server::new();
    let one = format!("{MAPS}/a");
    let answer = server.patch(&one, APPLY, &map(json!({})));
    assert_eq!(reason(&answer), (422, "Invalid"));
    assert_eq!(
        answer.1["message"],
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
    );
    let answer = server.patch(
        &format!("{one}?force=true"),
        "application/merge-patch+json",
        &map(json!({})),
    );
    assert_eq!(
        answer.1["details"]["causes"][0]["message"],
        "Forbidden: may not be specified for non-apply patch"
    );
    let answer = server.patch(&one, "application/apply-patch+cbor", &map(json!({})));
    assert_eq!(reason(&answer), (415, "UnsupportedMediaType"));
    assert!(
        answer.1["message"].as_str().unwrap().ends_with(APPLY),
        "{}",
        answer.1
    );

    let mut config = map(json!({"k": "1"}));
    config["metadata"]["name"] = json!("b");
    let mut cases = vec![(
        config.clone(),
        400,
        "the name of the object (b) does not match the name on the URL (a)",
    )];
    config["metadata"] = json!({"name": "a", "namespace": "other"});
    cases.push((
        config.clone(),
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    ));
    config["metadata"] = json!({"name": "a", "managedFields": []});
    cases.push((config.clone(), 400, "metadata.managedFields must be nil"));
    config["metadata"] = json!({});
    cases.push((
        config.clone(),
        400,
        "the name of the object (a based on URL) was undeterminable: name must be provided",
    ));
    config["metadata"] = json!({"name": "a", "uid": "u"});
    cases.push((config.clone(), 409, "Operation cannot be fulfilled on configmaps \"a\": uid mismatch: the provided object specified uid u, and no existing object was found"));
    config["metadata"] = json!({"name": "a"});
    config["extra"] = json!(1);
    cases.push((config.clone(), 500, "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .extra: field not declared in schema"));
    config["kind"] = json!("Secret");
    cases.push((config.clone(), 400, "invalid object type: /v1, Kind=Secret"));
    cases.push((
        json!({"metadata": {"name": "a"}}),
        400,
        "invalid object type: /, Kind=",
    ));
    cases.push((json!([]), 400, "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}"));
    for (config, code, message) in cases {
        let answer = server.apply(&one, "me", &config);
        assert_eq!(
            (answer.0, &answer.1["message"]),
            (code, &json!(message)),
            "{config}"
        );
    }
    let answer = server.apply(
        &format!("{DEPLOYMENTS}/a/status"),
        "me",
        &deployment("a", json!({})),
    );
    assert_eq!(reason(&answer), (404, "NotFound"));

    let (_, object) = server.apply(&one, "me", &map(json!({"k": "1"})));
    let mut stale = map(json!({"k": "2"}));
    stale["metadata"]["resourceVersion"] = json!("x");
    for name in ["a", "new"] {
        stale["metadata"]["name"] = json!(name);
        let answer = server.apply(&format!("{MAPS}/{name}"), "me", &stale);
        assert_eq!(reason(&answer), (500, ""));
    }
    stale["metadata"]["name"] = json!("a");
    stale["metadata"]["resourceVersion"] = json!("1");
    assert_eq!(reason(&server.apply(&one, "me", &stale)), (409, "Conflict"));
    stale["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
    assert_eq!(server.apply(&one, "me", &stale).0, 200);
}

#[test]
fn what_fits_its_type_and_cannot_be_read_is_the_servers_fault() {
    let server = Server::new();
    let words = [
        (
            "Lease",
            "coordination.k8s.io/v1",
            json!({"spec": {"renewTime": "now"}}),
            "parsing time \"now\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"now\" as \"2006\"",
        ),
        (
            "Secret",
            "v1",
            json!({"data": {"k": "?"}}),
            "error decoding from json: illegal base64 data at input byte 0",
        ),
    ];
    for (kind, version, mut config, words) in words {
        config["apiVersion"] = json!(version);
        config["kind"] = json!(kind);
        config["metadata"] = json!({"name": "a"});
        let (root, group) = if version == "v1" {
            ("api", "/")
        } else {
            ("apis", "")
        };
        let plural = kind.to_lowercase() + "s";
        let path = format!("/{root}/{version}/namespaces/default/{plural}/a");
        let answer = server.apply(&path, "me", &config);
        let what = format!("{group}{version}, Kind={kind}");
        let message = format!(
            "failed to convert new object (/a; {what}) to proper version: unable to convert unstructured object to {what}: {words}"
        );
        assert_eq!((answer.0, &answer.1["message"]), (500, &json!(message)));
    }
}

#[test]
fn yaml_is_what_is_applied() {
    let server = Server::new();
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: \"1\"\n";
    let request = Request::builder()
        .method("PATCH")
        .uri(format!("{MAPS}/a?fieldManager=me"))
        .header("content-type", APPLY)
        .body(Full::new(bytes::Bytes::from_static(text.as_bytes())))
        .unwrap();
    let response =
        futures::FutureExt::now_or_never(tower::Service::call(&mut server.api.clone(), request));
    let (code, object) = answer(response.unwrap().unwrap());
    assert_eq!((code, &object["data"]), (201, &json!({"k": "1"})));
}

#[test]
fn keys_that_are_missing_are_their_defaults() {
    let server = Server::new();
    let service = |ports: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": ports, "clusterIP": "None"}});
    let path = "/api/v1/namespaces/default/services/a";
    let (code, object) = server.apply(path, "me", &service(json!([{"port": 80}])));
    assert_eq!(code, 201, "{object}");
    let key = "k:{\"port\":80,\"protocol\":\"TCP\"}";
    assert_eq!(
        owners(&object)[0].1["f:spec"]["f:ports"],
        json!({key: {".": {}, "f:port": {}}})
    );
    assert_eq!(object["spec"]["ports"][0]["protocol"], "TCP");
    let (_, object) = server.apply(
        path,
        "other",
        &service(json!([{"port": 80, "protocol": "UDP", "name": "u"}, {"port": 80, "name": "t"}])),
    );
    assert_eq!(
        object["spec"]["ports"].as_array().map(Vec::len),
        Some(2),
        "{object}"
    );
    let answer = server.apply(
        path,
        "me",
        &service(json!([{"port": 80}, {"port": 80, "protocol": "TCP"}])),
    );
    assert_eq!(
        answer.1["message"],
        "failed to create typed patch object (/a; /v1, Kind=Service): .spec.ports: duplicate entries for key [port=80,protocol=\"TCP\"]"
    );
}

// === custom resources ===

const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

fn define(server: &Server, schema: Value) {
    let definition = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "singular": "widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}],
        },
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (code, answer) = server.call("POST", path, &definition);
    assert_eq!(code, 201, "{answer}");
}

fn widget(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec})
}

#[test]
fn a_definition_says_what_its_lists_are() {
    let server = Server::new();
    define(
        &server,
        json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "list": {"type": "array", "items": {"type": "string"}},
                "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
                    "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "v": {"type": "string"}}}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "size": {"type": "integer", "default": 1},
            }},
            "status": {"type": "object", "properties": {"size": {"type": "integer"}}},
        }}),
    );
    let one = format!("{WIDGETS}/a");
    let (code, object) = server.apply(&one, "me", &widget(json!({
        "set": ["a"], "list": ["x"], "map": [{"id": 1, "v": "a"}], "free": {"any": {"thing": [1]}},
    })));
    assert_eq!(code, 201, "{object}");
    assert_eq!(
        owners(&object)[0].1,
        json!({"f:spec": {"f:set": {"v:\"a\"": {}}, "f:list": {}, "f:map": {"k:{\"id\":1}": {".": {}, "f:id": {}, "f:v": {}}},
            "f:free": {"f:any": {".": {}, "f:thing": {}}}}})
    );
    // The default is nobody's.
    assert_eq!(object["spec"]["size"], 1);
    let (code, object) = server.apply(
        &one,
        "other",
        &widget(json!({"set": ["b"], "map": [{"id": 2}], "size": 1})),
    );
    assert_eq!(code, 200);
    assert_eq!(object["spec"]["set"], json!(["a", "b"]));
    assert_eq!(
        object["spec"]["map"],
        json!([{"id": 1, "v": "a"}, {"id": 2}])
    );
    let answer = server.apply(&one, "other", &widget(json!({"list": ["y"]})));
    assert_eq!(answer.1["details"]["causes"][0]["field"], ".spec.list");
    let (_, object) = server.apply(&one, "me", &widget(json!({})));
    assert_eq!(
        object["spec"],
        json!({"set": ["b"], "map": [{"id": 2}], "size": 1})
    );

    let (_, object) = server.call(
        "PATCH",
        &format!("{one}/status?fieldManager=s"),
        &json!({"metadata": {"labels": {"a": "b"}}, "spec": {"size": 9}, "status": {"size": 2}}),
    );
    assert_eq!(
        owners(&object).last().unwrap(),
        &(
            "s Update example.com/v1 status 2026-01-02T03:04:05Z".to_owned(),
            json!({"f:status": {".": {}, "f:size": {}}})
        )
    );
    let answer = server.apply(&one, "me", &widget(json!({"no": 1})));
    assert_eq!(answer.0, 500);
}

#[test]
fn without_a_schema_maps_are_granular_and_lists_are_not() {
    let server = Server::new();
    define(
        &server,
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
    );
    let one = format!("{WIDGETS}/a");
    let (code, object) = server.apply(
        &one,
        "me",
        &widget(json!({"a": {"b": 1}, "l": [{"name": "x"}]})),
    );
    assert_eq!(code, 201, "{object}");
    assert_eq!(
        owners(&object)[0].1,
        json!({"f:spec": {".": {}, "f:a": {".": {}, "f:b": {}}, "f:l": {}}})
    );
    let answer = server.apply(&one, "other", &widget(json!({"l": [{"name": "y"}]})));
    assert_eq!(reason(&answer), (409, "Conflict"));
}
