//! Recorded requests: sent to a real control plane, and to the API server in the box, which shall answer the same.

#[path = "../../host/apiserver/tests/http/replay.rs"]
pub mod replay;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http_body::Body as _;
use kube::Client;
use serde_json::Value;

use crate::client;
use crate::controlplane::{ControlPlane, Options};
use replay::{Exchange, Known};

/// Writes recordings anew, instead of only comparing with them.
pub const RECORD: &str = "STAGEWRIGHT_RECORD";
/// How long the real server may take until a change of its kinds shows.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile.
const POLL: Duration = Duration::from_millis(50);

/// A control plane for recordings: an API server alone.
///
/// # Errors
/// If it does not start.
pub async fn start() -> Result<ControlPlane> {
    ControlPlane::start(Options::api_only()).await
}

/// Whether recordings are to be written.
#[must_use]
pub fn is_recording() -> bool {
    std::env::var_os(RECORD).is_some()
}

/// Sends the requests of a recording to a real server: its answers are those of the file (or become so), and the server in the box
/// gives the same, but for what is known.
///
/// # Errors
/// Where they differ.
pub async fn compare(plane: &ControlPlane, file: &str, otherwise: &[(&str, &str)]) -> Result<()> {
    let script = replay::read(&text(file)?);
    let mut answered = answers(plane, &script).await?;
    // They are long, and compared where scripts are.
    without_owners(&mut answered);
    if is_recording() {
        record(file, &answered)?;
    } else {
        let drift: Vec<String> = script
            .iter()
            .zip(&answered)
            // What is known to be another here may hang on the moment there.
            .filter(|(wanted, _)| !replay::is_among(otherwise, wanted))
            .map(|(wanted, found)| {
                let (there, now) = (replay::comparable(wanted), replay::comparable(found));
                let apart = replay::apart("", &without_ages(&there), &without_ages(&now));
                match apart.as_str() {
                    "" => apart,
                    _ => format!("{} {}{apart}\n", wanted.method, wanted.path),
                }
            })
            .collect();
        let drift = drift.concat();
        ensure!(
            drift.is_empty(),
            "{file} is not what a real server says any more; run with {RECORD}=1:\n{drift}"
        );
    }
    let wrong = replay::differences(&answered, otherwise);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The same with one word for all ages of days and years: the file is of another day than a real server's answers.
fn without_ages(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), without_ages(value)))
            .collect(),
        Value::Array(list) => list.iter().map(without_ages).collect(),
        Value::String(text) => text
            .split_inclusive(|letter: char| !letter.is_ascii_alphanumeric())
            .map(|word| if is_age(word) { "AGE" } else { word })
            .collect(),
        other => other.clone(),
    }
}

/// As `kubectl get` prints old ages: `6y330d`, also with a mark behind it.
fn is_age(word: &str) -> bool {
    let word = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
    word.starts_with(|first: char| first.is_ascii_digit())
        && word.ends_with(['y', 'd'])
        && word
            .trim_matches(|letter: char| letter.is_ascii_digit() || "yd".contains(letter))
            .is_empty()
}

/// Takes who owns which field out of all answers.
pub fn without_owners(answered: &mut [Exchange]) {
    for exchange in answered {
        let answer = exchange.answer.take();
        exchange.answer = answer.map(|answer| replay::without(&answer, "managedFields"));
    }
}

/// Writes a recording.
///
/// # Errors
/// If the file cannot be written.
pub fn record(file: &str, exchanges: &[Exchange]) -> Result<()> {
    let place = place(file);
    std::fs::write(&place, replay::write(exchanges))
        .with_context(|| format!("writing {}", place.display()))
}

fn place(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../host/apiserver/tests/http")
        .join(file)
}

/// A recording as it stands in its file.
///
/// # Errors
/// If there is no such file.
pub fn text(file: &str) -> Result<String> {
    std::fs::read_to_string(place(file)).with_context(|| format!("reading {file}"))
}

/// A real server's answers to the requests, in their order.
///
/// # Errors
/// If one is not answered.
pub async fn answers(plane: &ControlPlane, script: &[Exchange]) -> Result<Vec<Exchange>> {
    let client = &client::that_asks_once(&plane.kubeconfig()).await?;
    let mut known = Known::default();
    let mut answered = Vec::new();
    let mut rest = script;
    while let Some((first, others)) = rest.split_first() {
        if first.method == replay::COMPACT {
            plane.compact().await?;
            answered.push(Exchange {
                at: now()?,
                ..first.clone()
            });
            rest = others;
            continue;
        }
        // Those that follow each other are asked for at once.
        let more = others
            .iter()
            .take_while(|next| first.waits() && next.waits());
        let (now, later) = rest.split_at(1 + more.count());
        let asked = now.iter().map(|exchange| known.filled(exchange));
        let asked: Vec<Exchange> = asked.collect();
        let answers = asked.iter().map(|exchange| async move {
            let answer = ask(client, exchange).await;
            answer.with_context(|| format!("{} {}", exchange.method, exchange.path))
        });
        for (exchange, answer) in now
            .iter()
            .zip(futures::future::try_join_all(answers).await?)
        {
            answered.push(known.answered(exchange, answer));
        }
        rest = later;
    }
    Ok(answered)
}

/// The request's answer, after as many tries as it takes until it is the awaited one.
async fn ask(client: &Client, exchange: &Exchange) -> Result<Exchange> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(POLL);
    loop {
        ticks.tick().await;
        let answer = once(client, exchange).await?;
        let is_awaited = exchange.until.is_none_or(|code| code == answer.code)
            && exchange.holds.as_ref().is_none_or(|wanted| {
                let found = answer.answer.as_ref();
                found.is_some_and(|found| has(found, wanted))
            });
        if is_awaited || tokio::time::Instant::now() >= deadline {
            return Ok(answer);
        }
    }
}

/// Whether all that is wanted is there: of an object its members, of a list an item for each.
fn has(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| found.get(key).is_some_and(|found| has(found, wanted))),
        (Value::Array(found), Value::Array(wanted)) => wanted
            .iter()
            .all(|wanted| found.iter().any(|found| has(found, wanted))),
        (found, wanted) => found == wanted,
    }
}

async fn once(client: &Client, exchange: &Exchange) -> Result<Exchange> {
    let response = client
        .send(replay::request(exchange).map(Into::into))
        .await?;
    let warnings = replay::warnings(response.headers());
    let code = response.status().as_u16();
    let mut body = std::pin::pin!(response.into_body());
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await
    {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    let answer = replay::answer(exchange, &bytes);
    Ok(Exchange {
        answer: (!exchange.setup).then_some(answer),
        at: now()?,
        code,
        warnings,
        ..exchange.clone()
    })
}

/// The time, in whole seconds.
fn now() -> Result<String> {
    let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second())?;
    Ok(now.to_string())
}
