//! Why an effect is refused.

use serde::{Serialize, Serializer};

use crate::json::PatchError;
use crate::order::Breach;

/// Why an effect is refused. The whole play goes with it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// It would move the object backward.
    #[error("it would move the object backward: {}", list(.0))]
    Backward(Vec<Breach>),
    /// It would change what the description does not name under `writes`.
    #[error("it would change {path}, which the description does not name under \"writes\"")]
    OutsideWrites {
        /// A pointer.
        path: String,
    },
    /// It would change what the addressed subresource cannot.
    #[error("it would change {}, which {} cannot: {remedy}", or_everything(path), addressed(subresource.as_ref()))]
    OutsideSubresource {
        /// A pointer; empty if there is no such subresource.
        path: String,
        /// Which one; none: the object itself.
        subresource: Option<String>,
        /// What to address instead.
        remedy: &'static str,
    },
    /// It would change what makes the object that object, or what only the server writes.
    #[error("it would change {field}, which only the API server writes")]
    IdentityChanged {
        /// A pointer.
        field: String,
    },
    /// It would change an annotation of the host.
    #[error(
        "it would change the annotation {name:?}, which is the host's: a plugin's own begin with \"stagewright.dev/{plugin}.\""
    )]
    HostAnnotation {
        /// The annotation.
        name: String,
        /// Who wants it.
        plugin: String,
    },
    /// The body cannot be applied to the object.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The effect says nothing that can be done.
    #[error("{0}")]
    InvalidEffect(String),
    /// The effects are not in the order in which a play that is cut short can be repeated whole.
    #[error("effect {effect} comes too late: {rule}")]
    EffectOrder {
        /// Which, from 0.
        effect: usize,
        /// What the order is.
        rule: &'static str,
    },
    /// The description does not name it.
    #[error("{what}, which the description does not name under \"{field}\"")]
    NotDeclared {
        /// What the plugin wants.
        what: String,
        /// Where it would be named.
        field: &'static str,
    },
    /// The other object is not the subject's.
    #[error("{object} {problem}")]
    NotOwned {
        /// The other object.
        object: String,
        /// Whose it is, and what would help.
        problem: &'static str,
    },
    /// The installation does not allow impersonation.
    #[error(
        "it would write as user {user:?}, and impersonation is not allowed here: start the host with it, or drop \"as-user\""
    )]
    ImpersonationRefused {
        /// Whom.
        user: String,
    },
    /// More than the API server stores.
    #[error("the write is {bytes} bytes long, and at most {most} are sent")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// The claim is for something else.
    #[error("{object} is not claimed by this host")]
    NotClaimed {
        /// What was to be written.
        object: String,
    },
    /// The claim is for an object that had the name before.
    #[error("{object} is another object than the one that was claimed")]
    StaleClaim {
        /// What was to be written.
        object: String,
    },
}

// === impl Violation ===

impl Violation {
    /// An effect this version does not know.
    #[must_use]
    pub fn unknown_effect(name: &str) -> Self {
        Self::NotDeclared {
            what: format!("the effect {name:?} is an extension this host does not know"),
            field: "requires",
        }
    }

    /// The word for metrics, Events and `explain`.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Backward(_) => "Backward",
            Self::OutsideWrites { .. } => "OutsideWrites",
            Self::OutsideSubresource { .. } => "OutsideSubresource",
            Self::IdentityChanged { .. } => "IdentityChanged",
            Self::HostAnnotation { .. } => "HostAnnotation",
            Self::Patch(error) => error.category(),
            Self::InvalidEffect(_) => "InvalidPatch",
            Self::EffectOrder { .. } => "EffectOrder",
            Self::NotDeclared { .. } => "NotDeclared",
            Self::NotOwned { .. } => "NotOwned",
            Self::ImpersonationRefused { .. } => "ImpersonationRefused",
            Self::TooLarge { .. } => "TooLarge",
            Self::NotClaimed { .. } => "NotClaimed",
            Self::StaleClaim { .. } => "StaleClaim",
        }
    }
}

/// As text: what a user reads.
impl Serialize for Violation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn list(breaches: &[Breach]) -> String {
    breaches
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

fn addressed(subresource: Option<&String>) -> String {
    subresource.map_or_else(
        || "the object itself".to_owned(),
        |name| format!("subresource {name:?}"),
    )
}

fn or_everything(path: &str) -> &str {
    if path.is_empty() { "the object" } else { path }
}
