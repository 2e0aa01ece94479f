//! The plugin `kwok-stages` against KWOK itself: its own test cases, the stages that it ships, and generated ones, decided by KWOK's
//! packages in a Go program (`tests/controlplane/stages`) and by the plugin.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which may fail loudly"
)]

mod cost;
mod coverage;
mod hostile;
mod oracle;
mod random;
mod shipped;
mod stages;
mod templates;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value as Json, json};
use stagewright_go_template::Template;
use stagewright_go_template::yaml;
use stagewright_plugin::Plugin as _;
use stagewright_plugin_kwok_stages::functions::find_stubbed;
use stagewright_plugin_kwok_stages::lifecycle::{Due, Moment, View, Weighed};
use stagewright_plugin_kwok_stages::play::play;
use stagewright_plugin_kwok_stages::report::{self, MOMENT};
use stagewright_plugin_kwok_stages::world::Stubs;
use stagewright_plugin_kwok_stages::{KwokStages, convert};
use stagewright_tests::programs::{Program, source};

use self::coverage::Coverage;
use self::oracle::{Answer, Oracle};
use self::random::Random;

fn shipped() -> Result<PathBuf> {
    Ok(source(Program::Kwok, "sigs.k8s.io/kwok")?.join("kustomize/stage"))
}

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files(&path, ending)?);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn documents(path: &Path) -> Result<Vec<Json>> {
    let text = std::fs::read_to_string(path)?;
    yaml::read_all(&text).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn stages_of(folder: &Path) -> Result<Vec<Json>> {
    let mut stages = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let documents = documents(&path)?.into_iter();
            stages.extend(documents.filter(|document| document["kind"] == "Stage"));
        }
    }
    stages.sort_by_key(|stage| stage["metadata"]["name"].to_string());
    Ok(stages)
}

#[test]
fn kwoks_cases_byte_for_byte() -> Result<()> {
    let inputs = files(&shipped()?, ".input.yaml")?;
    ensure!(inputs.len() == 16, "{} cases", inputs.len());
    for input in inputs {
        let object = documents(&input)?.remove(0);
        let folder = input.parent().and_then(Path::parent).context("a folder")?;
        let stages = stages_of(folder)?;
        let output = input.to_string_lossy().replace(".input.", ".output.");
        let expected = std::fs::read_to_string(&output)?;
        let found =
            report::report(&object, &stages).map_err(|error| anyhow!("{output}: {error}"))?;
        assert_eq!(found, expected, "{output}");
        // What was converted means the same.
        let stages: Result<Vec<Json>, _> = stages.iter().map(convert::tree).collect();
        let stages = stages.map_err(|problem| anyhow!("{problem:?}"))?;
        let found =
            report::report(&object, &stages).map_err(|error| anyhow!("{output}: {error}"))?;
        assert_eq!(found, expected, "{output}, converted");
    }
    Ok(())
}

#[test]
fn every_shipped_stage_is_taken() -> Result<()> {
    let mut all = Vec::new();
    for path in files(&shipped()?, ".yaml")? {
        if !path.to_string_lossy().contains("testdata") {
            let documents = documents(&path)?.into_iter();
            all.extend(documents.filter(|document| document["kind"] == "Stage"));
        }
    }
    ensure!(all.len() > 15, "{} stages", all.len());
    let settings = json!({"stages": all}).into();
    let (_, description) = KwokStages::configure(&settings).map_err(|error| anyhow!(error))?;
    let description = description.into_text().map_err(|error| anyhow!(error))?;
    let description: Json = serde_json::from_str(&description)?;
    assert_eq!(description.get("problems"), None);
    Ok(())
}

/// How many templates, and how many lists of stages.
const TEMPLATES: usize = 36_000;
const STAGES: usize = 10_000;

