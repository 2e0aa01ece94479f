//! What kinds are: names and subresources, what an object of them must look like, how it is shown.
//!
//! The rest of the server is the same for every kind; what differs from kind to kind is asked here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use stagewright_core::object::Kind;
use stagewright_core::time::Time;

use crate::status::Status;

/// One kind in one version, as discovery has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resource {
    /// The group; empty for the core group.
    pub group: Box<str>,
    /// The version inside the group.
    pub version: Box<str>,
    /// `Pod`.
    pub kind: Box<str>,
    /// `PodList`.
    pub list_kind: Box<str>,
    /// `pods`, as in a path.
    pub plural: Box<str>,
    /// `pod`.
    pub singular: Box<str>,
    /// `po`.
    pub short_names: Vec<Box<str>>,
    /// `all`.
    pub categories: Vec<Box<str>>,
    /// Whether a CustomResourceDefinition made it.
    pub custom: bool,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What may follow the name in a path: `status`, `scale`, `binding`, …
    pub subresources: Vec<Box<str>>,
    /// Where the scale subresource finds its numbers, for kinds with one.
    pub scale: Option<Scale>,
    /// `GROUP/PLURAL`: what all versions of one kind share, under which their objects are stored.
    pub collection: Arc<str>,
    /// The `apiVersion` in which objects are stored. [`convert`] leads to the others and back.
    pub stored_api_version: Box<str>,
    /// Whether PUT creates what is not there.
    pub create_on_update: bool,
    /// Whether PUT works without a resourceVersion.
    pub unconditional_update: bool,
    /// Whether an immediate DELETE answers with the object, and not with a Status.
    pub returns_deleted: bool,
}

/// JSON pointers of the scale subresource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// The wanted number, `/spec/replicas`.
    pub spec: Box<str>,
    /// The observed number, `/status/replicas`.
    pub status: Box<str>,
    /// The label selector, as text or as a LabelSelector object.
    pub selector: Option<Box<str>>,
}

/// What is written.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// A new object. Its metadata is filled already: name, namespace, uid, creationTimestamp.
    Create,
    /// The object itself.
    Update {
        /// As it is stored, in the version of the request.
        old: &'a Value,
    },
    /// `/status`.
    UpdateStatus {
        /// As it is stored, in the version of the request.
        old: &'a Value,
    },
    /// Another subresource that takes the whole object: `ephemeralcontainers`, `resize`, `finalize`, `approval`.
    UpdateSubresource {
        /// Its name.
        name: &'a str,
        /// As it is stored, in the version of the request.
        old: &'a Value,
    },
}

/// What becomes of fields that the kind does not have (`fieldValidation` of a request).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// Dropped silently.
    Ignore,
    /// Dropped, with a `Warning:` header.
    #[default]
    Warn,
    /// 400.
    Strict,
}

/// What admission knows beside the object.
#[derive(Debug, Clone, Copy)]
pub struct AdmitContext {
    /// The server's time.
    pub now: Time,
    /// What becomes of unknown fields.
    pub field_validation: FieldValidation,
}

/// The text of one `Warning:` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub String);

/// Group, version, plural.
type ResourceKey = (Box<str>, Box<str>, Box<str>);

/// All kinds that are served: the built-in ones, and those of CustomResourceDefinitions.
#[derive(Debug, Default)]
pub struct Catalog {
    resources: BTreeMap<ResourceKey, Arc<Resource>>,
}

// === impl Resource ===

impl Resource {
    /// `v1`, `batch/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `pods`, `deployments.apps`: as messages name it.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// The kind as core names it, for merge keys.
    #[must_use]
    pub fn core_kind(&self) -> Kind {
        Kind::new(&self.api_version(), &self.kind)
    }

    /// Whether the path may go on with that name.
    #[must_use]
    pub fn has_subresource(&self, name: &str) -> bool {
        self.subresources.iter().any(|known| &**known == name)
    }
}

// === impl Catalog ===

impl Catalog {
    /// The built-in kinds.
    #[must_use]
    pub fn new() -> Self {
        let mut catalog = Self::default();
        for (group, version, kind, plural, namespaced, subresources) in [
            (
                "",
                "v1",
                "Namespace",
                "namespaces",
                false,
                &["status", "finalize"][..],
            ),
            ("", "v1", "Node", "nodes", false, &["status"]),
            (
                "",
                "v1",
                "Pod",
                "pods",
                true,
                &[
                    "status",
                    "binding",
                    "eviction",
                    "ephemeralcontainers",
                    "resize",
                ],
            ),
            ("", "v1", "Event", "events", true, &[]),
            ("", "v1", "ConfigMap", "configmaps", true, &[]),
            ("coordination.k8s.io", "v1", "Lease", "leases", true, &[]),
            (
                "apiextensions.k8s.io",
                "v1",
                "CustomResourceDefinition",
                "customresourcedefinitions",
                false,
                &["status"],
            ),
        ] {
            let api_version = if group.is_empty() {
                version.to_owned()
            } else {
                format!("{group}/{version}")
            };
            catalog.insert(Resource {
                group: group.into(),
                version: version.into(),
                kind: kind.into(),
                list_kind: format!("{kind}List").into(),
                plural: plural.into(),
                singular: kind.to_lowercase().into(),
                namespaced,
                subresources: subresources.iter().map(|&name| name.into()).collect(),
                collection: format!("{group}/{plural}").into(),
                stored_api_version: api_version.into(),
                create_on_update: kind == "Lease" || kind == "Event",
                unconditional_update: true,
                returns_deleted: kind == "Pod",
                ..Resource::default()
            });
        }
        catalog
    }

