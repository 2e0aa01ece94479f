//! One script from a seed.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::RUN;
use crate::recorded::replay::{Exchange, FIRST, WATCH};
use crate::simulator::dice::Dice;

/// A kind that scripts are about.
#[derive(Debug, Clone, Deserialize)]
pub struct Kind {
    /// The path of its group and version.
    api: String,
    /// As in its objects.
    pub kind: String,
    plural: String,
    namespaced: bool,
    /// A good object, without kind and metadata.
    body: Value,
    /// Merge patches that make another good object of it, in most states.
    changes: Vec<Value>,
    /// Merge patches that spoil it, or change what may not change.
    wrong: Vec<Value>,
    /// Merge patches of its status, good ones and bad ones. Empty if there is no such subresource.
    status: Vec<Value>,
    /// Whether it has a scale.
    scale: bool,
}

/// All kinds of `kinds.json`.
///
/// # Errors
/// If the file is wrong.
pub fn kinds() -> serde_json::Result<Vec<Kind>> {
    serde_json::from_str(include_str!("kinds.json"))
}

/// So many requests lie between the first list and the watches.
const REQUESTS: u64 = 60;
/// So many kinds are in one script.
const KINDS: usize = 3;
/// Names of objects; few, so that they meet.
const NAMES: [&str; 2] = ["a", "b"];
const TIERS: [&str; 3] = ["red", "blue", "red green"];

const LABEL_SELECTORS: [&str; 8] = [
    "tier%3Dred",
    "tier%21%3Dred",
    "tier+in+%28red%2Cblue%29",
    "tier+notin+%28blue%29",
    "tier",
    "%21tier",
    "tier%3D%3Dblue%2Cmore",
    "tier%3D%3D%3Dred",
];
const FIELD_SELECTORS: [&str; 6] = [
    "metadata.name%3D@name",
    "metadata.name%21%3D@name",
    "metadata.namespace%3DRUN",
    "spec.nodeName%3Dn-1",
    "spec.nosuch%3D1",
    "metadata.name",
];
const JSON_PATCHES: [&str; 8] = [
    r#"[{"op": "replace", "path": "/metadata/labels/tier", "value": "blue"}]"#,
    r#"[{"op": "remove", "path": "/metadata/labels/tier"}]"#,
    r#"[{"op": "test", "path": "/metadata/labels/tier", "value": "red"}, {"op": "add", "path": "/metadata/labels/more", "value": "x"}]"#,
    r#"[{"op": "add", "path": "/metadata/annotations", "value": {"note": "y"}}]"#,
    r#"[{"op": "remove", "path": "/metadata/finalizers"}]"#,
    r#"[{"op": "replace", "path": "/metadata/name", "value": "other"}]"#,
    r#"[{"op": "move", "path": "/metadata/labels/moved", "from": "/metadata/labels/tier"}]"#,
    r#"[{"op": "spin", "path": "/metadata"}]"#,
];
const METADATA: [&str; 9] = [
    r#"{"labels": {"tier": "blue"}}"#,
    r#"{"labels": {"tier": null}}"#,
    r#"{"labels": {"no way": "x"}}"#,
    r#"{"finalizers": ["example.com/hold"]}"#,
    r#"{"finalizers": null}"#,
    r#"{"finalizers": ["nodomain"]}"#,
    r#"{"resourceVersion": "@stale", "labels": {"tier": "green"}}"#,
    r#"{"uid": "00000000-0000-0000-0000-000000000000"}"#,
    r#"{"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u", "blockOwnerDeletion": true}]}"#,
];
const DELETE_OPTIONS: [&str; 9] = [
    "{}",
    r#"{"gracePeriodSeconds": 0}"#,
    r#"{"gracePeriodSeconds": 5}"#,
    r#"{"preconditions": {"uid": "@uid"}}"#,
    r#"{"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}"#,
    r#"{"preconditions": {"resourceVersion": "@stale"}}"#,
    r#"{"propagationPolicy": "Foreground"}"#,
    r#"{"propagationPolicy": "Orphan"}"#,
    r#"{"propagationPolicy": "Odd"}"#,
];

/// The script of a seed: a list to begin with, requests about a few kinds, and the watches of all that happened. Server-side apply is
/// among them if that is wanted.
#[must_use]
pub fn script(seed: u64, kinds: &[Kind], applies: bool) -> Vec<Exchange> {
    let mut dice = Dice::new(seed);
    let first = usize::try_from(seed).unwrap_or(0) * KINDS;
    // In turn, so that each kind is in as many scripts as any other.
    let chosen: Vec<&Kind> = (first..first + KINDS)
        .filter_map(|index| kinds.get(index % kinds.len().max(1)))
        .collect();
    let namespace = json!({"metadata": {"name": RUN}});
    let mut script = vec![
        get(FIRST),
        exchange("POST", "/api/v1/namespaces".to_owned(), Some(namespace)),
    ];
    for number in 0..REQUESTS {
        let which = dice.number(0..=chosen.len().saturating_sub(1) as u64);
        let Some(kind) = chosen.get(usize::try_from(which).unwrap_or(0)) else {
            break;
        };
        // There should be something to work with.
        let request = match number {
            0..6 => kind.create(&mut dice),
            _ => kind.request(&mut dice, applies),
        };
        script.extend(request);
    }
    for kind in chosen {
        script.extend(kind.watches());
    }
    script
}

