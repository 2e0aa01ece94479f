//! What follows from a spec that changes. Kubernetes sources are those of 1.36, below `pkg/`.

use serde_json::{Value, json};

use crate::world::{condition, fast, live, pod, status_of, steady};

fn born(generation: i64) -> Value {
    let mut pod = pod();
    pod["metadata"]["generation"] = json!(generation);
    pod
}

/// api/v1/pod/util.go `CalculatePodStatusObservedGeneration`, `CalculatePodConditionObservedGeneration`: every status says which spec
/// it is of, and so does every condition that the kubelet writes.
#[test]
fn the_status_says_which_generation_it_is_of() {
    for mut profile in [fast(), steady()] {
        let life = live(&mut profile, born(3));
        let pod = life.object().unwrap();
        assert_eq!(pod["status"]["observedGeneration"], 3);
        for kind in [
            "Ready",
            "ContainersReady",
            "Initialized",
            "PodReadyToStartContainers",
        ] {
            assert_eq!(condition(pod, kind)["observedGeneration"], 3, "{kind}");
        }
    }
    let life = live(&mut steady(), pod());
    assert_eq!(
        life.object().unwrap()["status"].get("observedGeneration"),
        None,
        "a server without generations"
    );
}

#[test]
fn a_changed_spec_is_observed_and_nothing_else_moves() {
    let before = live(&mut steady(), born(1)).object().unwrap().clone();
    let mut pod = before.clone();
    pod["metadata"]["generation"] = json!(2);
    pod["spec"]["tolerations"] = json!([{"operator": "Exists"}]);
    let life = live(&mut steady(), pod);
    assert_eq!(life.stages(), ["observe"]);
    let after = life.object().unwrap();
    assert_eq!(after["status"]["observedGeneration"], 2);
    assert_eq!(
        after["status"]["containerStatuses"],
        before["status"]["containerStatuses"]
    );
    assert_eq!(
        condition(after, "Ready")["lastTransitionTime"],
        condition(&before, "Ready")["lastTransitionTime"]
    );
}

/// kuberuntime/kuberuntime_manager.go `containerChanged`: a container whose image changed is killed and runs anew.
#[test]
fn a_container_with_another_image_runs_anew() {
    let mut pod = live(&mut steady(), born(1)).object().unwrap().clone();
    let old = status_of(&pod, "containerStatuses", "main").clone();
    pod["metadata"]["generation"] = json!(2);
    pod["spec"]["containers"][0]["image"] = json!("example.com/web:2");
    let life = live(&mut steady(), pod);
    assert_eq!(life.stages(), ["observe"]);
    let main = status_of(life.object().unwrap(), "containerStatuses", "main");
    assert_eq!(
        (&main["image"], &main["restartCount"]),
        (&json!("example.com/web:2"), &json!(1))
    );
    assert!(
        main["imageID"]
            .as_str()
            .unwrap()
            .starts_with("example.com/web@sha256:")
    );
    assert_ne!(main["imageID"], old["imageID"]);
    assert_eq!(
        main["lastState"]["terminated"]["containerID"],
        old["containerID"]
    );
    assert_eq!(main["ready"], true);
}

/// kubectl debug: an ephemeral container starts, and ends with its pod.
#[test]
fn ephemeral_containers_start() {
    let mut pod = live(&mut steady(), born(1)).object().unwrap().clone();
    pod["metadata"]["generation"] = json!(2);
    pod["spec"]["ephemeralContainers"] = json!([{"name": "shell", "image": "busybox"}]);
    let life = live(&mut steady(), pod);
    assert_eq!(life.stages(), ["observe"]);
    let shell = status_of(
        life.object().unwrap(),
        "ephemeralContainerStatuses",
        "shell",
    );
    assert!(shell["state"].get("running").is_some(), "{shell}");
    let mut pod = life.object().unwrap().clone();
    stagewright_plugin::harness::delete(&mut pod, "2026-01-01T00:01:00Z", 30);
    let life = live(&mut steady(), pod);
    let shell = status_of(
        life.steps[0].object.as_ref().unwrap(),
        "ephemeralContainerStatuses",
        "shell",
    );
    assert_eq!(shell["state"]["terminated"]["exitCode"], 0);
}
