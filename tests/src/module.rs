//! The Kubernetes module that the tests' control plane is built from, for who generates tables from its documents.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Version and folder of the module.
///
/// # Errors
/// No Go, or the module is not downloaded.
pub fn kubernetes(workspace: &Path) -> Result<(String, PathBuf)> {
    folder(workspace, "k8s.io/kubernetes")
}

/// Version and folder of one of the modules that the control plane is built from.
///
/// # Errors
/// No Go, or the module is not downloaded.
pub fn folder(workspace: &Path, module: &str) -> Result<(String, PathBuf)> {
    let output = Command::new("go")
        .args(["list", "-m", "-f", "{{.Version}} {{.Dir}}", module])
        .current_dir(workspace.join("tests/controlplane"))
        .output()
        .context("running go list")?;
    ensure!(
        output.status.success(),
        "go list: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line = String::from_utf8(output.stdout)?;
    let (version, dir) = line
        .trim()
        .split_once(' ')
        .context("the module is not downloaded: run go mod download")?;
    Ok((version.to_owned(), dir.into()))
}

/// Writes what was generated to a file below the workspace, or with `--check` only compares.
///
/// # Errors
/// An unknown argument; with `--check`, a file that says something else. `program` is who to run then.
pub fn write(workspace: &Path, file: &str, generated: &str, program: &str) -> Result<()> {
    let path = workspace.join(file);
    match std::env::args().nth(1).as_deref() {
        None => std::fs::write(&path, generated).with_context(|| format!("writing {file}")),
        Some("--check") => {
            let there =
                std::fs::read_to_string(&path).with_context(|| format!("reading {file}"))?;
            ensure!(
                there == generated,
                "{file} is not what the Kubernetes module says: run {program}"
            );
            Ok(())
        }
        Some(other) => bail!("unknown argument {other}: there is only --check"),
    }
}
