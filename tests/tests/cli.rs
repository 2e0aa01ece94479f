//! The binary's answers to bad input that needs no cluster: exit code, a message that names what is wrong, and the remedy.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::{programs, scenario};

/// A refusal comes at once; the limit is for a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the binary with an environment of its own until it ends.
fn run(arguments: &[&str]) -> Result<Outcome> {
    let mut child = Command::new(programs::stagewright()?)
        .args(arguments)
        // Whoever else runs here keeps the usual port.
        .args((arguments.first() == Some(&"run")).then_some("--server-address=127.0.0.1:0"))
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdout = collected(child.stdout.take().context("stdout")?);
    let stderr = collected(child.stderr.take().context("stderr")?).recv_timeout(LIMIT);
    if stderr.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    Ok(Outcome {
        code: status.code(),
        stdout: stdout.recv()??,
        stderr: stderr.with_context(|| format!("{arguments:?} did not end within {LIMIT:?}"))??,
    })
}

/// All that comes out of a pipe, when it is closed.
fn collected(pipe: impl Read + Send + 'static) -> Receiver<std::io::Result<String>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || drop(sender.send(std::io::read_to_string(pipe))));
    receiver
}

/// The run must end with the code, and its message must have all the parts.
fn refused(arguments: &[&str], code: i32, parts: &[&str]) -> Result<()> {
    let outcome = run(arguments)?;
    ensure!(
        outcome.code == Some(code),
        "{arguments:?} ended with {:?}, not {code}:\n{}",
        outcome.code,
        outcome.stderr
    );
    for part in parts {
        ensure!(
            outcome.stderr.contains(part),
            "{arguments:?}: the message does not have {part:?}:\n{}",
            outcome.stderr
        );
    }
    let lines = outcome.stderr.lines().count();
    ensure!(
        lines <= 12 && !outcome.stderr.contains("panicked"),
        "{arguments:?}: {lines} lines:\n{}",
        outcome.stderr
    );
    Ok(())
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<String> {
        let path = self.0.path().join(name);
        std::fs::write(&path, contents)?;
        text(&path)
    }
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a path in UTF-8")?.to_owned())
}

/// A kubeconfig in order, for a server that is not there.
fn kubeconfig(user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters:\n- name: c\n  cluster: {{server: 'https://127.0.0.1:1'}}\n\
        contexts:\n- name: here\n  context: {{cluster: c, user: u}}\nusers:\n- name: u\n  user: {user}\n"
    )
}

#[test]
fn without_a_selection_nothing_starts() -> Result<()> {
    let flags = [
        "--manage-all-nodes",
        "--manage-nodes-with-label-selector",
        "--manage-nodes-with-annotation-selector",
        "--manage-single-node",
    ];
    refused(&["run"], 64, &flags)
}

#[test]
fn flags_that_make_no_sense_are_usage_errors() -> Result<()> {
    refused(
        &["run", "--manage-all-nodez"],
        64,
        &["--manage-all-nodez", "--manage-all-nodes"],
    )?;
    refused(&["runn"], 64, &["runn"])?;
    refused(
        &["run", "--manage-all-nodes", "--manage-single-node=a"],
        64,
        &["--manage-all-nodes"],
    )?;
    refused(
        &["run", "--manage-nodes-with-label-selector=a in b"],
        64,
        &["--manage-nodes-with-label-selector"],
    )?;
    refused(
        &["run", "--manage-all-nodes", "--cidr=10.0.0.0/99"],
        64,
        &["--cidr", "10.0.0.0/99"],
    )
}

#[test]
fn an_unreadable_kubeconfig_is_named() -> Result<()> {
    let files = Files::new()?;
    let missing = text(&files.0.path().join("missing"))?;
    let folder = text(files.0.path())?;
    let empty = files.write("empty", "")?;
    let garbage = files.write("garbage", "{]}\u{0}not yaml: [")?;
    let bytes = files.write("bytes", [0xff, 0xfe, 0x00, 0x80])?;
    let no_context = files.write(
        "no-context",
        kubeconfig("{token: t}").replace("current-context: here", "current-context: there"),
    )?;
    let no_user = files.write(
        "no-user",
        kubeconfig("{token: t}").replace("user: u}", "user: nobody}"),
    )?;
    let no_cluster = files.write(
        "no-cluster",
        kubeconfig("{token: t}").replace("cluster: c,", "cluster: nowhere,"),
    )?;
    let no_certificate = files.write(
        "no-certificate",
        kubeconfig("{client-certificate: /no/such.crt, client-key: /no/such.key}"),
    )?;
    let bad_server = files.write(
        "bad-server",
        kubeconfig("{token: t}").replace("https://127.0.0.1:1", "not a url"),
    )?;
    for (file, parts) in [
        (&missing, vec!["missing"]),
        (&folder, vec![]),
        (&empty, vec![]),
        (&garbage, vec![]),
        (&bytes, vec![]),
        (&no_context, vec!["there"]),
        (&no_user, vec!["nobody"]),
        (&no_cluster, vec!["nowhere"]),
        (&no_certificate, vec!["/no/such"]),
        (&bad_server, vec![]),
    ] {
        let mut all = vec![file.as_str()];
        all.extend(parts);
        refused(
            &["run", "--manage-all-nodes", "--kubeconfig", file],
            1,
            &all,
        )?;
    }
    let good = files.write("good", kubeconfig("{token: t}"))?;
    refused(
        &[
            "run",
            "--manage-all-nodes",
            "--kubeconfig",
            &good,
            "--context=elsewhere",
        ],
        1,
        &["elsewhere"],
    )
}

