//! Recorded requests: what a real kube-apiserver answered, and whether this server answers the same.
//!
//! A recording is a list of exchanges in their order, one a line. `cluster_tables` and `cluster_crds` send the same requests to a real
//! server, compare with the file, and write it anew when `STAGEWRIGHT_RECORD` is set.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, which may fail loudly"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stagewright_apiserver::clock::ManualClock;
use stagewright_apiserver::{ApiServer, Options};
use stagewright_core::time::Time;

/// Where tables are others here, with the reason.
#[allow(dead_code, reason = "each program plays some recordings")]
pub const TABLES_OTHERWISE: [(&str, &str); 2] = [
    (
        "GET /api/v1/namespaces/shown/endpoints",
        "nobody is warned of kinds that are deprecated",
    ),
    (
        "GET /apis/apiregistration.k8s.io/v1/apiservices/v1.away.example.com",
        "a controller there looks at the service, and writes the condition itself",
    ),
];

/// Where definitions and their objects are answered otherwise, with the reason.
#[allow(dead_code, reason = "each program plays some recordings")]
pub const DEFINITIONS_OTHERWISE: [(&str, &str); 2] = [
    (
        "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions?case=pattern",
        "what is wrong with a pattern is said in another library's words",
    ),
    (
        "PATCH /apis/example.com/v1/namespaces/default/widgets/plain?fieldValidation=Strict",
        "an unknown field of a patch is 400 here and a 422 about the whole object there",
    ),
];

/// A text in a body that stands for the resourceVersion that the object at this path had last.
const VERSION: &str = "@version";

/// A request, and the real server's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// Not there where the request only prepares: then only its success counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// When it was answered.
    #[serde(default)]
    pub at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    #[serde(default)]
    pub code: u16,
    pub method: String,
    pub path: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub setup: bool,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// The real server takes a while until its answer has this code, since its kinds change in the background.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The resource versions that objects had last.
#[derive(Debug, Default)]
pub struct Versions(BTreeMap<String, String>);

pub fn read(text: &str) -> Vec<Exchange> {
    serde_json::from_str(text).unwrap()
}

