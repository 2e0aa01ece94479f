//! What the README shows is what the program shows.

use std::path::Path;

use anyhow::{Context as _, Result};
use stagewright_tests::capture;

#[test]
fn the_readme_shows_the_screen_as_it_is_drawn_today() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let readme = workspace.context("a workspace")?.join("README.md");
    let readme = std::fs::read_to_string(readme)?;
    let shown = capture::shape(capture::of_readme(&readme)?);
    let today = capture::shape(&capture::take(&["--nodes=2", "--pods=3"])?);
    assert_eq!(
        shown, today,
        "take it anew: cargo run -p stagewright-tests --bin generate-capture"
    );
    assert!(shown.len() > 10, "{shown:?}");
    Ok(())
}
