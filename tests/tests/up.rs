//! `stagewright up`: the binary as its users start it.
#![allow(
    clippy::unwrap_used,
    reason = "what cannot be unwrapped here is a failure"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a test plays the users whose writes no guard admits"
)]

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use stagewright_tests::programs;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// Anything here takes seconds; the machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);

/// A running `stagewright up`. It is killed when the value goes.
struct Up {
    child: Child,
    out: BufReader<ChildStdout>,
    home: tempfile::TempDir,
}

impl Up {
    /// Starts it in a home of its own. The text goes to its standard input.
    async fn start(arguments: &[&str], input: &str) -> Result<Self> {
        let program = tokio::task::spawn_blocking(programs::stagewright).await??;
        let home = tempfile::tempdir()?;
        let mut child = Command::new(program)
            .arg("up")
            .args(arguments)
            .env_clear()
            .env("HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut stdin = child.stdin.take().context("stdin")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        let out = BufReader::new(child.stdout.take().context("stdout")?);
        Ok(Self { child, out, home })
    }

    /// The summary, when it comes.
    async fn summary(&mut self) -> Result<Value> {
        let mut line = String::new();
        within("the summary", self.out.read_line(&mut line)).await??;
        if line.is_empty() {
            let mut errors = String::new();
            let stderr = self.child.stderr.as_mut().context("stderr")?;
            within("the end", stderr.read_to_string(&mut errors)).await??;
            bail!("it ended without a summary:\n{errors}");
        }
        serde_json::from_str(&line).with_context(|| line)
    }

    /// Its end: the status, and what was said on stderr.
    async fn end(&mut self) -> Result<(ExitStatus, String)> {
        let mut errors = String::new();
        let stderr = self.child.stderr.as_mut().context("stderr")?;
        within("the end", stderr.read_to_string(&mut errors)).await??;
        let status = within("the end", self.child.wait()).await??;
        ensure!(!errors.contains("panicked"), "{errors}");
        Ok((status, errors))
    }

    /// Asks it to end, as Ctrl-C does; that is a success. Its home is left.
    async fn stop(mut self) -> Result<tempfile::TempDir> {
        let id = self.child.id().context("it runs")?.to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().await?;
        ensure!(sent.success(), "kill: {sent}");
        let (status, errors) = self.end().await?;
        ensure!(status.success(), "{status}:\n{errors}");
        Ok(self.home)
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(LIMIT, future)
        .await
        .with_context(|| format!("{what} did not come within {LIMIT:?}"))
}

fn kubeconfig(summary: &Value) -> Result<PathBuf> {
    Ok(summary["kubeconfig"].as_str().context("kubeconfig")?.into())
}

async fn client(file: &Path) -> Result<Client> {
    client_of(Kubeconfig::read_from(file)?).await
}

async fn client_of(kubeconfig: Kubeconfig) -> Result<Client> {
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    Ok(Client::try_from(config)?)
}

fn pod(name: &str) -> Result<Pod> {
    let pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "example.com/main:1"}]}});
    Ok(serde_json::from_value(pod)?)
}

/// The first event of the pods that the condition holds for.
async fn event(
    api: &Api<Pod>,
    what: &str,
    holds: impl Fn(&WatchEvent<Pod>) -> bool,
) -> Result<WatchEvent<Pod>> {
    let mut events = api.watch(&WatchParams::default(), "0").await?.boxed();
    let found = async {
        while let Some(event) = events.try_next().await? {
            if holds(&event) {
                return Ok(event);
            }
        }
        bail!("the watch ended")
    };
    within(what, found).await?
}

/// It must end with the code, and the message must have all the parts.
async fn refused(arguments: &[&str], code: i32, parts: &[&str]) -> Result<()> {
    let mut up = Up::start(arguments, "").await?;
    let (status, errors) = up.end().await?;
    ensure!(
        status.code() == Some(code),
        "{arguments:?}: {status}:\n{errors}"
    );
    for part in parts {
        ensure!(
            errors.contains(part),
            "{arguments:?}: no {part:?} in:\n{errors}"
        );
    }
    ensure!(errors.lines().count() <= 12, "{arguments:?}:\n{errors}");
    Ok(())
}

