//! What a run of the tests is told by its environment: seeds, how many, how long.

use anyhow::{Context as _, Result};

/// A number, if the variable is set.
///
/// # Errors
/// If it is set to something else.
pub fn number(name: &str) -> Result<Option<u64>> {
    let text = std::env::var(name).ok();
    let number = text.map(|text| {
        let number = text.parse();
        number.with_context(|| format!("{name} is no number: {text:?}"))
    });
    number.transpose()
}