/// What went differently, by the reason that `DIFFERENCES.md` has for it.
#[derive(Default)]
struct Differences(BTreeMap<&'static str, usize>);

#[test]
fn generated_templates_render_as_in_go() -> Result<()> {
    let mut oracle = Oracle::start()?;
    let mut random = Random(1);
    let mut coverage = Coverage::default();
    let mut differences = Differences::default();
    let mut wrong = Vec::new();
    let mut failed = 0;
    for _ in 0..TEMPLATES {
        let case = templates::template(&mut random, &mut coverage);
        let theirs = oracle.ask(&json!({"template": case.text, "object": case.object}))?;
        let theirs = Answer::of(&theirs);
        let ours = render(&case.text, &case.object);
        failed += usize::from(matches!(theirs, Answer::Error(_)));
        let same = match (&ours, &theirs) {
            (Ok(ours), Answer::Value(theirs)) => theirs == ours,
            (Err(_), Answer::Error(_)) => true,
            _ => false,
        };
        if !same {
            match templates::known_template(&case, &ours, &theirs) {
                Some(reason) => *differences.0.entry(reason).or_default() += 1,
                None => wrong.push(format!(
                    "{}\n  on {}\n  ours   {ours:?}\n  theirs {theirs:?}",
                    case.text, case.object
                )),
            }
        }
    }
    coverage.print("templates");
    println!(
        "{TEMPLATES} templates, {failed} of them fail in Go too; differences: {:?}",
        differences.0
    );
    ensure!(
        wrong.is_empty(),
        "{} templates differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
    coverage.at_least(100)
}

fn render(text: &str, object: &Json) -> Result<String, String> {
    let template = Template::parse(text, &find_stubbed).map_err(|error| error.to_string())?;
    let around = Stubs { now: MOMENT };
    template
        .render(object, &around)
        .map_err(|error| error.to_string())
}

#[test]
fn generated_stages_decide_as_in_go() -> Result<()> {
    let mut oracle = Oracle::start()?;
    let mut random = Random(2);
    let mut coverage = Coverage::default();
    let mut differences = Differences::default();
    let mut wrong = Vec::new();
    let mut matched = 0;
    for _ in 0..STAGES {
        let case = stages::stages(&mut random, &mut coverage);
        let theirs = oracle.ask(&json!({"stages": case.stages, "object": case.object}))?;
        for (index, stage) in case.stages.iter().enumerate() {
            let theirs = &theirs["stages"][index];
            let ours = decide(stage, &case.object);
            matched += usize::from(theirs["match"]["value"] == true);
            for part in ["match", "weight", "delay", "next"] {
                let (ours, theirs) = (Answer::of(&ours[part]), Answer::of(&theirs[part]));
                let same = match (&ours, &theirs) {
                    (Answer::Json(ours), Answer::Json(theirs)) => ours == theirs,
                    (ours, theirs) => {
                        ours.kind() == theirs.kind() && ours.value() == theirs.value()
                    }
                };
                if same {
                    continue;
                }
                match stages::known_stage(stage, part, &ours, &theirs) {
                    Some(reason) => *differences.0.entry(reason).or_default() += 1,
                    None => wrong.push(format!(
                        "{part} of {stage}\n  on {}\n  ours   {ours:?}\n  theirs {theirs:?}",
                        case.object
                    )),
                }
                // What follows from a difference is none of its own.
                break;
            }
        }
    }
    coverage.print("stages");
    println!(
        "{STAGES} stages, {matched} match; differences: {:?}",
        differences.0
    );
    ensure!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(30)].join("\n")
    );
    coverage.at_least(100)
}

/// A stage alone, in the oracle's form.
fn decide(stage: &Json, object: &Json) -> Json {
    let error = |message: String| json!({"error": message});
    let value = |value: Json| json!({"value": value});
    let stages = match report::stubbed(std::slice::from_ref(stage)) {
        Ok(stages) if stages.problems.is_empty() => stages,
        Ok(stages) => return json!({"match": error(format!("{:?}", stages.problems))}),
        Err(message) => return json!({"match": error(message)}),
    };
    let moment = Moment {
        began: MOMENT,
        now: MOMENT,
        chance: 0.0,
    };
    let view = View::new(&stages, object, moment);
    let (matching, failed) = view.matching();
    if let Some((_, message)) = failed.into_iter().next() {
        return json!({"match": error(message)});
    }
    let Some(stage) = matching.first() else {
        return json!({"match": value(json!(false))});
    };
    let weight = match view.weight(stage) {
        Weighed::Known(weight) => json!(weight),
        Weighed::Unreadable => Json::Null,
    };
    let nanos = |time: stagewright_go_template::time::Instant| time.0 as i64 - MOMENT.0 as i64;
    let delay = match view.due(stage) {
        Ok(Due::AtOnce) => value(Json::Null),
        Ok(Due::At(time)) => value(json!([nanos(time)])),
        Ok(Due::Between(range)) => value(json!([nanos(range.start), nanos(range.end)])),
        Err(message) => error(message),
    };
    let next = match play(stage, object, &Stubs { now: MOMENT }) {
        Ok(actions) => value(report::actions(stage, &actions)),
        Err(message) => error(message),
    };
    json!({"match": value(json!(true)), "weight": value(weight), "delay": delay, "next": next})
}
