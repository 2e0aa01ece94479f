//! Stages as objects of the API server, and what a host that follows them has to do when they come, change and go. The same scenarios
//! run against the server in the box and against a real one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kube::Client;
use serde_json::{Value, json};

use crate::scenario::{
    Known, SOON, View, create, create_all, create_when_served, delete, merge, name, node, phase,
    pod, text,
};

/// What a change of a stage may take until a pod has moved. A good run takes a fifth of it; the machine may be busy.
pub const PROMPT: Duration = Duration::from_secs(3);

/// The definition of the kind, as far as these tests need it: KWOK's own has the fields of the spec.
#[must_use]
pub fn definition() -> Value {
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = json!({"name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": free, "status": free}}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "stages.kwok.x-k8s.io"},
        "spec": {"group": "kwok.x-k8s.io", "scope": "Cluster", "versions": [version],
            "names": {"kind": "Stage", "plural": "stages", "singular": "stage", "listKind": "StageList"}}})
}

/// A stage that takes pods from one phase to another, after so many milliseconds.
#[must_use]
pub fn stage(name: &str, (from, to): (&str, &str), delay: u64) -> Value {
    json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": {
        "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
        "selector": {"matchExpressions": [
            {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"},
            {"key": ".status.phase", "operator": "In", "values": [from]}]},
        "delay": {"durationMilliseconds": delay},
        "next": {"statusTemplate": format!("phase: {to}\n")}}})
}

/// A node and pods on it, which nothing moves but stages.
pub struct Stand {
    client: Client,
    namespace: String,
    pods: View,
}

impl Stand {
    /// A stand in a namespace, with a node of that name, which is in the group of that name.
    ///
    /// # Errors
    /// If the API server does not let us.
    pub async fn open(client: &Client, namespace: &str) -> Result<Self> {
        create(client, node(namespace, namespace)).await?;
        Ok(Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
            pods: View::open(client, "v1/Pod", Some(namespace)).await?,
        })
    }

    /// The pods.
    #[must_use]
    pub fn pods(&self) -> &View {
        &self.pods
    }

    /// A pod on the node.
    #[must_use]
    pub fn pod(&self, name: &str) -> Value {
        pod(&self.namespace, name, &self.namespace)
    }

    /// Creates pods with names that begin so.
    ///
    /// # Errors
    /// If the API server does not let us.
    pub async fn pods_of(&self, prefix: &str, count: usize) -> Result<Vec<Value>> {
        let pods = (0..count).map(|number| self.pod(&format!("{prefix}-{number}")));
        create_all(&self.client, pods).await
    }

    /// Creates a stage, as soon as the kind is served.
    ///
    /// # Errors
    /// If the API server does not let us.
    pub async fn add(&self, stage: Value) -> Result<Value> {
        create_when_served(&self.client, stage).await
    }

    /// Changes the spec of a stage.
    ///
    /// # Errors
    /// If the API server does not let us.
    pub async fn edit(&self, stage: &Value, spec: Value) -> Result<()> {
        merge(&self.client, stage, None, json!({ "spec": spec })).await?;
        Ok(())
    }

    /// Waits until all pods with names that begin so are in the phase.
    ///
    /// # Errors
    /// If they are not within that time.
    pub async fn until(&self, prefix: &str, wanted: &str, within: Duration) -> Result<Duration> {
        let begun = Instant::now();
        let what = format!("{prefix} {wanted}");
        let is_there = |known: &Known| {
            let mut of = of(known, prefix).peekable();
            of.peek().is_some() && of.all(|pod| phase(pod) == wanted)
        };
        self.pods.until(&what, within, is_there).await?;
        Ok(begun.elapsed())
    }

    /// Sees that pods with names that begin so stay in the phase for a while.
    ///
    /// # Errors
    /// If one does not.
    pub async fn stay(&self, prefix: &str, wanted: &str) -> Result<()> {
        let what = format!("{prefix} stays {wanted}");
        let is_there = |known: &Known| of(known, prefix).all(|pod| phase(pod) == wanted);
        self.pods
            .holds(&what, Duration::from_millis(1500), is_there)
            .await
    }
}

fn of<'a>(known: &'a Known, prefix: &'a str) -> impl Iterator<Item = &'a Value> {
    let pods = known.objects.values().map(|pod| &**pod);
    pods.filter(move |pod| name(pod).starts_with(prefix))
}

/// The condition that tells whether a stage counts.
fn loaded(stage: &Value) -> Option<&Value> {
    let conditions = stage.pointer("/status/conditions")?.as_array()?;
    let mut conditions = conditions.iter();
    conditions.find(|condition| text(condition, "/type") == "Loaded")
}

