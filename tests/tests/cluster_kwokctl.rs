//! kwokctl with our binary in kwok's place: everything that it does with a cluster of its binary runtime, with the components built
//! here, so that nothing is downloaded.
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test plays the API server that asks for health"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use kube::Client;
use serde_json::Value;
use stagewright_tests::client;
use stagewright_tests::programs::{Program, program, stagewright};
use stagewright_tests::scenario::{Known, View, is_true, phase, text};

/// kwokctl's own default: who waits for the end of a dead holder's lease is late.
const LEASE: Duration = Duration::from_secs(200);
/// How long anything here may take. Most comes within a second.
const SOON: Duration = Duration::from_secs(60);
const NODES: usize = 4;
const PODS: usize = 20;
/// The Service of the API server itself, which it makes anew at once: a restore of objects always fails on that one, whoever is the
/// controller.
const THE_SERVERS_OWN: &str = r#""kind":"Service","name":"default/kubernetes""#;
const LEASES: &str = "coordination.k8s.io/v1/Lease";

/// A cluster of kwokctl's. It goes with the value.
struct Cluster {
    folder: tempfile::TempDir,
    kwokctl: PathBuf,
}

impl Cluster {
    fn create() -> Result<Self> {
        let cluster = Self {
            folder: tempfile::tempdir()?,
            kwokctl: program(Program::Kwokctl)?,
        };
        let path = |name: &str| cluster.folder.path().join(name);
        fs::create_dir(path("bin"))?;
        symlink(program(Program::Kubectl)?, path("bin/kubectl"))?;
        let built = |which: Program| anyhow::Ok(program(which)?.display().to_string());
        let config = format!(
            "apiVersion: config.kwok.x-k8s.io/v1alpha1\nkind: KwokctlConfiguration\noptions:\n  etcdVersion: 3.6.0\n  \
             etcdctlBinary: {}\n  etcdutlBinary: {}\n",
            built(Program::Etcdctl)?,
            built(Program::Etcdutl)?
        );
        fs::write(path("config.yaml"), config)?;
        let ours = stagewright()?.display().to_string();
        let config = path("config.yaml").display().to_string();
        let kubeconfig = path("kubeconfig").display().to_string();
        let (etcd, api) = (built(Program::Etcd)?, built(Program::ApiServer)?);
        let (manager, scheduler) = (
            built(Program::ControllerManager)?,
            built(Program::Scheduler)?,
        );
        cluster.run(&[
            "create",
            "cluster",
            "--runtime=binary",
            "--wait=60s",
            "--config",
            &config,
            "--kubeconfig",
            &kubeconfig,
            "--kwok-controller-binary",
            &ours,
            "--etcd-binary",
            &etcd,
            "--kube-apiserver-binary",
            &api,
            "--kube-controller-manager-binary",
            &manager,
            "--kube-scheduler-binary",
            &scheduler,
        ])?;
        Ok(cluster)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let path = self.folder.path();
        let mut command = Command::new(&self.kwokctl);
        command.arg("--name=t").args(arguments).current_dir(path);
        command.env_clear().env("HOME", path);
        command.env("KWOK_WORKDIR", path.join("work"));
        let bin = path.join("bin");
        command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        command
    }

