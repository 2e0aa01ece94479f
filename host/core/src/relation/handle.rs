//! What objects and the subjects they are related to have in common.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::description::{By, Relation};
use crate::json::At as _;
use crate::json::Path;
use crate::object::{Kind, Snapshot, Uid};

/// Something that related objects are found by. The number stands for their kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Handle {
    /// Namespace (none for cluster-wide objects) and name.
    Name(usize, Option<Arc<str>>, Arc<str>),
    /// Its own uid.
    Uid(usize, Uid),
    /// The uid of an owner.
    OwnedBy(usize, Uid),
    /// Namespace, label and value.
    Label(usize, Option<Arc<str>>, Arc<str>, Arc<str>),
}

/// Which handles some relation asks of a kind; its objects offer no others, since they cost memory.
#[derive(Debug, Default)]
pub(super) struct Offered {
    pub names: bool,
    pub uids: bool,
    pub owners: bool,
    pub labels: BTreeSet<String>,
}

// === impl Handle ===

impl Handle {
    /// The same for a kind of another number, if its objects offer that.
    pub(super) fn moved(&self, kind: usize, offered: &Offered) -> Option<Self> {
        let (is_offered, moved) = match self.clone() {
            Self::Name(_, namespace, name) => (offered.names, Self::Name(kind, namespace, name)),
            Self::Uid(_, uid) => (offered.uids, Self::Uid(kind, uid)),
            Self::OwnedBy(_, uid) => (offered.owners, Self::OwnedBy(kind, uid)),
            Self::Label(_, namespace, label, value) => (
                offered.labels.contains(&*label),
                Self::Label(kind, namespace, label, value),
            ),
        };
        is_offered.then_some(moved)
    }
}

// === impl Offered ===

impl Offered {
    /// Whether the other is found by all that this is found by.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.names <= other.names
            && self.uids <= other.uids
            && self.owners <= other.owners
            && self.labels.is_subset(&other.labels)
    }
}

/// What a related object can be found by.
pub(super) fn offers(kind: usize, offered: &Offered, object: &Snapshot) -> BTreeSet<Handle> {
    let key = object.key();
    let mut handles = BTreeSet::new();
    if offered.names {
        handles.insert(Handle::Name(
            kind,
            key.namespace.clone(),
            Arc::clone(&key.name),
        ));
    }
    if offered.uids {
        handles.insert(Handle::Uid(kind, object.uid().clone()));
    }
    if offered.owners {
        handles.extend(
            owners(object)
                .filter_map(uid)
                .map(|uid| Handle::OwnedBy(kind, uid)),
        );
    }
    let labels = object.body().at("/metadata/labels");
    for label in &offered.labels {
        if let Some(value) = labels
            .and_then(|labels| labels.get(label))
            .and_then(Value::as_str)
        {
            handles.insert(Handle::Label(
                kind,
                key.namespace.clone(),
                label.as_str().into(),
                value.into(),
            ));
        }
    }
    handles
}

/// What a relation asks for on behalf of a subject. Whether the kind is namespaced is not known here, so both the subject's
/// namespace and none are asked for; no kind has both.
pub(super) fn asks(kind: usize, relation: &Relation, subject: &Snapshot) -> BTreeSet<Handle> {
    match &relation.by {
        By::Name(path) => {
            let names = texts(path, subject).filter(|name| !name.is_empty());
            names
                .flat_map(|name| {
                    in_reach(subject)
                        .map(move |namespace| Handle::Name(kind, namespace, Arc::clone(&name)))
                })
                .collect()
        }
        By::Owner => {
            let owners = owners(subject).filter(|owner| is_of(owner, &relation.kind));
            owners
                .filter_map(uid)
                .map(|uid| Handle::Uid(kind, uid))
                .collect()
        }
        By::Owned => [Handle::OwnedBy(kind, subject.uid().clone())].into(),
        By::Label { label, value } => {
            let label: Arc<str> = label.as_str().into();
            let handle =
                |namespace, value| Handle::Label(kind, namespace, Arc::clone(&label), value);
            let values = texts(value, subject);
            values
                .flat_map(|value| {
                    in_reach(subject).map(move |namespace| (namespace, Arc::clone(&value)))
                })
                .map(|(namespace, value)| handle(namespace, value))
                .collect()
        }
    }
}

/// The subject's namespace, and none; only none for a cluster-wide subject.
fn in_reach(subject: &Snapshot) -> impl Iterator<Item = Option<Arc<str>>> + use<> {
    let namespace = subject.key().namespace.clone();
    namespace.map(Some).into_iter().chain([None])
}

fn texts<'a>(path: &Path, subject: &'a Snapshot) -> impl Iterator<Item = Arc<str>> + use<'a> {
    path.values(subject.body())
        .into_iter()
        .filter_map(Value::as_str)
        .map(Arc::from)
}

fn owners(object: &Snapshot) -> impl Iterator<Item = &Value> {
    object
        .body()
        .at("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn uid(owner: &Value) -> Option<Uid> {
    owner.get("uid")?.as_str().map(Uid::new)
}

/// An owner may be named in another version of its group than the relation's; it is the same object.
fn is_of(owner: &Value, kind: &Kind) -> bool {
    let field = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default();
    let group = field("apiVersion")
        .split_once('/')
        .map_or("", |(group, _)| group);
    group == kind.group() && field("kind") == kind.kind()
}
