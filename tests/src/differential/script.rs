//! One script from a seed.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::RUN;
use crate::recorded::replay::{Exchange, FIRST};
use crate::simulator::dice::Dice;

/// A kind that scripts are about.
#[derive(Debug, Clone, Deserialize)]
pub struct Kind {
    /// The path of its group and version.
    api: String,
    /// As in its objects.
    pub kind: String,
    plural: String,
    pub(super) namespaced: bool,
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
/// Each so manieth script ends with what is answered after a compaction; the real server takes up to fifteen seconds to notice one.
const FORGETFUL: u64 = 20;
/// Names of objects; few, so that they meet.
const NAMES: [&str; 2] = ["a", "b"];
const TIERS: [&str; 3] = ["red", "blue", "red green"];

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
const METADATA: [&str; 11] = [
    r#"{"labels": {"tier": "blue"}}"#,
    r#"{"labels": {"tier": null}}"#,
    r#"{"labels": {"no way": "x"}}"#,
    r#"{"finalizers": ["example.com/hold"]}"#,
    r#"{"finalizers": null}"#,
    r#"{"finalizers": ["nodomain"]}"#,
    r#"{"resourceVersion": "@stale", "labels": {"tier": "green"}}"#,
    r#"{"uid": "00000000-0000-0000-0000-000000000000"}"#,
    r#"{"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u", "blockOwnerDeletion": true}]}"#,
    r#"{"managedFields": []}"#,
    r#"{"managedFields": [{"manager": "one", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {"f:tier": {}}}}}]}"#,
];
const MANAGERS: [&str; 4] = ["", "", "?fieldManager=one", "?fieldManager=two"];
const APPLY: &str = "application/apply-patch+yaml";
const APPLIERS: [&str; 6] = [
    "?fieldManager=one",
    "?fieldManager=one",
    "?fieldManager=two",
    "?fieldManager=two&force=true",
    "?fieldManager=one&force=true&dryRun=All",
    "",
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

/// The script of a seed: a list to begin with, requests about a few kinds, and the watches of all that happened.
#[must_use]
pub fn script(seed: u64, kinds: &[Kind]) -> Vec<Exchange> {
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
            0..6 => kind.create(&mut dice).into_iter().collect(),
            _ => kind.request(&mut dice),
        };
        script.extend(request);
    }
    for kind in &chosen {
        script.extend(kind.watches(&mut dice));
    }
    if seed.is_multiple_of(FORGETFUL)
        && let Some(kind) = chosen.iter().find(|kind| kind.namespaced)
    {
        script.extend(kind.forgotten());
    }
    script
}

pub(super) fn exchange(method: &str, path: String, body: Option<Value>) -> Exchange {
    Exchange {
        accept: None,
        answer: None,
        at: String::new(),
        body,
        code: 0,
        holds: None,
        method: method.to_owned(),
        path,
        setup: false,
        media: None,
        until: None,
        warnings: Vec::new(),
    }
}

pub(super) fn get(path: &str) -> Exchange {
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
    pub(super) fn collection(&self) -> String {
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
        let mut object = self.named(name);
        merge(&mut object, &json!({"metadata": metadata}));
        object
    }

    /// A good object of that name.
    pub(super) fn named(&self, name: &str) -> Value {
        let version = self.api.trim_start_matches("/apis/");
        let version = version.trim_start_matches("/api/");
        let mut object =
            json!({"apiVersion": version, "kind": self.kind, "metadata": {"name": name}});
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

    fn request(&self, dice: &mut Dice) -> Vec<Exchange> {
        let name = self.name(dice);
        let path = format!("{}/{name}", self.collection());
        match dice.number(0..=20) {
            18 => self.one(&path, dice),
            19 | 20 => self.list(&name, dice),
            write => self.write(write, path, &name, dice).into_iter().collect(),
        }
    }

    fn write(&self, sort: u64, path: String, name: &str, dice: &mut Dice) -> Option<Exchange> {
        match sort {
            0..=4 => self.create(dice),
            5 => Some(self.put(path, name, dice)),
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
            10 | 11 => self.status(path, name, dice),
            12 => self.scale(path, dice),
            13 => {
                let options = parsed(dice.pick(&DELETE_OPTIONS));
                let query = dice.pick(&["", "", "", "?dryRun=All"]);
                Some(exchange("DELETE", path + query, Some(options)))
            }
            14 => Some(self.last(path, name, dice)),
            _ => Some(self.apply(path, name, dice)),
        }
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
        exchange("PUT", path + dice.pick(&MANAGERS), Some(object))
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
        let query = match dice.number(0..=3) {
            0 => dice.pick(&["?dryRun=All", "?fieldValidation=Strict"]),
            _ => dice.pick(&MANAGERS),
        };
        Some(patch(path + query, media, body))
    }

    /// Server-side apply by one of two managers, of the object or of its status.
    fn apply(&self, path: String, name: &str, dice: &mut Dice) -> Exchange {
        let mut object = self.object(name, dice);
        // Managers of a few fields each are what apply is there for. A Service would be given an address where it does not ask for none.
        if dice.permille(300)
            && self.kind != "Service"
            && let Some(object) = object.as_object_mut()
        {
            object.retain(|name, _| self.body.get(name).is_none());
        }
        let patches = match dice.number(0..=3) {
            0 | 1 => &self.changes,
            2 => &self.status,
            _ => &self.wrong,
        };
        if let Some(patch) = Self::patch(patches, dice) {
            merge(&mut object, patch);
        }
        let part = dice.pick(&["", "", "", "/status"]);
        patch(path + part + dice.pick(&APPLIERS), APPLY, object)
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
        match dice.number(0..=3) {
            0 => Some(get(&path)),
            1 => Some(patch(path, "application/merge-patch+json", spec)),
            sort => {
                let name = path.rsplit('/').nth(1).unwrap_or_default().to_owned();
                let mut scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": name, "namespace": RUN}});
                merge(&mut scale, &spec);
                Some(if sort == 2 {
                    exchange("PUT", path + dice.pick(&MANAGERS), Some(scale))
                } else {
                    patch(path + dice.pick(&APPLIERS), APPLY, scale)
                })
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
}

fn patch(path: String, media: &str, body: Value) -> Exchange {
    Exchange {
        media: Some(media.to_owned()),
        ..exchange("PATCH", path, Some(body))
    }
}
