//! No hot loop: a play whose patch the API server changes, drops or refuses is not played over and over, and is explained.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::host::Host;
use stagewright_tests::scenario::{
    self, Known, SOON, Scene, View, name, patches, phase, text, uid,
};

/// How long each case is watched after its play.
const QUIET: Duration = Duration::from_secs(10);
/// Objects of each case.
const OBJECTS: u64 = 5;

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(what_the_server_normalises_is_played_once),
        stagewright_tests::scenario!(what_the_schema_prunes_is_played_once),
        stagewright_tests::scenario!(what_was_stored_in_part_is_played_again_after_a_change),
        stagewright_tests::scenario!(what_a_policy_rewrites_is_played_once),
        stagewright_tests::scenario!(what_a_policy_refuses_backs_off),
        stagewright_tests::scenario!(what_a_stage_repeats_for_ever_backs_off),
    ]);
}

/// A kind with a status of known fields.
fn gauge_kind() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gauges.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Gauge", "plural": "gauges", "singular": "gauge", "listKind": "GaugeList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "status": {"type": "object", "properties": {"phase": {"type": "string"}, "level": {"type": "integer"}}}}}}}]}})
}

/// The plugin, told to patch the status of `kind` until `pointer` has the value, and the host that asks it.
async fn host(scene: &Scene, mut rule: Value) -> Result<Host> {
    // Only this scenario's objects, and not the probe of its policy.
    if let Some(rule) = rule.as_object_mut() {
        rule.insert("selector".into(), format!("scene={}", scene.name).into());
    }
    let plugin = scenario::component("scribe")?;
    let plugin = plugin.to_str().context("a path in UTF-8")?;
    let settings = format!("scribe={rule}");
    let selector = format!("group={}", scene.name);
    scene
        .host(&[
            "--plugin",
            plugin,
            "--settings",
            &settings,
            "--manage-nodes-with-label-selector",
            &selector,
        ])
        .await
}

fn gauge(scene: &Scene, name: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Gauge", "spec": {},
        "metadata": {"name": name, "namespace": scene.name, "labels": {"scene": scene.name}}})
}

async fn gauges(scene: &Scene) -> Result<(View, Vec<Value>)> {
    scenario::define(&scene.client, gauge_kind()).await?;
    let mut objects = Vec::new();
    for number in 0..OBJECTS {
        objects.push(
            scenario::create_when_served(&scene.client, gauge(scene, &format!("gauge-{number}")))
                .await?,
        );
    }
    Ok((
        View::open(&scene.client, "example.com/v1/Gauge", Some(&scene.name)).await?,
        objects,
    ))
}

/// After the first plays: no further patch, next to no CPU, and a reason in `explain`. Then a change by somebody else: played once more.
async fn is_quiet(
    scene: &Scene,
    host: &Host,
    resource: &str,
    objects: &[Value],
    before: u64,
) -> Result<()> {
    let cpu = host.cpu()?;
    tokio::time::sleep(QUIET).await;
    let spent = host.cpu()? - cpu;
    ensure!(
        spent < Duration::from_millis(300),
        "the host used {spent:?} of CPU in {QUIET:?} with nothing to do"
    );

    let first = objects.first().context("an object")?;
    let explained = host
        .explain_text(text(first, "/kind"), Some(&scene.name), name(first))
        .await?;
    ensure!(
        explained.to_lowercase().contains("effect"),
        "explain does not say that the play had no (full) effect:\n{explained}"
    );

    let sent = patches(&scene.client, resource, "status").await? - before;
    ensure!(
        sent == OBJECTS,
        "{sent} patches of {OBJECTS} objects: each play must be sent once"
    );
    scenario::merge(
        &scene.client,
        first,
        None,
        json!({"metadata": {"labels": {"changed": "yes"}}}),
    )
    .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let sent = patches(&scene.client, resource, "status").await? - before;
    ensure!(
        sent <= OBJECTS + 1,
        "{sent} patches after one change by another writer"
    );
    Ok(())
}

