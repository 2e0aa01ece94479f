//! What a decision costs: `cargo bench --package stagewright-tests --bench decide [FILE.wasm…]`. CPU time of one thread, the lowest
//! tenth of batches, since a busy machine only ever adds to it. Not a test: nothing fails.

use std::time::Duration;

use serde_json::{Value, json};
use stagewright::plugin::{Engine, Limits, Plugin, Session, Source, stock};
use stagewright_core::interface::{Answer, Context};
use stagewright_tests::sample;

const BATCHES: usize = 60;
const BATCH: u32 = 50;

fn main() -> anyhow::Result<()> {
    let empty = resident()?;
    let engine = Engine::new(Limits::default())?;
    println!("engine: {} KiB resident", (resident()? - empty) >> 10);
    let files = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"));
    let sources: Vec<Source> = stock()
        .iter()
        .map(|name| Source::Stock(name))
        .chain(files.map(|file| Source::File(file.into())))
        .collect();
    println!(
        "{:<40} {:>6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}",
        "", "", "load", "fresh", "decide", "+play", "fuel", "resident"
    );
    for source in sources {
        let before = resident()?;
        let started = cpu_time();
        let plugin = Plugin::load(&engine, &source, &settings(&source))?;
        let load = cpu_time() - started;
        let (object, context) = (sample::pod(), sample::context());
        let fresh = batches(|| decide(&mut plugin.session()?, &object, &context).map(drop))?;
        let mut session = plugin.session()?;
        let decided = batches(|| decide(&mut session, &object, &context).map(drop))?;
        let played = batches(|| {
            let mut session = plugin.session()?;
            if let Answer::Stage { stage, .. } = decide(&mut session, &object, &context)? {
                session.play(&stage, &object, &context)?;
            }
            Ok(())
        })?;
        println!(
            "{:<40} {:>6} {load:>9.1?} {fresh:>9.1?} {decided:>9.1?} {played:>9.1?} {:>9} {:>6} KiB",
            source.to_string(),
            plugin.isolation(),
            plugin.load_report().decide_fuel,
            resident()?.saturating_sub(before) >> 10,
        );
    }
    Ok(())
}

/// One stage for what interprets stages; the others need none.
fn settings(source: &Source) -> Value {
    if *source != Source::Stock("kwok-stages") {
        return Value::Null;
    }
    let selector = json!({"matchExpressions": [{"jq": {"key": ".status.phase", "operator": "In", "values": ["Pending"]}}]});
    let template = "phase: Running\nstartTime: {{ Now | Quote }}\nhostIP: {{ NodeIPWith .spec.nodeName | Quote }}\n";
    let spec = json!({"resourceRef": {"apiGroup": "v1", "kind": "Pod"}, "selector": selector,
        "steps": [{"patch": {"subresource": "status", "root": "status", "template": template}}]});
    json!({"stages": [{"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": "ready"}, "spec": spec}]})
}

fn decide(session: &mut Session<'_>, object: &str, context: &Context) -> anyhow::Result<Answer> {
    Ok(session.decide(object, context)?)
}

fn batches(mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let mut times = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let started = cpu_time();
        for _ in 0..BATCH {
            run()?;
        }
        times.push((cpu_time() - started) / BATCH);
    }
    times.sort_unstable();
    Ok(times.get(BATCHES / 10).copied().unwrap_or_default())
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn resident() -> anyhow::Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split_whitespace().nth(1).unwrap_or("0").parse()?;
    Ok(pages * 4096)
}
