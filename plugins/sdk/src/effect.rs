//! What a stage does.

use serde::Serialize;

use crate::Json;
use crate::bindings::exports::stagewright::stage::plugin as wit;

/// What a write carries: whatever serde writes as JSON, or text that is JSON already ([`Json`]).
pub trait Body {
    /// The text. An error is told when the play is answered, so that builders need no `?`.
    ///
    /// # Errors
    /// If serde cannot write it.
    fn into_text(self) -> Result<String, String>;
}

/// One thing that a play does. Effects are done in their order, each on the object as the one before left it.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Change the object.
    Patch(Patch),
    /// Create another object, or merge into it if it exists.
    Apply(Apply),
    /// Delete an object that the subject owns.
    Remove(Reference),
    /// Report on the object; sent after the last write, best effort.
    Event(Event),
    /// Delete the object. Grace period in seconds; none: the object's own.
    Delete(Option<u32>),
    /// An ability that the description's `requires` names.
    Extension {
        /// Its name.
        name: String,
        /// JSON.
        body: String,
    },
}

/// A change of the object. [`Patch::status`] is the usual one.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    pub(crate) form: wit::Form,
    pub(crate) subresource: Option<String>,
    pub(crate) body: Result<String, String>,
    pub(crate) as_user: Option<String>,
}

/// Another object, of a kind that the description applies. Whole, with a name that the subject fixes, so that a repeated play finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Apply {
    pub(crate) object: Result<String, String>,
    pub(crate) subresource: Option<String>,
    pub(crate) owned: bool,
}

/// Where another object is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `v1`, `batch/v1`.
    pub api_version: String,
    /// `Pod`.
    pub kind: String,
    /// None: the subject's, or none for a cluster-wide kind.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// A Kubernetes Event on the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub(crate) warning: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

// === impl Patch ===

impl Patch {
    /// Merges into the object's status, on its subresource.
    pub fn status(status: impl Serialize) -> Self {
        #[derive(Serialize)]
        struct Outer<S> {
            status: S,
        }
        Self::merge(Outer { status }).on("status")
    }

    /// A merge patch (RFC 7396): what is not named stays, null removes, lists are replaced whole.
    pub fn merge(body: impl Body) -> Self {
        Self::of(wit::Form::Merge, body)
    }

    /// A JSON patch (RFC 6902).
    pub fn json(operations: impl Body) -> Self {
        Self::of(wit::Form::Json, operations)
    }

    /// Kubernetes' strategic merge: lists merge by their keys. Not for custom resources.
    pub fn strategic(body: impl Body) -> Self {
        Self::of(wit::Form::Strategic, body)
    }

    /// The whole object, or with [`Patch::on`] the whole subresource, as it shall be.
    pub fn replace(body: impl Body) -> Self {
        Self::of(wit::Form::Replace, body)
    }

    /// Addresses a subresource: `status`, `scale`, …
    #[must_use]
    pub fn on(mut self, subresource: impl Into<String>) -> Self {
        self.subresource = Some(subresource.into());
        self
    }

    /// Impersonates a user; refused unless the installation allows it.
    #[must_use]
    pub fn as_user(mut self, user: impl Into<String>) -> Self {
        self.as_user = Some(user.into());
        self
    }

    fn of(form: wit::Form, body: impl Body) -> Self {
        Self {
            form,
            subresource: None,
            body: body.into_text(),
            as_user: None,
        }
    }
}

// === impl Body ===

impl<T: Serialize> Body for T {
    fn into_text(self) -> Result<String, String> {
        serde_json::to_string(&self).map_err(|error| error.to_string())
    }
}

impl Body for Json {
    fn into_text(self) -> Result<String, String> {
        Ok(self.into_text())
    }
}

// === impl Apply ===

impl Apply {
    /// An object that the subject will own: it goes when the subject goes.
    pub fn owned(object: impl Body) -> Self {
        Self {
            object: object.into_text(),
            subresource: None,
            owned: true,
        }
    }

    /// An object that stands for itself.
    pub fn free(object: impl Body) -> Self {
        Self {
            owned: false,
            ..Self::owned(object)
        }
    }

    /// Addresses a subresource: `status`.
    #[must_use]
    pub fn on(mut self, subresource: impl Into<String>) -> Self {
        self.subresource = Some(subresource.into());
        self
    }
}

// === impl Event ===

impl Event {
    /// Information. The reason is one `PascalCase` word.
    pub fn normal(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            warning: false,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// Something a user may want to act on.
    pub fn warning(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::normal(reason, message)
        }
    }
}

// === impl Effect ===

impl Effect {
    /// Delete the object, with this grace period in seconds.
    #[must_use]
    pub fn delete(grace: u32) -> Self {
        Self::Delete(Some(grace))
    }
}

impl From<Patch> for Effect {
    fn from(patch: Patch) -> Self {
        Self::Patch(patch)
    }
}

impl From<Apply> for Effect {
    fn from(apply: Apply) -> Self {
        Self::Apply(apply)
    }
}

impl From<Reference> for Effect {
    fn from(reference: Reference) -> Self {
        Self::Remove(reference)
    }
}

impl From<Event> for Effect {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}