/// A quantity: sent as 1024Mi, stored as 1Gi.
async fn what_the_server_normalises_is_played_once(scene: Scene) -> Result<()> {
    let before = patches(&scene.client, "persistentvolumeclaims", "status").await?;
    let rule = json!({"kind": "v1/PersistentVolumeClaim", "pointer": "/status/capacity/storage", "value": "1024Mi",
        "patch": {"capacity": {"storage": "1024Mi"}}});
    let host = host(&scene, rule).await?;
    let claims = (0..OBJECTS).map(|number| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": format!("claim-{number}"), "namespace": scene.name, "labels": {"scene": scene.name}},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Gi"}}}})
    });
    let claims = scenario::create_all(&scene.client, claims).await?;
    let view = View::open(&scene.client, "v1/PersistentVolumeClaim", Some(&scene.name)).await?;
    let stored = |claim: &Value| text(claim, "/status/capacity/storage") == "1Gi";
    view.until("all with a capacity", SOON, |known| {
        known.all(OBJECTS as usize, stored)
    })
    .await?;
    is_quiet(&scene, &host, "persistentvolumeclaims", &claims, before).await
}

/// A field that the schema does not know never arrives.
async fn what_the_schema_prunes_is_played_once(scene: Scene) -> Result<()> {
    let before = patches(&scene.client, "gauges", "status").await?;
    let (view, gauges) = gauges(&scene).await?;
    let rule = json!({"kind": "example.com/v1/Gauge", "pointer": "/status/needle", "value": 7,
        "patch": {"needle": 7, "phase": "Pruned"}});
    let host = host(&scene, rule).await?;
    view.until("all played", SOON, |known| {
        known.all(OBJECTS as usize, |gauge| phase(gauge) == "Pruned")
    })
    .await?;
    is_quiet(&scene, &host, "gauges", &gauges, before).await
}

/// A play of which the schema dropped a part, and with which the plugin is content: the next change by somebody else is a reason to
/// play it again, whenever that is.
async fn what_was_stored_in_part_is_played_again_after_a_change(scene: Scene) -> Result<()> {
    let (view, gauges) = gauges(&scene).await?;
    let rule = json!({"kind": "example.com/v1/Gauge", "pointer": "/status/phase", "value": "Half",
        "patch": {"needle": 7, "phase": "Half"}});
    let _host = host(&scene, rule).await?;
    let all_half = |known: &Known| known.all(OBJECTS as usize, |gauge| phase(gauge) == "Half");
    view.until("all played", SOON, all_half).await?;
    for gauge in &gauges {
        let other = json!({"status": {"phase": "Other"}});
        scenario::merge(&scene.client, gauge, Some("status"), other).await?;
    }
    let both = |known: &Known| {
        let times = |gauge: &Value| {
            let versions = known.versions(uid(gauge));
            versions
                .filter(|seen| phase(&seen.object) == "Half")
                .count()
        };
        all_half(known) && gauges.iter().all(|gauge| times(gauge) == 2)
    };
    view.until("all played again", SOON, both).await
}

/// A policy writes Calm where the plugin wrote Loud.
async fn what_a_policy_rewrites_is_played_once(scene: Scene) -> Result<()> {
    let (view, gauges) = gauges(&scene).await?;
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": scene.name},
        "spec": {"failurePolicy": "Fail", "reinvocationPolicy": "Never", "matchConstraints": matches_gauges(),
            "matchConditions": [{"name": "loud", "expression": "has(object.status) && has(object.status.phase) && object.status.phase == 'Loud'"}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch":
                {"expression": "[JSONPatch{op: \"replace\", path: \"/status/phase\", value: \"Calm\"}]"}}]}});
    scenario::create(&scene.client, policy).await?;
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": scene.name}, "spec": {"policyName": scene.name, "matchResources": in_namespace(&scene)}});
    scenario::create(&scene.client, binding).await?;
    in_force(&scene, "Loud", |answer| {
        answer.is_ok_and(|gauge| phase(&gauge) == "Calm")
    })
    .await?;

    let before = patches(&scene.client, "gauges", "status").await?;
    let rule = json!({"kind": "example.com/v1/Gauge", "pointer": "/status/phase", "value": "Loud",
        "patch": {"phase": "Loud"}});
    let host = host(&scene, rule).await?;
    // And the probe.
    view.until("all rewritten", SOON, |known| {
        known.all(1 + OBJECTS as usize, |gauge| phase(gauge) == "Calm")
    })
    .await?;
    is_quiet(&scene, &host, "gauges", &gauges, before).await
}

