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

// Where this file is found by its path too, that of the other has to be said.
#[path = "replay/known.rs"]
mod known;
#[path = "replay/otherwise.rs"]
mod otherwise;
#[path = "replay/steady.rs"]
mod steady;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stagewright_apiserver::clock::ManualClock;
use stagewright_apiserver::kinds::UNENFORCED;
use stagewright_apiserver::{ApiServer, Options};
use stagewright_core::time::Time;

pub use known::Known;
use otherwise::SCRIPTS_OTHERWISE;
pub use steady::{comparable, without, without_uids};

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
pub const DEFINITIONS_OTHERWISE: [(&str, &str); 1] = [(
    "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions?case=pattern",
    "what is wrong with a pattern is said in another library's words",
)];

/// The path that each script of requests begins with.
#[allow(dead_code, reason = "each program plays some recordings")]
pub const FIRST: &str = "/api/v1/namespaces/default/configmaps";
/// A revision that no server reaches.
#[allow(dead_code, reason = "only generated scripts ask for it")]
pub const FUTURE: &str = "9000000000000";
/// The method of what is no request: the past until now is forgotten, as by etcd's compaction.
pub const COMPACT: &str = "COMPACT";
/// The method of a watch, whose answer is the events of each object in their order.
pub const WATCH: &str = "WATCH";

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
    /// What the answer has when what the request is about has come to rest. The real server takes a while until it has, since its kinds
    /// change in the background.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Value>,
    pub method: String,
    pub path: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub setup: bool,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// The code that the answer has then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

pub fn read(text: &str) -> Vec<Exchange> {
    serde_json::from_str(text).unwrap()
}

/// What servers are sent before scripts of requests: a kind of its own.
#[allow(dead_code, reason = "each program plays some recordings")]
pub fn prelude() -> Vec<Exchange> {
    read(include_str!("prelude.json"))
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

/// This server, and what its answers have told.
pub struct Player {
    clock: ManualClock,
    server: ApiServer,
    known: Known,
}

impl Player {
    /// A fresh server, at the time of the first exchange.
    pub fn new(first: &Exchange) -> Self {
        let clock = ManualClock::new(Time::parse(&first.at).unwrap());
        let server = ApiServer::new(Options::new(Arc::new(clock.clone()), 7));
        Self {
            clock,
            server,
            known: Known::default(),
        }
    }

    /// What is apart between the recorded answer and this server's.
    pub fn play(&mut self, wanted: &Exchange) -> String {
        self.clock.set(Time::parse(&wanted.at).unwrap());
        if wanted.method == COMPACT {
            self.server.compact(self.server.revision());
            return String::new();
        }
        let asked = ask(&self.server, &self.known.filled(wanted));
        let mut found = self.known.answered(wanted, asked);
        // Some recordings are kept without.
        let has_managers = |exchange: &Exchange| {
            let answer = exchange.answer.as_ref().map(Value::to_string);
            answer.is_some_and(|text| text.contains("\"managedFields\""))
        };
        if !has_managers(wanted) {
            found.answer = found.answer.map(|answer| without(&answer, "managedFields"));
        }
        apart("", &comparable(wanted), &comparable(&found))
    }
}

/// Sends the recorded requests to this server, and tells where its answers are others. `otherwise` has the paths, with their method
/// before them, where that is known, with the reason.
pub fn differences(recorded: &[Exchange], otherwise: &[(&str, &str)]) -> Vec<String> {
    let mut player = Player::new(&recorded[0]);
    let mut wrong = Vec::new();
    for (index, wanted) in recorded.iter().enumerate() {
        let told = player.play(wanted);
        let title = format!("{} {}", wanted.method, wanted.path);
        let excused = is_among(otherwise, wanted);
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

/// Whether the request is one that is known to be answered otherwise.
pub fn is_among(otherwise: &[(&str, &str)], exchange: &Exchange) -> bool {
    let title = format!("{} {}", exchange.method, exchange.path);
    otherwise.iter().any(|(known, _)| *known == title)
}

/// Where this server answers a script otherwise than was recorded, but for what is known: the place in it, and what is apart. The
/// prelude is what it is sent before.
#[allow(dead_code, reason = "each program plays some recordings")]
pub fn script_differences(prelude: &[Exchange], script: &[Exchange]) -> Vec<(usize, String)> {
    let Some(first) = prelude.iter().chain(script).next() else {
        return Vec::new();
    };
    let mut player = Player::new(first);
    for exchange in prelude {
        player.play(exchange);
    }
    let told = script.iter().map(|exchange| {
        let told = player.play(exchange);
        let mut known = SCRIPTS_OTHERWISE.iter();
        let is_known = known.any(|known| known.covers(exchange, &told));
        if is_known { String::new() } else { told }
    });
    let apart = told.enumerate().filter(|(_, told)| !told.is_empty());
    apart.collect()
}

fn ask(server: &ApiServer, exchange: &Exchange) -> Exchange {
    let response = server.call(request(exchange).map(Bytes::from));
    let warnings = warnings(response.headers());
    let code = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    // A watch has no end; what has happened comes at once.
    while let Some(Some(frame)) = body.frame().now_or_never() {
        bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    Exchange {
        answer: Some(answer(exchange, &bytes)),
        code,
        warnings,
        ..exchange.clone()
    }
}

/// The document of an answer; of a watch the events of each object.
pub fn answer(exchange: &Exchange, bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    if exchange.method != WATCH {
        return serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
    }
    let mut of: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| json!(line));
        let name = event["object"]["metadata"]["name"].as_str();
        of.entry(name.unwrap_or_default().to_owned())
            .or_default()
            .push(event);
    }
    json!(of)
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
    let method = match exchange.method.as_str() {
        WATCH => "GET",
        method => method,
    };
    Request::builder()
        .method(method)
        .uri(&exchange.path)
        .header("content-type", exchange.media.as_deref().unwrap_or(usual))
        .header(
            "accept",
            exchange.accept.as_deref().unwrap_or("application/json"),
        )
        .body(body)
        .unwrap()
}

/// The texts of `Warning:` headers, but for what this server says of itself, which the real one never says.
pub fn warnings(headers: &http::HeaderMap) -> Vec<String> {
    let mut warnings = all_warnings(headers);
    warnings.retain(|text| !text.contains(UNENFORCED));
    warnings
}

/// The texts of all `Warning:` headers.
pub fn all_warnings(headers: &http::HeaderMap) -> Vec<String> {
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

// === impl Exchange ===

impl Exchange {
    /// Whether the answer takes its time and the request changes nothing: watches, and what is asked of the future.
    #[allow(dead_code, reason = "only who asks a real server waits")]
    pub fn waits(&self) -> bool {
        self.method == WATCH || self.path.contains(FUTURE)
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
