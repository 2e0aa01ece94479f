//! Stages that mean harm, in the component as it is in the binary: each is held by its limits, and what stands beside it goes on.

use anyhow::{Result, ensure};
use serde_json::{Value as Json, json};
use stagewright::plugin::{Engine, Limits, Plugin, Source};
use stagewright_core::interface::{Answer, Effect};
use stagewright_tests::sample::{context, pod};

/// A selector that means harm: jq or CEL.
enum Selector {
    Jq(&'static str),
    Cel(&'static str),
}
use Selector::{Cel, Jq};

/// Without an end, or with one that is far away.
const SELECTORS: [(&str, Selector); 14] = [
    ("range", Jq("[range(1e9)] | length")),
    ("repeat", Jq("[repeat(1)]")),
    ("until", Jq("until(false; .)")),
    ("limit", Jq("last(range(1e18))")),
    (
        "nested",
        Jq("[range(1000) | [range(1000) | [range(1000)]]]"),
    ),
    ("power", Jq("[combinations(40; 40)?]")),
    (
        "backtrack",
        Jq("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\" | test(\"^(a+)+$\")"),
    ),
    (
        "counted",
        Jq("\"a\" | test(\"((a{1,100}){1,100}){1,100}\")"),
    ),
    ("recursion", Jq("def f: f; f")),
    ("environment", Jq("env | length")),
    (
        "loops",
        Cel(
            "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, \
             [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, f > 0))))))",
        ),
    ),
    (
        "errors",
        Cel(
            "[1,2,3,4,5,6,7,8,9,10].exists(a, [1,2,3,4,5,6,7,8,9,10].exists(b, [1,2,3,4,5,6,7,8,9,10].exists(c, \
             [1,2,3,4,5,6,7,8,9,10].exists(d, [1,2,3,4,5,6,7,8,9,10].exists(e, [1,2,3,4,5,6,7,8,9,10].exists(f, f / 0 > 0))))))",
        ),
    ),
    (
        "lists",
        Cel(
            "[1,2,3,4,5,6,7,8,9,10].map(a, [1,2,3,4,5,6,7,8,9,10].map(b, [1,2,3,4,5,6,7,8,9,10].map(c, \
             [1,2,3,4,5,6,7,8,9,10].map(d, [1,2,3,4,5,6,7,8,9,10].map(e, [a,b,c,d,e]))))).size() > 0",
        ),
    ),
    (
        "matches",
        Cel("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'.matches('^((a+)+)+$')"),
    ),
];

/// Templates that mean harm.
const TEMPLATES: [(&str, &str); 10] = [
    (
        "recursion",
        "{{ define \"T\" }}{{ template \"T\" . }}{{ end }}{{ template \"T\" . }}",
    ),
    (
        "doubling",
        "{{ define \"T\" }}{{ template \"U\" . }}{{ template \"U\" . }}{{ end }}{{ define \"U\" }}{{ range until 1000 }}{{ range until 1000 }}x{{ end }}{{ end }}{{ end }}{{ template \"T\" . }}",
    ),
    ("a-hundred-megabytes", "a: {{ repeat 100000000 \"x\" }}"),
    (
        "a-hundred-megabytes-in-parts",
        "a: {{ $x := repeat 100000 \"x\" }}{{ range until 1000 }}{{ $x }}{{ end }}",
    ),
    (
        "growing",
        "{{ $x := \"xxxxxxxxxx\" }}{{ range until 1000 }}{{ $x = print $x $x }}{{ end }}a: {{ $x }}",
    ),
    (
        "backtrack",
        "a: {{ regexMatch \"^(a+)+$\" (printf \"%sb\" (repeat 100000 \"a\")) }}",
    ),
    (
        "counted",
        "a: {{ regexMatch \"((a{1,1000}){1,1000}){1,1000}\" \"a\" }}",
    ),
    ("environment", "a: {{ env \"HOME\" }}"),
    ("expansion", "a: {{ expandenv \"$HOME\" }}"),
    ("network", "a: {{ getHostByName \"localhost\" }}"),
];

fn stage(name: &str, selector: Json, template: &str) -> Json {
    let patch = json!({"subresource": "status", "root": "status", "template": template});
    let spec = json!({"resourceRef": {"apiGroup": "v1", "kind": "Pod"}, "selector": selector, "steps": [{"patch": patch}]});
    json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec})
}

fn selector(of: &Selector) -> Json {
    json!({"matchExpressions": [match of {
        Jq(key) => json!({"jq": {"key": key, "operator": "Exists"}}),
        Cel(expression) => json!({"cel": {"expression": expression}}),
    }]})
}

/// One that matches a label.
fn labelled(label: &str) -> Json {
    json!({"matchLabels": {"stage": label}})
}

fn good() -> Json {
    stage("good", selector(&Jq(".spec.nodeName")), "phase: Running")
}

/// The sample, with a label.
fn labelled_pod(label: &str) -> Result<String> {
    let mut pod: Json = serde_json::from_str(&pod())?;
    pod["metadata"]["labels"] = json!({"stage": label});
    Ok(pod.to_string())
}

