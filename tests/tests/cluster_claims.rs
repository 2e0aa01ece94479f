//! Never somebody else's: what leaves the selection, what a kubelet has, and what no API write created.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::api::ListParams;
use serde_json::{Value, json};
use stagewright_tests::scenario::{
    self, Known, SOON, Scene, View, is_true, name, node, phase, pod, text, uid, version,
};
use tokio::task::JoinHandle;

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(a_new_node_is_kept_until_its_lease_is_had),
        stagewright_tests::scenario!(a_node_that_loses_its_label_takes_1000_pending_pods_with_it),
        stagewright_tests::scenario!(mirror_pods_are_never_touched),
        stagewright_tests::scenario!(a_real_node_and_its_pods_are_never_touched),
        stagewright_tests::scenario!(a_dry_run_tells_what_it_would_do_and_does_nothing),
    ]);
}

fn has_address(pod: &Value) -> bool {
    !text(pod, "/status/podIP").is_empty()
}

/// What a node looks like is known when its lease comes: nobody asks the server for it once more.
async fn a_new_node_is_kept_until_its_lease_is_had(scene: Scene) -> Result<()> {
    let host = scene.host(&scene.selected()).await?;
    for number in 0..5 {
        scene.ready_node(&format!("new-{number}")).await?;
    }
    let metrics = host.metrics().await?;
    let requests = |verb: &str, resource: &str| {
        let labels = format!("{{verb=\"{verb}\",resource=\"{resource}\"");
        let mut lines = metrics.lines();
        lines.find(|line| line.starts_with(&format!("stagewright_requests_total{labels}")))
    };
    ensure!(
        requests("create", "leases").is_some() && requests("patch", "nodes/status").is_some(),
        "requests are counted otherwise: {metrics}"
    );
    let read = requests("get", "nodes");
    ensure!(read.is_none(), "nodes were read: {read:?}");
    Ok(())
}

/// 1,000 pods wait for their first stage when their node leaves the selection; none is written to until it comes back.
async fn a_node_that_loses_its_label_takes_1000_pending_pods_with_it(scene: Scene) -> Result<()> {
    let _host = scene.host(&scene.general()).await?;
    let node = scene.ready_node("leaving").await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    // Spread around the moment of the loss: some are just due, most become due after it.
    let objects = (0..1000).map(|number| {
        let delay = 15 + number % 8;
        scene.pod_with_delays(
            &format!("pod-{number}"),
            "leaving",
            &[("pod-create", delay), ("pod-ready", 600)],
        )
    });
    scenario::create_all(&scene.client, objects).await?;
    pods.until("1,000 pods", SOON, |known| known.len() == 1000)
        .await?;
    let lost = scenario::merge(
        &scene.client,
        &node,
        None,
        json!({"metadata": {"labels": {"group": "others"}}}),
    )
    .await?;
    // The host hears of it by its watch. What it had sent before that is on the server before it has made another node Ready.
    let heard = scene.caught_up().await?;
    let started_late = |known: &Known| known.count(|pod| has_address(pod) && version(pod) > heard);
    ensure!(
        pods.now().count(has_address) < 900,
        "too few pods were pending when the node lost its label"
    );
    pods.holds(
        "no pod of the lost node starts",
        Duration::from_secs(15),
        |known| started_late(known) == 0,
    )
    .await?;
    let pending = pods.now().count(|pod| !has_address(pod));
    ensure!(pending >= 100, "{pending} pods are still pending");
    let now = scenario::read(&scene.client, &node).await?;
    ensure!(
        version(&now) == version(&lost) || !written_by_host(&now, &lost),
        "the host wrote to the node it had lost: {now}"
    );

    scenario::merge(
        &scene.client,
        &node,
        None,
        json!({"metadata": {"labels": {"group": scene.name}}}),
    )
    .await?;
    pods.until("the rest started when the node came back", SOON, |known| {
        known.all(1000, has_address)
    })
    .await
}

