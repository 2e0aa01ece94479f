//! Plugins: components behind `wit/stage.wit`, each call metered, each answer checked before it is more than bytes.
//!
//! ```text
//! Source ──fetch──► bytes ──prepare──► checked, compiled ──load──► Plugin ──session──► Session: decide, play
//! ```
//!
//! A plugin can neither hang (fuel), nor starve (memory, answers and logs are capped), nor crash the host (Wasm), nor learn what it
//! is not given (no imports but a log that returns nothing). What goes wrong is a [`LoadError`] or a [`CallError`], never a panic.

mod bindings;
mod config;
mod convert;
mod embedded;
mod engine;
mod errors;
mod instance;
mod interface_check;
mod limits;
mod load;
mod sampling;
mod session;
mod source;
mod stock;

pub use engine::Engine;
pub use errors::{CallError, EngineError, Identity, LoadError};
pub use instance::{Level, LogLine};
pub use limits::Limits;
pub(crate) use load::cpu_time;
pub use load::{Isolation, LoadReport, Plugin};
pub use session::Session;
pub use source::Source;
pub use stock::stock;
