//! `stagewright run --config`.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use stagewright_tests::programs;

use super::{BAD, Folder, GOOD, run};

/// Nothing listens there, so that a run gets as far as its plugins and waits.
const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: t}}]
";

/// Starts a run, and ends it once its log has a line with the text.
fn log_until(folder: &Folder, arguments: &[&str], text: &str) -> Result<String> {
    use std::io::{BufRead as _, BufReader};
    let mut child = Command::new(programs::stagewright()?)
        .args([
            "run",
            "--kubeconfig=kubeconfig",
            "--server-address=127.0.0.1:0",
            "--log-format=text",
        ])
        .args(arguments)
        .current_dir(folder.0.path())
        .env_clear()
        .env("HOME", "/nonexistent")
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    let mut log = String::new();
    for line in BufReader::new(child.stderr.take().context("stderr")?).lines() {
        let line = line?;
        log.push_str(&line);
        log.push('\n');
        if line.contains(text) {
            break;
        }
    }
    child.kill()?;
    child.wait()?;
    ensure!(log.contains(text), "{text:?} is not in the log:\n{log}");
    Ok(log)
}

#[test]
fn stages_take_the_place_of_the_stock_plugin_for_their_kind() -> Result<()> {
    let of_pods = |text: &str| {
        text.replace("example.com/v1", "v1")
            .replace("Widget", "Pod")
    };
    let folder = Folder::new(&[
        ("kubeconfig", KUBECONFIG),
        (
            "stages/kustomization.yaml",
            "resources: [pods, kwok.yaml]\n",
        ),
        ("stages/pods/kustomization.yaml", "resources: [s.yaml]\n"),
        ("stages/pods/s.yaml", &of_pods(&format!("{GOOD}---\n{BAD}"))),
        (
            "stages/kwok.yaml",
            "apiVersion: config.kwok.x-k8s.io/v1alpha1\nkind: KwokConfiguration\noptions: {manageAllNodes: true}\n---\n\
             apiVersion: kwok.x-k8s.io/v1alpha1\nkind: ClusterLogs\nmetadata: {name: l}\n",
        ),
    ])?;
    let log = log_until(
        &folder,
        &["--config", "stages"],
        "not asked: there are stages for its kinds",
    )?;
    for part in [
        "ClusterLogs",
        "stage left out: stages/pods/s.yaml:",
        "stage broken: /spec/selector/matchExpressions/0/jq/key",
        "plugin=\"pod\"",
    ] {
        ensure!(log.contains(part), "{part:?} is not in the log:\n{log}");
    }
    // Without stages what interprets them is not loaded.
    let log = log_until(&folder, &["--manage-all-nodes"], "plugin=\"pod\"")?;
    ensure!(!log.contains("kwok-stages"), "{log}");
    Ok(())
}

#[test]
fn a_configuration_that_cannot_be_read_ends_the_run() -> Result<()> {
    let folder = Folder::new(&[
        ("kubeconfig", KUBECONFIG),
        ("k/kustomization.yaml", "resources: [none.yaml]\n"),
        ("s.yaml", GOOD),
    ])?;
    let run = |arguments: &[&str]| {
        let all = [
            "run",
            "--kubeconfig=kubeconfig",
            "--server-address=127.0.0.1:0",
        ];
        run(folder.0.path(), &[&all[..], arguments].concat())
    };
    run(&["--manage-all-nodes", "--config=nowhere.yaml"])?
        .ends(64)
        .says(&["--config", "nowhere.yaml"]);
    run(&["--manage-all-nodes", "--config=k"])?
        .ends(64)
        .says(&["--config", "none.yaml"]);
    run(&[
        "--manage-all-nodes",
        "--config=s.yaml",
        "--settings=kwok-stages={}",
    ])?
    .ends(64)
    .says(&["--settings", "--config"]);
    Ok(())
}
