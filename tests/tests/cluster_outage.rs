//! Our own outage: the host stops for so long that kube-controller-manager gives its nodes up, and comes back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::controlplane::Options;
use stagewright_tests::host::Host;
use stagewright_tests::scenario::{
    self, Company, Known, SOON, Scene, View, is_true, name, phase, set, text, uid,
};

/// How many pods there are on each node.
const PODS: usize = 10;

/// A pod is waited for so long before it starts. What comes back in less has not been started anew.
const START: u64 = 8;

/// How soon after the host everything must be back.
const BACK: Duration = Duration::from_secs(6);

fn main() {
    // As with the defaults of 50 s and 5 s, but in the time of a test.
    let shorter = ["--node-monitor-grace-period=8s", "--node-monitor-period=1s"];
    let company = Company {
        options: Options {
            controller_manager_arguments: shorter.map(str::to_owned).into(),
            ..Options::default()
        },
        host: None,
    };
    scenario::play_together(
        &[
            stagewright_tests::scenario!(a_paused_host_comes_back),
            stagewright_tests::scenario!(a_killed_host_comes_back),
        ],
        company,
    );
}

async fn a_paused_host_comes_back(scene: Scene) -> Result<()> {
    let host = scene.host(&arguments(&scene)).await?;
    let outage = Outage::prepare(&scene).await?;
    host.pause()?;
    outage.given_up().await?;
    let gone = outage.lose_a_node().await?;
    host.resume()?;
    outage.back(&gone).await
}

async fn a_killed_host_comes_back(scene: Scene) -> Result<()> {
    let host = scene.host(&arguments(&scene)).await?;
    let outage = Outage::prepare(&scene).await?;
    host.kill().await?;
    outage.given_up().await?;
    let gone = outage.lose_a_node().await?;
    let _host: Host = scene.host(&arguments(&scene)).await?;
    outage.back(&gone).await
}

fn arguments(scene: &Scene) -> Vec<String> {
    let mut arguments = scene.general();
    // A lease outlives no grace period, as with the defaults.
    arguments.push("--node-lease-duration-seconds=6".to_owned());
    arguments
}

struct Outage<'s> {
    scene: &'s Scene,
    nodes: View,
    pods: View,
    /// The pods as they were before.
    before: Vec<Value>,
}

impl<'s> Outage<'s> {
    /// Two nodes with pods that took their time to start, and are Ready.
    async fn prepare(scene: &'s Scene) -> Result<Self> {
        let pods = View::open(&scene.client, "v1/Pod", Some(&scene.name)).await?;
        let nodes = View::open(&scene.client, "v1/Node", None).await?;
        for node in ["stays", "goes"] {
            let node = format!("{}-{node}", scene.name);
            scene.ready_node(&node).await?;
            let delays = [("pod-create", 1), ("pod-ready", START), ("pod-delete", 1)];
            let objects = (0..PODS).map(|number| {
                let mut pod = scene.pod_with_delays(&format!("{node}-{number}"), &node, &delays);
                if number == 0 {
                    set(
                        &mut pod,
                        "metadata",
                        "finalizers",
                        json!(["example.com/hold"]),
                    );
                }
                pod
            });
            scenario::create_all(&scene.client, objects).await?;
        }
        pods.until("all Ready", SOON, |known| {
            known.all(2 * PODS, |pod| is_true(pod, "Ready"))
        })
        .await?;
        let before = pods
            .now()
            .objects
            .values()
            .map(|pod| Value::clone(pod))
            .collect();
        Ok(Self {
            scene,
            nodes,
            pods,
            before,
        })
    }

    fn node(&self, name: &str) -> String {
        format!("{}-{name}", self.scene.name)
    }

    /// Waits until the node lifecycle controller has marked the nodes Unknown and their pods not Ready (`MarkPodsNotReady`).
    async fn given_up(&self) -> Result<()> {
        let unknown = |known: &Known, name: &str| {
            let node = known.get(name).map(|node| ready(node).to_owned());
            node.as_deref() == Some("Unknown")
        };
        let both = [self.node("stays"), self.node("goes")];
        self.nodes
            .until("both nodes Unknown", SOON, |known| {
                both.iter().all(|name| unknown(known, name))
            })
            .await?;
        self.pods
            .until("all pods not Ready", SOON, |known| {
                known.all(2 * PODS, |pod| !is_true(pod, "Ready"))
            })
            .await
    }

