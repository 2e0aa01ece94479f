//! Devices of nodes, which the real scheduler gives to claims and the real controllers free.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{self, Known, SOON, Scene, View, name, phase, text, uid};

use super::support::{container, nodes, says, template, until, view};

/// A driver that the plugin `devices` plays, since nodes ask for it.
const DRIVER: &str = "gpu.example.com";

/// That many nodes with that many devices each, once the scheduler can see them, and the view of all slices.
async fn nodes_with_devices(
    scene: &Scene,
    count: usize,
    devices: usize,
) -> Result<(Vec<Value>, View)> {
    let class = json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": scene.name},
        "spec": {"selectors": [{"cel": {"expression": format!("device.driver == '{DRIVER}'")}}]}});
    scenario::create(&scene.client, class).await?;
    let slices = View::open(&scene.client, "resource.k8s.io/v1/ResourceSlice", None).await?;
    let nodes = nodes(scene, count).await?;
    for node in &nodes {
        scenario::merge(&scene.client, node, None, ask(json!(devices.to_string()))).await?;
    }
    let complete = |node: &Value, known: &Known| {
        let of_node = |slice: &Value| {
            let listed = slice.pointer("/spec/devices").and_then(Value::as_array);
            is_of(slice, node) && listed.is_some_and(|listed| listed.len() == devices)
        };
        known.count(of_node) == 1
    };
    let what = "a slice for each node";
    slices
        .until(what, SOON, |known| {
            nodes.iter().all(|node| complete(node, known))
        })
        .await?;
    Ok((nodes, slices))
}

fn ask(devices: Value) -> Value {
    json!({"metadata": {"annotations": {format!("devices.stagewright.dev/{DRIVER}"): devices}}})
}

fn is_of(slice: &Value, node: &Value) -> bool {
    text(slice, "/spec/nodeName") == name(node)
}

/// The spec of a claim to one device.
fn one(scene: &Scene) -> Value {
    json!({"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": scene.name}}]}})
}

/// What a pod's spec says so that its container has the device.
fn uses(claim: Value) -> Value {
    let mut main = container("main");
    main["resources"] = json!({"claims": [{"name": "gpu"}]});
    json!({"resourceClaims": [claim], "containers": [main]})
}

/// The device that a claim has, as pool and name.
fn device(claim: &Value) -> Option<(&str, &str)> {
    let result = claim.pointer("/status/allocation/devices/results/0")?;
    Some((text(result, "/pool"), text(result, "/device")))
}

/// Whether the driver reports the claim's device as ready.
fn is_ready(claim: &Value) -> bool {
    let reported = claim.pointer("/status/devices/0").unwrap_or(&Value::Null);
    let place = (text(reported, "/pool"), text(reported, "/device"));
    let condition = "/conditions/0";
    device(claim) == Some(place)
        && text(reported, "/driver") == DRIVER
        && text(reported, &format!("{condition}/type")) == "Ready"
        && text(reported, &format!("{condition}/status")) == "True"
}

