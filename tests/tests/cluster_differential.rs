//! The differential test: scripts of requests from seeds, answered by a real kube-apiserver and by the server in the box.
//!
//! `STAGEWRIGHT_SEED=n` plays one script again and looks for the shortest that still differs; `STAGEWRIGHT_SEEDS=n` plays so many;
//! `STAGEWRIGHT_RECORD=1` writes those that the plain tests replay.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};
use stagewright_tests::controlplane::{ControlPlane, Options};
use stagewright_tests::differential::{self, Comparison, kinds, script};
use stagewright_tests::environment::number;
use stagewright_tests::recorded::{self, replay};

/// Scripts that a usual run plays.
const SEEDS: u64 = 60;
/// Of them, those whose answers the plain tests replay.
const RECORDED: u64 = 12;
/// Below the folder of recordings.
const RECORDING: &str = "scripts.json";
/// So many differences are looked into; more of them would only say the same.
const SHRUNK: usize = 8;

fn main() {
    let run = || {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(differential()).map_err(Into::into)
    };
    let trial = Trial::test("scripts_are_answered_as_by_the_real_server", run);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

async fn differential() -> Result<()> {
    let seeds = match number("STAGEWRIGHT_SEED")? {
        Some(seed) => seed..seed + 1,
        None => 0..number("STAGEWRIGHT_SEEDS")?.unwrap_or(SEEDS),
    };
    let mut options = Options::api_only();
    // What these put into objects only controllers take out again.
    options.api_server_arguments.push(
        "--disable-admission-plugins=StorageObjectInUseProtection,TaintNodesByCondition".to_owned(),
    );
    // What is forgotten is so when a script says. With 0 nobody would tell the server's caches of that.
    options
        .api_server_arguments
        .push("--etcd-compaction-interval=24h".to_owned());
    let plane = ControlPlane::start(options).await?;
    let prelude = recorded::answers(&plane, &replay::prelude()).await?;
    let kinds = kinds()?;
    let mut recording = prelude.clone();
    let mut sums: BTreeMap<u16, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for seed in seeds {
        let script = script(seed, &kinds);
        let Comparison { answered, apart } =
            differential::compare(&plane, &prelude, &script).await?;
        for exchange in &answered {
            *sums.entry(exchange.code).or_default() += 1;
        }
        for (place, told) in apart {
            let Some(exchange) = answered.get(place) else {
                continue;
            };
            wrong.push((
                seed,
                place,
                format!("{} {}{told}", exchange.method, exchange.path),
            ));
        }
        if seed < RECORDED {
            recording.extend(answered);
        }
    }
    println!("answers by their codes: {sums:?}");
    if recorded::is_recording() {
        recorded::record(RECORDING, &recording)?;
    }
    let count = wrong.len();
    for (seed, place, told) in &wrong {
        println!("seed {seed}, request {place}: {told}\n");
    }
    let shown = wrong.iter().take(SHRUNK);
    if std::env::var_os("STAGEWRIGHT_SEED").is_some() {
        for (seed, place, told) in shown {
            let short = shrunk(&plane, &prelude, &script(*seed, &kinds), *place).await?;
            println!("seed {seed}, request {place}: {told}\n  again with\n{short}");
        }
    }
    ensure!(count == 0, "{count} answers are others, see above");
    Ok(())
}

/// The shortest script with that difference, for people.
async fn shrunk(
    plane: &ControlPlane,
    prelude: &[replay::Exchange],
    script: &[replay::Exchange],
    place: usize,
) -> Result<String> {
    let short = differential::shrink(plane, prelude, script, place).await?;
    let lines = short.iter().map(|exchange| {
        let body = exchange.body.as_ref().map(Value::to_string);
        let media = exchange.media.as_deref().unwrap_or_default();
        format!(
            "  {} {} {media} {}\n",
            exchange.method,
            exchange.path,
            body.unwrap_or_default()
        )
    });
    let lines: String = lines.collect();
    Ok(format!("{lines}  {}", json!(short)))
}
