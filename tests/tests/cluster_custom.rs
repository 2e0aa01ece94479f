//! A kind of the user's own, with a declared order and a relation, driven by a plugin that the test builds.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::host::Host;
use stagewright_tests::scenario::{self, Known, SOON, Scene, View, name, phase, text};

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(a_trainer_goes_on_when_its_dataset_changes),
        stagewright_tests::scenario!(a_spec_edit_starts_a_new_epoch),
        stagewright_tests::scenario!(a_backward_answer_is_refused_and_shown),
        stagewright_tests::scenario!(a_kind_goes_comes_back_and_changes_under_way),
    ]);
}

fn object(scene: &Scene, kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": name, "namespace": scene.name}, "spec": spec})
}

/// The kinds, a host with the plugin, and a view of the trainers.
async fn start(scene: &Scene) -> Result<(Host, View)> {
    for name in ["Trainer", "Dataset"] {
        scenario::define(&scene.client, scenario::custom_kind(name)).await?;
    }
    let plugin = scenario::component("trainer")?;
    let mut arguments = vec![
        "--plugin".to_owned(),
        plugin.to_str().context("a path in UTF-8")?.to_owned(),
    ];
    arguments.extend(scene.selected());
    let host = scene.host(&arguments).await?;
    let probe = object(scene, "Dataset", "probe", json!({}));
    scenario::create_when_served(&scene.client, probe).await?;
    Ok((
        host,
        View::open(&scene.client, "example.com/v1/Trainer", Some(&scene.name)).await?,
    ))
}

/// The phases that a trainer went through, each with the generation it was observed for.
fn phases(known: &Known, trainer: &str) -> Vec<(String, u64)> {
    let mut phases = Vec::new();
    for seen in known
        .history
        .iter()
        .filter(|seen| name(&seen.object) == trainer && !phase(&seen.object).is_empty())
    {
        let observed = seen
            .object
            .pointer("/status/observedGeneration")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        phases.push((phase(&seen.object).to_owned(), observed));
    }
    phases.dedup();
    phases
}

fn expect(known: &Known, trainer: &str, expected: &[(&str, u64)]) -> Result<()> {
    let phases = phases(known, trainer);
    let expected: Vec<(String, u64)> = expected
        .iter()
        .map(|(phase, observed)| ((*phase).to_owned(), *observed))
        .collect();
    ensure!(
        phases == expected,
        "{trainer} went through {phases:?}, not {expected:?}"
    );
    Ok(())
}

fn is_in(known: &Known, trainer: &str, wanted: &str) -> bool {
    known
        .get(trainer)
        .is_some_and(|trainer| phase(trainer) == wanted)
}

/// Queued until its dataset is there and ready; Active until the dataset is used up.
async fn a_trainer_goes_on_when_its_dataset_changes(scene: Scene) -> Result<()> {
    let (host, trainers) = start(&scene).await?;
    scenario::create_when_served(
        &scene.client,
        object(&scene, "Trainer", "one", json!({"dataset": "digits"})),
    )
    .await?;
    scenario::create(
        &scene.client,
        object(&scene, "Trainer", "two", json!({"dataset": "letters"})),
    )
    .await?;
    trainers
        .until("both Queued", SOON, |known| {
            known.all(2, |trainer| phase(trainer) == "Queued")
        })
        .await?;
    let dataset = scenario::create(
        &scene.client,
        object(&scene, "Dataset", "digits", json!({})),
    )
    .await?;
    trainers
        .holds(
            "no trainer goes on before its dataset is ready",
            Duration::from_secs(2),
            |known| known.all(2, |trainer| phase(trainer) == "Queued"),
        )
        .await?;
    let explained = host
        .explain_text("Trainer", Some(&scene.name), "one")
        .await?;
    ensure!(
        explained.contains("waits for dataset digits"),
        "explain does not show the plugin's note:\n{explained}"
    );
    ensure!(
        explained.contains("Queued"),
        "explain does not show the rank:\n{explained}"
    );

    scenario::merge(
        &scene.client,
        &dataset,
        Some("status"),
        json!({"status": {"ready": true}}),
    )
    .await?;
    trainers
        .until("one Active", SOON, |known| is_in(known, "one", "Active"))
        .await?;
    scenario::merge(
        &scene.client,
        &dataset,
        Some("status"),
        json!({"status": {"exhausted": true}}),
    )
    .await?;
    trainers
        .until("one Retired", SOON, |known| is_in(known, "one", "Retired"))
        .await?;
    let known = trainers.now();
    expect(
        &known,
        "one",
        &[
            ("Queued", 1),
            ("Provisioning", 1),
            ("Active", 1),
            ("Retired", 1),
        ],
    )?;
    expect(&known, "two", &[("Queued", 1)])
}

