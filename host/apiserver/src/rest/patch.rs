//! The forms of a patch.

use std::sync::Arc;

use serde_json::Value;
use stagewright_core::interface::Form;
use stagewright_core::json::{self, PatchError};

use super::answer::Answer;
use super::write::check_type;
use super::{Call, media};
use crate::status::Status;

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: [&str; 2] = [
    "application/apply-patch+yaml",
    "application/apply-patch+cbor",
];

impl Call<'_> {
    pub(super) fn patch(&mut self) -> Result<Answer, Status> {
        let (form, body) = self.read_patch()?;
        self.query.check_write("PatchOptions")?;
        let resource = Arc::clone(&self.target.resource);
        let kind = resource.core_kind();
        self.update(None, &mut |old| {
            let mut new = json::apply(form, &kind, old, &body, None)
                .map_err(|error| refused(&error, form))?;
            check_type(&resource, &mut new)?;
            Ok(new)
        })
    }

    /// The patch, and its form by the media type.
    pub(super) fn read_patch(&self) -> Result<(Form, Value), Status> {
        let custom = self.target.resource.custom;
        let form = match media::content_type(self.headers) {
            JSON => Form::Json,
            MERGE => Form::Merge,
            STRATEGIC if !custom => Form::Strategic,
            given if APPLY.contains(&given) => {
                return Err(Status::unsupported(
                    "server-side apply is not served here: use client-side apply (kubectl apply without --server-side) or another patch",
                ));
            }
            _ if custom => {
                let [apply, ..] = APPLY;
                return Err(Status::unsupported_media_type(
                    &[JSON, MERGE, apply].join(", "),
                ));
            }
            _ => {
                return Err(Status::unsupported_media_type(
                    &[JSON, MERGE, STRATEGIC].join(", "),
                ));
            }
        };
        Ok((form, media::parse(self.body, false, "patch")?))
    }
}

/// The Status for a patch that cannot be applied.
pub(super) fn refused(error: &PatchError, form: Form) -> Status {
    match (error, form) {
        (PatchError::TestFailed { .. }, _) | (PatchError::Invalid { .. }, Form::Json) => {
            Status::unprocessable()
        }
        _ => Status::bad_request(error.to_string()),
    }
}
