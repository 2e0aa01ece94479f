//! Plugins that break, flood and lie beside pods that others bring to life: the others notice nothing, the host's memory stays, and what
//! went wrong is counted and explained. `tests/tests/hostile.rs` has each of them alone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::host::Host;
use stagewright_tests::scenario::{self, Known, SOON, Scene, View, name, phase, pod};

/// Pods of the hostile plugin.
const HOSTILE: usize = 20;
/// Pods beside them.
const NEIGHBOURS: usize = 100;
/// What the host may be larger than with a plugin that behaves.
const MEMORY: u64 = 96 << 20;

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(a_plugin_that_breaks_is_contained_counted_and_explained),
        stagewright_tests::scenario!(a_crowd_that_is_related_to_itself_slows_nobody_else),
    ]);
}

/// What is made of each, by the word that counts it.
const BEHAVIOURS: [(&str, &str); 8] = [
    ("decide-endless-loop", "OutOfFuel"),
    ("decide-memory-bomb", "OutOfMemory"),
    ("decide-stack-overflow", "Trap"),
    ("play-aliases", "AnswerTooLarge"),
    ("play-20000-effects", "AnswerTooLarge"),
    ("play-huge-body", "AnswerTooLarge"),
    ("play-other-namespace", "NotOwned"),
    ("play-uid", "IdentityChanged"),
];

async fn host(scene: &Scene, behave: &str) -> Result<Host> {
    let plugin = scenario::component("hostile")?;
    let settings =
        json!({"behave": behave, "subject": {"selector": format!("hostile={}", scene.name)}});
    let mut arguments = scene.selected();
    arguments.extend([
        "--plugin".to_owned(),
        plugin.to_str().context("a path in UTF-8")?.to_owned(),
        format!("--settings=hostile={settings}"),
    ]);
    scene.host(&arguments).await
}

fn pods(scene: &Scene, prefix: &str, count: usize, labels: Value) -> Vec<Value> {
    let one = |number| {
        let mut pod = pod(&scene.name, &format!("{prefix}-{number}"), &scene.name);
        scenario::set(&mut pod, "metadata", "labels", labels.clone());
        pod
    };
    (0..count).map(one).collect()
}

/// Brings the neighbours to life and ends them; answers how long the life took.
async fn neighbours(scene: &Scene, view: &View) -> Result<Duration> {
    let begun = Instant::now();
    let wanted = pods(scene, "neighbour", NEIGHBOURS, json!({}));
    let created = scenario::create_all(&scene.client, wanted).await?;
    let is_neighbour = |pod: &Value| name(pod).starts_with("neighbour-");
    let running = |known: &Known| {
        known.count(|pod| is_neighbour(pod) && phase(pod) == "Running") == NEIGHBOURS
    };
    view.until("the neighbours Running", SOON, running).await?;
    let took = begun.elapsed();
    scenario::delete_all(&scene.client, &created, None).await?;
    view.until("the neighbours gone", SOON, |known| {
        known.count(is_neighbour) == 0
    })
    .await?;
    Ok(took)
}

async fn a_plugin_that_breaks_is_contained_counted_and_explained(scene: Scene) -> Result<()> {
    let view = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let well = host(&scene, "well").await?;
    scene.ready_node(&scene.name).await?;
    let usual = neighbours(&scene, &view).await?;
    let memory = well.resident()?;
    well.terminate().await?;
    for (behave, category) in BEHAVIOURS {
        let host = host(&scene, behave).await?;
        let labels = json!({"hostile": scene.name});
        let hostile = scenario::create_all(&scene.client, pods(&scene, "hostile", HOSTILE, labels));
        let hostile = hostile.await?;
        refused(&host, category)
            .await
            .with_context(|| format!("{behave}\n{}", host.log()))?;
        let took = neighbours(&scene, &view).await?;
        ensure!(
            took < usual * 3 + Duration::from_secs(2),
            "{behave}: the neighbours took {took:?}, and {usual:?} usually"
        );
        let grown = host.resident()?.saturating_sub(memory);
        ensure!(grown < MEMORY, "{behave}: {} MiB more", grown >> 20);
        let first = hostile.first().context("a pod")?;
        let explained = host
            .explain_text("pod", Some(&scene.name), name(first))
            .await?;
        ensure!(
            explained.contains("hostile") && explained.contains(category),
            "{behave}: explain names not both, plugin and cause:\n{explained}"
        );
        println!(
            "{behave}: neighbours {took:?} (usually {usual:?}), {} MiB more",
            grown >> 20
        );
        host.terminate().await?;
        scenario::delete_all(&scene.client, &hostile, Some(0)).await?;
        view.until("all gone", SOON, Known::is_empty).await?;
    }
    Ok(())
}

/// Waits until the host has counted a refusal by that word.
async fn refused(host: &Host, category: &str) -> Result<()> {
    let labels = [r#"plugin="hostile""#, &format!("reason=\"{category}\"")];
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let counted = async {
        while host
            .metric("stagewright_guard_rejections_total", &labels)
            .await?
            < 1.0
        {
            ticks.tick().await;
        }
        Ok(())
    };
    tokio::time::timeout(SOON, counted)
        .await
        .with_context(|| format!("no {category} was counted"))?
}

/// Each of 200 pods sees all of them, so each change is a reason to look at 200. And 300 are more than a relation gives.
async fn a_crowd_that_is_related_to_itself_slows_nobody_else(scene: Scene) -> Result<()> {
    let view = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let host = host(&scene, "crowd").await?;
    scene.ready_node(&scene.name).await?;
    let usual = neighbours(&scene, &view).await?;
    let memory = host.resident()?;
    let crowd = |prefix, count| {
        let labels = json!({"hostile": scene.name, "crowd": prefix});
        pods(&scene, prefix, count, labels)
    };
    scenario::create_all(&scene.client, crowd("dense", 200)).await?;
    scenario::create_all(&scene.client, crowd("overfull", 300)).await?;
    let took = neighbours(&scene, &view).await?;
    ensure!(
        took < usual * 5 + Duration::from_secs(5),
        "the neighbours took {took:?}, and {usual:?} usually"
    );
    let running = |prefix: &'static str| {
        move |known: &Known| {
            known.count(|pod| name(pod).starts_with(prefix) && phase(pod) == "Running")
        }
    };
    view.until("the crowd Running", SOON, |known| {
        running("dense")(known) == 200
    })
    .await?;
    refused(&host, "TooManyRelated").await?;
    let grown = host.resident()?.saturating_sub(memory);
    ensure!(grown < MEMORY, "{} MiB more", grown >> 20);
    let explained = host
        .explain_text("pod", Some(&scene.name), "overfull-299")
        .await?;
    ensure!(
        explained.contains("TooManyRelated") && explained.contains("256"),
        "explain names neither cause nor bound:\n{explained}"
    );
    println!(
        "neighbours {took:?} (usually {usual:?}), {} MiB more",
        grown >> 20
    );
    Ok(())
}