/// A new generation begins again at Queued, which is forward, since the epoch rose; but out of a terminal phase nothing leads.
async fn a_spec_edit_starts_a_new_epoch(scene: Scene) -> Result<()> {
    let (host, trainers) = start(&scene).await?;
    let dataset = object(&scene, "Dataset", "digits", json!({}));
    let dataset = scenario::create(&scene.client, dataset).await?;
    let status = |status: Value| {
        scenario::merge(
            &scene.client,
            &dataset,
            Some("status"),
            json!({"status": status}),
        )
    };
    status(json!({"ready": true})).await?;
    let trainer = object(&scene, "Trainer", "one", json!({"dataset": "digits"}));
    let trainer = scenario::create_when_served(&scene.client, trainer).await?;
    let rounds = |rounds: u32| {
        let spec = json!({"spec": {"rounds": rounds}});
        scenario::merge(&scene.client, &trainer, None, spec)
    };
    let is_last = |known: &Known, phase: &str, observed| {
        phases(known, "one").last() == Some(&(phase.to_owned(), observed))
    };
    let active = |observed| move |known: &Known| is_last(known, "Active", observed);
    trainers.until("Active", SOON, active(1)).await?;
    rounds(2).await?;
    trainers.until("Active again", SOON, active(2)).await?;
    status(json!({"exhausted": true})).await?;
    let retired = |known: &Known| is_last(known, "Retired", 2);
    trainers.until("Retired", SOON, retired).await?;
    rounds(3).await?;
    trainers
        .holds("it is retired for good", Duration::from_secs(3), retired)
        .await?;
    let first = ["Queued", "Provisioning", "Active"].map(|phase| (phase, 1));
    let second = ["Queued", "Provisioning", "Active", "Retired"].map(|phase| (phase, 2));
    expect(&trainers.now(), "one", &[&first[..], &second[..]].concat())?;
    let explained = host
        .explain_text("Trainer", Some(&scene.name), "one")
        .await?;
    ensure!(
        explained.contains("TerminalLeft"),
        "explain does not say which rule a new epoch broke:\n{explained}"
    );
    Ok(())
}

