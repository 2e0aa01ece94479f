//! What stagewright decides, and nothing of how it is carried out.
//!
//! Everything here is pure and synchronous: no clock, no I/O, no randomness, no logging. Time comes in as [`time::Time`],
//! chance as a hash of what the object says of itself, and what happened goes out as data.

#![forbid(unsafe_code)]

pub mod addresses;
pub mod backoff;
pub mod claims;
pub mod description;
pub mod due;
pub mod guard;
pub mod interface;
pub mod json;
pub mod object;
pub mod order;
pub mod queue;
pub mod relation;
pub mod schedule;
pub mod selector;
pub mod time;
