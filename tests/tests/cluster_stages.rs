//! Stages that the API server has, followed by a host: against the real control plane, with KWOK's own definition of the kind, and
//! edited while pods pour in.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::host::{Host, Version, stage_definition};
use stagewright_tests::scenario::{self, SOON, Scene, View, create, delete, text};
use stagewright_tests::staging::{self, Stand, stage};
use stagewright_tests::watcher::RankWatcher;

/// Created while a stage is edited.
const PODS: usize = 200;
const EDITS: u64 = 20;

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(stages_are_waited_for),
        stagewright_tests::scenario!(stages_come_change_and_go),
        stagewright_tests::scenario!(a_bad_stage_is_refused_alone),
        stagewright_tests::scenario!(a_delay_that_runs_goes_on),
        stagewright_tests::scenario!(stock_plugins_have_what_no_stage_names),
        stagewright_tests::scenario!(a_host_that_may_not_read_stages_says_so_once),
        stagewright_tests::scenario!(edits_under_load_move_nothing_backward),
    ]);
}

fn arguments(scene: &Scene, stock: &str) -> Vec<String> {
    let mut arguments = scene.selected();
    arguments.push("--enable-crds=Stage".to_owned());
    arguments.push(format!("--stock-plugins={stock}"));
    arguments
}

async fn host(scene: &Scene, stock: &str) -> Result<Host> {
    define(scene).await?;
    scene.host(&arguments(scene, stock)).await
}

/// The kind, if no other scenario has made it.
async fn define(scene: &Scene) -> Result<()> {
    scenario::define(&scene.client, stage_definition(Version::V08).await?).await
}

/// The first scenario: there is no such kind yet.
async fn stages_are_waited_for(scene: Scene) -> Result<()> {
    let host = scene.host_unready(&arguments(&scene, "node")).await?;
    let waits = |log: &str| log.contains("apply KWOK's CustomResourceDefinitions");
    host.until_log("word of the missing kind", SOON, waits)
        .await?;
    let (code, _) = host.get("/readyz").await?;
    ensure!(code != 200, "ready without a kind of stages");
    let definition = stage_definition(Version::V08).await?;
    create(&scene.client, definition).await?;
    host.until_ready(SOON).await
}

async fn stages_come_change_and_go(scene: Scene) -> Result<()> {
    let host = host(&scene, "node").await?;
    staging::stages_come_change_and_go(&scene.client, &scene.name)
        .await
        .with_context(|| host.log())?;
    let generation = host.metric("stagewright_lineup_generation", &[]).await?;
    ensure!(generation >= 5.0, "{generation} lineups");
    Ok(())
}

async fn a_bad_stage_is_refused_alone(scene: Scene) -> Result<()> {
    let host = host(&scene, "node").await?;
    staging::a_bad_stage_is_refused_alone(&scene.client, &scene.name)
        .await
        .with_context(|| host.log())
}

/// What `explain` says of the stage that waits; nothing while it says nothing.
async fn due(host: &Host, scene: &Scene) -> Result<(String, String)> {
    // A kind that begins to be followed has to be found first.
    let explained = host.explain("pod", Some(&scene.name), "a-0").await;
    let explained = explained.unwrap_or_default();
    let at = |key: &str| text(&explained, &format!("/next/{key}")).to_owned();
    Ok((at("stage"), at("at")))
}

async fn a_delay_that_runs_goes_on(scene: Scene) -> Result<()> {
    let host = host(&scene, "node").await?;
    let stand = Stand::open(&scene.client, &scene.name).await?;
    let slow = stand
        .add(stage("slow", ("Pending", "Running"), 600_000))
        .await?;
    loaded(&host, 1.0).await?;
    stand.pods_of("a", 1).await?;
    let mut before = (String::new(), String::new());
    until("the stage waits", async || {
        before = due(&host, &scene).await?;
        Ok(before.0 == "slow")
    })
    .await?;
    // Reads more than before, so the pods are listed once more.
    let mut other = stage("other", ("Never", "Running"), 0);
    if let Some(key) = other.pointer_mut("/spec/selector/matchExpressions/0/key") {
        *key = json!(".metadata.annotations.other");
    }
    let other = stand.add(other).await?;
    loaded(&host, 2.0).await?;
    until("the pod decided on", async || {
        Ok(due(&host, &scene).await?.0 == "slow")
    })
    .await?;
    let after = due(&host, &scene).await?;
    ensure!(before == after, "{before:?} became {after:?}");
    // Its own delay counts from the same moment.
    stand
        .edit(&slow, json!({"delay": {"durationMilliseconds": 1}}))
        .await?;
    println!(
        "shortened: {:?}",
        stand.until("a", "Running", staging::PROMPT).await?
    );
    delete(&scene.client, &slow, None).await?;
    delete(&scene.client, &other, None).await
}