fn load(stages: &[Json]) -> Result<(Engine, Plugin)> {
    let engine = Engine::new(Limits::default())?;
    let source = Source::Stock("kwok-stages");
    let plugin = Plugin::load(&engine, &source, &json!({ "stages": stages }))?;
    Ok((engine, plugin))
}

/// Each alone beside the good one, and three without an end beside it: the good one is taken, within the fuel of one call.
#[test]
fn expressions_without_an_end_leave_the_object_to_the_others() -> Result<()> {
    let hostile = |(name, of): &(&str, Selector)| stage(name, selector(of), "phase: Failed");
    let mut sets: Vec<Vec<Json>> = SELECTORS.iter().map(|case| vec![hostile(case)]).collect();
    sets.push(SELECTORS.iter().take(3).map(hostile).collect());
    for mut stages in sets {
        let names: Vec<String> = stages
            .iter()
            .map(|s| s["metadata"]["name"].to_string())
            .collect();
        stages.push(good());
        let (_engine, plugin) = load(&stages)?;
        let left_out = plugin.description().problems.len();
        let mut session = plugin.session()?;
        let answer = session.decide(&pod(), &context())?;
        println!(
            "{names:?}: {left_out} left out, {} fuel",
            session.fuel_used()
        );
        ensure!(
            matches!(&answer, Answer::Stage { stage, .. } if stage == "good" || is_decided(&names, stage)),
            "{names:?}: {answer:?}"
        );
        ensure!(
            session.fuel_used() <= Limits::default().call_fuel,
            "{names:?}"
        );
    }
    Ok(())
}

/// Whether a hostile stage that comes to its end within the limits is the one that was taken.
fn is_decided(names: &[String], stage: &str) -> bool {
    let decides = ["matches", "backtrack", "counted"];
    decides.contains(&stage) && names.iter().any(|name| name.contains(stage))
}

/// A template fails for the object that it is played on, with a message; other objects of the same instance are played.
#[test]
fn templates_without_an_end_fail_alone() -> Result<()> {
    let mut stages: Vec<Json> = vec![stage("good", labelled("good"), "phase: Running")];
    stages.extend(TEMPLATES.map(|(name, template)| stage(name, labelled(name), template)));
    let (_engine, plugin) = load(&stages)?;
    let refused = &plugin.description().problems;
    for (name, _) in TEMPLATES {
        let index = stages
            .iter()
            .position(|stage| stage["metadata"]["name"] == name);
        let path = format!("/stages/{}/", index.unwrap_or_default());
        let message = match refused
            .iter()
            .find(|problem| problem.path.starts_with(&path))
        {
            // What can be told before anything runs.
            Some(problem) => problem.message.clone(),
            None => {
                let mut session = plugin.session()?;
                let object = labelled_pod(name)?;
                let answer = session.decide(&object, &context())?;
                ensure!(
                    matches!(&answer, Answer::Stage { stage, .. } if stage == name),
                    "{answer:?}"
                );
                let played = session.play(name, &object, &context());
                match played {
                    Ok(effects) => {
                        ensure!(name == "counted", "{name} played: {effects:?}");
                        "played: it costs nothing here".to_owned()
                    }
                    Err(error) => error.to_string(),
                }
            }
        };
        println!("{name}: {message}");
        ensure!(
            message.len() < 2_000,
            "{name}: {} bytes of message",
            message.len()
        );
        let mut session = plugin.session()?;
        let object = labelled_pod("good")?;
        session.decide(&object, &context())?;
        let effects = session.play("good", &object, &context())?;
        ensure!(
            matches!(effects.as_slice(), [Effect::Patch { .. }]),
            "after {name}: {effects:?}"
        );
    }
    for name in ["environment", "expansion", "network"] {
        let index = stages
            .iter()
            .position(|stage| stage["metadata"]["name"] == name);
        let path = format!("/stages/{}/", index.unwrap_or_default());
        ensure!(
            refused
                .iter()
                .any(|problem| problem.path.starts_with(&path)),
            "{name} is taken"
        );
    }
    Ok(())
}

/// A hundred megabytes of template are refused before they are compiled, or left out; never is the process ended.
#[test]
fn a_hundred_megabytes_of_template_are_refused() -> Result<()> {
    for text in ["x".repeat(100_000_000), "{{ .a }}".repeat(1_000_000)] {
        let stages = [good(), stage("large", labelled("large"), &text)];
        match load(&stages) {
            Ok((_engine, plugin)) => {
                ensure!(!plugin.description().problems.is_empty(), "taken");
                let mut session = plugin.session()?;
                let answer = session.decide(&pod(), &context())?;
                ensure!(
                    matches!(&answer, Answer::Stage { stage, .. } if stage == "good"),
                    "{answer:?}"
                );
            }
            Err(error) => {
                let error = error.to_string();
                println!("{error}");
                ensure!(
                    error.contains("kwok-stages") && error.len() < 2_000,
                    "{error}"
                );
            }
        }
    }
    Ok(())
}
