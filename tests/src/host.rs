//! The host as a child process, and KWOK as one.

pub mod admin;
mod kwok;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::controlplane::{ControlPlane, free_port};
use crate::process::Process;
use crate::programs;
pub use kwok::{Kwok, Version, shipped_stages, stage_definition};

/// How long a start or a stop may take. A good one takes a second; the machine may be busy.
const LIMIT: Duration = Duration::from_secs(60);

/// How often a start or a line of the log is looked for, since nothing announces them.
const POLL: Duration = Duration::from_millis(20);

/// A running `stagewright run`. It is killed when the value goes.
#[derive(Debug)]
pub struct Host {
    process: Process,
    admin: String,
}

impl Host {
    /// Starts the host on all nodes of the control plane with more arguments, and waits until it is ready.
    ///
    /// # Errors
    /// If it ends or is not ready in time; the error shows the end of its log.
    pub async fn start(plane: &ControlPlane, arguments: &[impl AsRef<OsStr>]) -> Result<Self> {
        let mut all = vec![OsStr::new("--manage-all-nodes")];
        all.extend(arguments.iter().map(AsRef::as_ref));
        Self::start_with(plane, &plane.kubeconfig(), &all).await
    }

    /// Starts the host with another kubeconfig and just these arguments, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub async fn start_with(
        plane: &ControlPlane,
        kubeconfig: &Path,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<Self> {
        let host = Self::spawn(plane, kubeconfig, arguments).await?;
        host.until_ready(LIMIT).await?;
        Ok(host)
    }

