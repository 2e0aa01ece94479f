//! Field selectors: which fields they may name, and what an object has there.
//!
//! Names are those of `AddFieldLabelConversionFunc` (kubernetes, `pkg/apis/*/*/conversion.go`), values those of each kind's
//! `SelectableFields` (`pkg/registry/*/*/strategy.go`), read from the version that is stored.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::Resource;
use super::custom::path;
use crate::store::Fields;

/// What selectors of a kind may name beside metadata.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Selectable {
    /// As selectors name them, and as they are kept.
    labels: Vec<(Box<str>, Box<str>)>,
    /// What is kept of each object.
    sources: Vec<Source>,
    /// The names of the sources.
    names: Arc<[Box<str>]>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// The first of the JSON pointers that leads to something, and what stands for nothing.
    Pointers(&'static [&'static str], &'static str),
    /// A definition's path.
    Path(Box<str>),
}

/// A label, the pointers to its value, and what stands for nothing.
type Row = (&'static str, &'static [&'static str], &'static str);

/// The kinds with labels of their own, and these. All others have `metadata.name` and `metadata.namespace` alone.
///
/// What is kept of an object is what the kind that it is stored as has, under its first pointer; another kind with other labels
/// points there.
const KINDS: [(&str, &[Row]); 11] = [
    (
        "certificatesigningrequests.certificates.k8s.io",
        &[("spec.signerName", &["/spec/signerName"], "")],
    ),
    (
        "events",
        &[
            ("involvedObject.kind", &["/involvedObject/kind"], ""),
            (
                "involvedObject.namespace",
                &["/involvedObject/namespace"],
                "",
            ),
            ("involvedObject.name", &["/involvedObject/name"], ""),
            ("involvedObject.uid", &["/involvedObject/uid"], ""),
            (
                "involvedObject.apiVersion",
                &["/involvedObject/apiVersion"],
                "",
            ),
            (
                "involvedObject.resourceVersion",
                &["/involvedObject/resourceVersion"],
                "",
            ),
            (
                "involvedObject.fieldPath",
                &["/involvedObject/fieldPath"],
                "",
            ),
            ("reason", &["/reason"], ""),
            ("reportingComponent", &["/reportingComponent"], ""),
            ("source", &["/source/component", "/reportingComponent"], ""),
            ("type", &["/type"], ""),
        ],
    ),
    (
        "events.events.k8s.io",
        &[
            ("reason", &["/reason"], ""),
            ("regarding.kind", &["/involvedObject/kind"], ""),
            ("regarding.namespace", &["/involvedObject/namespace"], ""),
            ("regarding.name", &["/involvedObject/name"], ""),
            ("regarding.uid", &["/involvedObject/uid"], ""),
            ("regarding.apiVersion", &["/involvedObject/apiVersion"], ""),
            (
                "regarding.resourceVersion",
                &["/involvedObject/resourceVersion"],
                "",
            ),
            ("regarding.fieldPath", &["/involvedObject/fieldPath"], ""),
            ("reportingController", &["/reportingComponent"], ""),
            ("type", &["/type"], ""),
        ],
    ),
    (
        "jobs.batch",
        &[("status.successful", &["/status/succeeded"], "0")],
    ),
    ("namespaces", &[("status.phase", &["/status/phase"], "")]),
    (
        "nodes",
        &[("spec.unschedulable", &["/spec/unschedulable"], "false")],
    ),
    (
        "pods",
        &[
            // An old name of the one after it.
            ("spec.host", &["/spec/nodeName"], ""),
            ("spec.nodeName", &["/spec/nodeName"], ""),
            ("spec.restartPolicy", &["/spec/restartPolicy"], ""),
            ("spec.schedulerName", &["/spec/schedulerName"], ""),
            (
                "spec.serviceAccountName",
                &["/spec/serviceAccountName", "/spec/serviceAccount"],
                "",
            ),
            ("spec.hostNetwork", &["/spec/hostNetwork"], "false"),
            ("status.phase", &["/status/phase"], ""),
            (
                "status.podIP",
                &["/status/podIPs/0/ip", "/status/podIP"],
                "",
            ),
            // Selectors may name it, and no pod has a value there.
            ("status.podIPs", &[], ""),
            (
                "status.nominatedNodeName",
                &["/status/nominatedNodeName"],
                "",
            ),
        ],
    ),
    (
        "replicationcontrollers",
        &[("status.replicas", &["/status/replicas"], "0")],
    ),
    (
        "resourceslices.resource.k8s.io",
        &[
            ("spec.nodeName", &["/spec/nodeName"], ""),
            ("spec.driver", &["/spec/driver"], ""),
        ],
    ),
    ("secrets", &[("type", &["/type"], "")]),
    (
        "services",
        &[
            ("spec.clusterIP", &["/spec/clusterIP"], ""),
            ("spec.type", &["/spec/type"], ""),
        ],
    ),
];

fn row(name: &str) -> Option<&'static [Row]> {
    let known = KINDS.iter().find(|(known, _)| *known == name);
    known.map(|(_, rows)| *rows)
}

