//! In-place resize (KEP-1287). Kubernetes sources are those of 1.36, below `pkg/`.

use serde_json::{Value, json};

use crate::world::{annotate, condition, live, pod, status_of, steady};

const MOVED: &str = "2026-01-01T00:01:00Z";

fn sized() -> Value {
    let mut pod = pod();
    pod["metadata"]["generation"] = json!(1);
    pod["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}});
    live(&mut steady(), pod).object().unwrap().clone()
}

/// As a PATCH of `pods/resize` leaves the pod.
fn resize(pod: &mut Value, cpu: &str) {
    pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!(cpu);
    pod["metadata"]["generation"] = json!(pod["metadata"]["generation"].as_i64().unwrap() + 1);
}

fn main_of(pod: &Value) -> &Value {
    status_of(pod, "containerStatuses", "main")
}

/// kubelet/kubelet_pods.go `convertToAPIContainerStatuses`: what is allocated and what is there.
#[test]
fn a_container_that_runs_says_what_it_has() {
    let pod = sized();
    assert_eq!(
        main_of(&pod)["resources"],
        pod["spec"]["containers"][0]["resources"]
    );
    assert_eq!(
        main_of(&pod)["allocatedResources"],
        json!({"cpu": "1", "memory": "1Gi"})
    );
    let bare = live(&mut steady(), crate::world::pod());
    assert_eq!(
        main_of(bare.object().unwrap()).get("allocatedResources"),
        None
    );
}

/// kubelet/allocation/allocation_manager.go `handlePodResourcesResize`: allocated at once, in progress until it is there.
#[test]
fn a_resize_is_allocated_and_then_done() {
    let mut pod = sized();
    resize(&mut pod, "2");
    let life = live(&mut steady(), pod);
    assert_eq!(life.stages(), ["observe", "resize"]);
    let granted = life.steps[0].object.as_ref().unwrap();
    assert_eq!(main_of(granted)["allocatedResources"]["cpu"], "2");
    assert_eq!(main_of(granted)["resources"]["requests"]["cpu"], "1");
    let progress = condition(granted, "PodResizeInProgress");
    assert_eq!(
        (&progress["status"], &progress["observedGeneration"]),
        (&json!("True"), &json!(2))
    );
    assert_eq!(life.steps[1].at.since(life.steps[0].at).as_secs(), 3);
    let done = life.object().unwrap();
    assert_eq!(main_of(done)["resources"]["requests"]["cpu"], "2");
    assert_eq!(main_of(done)["resources"]["limits"]["memory"], "1Gi");
    assert_eq!(*condition(done, "PodResizeInProgress"), Value::Null);
    assert_eq!(done["status"]["observedGeneration"], 2);
    assert_eq!(main_of(done)["restartCount"], 0, "in place");
}

#[test]
fn a_container_whose_policy_says_so_is_restarted_for_its_resize() {
    let mut pod = sized();
    pod["spec"]["containers"][0]["resizePolicy"] = json!([{"resourceName": "cpu", "restartPolicy": "RestartContainer"},
        {"resourceName": "memory", "restartPolicy": "NotRequired"}]);
    let mut by_cpu = pod.clone();
    resize(&mut by_cpu, "2");
    let life = live(&mut steady(), by_cpu);
    assert_eq!(main_of(life.object().unwrap())["restartCount"], 1);
    pod["spec"]["containers"][0]["resources"]["requests"]["memory"] = json!("512Mi");
    pod["metadata"]["generation"] = json!(2);
    let life = live(&mut steady(), pod);
    assert_eq!(life.stages(), ["observe", "resize"]);
    assert_eq!(main_of(life.object().unwrap())["restartCount"], 0);
}

/// core/v1 `PodReasonDeferred`, `PodReasonInfeasible`: pending, with what is allocated as before; tried again when that is taken back.
#[test]
fn a_resize_is_refused_on_demand() {
    for (verdict, reason) in [("deferred", "Deferred"), ("infeasible", "Infeasible")] {
        let mut pod = sized();
        annotate(&mut pod, "stagewright.dev/pod.resize", verdict);
        resize(&mut pod, "64");
        let life = live(&mut steady(), pod);
        assert_eq!(life.stages(), ["observe"]);
        let events: Vec<&str> = life
            .events()
            .map(stagewright_plugin::Event::reason)
            .collect();
        assert_eq!(events, [format!("Resize{reason}")]);
        let mut pod = life.object().unwrap().clone();
        let pending = condition(&pod, "PodResizePending");
        assert_eq!(
            (&pending["status"], &pending["reason"]),
            (&json!("True"), &json!(reason))
        );
        assert_eq!(main_of(&pod)["allocatedResources"]["cpu"], "1");
        assert_eq!(
            condition(&pod, "Ready")["status"],
            "True",
            "the pod runs on"
        );

        let mut undone = pod.clone();
        resize(&mut undone, "1");
        let life = live(&mut steady(), undone);
        assert_eq!(life.stages(), ["observe"]);
        assert_eq!(
            *condition(life.object().unwrap(), "PodResizePending"),
            Value::Null
        );

        pod["metadata"]["annotations"] = json!({});
        let life = live(&mut steady(), pod);
        assert_eq!(life.stages(), ["observe", "resize"]);
        assert_eq!(
            *condition(life.object().unwrap(), "PodResizePending"),
            Value::Null
        );
        assert_eq!(
            main_of(life.object().unwrap())["resources"]["requests"]["cpu"],
            "64"
        );
    }
}

/// A second resize before the first is done begins the wait anew, and is what is there in the end.
#[test]
fn a_second_resize_overtakes_the_first() {
    let mut pod = sized();
    resize(&mut pod, "2");
    let life = steady().live(pod, "2026-01-01T00:00:10Z").unwrap();
    assert_eq!(life.stages(), ["observe"]);
    let mut pod = life.object().unwrap().clone();
    resize(&mut pod, "3");
    let life = live(&mut steady(), pod);
    assert_eq!(life.stages(), ["observe", "resize"]);
    assert_eq!(
        main_of(life.object().unwrap())["resources"]["requests"]["cpu"],
        "3"
    );
}

/// kubelet/kubelet_pods.go `determinePodResizeStatus`: a pod that has ended has no resize.
#[test]
fn a_resize_ends_with_its_pod() {
    let mut pod = sized();
    annotate(&mut pod, "stagewright.dev/pod.resize", "deferred");
    resize(&mut pod, "64");
    let mut pod = live(&mut steady(), pod).object().unwrap().clone();
    pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    stagewright_plugin::harness::delete(&mut pod, MOVED, 30);
    let life = live(&mut steady(), pod);
    assert_eq!(life.stages(), ["terminate"]);
    assert_eq!(
        *condition(life.object().unwrap(), "PodResizePending"),
        Value::Null
    );
}