    /// Starts the host and does not wait.
    ///
    /// # Errors
    /// If it cannot be built or started.
    pub async fn spawn(
        plane: &ControlPlane,
        kubeconfig: &Path,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<Self> {
        let log = plane.instance_folder("host")?.join("log");
        Self::spawn_with_log(kubeconfig, arguments, &log).await
    }

    /// Starts the host with its output in this file (a device, if need be), and does not wait.
    ///
    /// # Errors
    /// If it cannot be built or started.
    pub async fn spawn_with_log(
        kubeconfig: &Path,
        arguments: &[impl AsRef<OsStr>],
        log: &Path,
    ) -> Result<Self> {
        let program = tokio::task::spawn_blocking(programs::stagewright).await??;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut all = vec![
            "run".into(),
            "--server-address".into(),
            address.clone().into(),
            "--kubeconfig".into(),
            kubeconfig.as_os_str().to_owned(),
        ];
        all.extend(
            arguments
                .iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        let process = Process::start(
            "stagewright",
            &program,
            &all,
            &[("STAGEWRIGHT_ADMIN", &format!("http://{address}"))],
            log,
        )?;
        Ok(Self {
            process,
            admin: address,
        })
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Errors
    /// If it ends instead, or takes longer.
    pub async fn until_ready(&self, within: Duration) -> Result<()> {
        let mut ticks = tokio::time::interval(POLL);
        let ready = async {
            loop {
                ticks.tick().await;
                self.process.check()?;
                if matches!(self.get("/readyz").await, Ok((200, _))) {
                    return Ok(());
                }
            }
        };
        let late = || {
            format!(
                "the host was not ready within {within:?}:\n{}",
                self.process.tail()
            )
        };
        tokio::time::timeout(within, ready)
            .await
            .with_context(late)?
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The admin port's URL, as `explain --admin` takes it.
    #[must_use]
    pub fn admin(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process.ended().is_none()
    }

    /// All that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The log's file; it goes with the control plane's folder.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        self.process.log_path()
    }

    /// Waits until the log has what is looked for.
    ///
    /// # Errors
    /// If it does not come; the error shows the log's end.
    pub async fn until_log(
        &self,
        what: &str,
        within: Duration,
        has: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let mut ticks = tokio::time::interval(POLL);
        let logged = async {
            while !has(&self.log()) {
                ticks.tick().await;
            }
        };
        let late = || {
            format!(
                "no {what} in the log within {within:?}:\n{}",
                self.process.tail()
            )
        };
        tokio::time::timeout(within, logged)
            .await
            .with_context(late)
    }

    /// Kills it, as a crash or the kernel would: SIGKILL.
    ///
    /// # Errors
    /// If it has ended before.
    pub async fn kill(self) -> Result<()> {
        self.process.check()?;
        self.process.kill();
        Ok(())
    }

    /// Asks it to stop (SIGTERM) and waits for the end; answers the exit code.
    ///
    /// # Errors
    /// If it has ended before, or does not end in time, or by a signal.
    pub async fn terminate(self) -> Result<i32> {
        self.process.signal("TERM")?;
        let status = self.process.wait(LIMIT).await?;
        status
            .code()
            .with_context(|| format!("the host ended with {status}:\n{}", self.process.tail()))
    }

    /// Stops it where it is: SIGSTOP.
    ///
    /// # Errors
    /// If it has ended.
    pub fn pause(&self) -> Result<()> {
        self.process.signal("STOP")
    }

    /// Lets it go on: SIGCONT.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resume(&self) -> Result<()> {
        self.process.signal("CONT")
    }

    /// `/metrics`, as text.
    ///
    /// # Errors
    /// If the admin port does not answer with 200.
    pub async fn metrics(&self) -> Result<String> {
        match self.get("/metrics").await? {
            (200, text) => Ok(text),
            (code, text) => bail!("/metrics: {code}: {text}"),
        }
    }

    /// The sum of a metric over the label sets that have all the parts (like `reason="Backward"`); 0 if there is none.
    ///
    /// # Errors
    /// As [`Host::metrics`].
    pub async fn metric(&self, name: &str, parts: &[&str]) -> Result<f64> {
        Ok(admin::sum(&self.metrics().await?, name, parts))
    }

    /// What the host knows of an object, by its own command: `explain KIND NAME -o json`.
    ///
    /// # Errors
    /// If the command fails or does not print JSON.
    pub async fn explain(&self, kind: &str, namespace: Option<&str>, name: &str) -> Result<Value> {
        let text = self.explain_as(kind, namespace, name, "json").await?;
        serde_json::from_str(&text).with_context(|| format!("explain printed {text}"))
    }

    /// The same as text, as a person sees it.
    ///
    /// # Errors
    /// If the command fails.
    pub async fn explain_text(
        &self,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<String> {
        self.explain_as(kind, namespace, name, "text").await
    }

    async fn explain_as(
        &self,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        output: &str,
    ) -> Result<String> {
        let program = tokio::task::spawn_blocking(programs::stagewright).await??;
        let mut command = std::process::Command::new(program);
        command.args([
            "explain",
            kind,
            name,
            "--output",
            output,
            "--admin",
            &self.admin(),
        ]);
        command.args(
            namespace
                .iter()
                .flat_map(|namespace| ["--namespace", namespace]),
        );
        let printed = tokio::task::spawn_blocking(move || command.output()).await??;
        if !printed.status.success() {
            bail!(
                "explain {kind} {name}: {}: {}",
                printed.status,
                String::from_utf8_lossy(&printed.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&printed.stdout).into_owned())
    }

    /// A request to the admin port: status code and body.
    ///
    /// # Errors
    /// If nobody answers.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        admin::get(&self.admin, path).await
    }

    /// CPU time used so far.
    ///
    /// # Errors
    /// If it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        cpu(self.pid())
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resident(&self) -> Result<u64> {
        resident(self.pid())
    }
}

/// CPU time that a process has used, as Linux counts it.
///
/// # Errors
/// If there is no such process.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no command in stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()?;
    // A tick is a hundredth of a second on every architecture that Linux shows to programs.
    Ok(Duration::from_millis(ticks * 10))
}

/// Resident memory of a process in bytes.
///
/// # Errors
/// If there is no such process.
pub fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS in status")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// A folder's path as text, for arguments.
pub(crate) fn text(path: PathBuf) -> Result<String> {
    path.into_os_string()
        .into_string()
        .ok()
        .context("a path that is not UTF-8")
}
