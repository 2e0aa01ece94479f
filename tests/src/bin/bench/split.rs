//! Where the time of one step of a pod's life goes, in a process of its own: what is read and cut, what the plugin selects and renders,
//! what the guard compares, and what it takes to send the patch to a server over a socket.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use stagewright::plugin::{Engine, Limits, Plugin, Source};
use stagewright_core::guard::rehearse;
use stagewright_core::interface::{Answer, Effect};
use stagewright_core::json::prune;
use stagewright_core::object::{Kind, Snapshot};
use stagewright_tests::boxed::Boxed;
use stagewright_tests::host::{Version, cpu, shipped_stages};
use stagewright_tests::{sample, scenario};

use crate::table::{Measured, Table};

const POD: &str = "plugin pod";
const STAGES: &str = "kwok's fast stages";

/// How often.
#[derive(Debug, Args)]
pub struct Options {
    /// How often each part is done.
    #[arg(long, default_value_t = 20_000)]
    times: u32,
    /// How many patches are sent.
    #[arg(long, default_value_t = 4_000)]
    patches: u32,
    /// The file of a component to run KWOK's stages with, in the place of the plugin that the host has.
    #[arg(long)]
    component: Option<PathBuf>,
}

/// Measures the plugin `pod` and KWOK's stages.
pub async fn compare(options: &Options) -> Result<Table> {
    let stages = shipped_stages(Version::V08, &["kustomize/stage/pod/fast"]).await?;
    let stages: Vec<Value> = serde_saphyr::from_multiple(&stages)?;
    let engine = Engine::new(Limits::default())?;
    let mut table = Table::new(&[STAGES, POD]);
    for (column, name, settings) in [
        (STAGES, "kwok-stages", json!({ "stages": stages })),
        (POD, "pod", Value::Null),
    ] {
        let source = match &options.component {
            Some(file) if column == STAGES => Source::File(file.clone()),
            _ => Source::Stock(name),
        };
        let plugin = Plugin::load(&engine, &source, &settings)?;
        let mut measured = decided(&plugin, options)?;
        measured.put("5 send, µs", sent(options).await?);
        table.add("a pod to Running", column, measured);
    }
    Ok(table)
}

fn decided(plugin: &Plugin, options: &Options) -> Result<Measured> {
    let mut measured = Measured::default();
    let (kind, declared) = (Kind::new("v1", "Pod"), sample::declared(plugin)?);
    let text = sample::stored()?.to_string();
    let read = || anyhow::Ok(Snapshot::parse(&kind, serde_json::from_str(&text)?)?);
    let cut = |pod: &Snapshot| prune(pod.body(), &declared.reads).text();
    let each = |part: &mut dyn FnMut() -> Result<()>| microseconds(options.times, part);
    measured.put(
        "1 parse, µs",
        each(&mut || {
            ensure!(!cut(&read()?).is_empty());
            Ok(())
        })?,
    );
    let (pod, context) = (read()?, sample::context());
    let (reads, whole) = (cut(&pod), pod.body().to_string());
    let select = || -> Result<String> {
        match plugin.session()?.decide(&reads, &context)? {
            Answer::Stage { stage, .. } => Ok(stage),
            answer => bail!("{answer:?}"),
        }
    };
    measured.put("2 select, µs", each(&mut || select().map(drop))?);
    let stage = select()?;
    let render =
        || -> Result<Vec<Effect>> { Ok(plugin.session()?.play(&stage, &whole, &context)?) };
    measured.put("3 render, µs", each(&mut || render().map(drop))?);
    let effects = render()?;
    let compared = sample::judged(plugin, |pod, rules| {
        each(&mut || {
            ensure!(rehearse(pod, &effects, rules).is_ok_and(|it| it.changes));
            Ok(())
        })
    });
    measured.put("4 difference, µs", compared?);
    Ok(measured)
}

/// What a patch of a pod's status and its answer cost this process.
async fn sent(options: &Options) -> Result<f64> {
    let server = Boxed::start().await?;
    let client = server.client().await?;
    let pod = scenario::create(&client, scenario::pod("default", "one", "node-1")).await?;
    let before = spent()?;
    for number in 0..options.patches {
        let status = json!({"status": {"phase": "Running", "message": format!("number {number}"), "podIP": "10.0.0.1"}});
        scenario::merge(&client, &pod, Some("status"), status).await?;
    }
    Ok(each(spent()? - before, options.patches))
}

/// CPU time of this process, so that the machine's other work does not count.
fn spent() -> Result<Duration> {
    cpu(std::process::id())
}

fn microseconds(times: u32, part: &mut dyn FnMut() -> Result<()>) -> Result<f64> {
    let before = spent()?;
    for _ in 0..times {
        part()?;
    }
    Ok(each(spent()? - before, times))
}

fn each(spent: Duration, times: u32) -> f64 {
    spent.as_secs_f64() * 1e6 / f64::from(times)
}
