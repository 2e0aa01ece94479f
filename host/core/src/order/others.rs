//! Kinds without phases of which one or two things never go back.

use super::model::{ANY, Latch, Model};

/// Leases (coordination): `renewTime` and `leaseTransitions`, of which the API server checks only that they make sense.
pub(super) static LEASE: Model = Model {
    name: "lease",
    rising: &["/spec/leaseTransitions"],
    times: &["/spec/renewTime"],
    ..ANY
};

/// certificates `validation.go`: Approved, Denied and Failed may not be removed.
pub(super) static SIGNING_REQUEST: Model = Model {
    name: "certificate-signing-request",
    latches: &[latch("Approved"), latch("Denied"), latch("Failed")],
    clocked: true,
    ..ANY
};

/// A definition that was once established is served from then on.
pub(super) static DEFINITION: Model = Model {
    name: "custom-resource-definition",
    latches: &[latch("Established")],
    clocked: true,
    ..ANY
};

const fn latch(condition: &'static str) -> Latch {
    Latch {
        condition,
        within_epoch: false,
    }
}