/// A policy refuses the write: it is tried again ever more slowly, and said.
async fn what_a_policy_refuses_backs_off(scene: Scene) -> Result<()> {
    let (view, gauges) = gauges(&scene).await?;
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": scene.name},
        "spec": {"failurePolicy": "Fail", "matchConstraints": matches_gauges(),
            "validations": [{"expression": "!has(object.status) || !has(object.status.phase) || object.status.phase != 'Forbidden'",
                "message": "no gauge may be Forbidden"}]}});
    scenario::create(&scene.client, policy).await?;
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": scene.name},
        "spec": {"policyName": scene.name, "validationActions": ["Deny"], "matchResources": in_namespace(&scene)}});
    scenario::create(&scene.client, binding).await?;
    in_force(&scene, "Forbidden", |answer| answer.is_err()).await?;

    let before = patches(&scene.client, "gauges", "status").await?;
    let rule = json!({"kind": "example.com/v1/Gauge", "pointer": "/status/phase", "value": "Forbidden",
        "patch": {"phase": "Forbidden"}});
    let host = host(&scene, rule).await?;
    let cpu = host.cpu()?;
    tokio::time::sleep(QUIET).await;
    let sent = patches(&scene.client, "gauges", "status").await? - before;
    ensure!(
        (OBJECTS..=8 * OBJECTS).contains(&sent),
        "{sent} patches of {OBJECTS} objects in {QUIET:?}, all refused"
    );
    let spent = host.cpu()? - cpu;
    ensure!(
        spent < Duration::from_millis(500),
        "the host used {spent:?} of CPU in {QUIET:?} on refused writes"
    );
    ensure!(
        view.now()
            .count(|gauge| phase(gauge) == "Forbidden" && name(gauge) != "probe")
            == 0,
        "the policy was not in force"
    );
    let first = gauges.first().context("a gauge")?;
    let explained = host
        .explain_text("Gauge", Some(&scene.name), name(first))
        .await?;
    ensure!(
        explained.contains("no gauge may be Forbidden"),
        "explain does not give the server's reason:\n{explained}"
    );
    Ok(())
}

/// A stage that is due again after each of its plays, each of which changes something.
async fn what_a_stage_repeats_for_ever_backs_off(scene: Scene) -> Result<()> {
    let before = patches(&scene.client, "gauges", "status").await?;
    let (view, _gauges) = gauges(&scene).await?;
    let rule = json!({"kind": "example.com/v1/Gauge", "pointer": "/status/phase", "value": "never", "counter": "level",
        "patch": {"phase": "Counting"}});
    let host = host(&scene, rule).await?;
    view.until("all played", SOON, |known| {
        known.all(OBJECTS as usize, |gauge| phase(gauge) == "Counting")
    })
    .await?;
    tokio::time::sleep(QUIET).await;
    let sent = patches(&scene.client, "gauges", "status").await? - before;
    ensure!(
        sent <= 20 * OBJECTS,
        "{sent} patches of {OBJECTS} objects in {QUIET:?}: a repeating stage must back off"
    );
    drop(host);
    Ok(())
}

fn matches_gauges() -> Value {
    json!({"resourceRules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["gauges/status"]}]})
}

fn in_namespace(scene: &Scene) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.name}}})
}

/// Waits until the policy acts, with an object that the plugin does not select.
async fn in_force(scene: &Scene, phase: &str, acts: impl Fn(Result<Value>) -> bool) -> Result<()> {
    let mut probe = gauge(scene, "probe");
    scenario::set(&mut probe, "metadata", "labels", json!({}));
    let probe = scenario::create(&scene.client, probe).await?;
    let mut pause = tokio::time::interval(Duration::from_millis(200));
    let attempts = async {
        loop {
            pause.tick().await;
            if acts(
                scenario::merge(
                    &scene.client,
                    &probe,
                    Some("status"),
                    json!({"status": {"phase": phase}}),
                )
                .await,
            ) {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, attempts)
        .await
        .context("the policy never came into force")
}
