//! Takes the plugin out of the README.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../README.md");
    println!("cargo::rerun-if-changed={}", readme.display());
    let text = fs::read_to_string(readme)?;
    let code = text.split_once("\n```rust\n").map(|(_, rest)| rest);
    let code = code.and_then(|rest| Some(rest.split_once("\n```\n")?.0));
    let code = code.ok_or("the README shows no plugin")?;
    Ok(fs::write(
        Path::new(&env::var("OUT_DIR")?).join("plugin.rs"),
        code,
    )?)
}