/// Whether the host's own writes differ between the two versions.
fn written_by_host(now: &Value, then: &Value) -> bool {
    let times = |node: &Value| {
        let fields = node
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        fields
            .into_iter()
            .filter(|entry| text(entry, "/manager") == "stagewright")
            .collect::<Vec<_>>()
    };
    times(now) != times(then)
}

/// Static pods' mirrors are the kubelet's, whatever node they are on.
async fn mirror_pods_are_never_touched(scene: Scene) -> Result<()> {
    let host = scene.host(&scene.selected()).await?;
    scene.ready_node("mirrored").await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let mirrors = (0..10).map(|number| {
        let mut pod = pod(&scene.name, &format!("mirror-{number}"), "mirrored");
        scenario::set(
            &mut pod,
            "metadata",
            "annotations",
            json!({"kubernetes.io/config.mirror": "abc", "kubernetes.io/config.source": "file"}),
        );
        pod
    });
    let mirrors = scenario::create_all(&scene.client, mirrors).await?;
    let others = (0..10).map(|number| pod(&scene.name, &format!("pod-{number}"), "mirrored"));
    scenario::create_all(&scene.client, others).await?;
    pods.until("the others Running", SOON, |known| {
        known.count(|pod| phase(pod) == "Running") == 10
    })
    .await?;
    let deleted = mirrors.first().context("a mirror")?;
    scenario::delete(&scene.client, deleted, Some(30)).await?;
    let untouched = |known: &Known| {
        mirrors.iter().all(|mirror| {
            known
                .get(name(mirror))
                .is_some_and(|now| phase(now) == "Pending" && !has_address(now))
        })
    };
    pods.holds(
        "no mirror pod is written to or deleted",
        Duration::from_secs(5),
        untouched,
    )
    .await?;
    let explained = host
        .explain_text("pod", Some(&scene.name), "mirror-1")
        .await?;
    ensure!(
        explained.to_lowercase().contains("mirror"),
        "explain does not say why a mirror pod is left alone:\n{explained}"
    );
    scenario::delete_all(&scene.client, &mirrors, Some(0)).await
}

/// A node whose Lease a kubelet renews, beside one of ours, with all nodes selected.
async fn a_real_node_and_its_pods_are_never_touched(scene: Scene) -> Result<()> {
    let client = &scene.client;
    let real = scenario::create(client, node("real", &scene.name)).await?;
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]}});
    scenario::merge(client, &real, Some("status"), ready).await?;
    let kubelet = Kubelet::start(&scene, &real).await?;
    let real_pods: Vec<Value> = (0..10)
        .map(|number| pod(&scene.name, &format!("real-{number}"), "real"))
        .collect();
    let real_pods = scenario::create_all(client, real_pods).await?;
    let before = scenario::read(client, &real).await?;

    let host = scene.host(&["--manage-all-nodes"]).await?;
    scene.ready_node("simulated").await?;
    let pods = View::open(client, "v1/Pod", Some(&scene.name)).await?;
    let others = (0..10).map(|number| pod(&scene.name, &format!("pod-{number}"), "simulated"));
    scenario::create_all(client, others).await?;
    pods.until("the simulated node's pods Running", SOON, |known| {
        known.count(|pod| phase(pod) == "Running") == 10
    })
    .await?;
    let deleted = real_pods.first().context("a pod")?;
    scenario::delete(client, deleted, Some(30)).await?;
    let untouched = |known: &Known| {
        let mut pods = real_pods.iter().filter_map(|pod| {
            known
                .get(name(pod))
                .map(|now| uid(now) == uid(pod) && phase(now) == "Pending" && !has_address(now))
        });
        known.count(|pod| text(pod, "/spec/nodeName") == "real") == 10
            && pods.all(|untouched| untouched)
    };
    pods.holds(
        "no pod of the real node is written to or deleted",
        Duration::from_secs(8),
        untouched,
    )
    .await?;
    let now = scenario::read(client, &real).await?;
    ensure!(
        is_true(&now, "Ready") && !written_by_host(&now, &before),
        "the host wrote to a kubelet's node: {now}"
    );
    ensure!(
        kubelet.holds_its_lease().await?,
        "the host took a kubelet's lease"
    );
    let explained = host.explain_text("node", None, "real").await?;
    ensure!(
        explained.to_lowercase().contains("kubelet"),
        "explain does not say whose the node is:\n{explained}"
    );
    scenario::delete_all(client, &real_pods, Some(0)).await?;
    scenario::delete(client, &real, Some(0)).await
}

