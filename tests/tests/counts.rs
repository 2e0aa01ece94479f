//! Instructions on an object's way, as callgrind counts them: the gate against growing slower unseen. Counts do not depend on how busy
//! the machine is, only on the code, the compiler and this profile.
//!
//! `STAGEWRIGHT_RECORD=1` writes `counts.json` anew: after a change that is worth its price, or that made something cheaper.

#![allow(
    clippy::indexing_slicing,
    reason = "what is not there shows as null in the failure"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};
use stagewright::plugin::{Engine, Limits, Plugin, Source};
use stagewright_apiserver::clock::ManualClock;
use stagewright_apiserver::{ApiServer, Options};
use stagewright_core::guard::rehearse;
use stagewright_core::interface::{Answer, Effect};
use stagewright_core::json::prune;
use stagewright_core::object::{Kind, Snapshot};
use stagewright_core::time::Time;
use stagewright_tests::sample;

/// How often a piece is run for a count: the difference of the two, so that what happens once does not count.
const TIMES: [u32; 2] = [20, 220];
/// So much more than recorded is let pass, in permille: what the machine's own libraries do with short strings differs a little.
const SLACK: u64 = 30;

/// A piece of an object's way, run so many times.
type Piece = fn(u32) -> Result<()>;

/// The pieces, by name.
const PIECES: [(&str, Piece); 5] = [
    ("pod: decide in a fresh instance", decide),
    ("pod: decide and play", play),
    ("guard: admit a pod's start", guard),
    ("watch: read a pod and cut it", cut),
    ("server: patch a pod's status", patch),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--piece") {
        let played = piece(&mut arguments);
        if let Err(error) = played {
            eprintln!("{error:#}");
            std::process::exit(1);
        }
        return;
    }
    let trial = Trial::test("nothing_has_become_dearer", || {
        gate().map_err(|error| format!("{error:#}").into())
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

fn piece(arguments: &mut impl Iterator<Item = String>) -> Result<()> {
    let number: usize = arguments.next().context("which")?.parse()?;
    let times = arguments.next().context("how often")?.parse()?;
    let (_, run) = PIECES.get(number).context("no such piece")?;
    run(times)
}

fn gate() -> Result<()> {
    let recorded: BTreeMap<String, u64> = std::fs::read_to_string(place())
        .map_err(anyhow::Error::from)
        .and_then(|text| Ok(serde_json::from_str(&text)?))
        .unwrap_or_default();
    let mut counts = BTreeMap::new();
    for (number, (name, _)) in PIECES.iter().enumerate() {
        let [few, many] = TIMES.map(|times| instructions(number, times));
        let count = many?.saturating_sub(few?) / u64::from(TIMES[1] - TIMES[0]);
        let before = recorded.get(*name).copied().unwrap_or_default();
        println!("{name:<36} {count:>10} instructions, recorded {before}");
        counts.insert((*name).to_owned(), count);
    }
    if std::env::var_os("STAGEWRIGHT_RECORD").is_some() {
        std::fs::write(place(), serde_json::to_string_pretty(&counts)? + "\n")?;
        return Ok(());
    }
    ensure!(
        recorded.keys().eq(counts.keys()),
        "counts.json is about other pieces: run with STAGEWRIGHT_RECORD=1"
    );
    for (name, count) in &counts {
        let before = recorded.get(name).copied().unwrap_or_default();
        ensure!(
            *count <= before + before * SLACK / 1_000,
            "{name}: {count} instructions, {before} were recorded"
        );
    }
    Ok(())
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counts.json")
}

/// What callgrind counts of this program running one piece.
fn instructions(piece: usize, times: u32) -> Result<u64> {
    let program = std::env::current_exe()?;
    let done = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--smc-check=all-non-file",
        ])
        .arg(program)
        .args(["--piece", &piece.to_string(), &times.to_string()])
        .output()
        .context("valgrind counts the instructions; install it (apt-get install valgrind)")?;
    let told = String::from_utf8_lossy(&done.stderr);
    ensure!(
        done.status.success(),
        "piece {piece}: {}:\n{told}",
        done.status
    );
    let collected = told
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.with_context(|| format!("no count in:\n{told}"))?;
    Ok(count.trim().parse()?)
}

fn pod_plugin() -> Result<Plugin> {
    // Valgrind has less address space to give than the usual number would take.
    let limits = Limits {
        instances: 4,
        ..Limits::default()
    };
    let engine = Engine::new(limits)?;
    Ok(Plugin::load(&engine, &Source::Stock("pod"), &Value::Null)?)
}

fn decide(times: u32) -> Result<()> {
    let (plugin, object, context) = (pod_plugin()?, sample::pod(), sample::context());
    for _ in 0..times {
        plugin.session()?.decide(&object, &context)?;
    }
    Ok(())
}

fn started(plugin: &Plugin) -> Result<Vec<Effect>> {
    let (object, context) = (sample::pod(), sample::context());
    let mut session = plugin.session()?;
    let Answer::Stage { stage, .. } = session.decide(&object, &context)? else {
        anyhow::bail!("the pod starts");
    };
    Ok(session.play(&stage, &object, &context)?)
}

fn play(times: u32) -> Result<()> {
    let plugin = pod_plugin()?;
    for _ in 0..times {
        started(&plugin)?;
    }
    Ok(())
}

fn guard(times: u32) -> Result<()> {
    let plugin = pod_plugin()?;
    let effects = started(&plugin)?;
    sample::judged(&plugin, |subject, rules| {
        for _ in 0..times {
            let rehearsal = rehearse(subject, &effects, rules);
            ensure!(
                rehearsal.is_ok_and(|rehearsal| rehearsal.changes),
                "the start is refused"
            );
        }
        Ok(())
    })
}

fn cut(times: u32) -> Result<()> {
    let plugin = pod_plugin()?;
    let declared = sample::declared(&plugin)?;
    let (kind, text) = (Kind::new("v1", "Pod"), sample::stored()?.to_string());
    for _ in 0..times {
        let subject = Snapshot::parse(&kind, serde_json::from_str(&text)?)?;
        ensure!(
            !prune(subject.body(), &declared.reads).text().is_empty(),
            "it reads nothing"
        );
    }
    Ok(())
}

fn patch(times: u32) -> Result<()> {
    let start = Time::parse("2026-01-02T03:04:05Z").context("a time")?;
    let server = ApiServer::new(Options::new(Arc::new(ManualClock::new(start)), 7));
    let send = |method: &str, path: &str, media: &str, body: &Value| -> Result<()> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .body(Bytes::from(body.to_string()))?;
        let status = server.call(request).status();
        ensure!(status.is_success(), "{method} {path}: {status}");
        Ok(())
    };
    let mut pod: Value = serde_json::from_str(&sample::pod())?;
    pod["metadata"] = json!({"name": "web-0"});
    let pods = "/api/v1/namespaces/default/pods";
    send("POST", pods, "application/json", &pod)?;
    for number in 0..times {
        let message = format!("number {number:>5}");
        let body = json!({"status": {"phase": "Running", "message": message}});
        send(
            "PATCH",
            &format!("{pods}/web-0/status"),
            "application/merge-patch+json",
            &body,
        )?;
    }
    Ok(())
}
