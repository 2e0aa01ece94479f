//! What answers tell that later requests need: versions, uids, and where lists are.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Exchange;

/// Texts that stand for what only an answer tells: the resourceVersion that the object at this path had last, the one it had first, its
/// uid, the revision of the first list (in a path), and where the last page ended (in a path).
const VERSION: &str = "@version";
const STALE: &str = "@stale";
const UID: &str = "@uid";
const START: &str = "@start";
const CONTINUE: &str = "@continue";
/// The revision of the last list that was asked for as things were then (in a path).
const LISTED: &str = "@listed";

/// What the answers so far have told.
#[derive(Debug, Default)]
pub struct Known {
    objects: BTreeMap<String, Object>,
    start: String,
    listed: String,
    page: String,
}

#[derive(Debug, Default)]
struct Object {
    uid: String,
    first: String,
    last: String,
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
            .replace(LISTED, &self.listed)
            .replace(CONTINUE, &self.page);
        filled
    }

    /// Learns from an answer; what comes back is the exchange as it was asked, with that answer.
    pub fn answered(&mut self, asked: &Exchange, answered: Exchange) -> Exchange {
        let answer = answered.answer.clone().unwrap_or_default();
        let metadata = &answer["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = text(&metadata["resourceVersion"]);
        if !metadata["continue"].is_null() {
            self.page = text(&metadata["continue"]);
        }
        if answer["items"].is_array() {
            if self.start.is_empty() {
                self.start.clone_from(&version);
            }
            let of_then = ["resourceVersion=", "continue="];
            if !of_then.iter().any(|option| asked.path.contains(option)) {
                self.listed = version;
            }
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
