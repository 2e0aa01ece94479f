//! What is answered before a request has reached any kind.

use super::{Details, Status};

impl Status {
    /// The body is too long.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::failure(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {limit}"),
        )
    }

    /// Nobody may ask so.
    #[must_use]
    pub fn not_allowed(why: impl Into<String>) -> Self {
        Self::failure(403, "Forbidden", why).with_details(Details::default())
    }

    /// Nothing new of a kind whose definition goes.
    #[must_use]
    pub fn terminating() -> Self {
        Self::failure(
            405,
            "MethodNotAllowed",
            "create not allowed while custom resource definition is terminating",
        )
        .with_details(Details::default())
    }

    /// A request that does not come to its end.
    #[must_use]
    pub fn timeout() -> Self {
        Self::failure(
            504,
            "Timeout",
            "Timeout: request did not complete within the allotted timeout",
        )
        .with_details(Details::default())
    }
}
