//! Writes the Rust bindings of the plugin interface into the SDK, so that building a plugin needs only wit-bindgen's run-time part.
//! `--check` only compares, and fails where the checked-in file differs.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_bindgen_rust::Opts;

/// Below the workspace.
const BINDINGS: &str = "plugins/sdk/src/bindings.rs";
/// Below the workspace.
const INTERFACE: &str = "wit";
/// What a plugin is.
const WORLD: &str = "stage-plugin";

/// The guest's side; `@generated` is what tools that measure or format sources look for.
const HEADER: &str = "\
//! @generated from `wit/stage.wit`: what a guest imports and exports. After a change of the interface:
//! `cargo run -p stagewright-tests --bin generate-bindings`.

#![allow(missing_docs, unsafe_code, unused, rust_2018_idioms, clippy::all, clippy::restriction, reason = \"generated code\")]

";

fn main() -> Result<()> {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => bail!("unknown argument {other}: there is only --check"),
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the crate lies in the workspace")?;
    let generated = generate(&workspace.join(INTERFACE))?;
    let path = workspace.join(BINDINGS);
    if !check {
        return std::fs::write(&path, generated).with_context(|| format!("writing {BINDINGS}"));
    }
    ensure!(
        std::fs::read_to_string(&path)? == generated,
        "{BINDINGS} is not what {INTERFACE} says: run generate-bindings"
    );
    Ok(())
}

/// The text of the bindings, formatted.
fn generate(interface: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(interface)
        .with_context(|| format!("reading {INTERFACE}"))?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    let options = Opts {
        format: true,
        generate_all: true,
        // Authors call the SDK's own macro, which calls this one from their crate.
        pub_export_macro: true,
        export_macro_name: Some("export_component".to_owned()),
        default_bindings_module: Some("stagewright_plugin::bindings".to_owned()),
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, text) = files.iter().next().context("one file of bindings")?;
    Ok(format!("{HEADER}{}", std::str::from_utf8(text)?))
}