#[test]
fn broken_plugin_files_are_named_with_their_cause() -> Result<()> {
    let files = Files::new()?;
    let config = files.write("kubeconfig", kubeconfig("{token: t}"))?;
    let whole = std::fs::read(scenario::component("trainer")?)?;
    let half = whole.get(..whole.len() / 2).context("half a component")?;
    let mut flipped = whole.clone();
    for byte in flipped.iter_mut().skip(5000).step_by(997) {
        *byte ^= 0x55;
    }
    let core_module = b"\0asm\x01\0\0\0";
    let cases = [
        (text(&files.0.path().join("no-such.wasm"))?, vec![]),
        (text(files.0.path())?, vec![]),
        (files.write("empty.wasm", "")?, vec!["empty"]),
        (files.write("text.wasm", "this is no component")?, vec![]),
        (files.write("half.wasm", half)?, vec![]),
        (files.write("flipped.wasm", &flipped)?, vec![]),
        (files.write("core.wasm", core_module)?, vec!["component"]),
        (
            files.write("elf.wasm", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0")?,
            vec![],
        ),
    ];
    for (file, parts) in cases {
        let mut all = vec![file.as_str()];
        all.extend(parts);
        refused(
            &[
                "run",
                "--manage-all-nodes",
                "--kubeconfig",
                &config,
                "--plugin",
                &file,
            ],
            1,
            &all,
        )?;
    }
    Ok(())
}

#[test]
fn settings_with_unknown_keys_are_refused_by_name() -> Result<()> {
    let files = Files::new()?;
    let config = files.write("kubeconfig", kubeconfig("{token: t}"))?;
    let run = |settings: &str, code: i32, parts: &[&str]| {
        refused(
            &[
                "run",
                "--manage-all-nodes",
                "--kubeconfig",
                &config,
                "--settings",
                settings,
            ],
            code,
            parts,
        )
    };
    run("pod={profil: fast}", 1, &["profil", "pod"])?;
    run("node={heartbeats: 1}", 1, &["heartbeats", "node"])?;
    run(
        "pod={profile: leisurely}",
        1,
        &["leisurely", "fast", "general"],
    )?;
    run("nobody={a: 1}", 64, &["nobody"])?;
    run("pod=[1]", 64, &["--settings"])?;
    run("pod=/no/such/file.yaml", 64, &["/no/such/file.yaml"])
}

#[test]
fn help_and_version_need_nothing() -> Result<()> {
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["explain", "--help"],
        &["version"],
        &["--version"],
    ] {
        let outcome = run(arguments)?;
        ensure!(
            outcome.code == Some(0),
            "{arguments:?}: {:?}\n{}",
            outcome.code,
            outcome.stderr
        );
    }
    Ok(())
}

#[test]
fn what_is_only_printed_is_printed_for_scripts_too() -> Result<()> {
    let printed = |arguments: &[&str]| -> Result<String> {
        let outcome = run(arguments)?;
        ensure!(outcome.code == Some(0), "{arguments:?}: {}", outcome.stderr);
        Ok(outcome.stdout)
    };
    for command in ["version", "crd"] {
        let json: Value = serde_json::from_str(&printed(&[command, "-o", "json"])?)?;
        let yaml: Value = serde_saphyr::from_str(&printed(&[command, "-o", "yaml"])?)?;
        ensure!(json == yaml, "{json} is not {yaml}");
        let (text, place, part) = match command {
            "version" => (
                "stagewright v",
                "/version",
                json!(env!("CARGO_PKG_VERSION")),
            ),
            _ => (
                "apiVersion: apiextensions.k8s.io/v1\n",
                "/spec/names/kind",
                json!("PhaseOrder"),
            ),
        };
        ensure!(json.pointer(place) == Some(&part), "{json:#}");
        let printed = printed(&[command])?;
        ensure!(printed.starts_with(text), "{printed}");
    }
    Ok(())
}

#[test]
fn explain_without_a_controller_says_where_it_looked() -> Result<()> {
    refused(
        &["explain", "pod", "web", "--admin", "http://127.0.0.1:1"],
        1,
        &["127.0.0.1:1"],
    )
}

#[test]
fn the_binary_is_where_cargo_puts_it() -> Result<()> {
    let path: PathBuf = programs::stagewright()?;
    ensure!(path.is_file(), "{} is no file", path.display());
    Ok(())
}
