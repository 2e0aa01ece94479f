//! What the plugin costs as it is in the binary, with KWOK's fast, general and chaos stages of pods.

use anyhow::{Result, ensure};
use serde_json::{Value as Json, json};
use stagewright::plugin::{Engine, Limits, Plugin, Source};
use stagewright_core::interface::Answer;
use stagewright_tests::sample::{context, pod};

use super::{shipped, stages_of};

/// Stages that never end, and one that does.
fn endless() -> Vec<Json> {
    let stage = |name: &str, key: &str| {
        let selector = json!({"matchExpressions": [{"jq": {"key": key, "operator": "Exists"}}]});
        let spec = json!({"resourceRef": {"apiGroup": "v1", "kind": "Pod"}, "selector": selector, "steps": [{"delete": true}]});
        json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec})
    };
    vec![
        stage("range", "[range(1e9)] | length"),
        stage("repeat", "[repeat(1)]"),
        stage("until", "until(false; .)"),
        stage("good", ".status.phase"),
    ]
}

#[test]
fn expressions_without_an_end_leave_fuel_for_the_others() -> Result<()> {
    let engine = Engine::new(Limits::default())?;
    let source = Source::Stock("kwok-stages");
    let plugin = Plugin::load(&engine, &source, &json!({ "stages": endless() }))?;
    let mut session = plugin.session()?;
    let answer = session.decide(&pod(), &context())?;
    println!("three endless expressions: {} fuel", session.fuel_used());
    ensure!(
        matches!(&answer, Answer::Stage { stage, .. } if stage == "good"),
        "{answer:?}"
    );
    Ok(())
}

/// Ten fuel are about a nanosecond.
const MILLISECOND: u64 = 10_000_000;

#[test]
fn the_component_is_small_and_configures_fast() -> Result<()> {
    let mut stages: Vec<Json> = Vec::new();
    for folder in ["pod/fast", "pod/general", "pod/chaos"] {
        stages.extend(stages_of(&shipped()?.join(folder))?);
    }
    ensure!(stages.len() == 11, "{} stages", stages.len());
    let engine = Engine::new(Limits::default())?;
    let source = Source::Stock("kwok-stages");
    let plugin = Plugin::load(&engine, &source, &json!({ "stages": stages }))?;
    let report = plugin.load_report();
    let context = context();
    let mut session = plugin.session()?;
    let answer = session.decide(&pod(), &context)?;
    let decided = session.fuel_used();
    let Answer::Stage { stage, .. } = answer else {
        anyhow::bail!("{answer:?}");
    };
    session.play(&stage, &pod(), &context)?;
    println!(
        "component {} bytes, loaded in {:?}, configure {} fuel, fresh instance {:?}, warm decision {:?}, decide {decided} fuel, \
         decide and play {stage} {} fuel, {} KiB of memory",
        report.component,
        report.prepare,
        report.configure_fuel,
        report.fresh,
        report.warm,
        session.fuel_used(),
        report.memory >> 10,
    );
    ensure!(report.component < 2_000_000, "{} bytes", report.component);
    ensure!(
        report.configure_fuel < 5 * MILLISECOND,
        "configure: {} fuel",
        report.configure_fuel
    );
    ensure!(decided < MILLISECOND, "decide: {decided} fuel");
    Ok(())
}
