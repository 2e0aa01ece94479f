//! The programs that the tests run: the control plane's, built from source by `go build` as `tests/controlplane` pins them, and ours.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::ProgressBar;

/// A program of the control plane, or a release of KWOK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// etcd.
    Etcd,
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// kubectl.
    Kubectl,
    /// kwok v0.8.0, which ours is measured against.
    Kwok,
    /// kwok v0.4.0, the release in which users reported pods that move backward.
    KwokV04,
    /// kwokctl v0.8.0, which starts clusters with kwok's binary, or with ours.
    Kwokctl,
    /// What kwokctl saves snapshots of etcd with.
    Etcdctl,
    /// What it restores them with.
    Etcdutl,
    /// What kwok's packages decide of stages: the oracle of the stage tests.
    KwokStages,
    /// An informer of client-go that prints its events.
    Informer,
}

/// The oldest Go that can build them, or fetch one that can.
const GO: (u32, u32) = (1, 21);

impl Program {
    /// The file's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Program::Etcd => "etcd",
            Program::ApiServer => "kube-apiserver",
            Program::ControllerManager => "kube-controller-manager",
            Program::Scheduler => "kube-scheduler",
            Program::Kubectl => "kubectl",
            Program::Kwok => "kwok",
            Program::KwokV04 => "kwok-v0.4",
            Program::Kwokctl => "kwokctl",
            Program::Etcdctl => "etcdctl",
            Program::Etcdutl => "etcdutl",
            Program::KwokStages => "kwok-stages",
            Program::Informer => "informer",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Program::Etcd => "go.etcd.io/etcd/server/v3",
            Program::ApiServer => "k8s.io/kubernetes/cmd/kube-apiserver",
            Program::ControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Program::Scheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Program::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Program::Kwok | Program::KwokV04 => "sigs.k8s.io/kwok/cmd/kwok",
            Program::Kwokctl => "sigs.k8s.io/kwok/cmd/kwokctl",
            Program::Etcdctl => "go.etcd.io/etcd/etcdctl/v3",
            Program::Etcdutl => "go.etcd.io/etcd/etcdutl/v3",
            Program::KwokStages => "./stages",
            Program::Informer => "./informer",
        }
    }

    /// The folder of the Go module that pins it.
    fn module(self) -> PathBuf {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("controlplane");
        match self {
            Program::KwokV04 => modules.join("kwok-v0.4"),
            Program::Kwokctl | Program::Etcdctl | Program::Etcdutl => modules.join("kwokctl"),
            _ => modules,
        }
    }
}

/// The program's file, built if it is not there as pinned. The first build of kube-apiserver takes minutes, and is told on stderr.
///
/// # Errors
/// If `go` is missing or too old, or the build fails; the error has the build's last lines.
pub fn program(program: Program) -> Result<PathBuf> {
    let folder = target()?.join("controlplane");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let file = folder.join(program.name());
    let stamp = folder.join(format!("{}.stamp", program.name()));
    let wanted = pins(program)?;
    let is_built =
        || file.is_file() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
    if is_built() {
        return Ok(file);
    }
    // Test programs run side by side: the first builds, the others wait for it. The lock goes with the process that holds it.
    let lock = File::create(folder.join(".lock"))?;
    lock.lock()
        .context("lock the folder of the control plane's programs")?;
    if !is_built() {
        build(program, &file)?;
        fs::write(&stamp, wanted)?;
    }
    Ok(file)
}

/// The folder of a Go module's source in Go's module cache, at the version that the program's module pins.
///
/// # Errors
/// If `go` is missing or cannot fetch the module.
pub fn source(program: Program, module: &str) -> Result<PathBuf> {
    let go = go()?;
    let list = || {
        Command::new(go)
            .args(["list", "-m", "-f", "{{.Dir}}", module])
            .current_dir(program.module())
            .output()
    };
    let mut folder = String::from_utf8(list().context("go list")?.stdout)?;
    if folder.trim().is_empty() {
        // It is pinned, but not in the cache yet.
        let fetched = Command::new(go)
            .args(["mod", "download", module])
            .current_dir(program.module())
            .output()?;
        if !fetched.status.success() {
            bail!(
                "go mod download {module}: {}",
                String::from_utf8_lossy(&fetched.stderr)
            );
        }
        folder = String::from_utf8(list().context("go list")?.stdout)?;
    }
    Ok(PathBuf::from(folder.trim()))
}

/// The host's own binary, built by cargo as the running test or demo was; `STAGEWRIGHT_BIN` names another.
///
/// # Errors
/// If the build fails.
pub fn stagewright() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(named) = std::env::var_os("STAGEWRIGHT_BIN") {
        return Ok(PathBuf::from(named));
    }
    BUILT
        .get_or_init(|| build_stagewright().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!(error))
}

