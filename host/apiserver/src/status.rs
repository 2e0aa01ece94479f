//! `metav1.Status`: what is answered where there is no object to answer with.
//!
//! Clients look at `reason` and `code`, people at `message`; all three, and the details, are those of the real server
//! (apimachinery, `pkg/api/errors`), since clients and their tests compare them.

mod field;
mod front;
pub(crate) mod number;
mod past;

use serde::Serialize;

use crate::kinds::Resource;

pub use field::{FieldError, FieldErrorSort};

/// The error of an optimistic lock, in the words that clients look for.
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// An answer that is no object. Failures are this crate's error type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct Status {
    kind: &'static str,
    api_version: &'static str,
    metadata: Metadata,
    /// `Success` or `Failure`.
    pub status: &'static str,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// `NotFound`, `Conflict`, …; empty for a success.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'static str,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Details>>,
    /// The HTTP status.
    #[serde(skip_serializing_if = "is_zero")]
    pub code: u16,
}

/// `metav1.ListMeta` of a Status.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Metadata {
    /// A token to go on with a list whose own has expired.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_token: Option<Box<str>>,
}

/// `metav1.StatusDetails`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Its resource (plural), or its kind where the error comes from validation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its uid, in the answer to a deletion.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// What exactly is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// When to try again; 0 if that is not said.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u16,
}

/// `metav1.StatusCause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// `FieldValueInvalid`, …
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'static str,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// `spec.containers[0].name`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if hands a reference"
)]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

// === impl Status ===

