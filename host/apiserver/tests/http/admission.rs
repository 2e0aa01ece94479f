//! What is admitted, and how it is stored: the answers of a real kube-apiserver 1.36.3 (`admission.json`) are those of this server.
//!
//! The requests were sent to a fresh server in the file's order. Times of its clock, uids, resource versions and managed fields are
//! left out of the comparison; causes are compared without their order, which is random there.

#![allow(
    clippy::indexing_slicing,
    reason = "helpers of tests, which may fail loudly"
)]

mod compare;

use serde_json::{Value, json};

use crate::replay::{apart, warnings, without_uids};
use crate::support::*;
use compare::{Case, refusal};

/// Where this server answers otherwise, and why that is accepted.
const OTHERWISE: [(&str, &str); 3] = [
    ("affinity", "no warnings but those of decoding"),
    (
        "pvc grows",
        "whether a class of storage lets claims grow is not asked",
    ),
    ("pvc shrinks", "as the claim grew here and not there"),
];

/// What admission plugins put into lists there. Here nothing would take it out again, as no controllers run.
const LEFT_OUT: [&str; 3] = [
    "kubernetes.io/pv-protection",
    "kubernetes.io/pvc-protection",
    "node.kubernetes.io/not-ready",
];

#[test]
fn answers_are_those_of_the_real_server() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("admission.json")).unwrap();
    let server = Server::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let body: Value = serde_json::from_str(case.body.get()).unwrap();
        let response = server.send(&case.method, &case.path, &case.kind, &body);
        let code = response.status().as_u16();
        let warnings = warnings(response.headers());
        let bytes = response.into_body().into_bytes().unwrap();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        let found = comparable(code, &answer, &warnings, case.loose);
        let wanted = comparable(case.code, &case.answer, &case.warnings, case.loose);
        let excused = OTHERWISE.iter().any(|(name, _)| *name == case.name);
        match (found == wanted, excused) {
            (false, false) => wrong.push(format!("{}:{}", case.name, apart("", &wanted, &found))),
            (true, true) => wrong.push(format!("{}: not otherwise any more", case.name)),
            _ => {}
        }
    }
    let report = wrong.join("\n");
    assert!(
        wrong.is_empty(),
        "{} of {}\n{report}",
        wrong.len(),
        cases.len()
    );
}

/// What is compared of an answer.
fn comparable(code: u16, answer: &Value, warnings: &[String], loose: bool) -> Value {
    let answer = steady(answer);
    let mut warnings = warnings.to_vec();
    warnings.sort();
    if code < 400 {
        return json!({"code": code, "warnings": warnings, "object": answer});
    }
    refusal(code, &answer, loose)
}

/// The same without what no two servers have in common, and without what is left out here.
fn steady(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map
                .iter()
                .filter(|(key, _)| !["resourceVersion", "managedFields"].contains(&key.as_str()))
                .filter(|(_, value)| !is_left_out_alone(value));
            kept.map(|(key, value)| (key.clone(), steady(value)))
                .collect()
        }
        Value::Array(list) => {
            let kept = list.iter().filter(|item| !is_left_out(item));
            kept.map(steady).collect()
        }
        Value::String(text) => json!(without_uids(&without_times(text))),
        other => other.clone(),
    }
}

/// A finalizer or a taint that is left out; tolerations of the same name have an operator.
fn is_left_out(item: &Value) -> bool {
    let word = item.as_str().or(item["key"].as_str());
    word.is_some_and(|word| LEFT_OUT.contains(&word)) && item["operator"].is_null()
}

fn is_left_out_alone(value: &Value) -> bool {
    let list = value.as_array();
    list.is_some_and(|list| !list.is_empty() && list.iter().all(is_left_out))
}

/// Times of the server's clock, which is in 2026; what requests bring is older.
fn without_times(text: &str) -> String {
    let is_time = text.starts_with("2026-") && text.ends_with('Z') && text.len() >= 20;
    if is_time {
        "TIME".to_owned()
    } else {
        text.to_owned()
    }
}
