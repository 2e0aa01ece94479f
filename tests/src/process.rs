//! Child processes that end with the test, however it ends: dropped, panicked or killed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How often a child is asked whether it has ended. (The standard library cannot wait with a limit.)
const POLL: Duration = Duration::from_millis(10);

/// A running program, its output in a file.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    start: Start,
    child: Mutex<Child>,
}

/// How it was started, to start it again.
#[derive(Debug, Clone)]
struct Start {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
}

impl Process {
    /// Starts `program`; its output goes to the file `log`, after what is there.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        arguments: &[impl AsRef<OsStr>],
        environment: &[(&str, &str)],
        log: &Path,
    ) -> Result<Self> {
        let start = Start {
            program: program.to_owned(),
            arguments: arguments
                .iter()
                .map(|argument| argument.as_ref().to_owned())
                .collect(),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let child = start.spawn(log)?;
        Ok(Self {
            name: name.to_owned(),
            log: log.to_owned(),
            start,
            child: Mutex::new(child),
        })
    }

    /// Kills it and starts it again as it was started.
    pub(crate) fn restart(&self) -> Result<()> {
        self.kill();
        let child = self.start.spawn(&self.log)?;
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = child;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .id()
    }

    pub(crate) fn log_path(&self) -> &Path {
        &self.log
    }

    /// All that it has printed so far; nothing of what went to a device, which might have no end.
    pub(crate) fn log(&self) -> String {
        if !self.log.is_file() {
            return String::new();
        }
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_wait()
            .ok()
            .flatten()
    }

    /// An error that shows the end of the log, if it has ended.
    pub(crate) fn check(&self) -> Result<()> {
        match self.ended() {
            Some(status) => bail!("{} ended with {status}:\n{}", self.name, self.tail()),
            None => Ok(()),
        }
    }

    /// The last lines of the log.
    pub(crate) fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Sends a signal by its name without SIG. A process that has ended is an error.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        // The lock keeps the child from being waited for, so the id cannot have passed to another process.
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = child.try_wait()? {
            bail!("{} has ended with {status} before SIG{signal}", self.name);
        }
        // The shell's own kill, since the program of that name is not everywhere.
        let line = format!("kill -{signal} {}", child.id());
        let sent = Command::new("sh")
            .arg("-c")
            .arg(line)
            .status()
            .context("start sh")?;
        if sent.success() {
            Ok(())
        } else {
            bail!("SIG{signal} to {}: {sent}", self.name)
        }
    }

    /// Waits until it ends by itself.
    pub(crate) async fn wait(&self, within: Duration) -> Result<ExitStatus> {
        let mut ticks = tokio::time::interval(POLL);
        let ended = async {
            loop {
                ticks.tick().await;
                if let Some(status) = self.ended() {
                    return status;
                }
            }
        };
        match tokio::time::timeout(within, ended).await {
            Ok(status) => Ok(status),
            Err(_) => bail!(
                "{} did not end within {within:?}:\n{}",
                self.name,
                self.tail()
            ),
        }
    }

    /// SIGKILL, and waits for the end; it is no error if it has ended.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.kill().is_ok() {
            drop(child.wait());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

// === impl Start ===

impl Start {
    fn spawn(&self, log: &Path) -> Result<Child> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open {}", log.display()))?;
        let mut command = bound_to_us(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        // Of its own group: Ctrl-C is for us, and we stop it.
        command.process_group(0);
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        in_nursery(move || command.spawn())?
            .with_context(|| format!("start {}", self.program.display()))
    }
}

/// The program, killed by the kernel when we end, where util-linux's `setpriv` can ask for that.
fn bound_to_us(program: &Path) -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    let works = || {
        let mut probe = Command::new("setpriv");
        probe
            .args(["--pdeathsig", "keep", "true"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    if *SETPRIV.get_or_init(works) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

type Task = Box<dyn FnOnce() + Send>;

/// Runs `task` on a thread that lives as long as this process: the kernel sends the parent-death signal when the *thread* that
/// started a child ends, and tests and runtimes let theirs end.
fn in_nursery<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    static NURSERY: OnceLock<mpsc::Sender<Task>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (sender, tasks) = mpsc::channel::<Task>();
        std::thread::spawn(move || tasks.into_iter().for_each(|task| task()));
        sender
    });
    let (sender, result) = mpsc::channel();
    let task = Box::new(move || drop(sender.send(task())));
    nursery
        .send(task)
        .ok()
        .context("the thread that starts programs has ended")?;
    result
        .recv()
        .context("the thread that starts programs has ended")
}
