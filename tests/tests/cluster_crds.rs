//! CustomResourceDefinitions and their objects: one script of requests, and objects from a seed, answered by a real kube-apiserver and by
//! the server in the box.
//!
//! `STAGEWRIGHT_RECORD=1` writes the recording of the script anew; `STAGEWRIGHT_SEED=n` plays another seed.

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Trial};
use serde_json::{Map, Value, json};
use stagewright_tests::controlplane::ControlPlane;
use stagewright_tests::environment::number;
use stagewright_tests::recorded::{self, replay};

/// The recording below `host/apiserver/tests/http`.
const RECORDING: &str = "definitions.json";
/// The kind that objects from a seed are of; the script makes it.
const KIND: &str = "widgets.example.com";
/// How many of them are tried.
const OBJECTS: usize = 200;

/// Values for the fields of that kind: good ones, bad ones, and of other types.
const VALUES: [(&str, &str); 16] = [
    ("color", r#"["red", "green", "pink", 7, null]"#),
    ("size", r#"[1, 10, 5, 0, 11, "3", 3.0, -1]"#),
    ("ratio", r#"[0.5, 1.5, 2.5, 0.7, -0.5, true]"#),
    ("label", r#"["abc", "a", "abcdef", "AB", "ab\n", 5]"#),
    ("port", r#"[80, "http", 1.5, false, []]"#),
    (
        "tags",
        r#"[["a", "b"], ["a", "a"], ["a", "b", "a", "b"], [], ["a", 1], "a"]"#,
    ),
    (
        "parts",
        r#"[[{"name": "x"}, {"name": "y", "count": 2}], [{"name": "x"}, {"name": "x"}], [{}], [{"name": "x", "more": 1}], [7]]"#,
    ),
    ("few", r#"[[1], [1, 2], [], [1, 2, 3], ["a"]]"#),
    ("maybe", r#"["a", null, 3]"#),
    ("never", r#"["a", null]"#),
    ("free", r#"[{"a": {"b": [1]}}, {}, 1]"#),
    (
        "extra",
        r#"[{"a": 1}, {}, {"a": 1, "b": 2, "c": 3}, {"a": "x"}, {"a": null}]"#,
    ),
    ("when", r#"["2020-01-02T03:04:05Z", "yesterday", 3]"#),
    (
        "nested",
        r#"[{}, {"on": false}, {"on": "x"}, {"other": 1}, null]"#,
    ),
    (
        "choice",
        r#"[{"a": "x"}, {"b": "y"}, {"a": "x", "b": "y"}]"#,
    ),
    ("unknown", r#"[1]"#),
];

fn main() {
    let run = || {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(definitions()).map_err(Into::into)
    };
    let trial = Trial::test("custom_resources_are_those_of_the_real_server", run);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

async fn definitions() -> Result<()> {
    let plane = recorded::start().await?;
    recorded::compare(&plane, RECORDING, &replay::DEFINITIONS_OTHERWISE).await?;
    drop(plane);
    // The script leaves a kind that has taken this one's names.
    let plane = recorded::start().await?;
    from_a_seed(&plane).await
}

/// Objects of a kind whose fields are drawn: accepted, changed or refused alike.
async fn from_a_seed(plane: &ControlPlane) -> Result<()> {
    let seed = number("STAGEWRIGHT_SEED")?.unwrap_or(1);
    let script = replay::read(&recorded::text(RECORDING)?);
    let made = script.iter().find(|exchange| {
        let name = exchange
            .body
            .as_ref()
            .and_then(|body| body.pointer("/metadata/name"));
        exchange.method == "POST" && exchange.code == 201 && name.is_some_and(|name| name == KIND)
    });
    let made = made.context("the script makes the kind")?.clone();
    let served = script
        .iter()
        .find(|exchange| exchange.until == Some(200) && exchange.path.ends_with("/widgets"))
        .context("the script waits for the kind")?
        .clone();
    let path = format!("{}?dryRun=All", served.path);
    let kind = made.clone();
    let mut exchanges = vec![made, served];
    let mut state = seed.max(1);
    for number in 0..OBJECTS {
        let mut exchange = kind.clone();
        exchange.path.clone_from(&path);
        exchange.body = Some(object(number, &mut state)?);
        exchanges.push(exchange);
    }
    let answered = recorded::answers(plane, &exchanges).await?;
    let accepted = answered.iter().skip(2).filter(|answer| answer.code == 201);
    let accepted = accepted.count();
    ensure!(
        (1..OBJECTS).contains(&accepted),
        "{accepted} of {OBJECTS} objects were accepted: that tells nothing"
    );
    let wrong = replay::differences(&answered, &[]);
    ensure!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
    Ok(())
}

fn object(number: usize, state: &mut u64) -> Result<Value> {
    let mut spec = Map::new();
    spec.insert("size".to_owned(), json!(3));
    for (field, values) in VALUES {
        if draw(state, 4) == 0 {
            let values: Vec<Value> = serde_json::from_str(values)?;
            let value = values.get(draw(state, values.len())).context("a value")?;
            spec.insert(field.to_owned(), value.clone());
        }
    }
    Ok(
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": format!("drawn-{number}")}, "spec": spec}),
    )
}

/// A number below the bound: xorshift, which is enough for choices.
fn draw(state: &mut u64, bound: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap_or(0) % bound.max(1)
}
