//! The tables of facts about Kubernetes say what the module says that the tests' control plane is built from.

use std::process::Command;

use anyhow::{Result, ensure};

/// Runs a generator, which says itself what differs and who writes it.
fn check(generator: &str) -> Result<()> {
    let output = Command::new(generator).arg("--check").output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{told}");
    Ok(())
}

#[test]
fn kinds() -> Result<()> {
    check(env!("CARGO_BIN_EXE_generate-kinds"))
}

#[test]
fn fields() -> Result<()> {
    check(env!("CARGO_BIN_EXE_generate-fields"))
}

#[test]
fn merge_keys() -> Result<()> {
    check(env!("CARGO_BIN_EXE_generate-merge-keys"))
}

#[test]
fn relations() -> Result<()> {
    check(env!("CARGO_BIN_EXE_generate-relations"))
}
