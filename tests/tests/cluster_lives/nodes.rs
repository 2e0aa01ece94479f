//! Nodes in trouble, and what the node lifecycle controller makes of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{
    self, SOON, Scene, View, is_true, name, phase, set, text, uid, version,
};

use super::support::{OURS, condition, ever, node, nodes, pod, says, taints, until, view};

/// What the plugin `node` is asked for.
async fn ask(scene: &Scene, node: &Value, name: &str, value: Value) -> Result<Value> {
    let key = format!("stagewright.dev/node.{name}");
    scenario::merge(
        &scene.client,
        node,
        None,
        json!({"metadata": {"annotations": {key: value}}}),
    )
    .await
}

async fn first_node(scene: &Scene) -> Result<(View, Value)> {
    let nodes = nodes(scene, 1).await?;
    let view = View::open(&scene.client, "v1/Node", None).await?;
    Ok((view, nodes.into_iter().next().context("a node")?))
}

/// Pressure becomes a taint, which keeps the scheduler away (`nodeConditionToTaintKeyStatusMap` in node_lifecycle_controller.go), and
/// both go together.
pub async fn pressure_taints_the_node_while_it_lasts(scene: Scene) -> Result<()> {
    let (view_of_nodes, node) = first_node(&scene).await?;
    let pods = view(&scene, "v1/Pod").await?;
    ask(
        &scene,
        &node,
        "pressure",
        "memory, disk, pid, network".into(),
    )
    .await?;
    let tainted = until(&view_of_nodes, name(&node), "tainted", |node| {
        taints(node).len() == 4
    })
    .await?;
    let mut keys = taints(&tainted);
    keys.sort();
    let expected = [
        "disk-pressure",
        "memory-pressure",
        "network-unavailable",
        "pid-pressure",
    ];
    ensure!(
        keys == expected.map(|key| format!("node.kubernetes.io/{key}:NoSchedule")),
        "{keys:?}"
    );
    ensure!(
        says(&tainted, "MemoryPressure") == "True/KubeletHasInsufficientMemory"
            && is_true(&tainted, "Ready"),
        "{tainted}"
    );
    let guaranteed = json!({"containers": [{"name": "main", "image": "example.com/main:1", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]});
    scenario::create(&scene.client, pod(&scene, "web", &[], guaranteed)).await?;
    until(&pods, "web", "refused", |pod| {
        says(pod, "PodScheduled") == "False/Unschedulable"
    })
    .await?;
    ask(&scene, &node, "pressure", Value::Null).await?;
    let calm = until(&view_of_nodes, name(&node), "free of taints", |node| {
        taints(node).is_empty()
    })
    .await?;
    ensure!(
        says(&calm, "MemoryPressure") == "False/KubeletHasSufficientMemory",
        "{calm}"
    );
    until(&pods, "web", "Ready", |pod| is_true(pod, "Ready"))
        .await
        .map(drop)
}

/// NotReady on demand: the controllers taint the node and evict the pod that tolerates it for a second only. The other goes on as it
/// was (they mark pods not Ready only of nodes whose kubelet is silent: `monitorNodeHealth` in node_lifecycle_controller.go), also when
/// the node is back.
pub async fn a_node_that_is_not_ready_is_tainted_emptied_and_recovers(scene: Scene) -> Result<()> {
    let (view_of_nodes, node) = first_node(&scene).await?;
    let pods = view(&scene, "v1/Pod").await?;
    let tolerates = |seconds: Option<u32>| {
        let mut toleration = json!({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"});
        if let (Some(seconds), Some(toleration)) = (seconds, toleration.as_object_mut()) {
            toleration.insert("tolerationSeconds".into(), seconds.into());
        }
        json!({"tolerations": [toleration]})
    };
    let stays = scenario::create(&scene.client, pod(&scene, "stays", &[], tolerates(None))).await?;
    let goes =
        scenario::create(&scene.client, pod(&scene, "goes", &[], tolerates(Some(1)))).await?;
    pods.until("both Ready", SOON, |known| {
        known.all(2, |pod| is_true(pod, "Ready"))
    })
    .await?;
    let before = pods.now().get("stays").cloned().unwrap_or_default();

    ask(&scene, &node, "not-ready", "KernelDeadlock".into()).await?;
    let down = until(&view_of_nodes, name(&node), "tainted", |node| {
        taints(node).contains(&"node.kubernetes.io/not-ready:NoExecute".to_owned())
    })
    .await?;
    ensure!(says(&down, "Ready") == "False/KernelDeadlock", "{down}");
    pods.until("one evicted", SOON, |known| {
        known.all(1, |pod| name(pod) == "stays")
    })
    .await?;
    let evicted = |pod: &Value| says(pod, "DisruptionTarget") == "True/DeletionByTaintManager";
    ensure!(
        ever(&pods.now(), uid(&goes), evicted),
        "the taint manager left its mark"
    );

    ask(&scene, &node, "not-ready", Value::Null).await?;
    until(&view_of_nodes, name(&node), "back", |node| {
        is_true(node, "Ready") && taints(node).is_empty()
    })
    .await?;
    let after = until(&pods, "stays", "there", |_| true).await?;
    ensure!(
        uid(&after) == uid(&stays) && after.pointer("/status") == before.pointer("/status"),
        "it is as it was: {after}"
    );
    Ok(())
}

/// Ready and not, again and again: each turn has its own time, and nothing else of the node moves.
pub async fn a_node_flaps(scene: Scene) -> Result<()> {
    let (view, node) = first_node(&scene).await?;
    ask(&scene, &node, "flap", "3s/2s".into()).await?;
    let flaps = |known: &scenario::Known| {
        let mut turns: Vec<(String, String)> = known
            .versions(uid(&node))
            .map(|seen| condition(&seen.object, "Ready"))
            .map(|ready| {
                (
                    text(ready, "/status").to_owned(),
                    text(ready, "/lastTransitionTime").to_owned(),
                )
            })
            .collect();
        turns.dedup();
        turns
            .windows(2)
            .filter(|pair| pair[0].0 != pair[1].0 && pair[0].1 < pair[1].1)
            .count()
    };
    view.until("four turns", SOON, |known| flaps(known) >= 4)
        .await?;
    ask(&scene, &node, "flap", Value::Null).await?;
    until(&view, name(&node), "Ready for good", |node| {
        is_true(node, "Ready") && taints(node).is_empty()
    })
    .await?;
    view.holds("it stays Ready", Duration::from_secs(6), |known| {
        known
            .get(name(&node))
            .is_some_and(|node| is_true(node, "Ready"))
    })
    .await
}

/// What the maker of a node says stays: capacity, images, addresses, taints, and the cordon.
pub async fn what_a_node_was_given_stays(scene: Scene) -> Result<()> {
    let name = format!("{}-given", scene.name);
    let mut given = node(&scene, &name);
    let taint = json!({"key": "example.com/owned", "value": "yes", "effect": "NoExecute"});
    let status = json!({"capacity": {"cpu": "7", "memory": "9Gi", "pods": "3", "example.com/gpu": "2"},
        "images": [{"names": ["example.com/big:1"], "sizeBytes": 123_456}], "addresses": [{"type": "InternalIP", "address": "192.0.2.7"}]});
    if let Some(given) = given.as_object_mut() {
        given.insert(
            "spec".into(),
            json!({"unschedulable": true, "taints": [taint]}),
        );
        given.insert("status".into(), status.clone());
    }
    let view = View::open(&scene.client, "v1/Node", None).await?;
    let created = scenario::create(&scene.client, given).await?;
    let mine = |node: &Value| {
        let taints = taints(node);
        [
            "example.com/owned:NoExecute",
            "node.kubernetes.io/unschedulable:NoSchedule",
        ]
        .iter()
        .all(|taint| taints.contains(&(*taint).to_owned()))
    };
    let ready = until(&view, &name, "Ready", |node| {
        is_true(node, "Ready") && mine(node) && taints(node).len() == 2
    })
    .await?;
    for field in ["capacity", "images"] {
        let field = format!("/{field}");
        ensure!(
            ready.pointer(&format!("/status{field}")) == status.pointer(&field),
            "{ready}"
        );
    }
    ensure!(
        text(&ready, "/status/addresses/0/address") == "192.0.2.7"
            && text(&ready, "/status/allocatable/cpu") == "7",
        "{ready}"
    );
    ask(&scene, &created, "pressure", "disk".into()).await?;
    until(&view, &name, "under pressure", |node| {
        is_true(node, "DiskPressure")
    })
    .await?;
    ask(&scene, &created, "pressure", Value::Null).await?;
    let calm = until(&view, &name, "calm", |node| {
        !is_true(node, "DiskPressure") && taints(node).len() == 2
    })
    .await?;
    ensure!(
        mine(&calm) && calm.pointer("/spec/unschedulable") == Some(&true.into()),
        "{calm}"
    );
    scenario::merge(
        &scene.client,
        &created,
        None,
        json!({"spec": {"unschedulable": null}}),
    )
    .await?;
    until(&view, &name, "open but for its taint", |node| {
        taints(node) == ["example.com/owned:NoExecute"]
    })
    .await
    .map(drop)
}

/// A node that gets its annotation late is taken with the pods that wait on it; one that loses it is left alone, it and its pods.
pub async fn a_node_is_annotated_late_and_released(scene: Scene) -> Result<()> {
    let name = format!("{}-late", scene.name);
    let view_of_nodes = View::open(&scene.client, "v1/Node", None).await?;
    let pods = view(&scene, "v1/Pod").await?;
    let created = scenario::create(&scene.client, scenario::node(&name, &scene.name)).await?;
    scenario::create(&scene.client, scenario::pod(&scene.name, "first", &name)).await?;
    pods.holds("nobody serves it", Duration::from_secs(3), |known| {
        known.count(|pod| !text(pod, "/status/podIP").is_empty()) == 0
    })
    .await?;
    ensure!(
        says(view_of_nodes.now().get(&name).context("the node")?, "Ready") != "True/KubeletReady",
        "nobody serves it"
    );
    let annotated = |value: Value| json!({"metadata": {"annotations": {OURS: value}}});
    scenario::merge(&scene.client, &created, None, annotated("fake".into())).await?;
    until(&view_of_nodes, &name, "Ready", |node| {
        is_true(node, "Ready")
    })
    .await?;
    until(&pods, "first", "Ready", |pod| is_true(pod, "Ready")).await?;

    scenario::merge(&scene.client, &created, None, annotated(Value::Null)).await?;
    // What the host had sent before it heard of that is on the server before it has made another node Ready.
    let mut sentinel = node(&scene, &format!("{}-sentinel", scene.name));
    set(
        &mut sentinel,
        "metadata",
        "labels",
        json!({"group": "nobody"}),
    );
    let sentinel = scenario::create(&scene.client, sentinel).await?;
    let heard = until(&view_of_nodes, scenario::name(&sentinel), "Ready", |node| {
        is_true(node, "Ready")
    })
    .await?;
    scenario::create(&scene.client, scenario::pod(&scene.name, "second", &name)).await?;
    pods.holds("it is nobody's again", Duration::from_secs(3), |known| {
        let second = known.get("second");
        let first = known
            .get("first")
            .is_some_and(|pod| phase(pod) == "Running" && version(pod) < version(&heard));
        first && second.is_none_or(|pod| text(pod, "/status/podIP").is_empty())
    })
    .await
}
