//! Builds a plugin crate into a component: cargo for wasm32, then wit-component. No tool but the toolchain is needed.
//!
//! The build is cut off from whatever cargo is running it (a build script, a test, clippy): wrappers, flags and profile overrides that
//! are meant for the host would break a guest or rebuild it each time.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

/// The target of guests: no system beneath, so no imports but the interface's.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// The profile of guests, in the workspace's `Cargo.toml`.
pub const PROFILE: &str = "guest";

/// Builds the crate of `manifest` (a `Cargo.toml` with `crate-type = ["cdylib"]`) and returns the component.
///
/// `target_dir` keeps the build between calls; it must not be the one of a cargo that waits for this call.
///
/// # Errors
/// If cargo fails (its own messages are part of the error), or what it built is no component of a known interface.
pub fn component(manifest: &Path, target_dir: &Path) -> Result<Vec<u8>> {
    let manifest = manifest
        .canonicalize()
        .with_context(|| format!("no plugin at {}", manifest.display()))?;
    let module = module(&manifest, target_dir)?;
    let bytes =
        std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|mut encoder| encoder.encode())
        .with_context(|| format!("{} is no plugin: {}", manifest.display(), module.display()))
}

/// The interface as a component: every import and export of `world` with its type, and no code behind it. What a real component is
/// compared with, so that the types are written down once, in the WIT.
///
/// # Errors
/// If the folder of WIT files does not parse or has no such world.
pub fn reference(wit: &Path, world: &str) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(wit)
        .with_context(|| format!("cannot read the interface in {}", wit.display()))?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)?
        .encode()
}

/// Runs cargo; the path of the core module.
fn module(manifest: &Path, target_dir: &Path) -> Result<PathBuf> {
    let mut cargo = cargo(manifest)?;
    cargo.args([
        "build",
        "--locked",
        "--message-format=json-render-diagnostics",
    ]);
    cargo.args(["--profile", PROFILE, "--target", TARGET]);
    cargo
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(target_dir);
    let output = cargo
        .output()
        .with_context(|| format!("cannot run {}", cargo.get_program().display()))?;
    if !output.status.success() {
        bail!("{}", failure(manifest, &output));
    }
    let artifact = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| artifact(line, manifest))
        .next_back();
    artifact.with_context(|| {
        format!(
            "{} builds no Wasm module: it needs crate-type = [\"cdylib\"] under [lib]",
            manifest.display()
        )
    })
}

/// The `.wasm` file that a line of cargo's messages tells of, if it is the crate's own.
fn artifact(line: &[u8], manifest: &Path) -> Option<PathBuf> {
    let message: Value = serde_json::from_slice(line).ok()?;
    if message.get("reason")? != "compiler-artifact"
        || Path::new(message.get("manifest_path")?.as_str()?) != manifest
    {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    let wasm = files
        .iter()
        .filter_map(Value::as_str)
        .find(|file| file.ends_with(".wasm"))?;
    Some(wasm.into())
}

fn failure(manifest: &Path, output: &Output) -> String {
    let messages = String::from_utf8_lossy(&output.stderr);
    let mut text = format!(
        "building the plugin {} failed ({})",
        manifest.display(),
        output.status
    );
    if messages.contains("target may not be installed")
        || messages.contains("can't find crate for `core`")
    {
        text.push_str(&format!(
            "; the Wasm target is missing: rustup target add {TARGET}"
        ));
    }
    format!("{text}\n{messages}")
}

/// The cargo that runs us, or the one on the path, with an environment of its own.
fn cargo(manifest: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if !is_kept(&name) {
            command.env_remove(&name);
        }
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags(manifest)?);
    Ok(command)
}

/// Whether a variable of the outer build may reach the inner one: where things are and how to reach the network, not what to build.
/// `CARGO_MAKEFLAGS` stays, so that both builds share one set of job tokens.
fn is_kept(name: &OsString) -> bool {
    let Some(name) = name.to_str() else {
        return true;
    };
    const KEPT: [&str; 5] = [
        "CARGO_HOME",
        "CARGO_MAKEFLAGS",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
    ];
    const DROPPED: [&str; 9] = [
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC_",
        "TARGET",
        "HOST",
        "OUT_DIR",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
    ];
    if KEPT.iter().any(|kept| name.starts_with(kept)) {
        return true;
    }
    let is_cargo =
        name.starts_with("CARGO") || name.starts_with("DEP_") || name.starts_with("CLIPPY_");
    let is_dropped = DROPPED.iter().any(|dropped| {
        if dropped.ends_with('_') {
            name.starts_with(dropped)
        } else {
            name == *dropped
        }
    });
    !is_cargo && !is_dropped
}

/// Panic messages carry paths of sources. Names in their place make the component the same wherever it is built.
fn flags(manifest: &Path) -> Result<OsString> {
    let mut flags = OsString::new();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let crate_dir = manifest.parent().context("a manifest has a folder")?;
    let workspace = crate_dir
        .ancestors()
        .skip(1)
        .find(|folder| folder.join("Cargo.lock").is_file())
        .unwrap_or(crate_dir);
    for (folder, name) in [(home.as_deref(), "/cargo"), (Some(workspace), "/plugin")] {
        let Some(folder) = folder else { continue };
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(folder);
        flags.push("=");
        flags.push(name);
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_for_the_host_stays_outside() {
        for name in [
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTC_WRAPPER",
            "CARGO_BUILD_TARGET",
            "CARGO_PROFILE_GUEST_LTO",
            "CARGO_MANIFEST_DIR",
            "CARGO_TARGET_DIR",
            "CARGO_PKG_NAME",
            "CLIPPY_ARGS",
            "TARGET",
        ] {
            assert!(!is_kept(&name.into()), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "RUSTUP_TOOLCHAIN",
            "RUSTUP_HOME",
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_MAKEFLAGS",
        ] {
            assert!(is_kept(&name.into()), "{name}");
        }
    }

    #[test]
    fn the_artifact_of_another_crate_is_not_ours() {
        let line = br#"{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","filenames":["/t/a.rlib","/t/a.wasm"]}"#;
        assert_eq!(
            artifact(line, Path::new("/a/Cargo.toml")),
            Some("/t/a.wasm".into())
        );
        assert_eq!(artifact(line, Path::new("/b/Cargo.toml")), None);
        assert_eq!(artifact(b"warning: text", Path::new("/a/Cargo.toml")), None);
    }

    #[test]
    fn the_interface_becomes_a_component() {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let bytes = reference(&wit, "stage-plugin").unwrap();
        assert!(bytes.starts_with(b"\0asm\x0d\0\x01\0"));
        assert!(reference(&wit, "no-such-world").is_err());
    }
}