/// Of six pods four run on two nodes with two devices each. A deleted one's device is another's, and slices go with their node, or
/// when it asks for none.
pub async fn as_many_pods_run_as_there_are_devices(scene: Scene) -> Result<()> {
    let (nodes, slices) = nodes_with_devices(&scene, 2, 2).await?;
    let pods = view(&scene, "v1/Pod").await?;
    let claims = view(&scene, "resource.k8s.io/v1/ResourceClaim").await?;
    let claim = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate",
        "metadata": {"name": "one", "namespace": scene.name}, "spec": {"spec": one(&scene)}});
    scenario::create(&scene.client, claim).await?;
    let spec = uses(json!({"name": "gpu", "resourceClaimTemplateName": "one"}));
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "train", "namespace": scene.name},
        "spec": {"replicas": 6, "selector": {"matchLabels": {"app": "train"}}, "template": template(&scene, "train", &[], spec)}});
    scenario::create(&scene.client, deployment).await?;

    let runs = |pod: &Value| phase(pod) == "Running";
    let waits = |pod: &Value| says(pod, "PodScheduled") == "False/Unschedulable";
    let four_of_six =
        |known: &Known| known.len() == 6 && known.count(runs) == 4 && known.count(waits) == 2;
    pods.until("four of six pods run", 2 * SOON, four_of_six)
        .await?;
    pods.holds("no more run than there are devices", SOON / 20, |known| {
        known.count(runs) <= 4
    })
    .await?;
    claims
        .until("four devices ready", SOON, |known| {
            known.count(is_ready) == 4
        })
        .await?;
    let taken = {
        let known = claims.now();
        let devices = known.objects.values();
        devices
            .filter_map(|claim| device(claim).map(|(pool, device)| format!("{pool}/{device}")))
            .collect::<BTreeSet<_>>()
    };
    ensure!(taken.len() == 4, "a device has two claims: {taken:?}");

    let gone = {
        let known = pods.now();
        let first = known.objects.values().find(|pod| runs(pod));
        Value::clone(first.context("a pod that runs")?)
    };
    let before = text(&gone, "/status/resourceClaimStatuses/0/resourceClaimName").to_owned();
    let (freed, old) = {
        let known = claims.now();
        let claim = known.get(&before).context("the claim of a pod that runs")?;
        let (pool, device) = device(claim).context("its device")?;
        ((pool.to_owned(), device.to_owned()), uid(claim).to_owned())
    };
    scenario::delete(&scene.client, &gone, None).await?;
    let has_it = |claim: &Value| {
        device(claim) == Some((freed.0.as_str(), freed.1.as_str()))
            && uid(claim) != old
            && is_ready(claim)
    };
    claims
        .until("the device is another's", 2 * SOON, |known| {
            known.count(has_it) == 1
        })
        .await?;
    pods.until("four of six pods run again", 2 * SOON, |known| {
        four_of_six(known) && known.get(name(&gone)).is_none()
    })
    .await?;

    let [asks_no_more, goes] = nodes.as_slice() else {
        anyhow::bail!("two nodes: {nodes:?}");
    };
    scenario::delete(&scene.client, goes, None).await?;
    scenario::merge(&scene.client, asks_no_more, None, ask(Value::Null)).await?;
    slices
        .until("the slices gone", 2 * SOON, |known| {
            known.count(|slice| is_of(slice, goes) || is_of(slice, asks_no_more)) == 0
        })
        .await
}

/// A pod that ends gives its device back, though its claim stays: the next one has it.
pub async fn a_pod_that_ends_frees_its_device(scene: Scene) -> Result<()> {
    nodes_with_devices(&scene, 1, 1).await?;
    let claims = view(&scene, "resource.k8s.io/v1/ResourceClaim").await?;
    let jobs = view(&scene, "batch/v1/Job").await?;
    for run in ["first", "second"] {
        let claim = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
            "metadata": {"name": run, "namespace": scene.name}, "spec": one(&scene)});
        scenario::create(&scene.client, claim).await?;
        let mut spec = uses(json!({"name": "gpu", "resourceClaimName": run}));
        spec["restartPolicy"] = "Never".into();
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": run, "namespace": scene.name},
            "spec": {"template": template(&scene, run, &[], spec)}});
        scenario::create(&scene.client, job).await?;
    }
    for run in ["first", "second"] {
        until(&jobs, run, "complete", |job| {
            scenario::is_true(job, "Complete")
        })
        .await?;
        let freed =
            |claim: &Value| device(claim).is_none() && claim.pointer("/status/devices").is_none();
        let claim = until(&claims, run, "free", freed).await?;
        let known = claims.now();
        ensure!(
            known
                .versions(uid(&claim))
                .any(|seen| is_ready(&seen.object)),
            "its device was never ready"
        );
    }
    Ok(())
}
