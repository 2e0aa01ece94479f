//! Generated objects: three states of one object, in one order.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{DeclaredOrder, Order};

/// Three states of one object.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub order: Order,
    pub a: Value,
    pub b: Value,
    pub c: Value,
}

const TIMES: [&str; 4] = [
    "2026-03-01T10:00:00Z",
    "2026-03-01T11:00:00Z",
    "2026-03-01T12:00:00Z",
    "2027-01-01T00:00:00Z",
];

pub(crate) fn triple() -> impl Strategy<Value = Case> {
    prop_oneof![
        4 => pods(),
        1 => states(Order::Node, node().boxed()),
        2 => states(Order::Job, job().boxed()),
        1 => states(Order::PersistentVolume, volume().boxed()),
        1 => states(Order::Namespace, phased(&["", "Active", "Terminating", "Banana"]).boxed()),
        3 => declared().prop_flat_map(|order| states(order, custom().boxed())),
        1 => states(Order::Any, custom().boxed()),
    ]
}

fn states(order: Order, object: BoxedStrategy<Value>) -> BoxedStrategy<Case> {
    (object.clone(), object.clone(), object)
        .prop_map(move |(a, b, c)| Case {
            order: order.clone(),
            a,
            b,
            c,
        })
        .boxed()
}

fn time() -> impl Strategy<Value = Option<&'static str>> {
    proptest::option::weighted(0.8, select(TIMES.as_slice()))
}

/// Mostly none.
fn deletion() -> impl Strategy<Value = Option<&'static str>> {
    proptest::option::weighted(0.3, select(TIMES.as_slice()))
}

fn conditions(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let status = select(["True", "False"].as_slice());
    let condition = (
        proptest::option::weighted(0.6, status),
        time(),
        time(),
        0..4i64,
    );
    proptest::collection::vec(condition, names.len()).prop_map(|conditions| {
        let written =
            names
                .iter()
                .zip(conditions)
                .filter_map(|(name, (status, changed, seen, observed))| {
                    let mut condition =
                        json!({"type": name, "status": status?, "observedGeneration": observed});
                    for (field, time) in
                        [("lastTransitionTime", changed), ("lastHeartbeatTime", seen)]
                    {
                        if let Some(time) = time {
                            condition[field] = json!(time);
                        }
                    }
                    Some(condition)
                });
        written.collect()
    })
}

fn object(deletion: Option<&str>, spec: Value, status: Value) -> Value {
    let mut object = json!({
        "metadata": {"name": "o", "uid": "u", "resourceVersion": "7", "generation": 2},
        "spec": spec,
        "status": status,
    });
    if let Some(time) = deletion {
        object["metadata"]["deletionTimestamp"] = json!(time);
    }
    object
}

fn pods() -> BoxedStrategy<Case> {
    let policy = select(["Always", "OnFailure", "Never"].as_slice());
    policy
        .prop_flat_map(|policy| states(Order::Pod, pod(policy).boxed()))
        .boxed()
}

fn pod(policy: &'static str) -> impl Strategy<Value = Value> {
    let phase = select(
        [
            "",
            "Pending",
            "Running",
            "Running",
            "Succeeded",
            "Failed",
            "Banana",
        ]
        .as_slice(),
    );
    let conditions = conditions(&["PodScheduled", "Initialized", "Ready", "ContainersReady"]);
    let containers = (container("init"), container("web"));
    (phase, 0..3i64, deletion(), conditions, containers, time()).prop_map(
        move |(phase, epoch, deletion, conditions, (init, web), start)| {
            let spec = json!({
                "restartPolicy": policy,
                "nodeName": "n",
                "initContainers": [{"name": "init"}],
                "containers": [{"name": "web"}],
            });
            let status = json!({
                "phase": phase,
                "conditions": conditions,
                "startTime": start,
                "podIP": start.map(|time| time.len().to_string()),
                "initContainerStatuses": init,
                "containerStatuses": web,
            });
            let mut pod = object(deletion, spec, status);
            pod["metadata"]["annotations"] =
                json!({"stagewright.dev/sandbox-epoch": epoch.to_string()});
            pod
        },
    )
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let state = select(["none", "waiting", "running", "terminated", "back-off"].as_slice());
    (state, 0..2i64, 0..3i64, any::<bool>()).prop_map(move |(state, code, restarts, started)| {
        let end = json!({"terminated": {"exitCode": code}});
        let mut status = json!({"name": name, "restartCount": restarts, "started": started});
        match state {
            "none" => return json!([]),
            "waiting" => status["state"] = json!({"waiting": {}}),
            "running" => status["state"] = json!({"running": {}}),
            "terminated" => status["state"] = end,
            _ => {
                status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff"}});
                status["lastState"] = end;
            }
        }
        json!([status])
    })
}