/// A node's Lease, renewed as a kubelet renews it.
struct Kubelet {
    client: kube::Client,
    lease: Value,
    task: JoinHandle<()>,
}

impl Kubelet {
    async fn start(scene: &Scene, node: &Value) -> Result<Self> {
        scene.plane.namespace("kube-node-lease").await?;
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": name(node), "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": name(node), "leaseDurationSeconds": 40, "renewTime": scenario::now_micros()}});
        let lease = scenario::create(&scene.client, lease).await?;
        let (client, renewed) = (scene.client.clone(), lease.clone());
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(2));
            loop {
                ticks.tick().await;
                drop(
                    scenario::merge(
                        &client,
                        &renewed,
                        None,
                        json!({"spec": {"renewTime": scenario::now_micros()}}),
                    )
                    .await,
                );
            }
        });
        Ok(Self {
            client: scene.client.clone(),
            lease,
            task,
        })
    }

    async fn holds_its_lease(&self) -> Result<bool> {
        let now = scenario::read(&self.client, &self.lease).await?;
        Ok(text(&now, "/spec/holderIdentity") == name(&self.lease))
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One play that would be written and one that would be refused, told in the log; nothing is written, no Lease, and no Event.
async fn a_dry_run_tells_what_it_would_do_and_does_nothing(scene: Scene) -> Result<()> {
    let plugin = scenario::component("hostile")?;
    let mut arguments = scene.selected();
    let settings = json!({"behave": "play-uid", "subject": {"selector": "refused=yes"}});
    arguments.extend([
        "--dry-run".to_owned(),
        "--node-lease-duration-seconds=40".to_owned(),
        format!("--plugin={}", plugin.display()),
        format!("--settings=hostile={settings}"),
    ]);
    let host = scene.host(&arguments).await?;
    let written = scenario::create(&scene.client, node("dry", &scene.name)).await?;
    let mut refused = pod(&scene.name, "refused", "dry");
    scenario::set(
        &mut refused,
        "metadata",
        "labels",
        json!({"refused": "yes"}),
    );
    let admitted = pod(&scene.name, "admitted", "dry");
    let created = scenario::create_all(&scene.client, [admitted, refused]).await?;
    let tells = |log: &str, words: [&str; 2]| {
        log.lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    };
    for words in [
        ["would write", "admitted"],
        ["would write", "dry"],
        ["IdentityChanged", "refused"],
    ] {
        host.until_log(&words.join(" and "), SOON, |log| tells(log, words))
            .await?;
    }
    // The real controllers write too; what was written says who did it.
    let is_ours = |object: &Value| object.to_string().contains(r#""stagewright""#);
    for object in created.iter().chain([&written]) {
        let now = scenario::read(&scene.client, object).await?;
        ensure!(!is_ours(&now), "it was written to: {now}");
    }
    for (kind, namespace) in [
        ("v1/Event", &*scene.name),
        ("coordination.k8s.io/v1/Lease", "kube-node-lease"),
    ] {
        let all = scenario::api(&scene.client, kind, Some(namespace))?;
        for object in all.list(&ListParams::default()).await? {
            let object = serde_json::to_value(object)?;
            let is_the_nodes = name(&object) == "dry";
            ensure!(
                !is_the_nodes && (kind != "v1/Event" || !is_ours(&object)),
                "{object}"
            );
        }
    }
    let metrics = host.metrics().await?;
    let is_write = |line: &&str| {
        let verbs = ["create", "update", "patch", "delete"];
        line.starts_with("stagewright_requests_total")
            && verbs
                .iter()
                .any(|verb| line.contains(&format!("verb=\"{verb}\"")))
    };
    let sent = metrics.lines().find(is_write);
    ensure!(sent.is_none(), "a write was sent: {sent:?}");
    Ok(())
}
