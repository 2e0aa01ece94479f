//! The binary called as `kwok`: what kwokctl, charts and scripts rely on at the process's edge. (Flags, files and their precedence are
//! tables in `host/src/args/kwok/tests.rs`.)

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use stagewright_tests::programs;

/// What is waited for comes at once; the limit is for a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// For a server that is not there.
const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
current-context: here
clusters:
- {name: c, cluster: {server: 'https://127.0.0.1:1'}}
contexts:
- {name: here, context: {cluster: c, user: u}}
users:
- {name: u, user: {token: t}}
";

/// What kwokctl writes beside the stages.
const KWOKCTLS: &str = "\
apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokctlConfiguration
metadata: {name: ''}
options: {kubeVersion: v1.36.1}
status: {}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Metric
metadata: {name: m}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata: {name: l}
";

/// A folder with the binary under KWOK's name, and an environment that has nothing but it.
struct Home(tempfile::TempDir);

/// A running kwok; what it logs comes line by line.
struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<Value>,
}

impl Home {
    fn new(files: &[(&str, &str)]) -> Result<Self> {
        let home = Self(tempfile::tempdir()?);
        std::os::unix::fs::symlink(programs::stagewright()?, home.path("kwok"))?;
        let all = [("kubeconfig", KUBECONFIG)].into_iter();
        for (name, text) in all.chain(files.iter().copied()) {
            let path = home.path(name);
            std::fs::create_dir_all(path.parent().context("a folder")?)?;
            std::fs::write(path, text)?;
        }
        Ok(home)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("kwok"));
        command.args(arguments).current_dir(self.0.path());
        command.env_clear().env("HOME", self.0.path());
        command
    }

    /// Runs it to its end: code, stdout, stderr.
    fn ended(&self, arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
        let output = self.command(arguments).output()?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes);
        Ok((
            output.status.code(),
            text(output.stdout)?,
            text(output.stderr)?,
        ))
    }

    fn start(&self, arguments: &[&str], environment: &[(&str, &Path)]) -> Result<Running> {
        let mut command = self.command(arguments);
        command.arg("--kubeconfig=~/kubeconfig");
        command.envs(environment.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let stderr = BufReader::new(child.stderr.take().context("stderr")?);
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut lines = stderr.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        Ok(Running {
            child,
            lines,
            seen: Vec::new(),
        })
    }
}

