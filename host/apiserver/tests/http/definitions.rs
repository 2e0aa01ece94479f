//! CustomResourceDefinitions and their objects.

use serde_json::{Value, json};

use crate::replay;
use crate::support::*;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

#[test]
fn custom_resources_are_those_of_the_real_server() {
    let recorded = replay::read(include_str!("definitions.json"));
    let wrong = replay::differences(&recorded, &replay::DEFINITIONS_OTHERWISE);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn definition(schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

#[test]
fn a_kind_is_served_and_documented_at_once() {
    let server = Server::new();
    let mut watch = server.watch(&format!("{DEFINITIONS}?watch=true"));
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "description": "What it is."}}});
    let (code, answer) = server.call("POST", DEFINITIONS, &definition(&schema));
    assert_eq!(code, 201, "{answer}");
    assert_eq!(
        watch.names(),
        [
            "ADDED widgets.example.com",
            "MODIFIED widgets.example.com",
            "MODIFIED widgets.example.com"
        ]
    );
    let (code, list) = server.get("/apis/example.com/v1/namespaces/default/widgets");
    assert_eq!((code, &list["kind"]), (200, &json!("WidgetList")));
    let (_, document) = server.get("/openapi/v3/apis/example.com/v1");
    let widget = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(widget["properties"]["spec"]["description"], "What it is.");
    assert_eq!(
        widget["x-kubernetes-group-version-kind"],
        json!([{"group": "example.com", "version": "v1", "kind": "Widget"}])
    );
    server.call(
        "DELETE",
        &format!("{DEFINITIONS}/widgets.example.com"),
        &Value::Null,
    );
    assert_eq!(
        server
            .send("GET", "/apis/example.com/v1", "", &Value::Null)
            .status(),
        404
    );
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_told() {
    let server = Server::new();
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object",
        "x-kubernetes-validations": [{"rule": "quantity(self.a).isLessThan(quantity('1'))"}]}}});
    let response = server.send(
        "POST",
        DEFINITIONS,
        "application/json",
        &definition(&schema),
    );
    assert_eq!(response.status(), 201);
    let warnings = replay::warnings(response.headers());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("is not evaluated"), "{warnings:?}");
}

#[test]
fn stored_objects_follow_a_new_schema() {
    let server = Server::new();
    let schema = |more: Value| json!({"type": "object", "properties": {"spec": {"type": "object", "properties": more}}});
    server.call(
        "POST",
        DEFINITIONS,
        &definition(&schema(json!({"a": {"type": "string"}}))),
    );
    let widgets = "/apis/example.com/v1/namespaces/default/widgets";
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": "x"}});
    assert_eq!(server.call("POST", widgets, &widget).0, 201);
    let changed = schema(json!({"b": {"type": "integer", "default": 7}}));
    let patch = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": changed}]);
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let response = server.send("PATCH", &path, "application/json-patch+json", &patch);
    assert_eq!(response.status(), 200);
    let (_, shown) = server.get(&format!("{widgets}/w"));
    assert_eq!(shown["spec"], json!({"b": 7}));
    let (_, list) = server.get(widgets);
    assert_eq!(list["items"][0]["spec"], json!({"b": 7}));
}
