//! What is answered about states that are not there any more, or not yet.

use super::{Cause, Details, Status};

impl Status {
    /// The revision is not kept any more.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::failure(410, "Expired", message)
    }

    /// A list's token has expired; with the new one it goes on, not from the same revision.
    #[must_use]
    pub fn expired_continue(token: String) -> Self {
        let mut status = Self::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
             the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
             Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
             deleted between the time the first chunk was returned and now may show up in the list.",
        );
        status.metadata.continue_token = Some(token.into());
        status
    }

    /// A revision that is not there yet.
    #[must_use]
    pub fn too_large_version(asked: u64, current: u64) -> Self {
        Self::failure(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {asked}, current: {current}"),
        )
        .with_details(Details {
            causes: vec![Cause {
                reason: "ResourceVersionTooLarge",
                message: "Too large resource version".to_owned(),
                field: String::new(),
            }],
            ..Details::default()
        })
    }

    /// What the real server does not take for the client's mistake, though it is one.
    #[must_use]
    pub(crate) fn unexplained(message: impl Into<String>) -> Self {
        Self::failure(500, "", message)
    }
}
