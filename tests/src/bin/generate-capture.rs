//! Runs `stagewright up` on a terminal and writes what its screen shows into the README. A test compares the two in their shape, so
//! that a screen that changes needs a new capture.

use std::path::Path;

use anyhow::{Context as _, Result};
use stagewright_tests::capture;

/// Below the workspace.
const README: &str = "README.md";

fn main() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the crate lies in the workspace")?;
    let path = workspace.join(README);
    let readme = std::fs::read_to_string(&path)?;
    let fresh = capture::replaced(&readme, &capture::take(&[])?)?;
    std::fs::write(&path, fresh).with_context(|| format!("writing {README}"))
}
