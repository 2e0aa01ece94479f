//! The shell around `stagewright-core`: it watches, asks plugins, commits what the guard admits, and tells what happened.

pub mod admin;
pub mod args;
pub mod client;
pub mod clock;
pub mod commit;
pub mod controller;
pub mod ctl;
pub mod discovery;
pub mod explain;
pub mod host;
pub mod kwok;
pub mod lease;
pub mod loading;
pub mod logging;
pub mod observe;
pub mod orders;
pub mod plugin;
mod reload;
pub mod run;
pub mod tls;
pub mod up;
pub mod watch;
