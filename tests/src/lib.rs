//! What the tests, benches and the demo stand on: a real control plane, the host as a child process, and an observer that trusts neither.

#![allow(
    clippy::disallowed_methods,
    reason = "tests are a cluster's users and its trouble; the rule is about what the host writes"
)]

pub mod boxed;
pub mod capture;
pub mod client;
pub mod controlplane;
pub mod differential;
pub mod environment;
pub mod generated;
pub mod host;
pub mod module;
mod process;
pub mod programs;
pub mod promise;
pub mod proxy;
pub mod recorded;
pub mod relay;
pub mod sample;
pub mod scenario;
pub mod simulator;
pub mod staging;
pub mod terminal;
pub mod watcher;
