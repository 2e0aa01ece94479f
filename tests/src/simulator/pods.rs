//! Pods as users write them: all that the profiles make a difference of.

use serde_json::{Map, Value, json};

use super::dice::Dice;

/// A pod. Containers and images carry the round, so that one pod's status is told from its namesakes'.
#[must_use]
pub fn draw(dice: &mut Dice, name: &str, round: u64, nodes: &[String]) -> Value {
    let policy = dice.pick(&["Always", "Always", "Never", "OnFailure"]);
    let container = |name: &str| json!({"name": format!("{name}-{round}"), "image": format!("example.com/{name}:{round}")});
    let mut spec = json!({
        "restartPolicy": policy,
        "terminationGracePeriodSeconds": dice.pick(&[0, 1, 5, 30]),
        "containers": [container("main")],
    });
    if let (true, Some(containers)) = (dice.permille(300), list(&mut spec, "containers")) {
        containers.push(container("second"));
    }
    if dice.permille(200) {
        let mut first = container("first");
        // An init container that is restarted always is a sidecar.
        if let (true, Some(first)) = (dice.permille(300), first.as_object_mut()) {
            first.insert("restartPolicy".to_owned(), json!("Always"));
        }
        set(&mut spec, "initContainers", json!([first]));
    }
    match dice.number(0..=19) {
        0..=1 => {}
        2 => set(&mut spec, "nodeName", json!("nowhere")),
        _ => {
            let names: Vec<&str> = nodes.iter().map(String::as_str).collect();
            set(&mut spec, "nodeName", json!(dice.pick(&names)));
        }
    }
    let mut metadata =
        json!({"name": name, "namespace": "default", "annotations": annotations(dice, policy)});
    if dice.permille(80) {
        set(&mut metadata, "finalizers", json!(["example.com/hold"]));
    }
    // A container that ends well under Always is started again without end.
    let ends = policy != "Always";
    if ends && dice.permille(150) {
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "job", "uid": "job", "controller": true});
        set(&mut metadata, "ownerReferences", json!([owner]));
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

/// What is asked of the plugin. Nothing that never comes to rest: the world is to be quiet in the end.
fn annotations(dice: &mut Dice, policy: &str) -> Map<String, Value> {
    let mut annotations = Map::new();
    let mut ask = |name: &str, value: &str| {
        annotations.insert(format!("stagewright.dev/pod.{name}"), json!(value));
    };
    match (policy, dice.number(0..=5)) {
        ("Never", 0..=2) => {
            ask("run-for", dice.pick(&["1s", "2s..10s"]));
            ask("exit-code", dice.pick(&["0", "0", "1"]));
        }
        ("OnFailure", 0..=2) => {
            ask("run-for", dice.pick(&["1s", "2s..10s"]));
            ask("crashes", dice.pick(&["0", "1", "2"]));
        }
        ("Always", 0) => ask("crashes", "1"),
        _ => {}
    }
    match dice.number(0..=9) {
        0 => ask("pull-failures", "1"),
        1 => ask("create-delay", "0s"),
        2 => ask("terminate-delay", "3s..20s"),
        3 if policy != "Always" => ask("complete-delay", "1s"),
        4 => ask("evict", "as the dice say"),
        _ => {}
    }
    if dice.permille(30) {
        annotations.insert("kubernetes.io/config.mirror".to_owned(), json!("file"));
    }
    annotations
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(field.to_owned(), value);
    }
}

fn list<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Vec<Value>> {
    object.get_mut(field).and_then(Value::as_array_mut)
}
