//! What the plugin costs as it is in the binary, with KWOK's fast, general and chaos stages of pods.

use anyhow::{Result, ensure};
use serde_json::{Value as Json, json};
use stagewright::plugin::{Engine, Limits, Plugin, Source};
use stagewright_core::interface::Answer;
use stagewright_tests::sample::{context, pod};

use super::{shipped, stages_of};

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

/// Stages for pods that do not match, each in one of the ways in which stages of a long list differ.
fn strangers(count: usize) -> Vec<Json> {
    let stage = |number: usize| {
        let selector = match number % 4 {
            0 => json!({"matchLabels": {"life": format!("life-{number}")}}),
            1 => json!({"matchAnnotations": {"life": format!("life-{number}")}}),
            2 => {
                let phase = format!("Phase{number}");
                json!({"matchExpressions": [{"jq": {"key": ".status.phase", "operator": "In", "values": [phase]}}]})
            }
            _ => {
                let key = format!(".metadata.annotations[\"life-{number}\"]");
                json!({"matchExpressions": [{"jq": {"key": key, "operator": "Exists"}}]})
            }
        };
        let spec = json!({"resourceRef": {"apiGroup": "v1", "kind": "Pod"}, "selector": selector, "steps": [{"delete": true}]});
        let name = format!("stage-{number}");
        json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec})
    };
    (0..count).map(stage).collect()
}

#[test]
fn stages_that_do_not_match_cost_next_to_nothing() -> Result<()> {
    let engine = Engine::new(Limits::default())?;
    let source = Source::Stock("kwok-stages");
    let cost = |count: usize| -> Result<u64> {
        let settings = json!({ "stages": strangers(count) });
        let plugin = Plugin::load(&engine, &source, &settings)?;
        let problems = &plugin.description().problems;
        ensure!(problems.is_empty(), "{problems:?}");
        let mut session = plugin.session()?;
        let answer = session.decide(&pod(), &context())?;
        ensure!(!matches!(answer, Answer::Stage { .. }), "{answer:?}");
        println!(
            "{count} stages: configure {} fuel, decide {} fuel",
            plugin.load_report().configure_fuel,
            session.fuel_used()
        );
        Ok(session.fuel_used())
    };
    let (eight, many) = (cost(8)?, cost(200)?);
    // What is left is the object and the context, which are read either way.
    ensure!(
        many <= 2 * eight,
        "{many} fuel for 200 stages, {eight} for 8"
    );
    Ok(())
}
