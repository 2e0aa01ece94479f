//! Pods as the API server stores them, and what must hold of every version of one.

use serde_json::{Value, json};
use stagewright_plugin::Time;
use stagewright_plugin::harness::{Harness, Life};
use stagewright_plugin_pod::Pods;

pub const BORN: &str = "2026-01-01T00:00:00Z";
pub const BOUND: &str = "2026-01-01T00:00:07Z";
pub const LATER: &str = "2026-01-01T01:00:00Z";

pub fn fast() -> Harness<Pods> {
    Harness::new(&json!({})).unwrap()
}

pub fn general() -> Harness<Pods> {
    Harness::new(&json!({"profile": "general"})).unwrap()
}

/// A pod that the scheduler has bound, with one container.
pub fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": "6b0e1b5e", "creationTimestamp": BORN, "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "restartPolicy": "Always", "containers": [{"name": "main", "image": "example.com/web:1"}]},
        "status": {"phase": "Pending", "qosClass": "BestEffort",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": BOUND}]}})
}

/// A pod of a Job, with the finalizer that Jobs put on their pods if `tracked`.
pub fn job_pod(tracked: bool) -> Value {
    let mut pod = pod();
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "work", "uid": "j", "controller": true}]);
    pod["spec"]["restartPolicy"] = json!("Never");
    if tracked {
        pod["metadata"]["finalizers"] = json!(["batch.kubernetes.io/job-tracking"]);
    }
    pod
}

/// A pod with two init containers and a sidecar between them.
pub fn pod_with_inits() -> Value {
    let mut pod = pod();
    pod["spec"]["initContainers"] = json!([{"name": "first", "image": "a"},
        {"name": "proxy", "image": "b", "restartPolicy": "Always"}, {"name": "second", "image": "c"}]);
    pod
}

pub fn annotate(pod: &mut Value, key: &str, value: &str) {
    pod["metadata"]["annotations"][key] = json!(value);
}

/// Seconds after the pod was bound.
pub fn after_binding(time: Time) -> f64 {
    time.since(Time::parse(BOUND).unwrap()).as_secs_f64()
}

/// Seconds after the pod's creation.
pub fn seconds(time: Time) -> f64 {
    time.since(Time::parse(BORN).unwrap()).as_secs_f64()
}

/// Lives a pod until nothing is left to do, and checks every version of it.
#[track_caller]
pub fn live(harness: &mut Harness<Pods>, pod: Value) -> Life {
    let life = harness.live(pod.clone(), LATER).unwrap();
    let mut before = pod;
    for step in &life.steps {
        let Some(after) = &step.object else { continue };
        check(after);
        check_move(&before, after);
        before = after.clone();
    }
    life
}

pub fn status_of<'a>(pod: &'a Value, list: &str, name: &str) -> &'a Value {
    let statuses = pod["status"][list].as_array().unwrap();
    statuses
        .iter()
        .find(|status| status["name"] == name)
        .unwrap()
}

pub fn condition<'a>(pod: &'a Value, kind: &str) -> &'a Value {
    let conditions = pod["status"]["conditions"].as_array().unwrap();
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
        .unwrap_or(&Value::Null)
}

fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["containerStatuses", "initContainerStatuses"];
    lists
        .into_iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten()
}

/// What the API server's validation asks of one version, and what its readers take for granted.
#[track_caller]
fn check(pod: &Value) {
    let status = &pod["status"];
    for container in statuses(pod) {
        for field in ["name", "image", "imageID"] {
            assert!(container[field].is_string(), "{field} of {container}");
        }
        assert!(
            container["ready"].is_boolean() && container["restartCount"] == 0,
            "{container}"
        );
        assert_eq!(
            container["state"].as_object().unwrap().len(),
            1,
            "one state: {container}"
        );
        if container["state"].get("waiting").is_none()
            && container["state"]["terminated"]["exitCode"] != 137
        {
            assert!(
                container["containerID"]
                    .as_str()
                    .unwrap()
                    .starts_with("stagewright://"),
                "{container}"
            );
            assert_ne!(container["imageID"], "", "{container}");
        }
        if let Some(ended) = container["state"].get("terminated") {
            let time = |field: &str| Time::parse(ended[field].as_str().unwrap()).unwrap();
            assert!(time("startedAt") <= time("finishedAt"), "{ended}");
        }
    }
    if let Some(ips) = status.get("podIPs") {
        assert_eq!(status["podIP"], ips[0]["ip"]);
        assert_eq!(status["hostIP"], status["hostIPs"][0]["ip"]);
    }
    for condition in status["conditions"].as_array().unwrap() {
        let time = Time::parse(condition["lastTransitionTime"].as_str().unwrap()).unwrap();
        assert!(time >= Time::parse(BORN).unwrap(), "{condition}");
    }
    let terminal = status["phase"] == "Succeeded" || status["phase"] == "Failed";
    if terminal {
        assert_eq!(
            condition(pod, "Ready")["status"],
            "False",
            "a pod that has ended is not ready"
        );
        assert!(
            statuses(pod).all(|container| container["state"].get("terminated").is_some()),
            "{status}"
        );
    }
    if condition(pod, "Ready")["status"] == "True" {
        assert!(
            statuses(pod).all(|container| container["ready"] == true),
            "{status}"
        );
    }
}

/// What never goes back, and what is set once.
#[track_caller]
fn check_move(before: &Value, after: &Value) {
    let rank = |pod: &Value| match pod["status"]["phase"].as_str().unwrap() {
        "Pending" => 0,
        "Running" => 1,
        _ => 2,
    };
    assert!(
        rank(before) <= rank(after),
        "{} -> {}",
        before["status"],
        after["status"]
    );
    for field in ["startTime", "podIP", "podIPs", "hostIP", "qosClass"] {
        let known = before["status"].get(field);
        assert!(
            known.is_none() || known == after["status"].get(field),
            "{field} moved"
        );
    }
    let step = |container: &Value| {
        ["waiting", "running", "terminated"]
            .iter()
            .position(|state| container["state"].get(state).is_some())
    };
    for container in statuses(before) {
        let name = container["name"].as_str().unwrap();
        let now = statuses(after)
            .find(|container| container["name"] == name)
            .unwrap();
        assert!(step(container) <= step(now), "{container} -> {now}");
        if container["state"].get("terminated").is_some() {
            assert_eq!(container["state"], now["state"], "what has ended stays so");
        }
        let id = container.get("containerID");
        assert!(
            id.is_none() || id == now.get("containerID"),
            "{container} -> {now}"
        );
    }
    for condition in before["status"]["conditions"].as_array().unwrap() {
        let now = self::condition(after, condition["type"].as_str().unwrap());
        let moved = condition["status"] != now["status"];
        assert!(
            moved || condition["lastTransitionTime"] == now["lastTransitionTime"],
            "{condition} -> {now}"
        );
    }
    assert_eq!(
        condition(before, "PodScheduled"),
        condition(after, "PodScheduled")
    );
}