/// A plugin that answers Queued for an Active trainer: nothing is written, and a user can find out why.
async fn a_backward_answer_is_refused_and_shown(scene: Scene) -> Result<()> {
    let (host, trainers) = start(&scene).await?;
    let dataset = scenario::create(
        &scene.client,
        object(&scene, "Dataset", "digits", json!({})),
    )
    .await?;
    scenario::merge(
        &scene.client,
        &dataset,
        Some("status"),
        json!({"status": {"ready": true}}),
    )
    .await?;
    let rebel = json!({"dataset": "digits", "rebel": true});
    let rebel =
        scenario::create_when_served(&scene.client, object(&scene, "Trainer", "rebel", rebel))
            .await?;
    scenario::create(
        &scene.client,
        object(&scene, "Trainer", "calm", json!({"dataset": "digits"})),
    )
    .await?;
    let active = |known: &Known| known.all(2, |trainer| phase(trainer) == "Active");
    trainers.until("both Active", SOON, active).await?;
    trainers
        .holds("no backward move", Duration::from_secs(5), active)
        .await?;
    expect(
        &trainers.now(),
        "rebel",
        &[("Queued", 1), ("Provisioning", 1), ("Active", 1)],
    )?;

    let explained = host
        .explain_text("Trainer", Some(&scene.name), "rebel")
        .await?;
    for part in ["Backward", "Active", "Queued", "trainer"] {
        ensure!(
            explained.contains(part),
            "explain does not name {part}:\n{explained}"
        );
    }
    let events = View::open(&scene.client, "events.k8s.io/v1/Event", None).await?;
    let about_rebel = |event: &Value| {
        text(event, "/regarding/name") == "rebel"
            && text(event, "/regarding/uid") == scenario::uid(&rebel)
            && text(event, "/reason") == "Backward"
            && text(event, "/type") == "Warning"
    };
    events
        .until("a Warning on the object", SOON, |known| {
            known.count(about_rebel) > 0
        })
        .await?;
    ensure!(
        events.now().count(about_rebel) <= 2,
        "one refusal, one Event (or a series), not one for each try"
    );
    let metrics = host.metrics().await?;
    let refused = metrics.lines().find(|line| {
        line.starts_with("stagewright_guard_rejections_total") && line.contains("Backward")
    });
    ensure!(
        refused.is_some(),
        "no metric counts the refusal:\n{metrics}"
    );

    // The order has an end to every refusal: a spec edit makes the same answer legal.
    scenario::merge(
        &scene.client,
        &rebel,
        None,
        json!({"spec": {"rebel": false}}),
    )
    .await?;
    let second = |known: &Known| phases(known, "rebel").last() == Some(&("Active".to_owned(), 2));
    trainers.until("Active in a new epoch", SOON, second).await
}

/// The kind is deleted while an object waits in it, and comes back with a schema that does not know all phases: the host goes on with
/// whatever is there, says what the server refuses, and is done as soon as the schema allows it.
async fn a_kind_goes_comes_back_and_changes_under_way(scene: Scene) -> Result<()> {
    let (host, trainers) = start(&scene).await?;
    let trainer = |name: &str| object(&scene, "Trainer", name, json!({"dataset": "digits"}));
    scenario::create_when_served(&scene.client, trainer("one")).await?;
    trainers
        .until("Queued", SOON, |known| is_in(known, "one", "Queued"))
        .await?;
    let kind = scenario::custom_kind("Trainer");
    scenario::undefine(&scene.client, &kind).await?;
    drop(trainers);

    let dataset = object(&scene, "Dataset", "digits", json!({}));
    let dataset = scenario::create(&scene.client, dataset).await?;
    let ready = json!({"status": {"ready": true}});
    scenario::merge(&scene.client, &dataset, Some("status"), ready).await?;
    let knows = |phases: &[&str]| {
        let mut kind = kind.clone();
        if let Some(status) = kind.pointer_mut(STATUS) {
            *status = json!({"type": "object", "properties": {
                "phase": {"type": "string", "enum": phases}, "observedGeneration": {"type": "integer"}}});
        }
        kind
    };
    scenario::create(&scene.client, knows(&["Queued", "Provisioning"])).await?;
    scenario::create_when_served(&scene.client, trainer("two")).await?;
    let trainers = View::open(&scene.client, "example.com/v1/Trainer", Some(&scene.name)).await?;
    let provisioning = |known: &Known| is_in(known, "two", "Provisioning");
    trainers.until("Provisioning", SOON, provisioning).await?;
    trainers
        .holds("no further", Duration::from_secs(2), provisioning)
        .await?;
    let explained = host
        .explain_text("Trainer", Some(&scene.name), "two")
        .await?;
    ensure!(
        explained.contains("Unsupported value"),
        "explain does not say what the server refuses:\n{explained}"
    );
    let wide = knows(&["Queued", "Provisioning", "Active", "Retired"]);
    scenario::merge(&scene.client, &kind, None, wide).await?;
    trainers
        .until("Active", 2 * SOON, |known| is_in(known, "two", "Active"))
        .await
}

/// Where a definition has the schema of the status.
const STATUS: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/status";
