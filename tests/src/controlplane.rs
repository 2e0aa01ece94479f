//! A real Kubernetes control plane for a test: etcd, kube-apiserver with RBAC, and if wanted kube-scheduler and
//! kube-controller-manager, on free loopback ports, with a folder of its own. All of it ends with the value.

mod etcd;
mod files;
mod objects;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use serde_json::Value;
use tempfile::TempDir;

use crate::client;
use crate::process::Process;
use crate::programs::{self, Program, program};
use files::User;
pub(crate) use files::free_port;
pub use objects::{Nodes, Pods, wait_for};

/// How long a program may take to be ready. A good start takes a few seconds; the machine may be busy.
const READY: Duration = Duration::from_secs(120);

/// How often readiness is asked for, since nothing announces it.
const POLL: Duration = Duration::from_millis(50);

/// Another process may take a port between our look and the program's start; then it is tried again.
const ATTEMPTS: u32 = 3;

/// What runs beside etcd and kube-apiserver.
#[derive(Debug, Clone)]
pub struct Options {
    /// kube-scheduler.
    pub scheduler: bool,
    /// kube-controller-manager. Without it nodes keep the taint that they are created with.
    pub controller_manager: bool,
    /// Whether pods need their namespace's service account, which kube-controller-manager makes, or else the test.
    pub service_accounts: bool,
    /// More arguments for kube-apiserver; they come last, so they win.
    pub api_server_arguments: Vec<String>,
    /// More arguments for kube-controller-manager; they come last, so they win.
    pub controller_manager_arguments: Vec<String>,
}

impl Default for Options {
    /// A whole control plane.
    fn default() -> Self {
        Self {
            scheduler: true,
            controller_manager: true,
            service_accounts: true,
            api_server_arguments: Vec::new(),
            controller_manager_arguments: Vec::new(),
        }
    }
}

impl Options {
    /// etcd and kube-apiserver alone: for pods that are created with their node.
    #[must_use]
    pub fn api_only() -> Self {
        Self {
            scheduler: false,
            controller_manager: false,
            service_accounts: false,
            api_server_arguments: Vec::new(),
            controller_manager_arguments: Vec::new(),
        }
    }
}

/// A running control plane. Fields are dropped in this order, so clients stop before their server.
#[derive(Debug)]
pub struct ControlPlane {
    clients: Vec<Process>,
    api_server: Process,
    etcd: Process,
    etcd_url: String,
    url: String,
    options: Options,
    folder: TempDir,
    instances: AtomicU32,
}

impl ControlPlane {
    /// Starts it and waits until it serves, up to two minutes for each program. Programs that are not built yet are built first.
    ///
    /// # Errors
    /// If a program cannot be built or started, or is not ready in time; the error shows the end of its log.
    pub async fn start(options: Options) -> Result<Self> {
        // Builds take minutes and must not hold up the runtime's other tasks.
        tokio::task::spawn_blocking(build(&options)).await??;
        let folder = files::folder()?;
        let users = files::write_tokens(folder.path())?;
        let (etcd, etcd_url) = start_etcd(folder.path()).await?;
        let (api_server, url) = start_api_server(folder.path(), &etcd_url, &options).await?;
        for user in &users {
            user.write_kubeconfig(folder.path(), &url)?;
        }
        let mut plane = Self {
            clients: Vec::new(),
            api_server,
            etcd,
            etcd_url,
            url,
            options,
            folder,
            instances: AtomicU32::new(0),
        };
        plane.until_served().await?;
        plane.start_clients(&users)?;
        plane.namespace("default").await?;
        Ok(plane)
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        User::ADMIN.kubeconfig(self.folder.path())
    }

    /// The API server's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its files and logs are while it runs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder in it, for a program that a test starts beside it.
    pub(crate) fn instance_folder(&self, name: &str) -> Result<PathBuf> {
        let number = self.instances.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.path().join(format!("{name}-{number}"));
        std::fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(folder)
    }

    /// The API server's process.
    #[must_use]
    pub fn api_server_pid(&self) -> u32 {
        self.api_server.pid()
    }

    /// etcd's process.
    #[must_use]
    pub fn etcd_pid(&self) -> u32 {
        self.etcd.pid()
    }