    fn insert(&mut self, resource: Resource) {
        let key = (
            resource.group.clone(),
            resource.version.clone(),
            resource.plural.clone(),
        );
        self.resources.insert(key, Arc::new(resource));
    }

    /// The kind at `/apis/GROUP/VERSION/PLURAL`.
    #[must_use]
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.resources
            .get(&(group.into(), version.into(), plural.into()))
            .cloned()
    }

    /// Whether any kind is served in that group and version.
    #[must_use]
    pub fn has_version(&self, group: &str, version: &str) -> bool {
        self.resources()
            .any(|resource| &*resource.group == group && &*resource.version == version)
    }

    /// All of them, by group, version and plural.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// Takes a CustomResourceDefinition in, as it is stored.
    pub fn crd_changed(&mut self, _crd: &Value) {}

    /// Takes a CustomResourceDefinition out.
    pub fn crd_gone(&mut self, _name: &str) {}
}

/// Makes the object what is stored: unknown fields pruned, defaults filled in, what the operation may not write reset (status
/// on create, spec on a status update), the generation counted, everything validated.
///
/// On updates metadata comes as the caller wants it, but for what only the server writes: uid (if none was given),
/// creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds and generation are the old object's.
///
/// # Errors
/// The Status to answer: 422 with causes, or 400 for unknown fields under [`FieldValidation::Strict`].
pub fn admit(
    _resource: &Resource,
    operation: Operation<'_>,
    object: &mut Value,
    _context: &AdmitContext,
) -> Result<Vec<Warning>, Status> {
    match operation {
        Operation::Create => {
            if let Some(map) = object.as_object_mut() {
                map.remove("status");
            }
        }
        Operation::Update { old } => carry(object, old, "status"),
        Operation::UpdateStatus { old } => carry(object, old, "spec"),
        Operation::UpdateSubresource { .. } => {}
    }
    Ok(Vec::new())
}

fn carry(object: &mut Value, old: &Value, field: &str) {
    if let Some(map) = object.as_object_mut() {
        match old.get(field) {
            Some(value) => map.insert(field.to_owned(), value.clone()),
            None => map.remove(field),
        };
    }
}

/// Makes an object of one version of a kind one of another: `apiVersion`, and what their schemas name differently.
pub fn convert(object: &mut Value, api_version: &str) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), json!(api_version));
    }
}

/// The fields that field selectors may name, beside `metadata.name` and `metadata.namespace`, with their values in this object.
#[must_use]
pub fn selectable_fields(resource: &Resource, object: &Value) -> Vec<(Box<str>, Box<str>)> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match &*resource.kind {
        "Pod" => vec![
            ("spec.nodeName".into(), text("/spec/nodeName").into()),
            ("status.phase".into(), text("/status/phase").into()),
        ],
        _ => Vec::new(),
    }
}

/// Whether a field selector may name this field, beside `metadata.name` and `metadata.namespace`.
#[must_use]
pub fn is_selectable(resource: &Resource, field: &str) -> bool {
    selectable_fields(resource, &Value::Null)
        .iter()
        .any(|(name, _)| &**name == field)
}

/// A `meta.k8s.io/v1` Table with a row for each object, without its own metadata: as the printers of the real server have it.
/// `object` of each row is left to the caller.
#[must_use]
pub fn table(_resource: &Resource, objects: &[Value], _now: Time) -> Value {
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| json!({"cells": [object.pointer("/metadata/name")]}))
        .collect();
    json!({"columnDefinitions": [{"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}], "rows": rows})
}

/// What is answered below `/api`, `/apis` and `/openapi`; `None` where there is nothing. `accept` is the header, which asks for
/// the aggregated form.
#[must_use]
pub fn discovery(catalog: &Catalog, path: &str, _accept: &str) -> Option<Discovery> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let (group, version) = match parts.next()? {
        "api" => ("", parts.next()?),
        _ => (parts.next()?, parts.next()?),
    };
    let verbs = json!([
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch"
    ]);
    let mut resources = Vec::new();
    for resource in catalog.resources() {
        if (&*resource.group, &*resource.version) != (group, version) {
            continue;
        }
        let entry = |name: String, verbs: &Value| {
            json!({"name": name, "singularName": resource.singular, "namespaced": resource.namespaced,
                "kind": resource.kind, "verbs": verbs})
        };
        resources.push(entry(resource.plural.to_string(), &verbs));
        for subresource in &resource.subresources {
            let name = format!("{}/{subresource}", resource.plural);
            resources.push(entry(name, &json!(["get", "patch", "update"])));
        }
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources});
    match list {
        Value::Object(document) if !resources.is_empty() => Some(Discovery {
            content_type: "application/json",
            document,
        }),
        _ => None,
    }
}

/// A document of discovery.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovery {
    /// The media type to answer with.
    pub content_type: &'static str,
    /// The document.
    pub document: Map<String, Value>,
}
