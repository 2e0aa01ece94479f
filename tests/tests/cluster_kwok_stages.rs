//! KWOK's own general, chaos and volume stages against the real control plane: whatever they write, and with a second host of the same
//! stages beside it, no object moves backward.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use kube::api::ApiResource;
use serde_json::{Value, json};
use stagewright_tests::host::{Version, shipped_stages};
use stagewright_tests::scenario::{
    self, Known, SOON, Scene, Touches, View, create, name, phase, set,
};
use stagewright_tests::watcher::{DeclaredOrder, RankWatcher, Rules, Watched};

/// As many as the report of kwok#1002 was reproduced with.
const PODS: usize = 60;
const CLAIMS: usize = 12;
const FOLDERS: [&str; 5] = [
    "kustomize/stage/node/fast",
    "kustomize/stage/node/chaos",
    "kustomize/stage/pod/general",
    "kustomize/stage/pod/chaos",
    "kustomize/stage/volume/fast",
];

fn main() {
    scenario::play(&[stagewright_tests::scenario!(
        kwoks_stages_never_move_an_object_backward_with_two_hosts
    )]);
}

async fn kwoks_stages_never_move_an_object_backward_with_two_hosts(scene: Scene) -> Result<()> {
    let stages = shipped_stages(Version::V08, &FOLDERS).await?;
    let file = scene.plane.folder().join("kwoks.yaml");
    std::fs::write(&file, stages)?;
    let mut arguments = scene.selected();
    arguments.push(format!("--config={}", file.display()));
    // Competing hosts: without leases, nothing but the preconditions stands between two writers.
    arguments.push("--node-lease-duration-seconds=0".to_owned());
    let watcher = RankWatcher::start_for(&scene.client, watched()).await?;
    let hosts = [scene.host(&arguments).await?, scene.host(&arguments).await?];
    for number in 0..4 {
        scene.ready_node(&node_name(&scene, number)).await?;
    }
    create(&scene.client, storage_class()).await?;
    let claims = View::open(&scene.client, "v1/PersistentVolumeClaim", Some(&scene.name)).await?;
    let volumes = View::open(&scene.client, "v1/PersistentVolume", None).await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;

    let mut bound = scenario::create_all(
        &scene.client,
        (0..CLAIMS).map(|number| claim(&scene, number)),
    )
    .await?;
    let created =
        scenario::create_all(&scene.client, (0..PODS).map(|number| pod(&scene, number))).await?;
    let third = created.iter().step_by(3).cloned().collect();
    let touches = Touches::start(&scene.client, third, Duration::from_millis(100));
    let is_bound = |object: &Value| phase(object) == "Bound";
    // On a slow machine more of them are lost in the race; not all, or the stages bind none.
    claims
        .until("all claims Bound", SOON, |known| {
            known.all(CLAIMS, |claim| is_bound(claim) || is_unnamed(claim))
                && known.count(is_bound) > 0
        })
        .await?;
    volumes
        .until("all volumes Bound", SOON, |known| {
            known.all(CLAIMS, is_bound)
        })
        .await?;
    let settled = |known: &Known| {
        known.len() == PODS
            && known
                .objects
                .values()
                .all(|pod| phase(pod) == end_of(name(pod)))
    };
    pods.until(
        "all pods at the end of their lives",
        Duration::from_secs(120),
        settled,
    )
    .await?;
    drop(touches);

    // A host that dies amid it changes nothing.
    let [first, second] = hosts;
    scenario::delete_all(&scene.client, &created, None).await?;
    first.kill().await?;
    pods.until("all pods gone", SOON, Known::is_empty).await?;
    let rest = bound.split_off(CLAIMS / 2);
    scenario::delete_all(&scene.client, &bound, None).await?;
    let half = |known: &Known| known.all(CLAIMS - CLAIMS / 2, is_bound);
    volumes
        .until("the volumes of deleted claims gone", SOON, half)
        .await?;
    scenario::delete_all(&scene.client, &rest, None).await?;
    volumes
        .until("all volumes gone", SOON, Known::is_empty)
        .await?;
    claims
        .until("all claims gone", SOON, Known::is_empty)
        .await?;
    let refused = second
        .metric("stagewright_guard_rejections_total", &[])
        .await?;
    drop(second);

    let report = watcher.stop().await?;
    println!(
        "{} versions of {} objects, {} moves refused",
        report.versions, report.objects, refused
    );
    ensure!(
        report.versions > 500,
        "the watcher saw only {} versions",
        report.versions
    );
    // The real controller of volumes takes one back whose claim is still there when the stage has released it: none of ours.
    let volumes = "PersistentVolume";
    let ours = report.backward_but("kube-controller-manager", volumes, "/status/phase");
    ensure!(ours.is_empty(), "{ours:#?}");
    ensure!(report.misplaced.is_empty(), "{:#?}", report.misplaced);
    Ok(())
}

