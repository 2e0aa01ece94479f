//! What an answer that is no success means.

use crate::client::wire::{Answer, Status};

use super::CommitError;

/// What was asked, for the message.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// As in RBAC.
    pub verb: &'static str,
    /// As `kubectl auth can-i` takes it.
    pub resource: String,
    /// For patches: whether it was a JSON patch, whose precondition is a `test`.
    pub form: Option<bool>,
}

/// See the module's text. The answer must not be a success.
pub(super) fn failure(answer: &Answer, sent: &Sent) -> CommitError {
    let code = answer.status.as_u16();
    let status = answer.status_body();
    let message = if status.message.is_empty() {
        answer.status.to_string()
    } else {
        status.message.clone()
    };
    let refused = |message| CommitError::Refused {
        code,
        reason: status.reason.clone(),
        message,
    };
    match code {
        404 if sent.verb != "create" && names_object(&status) => CommitError::Gone,
        404 => refused(format!(
            "{message}; the API server does not serve {} (any more)",
            sent.resource
        )),
        409 if sent.verb == "create" && status.reason == "AlreadyExists" => refused(message),
        409 => CommitError::Stale { message },
        422 if only_uid(&status) || (sent.form == Some(true) && failed_test(&message)) => {
            CommitError::Stale { message }
        }
        401 => refused(format!(
            "{message}; check the credentials with `kubectl auth whoami`"
        )),
        403 if message.contains("exceeded quota") => refused(message),
        403 => refused(format!(
            "{message}; check with `kubectl auth can-i {} {}`",
            sent.verb, sent.resource
        )),
        408 | 425 | 429 | 500.. => CommitError::Transient {
            retry_after: answer.pause(),
            message: format!("{code}: {message}"),
        },
        _ => refused(message),
    }
}

/// A missing object has a name; a path that is not served has none.
fn names_object(status: &Status) -> bool {
    !status.details.name.is_empty()
}

/// The name is another object's now: on the main resource the server calls a foreign uid an invalid change of it.
fn only_uid(status: &Status) -> bool {
    let causes = &status.details.causes;
    !causes.is_empty() && causes.iter().all(|cause| cause.field == "metadata.uid")
}

/// A `test` that failed is 422 too, and told apart by its words alone.
fn failed_test(message: &str) -> bool {
    message.contains("testing")
        && (message.contains("/metadata/resourceVersion") || message.contains("/metadata/uid"))
}
