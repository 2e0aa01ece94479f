//! The forms of a patch.

use std::sync::Arc;

use serde_json::Value;
use stagewright_core::interface::Form;
use stagewright_core::json::{self, PatchError};

use super::answer::Answer;
use super::write::check_type;
use super::{Call, media, metadata};
use crate::status::Status;

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

impl Call<'_> {
    pub(super) fn patch(&mut self) -> Result<Answer, Status> {
        if self.is_apply() {
            return self.apply();
        }
        let (form, body) = self.read_patch()?;
        self.query.check_write("PatchOptions")?;
        let resource = Arc::clone(&self.target.resource);
        let kind = resource.core_kind();
        // Who owns which field is left aside, unless the patch is about that.
        let whole = mentions(self.body, metadata::MANAGED);
        self.update(None, &mut |before| {
            let old = if whole {
                &before.whole()
            } else {
                &before.object
            };
            let mut new = json::apply(form, &kind, old, &body, None)
                .map_err(|error| refused(&error, form))?;
            check_type(&resource, &mut new)?;
            Ok(new.into())
        })
    }

    /// Whether the patch is a configuration to apply.
    pub(super) fn is_apply(&self) -> bool {
        media::content_type(self.headers) == APPLY
    }

    /// The patch, and its form by the media type.
    pub(super) fn read_patch(&self) -> Result<(Form, Value), Status> {
        let custom = self.target.resource.custom;
        let form = match media::content_type(self.headers) {
            JSON => Form::Json,
            MERGE => Form::Merge,
            STRATEGIC if !custom => Form::Strategic,
            _ if custom => {
                return Err(Status::unsupported_media_type(
                    &[JSON, MERGE, APPLY].join(", "),
                ));
            }
            _ => {
                return Err(Status::unsupported_media_type(
                    &[JSON, MERGE, STRATEGIC, APPLY].join(", "),
                ));
            }
        };
        Ok((form, media::parse(self.body, false, "patch")?))
    }
}

/// Whether the text is somewhere in the body.
fn mentions(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
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
