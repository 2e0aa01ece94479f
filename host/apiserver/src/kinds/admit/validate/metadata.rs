//! `ObjectMeta` (apimachinery, `pkg/api/validation/objectmeta.go`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::look::{at, entries, int, is_true, items, list, text};
use super::Errors;
use super::names::{self, Check};

/// What all annotations may come to, keys and values, in bytes.
const ANNOTATIONS: usize = 256 << 10;

/// Finalizers that need no domain.
const FINALIZERS: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];

/// The rest of a name that begins with this base, for who checks the base alone.
pub(super) fn completed(base: &str) -> String {
    match base.strip_suffix('-') {
        Some(start) if !start.is_empty() => {
            let mut start = start.to_owned();
            start.pop();
            start + "a"
        }
        _ => base.to_owned(),
    }
}

/// A new object's metadata. `by_domain` is whether its kind wants finalizers with a domain.
pub(super) fn created(
    errors: &mut Errors,
    object: &Value,
    namespaced: bool,
    by_domain: bool,
    name: Check,
) {
    let base = text(object, "/metadata/generateName");
    if !base.is_empty() {
        errors.form("metadata.generateName", base, name(&completed(base)));
    }
    let given = text(object, "/metadata/name");
    if given.is_empty() {
        errors.required("metadata.name", "name or generateName is required");
    } else {
        errors.form("metadata.name", given, name(given));
    }
    let namespace = text(object, "/metadata/namespace");
    if namespaced && namespace.is_empty() {
        errors.required("metadata.namespace", "");
    } else if namespaced {
        errors.form("metadata.namespace", namespace, names::label(namespace));
    }
    common(errors, object);
    finalizers(errors, object, by_domain);
}

/// Metadata that was changed, but for its finalizers: see [`finalizers`].
pub(super) fn updated(errors: &mut Errors, object: &Value, old: &Value) {
    if !at(old, "/metadata/deletionTimestamp").is_null() {
        no_new_finalizers(errors, object, old);
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        errors.immutable(object, old, &format!("metadata.{field}"));
    }
    common(errors, object);
}

fn common(errors: &mut Errors, object: &Value) {
    labels(errors, object, "/metadata/labels", "metadata.labels");
    annotations(
        errors,
        object,
        "/metadata/annotations",
        "metadata.annotations",
    );
    owners(errors, object);
}

/// Labels, anywhere.
pub(super) fn labels(errors: &mut Errors, object: &Value, pointer: &str, path: &str) {
    for (key, value) in entries(object, pointer) {
        errors.form(path, key, names::key(key));
        let value = value.as_str().unwrap_or_default();
        errors.form(path, value, names::label_value(value));
    }
}

/// Annotations, anywhere.
pub(super) fn annotations(errors: &mut Errors, object: &Value, pointer: &str, path: &str) {
    let mut size = 0;
    for (key, value) in entries(object, pointer) {
        errors.form(path, key, names::key(&key.to_lowercase()));
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > ANNOTATIONS {
        errors.too_long(path, ANNOTATIONS);
    }
}

fn owners(errors: &mut Errors, object: &Value) {
    const PATH: &str = "metadata.ownerReferences";
    let mut controller: Option<String> = None;
    for owner in list(object, "/metadata/ownerReferences") {
        let part = |field: &str| text(owner, &format!("/{field}"));
        // `FromAPIVersionAndKind` finds no version where there is more than one slash.
        let version = part("apiVersion");
        if version.is_empty() || version.matches('/').count() > 1 {
            errors.invalid(
                &format!("{PATH}.apiVersion"),
                version,
                "version must not be empty",
            );
        }
        for field in ["kind", "name", "uid"] {
            if part(field).is_empty() {
                errors.invalid(&format!("{PATH}.{field}"), "", "must not be empty");
            }
        }
        if (version, part("kind")) == ("v1", "Event") {
            let words = "/v1, Kind=Event is disallowed from being an owner";
            errors.invalid(PATH, owner.clone(), words);
        }
        if is_true(owner, "/controller") {
            let name = format!("{}/{}", part("kind"), part("name"));
            match &controller {
                Some(first) => errors.invalid(
                    PATH,
                    at(object, "/metadata/ownerReferences").clone(),
                    &format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                    ),
                ),
                None => controller = Some(name),
            }
        }
    }
}