    /// One of the nodes is deleted while nobody looks, and one of its pods is being deleted already. Answers its pods.
    async fn lose_a_node(&self) -> Result<Vec<Value>> {
        let goes = self.node("goes");
        let node = self.nodes.now().get(&goes).cloned().context("the node")?;
        let gone: Vec<Value> = self
            .before
            .iter()
            .filter(|pod| text(pod, "/spec/nodeName") == goes)
            .cloned()
            .collect();
        let deleted = gone.last().context("a pod")?;
        scenario::delete(&self.scene.client, deleted, Some(1)).await?;
        scenario::delete(&self.scene.client, &node, None).await?;
        Ok(gone)
    }

    /// Node and pods are Ready at once and as they were; the pods whose node went meanwhile are cleaned up.
    async fn back(&self, gone: &[Value]) -> Result<()> {
        let since = Instant::now();
        let stays = self.node("stays");
        let here = |pod: &Value| text(pod, "/spec/nodeName") == stays;
        self.nodes
            .until("the node Ready", BACK, |known| {
                known.get(&stays).is_some_and(|node| ready(node) == "True")
            })
            .await?;
        self.pods
            .until("its pods Ready", BACK, |known| {
                known.count(|pod| here(pod) && is_true(pod, "Ready")) == PODS
            })
            .await?;
        let took = since.elapsed();
        ensure!(took < BACK, "it took {took:?} until all was Ready");
        self.nothing_began_anew(&stays)?;

        let held =
            |pod: &Value| gone.iter().any(|other| uid(other) == uid(pod)) && phase(pod) == "Failed";
        self.pods
            .until(
                "the lost node's pods gone, but for the one that is held",
                2 * SOON,
                |known| {
                    known.count(|pod| !here(pod)) == known.count(held) && known.count(held) == 1
                },
            )
            .await?;
        let known = self
            .pods
            .now()
            .objects
            .values()
            .find(|pod| held(pod))
            .map(|pod| Value::clone(pod));
        let held = known.context("the pod that is held")?;
        scenario::merge(
            &self.scene.client,
            &held,
            None,
            json!({"metadata": {"finalizers": null}}),
        )
        .await?;
        self.pods
            .until("it gone too", SOON, |known| {
                known.get(name(&held)).is_none()
            })
            .await?;
        self.nothing_began_anew(&stays)
    }

    /// No pod of the node was restarted, replaced, or started once more, at any moment.
    fn nothing_began_anew(&self, node: &str) -> Result<()> {
        let known = self.pods.now();
        let mut looked = 0;
        for before in self
            .before
            .iter()
            .filter(|pod| text(pod, "/spec/nodeName") == node)
        {
            let mut versions = known.versions(uid(before));
            let from = versions.find(|seen| {
                seen.object.pointer("/metadata/resourceVersion")
                    == before.pointer("/metadata/resourceVersion")
            });
            ensure!(from.is_some(), "the watch saw {} as it was", name(before));
            for seen in versions {
                looked += 1;
                let same =
                    |at: &str| seen.object.pointer(at).cloned() == before.pointer(at).cloned();
                ensure!(
                    !seen.gone
                        && same("/status/startTime")
                        && same("/status/podIPs")
                        && same("/status/phase")
                        && started(&seen.object) == started(before),
                    "{} began anew: {}",
                    name(before),
                    seen.object
                );
            }
        }
        // Each was marked not Ready, and came back.
        ensure!(
            looked >= 2 * PODS,
            "{looked} versions of {PODS} pods since the outage"
        );
        Ok(())
    }
}

fn ready(node: &Value) -> &str {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    let ready = conditions.find(|condition| text(condition, "/type") == "Ready");
    ready.map_or("", |ready| text(ready, "/status"))
}

/// Of the only container: when this attempt began, how often it was restarted, and its id.
fn started(pod: &Value) -> Option<[Value; 3]> {
    let status = pod.pointer("/status/containerStatuses/0")?;
    let part = |at: &str| status.pointer(at).cloned().unwrap_or_default();
    Some([
        part("/state/running/startedAt"),
        part("/restartCount"),
        part("/containerID"),
    ])
}