impl Running {
    /// Waits for the line of the log that has the message; answers it.
    fn until(&mut self, message: &str) -> Result<Value> {
        let late = Instant::now() + LIMIT;
        loop {
            let left = late.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                bail!("no {message:?} in {:#?}", self.seen);
            };
            let line: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
            self.seen.push(line.clone());
            if line.get("message").is_some_and(|told| told == message) {
                return Ok(line);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn get(port: u16, path: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
    let code = head.split(' ').nth(1).context("no code")?;
    Ok((code.to_owned(), body.to_owned()))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[test]
fn its_version_is_that_of_the_kwok_that_it_stands_for() -> Result<()> {
    let home = Home::new(&[])?;
    std::os::unix::fs::symlink(home.path("kwok"), home.path("kwok-controller"))?;
    for name in ["kwok", "kwok-controller"] {
        let printed = Command::new(home.path(name)).arg("--version").output()?;
        ensure!(printed.status.success(), "{printed:?}");
        let text = String::from_utf8(printed.stdout)?;
        // kwokctl looks for a number after the word.
        ensure!(text.starts_with("kwok version v0.8.0 "), "{text}");
    }
    let (code, help, _) = home.ended(&["--help"])?;
    ensure!(
        code == Some(0) && help.contains("--manage-all-nodes"),
        "{help}"
    );
    Ok(())
}

#[test]
fn what_cannot_be_carried_out_ends_with_1_and_a_last_line_in_the_log() -> Result<()> {
    let home = Home::new(&[("kwok.yaml", "a: [")])?;
    for (arguments, part) in [
        (&["--manage-all-nodez"][..], "--manage-all-nodez"),
        (&["start"], "start"),
        (&["--node-port=many"], "--node-port"),
        (&["--v=loud"], "DEBUG"),
        (&[], "no node is selected"),
        (
            &["--manage-all-nodes", "--manage-single-node=a"],
            "cannot be combined",
        ),
        (&["--manage-all-nodes", "--config=none.yaml"], "none.yaml"),
        (
            &["--manage-all-nodes", "--enable-crds=Pod"],
            "ClusterResourceUsage",
        ),
        (&["--manage-all-nodes", "--kubeconfig=none"], "--kubeconfig"),
    ] {
        let (code, out, log) = home.ended(arguments)?;
        ensure!(
            code == Some(1) && out.is_empty(),
            "{arguments:?}: {code:?} {out}{log}"
        );
        let last = log.lines().last().context("a line")?;
        let last: Value = serde_json::from_str(last).with_context(|| last.to_owned())?;
        ensure!(
            last["level"] == "ERROR" && last["message"] == "Execute exit",
            "{last}"
        );
        let error = last["err"].as_str().context("err")?;
        ensure!(error.contains(part), "{arguments:?}: {error}");
    }
    Ok(())
}

#[test]
fn it_serves_where_it_is_told_and_waits_for_the_api_server() -> Result<()> {
    let home = Home::new(&[("kwok.yaml", KWOKCTLS)])?;
    let port = free_port()?;
    let address = format!("--server-address=127.0.0.1:{port}");
    let flags = [
        "--manage-all-nodes=true",
        "--config=kwok.yaml",
        "--node-ip=",
        "--node-name=localhost",
        "--tracing-endpoint=127.0.0.1:4317",
        address.as_str(),
    ];
    let mut kwok = home.start(&flags, &[])?;
    kwok.until("health, metrics and explain are served")?;
    let unserved = kwok.until("KWOK has this, and it does nothing here yet")?;
    ensure!(unserved["flag"] == "--tracing-endpoint", "{unserved}");
    for kind in ["ClusterLogs", "Metric"] {
        let told = kwok.until("KWOK's objects of this kind are not served yet")?;
        ensure!(told["kind"] == kind, "{told}");
    }
    for path in ["/healthz", "/livez"] {
        let (code, body) = get(port, path)?;
        ensure!(code == "200" && body == "ok", "{path}: {code} {body}");
    }
    ensure!(get(port, "/readyz")?.0 == "503", "ready without a server");
    let (code, metrics) = get(port, "/metrics")?;
    ensure!(
        code == "200" && metrics.contains("process_cpu_seconds_total"),
        "{metrics}"
    );
    ensure!(kwok.child.try_wait()?.is_none(), "ended");
    Ok(())
}

#[test]
fn its_own_file_is_found_by_the_environment() -> Result<()> {
    let options = |port: u16| {
        format!(
            "apiVersion: config.kwok.x-k8s.io/v1alpha1\nkind: KwokConfiguration\noptions:\n  manageAllNodes: true\n  nodePort: {port}\n"
        )
    };
    let (first, second) = (options(free_port()?), options(free_port()?));
    let home = Home::new(&[(".kwok/kwok.yaml", &first), ("work/kwok.yaml", &second)])?;
    let address = |text: &str| Some(format!("0.0.0.0:{}", text.split(": ").last()?.trim()));
    // What else begins so is kwokctl's, and means nothing to kwok.
    let others = [
        ("KWOK_NODE_PORT", Path::new("1")),
        ("KWOK_CIDR", Path::new("x")),
    ];
    let mut kwok = home.start(&[], &others)?;
    let served = kwok.until("health, metrics and explain are served")?;
    ensure!(
        served["address"].as_str().map(str::to_owned) == address(&first),
        "{served}"
    );
    drop(kwok);
    let folder = home.path("work");
    let mut kwok = home.start(&[], &[("KWOK_WORKDIR", &folder)])?;
    let served = kwok.until("health, metrics and explain are served")?;
    ensure!(
        served["address"].as_str().map(str::to_owned) == address(&second),
        "{served}"
    );
    Ok(())
}

#[test]
fn on_the_hosts_network_a_taken_port_is_no_end() -> Result<()> {
    let home = Home::new(&[])?;
    let taken = TcpListener::bind(("0.0.0.0", 0))?;
    let port = format!("--node-port={}", taken.local_addr()?.port());
    let flags = ["--manage-all-nodes", port.as_str()];
    let ip = Path::new("10.0.0.1");
    let mut kwok = home.start(&flags, &[("POD_IP", ip), ("HOST_IP", ip)])?;
    kwok.until("health, metrics and explain are not served")?;
    drop(kwok);
    let mut kwok = home.start(&flags, &[("POD_IP", ip)])?;
    let end = kwok.until("Execute exit")?;
    ensure!(
        end["err"]
            .to_string()
            .contains("another process serves there"),
        "{end}"
    );
    Ok(())
}
