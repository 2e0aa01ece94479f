//! The README's plugin: as short as it says, and a plugin.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use stagewright_tests::scenario::{self, SOON, View, phase, text};

use crate::support::*;

#[test]
fn the_readmes_plugin_is_as_short_as_its_heading_says() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let readme = std::fs::read_to_string(workspace.context("a workspace")?.join("README.md"))?;
    let (_, rest) = readme
        .split_once("\n## A plugin in ")
        .context("a heading")?;
    let (promised, rest) = rest.split_once(" lines\n\n```rust\n").context("a number")?;
    let (code, _) = rest.split_once("\n```\n").context("an end")?;
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    let promised: usize = promised.parse()?;
    assert!(lines <= promised && promised <= 20, "it has {lines} lines");
    Ok(())
}

#[tokio::test]
async fn the_readmes_plugin_starts_a_trainer() -> Result<()> {
    let built = tokio::task::spawn_blocking(|| scenario::component("readme"));
    let plugin = format!("--plugin={}", built.await??.display());
    let arguments = [
        "--nodes=0",
        "--pods=0",
        "--time-scale=20",
        &plugin,
        "--output=json",
    ];
    let mut up = Up::start(&arguments, "").await?;
    let client = client(&kubeconfig(&up.summary().await?)?).await?;
    scenario::create(&client, scenario::custom_kind("Trainer")).await?;
    let trainer = json!({"apiVersion": "example.com/v1", "kind": "Trainer", "metadata": {"name": "a", "namespace": "default"}});
    let created = scenario::create_when_served(&client, trainer).await?;
    assert_eq!(phase(&created), "");
    let trainers = View::open(&client, "example.com/v1/Trainer", Some("default")).await?;
    trainers
        .until("an Active trainer", SOON, |known| {
            known.get("a").is_some_and(|trainer| {
                phase(trainer) == "Active" && !text(trainer, "/status/startTime").is_empty()
            })
        })
        .await?;
    up.stop().await?;
    Ok(())
}
