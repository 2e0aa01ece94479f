//! The API server in the box, used by real programs as they are: kube-controller-manager, kube-scheduler, kubectl, kwok, and our own
//! host.

#![allow(
    clippy::indexing_slicing,
    reason = "what is not there shows as null in the failure"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stagewright_tests::boxed::Boxed;

/// How long kubectl waits for what takes seconds; the machine may be busy.
const TIMEOUT: &str = "--timeout=60s";

const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: sums}
spec:
  completions: 5
  parallelism: 2
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: example.com/sums}]}
";

/// A cluster of three nodes.
async fn cluster() -> Result<Boxed> {
    let mut boxed = Boxed::start().await?;
    boxed.attach_control_plane().await?;
    boxed.attach_host().await?;
    boxed.apply(&nodes()?).await?;
    boxed
        .kubectl(&["wait", "nodes", "--all", "--for=condition=Ready", TIMEOUT])
        .await?;
    Ok(boxed)
}

/// Three nodes.
fn nodes() -> Result<String> {
    let mut nodes = String::new();
    for number in 0..3 {
        writeln!(
            nodes,
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-{number}, labels: {{kubernetes.io/hostname: node-{number}}}}}\n\
             status: {{capacity: &all {{cpu: 64, memory: 256Gi, pods: 110}}, allocatable: *all}}"
        )?;
    }
    Ok(nodes)
}

async fn read(boxed: &Boxed, arguments: &[&str]) -> Result<Value> {
    let mut all = vec!["get", "-o", "json"];
    all.extend(arguments);
    Ok(serde_json::from_str(&boxed.kubectl(&all).await?)?)
}

/// The Deployment's pods that are not on their way out: node and image of each.
async fn pods(boxed: &Boxed) -> Result<Vec<(String, String)>> {
    let list = read(boxed, &["pods", "-l", "app=web"]).await?;
    let pods = list["items"].as_array().into_iter().flatten();
    let staying = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let shown = staying.map(|pod| {
        let spec = &pod["spec"];
        (
            text(&spec["nodeName"]),
            text(&spec["containers"][0]["image"]),
        )
    });
    Ok(shown.collect())
}

#[tokio::test]
async fn workloads_live_under_a_real_control_plane() -> Result<()> {
    let boxed = cluster().await?;
    deployment(&boxed).await?;
    job(&boxed).await?;
    namespace(&boxed).await
}

async fn deployment(boxed: &Boxed) -> Result<()> {
    let image = "--image=example.com/web:1";
    boxed
        .kubectl(&["create", "deployment", "web", image, "--replicas=10"])
        .await?;
    let rolled = ["rollout", "status", "deployment/web", TIMEOUT];
    boxed.kubectl(&rolled).await?;
    let available = "--for=condition=Available";
    boxed
        .kubectl(&["wait", "deployment/web", available, TIMEOUT])
        .await?;
    let running = pods(boxed).await?;
    let nodes: BTreeSet<&String> = running.iter().map(|(node, _)| node).collect();
    ensure!(running.len() == 10 && nodes.len() == 3, "{running:?}");

    boxed
        .kubectl(&["set", "image", "deployment/web", "web=example.com/web:2"])
        .await?;
    boxed.kubectl(&rolled).await?;
    let running = pods(boxed).await?;
    let is_new = |(_, image): &(String, String)| image == "example.com/web:2";
    ensure!(
        running.len() == 10 && running.iter().all(is_new),
        "{running:?}"
    );
    let history = boxed
        .kubectl(&["rollout", "history", "deployment/web"])
        .await?;
    ensure!(
        history.lines().any(|line| line.starts_with('2')),
        "{history}"
    );

    boxed
        .kubectl(&["scale", "deployment/web", "--replicas=0"])
        .await?;
    boxed
        .kubectl(&["wait", "pods", "-l", "app=web", "--for=delete", TIMEOUT])
        .await?;
    boxed.kubectl(&rolled).await?;
    let described = boxed.kubectl(&["describe", "deployment", "web"]).await?;
    ensure!(described.contains("0 desired"), "{described}");
    boxed
        .kubectl(&[
            "delete",
            "deployment",
            "web",
            "--cascade=foreground",
            TIMEOUT,
        ])
        .await?;
    let left = boxed.kubectl(&["get", "replicasets", "-o", "name"]).await?;
    ensure!(left.is_empty(), "its ReplicaSets go before it: {left}");
    Ok(())
}

async fn job(boxed: &Boxed) -> Result<()> {
    boxed.apply(JOB).await?;
    boxed
        .kubectl(&["wait", "job/sums", "--for=condition=Complete", TIMEOUT])
        .await?;
    let job = read(boxed, &["job", "sums"]).await?;
    ensure!(job["status"]["succeeded"] == 5, "{job}");
    boxed.kubectl(&["delete", "job", "sums", TIMEOUT]).await?;
    boxed
        .kubectl(&["wait", "pods", "--all", "--for=delete", TIMEOUT])
        .await?;
    Ok(())
}

async fn namespace(boxed: &Boxed) -> Result<()> {
    boxed.kubectl(&["create", "namespace", "short"]).await?;
    let image = "--image=example.com/web:1";
    boxed
        .kubectl(&["-n", "short", "create", "deployment", "web", image])
        .await?;
    boxed
        .kubectl(&[
            "-n",
            "short",
            "rollout",
            "status",
            "deployment/web",
            TIMEOUT,
        ])
        .await?;
    boxed
        .kubectl(&["delete", "namespace", "short", TIMEOUT])
        .await?;
    let left = boxed.kubectl(&["get", "pods", "-A", "-o", "name"]).await?;
    ensure!(left.is_empty(), "{left}");
    let refused = boxed.kubectl(&["get", "namespace", "short"]).await;
    let told = refused.err().map(|error| format!("{error:#}"));
    let told = told.unwrap_or_default();
    ensure!(told.contains("NotFound"), "{told}");
    Ok(())
}