fn build_stagewright() -> Result<PathBuf> {
    let target = target()?;
    let program = std::env::current_exe()?;
    let profile = program
        .strip_prefix(&target)?
        .components()
        .next()
        .context("the profile's folder")?;
    let profile = profile
        .as_os_str()
        .to_str()
        .context("the profile's folder")?;
    let name = if profile == "debug" { "dev" } else { profile };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the workspace")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // No --package: the features are then those that the tests themselves were built with, so no dependency is compiled again.
    command.args([
        "build",
        "--bin",
        "stagewright",
        "--profile",
        name,
        "--target-dir",
    ]);
    command.arg(&target).current_dir(workspace);
    // What `cargo run` and `cargo test` say about this package is not for the build: some build scripts look at it, and would make
    // cargo compile what rests on them again, each time.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
            command.env_remove(&name);
        }
    }
    // It takes a minute after a change: cargo's progress is for people, its errors for everybody.
    if !std::io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    let built = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    if !built.context("start cargo")?.success() {
        bail!("cargo build --bin stagewright failed; its errors are above");
    }
    Ok(target.join(profile).join("stagewright"))
}

/// Runs kubectl with a kubeconfig, and an editor if it is to edit, and answers what it prints.
///
/// # Errors
/// If it cannot be built, or ends with another code than 0; the error has what it said.
pub(crate) async fn kubectl(
    kubeconfig: &Path,
    arguments: &[&str],
    editor: Option<&str>,
) -> Result<String> {
    let built = tokio::task::spawn_blocking(|| program(Program::Kubectl));
    let mut command = Command::new(built.await??);
    command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        // Servers come and go, and another may have had this port.
        .arg("--cache-dir")
        .arg(kubeconfig.with_extension("cache"))
        .args(arguments)
        .envs(editor.map(|editor| ("KUBE_EDITOR", editor)))
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    if !output.status.success() {
        bail!(
            "kubectl {arguments:?}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The target folder that this test or demo was built into.
pub(crate) fn target() -> Result<PathBuf> {
    let program = std::env::current_exe().context("the running program")?;
    let target = program.ancestors().find(|folder| {
        folder.join("CACHEDIR.TAG").is_file() || folder.join(".rustc_info.json").is_file()
    });
    target
        .map(Path::to_owned)
        .context("not run from cargo's target folder")
}

/// What the build depends on: the modules' versions, and the package.
fn pins(program: Program) -> Result<String> {
    let mut hash = DefaultHasher::new();
    program.package().hash(&mut hash);
    let own: &[&str] = match program {
        Program::KwokStages => &["stages/main.go"],
        Program::Informer => &["informer/main.go"],
        _ => &[],
    };
    for file in ["go.mod", "go.sum"].iter().chain(own) {
        let path = program.module().join(file);
        fs::read(&path)
            .with_context(|| format!("read {}", path.display()))?
            .hash(&mut hash);
    }
    Ok(format!("{:016x}\n", hash.finish()))
}

/// The `go` command, after a look at its version.
fn go() -> Result<&'static str> {
    let remedy = "install Go 1.26 or later from https://go.dev/dl";
    let found = Command::new("go").args(["env", "GOVERSION"]).output();
    let found = found.with_context(|| {
        format!("the control plane is built from source, and there is no `go`; {remedy}")
    })?;
    let version = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    let mut parts = version
        .trim_start_matches("go")
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    let version_parts: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if version_parts < GO {
        bail!("`go` is {version}, which is too old; {remedy}");
    }
    Ok("go")
}

fn build(program: Program, file: &Path) -> Result<()> {
    let go = go()?;
    let unfinished = file.with_extension("unfinished");
    let mut command = Command::new(go);
    // -v names each package as it is compiled, which makes the progress.
    command
        .args(["build", "-v", "-trimpath", "-buildvcs=false", "-o"])
        .arg(&unfinished)
        .arg(program.package());
    command
        .current_dir(program.module())
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("start go build")?;
    let lines = BufReader::new(child.stderr.take().context("stderr of go build")?).lines();
    let mut progress = Progress::new(program.name());
    let mut last = Vec::new();
    for line in lines {
        let line = line?;
        progress.step(&line);
        last.push(line);
        if last.len() > 30 {
            last.remove(0);
        }
    }
    if !child.wait()?.success() {
        bail!(
            "go build {} failed:\n{}",
            program.package(),
            last.join("\n")
        );
    }
    fs::rename(&unfinished, file)?;
    progress.done();
    Ok(())
}

/// A moving line on a terminal; elsewhere a plain line now and then.
struct Progress {
    name: &'static str,
    bar: Option<ProgressBar>,
    started: Instant,
    said: Instant,
    packages: u32,
}

impl Progress {
    fn new(name: &'static str) -> Self {
        let started = Instant::now();
        let bar = std::io::stderr()
            .is_terminal()
            .then(ProgressBar::new_spinner);
        match &bar {
            Some(bar) => bar.enable_steady_tick(Duration::from_millis(100)),
            None => eprintln!("building {name} from source (minutes the first time)"),
        }
        Self {
            name,
            bar,
            started,
            said: started,
            packages: 0,
        }
    }

    fn step(&mut self, package: &str) {
        self.packages += 1;
        let line = format!(
            "building {}: {} packages, {} s, {package}",
            self.name,
            self.packages,
            self.started.elapsed().as_secs()
        );
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None if self.said.elapsed() > Duration::from_secs(20) => {
                self.said = Instant::now();
                eprintln!("{line}");
            }
            None => {}
        }
    }

    fn done(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        eprintln!(
            "built {} in {} s",
            self.name,
            self.started.elapsed().as_secs()
        );
    }
}
