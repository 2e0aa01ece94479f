//! Lines for the host's log: at most 16 lines and 4 KiB a call. Natively they go to standard error.

use std::fmt::Display;

use crate::bindings::stagewright::stage::log::Level;

/// For whoever looks for a mistake.
pub fn debug(message: impl Display) {
    write(Level::Debug, &message.to_string());
}

/// For whoever runs the plugin.
pub fn info(message: impl Display) {
    write(Level::Info, &message.to_string());
}

/// Something is odd.
pub fn warn(message: impl Display) {
    write(Level::Warn, &message.to_string());
}

/// Something is wrong.
pub fn error(message: impl Display) {
    write(Level::Error, &message.to_string());
}

#[cfg(target_family = "wasm")]
fn write(level: Level, message: &str) {
    crate::bindings::stagewright::stage::log::write(level, message);
}

#[cfg(not(target_family = "wasm"))]
fn write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}
