//! KWOK's own stages and cases through the binary, as a user runs them.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value as Json;
use stagewright_tests::programs;

use super::{documents, files, shipped};

/// An object, the folders of its stages, and the stages that it goes through; the first ones, where there is no end.
struct Life {
    object: &'static str,
    folders: &'static [&'static str],
    delete: bool,
    stages: &'static [&'static str],
}

const JOB: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: d, ownerReferences: [{apiVersion: batch/v1, kind: Job, name: j, \
    uid: u}]}, spec: {nodeName: node-1, initContainers: [{name: b, image: i}], containers: [{name: a, image: i}]}}";
const BROKEN: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: d, labels: \
    {pod-container-running-failed.stage.kwok.x-k8s.io: 'true'}}, spec: {nodeName: node-1, containers: [{name: a, image: i}]}}";
const BROKEN_EARLY: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: d, labels: \
    {pod-init-container-running-failed.stage.kwok.x-k8s.io: 'true'}}, spec: {nodeName: node-1, initContainers: [{name: b, image: i}], \
    containers: [{name: a, image: i}]}}";
const NODE: &str = "{apiVersion: v1, kind: Node, metadata: {name: node-1}}";
const BROKEN_NODE: &str = "{apiVersion: v1, kind: Node, metadata: {name: node-1, labels: {node-not-ready.stage.kwok.x-k8s.io: 'true'}}}";
const CLAIM: &str = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, namespace: d}, spec: {storageClassName: kwok-volume, \
    accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}, status: {phase: Pending}}";
const LEAVING_CLAIM: &str = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, namespace: d, finalizers: \
    [kubernetes.io/pvc-protection], deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0}, spec: {storageClassName: \
    kwok-volume, volumeName: pvc-u}, status: {phase: Bound}}";
const VOLUME: &str = "{apiVersion: v1, kind: PersistentVolume, metadata: {name: v}, spec: {storageClassName: kwok-volume, \
    persistentVolumeReclaimPolicy: Delete, claimRef: {kind: PersistentVolumeClaim, name: c, namespace: d, uid: u, apiVersion: v1}}, \
    status: {phase: Pending}}";
const RELEASED: &str = "{apiVersion: v1, kind: PersistentVolume, metadata: {name: v}, spec: {storageClassName: kwok-volume, \
    persistentVolumeReclaimPolicy: Delete, claimRef: {kind: PersistentVolumeClaim, name: c, namespace: d, uid: u, apiVersion: v1}}, \
    status: {phase: Released}}";

const LIVES: [Life; 11] = [
    life(
        JOB,
        &["pod/fast"],
        true,
        &["pod-ready", "pod-complete", "pod-delete"],
    ),
    life(
        JOB,
        &["pod/general"],
        true,
        &[
            "pod-create",
            "pod-init-container-running",
            "pod-init-container-completed",
            "pod-ready",
            "pod-complete",
            "pod-delete",
        ],
    ),
    life(
        BROKEN,
        &["pod/general", "pod/chaos"],
        false,
        &["pod-create", "pod-ready", "pod-container-running-failed"],
    ),
    life(
        BROKEN_EARLY,
        &["pod/general", "pod/chaos"],
        false,
        &["pod-init-container-running-failed"],
    ),
    life(
        NODE,
        &["node/fast", "node/heartbeat"],
        false,
        &["node-initialize", "node-heartbeat", "node-heartbeat"],
    ),
    // The kustomization that KWOK ships as a whole.
    life(
        NODE,
        &["fast"],
        false,
        &[
            "node-initialize",
            "node-heartbeat-with-lease",
            "node-heartbeat-with-lease",
        ],
    ),
    life(
        BROKEN_NODE,
        &["node/fast", "node/chaos"],
        false,
        &["node-initialize", "node-not-ready"],
    ),
    life(CLAIM, &["volume/fast"], false, &["pvc-provision"]),
    life(VOLUME, &["volume/fast"], false, &["pv-bind"]),
    life(LEAVING_CLAIM, &["volume/fast"], false, &["pvc-delete"]),
    life(RELEASED, &["volume/fast"], false, &["pv-delete"]),
];

const fn life(
    object: &'static str,
    folders: &'static [&'static str],
    delete: bool,
    stages: &'static [&'static str],
) -> Life {
    Life {
        object,
        folders,
        delete,
        stages,
    }
}

#[test]
fn kwoks_cases_through_the_binary() -> Result<()> {
    let mut command = Command::new(programs::stagewright()?);
    let output = command.args(["stage", "test"]).arg(shipped()?).output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success() && text.ends_with("16 cases, 0 failed\n"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[test]
fn every_shipped_stage_plays_its_part() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("object.yaml");
    let mut played: BTreeSet<&str> = BTreeSet::new();
    for life in LIVES {
        std::fs::write(&file, life.object)?;
        let mut command = Command::new(programs::stagewright()?);
        command.args(["stage", "simulate", "--output=json", "--stages=8", "--file"]);
        command.arg(&file).args(life.delete.then_some("--delete"));
        for folder in life.folders {
            command.arg("--config").arg(shipped()?.join(folder));
        }
        let output = command.output()?;
        let printed: Json = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        let steps = printed["steps"].as_array().context("steps")?;
        let stages = steps
            .iter()
            .filter_map(|step| step["plugin"].as_str().and(step["stage"].as_str()));
        let stages: Vec<&str> = stages.collect();
        ensure!(
            stages.starts_with(life.stages),
            "{:?}: {stages:?}: {printed:#}",
            life.folders
        );
        // Releasing the volume once is enough.
        ensure!(
            stages.len() == 1 || life.stages != ["pvc-delete"],
            "{stages:?}"
        );
        played.extend(life.stages);
    }
    let mut shipped_stages = BTreeSet::new();
    for path in files(&shipped()?, ".yaml")? {
        let is_case = path.to_string_lossy().contains("testdata");
        for document in documents(&path)?.iter().filter(|_| !is_case) {
            if document["kind"] == "Stage" {
                let name = document["metadata"]["name"].as_str().context("a name")?;
                shipped_stages.insert(name.to_owned());
            }
        }
    }
    let missing: Vec<_> = shipped_stages
        .iter()
        .filter(|name| !played.contains(name.as_str()))
        .collect();
    ensure!(missing.is_empty(), "never played: {missing:?}");
    Ok(())
}
