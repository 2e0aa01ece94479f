//! What `up` creates: nodes of their shapes, manifests, pods spread over the nodes. What is there from a run before stays as it is.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};

use super::manifests::Manifest;
use super::user::User;
use crate::args::Shape;

/// How many objects are created before others have their turn.
const AT_ONCE: usize = 32;
/// As many pods as a kubelet takes if nobody says otherwise.
const USUAL_ROOM: usize = 110;

/// What there is to create.
pub(super) struct Load {
    pub shapes: Vec<Shape>,
    pub pods: usize,
    pub manifests: Vec<Manifest>,
}

/// How much of it there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Created {
    pub nodes: usize,
    pub pods: usize,
}

// === impl Load ===

impl Load {
    /// Creates everything: nodes first, then what manifests say, then the pods.
    ///
    /// # Errors
    /// The first object that the server refuses.
    pub(super) async fn create(self, user: User) -> anyhow::Result<Created> {
        let mut created = Created::default();
        let names = self.nodes(&user).await?;
        created.nodes = names.len();
        for (index, manifest) in self.manifests.iter().enumerate() {
            let one = manifest.create(&user)?;
            created.nodes += usize::from(one == "Node");
            created.pods += usize::from(one == "Pod");
            pause(index).await;
        }
        let kind = user.kind("v1", "Pod").context("the server has no pods")?;
        for number in 0..self.pods {
            let pod = pod(number, names.get(number % names.len().max(1)));
            user.ensure(&kind, &pod)
                .map_err(|error| anyhow!("--pods: pod-{number}: {error}"))?;
            pause(number).await;
        }
        created.pods += self.pods;
        Ok(created)
    }

    /// Creates the nodes; their names.
    async fn nodes(&self, user: &User) -> anyhow::Result<Vec<String>> {
        let kind = user.kind("v1", "Node").context("the server has no nodes")?;
        let all: usize = self.shapes.iter().map(|shape| shape.count).sum();
        // Room for all, however few the nodes are, and for as many again.
        let room = self
            .pods
            .div_ceil(all.max(1))
            .saturating_mul(2)
            .max(USUAL_ROOM);
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut names = Vec::with_capacity(all);
        for shape in &self.shapes {
            for place in 0..shape.count {
                let number = numbers.entry(&shape.name).or_default();
                let node = shape.node(*number, place, room);
                *number += 1;
                user.ensure(&kind, &node)
                    .map_err(|error| anyhow!("--nodes: {}: {error}", shape.name))?;
                let name = node.pointer("/metadata/name").and_then(Value::as_str);
                names.push(name.unwrap_or_default().to_owned());
                pause(names.len()).await;
            }
        }
        Ok(names)
    }
}

async fn pause(done: usize) {
    if done.is_multiple_of(AT_ONCE) {
        tokio::task::yield_now().await;
    }
}

fn pod(number: usize, node: Option<&String>) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("pod-{number}"), "namespace": "default", "labels": {"app": "pod"}},
        "spec": {
            "nodeName": node, "automountServiceAccountToken": false, "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "example.com/main:1"}],
        },
    })
}
