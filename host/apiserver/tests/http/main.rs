//! The server as its clients see it: requests through the service without a socket, and through a port.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod admission;
mod apply;
mod definitions;
mod discovery;
mod explain;
mod objects;
mod owners;
mod replay;
mod scale;
mod scripts;
mod select;
mod serving;
mod support;
mod tables;
mod unenforced;
mod watches;
