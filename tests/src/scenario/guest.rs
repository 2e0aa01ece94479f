//! The plugins under `tests/guests`, built when a test first needs them.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::programs;

/// Builds `tests/guests/NAME` into a component and answers its file, which is named as the plugin is.
///
/// # Errors
/// If it does not build.
pub fn component(name: &str) -> Result<PathBuf> {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    let built = programs::target()?.join("guests");
    let bytes = stagewright_plugin_build::component(&guests.join(name).join("Cargo.toml"), &built)?;
    // Test programs run side by side: a reader sees the old file or the new one, never half of it.
    let file = built.join(format!("{name}.wasm"));
    let unfinished = built.join(format!("{name}.{}", std::process::id()));
    std::fs::write(&unfinished, bytes)?;
    std::fs::rename(&unfinished, &file)?;
    Ok(file)
}