fn exchange(method: &str, path: String, body: Option<Value>) -> Exchange {
    Exchange {
        accept: None,
        answer: None,
        at: String::new(),
        body,
        code: 0,
        method: method.to_owned(),
        path,
        setup: false,
        media: None,
        until: None,
        warnings: Vec::new(),
    }
}

fn get(path: &str) -> Exchange {
    exchange("GET", path.to_owned(), None)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// Joins what a merge patch has into a document. Nothing is taken away: a patch's nulls stay.
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

impl Kind {
    fn collection(&self) -> String {
        match (self.namespaced, self.plural.as_str()) {
            (true, plural) => format!("{}/namespaces/{RUN}/{plural}", self.api),
            (false, plural) => format!("{}/{plural}", self.api),
        }
    }

    fn name(&self, dice: &mut Dice) -> String {
        let name = dice.pick(&NAMES);
        if self.namespaced {
            name.to_owned()
        } else {
            format!("{RUN}-{name}")
        }
    }

    fn object(&self, name: &str, dice: &mut Dice) -> Value {
        let mut metadata = json!({"name": name, "labels": {"run": RUN}});
        if dice.permille(700) {
            merge(
                &mut metadata,
                &json!({"labels": {"tier": dice.pick(&TIERS)}}),
            );
        }
        if dice.permille(200) {
            merge(&mut metadata, &parsed(dice.pick(&METADATA)));
        }
        let version = self.api.trim_start_matches("/apis/");
        let version = version.trim_start_matches("/api/");
        let mut object = json!({"apiVersion": version, "kind": self.kind, "metadata": metadata});
        merge(&mut object, &self.body);
        object
    }

    fn patch<'a>(patches: &'a [Value], dice: &mut Dice) -> Option<&'a Value> {
        let last = patches.len().checked_sub(1)?;
        patches.get(usize::try_from(dice.number(0..=last as u64)).ok()?)
    }

    fn create(&self, dice: &mut Dice) -> Option<Exchange> {
        let name = self.name(dice);
        let mut object = self.object(&name, dice);
        if dice.permille(150)
            && let Some(wrong) = Self::patch(&self.wrong, dice)
        {
            merge(&mut object, wrong);
        }
        let options = dice.pick(&[
            "",
            "",
            "",
            "?dryRun=All",
            "?fieldValidation=Strict",
            "?dryRun=Some",
        ]);
        Some(exchange("POST", self.collection() + options, Some(object)))
    }

    fn request(&self, dice: &mut Dice, applies: bool) -> Option<Exchange> {
        let name = self.name(dice);
        let path = format!("{}/{name}", self.collection());
        match dice.number(0..=if applies { 16 } else { 14 }) {
            0..=2 => self.create(dice),
            3 => Some(get(&path)),
            4 => Some(self.list(&name, dice)),
            5 => Some(self.put(path, &name, dice)),
            6 | 7 => self.change(path, dice),
            8 => Some(patch(
                path,
                "application/merge-patch+json",
                json!({"metadata": parsed(dice.pick(&METADATA))}),
            )),
            9 => Some(patch(
                path,
                "application/json-patch+json",
                parsed(dice.pick(&JSON_PATCHES)),
            )),
            10 | 11 => self.status(path, &name, dice),
            12 => self.scale(path, dice),
            13 => {
                let options = parsed(dice.pick(&DELETE_OPTIONS));
                let query = dice.pick(&["", "", "", "?dryRun=All"]);
                Some(exchange("DELETE", path + query, Some(options)))
            }
            14 => Some(self.last(path, &name, dice)),
            _ => Some(self.apply(path, &name, dice)),
        }
    }

    fn list(&self, name: &str, dice: &mut Dice) -> Exchange {
        let mut query = if self.namespaced {
            String::new()
        } else {
            format!("labelSelector=run%3D{RUN}")
        };
        match dice.number(0..=3) {
            0 if self.namespaced => {
                query = format!("labelSelector={}", dice.pick(&LABEL_SELECTORS));
            }
            0 => query = format!("{query}%2C{}", dice.pick(&LABEL_SELECTORS)),
            1 => {
                let selector = dice.pick(&FIELD_SELECTORS).replace("@name", name);
                query = format!("{query}&fieldSelector={selector}");
            }
            // Of cluster-wide kinds the real server has other scripts' objects too.
            2 if self.namespaced => query += "&limit=1",
            _ => {}
        }
        let query = query.trim_start_matches('&');
        get(format!("{}?{query}", self.collection()).trim_end_matches('?'))
    }

    fn put(&self, path: String, name: &str, dice: &mut Dice) -> Exchange {
        let mut object = self.object(name, dice);
        if let Some(change) = Self::patch(&self.changes, dice) {
            merge(&mut object, change);
        }
        let metadata = dice.pick(&[
            "{}",
            r#"{"resourceVersion": "@version"}"#,
            r#"{"resourceVersion": "@version"}"#,
            r#"{"resourceVersion": "@stale"}"#,
            r#"{"resourceVersion": "@version", "uid": "@uid"}"#,
            r#"{"uid": "00000000-0000-0000-0000-000000000000"}"#,
            r#"{"resourceVersion": "x"}"#,
            r#"{"name": "other"}"#,
        ]);
        merge(&mut object, &json!({"metadata": parsed(metadata)}));
        exchange("PUT", path, Some(object))
    }

    fn change(&self, path: String, dice: &mut Dice) -> Option<Exchange> {
        let patches = if dice.permille(300) {
            &self.wrong
        } else {
            &self.changes
        };
        let body = Self::patch(patches, dice)?.clone();
        let is_custom = self.api.contains("example.com");
        let media = if dice.permille(500) && !is_custom {
            "application/strategic-merge-patch+json"
        } else {
            "application/merge-patch+json"
        };
        let query = dice.pick(&["", "", "", "?dryRun=All", "?fieldValidation=Strict"]);
        Some(patch(path + query, media, body))
    }

    /// Server-side apply by one of two managers, of the object or of its status.
    fn apply(&self, path: String, name: &str, dice: &mut Dice) -> Exchange {
        let mut object = self.object(name, dice);
        let patches = match dice.number(0..=3) {
            0 | 1 => &self.changes,
            2 => &self.status,
            _ => &self.wrong,
        };
        if let Some(patch) = Self::patch(patches, dice) {
            merge(&mut object, patch);
        }
        let part = dice.pick(&["", "", "", "/status"]);
        let query = dice.pick(&[
            "?fieldManager=one",
            "?fieldManager=one",
            "?fieldManager=two",
            "?fieldManager=two&force=true",
            "?fieldManager=one&force=true&dryRun=All",
            "",
        ]);
        patch(path + part + query, "application/apply-patch+yaml", object)
    }

    fn status(&self, path: String, name: &str, dice: &mut Dice) -> Option<Exchange> {
        let status = Self::patch(&self.status, dice)?;
        let path = path + "/status";
        match dice.number(0..=3) {
            0 => Some(get(&path)),
            1 => {
                let mut object = self.object(name, dice);
                merge(&mut object, status);
                let metadata = parsed(dice.pick(&[
                    "{}",
                    r#"{"resourceVersion": "@version"}"#,
                    r#"{"resourceVersion": "@stale"}"#,
                ]));
                merge(&mut object, &json!({"metadata": metadata}));
                Some(exchange("PUT", path, Some(object)))
            }
            _ => Some(patch(path, "application/merge-patch+json", status.clone())),
        }
    }

    fn scale(&self, path: String, dice: &mut Dice) -> Option<Exchange> {
        let path = self.scale.then(|| path + "/scale")?;
        let replicas = dice.number(0..=4);
        let spec = json!({"spec": {"replicas": replicas}});
        match dice.number(0..=2) {
            0 => Some(get(&path)),
            1 => Some(patch(path, "application/merge-patch+json", spec)),
            _ => {
                let name = path.rsplit('/').nth(1).unwrap_or_default().to_owned();
                let mut scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": name, "namespace": RUN}});
                merge(&mut scale, &spec);
                Some(exchange("PUT", path, Some(scale)))
            }
        }
    }

    /// What is asked seldom.
    fn last(&self, path: String, name: &str, dice: &mut Dice) -> Exchange {
        let collection = self.collection();
        match (dice.number(0..=3), self.plural.as_str()) {
            (0, "pods") => {
                let binding =
                    json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": "n-3"}});
                exchange("POST", path + "/binding", Some(binding))
            }
            (1, "pods") => {
                let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": RUN}});
                exchange("POST", path + "/eviction", Some(eviction))
            }
            (0 | 1, _) => {
                let wrong = json!({"metadata": {"name": name}, "kind": "Odd"});
                exchange("POST", collection, Some(wrong))
            }
            (2, _) => get(&(path + "x")),
            _ => {
                let selector = format!("?labelSelector=run%3D{RUN}%2Ctier%3Dblue");
                exchange(
                    "DELETE",
                    collection + &selector,
                    Some(Value::Object(Map::new())),
                )
            }
        }
    }

    /// All that happened to the script's objects, and what somebody saw of it who asked for some of them.
    fn watches(&self) -> [Exchange; 2] {
        [String::new(), "%2Ctier%3Dred".to_owned()].map(|more| {
            let path = format!(
                "{}?watch=1&resourceVersion=@start&timeoutSeconds=1&labelSelector=run%3D{RUN}{more}",
                self.collection()
            );
            exchange(WATCH, path, None)
        })
    }
}

fn patch(path: String, media: &str, body: Value) -> Exchange {
    Exchange {
        media: Some(media.to_owned()),
        ..exchange("PATCH", path, Some(body))
    }
}