async fn until_loaded(stages: &View, stage: &str, status: &str) -> Result<Value> {
    let is_told = |known: &Known| {
        let condition = known.get(stage).and_then(loaded);
        condition.is_some_and(|condition| text(condition, "/status") == status)
    };
    let what = format!("stage {stage} with Loaded {status}");
    stages.until(&what, SOON, is_told).await?;
    let known = stages.now();
    let condition = known.get(stage).and_then(loaded);
    condition.cloned().context("a condition")
}

/// Stages that come, change and go move the pods that are there already, each within a moment. The host takes no stock plugin for pods.
///
/// # Errors
/// What did not happen.
pub async fn stages_come_change_and_go(client: &Client, namespace: &str) -> Result<()> {
    let stand = Stand::open(client, namespace).await?;
    stand.pods_of("a", 5).await?;
    stand.stay("a", "Pending").await?;
    let run = stand.add(stage("run", ("Pending", "Running"), 0)).await?;
    println!(
        "added: {:?}",
        stand.until("a", "Running", PROMPT + PROMPT).await?
    );
    let finish = stand
        .add(stage("finish", ("Running", "Succeeded"), 3_600_000))
        .await?;
    let stages = View::open(client, "kwok.x-k8s.io/v1alpha1/Stage", None).await?;
    until_loaded(&stages, "finish", "True").await?;
    stand.stay("a", "Running").await?;
    stand
        .edit(&finish, json!({"delay": {"durationMilliseconds": 0}}))
        .await?;
    println!(
        "changed: {:?}",
        stand.until("a", "Succeeded", PROMPT).await?
    );
    delete(client, &finish, None).await?;
    stages
        .until("one stage left", SOON, |known| known.len() == 1)
        .await?;
    // What comes after it in the feed has been taken in when this one is.
    let again = stand.add(stage("again", ("Never", "Running"), 0)).await?;
    until_loaded(&stages, "again", "True").await?;
    stand.pods_of("b", 5).await?;
    stand.until("b", "Running", SOON).await?;
    stand.stay("b", "Running").await?;
    // The last ones of their kind.
    for stage in [&run, &again] {
        delete(client, stage, None).await?;
    }
    let node = stage_of_nodes("marker");
    let node = stand.add(node).await?;
    until_loaded(&stages, "marker", "True").await?;
    stand.pods_of("c", 2).await?;
    stand.stay("c", "Pending").await?;
    let run = stand.add(stage("run", ("Pending", "Running"), 0)).await?;
    println!("anew: {:?}", stand.until("c", "Running", PROMPT).await?);
    for stage in [&run, &node] {
        delete(client, stage, None).await?;
    }
    Ok(())
}

/// Nothing happens to nodes by it.
fn stage_of_nodes(name: &str) -> Value {
    json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": {
        "resourceRef": {"apiGroup": "v1", "kind": "Node"},
        "selector": {"matchLabels": {"nobody": "has it"}}, "next": {"statusTemplate": "phase: Running"}}})
}

/// A stage that cannot be read is told so, and takes no other along.
///
/// # Errors
/// What did not happen.
pub async fn a_bad_stage_is_refused_alone(client: &Client, namespace: &str) -> Result<()> {
    let stand = Stand::open(client, namespace).await?;
    let stages = View::open(client, "kwok.x-k8s.io/v1alpha1/Stage", None).await?;
    let run = stand.add(stage("run", ("Pending", "Running"), 0)).await?;
    let mut broken = stage("finish", ("Running", "Succeeded"), 0);
    let key = broken.pointer_mut("/spec/selector/matchExpressions/1/key");
    *key.context("a key")? = json!(".status.phase | foo(");
    let broken = stand.add(broken).await?;
    let condition = until_loaded(&stages, "finish", "False").await?;
    let message = text(&condition, "/message");
    ensure!(
        text(&condition, "/reason") == "Refused"
            && message.contains("/spec/selector/matchExpressions/1"),
        "{condition}"
    );
    until_loaded(&stages, "run", "True").await?;
    stand.pods_of("a", 5).await?;
    stand.until("a", "Running", SOON).await?;
    stand.stay("a", "Running").await?;
    let writes = stages.now().history.len();
    let good = stage("finish", ("Running", "Succeeded"), 0);
    let spec = good.get("spec").cloned().context("a spec")?;
    stand.edit(&broken, spec).await?;
    println!("mended: {:?}", stand.until("a", "Succeeded", PROMPT).await?);
    until_loaded(&stages, "finish", "True").await?;
    stand.stay("a", "Succeeded").await?;
    // The edit, and the condition after it: nobody writes in a loop.
    let more = stages.now().history.len() - writes;
    ensure!(more == 2, "{more} versions of stages after one edit");
    for stage in [&run, &broken] {
        delete(client, stage, None).await?;
    }
    Ok(())
}
