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
use stagewright_apiserver::{ApiServer, Options};
use stagewright_core::time::Time;

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

/// The path that each script of requests begins with.
#[allow(dead_code, reason = "each program plays some recordings")]
pub const FIRST: &str = "/api/v1/namespaces/default/configmaps";
/// A difference of scripts that is known.
pub struct Otherwise {
    pub method: &'static str,
    /// A part of the path.
    pub path: &'static str,
    /// All that is apart begins so.
    pub place: &'static str,
    #[allow(dead_code, reason = "it is for who reads the list")]
    pub why: &'static str,
}

/// Where scripts are answered otherwise.
#[allow(dead_code, reason = "each program plays some recordings")]
pub const SCRIPTS_OTHERWISE: [Otherwise; 3] = [
    Otherwise {
        method: "PUT",
        path: "/widgets/",
        place: "/warnings",
        why: "unknown fields are looked for when it is clear what is to be changed; there, before",
    },
    Otherwise {
        method: WATCH,
        path: "/replicationcontrollers?",
        place: "/answer/",
        why: "a scale that changes nothing moves the ownership of replicas there, which is one more version",
    },
    Otherwise {
        method: WATCH,
        path: "/deployments?",
        place: "/answer/",
        why: "as of replication controllers",
    },
];

impl Otherwise {
    /// Whether what is apart between the two answers to the request is this.
    #[allow(dead_code, reason = "each program plays some recordings")]
    pub fn covers(&self, exchange: &Exchange, told: &str) -> bool {
        let mut places = told.lines().filter_map(|line| line.strip_prefix("    /"));
        exchange.method == self.method
            && exchange.path.contains(self.path)
            && places.all(|place| format!("/{place}").starts_with(self.place))
    }
}

/// Texts that stand for what only an answer tells: the resourceVersion that the object at this path had last, the one it had first, its
/// uid, the revision of the first list (in a path), and where the last page ended (in a path).
const VERSION: &str = "@version";
const STALE: &str = "@stale";
const UID: &str = "@uid";
const START: &str = "@start";
const CONTINUE: &str = "@continue";
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

/// What the answers so far have told.
#[derive(Debug, Default)]
pub struct Known {
    objects: BTreeMap<String, Object>,
    start: String,
    page: String,
}

#[derive(Debug, Default)]
struct Object {
    uid: String,
    first: String,
    last: String,
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

// === impl Known ===

impl Known {
    /// The exchange with what is known by now in the places of the texts that stand for it.
    pub fn filled(&self, exchange: &Exchange) -> Exchange {
        let mut filled = exchange.clone();
        if let (Some(known), Some(body)) = (
            self.objects.get(object_path(&exchange.path)),
            &mut filled.body,
        ) {
            fill(body, known);
        }
        filled.path = filled
            .path
            .replace(START, &self.start)
            .replace(CONTINUE, &self.page);
        filled
    }

    /// Learns from an answer; what comes back is the exchange as it was asked, with that answer.
    pub fn answered(&mut self, asked: &Exchange, answered: Exchange) -> Exchange {
        let answer = answered.answer.clone().unwrap_or_default();
        let metadata = &answer["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = text(&metadata["resourceVersion"]);
        if answer["items"].is_array() {
            if self.start.is_empty() {
                self.start = version;
            }
            self.page = text(&metadata["continue"]);
        } else if answer["kind"] != "Status" && !version.is_empty() {
            let mut path = object_path(&asked.path).to_owned();
            if asked.method == "POST" {
                path = format!("{path}/{}", text(&metadata["name"]));
            }
            let known = self.objects.entry(path).or_default();
            let uid = text(&metadata["uid"]);
            if known.uid != uid {
                known.uid = uid;
                known.first.clone_from(&version);
            }
            known.last = version;
        }
        Exchange {
            body: asked.body.clone(),
            path: asked.path.clone(),
            ..answered
        }
    }
}

fn object_path(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    let path = path.strip_suffix("/status").unwrap_or(path);
    path.strip_suffix("/scale").unwrap_or(path)
}

fn fill(body: &mut Value, known: &Object) {
    match body {
        Value::String(text) => match text.as_str() {
            VERSION => text.clone_from(&known.last),
            STALE => text.clone_from(&known.first),
            UID => text.clone_from(&known.uid),
            _ => {}
        },
        Value::Array(list) => list.iter_mut().for_each(|item| fill(item, known)),
        Value::Object(map) => map.values_mut().for_each(|item| fill(item, known)),
        _ => {}
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
