//! A Kubernetes API server in memory.
//!
//! Time, uids and sockets are the embedder's: the server reads no clock, draws no random number and opens nothing by itself, so
//! that a simulation replays by its seed.

#![forbid(unsafe_code)]

pub mod kinds;
pub mod status;
