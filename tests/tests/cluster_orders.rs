//! `PhaseOrder`s against the real control plane: what the definition's schema lets in, and that an order holds from one moment to the
//! next.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stagewright::orders;
use stagewright_tests::host::{Host, Version, stage_definition};
use stagewright_tests::scenario::{
    self, SOON, Scene, View, create, create_when_served, define, merge, node, phase, text,
};

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(the_schema_lets_in_what_makes_sense),
        stagewright_tests::scenario!(an_order_holds_as_soon_as_it_is_there),
        stagewright_tests::scenario!(an_order_holds_though_its_kind_comes_late),
    ]);
}

fn order(name: &str, spec: Value) -> Value {
    json!({"apiVersion": orders::API_VERSION, "kind": orders::KIND, "metadata": {"name": name}, "spec": spec})
}

fn trainer(phases: Value) -> Value {
    json!({"kind": "example.com/v1/Trainer", "path": "/status/phase", "phases": phases})
}

async fn the_schema_lets_in_what_makes_sense(scene: Scene) -> Result<()> {
    define(&scene.client, orders::definition()).await?;
    let good = trainer(json!({"Queued": ["Active"], "Active": ["Queued", "Done"], "Done": []}));
    create_when_served(&scene.client, order("good", good.clone())).await?;
    let latches = json!({"kind": "example.com/v1/Trainer", "latches": ["Provisioned"], "epochs": ["/status/generation"]});
    create(&scene.client, order("latches", latches)).await?;
    let with = |key: &str, value: Value| {
        let mut spec = good.clone();
        if let Some(spec) = spec.as_object_mut() {
            spec.insert(key.to_owned(), value);
        }
        spec
    };
    for (spec, expected) in [
        (with("phases", json!({"Queued": []})), "at least 2"),
        (
            with("phases", json!({"Queued": ["Gone"], "Done": []})),
            "each successor is a phase itself",
        ),
        (with("path", json!("status.phase")), "should match"),
        (with("path", json!("/status/*/phase")), "should match"),
        (with("path", Value::Null), "path and phases go together"),
        (with("initial", json!("Gone")), "initial phase"),
        (with("kind", json!("Trainer")), "should match"),
        (
            json!({"kind": "example.com/v1/Trainer"}),
            "nothing is ordered",
        ),
    ] {
        let refused = create(&scene.client, order("bad", spec.clone())).await;
        let error = refused
            .err()
            .with_context(|| format!("{spec} was let in"))?;
        let error = format!("{error:#}");
        ensure!(error.contains(expected), "{error} has no {expected:?}");
    }
    for name in ["good", "latches"] {
        scenario::delete(&scene.client, &order(name, json!({})), None).await?;
    }
    Ok(())
}

/// A stage for trainers.
fn stage(name: &str, from: &str, to: &str) -> Value {
    json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": {
        "resourceRef": {"apiGroup": "example.com/v1", "kind": "Trainer"},
        "selector": {"matchExpressions": [{"key": ".status.phase", "operator": "In", "values": [from]}]},
        "next": {"statusTemplate": format!("phase: {to}\n")}}})
}

async fn an_order_holds_as_soon_as_it_is_there(scene: Scene) -> Result<()> {
    define(&scene.client, orders::definition()).await?;
    define(&scene.client, stage_definition(Version::V08).await?).await?;
    let stage = stage("back", "Active", "Queued");
    create_when_served(&scene.client, stage).await?;
    orders_are_followed(scene, "--enable-crds=Stage", false).await
}

/// Nothing of the API server's is waited for at the start, and the definition comes while the host is at work.
async fn an_order_holds_though_its_kind_comes_late(scene: Scene) -> Result<()> {
    scenario::undefine(&scene.client, &orders::definition()).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("stages.json");
    std::fs::write(&file, stage("back", "Active", "Queued").to_string())?;
    orders_are_followed(scene, &format!("--config={}", file.display()), true).await
}

async fn orders_are_followed(scene: Scene, stages: &str, late: bool) -> Result<()> {
    define(&scene.client, scenario::custom_kind("Trainer")).await?;
    create(&scene.client, node(&scene.name, &scene.name)).await?;
    let mut arguments = scene.selected();
    arguments.push(stages.to_owned());
    arguments.push("--stock-plugins=node".to_owned());
    let host = scene.host(&arguments).await?;
    let trainers = View::open(&scene.client, "example.com/v1/Trainer", Some(&scene.name)).await?;
    let active = async |name: &str| {
        let object = json!({"apiVersion": "example.com/v1", "kind": "Trainer",
            "metadata": {"name": name, "namespace": scene.name}, "spec": {}});
        let object = create_when_served(&scene.client, object).await?;
        let patch = json!({"status": {"phase": "Active"}});
        merge(&scene.client, &object, Some("status"), patch).await
    };
    let until = async |name: &str, wanted: &str| {
        let what = format!("{name} {wanted}");
        let is_there =
            |known: &scenario::Known| known.get(name).is_some_and(|it| phase(it) == wanted);
        trainers.until(&what, SOON, is_there).await
    };
    // Nobody has an order for trainers, so a stage may take them back.
    active("one").await?;
    until("one", "Queued").await?;
    let said = explained(&host, &scene, "one").await?;
    ensure!(
        said.contains("no order for example.com/v1/Trainer"),
        "{said}"
    );
    let log = host.log();
    ensure!(log.contains("no order for example.com/v1/Trainer"), "{log}");

    if late {
        define(&scene.client, orders::definition()).await?;
    }
    let forward = trainer(json!({"Queued": ["Active"], "Active": ["Done"], "Done": []}));
    let forward = create_when_served(&scene.client, order("forward", forward)).await?;
    let orders = View::open(&scene.client, "stagewright.dev/v1alpha1/PhaseOrder", None).await?;
    let pods = json!({"kind": "v1/Pod", "path": "/status/phase", "phases": {"Running": ["Pending"], "Pending": []}});
    create(&scene.client, order("pods", pods)).await?;
    for (name, status, part) in [
        ("forward", "True", ""),
        ("pods", "False", "an order of its own for v1/Pod"),
    ] {
        let is_told = |known: &scenario::Known| {
            let condition = known
                .get(name)
                .and_then(|it| it.pointer("/status/conditions/0"));
            condition.is_some_and(|condition| {
                text(condition, "/type") == "Loaded"
                    && text(condition, "/status") == status
                    && text(condition, "/message").contains(part)
            })
        };
        let what = format!("PhaseOrder {name} with Loaded {status}");
        orders.until(&what, SOON, is_told).await?;
    }
    active("two").await?;
    let refused = async || {
        let refused = host
            .metric("stagewright_guard_rejections_total", &[])
            .await?;
        anyhow::Ok(refused > 0.0)
    };
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    let waited = async {
        while !refused().await? {
            ticks.tick().await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(SOON, waited)
        .await
        .context("nothing was refused")??;
    until("two", "Active").await?;
    let said = explained(&host, &scene, "two").await?;
    ensure!(
        said.contains("declared: ") && said.contains("Active"),
        "{said}"
    );

    // The administrator lets them go back, and who was refused goes at once.
    let both = json!({"spec": {"phases": {"Active": ["Done", "Queued"]}}});
    merge(&scene.client, &forward, None, both).await?;
    until("two", "Queued").await
}

async fn explained(host: &Host, scene: &Scene, name: &str) -> Result<String> {
    host.explain_text("Trainer", Some(&scene.name), name).await
}