/// A recording as it stands in its file.
#[allow(dead_code, reason = "only who records writes")]
pub fn write(exchanges: &[Exchange]) -> String {
    let lines: Vec<String> = exchanges
        .iter()
        .map(|exchange| serde_json::to_value(exchange).unwrap().to_string())
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// Sends the recorded requests to this server, and tells where its answers are others. `otherwise` has the paths, with their method
/// before them, where that is known, with the reason.
pub fn differences(recorded: &[Exchange], otherwise: &[(&str, &str)]) -> Vec<String> {
    let clock = ManualClock::new(Time::parse(&recorded[0].at).unwrap());
    let server = ApiServer::new(Options::new(Arc::new(clock.clone()), 7));
    let mut versions = Versions::default();
    let mut wrong = Vec::new();
    for (index, wanted) in recorded.iter().enumerate() {
        clock.set(Time::parse(&wanted.at).unwrap());
        let found = versions.answered(wanted, ask(&server, &versions.filled(wanted)));
        let title = format!("{} {}", wanted.method, wanted.path);
        let excused = otherwise.iter().any(|(known, _)| *known == title);
        let told = apart("", &comparable(wanted), &comparable(&found));
        match (told.is_empty(), excused) {
            (false, false) => wrong.push(format!("{index}: {title}{told}")),
            (true, true)
                if recorded
                    .iter()
                    .filter(|other| format!("{} {}", other.method, other.path) == title)
                    .count()
                    == 1 =>
            {
                wrong.push(format!("{index}: {title}: not otherwise any more"));
            }
            _ => {}
        }
    }
    wrong
}

fn ask(server: &ApiServer, exchange: &Exchange) -> Exchange {
    let response = server.call(request(exchange).map(Bytes::from));
    let warnings = warnings(response.headers());
    let code = response.status().as_u16();
    let bytes = response.into_body().into_bytes().unwrap();
    let answer =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
    Exchange {
        answer: Some(answer),
        code,
        warnings,
        ..exchange.clone()
    }
}

/// The exchange as a request.
pub fn request(exchange: &Exchange) -> Request<Vec<u8>> {
    let usual = if exchange.method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let body = exchange
        .body
        .as_ref()
        .map_or_else(Vec::new, |body| match body {
            Value::String(text) => text.clone().into_bytes(),
            other => other.to_string().into_bytes(),
        });
    Request::builder()
        .method(exchange.method.as_str())
        .uri(&exchange.path)
        .header("content-type", exchange.media.as_deref().unwrap_or(usual))
        .header(
            "accept",
            exchange.accept.as_deref().unwrap_or("application/json"),
        )
        .body(body)
        .unwrap()
}

/// The texts of `Warning:` headers.
pub fn warnings(headers: &http::HeaderMap) -> Vec<String> {
    let values = headers.get_all("warning").iter();
    values
        .map(|value| {
            let text = value.to_str().unwrap();
            let text = text.split_once('"').map_or("", |(_, text)| text);
            let text = text.strip_suffix('"').unwrap_or(text);
            text.replace("\\\"", "\"").replace("\\\\", "\\")
        })
        .collect()
}

// === impl Versions ===

impl Versions {
    /// The exchange with what is known by now in the place of [`VERSION`].
    pub fn filled(&self, exchange: &Exchange) -> Exchange {
        let known = self.0.get(object_path(&exchange.path));
        let mut filled = exchange.clone();
        if let (Some(known), Some(body)) = (known, &mut filled.body) {
            fill(body, known);
        }
        filled
    }

    /// Learns from an answer; what comes back is the exchange as it was asked, with that answer.
    pub fn answered(&mut self, asked: &Exchange, answered: Exchange) -> Exchange {
        let answer = answered.answer.clone().unwrap_or_default();
        if answer["kind"] != "Status"
            && let Some(version) = answer
                .pointer("/metadata/resourceVersion")
                .and_then(Value::as_str)
        {
            let mut path = object_path(&asked.path).to_owned();
            if asked.method == "POST" {
                path = format!(
                    "{path}/{}",
                    answer["metadata"]["name"].as_str().unwrap_or_default()
                );
            }
            self.0.insert(path, version.to_owned());
        }
        Exchange {
            body: asked.body.clone(),
            ..answered
        }
    }
}

fn object_path(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    let path = path.strip_suffix("/status").unwrap_or(path);
    path.strip_suffix("/scale").unwrap_or(path)
}

fn fill(body: &mut Value, version: &str) {
    match body {
        Value::String(text) if text == VERSION => version.clone_into(text),
        Value::Array(list) => list.iter_mut().for_each(|item| fill(item, version)),
        Value::Object(map) => map.values_mut().for_each(|item| fill(item, version)),
        _ => {}
    }
}

/// What is compared of an exchange.
pub fn comparable(exchange: &Exchange) -> Value {
    if exchange.setup {
        return json!({"success": exchange.code < 300});
    }
    let mut answer = exchange.answer.clone().unwrap_or_default();
    if answer["kind"] == "Table" {
        shorten(&mut answer);
    }
    let mut warnings = exchange.warnings.clone();
    warnings.sort();
    let mut answer = steady(&answer);
    // Several causes come in an order that is random there, and stand in the message in the same order.
    if let Some(causes) = answer
        .pointer_mut("/details/causes")
        .and_then(Value::as_array_mut)
    {
        causes.sort_by_key(Value::to_string);
        if causes.len() > 1 {
            answer["message"] = json!("");
        }
    }
    json!({"code": exchange.code, "warnings": warnings, "answer": answer})
}

/// Rows without their objects, and short ages as one.
fn shorten(table: &mut Value) {
    for row in table["rows"].as_array_mut().into_iter().flatten() {
        let object = row["object"].take();
        row["object"] = object["kind"].clone();
        for cell in row["cells"].as_array_mut().into_iter().flatten() {
            let seconds = cell.as_str().and_then(|text| text.strip_suffix('s'));
            if seconds.is_some_and(|digits| digits.parse::<u32>().is_ok()) {
                *cell = json!("AGE");
            }
        }
    }
}

/// The same without what no two servers have in common.
fn steady(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| {
                !["resourceVersion", "managedFields", "storageVersionHash"].contains(&key.as_str())
            })
            .map(|(key, value)| match key.as_str() {
                "uid" => (key.clone(), json!("UID")),
                _ => (key.clone(), steady(value)),
            })
            .collect(),
        Value::Array(list) => list.iter().map(steady).collect(),
        Value::String(text) if text.starts_with("2026-") && text.ends_with('Z') => json!("TIME"),
        other => other.clone(),
    }
}

/// Where two answers differ, for people.
pub fn apart(place: &str, wanted: &Value, found: &Value) -> String {
    match (wanted, found) {
        _ if wanted == found => String::new(),
        (Value::Object(one), Value::Object(other)) => {
            let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
            keys.sort();
            keys.dedup();
            let absent = json!("(absent)");
            keys.into_iter()
                .map(|key| {
                    let side = |map: &serde_json::Map<String, Value>| {
                        map.get(key).unwrap_or(&absent).clone()
                    };
                    apart(&format!("{place}/{key}"), &side(one), &side(other))
                })
                .collect()
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .map(|(index, (one, other))| apart(&format!("{place}/{index}"), one, other))
            .collect(),
        _ => format!("\n    {place}\n      there {wanted}\n      here  {found}"),
    }
}