/// A finalizer has a domain, if it is none of Kubernetes' own.
pub(super) fn needs_domain(errors: &mut Errors, finalizer: &str, path: &str) {
    if !finalizer.contains('/') && !FINALIZERS.contains(&finalizer) {
        let words = "name is neither a standard finalizer name nor is it fully qualified";
        errors.invalid(path, finalizer, words);
    }
}

/// The finalizers of an object itself; at `/status` and the like they are not read again.
pub(super) fn finalizers(errors: &mut Errors, object: &Value, by_domain: bool) {
    const PATH: &str = "metadata.finalizers";
    let all = list(object, "/metadata/finalizers");
    for finalizer in all.iter().filter_map(Value::as_str) {
        errors.form(PATH, finalizer, names::key(finalizer));
    }
    if by_domain {
        for (path, finalizer) in items(object, "/metadata/finalizers", PATH) {
            needs_domain(errors, finalizer.as_str().unwrap_or_default(), &path);
        }
    }
    if ["orphan", "foregroundDeletion"]
        .iter()
        .all(|name| all.contains(&json!(name)))
    {
        let words = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.invalid(PATH, at(object, "/metadata/finalizers").clone(), words);
    }
}

fn no_new_finalizers(errors: &mut Errors, object: &Value, old: &Value) {
    let before = list(old, "/metadata/finalizers");
    let new = list(object, "/metadata/finalizers").iter();
    let new: BTreeSet<&str> = new
        .filter(|finalizer| !before.contains(finalizer))
        .filter_map(Value::as_str)
        .collect();
    if !new.is_empty() {
        let names: Vec<String> = new.iter().map(|name| format!("{name:?}")).collect();
        errors.forbidden(
            "metadata.finalizers",
            &format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                names.join(", ")
            ),
        );
    }
}

/// A selector of labels, and whether it selects these labels. Both are where a kind that makes pods has them.
pub(super) fn selector(errors: &mut Errors, selector: &Value, path: &str) {
    labels(
        errors,
        selector,
        "/matchLabels",
        &format!("{path}.matchLabels"),
    );
    let path = format!("{path}.matchExpressions");
    for (path, wanted) in items(selector, "/matchExpressions", &path) {
        requirement(errors, wanted, &path, Labels::Any);
    }
}

/// Whose labels a requirement is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Labels {
    /// Of what a selector selects.
    Any,
    /// Of nodes, which can be compared as numbers too.
    Nodes,
    /// Of nodes that would be better than others; their values may be anything.
    BetterNodes,
}

/// What labels must be.
pub(super) fn requirement(errors: &mut Errors, requirement: &Value, path: &str, of: Labels) {
    let values = list(requirement, "/values");
    let place = format!("{path}.values");
    match text(requirement, "/operator") {
        "In" | "NotIn" if values.is_empty() => errors.required(
            &place,
            "must be specified when `operator` is 'In' or 'NotIn'",
        ),
        "Exists" | "DoesNotExist" if !values.is_empty() => errors.forbidden(
            &place,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        "Gt" | "Lt" if of != Labels::Any => {
            if values.len() != 1 {
                let words = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                errors.required(&place, words);
            }
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.invalid(
            &format!("{path}.operator"),
            other,
            "not a valid selector operator",
        ),
    }
    let key = text(requirement, "/key");
    errors.form(&format!("{path}.key"), key, names::key(key));
    for (index, value) in values.iter().enumerate() {
        let value = value.as_str().unwrap_or_default();
        if of != Labels::BetterNodes {
            errors.form(
                &format!("{place}[{index}]"),
                value,
                names::label_value(value),
            );
        }
    }
}

/// A number that is there is not below zero. The path is its object's, empty for the root.
pub(super) fn not_below_zero(errors: &mut Errors, object: &Value, field: &str, path: &str) {
    let number = int(object, &format!("/{field}"));
    if let Some(number) = number.filter(|number| *number < 0) {
        let words = "must be greater than or equal to 0";
        let path = match path {
            "" => field.to_owned(),
            path => format!("{path}.{field}"),
        };
        errors.invalid(&path, number, words);
    }
}