    /// Runs kwokctl; answers what it prints.
    fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output()?;
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_error =
            |line: &str| line.contains("\"level\":\"ERROR\"") && !line.contains(THE_SERVERS_OWN);
        let failed = log.lines().any(is_error);
        ensure!(
            output.status.success() && !failed,
            "kwokctl {arguments:?}: {}\n{log}\n{}",
            output.status,
            self.log()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What the controller has logged.
    fn log(&self) -> String {
        let file = self.work("logs/kwok-controller.log");
        fs::read_to_string(file).unwrap_or_default()
    }

    fn work(&self, name: &str) -> PathBuf {
        self.folder.path().join("work/clusters/t").join(name)
    }

    fn pid(&self, component: &str) -> Result<String> {
        let file = self.work(&format!("pids/{component}.pid"));
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        Ok(text.trim().to_owned())
    }

    async fn client(&self) -> Result<Client> {
        client::of_file(&self.folder.path().join("kubeconfig")).await
    }

    async fn view(&self, kind: &str, namespace: Option<&str>) -> Result<View> {
        View::open(&self.client().await?, kind, namespace).await
    }

    /// Waits until there are so many pods, and all are Running.
    async fn all_running(&self, count: usize) -> Result<View> {
        let pods = self.view("v1/Pod", Some("default")).await?;
        let all = |known: &Known| known.all(count, |pod| phase(pod) == "Running");
        let running = pods.until("all pods Running", SOON, all).await;
        running.with_context(|| self.log())?;
        Ok(pods)
    }

    /// Who holds the nodes' leases; all of them are held by one.
    async fn holder(&self) -> Result<String> {
        let leases = self.view(LEASES, Some("kube-node-lease")).await?;
        let mut holder = String::new();
        let same = |known: &Known| {
            let first = known.objects.values().next();
            let first = first.map(|lease| text(lease, "/spec/holderIdentity").to_owned());
            holder = first.unwrap_or_default();
            let is_same = |lease: &Value| text(lease, "/spec/holderIdentity") == holder;
            !holder.is_empty() && known.all(NODES, is_same)
        };
        leases.until("one holder of all leases", SOON, same).await?;
        drop(leases);
        Ok(holder)
    }

    /// Waits until another than the one before has all leases, well before those of the one before have run out.
    async fn taken_from(&self, before: &str) -> Result<String> {
        let began = Instant::now();
        let leases = self.view(LEASES, Some("kube-node-lease")).await?;
        let taken = |known: &Known| {
            let holder = |lease: &Value| text(lease, "/spec/holderIdentity").to_owned();
            known.all(NODES, |lease| {
                let holder = holder(lease);
                !holder.is_empty() && holder != before
            })
        };
        let waited = leases.until("the leases taken", SOON, taken).await;
        waited.with_context(|| self.log())?;
        println!("leases taken after {:?}", began.elapsed());
        self.holder().await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let pids = [
            "kwok-controller",
            "kube-scheduler",
            "kube-controller-manager",
            "kube-apiserver",
            "etcd",
        ];
        let pids: Vec<String> = pids.iter().filter_map(|name| self.pid(name).ok()).collect();
        let deleted = self.command(&["delete", "cluster"]).output();
        // What kwokctl could not stop must not outlive the test.
        if !deleted.is_ok_and(|output| output.status.success()) {
            drop(Command::new("kill").arg("-9").args(pids).output());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kwokctl_takes_our_binary_for_kwok() -> Result<()> {
    let cluster = tokio::task::spawn_blocking(Cluster::create).await??;
    created_and_scaled(&cluster).await?;
    served_as_a_kubelet(&cluster).await?;
    killed_and_started(&cluster).await?;
    saved_and_restored(&cluster).await?;
    cluster.run(&["delete", "cluster"])?;
    ensure!(!cluster.work("").exists(), "the cluster's folder is left");
    Ok(())
}

async fn created_and_scaled(cluster: &Cluster) -> Result<()> {
    let components = cluster.run(&["get", "components"])?;
    ensure!(components.contains("kwok-controller"), "{components}");
    cluster.run(&["scale", "node", &format!("--replicas={NODES}")])?;
    cluster.run(&["scale", "pod", &format!("--replicas={PODS}")])?;
    let nodes = cluster.view("v1/Node", None).await?;
    nodes
        .until("all nodes Ready", SOON, |known| {
            known.all(NODES, |node| is_true(node, "Ready"))
        })
        .await
        .with_context(|| cluster.log())?;
    let pods = cluster.all_running(PODS).await?;
    // kwokctl's own stages decided, and none of ours.
    let known = nodes.now();
    let node = known.objects.values().next().context("a node")?;
    let version = text(node, "/status/nodeInfo/kubeletVersion");
    ensure!(version.starts_with("kwok-"), "kubelet version {version:?}");
    drop(pods);
    let lease = cluster.view(LEASES, Some("kube-node-lease")).await?;
    let seconds = |lease: &Value| lease["spec"]["leaseDurationSeconds"].as_u64();
    let all = |known: &Known| known.all(NODES, |lease| seconds(lease) == Some(LEASE.as_secs()));
    lease.until("leases of 200 s", SOON, all).await?;
    // One pod fewer, the newest first; deletion is a stage too.
    cluster.run(&["scale", "pod", &format!("--replicas={}", PODS - 5)])?;
    cluster.all_running(PODS - 5).await?;
    cluster.run(&["scale", "pod", &format!("--replicas={PODS}")])?;
    cluster.all_running(PODS).await?;
    Ok(())
}

/// Its log where kwokctl looks for it; health by the node's port, which speaks TLS to the API server and HTTP to others. (The API
/// server's own way to it is shut: kwokctl names the node `localhost`, and it proxies to no loopback address.)
async fn served_as_a_kubelet(cluster: &Cluster) -> Result<()> {
    let log = cluster.run(&["logs", "kwok-controller"])?;
    ensure!(log.contains("everything is listed; ready"), "{log}");
    for told in ["ClusterLogs", "left out"] {
        ensure!(!log.contains(told), "{told}:\n{log}");
    }
    let nodes = cluster.view("v1/Node", None).await?;
    let port = {
        let known = nodes.now();
        let node = known.objects.values().next().context("a node")?;
        let port = &node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"];
        port.as_u64().context("a port")?
    };
    for scheme in ["https", "http"] {
        let mut config = kube::Config::new(format!("{scheme}://localhost:{port}").parse()?);
        config.accept_invalid_certs = true;
        let health = http::Request::get("/healthz").body(Vec::new())?;
        let body = Client::try_from(config)?.request_text(health).await;
        let body = body.with_context(|| format!("{scheme} on port {port}"))?;
        ensure!(body == "ok", "{scheme} on port {port}: {body}");
    }
    Ok(())
}

/// As a crash and a restart of the machine's services: kwokctl stops with SIGKILL. kwok waits for the end of its own leases.
async fn killed_and_started(cluster: &Cluster) -> Result<()> {
    let first = cluster.holder().await?;
    cluster.run(&["stop", "cluster"])?;
    cluster.run(&["start", "cluster", "--wait=60s"])?;
    let second = cluster.taken_from(&first).await?;
    ensure!(first != second, "{first}");
    cluster.run(&["scale", "pod", &format!("--replicas={}", PODS + 5)])?;
    cluster.all_running(PODS + 5).await?;
    // The controller alone, by a signal.
    let pid = cluster.pid("kwok-controller")?;
    ensure!(signal("KILL", &pid)?, "kill {pid}");
    // Until its parent has seen its end, kwokctl takes it for alive, and does not start it.
    let late = Instant::now() + SOON;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while signal("0", &pid)? {
        ensure!(Instant::now() < late, "{pid} is there after SIGKILL");
        ticks.tick().await;
    }
    cluster.run(&["start", "cluster", "--wait=60s"])?;
    cluster.taken_from(&second).await?;
    cluster.run(&["scale", "pod", &format!("--replicas={PODS}")])?;
    cluster.all_running(PODS).await?;
    Ok(())
}

/// Sends a signal with the shell's own kill; false if there is no such process.
fn signal(name: &str, pid: &str) -> Result<bool> {
    let line = format!("kill -{name} {pid} 2>/dev/null");
    Ok(Command::new("sh").args(["-c", &line]).status()?.success())
}

/// Both forms. After a restore, versions begin again where they were saved.
async fn saved_and_restored(cluster: &Cluster) -> Result<()> {
    for (format, file) in [("etcd", "saved.db"), ("k8s", "saved.yaml")] {
        let (format, path) = (format!("--format={format}"), format!("--path={file}"));
        cluster.run(&["snapshot", "save", &format, &path])?;
        cluster.run(&["kubectl", "delete", "pods", "--all", "--wait=false"])?;
        let pods = cluster.view("v1/Pod", Some("default")).await?;
        pods.until("no pod", SOON, Known::is_empty).await?;
        drop(pods);
        cluster.run(&["snapshot", "restore", &format, &path])?;
        settled(cluster).await?;
        cluster
            .all_running(PODS)
            .await
            .with_context(|| format.clone())?;
        cluster.run(&["scale", "pod", &format!("--replicas={}", PODS + 3)])?;
        cluster.all_running(PODS + 3).await?;
        cluster.run(&["scale", "pod", &format!("--replicas={PODS}")])?;
        cluster.all_running(PODS).await?;
    }
    Ok(())
}

/// The API server is started again by a restore, and nobody waits for it.
async fn settled(cluster: &Cluster) -> Result<()> {
    let late = Instant::now() + SOON;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while Instant::now() < late {
        ticks.tick().await;
        if cluster.run(&["kubectl", "get", "--raw", "/readyz"]).is_ok() {
            return Ok(());
        }
    }
    bail!("the API server is not ready within {SOON:?}")
}