impl Status {
    /// A failure of any sort.
    pub(crate) fn failure(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind: "Status",
            api_version: "v1",
            metadata: Metadata::default(),
            status: "Failure",
            message: message.into(),
            reason,
            details: None,
            code,
        }
    }

    /// The answer to a deletion after which there is no object any more.
    #[must_use]
    pub fn deleted(resource: &Resource, name: &str, uid: &str) -> Self {
        let mut status = Self::success();
        status.details = Some(Box::new(Details {
            uid: uid.to_owned(),
            ..about(resource, name)
        }));
        status
    }

    /// Done, and no more to say.
    #[must_use]
    pub fn success() -> Self {
        Self {
            status: "Success",
            ..Self::failure(0, "", "")
        }
    }

    /// Done, and something new is there.
    #[must_use]
    pub fn created() -> Self {
        Self {
            code: 201,
            ..Self::success()
        }
    }

    /// No object of that name.
    #[must_use]
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        Self::failure(
            404,
            "NotFound",
            format!("{} {name:?} not found", resource.qualified()),
        )
        .with_details(about(resource, name))
    }

    /// No resource, verb or subresource at that path.
    #[must_use]
    pub fn no_such_resource() -> Self {
        Self::failure(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
        .with_details(Details::default())
    }

    /// Whether it says [`Status::no_such_resource`].
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        self.code == 404 && self.details.as_deref() == Some(&Details::default())
    }

    /// An object of that name is there.
    #[must_use]
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        Self::failure(
            409,
            "AlreadyExists",
            format!("{} {name:?} already exists", resource.qualified()),
        )
        .with_details(about(resource, name))
    }

    /// All names that were made from `generateName` are taken.
    #[must_use]
    pub fn no_unique_name(resource: &Resource, name: &str) -> Self {
        let mut status = Self::already_exists(resource, name);
        status
            .message
            .push_str(", the server was not able to generate a unique name for the object");
        status.retry_after(1)
    }

    /// The object is another one, or another version, than the writer thinks.
    #[must_use]
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        Self::failure(
            409,
            "Conflict",
            format!(
                "Operation cannot be fulfilled on {} {name:?}: {why}",
                resource.qualified()
            ),
        )
        .with_details(about(resource, name))
    }

    /// A resourceVersion on what is not there yet.
    #[must_use]
    pub fn set_version() -> Self {
        Self::failure(
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        )
    }

    /// A resourceVersion that is no number, and why.
    #[must_use]
    pub fn no_version(why: String) -> Self {
        Self::failure(500, "", why)
    }

    /// A request that is understood, and cannot be carried out on this object. The real server says no more than that.
    #[must_use]
    pub fn unprocessable() -> Self {
        Self::failure(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        )
        .with_details(Details::default())
    }

    /// Not allowed, whoever asks.
    #[must_use]
    pub fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let object = if name.is_empty() {
            resource.qualified()
        } else {
            format!("{} {name:?}", resource.qualified())
        };
        Self::failure(403, "Forbidden", format!("{object} is forbidden: {why}"))
            .with_details(about(resource, name))
    }

    /// Who asks is not known.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized")
    }

    /// The object breaks its kind's rules.
    #[must_use]
    pub fn invalid(resource: &Resource, name: &str, errors: &[FieldError]) -> Self {
        Self::invalid_kind(&resource.group, &resource.kind, name, errors)
    }

    /// As [`Status::invalid`], for what is no resource of its own (`DeleteOptions`).
    #[must_use]
    pub fn invalid_kind(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        let mut message = format!("{qualified} {name:?} is invalid");
        // Equal errors are told once, and several stand in brackets.
        let mut texts: Vec<String> = Vec::new();
        for error in errors {
            let text = format!("{}: {}", error.field, error.body);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        match texts.as_slice() {
            [] => {}
            [one] => message = format!("{message}: {one}"),
            several => message = format!("{message}: [{}]", several.join(", ")),
        }
        Self::failure(422, "Invalid", message).with_details(Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            causes: errors
                .iter()
                .map(|error| Cause {
                    reason: error.sort.reason(),
                    message: error.body.clone(),
                    field: error.field.clone(),
                })
                .collect(),
            ..Details::default()
        })
    }

    /// The request itself makes no sense.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(400, "BadRequest", message)
    }

    /// The verb is not served at that path.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::failure(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
        .with_details(Details::default())
    }

    /// None of the media types in `Accept` is spoken here.
    #[must_use]
    pub fn not_acceptable(accepted: &str) -> Self {
        Self::failure(
            406,
            "NotAcceptable",
            format!("only the following media types are accepted: {accepted}"),
        )
    }

    /// The body's media type is not spoken here.
    #[must_use]
    pub fn unsupported_media_type(accepted: &str) -> Self {
        Self::unsupported(format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        ))
    }

    /// 415 in words of its own.
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::failure(415, "UnsupportedMediaType", message)
    }

    /// Later, perhaps.
    #[must_use]
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u16) -> Self {
        Self::failure(429, "TooManyRequests", message)
            .with_details(Details::default())
            .retry_after(retry_after_seconds)
    }

    /// A defect of the server.
    #[must_use]
    pub fn internal(message: &str) -> Self {
        Self::failure(
            500,
            "InternalError",
            format!("Internal error occurred: {message}"),
        )
        .with_details(Details {
            causes: vec![Cause {
                reason: "",
                message: message.to_owned(),
                field: String::new(),
            }],
            ..Details::default()
        })
    }

    /// What the real server serves and this one does not.
    #[must_use]
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::failure(501, "NotImplemented", message)
    }

    fn with_details(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The same, with one more cause.
    #[must_use]
    pub fn because_of(
        mut self,
        reason: &'static str,
        message: impl Into<String>,
        field: &str,
    ) -> Self {
        self.details.get_or_insert_default().causes.push(Cause {
            reason,
            message: message.into(),
            field: field.to_owned(),
        });
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u16) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = seconds;
        self
    }

    /// The HTTP status; a success without one is 200.
    #[must_use]
    pub fn http_code(&self) -> u16 {
        if self.code == 0 { 200 } else { self.code }
    }
}

fn about(resource: &Resource, name: &str) -> Details {
    Details {
        name: name.to_owned(),
        group: resource.group.to_string(),
        kind: resource.plural.to_string(),
        ..Details::default()
    }
}
