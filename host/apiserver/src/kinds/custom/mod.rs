//! Kinds that CustomResourceDefinitions make.

mod admit;
mod check;
mod definition;
mod findings;
mod formats;
mod lifecycle;
mod metadata;
mod parts;
pub(super) mod path;
mod prune;
mod rules;
mod schema;
mod standard;

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use self::findings::{flag, list, text};
use self::rules::Rules;
use super::admit::{OBJECT_META, reference};
use super::{Resource, Scale, Selectable, Subresource};
use crate::managed::{Place, Typed, Types};

pub(crate) use self::admit::admit;
pub(crate) use self::definition::admit as admit_definition;
pub(crate) use self::lifecycle::{CLEANUP, doomed, is_doomed, next_status, released};

/// The kind of definitions.
pub(crate) const DEFINITION: &str = "CustomResourceDefinition";

/// What a CustomResourceDefinition says of one version of its kind.
#[derive(Default)]
pub struct Definition {
    version: Value,
    rules: Rules,
    /// The schema of the version in which objects are stored.
    stored: Value,
    /// Whether older objects may have been stored under another schema.
    revised: bool,
    /// What is said to users of a version that is going.
    warning: Option<String>,
    /// Whether the kind is on its way out: nothing new is made.
    terminating: bool,
    /// What objects are made of, once somebody wrote one.
    types: OnceLock<(Types, Place)>,
}

// === impl Definition ===

impl Definition {
    /// What the objects are made of.
    pub(super) fn typed(&self) -> Typed<'_> {
        let types = || Types::of_schema(self.schema(), false);
        let (types, root) = self.types.get_or_init(types);
        types.typed(*root)
    }

    /// What shall stand in tables.
    #[must_use]
    pub fn columns(&self) -> &[Value] {
        list(&self.version, "additionalPrinterColumns")
    }

    /// The schema; null where there is none.
    #[must_use]
    pub fn schema(&self) -> &Value {
        let schema = self.version.pointer("/schema/openAPIV3Schema");
        schema.unwrap_or(&Value::Null)
    }

    /// Whether objects may have been stored under another schema than this one.
    #[must_use]
    pub fn is_revised(&self) -> bool {
        self.revised
    }

    /// What users of this version are warned of.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Whether the kind is on its way out.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.terminating
    }

    /// An object as it is stored: without what that version's schema does not have, with its defaults. Other versions show the same.
    pub(crate) fn show(&self, object: &mut Value) {
        let schema = &self.stored;
        prune::prune(schema, object);
        prune::drop_nulls(Some(schema), object);
        prune::fill(schema, object);
    }

    fn has_status(&self) -> bool {
        self.version.pointer("/subresources/status").is_some()
    }
}

impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        (&self.version, self.terminating) == (&other.version, other.terminating)
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// The kind in all versions that are served, once its names are accepted. `before` is what was served until now.
pub(super) fn resources(definition: &Value, before: &[Arc<Resource>]) -> Vec<Resource> {
    if !lifecycle::is_true(definition, "Established") {
        return Vec::new();
    }
    let null = Value::Null;
    let spec = definition.get("spec").unwrap_or(&null);
    let names = definition.pointer("/status/acceptedNames").unwrap_or(&null);
    let (group, plural) = (text(spec, "group"), text(names, "plural"));
    let versions = list(spec, "versions");
    let storing = versions.iter().find(|version| flag(version, "storage"));
    let storing = storing.unwrap_or(&null);
    let stored = format!("{group}/{}", text(storing, "name"));
    let strings = |field: &str| -> Vec<Box<str>> {
        let texts = list(names, field).iter();
        texts.filter_map(Value::as_str).map(Into::into).collect()
    };
    let verbs =
        |verbs: &[&str]| -> Vec<Box<str>> { verbs.iter().map(|verb| (*verb).into()).collect() };
    let served = versions.iter().filter(|version| flag(version, "served"));
    served
        .map(|version| Resource {
            group: group.into(),
            version: text(version, "name").into(),
            kind: text(names, "kind").into(),
            list_kind: text(names, "listKind").into(),
            plural: plural.into(),
            singular: text(names, "singular").into(),
            short_names: strings("shortNames"),
            categories: strings("categories"),
            custom: true,
            definition: Some(Arc::new(described(definition, version, storing, before))),
            namespaced: text(spec, "scope") == "Namespaced",
            verbs: verbs(&[
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "create",
                "update",
                "watch",
            ]),
            subresources: subresources(
                version,
                text(names, "kind"),
                &verbs(&["get", "patch", "update"]),
            ),
            scale: scale(version),
            collection: format!("{group}/{plural}").into(),
            stored_api_version: stored.as_str().into(),
            selectable: Selectable::custom(
                selectable(version),
                versions.iter().flat_map(selectable),
            ),
            create_on_update: false,
            unconditional_update: false,
            returns_deleted: false,
        })
        .collect()
}

