//! `/openapi/v3`: the paths of each version with the parameters that clients look for, and the schemas of its kinds, which
//! `kubectl explain` shows.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::discovery::{api_version, into_map, to_bytes};
use super::{Catalog, Resource, admit, custom};

/// Documents that nothing changes, since all their kinds are built in; each is made when it is first asked for.
static WRITTEN: LazyLock<Mutex<BTreeMap<String, Bytes>>> = LazyLock::new(Mutex::default);

/// The document at the path below `/openapi/v3`, which is the index where nothing follows.
pub(super) fn openapi(catalog: &Catalog, path: &[&str]) -> Option<Bytes> {
    match *path {
        [] => Some(to_bytes(&Value::Object(index(catalog)))),
        ["api", version] => version_document(catalog, "", version),
        ["apis", group, version] => version_document(catalog, group, version),
        _ => None,
    }
}

fn root(group: &str, version: &str) -> String {
    let root = if group.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", api_version(group, version))
}

fn index(catalog: &Catalog) -> Map<String, Value> {
    let mut paths = Map::new();
    for (group, versions) in catalog.groups() {
        for version in versions {
            let root = root(group, version);
            let url = json!({"serverRelativeURL": format!("/openapi/v3/{root}")});
            paths.insert(root, url);
        }
    }
    into_map(json!({ "paths": paths }))
}

fn version_document(catalog: &Catalog, group: &str, version: &str) -> Option<Bytes> {
    let mut kinds = catalog.in_version(group, version);
    if kinds.any(|resource| resource.custom) {
        return Some(to_bytes(&written(catalog, group, version)));
    }
    if !catalog.has_version(group, version) {
        return None;
    }
    let mut known = WRITTEN.lock();
    let document = known
        .entry(root(group, version))
        .or_insert_with(|| to_bytes(&written(catalog, group, version)));
    Some(document.clone())
}

fn written(catalog: &Catalog, group: &str, version: &str) -> Value {
    let mut paths = Map::new();
    let kinds = catalog.in_version(group, version);
    let mut schemas = admit::schemas(kinds.map(AsRef::as_ref));
    for resource in catalog.in_version(group, version) {
        if resource.custom {
            schemas.insert(schema_name(resource), custom::documented(resource));
        }
        let scope = if resource.namespaced {
            "namespaces/{namespace}/"
        } else {
            ""
        };
        let collection = format!("/{}/{scope}{}", root(group, version), resource.plural);
        let object = format!("{collection}/{{name}}");
        let operations = [
            (&collection, "get", "list"),
            (&collection, "post", "create"),
            (&collection, "delete", "deletecollection"),
            (&object, "get", "get"),
            (&object, "put", "update"),
            (&object, "patch", "patch"),
            (&object, "delete", "delete"),
        ];
        for (path, method, verb) in operations {
            if resource.verbs.iter().any(|known| &**known == verb) {
                let entry = paths.entry(path.clone()).or_insert_with(|| json!({}));
                if let Some(entry) = entry.as_object_mut() {
                    entry.insert(method.to_owned(), operation(resource, verb));
                }
            }
        }
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36"},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// `com.example.v1.Widget`
fn schema_name(resource: &Resource) -> String {
    let parts: Vec<&str> = resource.group.rsplit('.').collect();
    format!("{}.{}.{}", parts.join("."), resource.version, resource.kind)
}

/// The parameters are those that `rest/query.rs` reads.
fn operation(resource: &Resource, verb: &str) -> Value {
    let names: &[&str] = match verb {
        "create" | "update" | "patch" => &["dryRun", "fieldManager", "fieldValidation"],
        "delete" => &["dryRun", "gracePeriodSeconds", "propagationPolicy"],
        "list" | "deletecollection" => &[
            "continue",
            "fieldSelector",
            "labelSelector",
            "limit",
            "resourceVersion",
        ],
        _ => &[],
    };
    let text = |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let parameters: Vec<Value> = names.iter().map(text).collect();
    json!({
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": verb,
        "x-kubernetes-group-version-kind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
    })
}
