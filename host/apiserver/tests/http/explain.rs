//! What `kubectl explain` finds: the walk of kubectl's template (`pkg/explain/v2/templates/plaintext.tmpl`) through the documents.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail loudly"
)]

use serde_json::{Value, json};

use crate::support::*;

/// The document of a version, by the index.
fn document(server: &Server, version: &str) -> Value {
    let (_, index) = server.get("/openapi/v3");
    let url = index["paths"][version]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let (code, document) = server.get(url);
    assert_eq!(code, 200);
    document
}

/// The schema of a resource's kind: the kind of the first of its operations, and the schema that is said to be of that kind.
fn schema_of(document: &Value, collection: &str) -> Value {
    let path = &document["paths"][collection];
    let kind = &path["get"]["x-kubernetes-group-version-kind"];
    assert!(kind.is_object(), "{path}");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let of_kind = |schema: &&Value| {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        kinds.is_some_and(|kinds| kinds.contains(kind))
    };
    let found: Vec<&Value> = schemas.values().filter(of_kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found[0].clone()
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// The schema at the end of the path.
fn walked<'a>(document: &'a Value, schema: &'a Value, path: &[&str]) -> Option<&'a Value> {
    let schema = resolved(document, schema);
    let Some((first, rest)) = path.split_first() else {
        return Some(schema);
    };
    if let Some(member) = schema["properties"].get(first) {
        return walked(document, member, rest);
    }
    for inside in ["items", "additionalProperties"] {
        if schema[inside].is_object() {
            return walked(document, &schema[inside], path);
        }
    }
    let mut all = schema["allOf"].as_array().into_iter().flatten();
    all.find_map(|of| walked(document, of, path))
}

#[test]
fn fields_of_built_in_kinds_are_found() {
    let server = Server::new();
    let core = document(&server, "api/v1");
    let pod = schema_of(&core, "/api/v1/namespaces/{namespace}/pods");
    let port = walked(
        &core,
        &pod,
        &["spec", "containers", "ports", "containerPort"],
    );
    assert_eq!(
        port.unwrap(),
        &json!({"type": "integer", "format": "int32", "default": 0})
    );
    assert!(walked(&core, &pod, &["spec", "containers", "nonsense"]).is_none());
    let limits = walked(&core, &pod, &["spec", "containers", "resources", "limits"]).unwrap();
    assert_eq!(
        limits["additionalProperties"]["$ref"],
        "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"
    );
    let container = &core["components"]["schemas"]["io.k8s.api.core.v1.ContainerPort"];
    assert_eq!(container["required"], json!(["containerPort"]));
    assert_eq!(container["properties"]["protocol"]["default"], "TCP");
    let jobs = document(&server, "apis/batch/v1");
    let job = schema_of(&jobs, "/apis/batch/v1/namespaces/{namespace}/cronjobs");
    let image = [
        "spec",
        "jobTemplate",
        "spec",
        "template",
        "spec",
        "initContainers",
        "image",
    ];
    assert_eq!(walked(&jobs, &job, &image).unwrap()["type"], "string");
}

#[test]
fn metadata_of_custom_resources_is_found() {
    let server = Server::new();
    let definition = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
                "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]},
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (code, answer) = server.call("POST", definitions, &definition);
    assert_eq!(code, 201, "{answer}");
    let widgets = document(&server, "apis/example.com/v1");
    let widget = schema_of(&widgets, "/apis/example.com/v1/widgets");
    assert_eq!(
        walked(&widgets, &widget, &["spec", "size"]).unwrap()["type"],
        "integer"
    );
    let owner = walked(&widgets, &widget, &["metadata", "ownerReferences", "uid"]);
    assert_eq!(owner.unwrap()["type"], "string");
}

#[test]
fn every_reference_leads_to_a_schema_and_every_kind_has_one() {
    let server = Server::new();
    let (_, index) = server.get("/openapi/v3");
    for version in index["paths"].as_object().unwrap().keys() {
        let document = document(&server, version);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = Value::Object(schemas.clone()).to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{version}: {name}");
        }
        let paths = document["paths"].as_object().unwrap();
        let collections = paths.keys().filter(|path| !path.ends_with("{name}"));
        for collection in collections {
            schema_of(&document, collection);
        }
    }
}
