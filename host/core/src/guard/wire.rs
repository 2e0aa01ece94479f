//! What is sent: the difference, with the version it was taken from as its precondition.

use serde::Serialize;
use serde_json::{Value, json};

use super::violation::Violation;
use crate::json::Difference;
use crate::object::Snapshot;

/// The longest body. The API server's store takes objects of 1.5 MiB (etcd's limit on a request).
const MAX_BYTES: usize = 1_500_000;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// PATCH.
    Patch {
        /// Which; none: the object itself.
        subresource: Option<String>,
        /// The content type.
        form: WireForm,
        /// With uid and resourceVersion as preconditions.
        body: Vec<u8>,
        /// Whom to impersonate.
        as_user: Option<String>,
    },
    /// POST.
    Create {
        /// The object.
        body: Vec<u8>,
    },
    /// DELETE.
    Delete {
        /// `DeleteOptions`, with uid and resourceVersion as preconditions.
        body: Vec<u8>,
    },
}

/// A patch's content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WireForm {
    /// RFC 7396, `application/merge-patch+json`.
    Merge,
    /// RFC 6902, `application/json-patch+json`.
    Json,
}

/// The patch that makes the difference to that version of that object, and to no other. `None`: no difference.
///
/// The resourceVersion is what holds everywhere: the API server compares it before all else. A custom resource's status ignores
/// the uid.
pub(super) fn patch(
    subject: &Snapshot,
    difference: Difference,
) -> Result<Option<(WireForm, Vec<u8>)>, Violation> {
    let (uid, version) = (subject.uid().as_str(), subject.version().to_string());
    let (form, body) = match difference {
        Difference::None => return Ok(None),
        Difference::Merge(mut body) => {
            if let Some(body) = body.as_object_mut() {
                let metadata = body.entry("metadata").or_insert_with(|| json!({}));
                if let Some(metadata) = metadata.as_object_mut() {
                    metadata.insert("uid".to_owned(), uid.into());
                    metadata.insert("resourceVersion".to_owned(), version.into());
                }
            }
            (WireForm::Merge, body)
        }
        Difference::Json(operations) => {
            let mut body = vec![
                json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}),
                json!({"op": "test", "path": "/metadata/uid", "value": uid}),
            ];
            if let Value::Array(operations) = operations {
                body.extend(operations);
            }
            (WireForm::Json, Value::Array(body))
        }
    };
    Ok(Some((form, bytes(&body)?)))
}

pub(super) fn create(object: &Value) -> Result<Action, Violation> {
    Ok(Action::Create {
        body: bytes(object)?,
    })
}

/// `grace`: in seconds; none: the object's own.
pub(super) fn delete(object: &Snapshot, grace: Option<u32>) -> Result<Action, Violation> {
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": object.uid(), "resourceVersion": object.version().to_string()},
    });
    if let (Some(grace), Some(options)) = (grace, options.as_object_mut()) {
        options.insert("gracePeriodSeconds".to_owned(), grace.into());
    }
    Ok(Action::Delete {
        body: bytes(&options)?,
    })
}

fn bytes(body: &Value) -> Result<Vec<u8>, Violation> {
    let bytes =
        serde_json::to_vec(body).map_err(|error| Violation::InvalidEffect(error.to_string()))?;
    if bytes.len() > MAX_BYTES {
        return Err(Violation::TooLarge {
            bytes: bytes.len(),
            most: MAX_BYTES,
        });
    }
    Ok(bytes)
}
