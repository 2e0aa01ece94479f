//! What a cluster's own controllers make runs to its end: a Deployment placed by the real scheduler, and a Job.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::promise::Promise;
use stagewright_tests::scenario::{self, SOON, Scene, View, is_true, name, node, phase, text};

/// How long the controller manager, the scheduler and the host may take together for 500 pods on a busy machine.
const MINUTES: Duration = Duration::from_secs(180);

/// How many seconds a host may take from its start to the first decision.
const PROMISED: f64 = 1.0;

fn main() {
    scenario::play(&[
        stagewright_tests::scenario!(the_first_decision_comes_within_a_second),
        stagewright_tests::scenario!(deployment_runs_rolls_and_goes),
        stagewright_tests::scenario!(job_completes_and_its_pods_and_finalizers_go),
    ]);
}

fn is_running(pod: &Value) -> bool {
    phase(pod) == "Running" && is_true(pod, "Ready")
}

fn count(object: &Value, field: &str) -> u64 {
    object
        .pointer(&format!("/status/{field}"))
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

/// On a cluster with nothing but a node, a host asks a plugin within a second of its start, by its own count.
async fn the_first_decision_comes_within_a_second(scene: Scene) -> Result<()> {
    let nodes = View::open(&scene.client, "v1/Node", None).await?;
    let mut promise = Promise::of(PROMISED);
    while let Some(number) = promise.next_start()? {
        // A node of its own for each start: nobody holds its lease.
        let alone = format!("alone-{number}");
        let created = scenario::create(&scene.client, node(&alone, &scene.name)).await?;
        let host = scene.host(&scene.selected()).await?;
        nodes
            .until("the node Ready", SOON, |known| {
                known.get(&alone).is_some_and(|node| is_true(node, "Ready"))
            })
            .await?;
        let seconds = host
            .metric("stagewright_first_decision_seconds", &[])
            .await?;
        ensure!(seconds > 0.0, "the node is Ready and nobody was asked");
        promise.took(seconds, host.cpu()?.as_secs_f64())?;
        host.kill().await?;
        scenario::delete(&scene.client, &created, Some(0)).await?;
    }
    promise.verdict().context("the first decision")
}

/// 50 nodes that the scheduler can use, all Ready.
async fn nodes(scene: &Scene) -> Result<()> {
    let nodes = View::open(&scene.client, "v1/Node", None).await?;
    let group = &scene.name;
    scenario::create_all(
        &scene.client,
        (0..50).map(|number| node(&format!("{group}-{number}"), group)),
    )
    .await?;
    let ours = |node: &Value| text(node, "/metadata/labels/group") == group;
    nodes
        .until("50 nodes Ready", SOON, |known| {
            known.count(|node| ours(node) && is_true(node, "Ready")) == 50
        })
        .await
}

fn template(scene: &Scene, image: &str) -> Value {
    json!({"metadata": {"labels": {"app": scene.name}},
        "spec": {"nodeSelector": {"group": scene.name}, "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": image}]}})
}

