//! A cluster in one process, and its clients.

use std::fmt::Debug;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
pub use stagewright_tests::client::{of as client_of, of_file as client};
use stagewright_tests::programs;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// Anything here takes seconds; the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(120);
/// How often it is asked for what nothing announces.
const POLL: Duration = Duration::from_millis(20);

/// A running `stagewright up`. It is killed when the value goes.
pub struct Up {
    child: Child,
    out: BufReader<ChildStdout>,
    pub home: tempfile::TempDir,
}

impl Up {
    /// Starts it in a home of its own. The text goes to its standard input.
    pub async fn start(arguments: &[&str], input: &str) -> Result<Self> {
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
    pub async fn summary(&mut self) -> Result<Value> {
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
    pub async fn end(&mut self) -> Result<(ExitStatus, String)> {
        let mut errors = String::new();
        let stderr = self.child.stderr.as_mut().context("stderr")?;
        within("the end", stderr.read_to_string(&mut errors)).await??;
        let status = within("the end", self.child.wait()).await??;
        ensure!(!errors.contains("panicked"), "{errors}");
        Ok((status, errors))
    }

    /// Ends it as nobody can be prepared for.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to end, as Ctrl-C does; that is a success. Its home is left.
    pub async fn stop(self) -> Result<tempfile::TempDir> {
        Ok(self.told().await?.0)
    }

    /// The same; and what was said on stderr.
    pub async fn told(mut self) -> Result<(tempfile::TempDir, String)> {
        let id = self.child.id().context("it runs")?.to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().await?;
        ensure!(sent.success(), "kill: {sent}");
        let (status, errors) = self.end().await?;
        ensure!(status.success(), "{status}:\n{errors}");
        Ok((self.home, errors))
    }
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(LIMIT, future)
        .await
        .with_context(|| format!("{what} did not come within {LIMIT:?}"))
}

/// Asks again and again, for what nothing announces.
pub async fn until(what: &str, mut is: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let mut ticks = tokio::time::interval(POLL);
    let asked = async {
        while !is().await? {
            ticks.tick().await;
        }
        Ok(())
    };
    within(what, asked).await?
}

pub fn kubeconfig(summary: &Value) -> Result<PathBuf> {
    Ok(summary["kubeconfig"].as_str().context("kubeconfig")?.into())
}

pub fn pod(name: &str) -> Result<Pod> {
    let pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "example.com/main:1"}]}});
    Ok(serde_json::from_value(pod)?)
}

/// Until there is no such object.
pub async fn gone<K>(api: &Api<K>, name: &str) -> Result<()>
where
    K: Clone + DeserializeOwned + Debug,
{
    let gone = async || Ok(api.get_opt(name).await?.is_none());
    until(&format!("the end of {name}"), gone).await
}

/// The pod, as soon as it is Running.
pub async fn running(api: &Api<Pod>, name: &str) -> Result<Pod> {
    let mut events = api.watch(&WatchParams::default(), "0").await?.boxed();
    let found = async {
        while let Some(event) = events.try_next().await? {
            if let WatchEvent::Added(pod) | WatchEvent::Modified(pod) = event
                && pod.metadata.name.as_deref() == Some(name)
                && pod
                    .status
                    .as_ref()
                    .and_then(|status| status.phase.as_deref())
                    == Some("Running")
            {
                return Ok(pod);
            }
        }
        bail!("the watch ended")
    };
    within(name, found).await?
}

/// It must end with the code, and the message must have all the parts.
pub async fn refused(arguments: &[&str], code: i32, parts: &[&str]) -> Result<()> {
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