fn node() -> impl Strategy<Value = Value> {
    (
        deletion(),
        conditions(&["Ready", "MemoryPressure"]),
        select(["", "a", "b"].as_slice()),
    )
        .prop_map(|(deletion, conditions, provider)| {
            object(
                deletion,
                json!({"providerID": provider}),
                json!({"conditions": conditions}),
            )
        })
}

fn job() -> impl Strategy<Value = Value> {
    let conditions = conditions(&["Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"]);
    (deletion(), conditions, 0..3i64, 0..3i64, time()).prop_map(|(deletion, conditions, failed, succeeded, start)| {
        let status = json!({"conditions": conditions, "failed": failed, "succeeded": succeeded, "startTime": start});
        object(deletion, json!({}), status)
    })
}

fn volume() -> impl Strategy<Value = Value> {
    let phase = select(
        [
            "",
            "Pending",
            "Available",
            "Bound",
            "Released",
            "Failed",
            "Banana",
        ]
        .as_slice(),
    );
    (deletion(), phase, select(["", "a", "b"].as_slice()), time()).prop_map(
        |(deletion, phase, claim, moved)| {
            let status = json!({"phase": phase, "lastPhaseTransitionTime": moved});
            object(deletion, json!({"claimRef": {"uid": claim}}), status)
        },
    )
}

fn phased(phases: &'static [&'static str]) -> impl Strategy<Value = Value> {
    (deletion(), select(phases))
        .prop_map(|(deletion, phase)| object(deletion, json!({}), json!({"phase": phase})))
}

fn custom() -> impl Strategy<Value = Value> {
    let phase = select(["", "A", "B", "C", "D", "E", "Banana"].as_slice());
    let parts = (
        deletion(),
        phase,
        0..4i64,
        0..3i64,
        0..3i64,
        conditions(&["Provisioned", "Ready"]),
    );
    parts.prop_map(
        |(deletion, phase, observed, epoch, collisions, conditions)| {
            let status = json!({
                "phase": phase,
                "observedGeneration": observed,
                "epoch": epoch,
                "collisionCount": collisions,
                "conditions": conditions,
            });
            object(deletion, json!({"replicas": epoch}), status)
        },
    )
}

/// Any graph of the five phases, cycles too.
fn declared() -> impl Strategy<Value = Order> {
    const PHASES: [&str; 5] = ["A", "B", "C", "D", "E"];
    let successors = proptest::collection::vec(select(PHASES.as_slice()), 0..3);
    let initial = proptest::option::of(select(PHASES.as_slice()));
    let epochs =
        proptest::sample::subsequence(vec!["/status/observedGeneration", "/status/epoch"], 0..=2);
    (proptest::collection::vec(successors, 5), initial, epochs).prop_map(
        |(graph, initial, epochs)| {
            let phases: serde_json::Map<String, Value> = PHASES
                .iter()
                .zip(graph)
                .map(|(phase, next)| ((*phase).to_owned(), json!(next)))
                .collect();
            let order = json!({
                "path": "/status/phase",
                "latches": ["Provisioned"],
                "initial": initial,
                "epochs": epochs,
                "phases": phases,
            });
            let order: DeclaredOrder = serde_json::from_value(order).unwrap();
            assert_eq!(order.validate(), Ok(()));
            Order::Declared(Arc::new(order))
        },
    )
}
