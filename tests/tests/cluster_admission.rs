//! What a real kube-apiserver answers is what the corpus of admission says, by which the API server in the box is judged.
//!
//! With `STAGEWRIGHT_RECORD=1` the corpus is written anew from its requests, and the difference is for a reviewer to read.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what cannot be unwrapped here is a failure"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a test plays the users whose writes no guard admits, and asks for the time to know the server's"
)]

#[path = "../../host/apiserver/tests/http/admission/compare.rs"]
mod compare;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use http::Request;
use jiff::{Timestamp, ToSpan as _};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use stagewright_tests::controlplane::{ControlPlane, Options};
use stagewright_tests::recorded::replay::{apart, warnings, without_uids};

use compare::{Case, refusal};

#[tokio::test]
async fn the_corpus_is_what_a_real_server_answers() -> Result<()> {
    let file = corpus();
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let recorded: Vec<Case> = serde_json::from_str(&text)?;
    let begun = Timestamp::now() - 1.minute();
    // As it was recorded: pods have a service account, which the first request makes.
    let mut options = Options::api_only();
    options.service_accounts = true;
    let plane = ControlPlane::start(options).await?;
    let client = plane.client().await?;
    let mut answered = Vec::new();
    for case in &recorded {
        let answer = ask(&client, case, begun).await;
        answered.push(answer.with_context(|| case.name.clone())?);
    }
    if std::env::var_os("STAGEWRIGHT_RECORD").is_some() {
        return write(&file, &answered);
    }
    let mut wrong = String::new();
    for (wanted, found) in recorded.iter().zip(&answered) {
        let told = apart("", &comparable(wanted), &comparable(found));
        if !told.is_empty() {
            wrong.push_str(&format!("\n  {}:{told}", wanted.name));
        }
    }
    ensure!(
        wrong.is_empty(),
        "the corpus is not what kube-apiserver says (STAGEWRIGHT_RECORD=1 writes it anew):{wrong}"
    );
    Ok(())
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/apiserver/tests/http/admission.json")
}

/// The case with the answer of this server.
async fn ask(client: &Client, case: &Case, begun: Timestamp) -> Result<Case> {
    let body = match case.body.get() {
        "null" => Vec::new(),
        text => text.as_bytes().to_vec(),
    };
    let request = Request::builder()
        .method(case.method.as_str())
        .uri(&case.path)
        .header("content-type", &case.kind)
        .header("accept", "application/json")
        .body(Body::from(body))?;
    let response = client.send(request).await?;
    let warnings = warnings(response.headers());
    let code = response.status().as_u16();
    let bytes = response.into_body().collect_bytes().await?;
    Ok(Case {
        name: case.name.clone(),
        method: case.method.clone(),
        path: case.path.clone(),
        kind: case.kind.clone(),
        body: case.body.clone(),
        loose: case.loose,
        code,
        warnings,
        answer: steady(&serde_json::from_slice(&bytes)?, begun),
    })
}

/// The same without what differs from run to run.
fn steady(value: &Value, begun: Timestamp) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !["resourceVersion", "managedFields"].contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), steady(value, begun)))
            .collect(),
        Value::Array(list) => list.iter().map(|item| steady(item, begun)).collect(),
        // The server's own times are of this run; what requests bring is older.
        Value::String(text) if text.parse().is_ok_and(|time: Timestamp| time >= begun) => {
            json!("TIME")
        }
        Value::String(text) => json!(without_uids(text)),
        other => other.clone(),
    }
}

/// What is compared of an answer.
fn comparable(case: &Case) -> Value {
    if case.code < 400 {
        return json!({"code": case.code, "warnings": case.warnings, "object": case.answer});
    }
    refusal(case.code, &case.answer, case.loose)
}

/// One line a case, so that a change reads as a small difference.
fn write(file: &Path, cases: &[Case]) -> Result<()> {
    let lines: Vec<String> = cases
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<_, _>>()?;
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    std::fs::write(file, text).with_context(|| file.display().to_string())
}
