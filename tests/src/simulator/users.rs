//! The users of a world: they create, delete, replace, touch, bind, fail and cordon, whatever the hosts make of it.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::dice::Dice;
use super::ledger::{Sender, Sent, Tap, request};
use super::pods;
use crate::scenario::text;

const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

/// Everybody who writes and is no host.
pub struct Users {
    tap: Tap,
    dice: Dice,
    sent: Sent,
    /// How many names pods have.
    names: u64,
    nodes: Vec<String>,
    /// How many pods there were so far: tells one from its namesakes.
    round: u64,
}

impl Users {
    /// Users who have not done anything yet.
    #[must_use]
    pub fn new(tap: Tap, dice: Dice, names: u64, nodes: Vec<String>) -> Self {
        let sent = Sent {
            sender: Sender::World,
            name: Arc::from("user"),
            uid: None,
        };
        Self {
            tap,
            dice,
            sent,
            names,
            nodes,
            round: 0,
        }
    }

    /// At work until then.
    pub async fn work(&mut self, until: Instant) {
        while Instant::now() < until {
            // In bursts, as users of schedulers do.
            for _ in 0..self.dice.number(1..=4) {
                self.act();
            }
            sleep(self.dice.millis(50..=1_500)).await;
        }
    }

    /// Creates so many pods at once, and no more.
    pub fn create_all(&mut self) {
        for number in 0..self.names {
            self.create(&format!("p{number}"));
        }
    }

    /// Creates a node.
    pub fn node(&mut self, name: &str, labels: &Value) {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}});
        self.send(Method::POST, "/api/v1/nodes", JSON, &node);
    }

    /// Creates a ConfigMap that is at its beginning.
    pub fn config_map(&mut self, name: &str) {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"},
            "data": {"phase": "Queued"}});
        self.send(
            Method::POST,
            "/api/v1/namespaces/default/configmaps",
            JSON,
            &map,
        );
    }

    /// A kubelet's lease on a node, for a long time.
    pub fn kubelet(&mut self, node: &str, now: &str) {
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": node, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": node, "leaseDurationSeconds": 36_000, "renewTime": now}});
        let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        self.send(Method::POST, path, JSON, &lease);
    }

    fn act(&mut self) {
        let name = format!("p{}", self.dice.number(0..=self.names.saturating_sub(1)));
        let pod = self.tap.object(&format!("Pod default/{name}"));
        match (self.dice.number(0..=99), pod) {
            (80..=89, _) => self.touch_node(),
            (90..=96, _) => self.cordon(),
            (97.., _) => self.replace_node(),
            (_, None) => self.create(&name),
            (0..=15, Some(pod)) => self.delete(&pod),
            (16..=27, Some(pod)) => self.replace(&pod),
            (28..=49, Some(pod)) => self.touch(&pod),
            (50..=54, Some(pod)) => self.status(
                &pod,
                &json!({"status": {"phase": "Failed", "reason": "Evicted"}}),
            ),
            (55..=66, Some(pod)) => self.bind(&pod),
            (_, Some(pod)) => self.release(&pod),
        }
    }

    fn create(&mut self, name: &str) {
        self.round += 1;
        let pod = pods::draw(&mut self.dice, name, self.round, &self.nodes);
        self.send(Method::POST, "/api/v1/namespaces/default/pods", JSON, &pod);
    }

    fn delete(&mut self, pod: &Value) {
        let options = match self.dice.number(0..=3) {
            0 => json!({}),
            1 => json!({"gracePeriodSeconds": 0}),
            2 => json!({"gracePeriodSeconds": 1}),
            _ => {
                json!({"gracePeriodSeconds": 30, "preconditions": {"uid": pod.pointer("/metadata/uid")}})
            }
        };
        self.send(Method::DELETE, &path(pod, ""), JSON, &options);
    }

    /// Another pod under the same name, at once.
    fn replace(&mut self, pod: &Value) {
        self.release(pod);
        let options = json!({"gracePeriodSeconds": 0});
        self.send(Method::DELETE, &path(pod, ""), JSON, &options);
        self.create(text(pod, "/metadata/name"));
    }

    fn touch(&mut self, pod: &Value) {
        let label = json!({"metadata": {"labels": {"touched": self.dice.throw().to_string()}}});
        self.send(Method::PATCH, &path(pod, ""), MERGE, &label);
    }

    fn status(&mut self, pod: &Value, status: &Value) {
        self.send(Method::PATCH, &path(pod, "/status"), MERGE, status);
    }

    fn bind(&mut self, pod: &Value) {
        if !text(pod, "/spec/nodeName").is_empty() {
            return;
        }
        let node = self.dice.pick(&names(&self.nodes)).to_owned();
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": text(pod, "/metadata/name")},
            "target": {"kind": "Node", "name": node}});
        self.send(Method::POST, &path(pod, "/binding"), JSON, &binding);
    }

    /// What held a pod that is to go lets it go.
    fn release(&mut self, pod: &Value) {
        if pod.pointer("/metadata/finalizers").is_some() {
            let body = json!({"metadata": {"finalizers": null}});
            self.send(Method::PATCH, &path(pod, ""), MERGE, &body);
        }
    }

    fn touch_node(&mut self) {
        let node = self.dice.pick(&names(&self.nodes)).to_owned();
        let label =
            json!({"metadata": {"annotations": {"touched": self.dice.throw().to_string()}}});
        self.send(
            Method::PATCH,
            &format!("/api/v1/nodes/{node}"),
            MERGE,
            &label,
        );
    }

    fn cordon(&mut self) {
        let node = self.dice.pick(&names(&self.nodes)).to_owned();
        let spec = json!({"spec": {"unschedulable": self.dice.permille(500)}});
        self.send(
            Method::PATCH,
            &format!("/api/v1/nodes/{node}"),
            MERGE,
            &spec,
        );
    }

    /// A node goes, and comes back as another one of its name.
    fn replace_node(&mut self) {
        let name = self.dice.pick(&names(&self.nodes)).to_owned();
        let Some(node) = self.tap.object(&format!("Node {name}")) else {
            return;
        };
        let labels = node
            .pointer("/metadata/labels")
            .cloned()
            .unwrap_or_default();
        self.send(
            Method::DELETE,
            &format!("/api/v1/nodes/{name}"),
            JSON,
            &json!({}),
        );
        self.node(&name, &labels);
    }

    fn send(&self, method: Method, path: &str, content_type: &str, body: &Value) {
        let bytes = Bytes::from(body.to_string());
        // What is refused is refused: the pod went meanwhile, or is bound.
        let _ = self
            .tap
            .call(&self.sent, request(method, path, content_type, bytes));
    }
}

/// Forgets the past now and then, as etcd's compaction does.
pub async fn compact(tap: Tap, mut dice: Dice, until: Instant) {
    while Instant::now() < until {
        sleep(dice.millis(5_000..=40_000)).await;
        tap.compact(dice.number(0..=20));
    }
}

fn names(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn path(pod: &Value, subresource: &str) -> String {
    format!(
        "/api/v1/namespaces/default/pods/{}{subresource}",
        text(pod, "/metadata/name")
    )
}
