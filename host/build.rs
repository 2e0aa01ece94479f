//! Builds the stock plugins and compiles them ahead of time, so that the binary holds them and starts without compiling.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

#[path = "src/plugin/config.rs"]
mod config;

/// Each the name of a folder under `plugins/`.
const STOCK: &[&str] = &[
    "node",
    "pod",
    "kwok-stages",
    "network",
    "storage",
    "devices",
];

fn main() -> Result<()> {
    let host =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?);
    let root = host
        .parent()
        .context("the host is a folder of the workspace")?;
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    watch(root);
    let target = env::var("TARGET").context("cargo sets TARGET")?;
    let mut config = config::code();
    // Named, so that code is made for the target's baseline and not for the processor that happens to build.
    config
        .target(&target)
        .map_err(|error| anyhow::anyhow!("no plugin can be compiled for {target}: {error}"))?;
    let engine = wasmtime::Engine::new(&config).map_err(anyhow::Error::msg)?;

    let reference = stagewright_plugin_build::reference(&root.join("wit"), "stage-plugin")?;
    compile(&engine, &reference, &out.join("reference.cwasm"))?;
    let mut table = String::new();
    for name in STOCK {
        let manifest = root.join("plugins").join(name).join("Cargo.toml");
        let component = stagewright_plugin_build::component(&manifest, &out.join("plugins-target"))
            .with_context(|| format!("the stock plugin {name:?} does not build"))?;
        let file = format!("{name}.cwasm");
        compile(&engine, &component, &out.join(&file))?;
        let digest = Sha256::digest(&component)
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        writeln!(
            table,
            "    Stock {{ name: {name:?}, digest: \"sha256:{digest}\", size: {}, code: &Aligned(*include_bytes!({file:?})).0 }},",
            component.len()
        )?;
    }
    let text = format!(
        "const NAMES: &[&str] = &{STOCK:?};\nconst STOCK: &[Stock] = &[\n{table}];\n\
         const REFERENCE: &[u8] = &Aligned(*include_bytes!(\"reference.cwasm\")).0;\n"
    );
    Ok(fs::write(out.join("stock.rs"), text)?)
}

/// Names what the plugins are made of, so that nothing is built when something else changes.
fn watch(root: &Path) {
    let shared = [
        "wit",
        "Cargo.lock",
        "Cargo.toml",
        "host/src/plugin/config.rs",
    ];
    let crates = ["sdk", "go-template"].iter().chain(STOCK);
    let sources =
        crates.flat_map(|name| ["src", "Cargo.toml"].map(|part| format!("plugins/{name}/{part}")));
    for input in shared.map(str::to_owned).into_iter().chain(sources) {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
}

fn compile(engine: &wasmtime::Engine, component: &[u8], file: &Path) -> Result<()> {
    let code = engine
        .precompile_component(component)
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok(fs::write(file, code)?)
}
