//! Numbers as Go's `strconv` reads them, and what it says of a text that is none.

use std::num::{IntErrorKind, ParseIntError};

/// Reads a number, by the function of that name.
///
/// # Errors
/// What is wrong with it, in Go's words.
pub(crate) fn signed(function: &str, text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|error| not_parsed(function, text, &error))
}

/// Reads a number without a sign.
///
/// # Errors
/// What is wrong with it, in Go's words.
pub(crate) fn unsigned(text: &str) -> Result<u64, String> {
    // Rust's reader takes a plus.
    let digits = text.strip_prefix('+').map_or(text, |_| "");
    digits
        .parse()
        .map_err(|error| not_parsed("ParseUint", text, &error))
}

fn not_parsed(function: &str, text: &str, error: &ParseIntError) -> String {
    let why = match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    format!("strconv.{function}: parsing {text:?}: {why}")
}