#[tokio::test]
async fn kubectl_works_on_the_server_alone() -> Result<()> {
    let boxed = Boxed::start().await?;
    let map = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{mode: {value}}}\n"
        )
    };
    let told = boxed.apply(&map("slow")).await?;
    ensure!(told.contains("configmap/settings created"), "{told}");
    let told = boxed.apply(&map("fast")).await?;
    ensure!(told.contains("configmap/settings configured"), "{told}");
    let told = boxed.apply(&map("fast")).await?;
    ensure!(told.contains("configmap/settings unchanged"), "{told}");
    let stored = read(&boxed, &["configmap", "settings"]).await?;
    ensure!(stored["data"]["mode"] == "fast", "{stored}");
    let described = boxed
        .kubectl(&["describe", "configmap", "settings"])
        .await?;
    ensure!(described.contains("fast"), "{described}");
    let change = r#"{"data": {"mode": null, "level": "7"}}"#;
    boxed
        .kubectl(&["patch", "configmap", "settings", "-p", change])
        .await?;
    boxed
        .kubectl(&["label", "configmap", "settings", "kept=no"])
        .await?;
    boxed
        .kubectl(&[
            "wait",
            "configmap/settings",
            "--for=jsonpath={.data.level}=7",
            TIMEOUT,
        ])
        .await?;
    boxed
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "token",
            "--from-literal=key=value",
        ])
        .await?;
    let secret = read(&boxed, &["secret", "token"]).await?;
    ensure!(secret["data"]["key"] == "dmFsdWU=", "{secret}");
    boxed
        .kubectl(&["delete", "configmap", "-l", "kept=no", TIMEOUT])
        .await?;
    let left = boxed.kubectl(&["get", "configmaps", "-o", "name"]).await?;
    ensure!(left.is_empty(), "{left}");
    Ok(())
}

/// kwok's own stages for pods and nodes, as its README has them.
const STAGES: [&str; 3] = [
    "kustomize/stage/node/fast",
    "kustomize/stage/node/heartbeat-with-lease",
    "kustomize/stage/pod/fast",
];

#[tokio::test]
async fn kwok_is_the_controller_of_the_servers_nodes_and_pods() -> Result<()> {
    let boxed = Boxed::start().await?;
    let kwok = boxed
        .kwok(&STAGES, &["--node-lease-duration-seconds=40"])
        .await?;
    boxed.apply(&nodes()?).await?;
    let log = || kwok.log();
    let ready = ["wait", "nodes", "--all", "--for=condition=Ready", TIMEOUT];
    boxed.kubectl(&ready).await.with_context(log)?;
    let mut pods = String::new();
    for number in 0..20 {
        writeln!(
            pods,
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: pod-{number}}}\n\
             spec: {{nodeName: node-{}, terminationGracePeriodSeconds: 1, containers: [{{name: main, image: example.com/main}}]}}",
            number % 3
        )?;
    }
    boxed.apply(&pods).await?;
    let running = "--for=jsonpath={.status.phase}=Running";
    boxed
        .kubectl(&["wait", "pods", "--all", running, TIMEOUT])
        .await
        .with_context(log)?;
    let leases = read(&boxed, &["leases", "-n", "kube-node-lease"]).await?;
    let held = leases["items"].as_array().map_or(0, Vec::len);
    ensure!(held == 3, "a lease for each node: {leases}");

    boxed
        .kubectl(&["delete", "pods", "--all", TIMEOUT])
        .await
        .with_context(log)?;
    ensure!(kwok.is_alive(), "{}", kwok.log());
    Ok(())
}

#[tokio::test]
async fn kubectl_edits_explains_applies_as_one_of_many_and_says_what_is_missing() -> Result<()> {
    let boxed = Boxed::start().await?;
    boxed
        .kubectl(&[
            "create",
            "configmap",
            "settings",
            "--from-literal=mode=slow",
        ])
        .await?;
    let told = boxed
        .edit("configmap/settings", "sed -i s/slow/fast/")
        .await?;
    ensure!(told.contains("configmap/settings edited"), "{told}");
    let stored = read(&boxed, &["configmap", "settings"]).await?;
    ensure!(stored["data"]["mode"] == "fast", "{stored}");

    let told = boxed
        .kubectl(&["explain", "pods.spec.containers.imagePullPolicy"])
        .await?;
    ensure!(told.contains("FIELD: imagePullPolicy <string>"), "{told}");

    let map = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: shared}}\ndata: {{mode: {value}}}\n"
        )
    };
    let first = boxed.apply_as("first", &map("slow")).await?;
    ensure!(
        first.contains("configmap/shared serverside-applied"),
        "{first}"
    );
    let refused = boxed.apply_as("second", &map("fast")).await;
    let told = refused
        .err()
        .map(|error| format!("{error:#}"))
        .unwrap_or_default();
    ensure!(
        told.contains(r#"conflict with "first": .data.mode"#),
        "{told}"
    );

    let missing = boxed.kubectl(&["top", "pods"]).await;
    let told = missing
        .err()
        .map(|error| format!("{error:#}"))
        .unwrap_or_default();
    ensure!(told.contains("Metrics API not available"), "{told}");
    Ok(())
}
