//! A plugin's file that is replaced while it is asked.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::host::admin;
use stagewright_tests::scenario::{self, SOON, View, phase};

use crate::support::*;

/// The README's trainer has no order and is Active at once; the tests' own is of the same name, has an order, and waits for a dataset.
#[tokio::test]
async fn another_version_of_a_plugin_takes_its_place_and_a_broken_one_does_not() -> Result<()> {
    let components = tokio::task::spawn_blocking(|| {
        anyhow::Ok((
            scenario::component("readme")?,
            scenario::component("trainer")?,
        ))
    });
    let (first, second) = components.await??;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("trainer.wasm");
    replace(&file, &std::fs::read(&first)?)?;
    let plugin = format!("--plugin={}", file.display());
    let arguments = [
        "--nodes=0",
        "--pods=0",
        "--time-scale=20",
        &plugin,
        "--filename=-",
        "--output=json",
    ];
    let kinds = ["Trainer", "Dataset"].map(|kind| scenario::custom_kind(kind).to_string());
    let mut up = Up::start(&arguments, &kinds.join("\n---\n")).await?;
    let summary = up.summary().await?;
    let port = Port::of(&summary)?;
    let client = client(&kubeconfig(&summary)?).await?;
    let create = async |kind: &str, name: &str, spec: Value| {
        let object = json!({"apiVersion": "example.com/v1", "kind": kind, "spec": spec,
            "metadata": {"name": name, "namespace": "default"}});
        scenario::create_when_served(&client, object).await
    };
    create("Trainer", "a", json!({})).await?;
    let trainers = View::open(&client, "example.com/v1/Trainer", Some("default")).await?;
    let reach = async |name: &str, wanted: &str| {
        let reached =
            |known: &scenario::Known| known.get(name).is_some_and(|it| phase(it) == wanted);
        trainers
            .until(&format!("{name} {wanted}"), SOON, reached)
            .await
    };
    reach("a", "Active").await?;

    replace(&file, b"no component")?;
    port.reach("stagewright_plugin_renewals_total", "NotWasm", 1.0)
        .await?;
    create("Trainer", "b", json!({})).await?;
    reach("b", "Active").await?;

    replace(&file, &std::fs::read(&second)?)?;
    port.reach("stagewright_lineup_generation", "", 1.0).await?;
    create("Trainer", "c", json!({"dataset": "digits"})).await?;
    // It is asked about what was there before too, and sees objects that nobody looked at until now.
    reach("a", "Queued").await?;
    reach("c", "Queued").await?;
    let dataset = create("Dataset", "digits", json!({})).await?;
    scenario::merge(
        &client,
        &dataset,
        Some("status"),
        json!({"status": {"ready": true}}),
    )
    .await?;
    reach("c", "Active").await?;

    replace(&file, &std::fs::read(&first)?)?;
    port.reach("stagewright_lineup_generation", "", 2.0).await?;
    create("Trainer", "d", json!({})).await?;
    reach("d", "Active").await?;
    let (_, errors) = up.told().await?;
    for part in [
        "the newer version is refused; the one before decides",
        "not WebAssembly",
        "trainer.wasm",
    ] {
        ensure!(errors.contains(part), "no {part:?} in:\n{errors}");
    }
    Ok(())
}

/// In one step, as whoever replaces a file that is read should.
fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, bytes)?;
    Ok(std::fs::rename(&unfinished, file)?)
}

/// The host's admin port.
struct Port(String);

impl Port {
    fn of(summary: &Value) -> Result<Self> {
        let admin = summary["admin"].as_str().context("the admin port")?;
        let admin = admin.strip_prefix("http://").context("HTTP")?;
        Ok(Self(admin.to_owned()))
    }

    /// Waits until a metric is so high.
    async fn reach(&self, metric: &str, label: &str, count: f64) -> Result<()> {
        let reached = async || {
            // Who is busy may not answer now and then.
            let answer = admin::get(&self.0, "/metrics").await;
            Ok(answer.is_ok_and(|(_, metrics)| admin::sum(&metrics, metric, &[label]) >= count))
        };
        until(&format!("{metric} {label:?} {count}"), reached).await
    }
}
