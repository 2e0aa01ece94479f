//! A Kubernetes API server in memory.
//!
//! Time, uids and sockets are the embedder's: the server reads no clock, draws no random number and opens nothing by itself, so
//! that a simulation replays by its seed. Whoever wants it on a port gives [`serve`](serve::serve) a listener. Answers are those of the real server, down to the words of its errors; what is not
//! served is refused, never half done.

#![forbid(unsafe_code)]

mod body;
pub mod clock;
pub mod durable;
pub mod kinds;
mod managed;
mod rest;
pub mod serve;
mod server;
pub mod status;
pub mod store;
mod watch;

pub use body::Body;
pub use server::{ApiServer, Options};
pub use store::History;
pub use watch::Watch;