/// A Deployment of 500 replicas over 50 nodes: all Running and Available, a rolling update, a scale to 0.
async fn deployment_runs_rolls_and_goes(scene: Scene) -> Result<()> {
    let _host = scene.host(&scene.selected()).await?;
    nodes(&scene).await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let deployments = View::open(&scene.client, "apps/v1/Deployment", Some(&scene.name)).await?;
    let available = |generation: u64| {
        move |deployment: &Value| {
            [
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
            ]
            .map(|field| count(deployment, field))
                == [500; 4]
                && count(deployment, "observedGeneration") >= generation
        }
    };

    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": scene.name},
        "spec": {"replicas": 500, "selector": {"matchLabels": {"app": scene.name}}, "template": template(&scene, "example.com/web:1")}});
    let deployment = scenario::create(&scene.client, deployment).await?;
    deployments
        .until("500 replicas available", MINUTES, |known| {
            known.all(1, available(1))
        })
        .await?;
    pods.until("500 pods Running and Ready", SOON, |known| {
        known.all(500, is_running)
    })
    .await?;
    spread(&pods)?;

    let image = json!({"spec": {"template": template(&scene, "example.com/web:2")}});
    scenario::merge(&scene.client, &deployment, None, image).await?;
    deployments
        .until("the update rolled out", MINUTES, |known| {
            known.all(1, available(2))
        })
        .await?;
    let is_new = |pod: &Value| {
        is_running(pod) && text(pod, "/status/containerStatuses/0/image") == "example.com/web:2"
    };
    pods.until("500 new pods and no old one", MINUTES, |known| {
        known.all(500, is_new)
    })
    .await?;
    spread(&pods)?;

    scenario::merge(
        &scene.client,
        &deployment,
        None,
        json!({"spec": {"replicas": 0}}),
    )
    .await?;
    pods.until("no pod left", MINUTES, |known| known.is_empty())
        .await?;
    deployments
        .until("0 replicas", SOON, |known| {
            known.all(1, |deployment| count(deployment, "replicas") == 0)
        })
        .await
}

/// Every node has pods, and every pod an address of its own.
fn spread(pods: &View) -> Result<()> {
    let known = pods.now();
    let mut nodes = BTreeMap::<&str, usize>::new();
    let mut addresses = BTreeSet::new();
    for pod in known.objects.values() {
        *nodes.entry(text(pod, "/spec/nodeName")).or_default() += 1;
        ensure!(
            addresses.insert(text(pod, "/status/podIP")),
            "{} has another pod's address {}",
            name(pod),
            text(pod, "/status/podIP")
        );
        ensure!(
            !text(pod, "/status/hostIP").is_empty(),
            "{} has no hostIP",
            name(pod)
        );
    }
    ensure!(
        nodes.len() == 50,
        "the scheduler used {} of 50 nodes: {nodes:?}",
        nodes.len()
    );
    Ok(())
}

/// 100 completions, 20 at a time; the Job's tracking finalizers and, with the Job, its pods go.
async fn job_completes_and_its_pods_and_finalizers_go(scene: Scene) -> Result<()> {
    let _host = scene.host(&scene.selected()).await?;
    nodes(&scene).await?;
    let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
    let jobs = View::open(&scene.client, "batch/v1/Job", Some(&scene.name)).await?;
    let mut template = template(&scene, "example.com/work:1");
    if let Some(spec) = template.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.insert("restartPolicy".into(), "Never".into());
    }
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work", "namespace": scene.name},
        "spec": {"completions": 100, "parallelism": 20, "template": template}});
    let job = scenario::create(&scene.client, job).await?;
    jobs.until("the Job complete", MINUTES, |known| {
        known.all(1, |job| is_true(job, "Complete"))
    })
    .await?;
    ensure!(
        jobs.now().get("work").map(|job| count(job, "succeeded")) == Some(100),
        "100 pods succeeded"
    );
    let is_done =
        |pod: &Value| phase(pod) == "Succeeded" && pod.pointer("/metadata/finalizers").is_none();
    pods.until("100 pods Succeeded without finalizers", SOON, |known| {
        known.all(100, is_done)
    })
    .await?;
    let most = most_at_once(&pods);
    ensure!(
        most <= 20,
        "{most} pods of the Job were there unfinished at once"
    );

    scenario::delete(&scene.client, &job, None).await?;
    jobs.until("the Job gone", SOON, |known| known.is_empty())
        .await?;
    pods.until("its pods gone", SOON, |known| known.is_empty())
        .await
}

/// The most unfinished pods at any moment of the watch.
fn most_at_once(pods: &View) -> usize {
    let known = pods.now();
    let (mut unfinished, mut most) = (BTreeSet::new(), 0);
    for seen in &known.history {
        match seen.gone || phase(&seen.object) == "Succeeded" {
            true => unfinished.remove(name(&seen.object)),
            false => unfinished.insert(name(&seen.object)),
        };
        most = most.max(unfinished.len());
    }
    most
}