#[tokio::test]
async fn everything_settles_and_the_summary_says_how() -> Result<()> {
    let arguments = [
        "--nodes=20",
        "--pods=100",
        "--exit-when-settled",
        "--output=json",
    ];
    let mut up = Up::start(&arguments, "").await?;
    let summary = up.summary().await?;
    assert_eq!(
        (&summary["nodes"], &summary["nodesReady"], &summary["pods"]),
        (&json!(20), &json!(20), &json!(100))
    );
    assert_eq!(
        summary["podsByPhase"],
        json!({"Pending": 0, "Running": 100, "Succeeded": 0, "Failed": 0, "Unknown": 0})
    );
    assert_eq!(
        (&summary["refused"], &summary["backward"]),
        (&json!(0), &json!(0))
    );
    assert!(summary["stagesPlayed"].as_u64() >= Some(120), "{summary}");
    let times: Vec<f64> = [
        "createdSeconds",
        "nodesReadySeconds",
        "settledSeconds",
        "cpuSeconds",
    ]
    .iter()
    .filter_map(|name| summary[*name].as_f64())
    .collect();
    assert!(
        times.len() == 4 && times.iter().all(|time| *time > 0.0),
        "{summary}"
    );
    assert!(
        summary["lagSeconds"]["median"].as_f64() <= summary["lagSeconds"]["p99"].as_f64(),
        "{summary}"
    );
    assert!(
        summary["residentBytes"].as_u64() > Some(1 << 20),
        "{summary}"
    );
    let (server, context) = (summary["server"].as_str().unwrap(), &summary["context"]);
    assert!(
        server.starts_with("http://127.0.0.1:") && context == "stagewright",
        "{summary}"
    );
    let file = kubeconfig(&summary)?;
    let (status, errors) = up.end().await?;
    assert!(status.success(), "{errors}");
    assert_eq!(errors, "", "scripts get no progress");
    assert!(!file.exists(), "the kubeconfig goes with the cluster");
    Ok(())
}

#[tokio::test]
async fn clients_list_watch_delete_and_have_their_pods_bound() -> Result<()> {
    let mut up = Up::start(&["--nodes=3", "--pods=9", "--output=json"], "").await?;
    let summary = up.summary().await?;
    let client = client(&kubeconfig(&summary)?).await?;
    let nodes = Api::<Node>::all(client.clone())
        .list(&ListParams::default())
        .await?;
    assert_eq!(nodes.items.len(), 3);
    let pods = Api::<Pod>::namespaced(client, "default");
    let list = pods.list(&ListParams::default()).await?;
    for node in &nodes {
        let on_it = list
            .iter()
            .filter(|pod| pod.spec.as_ref().unwrap().node_name == node.metadata.name);
        assert_eq!(on_it.count(), 3, "{:?}", node.metadata.name);
    }
    pods.delete("pod-0", &DeleteParams::default()).await?;
    let gone = async {
        while pods.get_opt("pod-0").await?.is_some() {
            tokio::task::yield_now().await;
        }
        anyhow::Ok(())
    };
    within("the end of pod-0", gone).await??;
    pods.create(&PostParams::default(), &pod("late")?).await?;
    let running = event(&pods, "late Running", |event| match event {
        WatchEvent::Added(pod) | WatchEvent::Modified(pod) => {
            let phase = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            pod.metadata.name.as_deref() == Some("late") && phase == Some("Running")
        }
        _ => false,
    });
    let (WatchEvent::Added(late) | WatchEvent::Modified(late)) = running.await? else {
        bail!("no pod")
    };
    // pod-0 was on the first node, which has been the emptiest since.
    assert_eq!(late.spec.unwrap().node_name.as_deref(), Some("node-0"));
    up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn manifests_and_shapes_are_brought_to_life_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let gpu = folder.path().join("gpu.yaml");
    std::fs::write(
        &gpu,
        "zone: [a, b]\ncapacity: {nvidia.com/gpu: 8}\ntaints: [{key: gpu, effect: NoSchedule}]\n",
    )?;
    let input = "apiVersion: v1\nkind: Pod\nmetadata: {name: one, namespace: own}\nspec: {containers: [{name: c, image: i}]}\n---\n\
        apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\ndata: {a: b}\n---\n\
        apiVersion: v1\nkind: Namespace\nmetadata: {name: own}\n";
    let gpu = format!("--nodes=2@{}", gpu.display());
    let arguments = [
        "--nodes=1",
        &gpu,
        "--pods=0",
        "-f",
        "-",
        "--time-scale=10",
        "--output=json",
    ];
    let mut up = Up::start(&arguments, input).await?;
    let summary = up.summary().await?;
    assert_eq!(
        (&summary["nodesReady"], &summary["podsByPhase"]["Running"]),
        (&json!(3), &json!(1))
    );
    let client = client(&kubeconfig(&summary)?).await?;
    let node = Api::<Node>::all(client.clone()).get("gpu-1").await?;
    let gpus = node.status.unwrap().capacity.unwrap()["nvidia.com/gpu"]
        .0
        .clone();
    let zone = node.metadata.labels.unwrap()["topology.kubernetes.io/zone"].clone();
    assert_eq!((gpus.as_str(), zone.as_str()), ("8", "b"));
    let one = Api::<Pod>::namespaced(client.clone(), "own")
        .get("one")
        .await?;
    assert_eq!(
        one.spec.unwrap().node_name.as_deref(),
        Some("node-0"),
        "the others have a taint"
    );
    let map = Api::<ConfigMap>::namespaced(client, "default")
        .get("map")
        .await?;
    assert_eq!(map.data.unwrap()["a"], "b");
    up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn the_server_alone_changes_nothing_and_its_context_is_merged_for_as_long() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("k.yaml");
    let own = format!("--kubeconfig={}", file.display());
    let arguments = ["--server-only", "--merge-kubeconfig", &own, "--output=json"];
    let mut up = Up::start(&arguments, "").await?;
    let summary = up.summary().await?;
    assert_eq!(kubeconfig(&summary)?, file);
    let merged = up.home.path().join(".kube/config");
    let client = client(&merged).await?;
    assert!(
        Api::<Node>::all(client.clone())
            .list(&ListParams::default())
            .await?
            .items
            .is_empty()
    );
    let pods = Api::<Pod>::namespaced(client, "default");
    let created = pods.create(&PostParams::default(), &pod("alone")?).await?;
    let list = pods.list(&ListParams::default()).await?;
    assert_eq!(list.items.len(), 1);
    // The list's revision is that of the last write to anything.
    assert_eq!(
        list.metadata.resource_version,
        created.metadata.resource_version
    );
    let home = up.stop().await?;
    let left = Kubeconfig::read_from(home.path().join(".kube/config"))?;
    assert!(left.clusters.is_empty() && left.contexts.is_empty() && left.auth_infos.is_empty());
    assert!(!file.exists(), "the kubeconfig goes with the cluster");
    Ok(())
}

