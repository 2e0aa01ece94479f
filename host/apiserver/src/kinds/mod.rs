//! What kinds are: names and subresources, what an object of them must look like, how it is shown.
//!
//! The rest of the server is the same for every kind; what differs from kind to kind is asked here.

mod admit;
mod catalog;
mod convert;
pub(crate) mod custom;
mod discovery;
mod member;
mod openapi;
mod select;
mod table;
mod unenforced;
mod version;

use std::sync::Arc;

use serde_json::Value;
use stagewright_core::object::Kind;
use stagewright_core::time::Time;

use self::admit::check_metadata;
use crate::managed::Typed;

pub use self::admit::{ProtobufError, admit, from_protobuf};
pub(crate) use self::admit::{blank, blank_scale, resets, typed_scale, unreadable};
pub use self::catalog::Catalog;
pub use self::convert::convert;
pub use self::custom::Definition;
pub use self::discovery::{Discovery, discovery};
pub use self::select::{Selectable, selectable_fields, selected};
pub use self::table::table;
pub use self::unenforced::UNENFORCED;
pub(crate) use self::unenforced::warning as unenforced;

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
    /// What that says of this version.
    pub definition: Option<Arc<Definition>>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What can be done to its objects: `get`, `list`, `deletecollection`, …
    pub verbs: Vec<Box<str>>,
    /// What may follow the name in a path: `status`, `scale`, `binding`, …
    pub subresources: Vec<Subresource>,
    /// Where the scale subresource finds its numbers, for kinds with one.
    pub scale: Option<Scale>,
    /// `GROUP/PLURAL`: what all versions of one kind share, under which their objects are stored.
    pub collection: Arc<str>,
    /// The `apiVersion` in which objects are stored. [`convert`] leads to the others and back.
    pub stored_api_version: Box<str>,
    /// What field selectors may name.
    pub selectable: Selectable,
    /// Whether PUT creates what is not there.
    pub create_on_update: bool,
    /// Whether PUT works without a resourceVersion.
    pub unconditional_update: bool,
    /// Whether an immediate DELETE answers with the object, and not with a Status.
    pub returns_deleted: bool,
}

/// What may follow an object's name in a path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subresource {
    /// `status`.
    pub name: Box<str>,
    /// The group of the kind that is exchanged there; empty where group and version are the resource's.
    pub group: Box<str>,
    /// The version of that kind, or empty.
    pub version: Box<str>,
    /// The kind that is exchanged there: `Scale`.
    pub kind: Box<str>,
    /// What can be done there.
    pub verbs: Vec<Box<str>>,
    /// Whether it is served. What runs in a kubelet is not: it is known, so that its refusal says why, and not in discovery.
    pub served: bool,
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
    /// Whether that object is a map of labels instead, as in a ReplicationController.
    pub selector_is_labels: bool,
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
    /// Whether a patch has made the object, which is then what is wrong.
    pub is_patch: bool,
}

/// Who wants to see an object as it was written: decoded and with its defaults, before the server changes anything in it.
pub struct Seen<'a> {
    /// The members that it does not look at.
    pub aside: &'a [&'a str],
    /// What it does.
    pub see: &'a mut dyn FnMut(&Value),
}

/// The text of one `Warning:` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub String);

/// What a kind's objects are made of.
pub(crate) fn typed(resource: &Resource) -> Typed<'_> {
    match &resource.definition {
        Some(definition) => definition.typed(),
        None if resource.custom => Typed::deduced(),
        None => admit::typed(resource),
    }
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

    /// Whether that can be done to its objects.
    #[must_use]
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| &**known == verb)
    }

    /// Whether the path may go on with that name.
    #[must_use]
    pub fn has_subresource(&self, name: &str) -> bool {
        self.subresources.iter().any(|known| &*known.name == name)
    }
}

// === impl Operation ===

impl<'a> Operation<'a> {
    /// The object as it is stored, if it is there already.
    #[must_use]
    pub fn old(self) -> Option<&'a Value> {
        match self {
            Self::Create => None,
            Self::Update { old }
            | Self::UpdateStatus { old }
            | Self::UpdateSubresource { old, .. } => Some(old),
        }
    }
}
