//! Whatever a plugin might answer, drawn from a seed: sound, nearly sound and absurd statuses of pods, in every form of a patch.

use serde_json::{Map, Value, json};
use stagewright_core::interface::{Effect, Form, PatchEffect};

use crate::simulator::dice::Dice;

const PHASES: [&str; 8] = [
    "Pending",
    "Running",
    "Running",
    "Succeeded",
    "Failed",
    "Unknown",
    "",
    "Banana",
];
const CONDITIONS: [&str; 7] = [
    "PodScheduled",
    "Initialized",
    "ContainersReady",
    "Ready",
    "PodReadyToStartContainers",
    "DisruptionTarget",
    "example.com/own",
];
const TIMES: [&str; 5] = [
    "2020-01-01T00:00:00Z",
    "2026-03-01T10:00:00Z",
    "2026-03-01T11:00:00Z",
    "2040-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
];
const ADDRESSES: [&str; 5] = ["10.1.0.1", "10.1.0.2", "fd00::1", "nowhere", ""];
const CLASSES: [&str; 4] = ["BestEffort", "Burstable", "Guaranteed", "Best"];
const POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
/// The containers that [`pod`] has, and one that it has not.
const CONTAINERS: [&str; 3] = ["main", "side", "nobody"];

/// A pod of two containers and an init container, on a node, as a user writes it; its restart policy is drawn.
pub fn pod(dice: &mut Dice, namespace: &str, name: &str, node: &str) -> Value {
    let container = |name: &str| json!({"name": name, "image": "example.com/main:1"});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"nodeName": node, "restartPolicy": dice.pick(&POLICIES), "automountServiceAccountToken": false,
            "tolerations": [{"operator": "Exists"}],
            "initContainers": [container("init")], "containers": [container("main"), container("side")]}})
}

/// A pod as a server might have stored it: [`pod`] with an identity and any status.
pub fn stored(dice: &mut Dice) -> Value {
    let mut stored = pod(dice, "default", "a", "n");
    let metadata = json!({"name": "a", "namespace": "default", "uid": "u", "resourceVersion": "7", "generation": 1,
        "creationTimestamp": "2026-03-01T09:00:00Z"});
    if let Some(map) = stored.as_object_mut() {
        map.insert("metadata".to_owned(), metadata);
        map.insert("status".to_owned(), status(dice));
    }
    stored
}

/// One play: one to three effects on a pod.
pub fn play(dice: &mut Dice, pod: &Value) -> Vec<Effect> {
    (0..dice.number(1..=3)).map(|_| effect(dice, pod)).collect()
}

/// One effect: mostly a patch of the status, in any form.
fn effect(dice: &mut Dice, pod: &Value) -> Effect {
    let wanted = json!({"status": status(dice)});
    let status = Some("status");
    match dice.number(0..=19) {
        0..=8 => patch(Form::Merge, status, wanted),
        9..=11 => patch(Form::Strategic, status, wanted),
        12 | 13 => patch(Form::Replace, status, wanted),
        14 | 15 => {
            let operations = wanted
                .pointer("/status")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(field, value)| json!({"op": "add", "path": format!("/status/{field}"), "value": value}));
            patch(Form::Json, status, operations.collect())
        }
        16 => {
            let mut whole = pod.clone();
            if let (Some(whole), Some(status)) = (whole.as_object_mut(), wanted.get("status")) {
                whole.insert("status".to_owned(), status.clone());
            }
            patch(Form::Replace, status, whole)
        }
        17 => patch(
            Form::Merge,
            None,
            json!({"metadata": {"labels": {"drawn": dice.number(0..=9).to_string()}}}),
        ),
        18 => patch(
            Form::Merge,
            None,
            json!({"spec": {"activeDeadlineSeconds": dice.number(1..=9)}}),
        ),
        _ => Effect::Delete {
            grace: dice.permille(500).then_some(30),
        },
    }
}

fn patch(form: Form, subresource: Option<&str>, body: Value) -> Effect {
    Effect::Patch(PatchEffect {
        form,
        subresource: subresource.map(str::to_owned),
        body,
        as_user: None,
    })
}

/// Some fields of a pod's status, each with a value of the right type.
fn status(dice: &mut Dice) -> Value {
    let mut status = Map::new();
    let mut draw = |dice: &mut Dice, times: u64, field: &str, value: fn(&mut Dice) -> Value| {
        if dice.permille(times) {
            status.insert(field.to_owned(), value(dice));
        }
    };
    draw(dice, 600, "phase", |dice| dice.pick(&PHASES).into());
    draw(dice, 400, "conditions", conditions);
    draw(dice, 500, "containerStatuses", containers);
    draw(dice, 200, "initContainerStatuses", init_containers);
    draw(dice, 200, "podIP", |dice| dice.pick(&ADDRESSES).into());
    draw(dice, 200, "podIPs", |dice| {
        (0..dice.number(0..=2))
            .map(|_| json!({"ip": dice.pick(&ADDRESSES)}))
            .collect()
    });
    draw(dice, 200, "hostIP", |dice| dice.pick(&ADDRESSES).into());
    draw(dice, 300, "startTime", time);
    draw(dice, 150, "qosClass", |dice| dice.pick(&CLASSES).into());
    draw(dice, 150, "observedGeneration", |dice| {
        dice.number(0..=3).into()
    });
    draw(dice, 100, "nominatedNodeName", |dice| {
        dice.pick(&["n", "Not A Name"]).into()
    });
    draw(dice, 200, "reason", |dice| {
        dice.pick(&["Evicted", "", "any"]).into()
    });
    draw(dice, 100, "example", |_| json!("a field that nobody knows"));
    Value::Object(status)
}

fn time(dice: &mut Dice) -> Value {
    dice.pick(&TIMES).into()
}

fn conditions(dice: &mut Dice) -> Value {
    let count = dice.number(0..=4);
    let first = dice.number(0..=6);
    let condition = |number| {
        let place = usize::try_from((first + number) % 7).unwrap_or(0);
        let mut condition = json!({"type": CONDITIONS.get(place), "status": dice.pick(&["True", "True", "False", "Unknown"])});
        if let (Some(map), true) = (condition.as_object_mut(), dice.permille(700)) {
            map.insert("lastTransitionTime".to_owned(), time(dice));
        }
        condition
    };
    (0..count).map(condition).collect()
}

fn containers(dice: &mut Dice) -> Value {
    let count = usize::try_from(dice.number(0..=3)).unwrap_or(0);
    CONTAINERS
        .iter()
        .take(count)
        .map(|name| container(dice, name))
        .collect()
}

fn init_containers(dice: &mut Dice) -> Value {
    json!([container(dice, "init")])
}

fn container(dice: &mut Dice, name: &str) -> Value {
    let end = json!({"terminated": {"exitCode": dice.number(0..=2), "reason": "Ended", "startedAt": time(dice), "finishedAt": time(dice)}});
    let (state, last) = match dice.number(0..=5) {
        0 => (json!({}), json!({})),
        1 => (
            json!({"waiting": {"reason": "ContainerCreating"}}),
            json!({}),
        ),
        2 => (json!({"waiting": {"reason": "CrashLoopBackOff"}}), end),
        3 | 4 => (json!({"running": {"startedAt": time(dice)}}), json!({})),
        _ => (end, json!({})),
    };
    json!({"name": name, "image": "example.com/main:1", "imageID": "", "state": state, "lastState": last,
        "ready": dice.permille(500), "started": dice.permille(500), "restartCount": dice.number(0..=3)})
}