#[tokio::test]
async fn others_need_the_token_that_is_in_the_kubeconfig() -> Result<()> {
    let arguments = ["--server-only", "--bind=0.0.0.0", "--output=json"];
    let mut up = Up::start(&arguments, "").await?;
    let summary = up.summary().await?;
    let file = kubeconfig(&summary)?;
    let version = client(&file).await?.apiserver_version().await?;
    assert_eq!(
        (version.major.as_str(), version.minor.as_str()),
        ("1", "36")
    );
    let mut stranger = Kubeconfig::read_from(&file)?;
    stranger
        .auth_infos
        .iter_mut()
        .for_each(|user| user.auth_info = None);
    let answer = client_of(stranger).await?.apiserver_version().await;
    assert!(
        matches!(&answer, Err(kube::Error::Api(status)) if status.code == 401),
        "{answer:?}"
    );
    up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_had_is_named_with_the_remedy() -> Result<()> {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let port = taken.local_addr()?.port().to_string();
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("file"), "")?;
    let unwritable = folder.path().join("file/kubeconfig");
    let unwritable = unwritable.to_str().context("UTF-8")?;
    let elsewhere = format!("127.0.0.1:{port}");
    for (arguments, code, parts) in [
        (
            vec!["--port", &port],
            1,
            vec!["--port", port.as_str(), "free one"],
        ),
        (
            vec!["--kubeconfig", unwritable],
            1,
            vec!["--kubeconfig", unwritable, "folder"],
        ),
        (
            vec!["--server-address", &elsewhere],
            1,
            vec!["--server-address", port.as_str()],
        ),
        (
            vec!["--bind", "192.0.2.7"],
            1,
            vec!["--bind", "192.0.2.7", "127.0.0.1"],
        ),
        (
            vec!["-f", "/no/such/file.yaml"],
            1,
            vec!["--filename", "/no/such/file.yaml"],
        ),
        (vec!["--nodes", "many"], 64, vec!["--nodes", "gpu.yaml"]),
        (
            vec!["--server-only", "--nodes", "3"],
            64,
            vec!["--server-only", "--nodes"],
        ),
        (
            vec!["--settings", "pod={profile: slow}", "--pods", "1"],
            1,
            vec!["slow"],
        ),
    ] {
        refused(&arguments, code, &parts).await?;
    }
    drop(taken);
    Ok(())
}

#[tokio::test]
async fn what_does_not_settle_fails_in_time() -> Result<()> {
    let input = "apiVersion: v1\nkind: Pod\nmetadata: {name: nowhere}\nspec: {nodeSelector: {no: where}, containers: [{name: c, image: i}]}\n";
    let arguments = [
        "--nodes=1",
        "--pods=0",
        "-f",
        "-",
        "--exit-when-settled",
        "--timeout=2s",
    ];
    let mut up = Up::start(&arguments, input).await?;
    let (status, errors) = up.end().await?;
    assert_eq!(status.code(), Some(1), "{errors}");
    for part in [
        "--exit-when-settled",
        "1 of 1 nodes are Ready",
        "1 Pending",
        "1 without a node",
    ] {
        assert!(errors.contains(part), "no {part:?} in:\n{errors}");
    }
    Ok(())
}
