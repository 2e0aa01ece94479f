//! What is answered below `/api` and `/apis`: which kinds there are.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::openapi::openapi;
use super::{Catalog, Resource, Subresource};

/// The media type of the aggregated form (apiserver, `pkg/endpoints/discovery/aggregated`).
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A document of discovery.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovery {
    /// The media type to answer with.
    pub content_type: &'static str,
    /// The document as JSON.
    pub body: Bytes,
}

/// What is answered below `/api`, `/apis` and `/openapi`; `None` where there is nothing. `accept` is the header, which asks for
/// the aggregated form.
#[must_use]
pub fn discovery(catalog: &Catalog, path: &str, accept: &str) -> Option<Discovery> {
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let (core, others): (Vec<_>, Vec<_>) = catalog
        .groups()
        .into_iter()
        .partition(|(group, _)| group.is_empty());
    let document = match *segments.as_slice() {
        ["api"] if wants_aggregated(accept) => return Some(aggregated(catalog, &core)),
        ["apis"] if wants_aggregated(accept) => return Some(aggregated(catalog, &others)),
        ["api"] => {
            let versions = core.first().map(|(_, versions)| versions);
            json!({"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": []})
        }
        ["apis"] => {
            let groups: Vec<Value> = others
                .iter()
                .map(|(group, versions)| json!(api_group(group, versions)))
                .collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", name] => {
            let (group, versions) = others.iter().find(|(group, _)| *group == name)?;
            let mut document = api_group(group, versions);
            document.insert("kind".to_owned(), json!("APIGroup"));
            document.insert("apiVersion".to_owned(), json!("v1"));
            Value::Object(document)
        }
        ["api", version] => api_resources(catalog, "", version)?,
        ["apis", group, version] if !group.is_empty() => {
            let mut document = api_resources(catalog, group, version)?;
            if let Some(map) = document.as_object_mut() {
                map.insert("apiVersion".to_owned(), json!("v1"));
            }
            document
        }
        ["openapi", "v3", ref path @ ..] => {
            return Some(Discovery {
                content_type: "application/json",
                body: openapi(catalog, path)?,
            });
        }
        _ => return None,
    };
    Some(Discovery {
        content_type: "application/json",
        body: to_bytes(&document),
    })
}

pub(super) fn to_bytes(document: &Value) -> Bytes {
    Bytes::from(document.to_string())
}

/// Whether the first media type that can be answered is the aggregated one.
fn wants_aggregated(accept: &str) -> bool {
    let wanted = |clause: &str| -> Option<bool> {
        let mut parts = clause.split(';').map(str::trim);
        if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
            return None;
        }
        let (mut group, mut version, mut kind) = ("", "", "");
        for part in parts {
            match part.split_once('=') {
                Some(("g", value)) => group = value,
                Some(("v", value)) => version = value,
                Some(("as", value)) => kind = value,
                _ => {}
            }
        }
        match (group, version, kind) {
            (_, _, "") => Some(false),
            ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList") => Some(true),
            _ => None,
        }
    };
    accept.split(',').find_map(wanted).unwrap_or(false)
}

pub(super) fn into_map(document: Value) -> Map<String, Value> {
    match document {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

pub(super) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

fn api_group(group: &str, versions: &[&str]) -> Map<String, Value> {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": api_version(group, version), "version": version}))
        .collect();
    let preferred = versions.first().cloned();
    into_map(json!({"name": group, "versions": versions, "preferredVersion": preferred}))
}

// === one version, the plain form ===

fn api_resources(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let mut entries: Vec<Value> = Vec::new();
    for resource in catalog.in_version(group, version) {
        entries.push(api_resource(resource));
        let served = resource.subresources.iter().filter(|sub| sub.served);
        entries.extend(served.map(|sub| api_subresource(resource, sub)));
    }
    (!entries.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "groupVersion": api_version(group, version),
            "resources": entries,
        })
    })
}

fn api_resource(resource: &Resource) -> Value {
    let mut entry = into_map(json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    }));
    name_more(resource, &mut entry);
    Value::Object(entry)
}

fn api_subresource(resource: &Resource, sub: &Subresource) -> Value {
    let mut entry = into_map(json!({
        "name": format!("{}/{}", resource.plural, sub.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": sub.kind,
        "verbs": sub.verbs,
    }));
    if !sub.version.is_empty() {
        entry.insert("group".to_owned(), json!(sub.group));
        entry.insert("version".to_owned(), json!(sub.version));
    }
    Value::Object(entry)
}

/// Short names and categories, for resources that have any.
fn name_more(resource: &Resource, entry: &mut Map<String, Value>) {
    for (field, names) in [
        ("shortNames", &resource.short_names),
        ("categories", &resource.categories),
    ] {
        if !names.is_empty() {
            entry.insert(field.to_owned(), json!(names));
        }
    }
}

// === everything, the aggregated form ===

fn aggregated(catalog: &Catalog, groups: &[(&str, Vec<&str>)]) -> Discovery {
    let items: Vec<Value> = groups
        .iter()
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<Value> = catalog
                        .in_version(group, version)
                        .map(|resource| discovered(resource))
                        .collect();
                    json!({"version": version, "freshness": "Current", "resources": resources})
                })
                .collect();
            let metadata = if group.is_empty() {
                json!({})
            } else {
                json!({"name": group})
            };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    Discovery {
        content_type: AGGREGATED,
        body: to_bytes(&json!({
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        })),
    }
}

fn discovered(resource: &Resource) -> Value {
    // Built-in kinds leave group and version out, and clients take those of the list.
    let own = if resource.custom {
        (&*resource.group, &*resource.version)
    } else {
        ("", "")
    };
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .filter(|sub| sub.served)
        .map(|sub| {
            let (group, version) = if sub.version.is_empty() {
                own
            } else {
                (&*sub.group, &*sub.version)
            };
            json!({
                "subresource": sub.name,
                "responseKind": kind(group, version, &sub.kind),
                "verbs": sub.verbs,
            })
        })
        .collect();
    let mut entry = into_map(json!({
        "resource": resource.plural,
        "responseKind": kind(own.0, own.1, &resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    }));
    name_more(resource, &mut entry);
    if !subresources.is_empty() {
        entry.insert("subresources".to_owned(), json!(subresources));
    }
    Value::Object(entry)
}