/// KWOK's stage calls a claim bound before anybody has named its volume there. The controller of volumes that reads the claim in between
/// takes it for one that has lost its volume, for good (`syncBoundClaim` in `pv_controller.go`): the stage's race, whoever plays it.
fn is_unnamed(claim: &Value) -> bool {
    phase(claim) == "Lost" && claim.pointer("/spec/volumeName").is_none()
}

/// What is watched, with the orders that the controllers of volumes follow.
fn watched() -> Vec<Watched> {
    let chain = |words: &[&str]| DeclaredOrder {
        phase: "/status/phase".to_owned(),
        initial: "Pending".to_owned(),
        next: words
            .windows(2)
            .filter_map(|pair| Some((pair.first()?.to_string(), vec![pair.last()?.to_string()])))
            .collect::<BTreeMap<_, _>>(),
        ..DeclaredOrder::default()
    };
    let declared = |resource, words: &[&str]| Watched {
        resource,
        rules: Rules::Declared(chain(words)),
    };
    let claims = ApiResource::erase::<k8s_openapi::api::core::v1::PersistentVolumeClaim>(&());
    let volumes = ApiResource::erase::<k8s_openapi::api::core::v1::PersistentVolume>(&());
    vec![
        Watched::pods(),
        Watched::nodes(),
        declared(claims, &["Pending", "Bound", "Lost"]),
        declared(
            volumes,
            &["Pending", "Available", "Bound", "Released", "Failed"],
        ),
    ]
}

fn node_name(scene: &Scene, number: usize) -> String {
    format!("{}-{}", scene.name, number % 4)
}

/// Who its provisioner is does not matter: the stages do its work.
fn storage_class() -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "kwok-volume"},
        "provisioner": "kwok.x-k8s.io/volume", "volumeBindingMode": "Immediate", "reclaimPolicy": "Delete"})
}

fn claim(scene: &Scene, number: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": format!("claim-{number}"), "namespace": scene.name},
        "spec": {"storageClassName": "kwok-volume", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
}

/// Of six pods one fails while it runs, one while it begins, and two have init containers.
fn pod(scene: &Scene, number: usize) -> Value {
    let mut pod = scenario::pod(
        &scene.name,
        &format!("pod-{number}"),
        &node_name(scene, number),
    );
    let label = |stage: &str| json!({format!("{stage}.stage.kwok.x-k8s.io"): "true"});
    match number % 6 {
        4 => set(
            &mut pod,
            "metadata",
            "labels",
            label("pod-container-running-failed"),
        ),
        5 => set(
            &mut pod,
            "metadata",
            "labels",
            label("pod-init-container-running-failed"),
        ),
        _ => {}
    }
    if number % 2 == 1 {
        let init = json!([{"name": "init", "image": "example.com/init:1"}]);
        set(&mut pod, "spec", "initContainers", init);
    }
    pod
}

/// Where the pod's life ends, until it is deleted.
fn end_of(name: &str) -> &'static str {
    let number = name
        .rsplit_once('-')
        .and_then(|(_, number)| number.parse::<usize>().ok());
    match number.unwrap_or_default() % 6 {
        4 | 5 => "Failed",
        _ => "Running",
    }
}