    /// Kills etcd and kube-apiserver, starts them again on their ports with their data, and waits until they serve.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn restart(&self) -> Result<()> {
        self.api_server.kill();
        self.etcd.restart()?;
        self.api_server.restart()?;
        self.until_served().await
    }

    /// Makes etcd and the API server forget the past until now, as the API server does every five minutes where it is not told
    /// otherwise. The API server's caches notice some seconds later.
    ///
    /// # Errors
    /// If etcd refuses.
    pub async fn compact(&self) -> Result<()> {
        etcd::compact(&self.etcd_url).await
    }

    /// Puts objects straight into etcd, each where the API server looks for it: `pods/default/web-0`, below `/registry`. It takes JSON
    /// there as well as protobuf. What it fills in when an object is created must be there.
    ///
    /// # Errors
    /// If etcd refuses.
    pub async fn put(&self, objects: &[(String, Value)]) -> Result<()> {
        etcd::put(&self.etcd_url, objects).await
    }

    /// A client of the administrator.
    ///
    /// # Errors
    /// If the kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client> {
        client::of_file(&self.kubeconfig()).await
    }

    /// Runs kubectl as the administrator and answers what it prints.
    ///
    /// # Errors
    /// If it ends with another code than 0; the error has what it said.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        programs::kubectl(&self.kubeconfig(), arguments, None).await
    }

    /// Waits until the API server says it is ready and the namespace `default` is there.
    async fn until_served(&self) -> Result<()> {
        let client = self.client().await?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let mut ticks = tokio::time::interval(POLL);
        let served = async {
            loop {
                ticks.tick().await;
                self.etcd.check()?;
                self.api_server.check()?;
                let request = http::Request::get("/readyz").body(Vec::new())?;
                if client.request_text(request).await.is_ok()
                    && namespaces.get("default").await.is_ok()
                {
                    return Ok(());
                }
            }
        };
        let late = || {
            format!(
                "kube-apiserver was not ready within {READY:?}:\n{}",
                self.api_server.tail()
            )
        };
        tokio::time::timeout(READY, served)
            .await
            .with_context(late)?
    }

    /// Starts what is a client of the API server itself.
    fn start_clients(&mut self, users: &[User]) -> Result<()> {
        let folder = self.folder.path();
        for user in users {
            let (wanted, which, more) = match *user {
                User::SCHEDULER => (self.options.scheduler, Program::Scheduler, Vec::new()),
                User::CONTROLLER_MANAGER => {
                    let key = folder.join("pki/apiserver.key");
                    let flag = format!("--service-account-private-key-file={}", key.display());
                    (
                        self.options.controller_manager,
                        Program::ControllerManager,
                        // Each of its controllers has rights of its own; its own user has few.
                        [flag, "--use-service-account-credentials=true".to_owned()]
                            .into_iter()
                            .chain(self.options.controller_manager_arguments.iter().cloned())
                            .collect(),
                    )
                }
                _ => continue,
            };
            if !wanted {
                continue;
            }
            // The default rates are meant to spare a shared server; here they would only make tests slow.
            let mut arguments: Vec<String> = [
                "--leader-elect=false",
                "--secure-port=0",
                "--kube-api-qps=1000",
                "--kube-api-burst=2000",
            ]
            .map(str::to_owned)
            .into();
            arguments.push(format!(
                "--kubeconfig={}",
                user.kubeconfig(folder).display()
            ));
            arguments.extend(more);
            let name = which.name();
            self.clients.push(Process::start(
                name,
                &program(which)?,
                &arguments,
                &[],
                &folder.join(format!("{name}.log")),
            )?);
        }
        Ok(())
    }

    /// An error with the end of the log if one of its programs has ended.
    ///
    /// # Errors
    /// As said.
    pub fn check(&self) -> Result<()> {
        self.etcd.check()?;
        self.api_server.check()?;
        self.clients.iter().try_for_each(Process::check)
    }
}

/// Builds what the options need.
fn build(options: &Options) -> impl FnOnce() -> Result<()> + Send + 'static {
    let mut needed = vec![Program::Etcd, Program::ApiServer];
    needed.extend(options.scheduler.then_some(Program::Scheduler));
    needed.extend(
        options
            .controller_manager
            .then_some(Program::ControllerManager),
    );
    move || {
        needed
            .into_iter()
            .try_for_each(|which| program(which).map(drop))
    }
}

async fn start_etcd(folder: &Path) -> Result<(Process, String)> {
    let program = program(Program::Etcd)?;
    for attempt in 1.. {
        let (client, peer) = (
            format!("http://127.0.0.1:{}", free_port()?),
            format!("http://127.0.0.1:{}", free_port()?),
        );
        let arguments = [
            format!("--data-dir={}", folder.join("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=test={peer}"),
            "--name=test".to_owned(),
            // A test's data need not outlive the machine.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        let etcd = Process::start("etcd", &program, &arguments, &[], &folder.join("etcd.log"))?;
        if listens(&etcd, &client).await? {
            return Ok((etcd, client));
        }
        if attempt == ATTEMPTS {
            etcd.check()?;
        }
    }
    bail!("etcd did not start")
}

async fn start_api_server(
    folder: &Path,
    etcd: &str,
    options: &Options,
) -> Result<(Process, String)> {
    let program = program(Program::ApiServer)?;
    let pki = folder.join("pki");
    let key = pki.join("apiserver.key");
    for attempt in 1.. {
        let port = free_port()?;
        let mut arguments = vec![
            format!("--etcd-servers={etcd}"),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            // Nobody looks for this server through the service `kubernetes`, which cannot have a loopback address.
            "--endpoint-reconciler-type=none".to_owned(),
            // It makes a certificate for itself here; the same key signs the service accounts' tokens.
            format!("--cert-dir={}", pki.display()),
            format!("--service-account-key-file={}", key.display()),
            format!("--service-account-signing-key-file={}", key.display()),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--token-auth-file={}", files::tokens(folder).display()),
            "--authorization-mode=Node,RBAC".to_owned(),
        ];
        if !options.service_accounts {
            // It would wait for them.
            arguments.push("--disable-admission-plugins=ServiceAccount".to_owned());
        }
        arguments.extend(options.api_server_arguments.iter().cloned());
        let server = Process::start(
            "kube-apiserver",
            &program,
            &arguments,
            &[],
            &folder.join("kube-apiserver.log"),
        )?;
        let url = format!("https://127.0.0.1:{port}");
        if listens(&server, &url).await? {
            return Ok((server, url));
        }
        if attempt == ATTEMPTS {
            server.check()?;
        }
    }
    bail!("kube-apiserver did not start")
}

/// Waits until the program accepts connections at the URL's address; false if it ended instead, as it does when the port is taken.
async fn listens(program: &Process, url: &str) -> Result<bool> {
    let (_, address) = url.split_once("://").context("a URL")?;
    let mut ticks = tokio::time::interval(POLL);
    let listens = async {
        loop {
            ticks.tick().await;
            if program.ended().is_some() {
                return false;
            }
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                // It may be somebody else's port that answers, while the program is about to end for that.
                return true;
            }
        }
    };
    let late = || format!("no answer from {url} within {READY:?}:\n{}", program.tail());
    tokio::time::timeout(READY, listens)
        .await
        .with_context(late)
}
