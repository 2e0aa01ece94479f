//! Profile `fast`.

use serde_json::{Value, json};
use stagewright_plugin::Answer;

use crate::world::{
    BORN, BOUND, annotate, condition, fast, job_pod, live, pod, pod_with_inits, seconds, status_of,
};

#[test]
fn a_pending_pod_runs_at_once() {
    let life = live(&mut fast(), pod());
    assert_eq!(life.stages(), ["ready"]);
    assert_eq!(seconds(life.steps[0].at), 7.0);
    assert_eq!(life.last, Answer::idle("the pod runs"));
    assert_eq!(life.events().count(), 0);
    let pod = life.object().unwrap();
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(pod["status"]["qosClass"], "BestEffort");
    assert_eq!(pod["status"]["podIPs"], json!([{"ip": "10.244.0.5"}]));
    assert_eq!(pod["status"]["hostIPs"], json!([{"ip": "10.0.0.1"}]));
    for kind in [
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodReadyToStartContainers",
        "PodScheduled",
    ] {
        assert_eq!(condition(pod, kind)["status"], "True", "{kind}");
    }
    let main = status_of(pod, "containerStatuses", "main");
    assert_eq!(
        (&main["ready"], &main["started"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(main["image"], "example.com/web:1");
    assert_eq!(main["state"], json!({"running": {"startedAt": BOUND}}));
    assert_eq!(pod["status"].get("initContainerStatuses"), None);
}

#[test]
fn a_pod_that_nobody_scheduled_gets_no_such_condition() {
    let mut pod = pod();
    pod["status"] = json!({});
    let life = live(&mut fast(), {
        pod["status"]["phase"] = json!("Pending");
        pod["status"]["conditions"] = json!([]);
        pod
    });
    assert_eq!(
        *condition(life.object().unwrap(), "PodScheduled"),
        Value::Null
    );
}

#[test]
fn a_pod_without_a_status_is_pending() {
    let mut pod = pod();
    pod.as_object_mut().unwrap().remove("status");
    let life = fast().live(pod, BORN).unwrap();
    assert_eq!(life.object().unwrap()["status"]["phase"], "Running");
}

#[test]
fn init_containers_are_done_and_sidecars_run() {
    let life = live(&mut fast(), pod_with_inits());
    let pod = life.object().unwrap();
    for name in ["first", "second"] {
        let ended = &status_of(pod, "initContainerStatuses", name)["state"]["terminated"];
        assert_eq!(
            (&ended["exitCode"], &ended["reason"]),
            (&json!(0), &json!("Completed"))
        );
    }
    let proxy = status_of(pod, "initContainerStatuses", "proxy");
    assert!(proxy["state"].get("running").is_some() && proxy["started"] == true);
}

#[test]
fn a_pod_on_the_hosts_network_has_the_hosts_address() {
    let mut pod = pod();
    pod["spec"]["hostNetwork"] = json!(true);
    assert_eq!(
        live(&mut fast(), pod).object().unwrap()["status"]["podIP"],
        "10.0.0.1"
    );
}

#[test]
fn addresses_that_are_there_stay_and_none_are_made_up() {
    let mut known = pod();
    known["status"]["podIPs"] = json!([{"ip": "10.9.9.9"}, {"ip": "fd00::9"}]);
    known["status"]["podIP"] = json!("10.9.9.9");
    let life = live(&mut fast(), known);
    assert_eq!(
        life.object().unwrap()["status"]["podIPs"][1]["ip"],
        "fd00::9"
    );

    let life = live(&mut fast().fact("addresses", json!({})), pod());
    assert_eq!(life.object().unwrap()["status"].get("podIP"), None);
    assert_eq!(life.object().unwrap()["status"]["phase"], "Running");
}

#[test]
fn gates_open_and_other_conditions_stay() {
    let mut pod = pod();
    pod["spec"]["readinessGates"] = json!([{"conditionType": "example.com/lb"}]);
    let other = json!({"type": "DisruptionTarget", "status": "True", "reason": "Why", "lastTransitionTime": BORN, "observedGeneration": 3});
    pod["status"]["conditions"]
        .as_array_mut()
        .unwrap()
        .push(other.clone());
    let life = live(&mut fast(), pod);
    let pod = life.object().unwrap();
    assert_eq!(condition(pod, "example.com/lb")["status"], "True");
    assert_eq!(*condition(pod, "DisruptionTarget"), other);
}

#[test]
fn a_jobs_pod_succeeds() {
    let life = live(&mut fast(), job_pod(true));
    assert_eq!(life.stages(), ["ready", "complete"]);
    let pod = life.object().unwrap();
    assert_eq!(pod["status"]["phase"], "Succeeded");
    assert_eq!(condition(pod, "Ready")["reason"], "PodCompleted");
    let ended = &status_of(pod, "containerStatuses", "main")["state"]["terminated"];
    assert_eq!(
        (&ended["exitCode"], &ended["reason"]),
        (&json!(0), &json!("Completed"))
    );
    assert_eq!(life.last, Answer::idle("the pod has ended"));
}

#[test]
fn a_jobs_pod_fails_if_it_is_told_to() {
    let mut pod = job_pod(false);
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "3");
    let life = live(&mut fast(), pod);
    let pod = life.object().unwrap();
    assert_eq!(pod["status"]["phase"], "Failed");
    assert_eq!(condition(pod, "Ready")["reason"], "PodFailed");
    assert_eq!(
        status_of(pod, "containerStatuses", "main")["state"]["terminated"]["exitCode"],
        3
    );
}

#[test]
fn an_exit_code_that_is_none_names_its_annotation() {
    let mut pod = job_pod(false);
    annotate(&mut pod, "stagewright.dev/pod.exit-code", "256");
    pod["status"]["phase"] = json!("Running");
    let Answer::Invalid(message) = fast().decide(&pod, BORN).unwrap() else {
        panic!("not invalid")
    };
    assert!(
        message.contains("stagewright.dev/pod.exit-code")
            && message.contains("\"256\"")
            && message.contains("0 to 255"),
        "{message}"
    );
}

#[test]
fn what_others_ended_is_left_alone() {
    for phase in ["Failed", "Succeeded", "Unknown", "Banana\n"] {
        let mut pod = pod();
        pod["status"]["phase"] = json!(phase);
        let answer = fast().decide(&pod, BORN).unwrap();
        assert!(matches!(answer, Answer::Idle(_)), "{phase}: {answer:?}");
    }
}

#[test]
fn what_general_began_fast_ends() {
    let mut general = crate::world::general();
    let life = general
        .live(pod_with_inits(), "2026-01-01T00:00:30Z")
        .unwrap();
    for step in &life.steps {
        let life = live(&mut fast(), step.object.clone().unwrap());
        assert_eq!(
            life.object().unwrap()["status"]["phase"],
            "Running",
            "after {}",
            step.stage
        );
    }
}

#[test]
fn a_garbled_object_is_an_error() {
    let mut pod = pod();
    pod["status"]["phase"] = json!(7);
    assert!(fast().decide(&pod, BORN).is_err());
}