/// The name of a field as it is kept; `metadata.name` and `metadata.namespace` for those two, which are not.
///
/// # Errors
/// What the real server says of a field that selectors of this kind may not name.
pub fn selected(resource: &Resource, label: &str) -> Result<Box<str>, String> {
    let qualified = resource.qualified();
    let special = resource.custom || row(&qualified).is_some();
    let is_metadata = label == "metadata.name"
        || (label == "metadata.namespace" && (resource.namespaced || !special));
    if is_metadata {
        return Ok(label.into());
    }
    let labels = &resource.selectable.labels;
    if let Some((_, kept)) = labels.iter().find(|(known, _)| **known == *label) {
        return Ok(kept.clone());
    }
    Err(match qualified.as_str() {
        "jobs.batch" => format!("field label {label:?} not supported for Job"),
        "resourceslices.resource.k8s.io" => format!(
            "field label not supported for {}, Kind={}: {label}",
            resource.api_version(),
            resource.kind
        ),
        _ if special => format!("field label not supported: {label}"),
        _ => format!(
            "{label:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        ),
    })
}

/// What is kept of an object of that kind, in the version that is stored.
#[must_use]
pub fn selectable_fields(resource: &Resource, object: &Value) -> Fields {
    let selectable = &resource.selectable;
    let values = selectable.sources.iter().map(|source| source.of(object));
    Fields::new(Arc::clone(&selectable.names), values)
}

// === impl Selectable ===

impl Selectable {
    /// What is selectable of a built-in kind; `collection` is where it is stored.
    pub(super) fn builtin(qualified: &str, collection: &str) -> Self {
        let kept = |row: &Row| -> Box<str> { row.1.first().copied().unwrap_or_default().into() };
        let labels = row(qualified).unwrap_or_default().iter();
        let home = match collection.split_once('/') {
            Some((group, plural)) if !group.is_empty() => format!("{plural}.{group}"),
            _ => collection.trim_start_matches('/').to_owned(),
        };
        let mut names: Vec<Box<str>> = Vec::new();
        let mut sources = Vec::new();
        for row in row(&home).unwrap_or_default() {
            let name = kept(row);
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
                sources.push(Source::Pointers(row.1, row.2));
            }
        }
        Self {
            labels: labels.map(|row| (row.0.into(), kept(row))).collect(),
            sources,
            names: names.into(),
        }
    }

    /// What is selectable of a version of a definition, by its paths; `all` are those of all its versions, since one object is kept
    /// for all.
    pub(super) fn custom<'a>(
        own: impl Iterator<Item = &'a str>,
        all: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut names: Vec<Box<str>> = all.map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        Self {
            labels: own
                .map(|at| (at.trim_start_matches('.').into(), at.into()))
                .collect(),
            sources: names.iter().cloned().map(Source::Path).collect(),
            names: names.into(),
        }
    }

    /// The names under which values are kept.
    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.names
    }
}

// === impl Source ===

impl Source {
    fn of<'a>(&self, object: &'a Value) -> Cow<'a, str> {
        match self {
            Self::Pointers(pointers, nothing) => {
                let mut found = pointers
                    .iter()
                    .filter_map(|pointer| object.pointer(pointer))
                    .map(text);
                let found = found.find(|found| !found.is_empty());
                found.unwrap_or(Cow::Borrowed(nothing))
            }
            Self::Path(at) => path::find(object, at)
                .first()
                .map_or(Cow::Borrowed(""), |value| text(value)),
        }
    }
}

/// A value as selectors are compared with it.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Catalog;

    #[test]
    fn every_label_is_kept_by_the_kind_that_is_stored() {
        let catalog = Catalog::new();
        for (name, rows) in KINDS {
            let resource = catalog
                .resources()
                .find(|resource| resource.qualified() == name)
                .unwrap_or_else(|| panic!("{name} is no kind"));
            for (label, pointers, _) in rows {
                let kept = selected(resource, label).unwrap();
                let names = resource.selectable.names();
                assert!(pointers.is_empty() || names.contains(&kept), "{label}");
            }
        }
    }
}
