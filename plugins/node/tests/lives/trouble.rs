//! Trouble on demand.

use super::*;

#[test]
fn a_node_runs_out_of_what_it_is_told_to() {
    // The reasons are those of kubelet/nodestatus/setters.go, in which the kubelet reports them.
    let conditions = [
        ("memory", "MemoryPressure", "KubeletHasInsufficientMemory"),
        ("disk", "DiskPressure", "KubeletHasDiskPressure"),
        ("pid", "PIDPressure", "KubeletHasInsufficientPID"),
        ("network", "NetworkUnavailable", "NoRouteCreated"),
    ];
    for (word, kind, reason) in conditions {
        let mut node = ready();
        node["metadata"]["annotations"] = json!({PRESSURE: word});
        let life = live(node, SOON);
        assert_eq!(life.stages(), ["pressure"]);
        let mut node = life.object().unwrap().clone();
        assert_eq!(
            (
                &condition(&node, kind)["status"],
                &condition(&node, kind)["reason"]
            ),
            (&json!("True"), &json!(reason))
        );
        for (_, other, _) in conditions.iter().filter(|(other, ..)| *other != word) {
            assert_eq!(
                condition(&node, other)["status"],
                "False",
                "{word}: {other}"
            );
        }
        assert_eq!(condition(&node, "Ready")["status"], "True");

        node["metadata"]["annotations"] = json!({});
        let life = live(node, SOON);
        assert_eq!(life.stages(), ["pressure"]);
        assert_eq!(condition(life.object().unwrap(), kind)["status"], "False");
    }
    // From the first moment, beside not being Ready, and through a recovery.
    let mut node = node();
    node["metadata"]["annotations"] = json!({PRESSURE: "disk, memory", NOT_READY: "true"});
    let life = live(node, SOON);
    assert_eq!(life.stages(), ["initialize"]);
    let mut node = life.object().unwrap().clone();
    assert_eq!(condition(&node, "DiskPressure")["status"], "True");
    node["metadata"]["annotations"] = json!({PRESSURE: "disk"});
    let life = live(node, SOON);
    assert_eq!(life.stages(), ["recover"]);
    let node = life.object().unwrap();
    assert_eq!(condition(node, "DiskPressure")["status"], "True");
    assert_eq!(condition(node, "MemoryPressure")["status"], "False");
}

#[test]
fn a_condition_that_a_user_wrote_stays() {
    let mut node = ready();
    for condition in node["status"]["conditions"].as_array_mut().unwrap() {
        if condition["type"] == "DiskPressure" {
            condition["status"] = json!("True");
        }
    }
    assert_eq!(live(node, SOON).stages(), [""; 0]);
}

#[test]
fn a_node_flaps_in_its_period() {
    let mut node = ready();
    node["metadata"]["annotations"] = json!({FLAP: "60s/10s"});
    let by_annotation = harness(json!({"heartbeat": "0s"}))
        .live(node, SOON)
        .unwrap();
    let by_setting = harness(json!({"heartbeat": "0s", "flap": "60s/10s"}))
        .live(ready(), SOON)
        .unwrap();
    for life in [by_annotation, by_setting] {
        let times: Vec<(u64, &str)> = life
            .steps
            .iter()
            .map(|step| {
                (
                    step.at.since(Time::parse(BORN).unwrap()).as_secs(),
                    step.stage.as_str(),
                )
            })
            .collect();
        let expected = [
            (60, "not-ready"),
            (70, "recover"),
            (130, "not-ready"),
            (140, "recover"),
            (200, "not-ready"),
            (210, "recover"),
            (270, "not-ready"),
            (280, "recover"),
        ];
        assert_eq!(times, expected);
        let down = life.steps[0].object.as_ref().unwrap();
        assert_eq!(
            (
                &condition(down, "Ready")["status"],
                &condition(down, "Ready")["reason"]
            ),
            (&json!("False"), &json!("Flapping"))
        );
        assert_eq!(
            condition(life.object().unwrap(), "Ready")["reason"],
            "KubeletReady"
        );
        // A touch does not move the turn.
        let mut touched = down.clone();
        let before = harness(json!({"flap": "60s/10s"}))
            .decide(down, SOON)
            .unwrap();
        touched["metadata"]["labels"] = json!({"touched": "yes"});
        assert_eq!(
            harness(json!({"flap": "60s/10s"}))
                .decide(&touched, SOON)
                .unwrap(),
            before
        );
        // Nobody flaps any more.
        touched["metadata"]["annotations"] = json!({});
        assert_eq!(live(touched, SOON).stages(), ["recover"]);
    }
}

#[test]
fn nodes_with_ranges_flap_each_in_its_own_time_and_heartbeats_do_not_move_it() {
    let turns = |uid: &str, heartbeat: &str| -> Vec<f64> {
        let mut node = ready();
        node["metadata"]["uid"] = json!(uid);
        let settings = json!({"heartbeat": heartbeat, "flap": "10m..60m/10s..60s"});
        let life = harness(settings)
            .live(node, "2026-01-01T05:00:00Z")
            .unwrap();
        let turned = life.steps.iter().filter(|step| step.stage == "not-ready");
        turned.map(|step| minutes_after(step.at, BORN)).collect()
    };
    let first = turns("a", "0s");
    assert!((10.0..=60.0).contains(&first[0]), "{first:?}");
    assert_ne!(first[0].to_bits(), turns("b", "0s")[0].to_bits());
    let beaten = turns("a", "1m");
    assert!((first[0] - beaten[0]).abs() < 0.001, "{first:?} {beaten:?}");
}
