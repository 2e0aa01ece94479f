//! Pods walked through their lives, natively, each step checked by the rules of the API server and of the kubelet.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod deletion;
mod fast;
mod general;
mod kubelet;
mod observed;
mod probes;
mod recovery;
mod refused;
mod resize;
mod restarts;
mod settings;
mod world;
