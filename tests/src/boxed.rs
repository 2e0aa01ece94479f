//! `stagewright up --server-only` as a child process, and real programs that take it for a cluster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use kube::Client;
use tempfile::TempDir;

use crate::client;
use crate::controlplane::free_port;
use crate::host::{Kwok, Version, shipped_stages};
use crate::process::Process;
use crate::programs::{self, Program, program};

/// How long a start may take. A good one takes a second; the machine may be busy.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a start is looked for, since nothing announces it.
const POLL: Duration = Duration::from_millis(20);

/// The server, and the programs beside it. Fields are dropped in this order, so clients stop before their server.
#[derive(Debug)]
pub struct Boxed {
    clients: Vec<Process>,
    server: Process,
    folder: TempDir,
}

impl Boxed {
    /// Starts the server alone, on a free port, and waits until it serves.
    ///
    /// # Errors
    /// If it cannot be built, or ends; the error shows the end of its log.
    pub async fn start() -> Result<Self> {
        let stagewright = tokio::task::spawn_blocking(programs::stagewright).await??;
        let folder = tempfile::tempdir()?;
        let kubeconfig = kubeconfig(folder.path());
        let arguments = [
            "up".into(),
            "--server-only".into(),
            format!("--kubeconfig={}", kubeconfig.display()),
        ];
        let log = folder.path().join("server.log");
        let server = Process::start("the API server", &stagewright, &arguments, &[], &log)?;
        let boxed = Self {
            clients: Vec::new(),
            server,
            folder,
        };
        // It is written when the port is listened on.
        let mut ticks = tokio::time::interval(POLL);
        let served = async {
            while !kubeconfig.exists() {
                ticks.tick().await;
                boxed.server.check()?;
            }
            Ok(())
        };
        let late = || format!("no server within {LIMIT:?}:\n{}", boxed.server.tail());
        let served = tokio::time::timeout(LIMIT, served).await;
        served.with_context(late)?.map(|()| boxed)
    }

    /// How to reach it.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        kubeconfig(self.folder.path())
    }

    /// The server's process.
    #[must_use]
    pub fn server_pid(&self) -> u32 {
        self.server.pid()
    }

    /// Starts the host on all nodes, as a client like any other.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn attach_host(&mut self) -> Result<()> {
        self.attach_host_with(&[]).await
    }

    /// The same with more arguments.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn attach_host_with(&mut self, arguments: &[&str]) -> Result<()> {
        let stagewright = tokio::task::spawn_blocking(programs::stagewright).await??;
        let address = format!("--server-address=127.0.0.1:{}", free_port()?);
        let mut all = vec!["run", "--manage-all-nodes", &address];
        all.extend(arguments);
        self.attach("host", &stagewright, &all)
    }

    /// Starts kwok v0.8.0 on all nodes, with the stage files of its module's folders. It is killed when the value goes.
    ///
    /// # Errors
    /// As [`Kwok::start`].
    pub async fn kwok(&self, stages: &[&str], arguments: &[&str]) -> Result<Kwok> {
        let stages = shipped_stages(Version::V08, stages).await?;
        let folder = self.folder.path().join("kwok");
        std::fs::create_dir(&folder)?;
        Kwok::start_in(folder, self.kubeconfig(), Version::V08, &stages, arguments).await
    }

    /// A client to the server.
    ///
    /// # Errors
    /// If its kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client> {
        client::of_file(&self.kubeconfig()).await
    }

    /// The end of each program's log.
    #[must_use]
    pub fn logs(&self) -> String {
        let logs = self.clients.iter().map(Process::tail);
        logs.collect::<Vec<_>>().join("\n\n")
    }

    /// Starts kube-controller-manager and kube-scheduler as they are: they elect leaders, and write in protobuf.
    ///
    /// # Errors
    /// If they cannot be built or started.
    pub async fn attach_control_plane(&mut self) -> Result<()> {
        for which in [Program::ControllerManager, Program::Scheduler] {
            let program = tokio::task::spawn_blocking(move || program(which)).await??;
            // The default rates are meant to spare a shared server; here they would only make tests slow.
            let arguments = [
                "--secure-port=0",
                "--kube-api-qps=1000",
                "--kube-api-burst=2000",
            ];
            self.attach(which.name(), &program, &arguments)?;
        }
        Ok(())
    }

    fn attach(&mut self, name: &str, program: &Path, arguments: &[&str]) -> Result<()> {
        let folder = self.folder.path();
        let kubeconfig = format!("--kubeconfig={}", kubeconfig(folder).display());
        let mut all = arguments.to_vec();
        all.push(&kubeconfig);
        let log = folder.join(format!("{name}.log"));
        self.clients
            .push(Process::start(name, program, &all, &[], &log)?);
        Ok(())
    }

    /// Runs kubectl and answers what it prints.
    ///
    /// # Errors
    /// If it ends with another code than 0; the error has what it said, and the end of each program's log.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.run(arguments, None).await
    }

    /// Edits an object with `kubectl edit`, by an editor that gets the file as its last argument.
    ///
    /// # Errors
    /// As [`Boxed::kubectl`].
    pub async fn edit(&self, object: &str, editor: &str) -> Result<String> {
        self.run(&["edit", object], Some(editor)).await
    }

    async fn run(&self, arguments: &[&str], editor: Option<&str>) -> Result<String> {
        let done = programs::kubectl(&self.kubeconfig(), arguments, editor).await;
        let logs = || self.logs();
        self.clients.iter().try_for_each(Process::check)?;
        done.with_context(logs)
    }

    /// Writes a manifest and applies it with kubectl.
    ///
    /// # Errors
    /// As [`Boxed::kubectl`].
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        self.apply_with(manifest, &[]).await
    }

    /// The same on the server's side, as a manager of fields.
    ///
    /// # Errors
    /// As [`Boxed::kubectl`].
    pub async fn apply_as(&self, manager: &str, manifest: &str) -> Result<String> {
        let manager = format!("--field-manager={manager}");
        self.apply_with(manifest, &["--server-side", &manager])
            .await
    }

    async fn apply_with(&self, manifest: &str, more: &[&str]) -> Result<String> {
        let file = self.folder.path().join("manifest.yaml");
        std::fs::write(&file, manifest)?;
        let file = file.to_str().context("a path in UTF-8")?;
        let mut all = vec!["apply", "-f", file];
        all.extend(more);
        self.kubectl(&all).await
    }
}

fn kubeconfig(folder: &Path) -> PathBuf {
    folder.join("kubeconfig")
}