async fn stock_plugins_have_what_no_stage_names(scene: Scene) -> Result<()> {
    let host = host(&scene, "node,pod").await?;
    let stand = Stand::open(&scene.client, &scene.name).await?;
    stand.pods_of("a", 3).await?;
    stand.until("a", "Running", SOON).await?;
    let never = stand.add(stage("never", ("Never", "Running"), 0)).await?;
    loaded(&host, 1.0).await?;
    stand.pods_of("b", 3).await?;
    stand.stay("b", "Pending").await?;
    let explained = host.explain_text("pod", Some(&scene.name), "b-0").await?;
    ensure!(
        explained.contains("1 stages of the API server"),
        "{explained}"
    );
    delete(&scene.client, &never, None).await?;
    stand.until("b", "Running", SOON).await?;
    Ok(())
}

/// RBAC that lacks a verb is a line in the log that names it.
async fn a_host_that_may_not_read_stages_says_so_once(scene: Scene) -> Result<()> {
    define(&scene).await?;
    let user = format!("user-{}", scene.name);
    let rules = json!([{"apiGroups": ["", "coordination.k8s.io", "events.k8s.io"], "resources": ["*"], "verbs": ["*"]}]);
    let rbac = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": user}, "rules": rules});
    let binding = json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": user},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}]});
    for object in [role, binding] {
        create(&scene.client, object).await?;
    }
    let mut arguments = arguments(&scene, "node");
    arguments.push(format!("--as={user}"));
    let host = scene.host_unready(&arguments).await?;
    let told = |log: &str| {
        let lines = log
            .lines()
            .filter(|line| line.contains("cannot be followed"));
        lines
            .filter(|line| line.contains("list") && line.contains("stages.kwok.x-k8s.io"))
            .count()
    };
    host.until_log("word of the missing right", SOON, |log| told(log) > 0)
        .await?;
    let allowed =
        json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]);
    let role = json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": user}});
    tokio::time::sleep(Duration::from_secs(3)).await;
    scenario::merge(&scene.client, &role, None, json!({"rules": allowed})).await?;
    host.until_ready(SOON).await?;
    ensure!(told(&host.log()) == 1, "not told once:\n{}", host.log());
    // What may be read and not written is told by a log line instead of a condition.
    let stage = create(&scene.client, stage("unsaid", ("Never", "Running"), 0)).await?;
    let says = |log: &str| log.contains("stages.kwok.x-k8s.io/status") && log.contains("patch");
    host.until_log("word of the condition", SOON, says).await?;
    delete(&scene.client, &stage, None).await
}

async fn edits_under_load_move_nothing_backward(scene: Scene) -> Result<()> {
    let host = host(&scene, "node").await?;
    let stand = Stand::open(&scene.client, &scene.name).await?;
    let watcher = RankWatcher::start(&scene.client).await?;
    let run = stand.add(stage("run", ("Pending", "Running"), 300)).await?;
    let finish = stand
        .add(stage("finish", ("Running", "Succeeded"), 200))
        .await?;
    loaded(&host, 2.0).await?;
    let created = async {
        let made = stand.pods_of("a", PODS).await?;
        let third: Vec<Value> = made.iter().step_by(3).cloned().collect();
        let touches = scenario::Touches::start(&scene.client, third, Duration::from_millis(100));
        stand.until("a", "Succeeded", SOON).await?;
        drop(touches);
        anyhow::Ok(made)
    };
    let edited = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(150));
        for edit in 0..EDITS {
            ticks.tick().await;
            let delay = json!({"delay": {"durationMilliseconds": edit % 4 * 100}});
            stand.edit(&run, delay).await?;
            // One comes and goes, and would take pods back if it could.
            let back = stage("back", ("Running", "Pending"), 0);
            if edit % 5 == 0 {
                stand.add(back).await?;
            } else if edit % 5 == 2 {
                delete(&scene.client, &back, None).await?;
            }
        }
        let back = stage("back", ("Running", "Pending"), 0);
        delete(&scene.client, &back, None).await
    };
    let (made, edited) = tokio::join!(created, edited);
    edited?;
    let made = made.with_context(|| host.log())?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    ensure!(pods.now().len() == made.len(), "pods were lost");
    let report = watcher.stop().await?;
    let generation = host.metric("stagewright_lineup_generation", &[]).await?;
    println!(
        "{} versions of {} objects, {generation} lineups, {} moves refused",
        report.versions,
        report.objects,
        host.metric("stagewright_guard_rejections_total", &[])
            .await?
    );
    ensure!(generation >= 6.0, "only {generation} lineups");
    ensure!(report.versions > 400, "{} versions", report.versions);
    ensure!(report.backward.is_empty(), "{:#?}", report.backward);
    ensure!(report.misplaced.is_empty(), "{:#?}", report.misplaced);
    for stage in [&run, &finish] {
        delete(&scene.client, stage, None).await?;
    }
    Ok(())
}

/// Waits until the host decides with so many stages.
async fn loaded(host: &Host, stages: f64) -> Result<()> {
    until("the stages loaded", async || {
        let loaded = host.metric("stagewright_stages", &["loaded"]).await?;
        Ok(loaded == stages)
    })
    .await
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let waited = async {
        while !holds().await? {
            ticks.tick().await;
        }
        anyhow::Ok(())
    };
    let waited = tokio::time::timeout(SOON, waited).await;
    waited.with_context(|| format!("it took longer than {SOON:?} until {what}"))?
}
