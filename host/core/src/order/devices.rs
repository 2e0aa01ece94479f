//! Devices and the claims to them (dynamic resource allocation).

use serde_json::Value;

use super::model::{ANY, Model, Once};
use crate::json::At as _;

/// resource `validation.go`, `validateResourceClaimStatusUpdate`: "updates to a populated `status.allocation` are not allowed", and it
/// stays while anybody is in `status.reservedFor`. Once nobody is, the claim may be freed, and allocated anew.
pub(super) static CLAIM: Model = Model {
    name: "resource-claim",
    once: &[Once {
        at: "/status/allocation",
        within_epoch: false,
        unless: Some(is_free),
    }],
    ..ANY
};

/// resource `validation.go`, `validateResourceSliceSpec`: whose devices these are, and where, is immutable. The generation of a pool
/// "may be reset by drivers" (`types.go`), so it is free.
pub(super) static SLICE: Model = Model {
    name: "resource-slice",
    once: &[
        Once::ever("/spec/driver"),
        Once::ever("/spec/pool/name"),
        Once::ever("/spec/nodeName"),
    ],
    ..ANY
};

fn is_free(claim: &Value) -> bool {
    let consumers = claim.at("/status/reservedFor").and_then(Value::as_array);
    consumers.is_none_or(Vec::is_empty)
}