/// The kind, whose objects may have been stored under another schema.
pub(super) fn revised(mut resource: Resource) -> Resource {
    if let Some(definition) = resource.definition.as_mut().and_then(Arc::get_mut) {
        definition.revised = true;
    }
    resource
}

/// The paths of the fields that selectors may name.
fn selectable(version: &Value) -> impl Iterator<Item = &str> {
    let fields = list(version, "selectableFields").iter();
    fields.map(|field| text(field, "jsonPath"))
}

fn described(
    definition: &Value,
    version: &Value,
    storing: &Value,
    before: &[Arc<Resource>],
) -> Definition {
    let stored = storing.pointer("/schema/openAPIV3Schema").cloned();
    let known = before
        .iter()
        .filter(|resource| *resource.version == *text(version, "name"))
        .find_map(|resource| resource.definition.as_ref());
    let mut new = Definition {
        version: version.clone(),
        rules: Rules::default(),
        stored: stored.unwrap_or_default(),
        revised: false,
        warning: flag(version, "deprecated").then(|| deprecation(definition, version)),
        terminating: lifecycle::is_true(definition, "Terminating"),
        types: OnceLock::new(),
    };
    new.rules = Rules::of(new.schema());
    new.revised = known.is_some_and(|known| known.revised || known.stored != new.stored);
    new
}

fn deprecation(definition: &Value, version: &Value) -> String {
    let own = text(version, "deprecationWarning");
    if !own.is_empty() {
        return own.to_owned();
    }
    let null = Value::Null;
    let spec = definition.get("spec").unwrap_or(&null);
    let kind = definition
        .pointer("/spec/names/kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (group, name) = (text(spec, "group"), text(version, "name"));
    let mut better: Vec<&str> = list(spec, "versions")
        .iter()
        .filter(|other| flag(other, "served") && !flag(other, "deprecated"))
        .map(|other| text(other, "name"))
        .collect();
    better.sort_by(|one, other| super::version::compare(one, other));
    let better = better
        .into_iter()
        .find(|other| super::version::compare(other, name).is_lt());
    let told = format!("{group}/{name} {kind} is deprecated");
    match better {
        Some(other) => format!("{told}; use {group}/{other} {kind}"),
        None => told,
    }
}

fn subresources(version: &Value, kind: &str, verbs: &[Box<str>]) -> Vec<Subresource> {
    let mut all = Vec::new();
    for (name, kind, group, number) in [
        ("status", kind, "", ""),
        ("scale", "Scale", "autoscaling", "v1"),
    ] {
        if version.pointer(&format!("/subresources/{name}")).is_some() {
            all.push(Subresource {
                name: name.into(),
                group: group.into(),
                version: number.into(),
                kind: kind.into(),
                verbs: verbs.to_vec(),
                served: true,
            });
        }
    }
    all
}

fn scale(version: &Value) -> Option<Scale> {
    let scale = version.pointer("/subresources/scale")?;
    let at = |field: &str| path::pointer(text(scale, field)).map(Into::into);
    Some(Scale {
        spec: at("specReplicasPath")?,
        status: at("statusReplicasPath")?,
        selector: scale
            .get("labelSelectorPath")
            .and_then(|_| at("labelSelectorPath")),
        selector_is_labels: false,
    })
}

/// The schema as OpenAPI documents have it, with what all objects have.
pub(super) fn documented(resource: &Resource) -> Value {
    let mut schema = resource
        .definition
        .as_ref()
        .map_or_else(|| json!({}), |definition| definition.schema().clone());
    if let Some(map) = schema.as_object_mut() {
        let properties = map.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            for (name, words) in [
                ("apiVersion", "The group and version of the object's kind."),
                ("kind", "The object's kind."),
            ] {
                properties.insert(
                    name.to_owned(),
                    json!({"type": "string", "description": words}),
                );
            }
            properties.insert("metadata".to_owned(), reference(OBJECT_META));
        }
        map.insert(
            "x-kubernetes-group-version-kind".to_owned(),
            json!([{"group": resource.group, "version": resource.version, "kind": resource.kind}]),
        );
    }
    schema
}
