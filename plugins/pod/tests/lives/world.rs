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
    check_life(&pod, &life);
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
    let lists = ["initContainerStatuses", "containerStatuses"];
    lists
        .into_iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten()
}

/// A pod under profile `general` whose delays are whole and known: each stage a second after the one before, but those of which
/// something else is to be seen.
pub fn steady() -> Harness<Pods> {
    steady_with(json!({}))
}

/// The same with these defaults.
pub fn steady_with(defaults: Value) -> Harness<Pods> {
    let delays = json!({"create": "1s", "init-start": "1s", "init-complete": "2s", "ready": "1s", "complete": "10s",
        "terminate": "2s", "resize": "3s"});
    Harness::new(&json!({"profile": "general", "delays": delays, "defaults": defaults})).unwrap()
}

/// The steps of a life, a line each: seconds after the binding, stage, phase, and each container as [`container`] has it. What does
/// not fit on the line is asked of the object.
pub fn trace(life: &Life) -> Vec<String> {
    let lines = life.steps.iter().map(|step| {
        let at = after_binding(step.at);
        let Some(pod) = &step.object else {
            return format!("+{at} {}", step.stage);
        };
        let containers: Vec<String> = statuses(pod).map(container).collect();
        let phase = pod["status"]["phase"].as_str().unwrap();
        format!("+{at} {} {phase} {}", step.stage, containers.join(" "))
    });
    lines.collect()
}

/// `name:state`: the reason of one that waits, `up`, or `exit N`; then `*` if it is ready, `~` if it runs and did not start yet, and
/// `#n` after n restarts.
fn container(status: &Value) -> String {
    let state = &status["state"];
    let mut text = match () {
        () if state.get("running").is_some() => "up".to_owned(),
        () if state.get("terminated").is_some() => {
            format!("exit{}", state["terminated"]["exitCode"])
        }
        () => state["waiting"]["reason"].as_str().unwrap().to_owned(),
    };
    if status["ready"] == true {
        text.push('*');
    }
    if state.get("running").is_some() && status["started"] == false {
        text.push('~');
    }
    if status["restartCount"] != 0 {
        text.push_str(&format!("#{}", status["restartCount"]));
    }
    format!("{}:{text}", status["name"].as_str().unwrap())
}

/// Lives a pod for so many seconds from its binding, checked, and compares what became of it line by line.
#[track_caller]
pub fn walk(harness: &mut Harness<Pods>, pod: Value, seconds: u64, expected: &[&str]) -> Life {
    let until = (Time::parse(BOUND).unwrap() + std::time::Duration::from_secs(seconds)).to_string();
    let life = harness.live(pod.clone(), &until).unwrap();
    check_life(&pod, &life);
    let found = trace(&life);
    assert_eq!(found, expected, "\n{}", found.join("\n"));
    life
}

#[track_caller]
fn check_life(pod: &Value, life: &Life) {
    let mut before = pod.clone();
    for step in &life.steps {
        let Some(after) = &step.object else { continue };
        check(after);
        check_move(&before, after);
        before = after.clone();
    }
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
            container["ready"].is_boolean() && container["restartCount"].is_u64(),
            "{container}"
        );
        assert_eq!(
            container["state"].as_object().unwrap().len(),
            1,
            "one state: {container}"
        );
        let ended = container["state"].get("terminated");
        let lost = ended.is_some_and(|end| end["reason"] == "ContainerStatusUnknown");
        if container["state"].get("waiting").is_none() && !lost {
            assert!(
                container["containerID"]
                    .as_str()
                    .unwrap()
                    .starts_with("stagewright://"),
                "{container}"
            );
            assert_ne!(container["imageID"], "", "{container}");
        }
        if let Some(ended) = ended.filter(|_| !lost) {
            let time = |field: &str| Time::parse(ended[field].as_str().unwrap()).unwrap();
            assert!(time("startedAt") <= time("finishedAt"), "{ended}");
        }
        if container["restartCount"] != 0 {
            assert!(
                container["lastState"]["terminated"].is_object(),
                "{container}"
            );
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
        for kind in ["Ready", "ContainersReady", "PodReadyToStartContainers"] {
            assert_eq!(
                condition(pod, kind)["status"],
                "False",
                "{kind} of a pod that has ended"
            );
        }
        assert!(
            statuses(pod).all(|container| container["state"].get("running").is_none()),
            "{status}"
        );
        // Only containers that never had their turn do not end (`TerminatePod` in status_manager.go).
        let is_initialized = condition(pod, "Initialized")["status"] == "True";
        assert!(
            !is_initialized
                || statuses(pod).all(|container| container["state"].get("terminated").is_some()),
            "{status}"
        );
    }
    if condition(pod, "Ready")["status"] == "True" {
        assert_eq!(
            condition(pod, "ContainersReady")["status"],
            "True",
            "{status}"
        );
        let mains = pod["status"]["containerStatuses"].as_array().unwrap();
        assert!(
            mains.iter().all(|container| container["ready"] == true),
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
    let ends = rank(before) < 2 && rank(after) == 2;
    for container in statuses(before) {
        let name = container["name"].as_str().unwrap();
        let now = statuses(after)
            .find(|container| container["name"] == name)
            .unwrap();
        check_container(container, now, ends);
    }
    for condition in before["status"]["conditions"].as_array().unwrap() {
        let now = self::condition(after, condition["type"].as_str().unwrap());
        let moved = condition["status"] != now["status"];
        let resize = condition["type"].as_str().unwrap().starts_with("PodResize");
        assert!(
            moved || resize || condition["lastTransitionTime"] == now["lastTransitionTime"],
            "{condition} -> {now}"
        );
    }
    let scheduled = condition(before, "PodScheduled");
    assert!(
        scheduled.is_null() || scheduled == condition(after, "PodScheduled"),
        "the scheduler's condition moved"
    );
}

/// An attempt goes from waiting to running to its end to waiting for the next, which is one on.
#[track_caller]
fn check_container(before: &Value, now: &Value, pod_ends: bool) {
    let step = |container: &Value| {
        let state = &container["state"];
        let anew = state["waiting"]["reason"] == "RestartingAllContainers";
        match () {
            () if state.get("running").is_some() => 1,
            () if state.get("terminated").is_some() => 2,
            () if container["lastState"].get("terminated").is_some() && !anew => 3,
            () => 0,
        }
    };
    let attempt = |container: &Value| container["restartCount"].as_u64().unwrap();
    let same = attempt(before) == attempt(now);
    assert!(attempt(before) <= attempt(now), "{before} -> {now}");
    // A container in back-off ends with its pod.
    let lost = pod_ends && step(before) == 3 && step(now) == 2;
    assert!(
        !same || step(before) <= step(now) || lost,
        "{before} -> {now}"
    );
    if same
        && before["state"].get("terminated").is_some()
        && now["state"].get("terminated").is_some()
    {
        assert_eq!(before["state"], now["state"], "what has ended stays so");
    }
    let anew = now["state"]["waiting"]["reason"] == "RestartingAllContainers";
    if let Some(id) = before.get("containerID").filter(|_| !anew) {
        assert_eq!(
            Some(id) == now.get("containerID"),
            same || now["state"].get("running").is_none(),
            "an attempt has one id, and another has another: {before} -> {now}"
        );
    }
}
