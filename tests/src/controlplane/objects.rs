//! Objects by the thousand, and waiting for what becomes of them.
#![expect(
    clippy::disallowed_methods,
    reason = "a test plays the users whose writes no guard admits"
)]

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use kube::api::PostParams;
use kube::runtime::watcher;
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{ControlPlane, READY};

/// How many requests are under way at once: enough to keep the API server busy, few enough for its default limits.
const IN_FLIGHT: usize = 32;

/// Nodes to create, named `PREFIX-0` and so on.
#[derive(Debug, Clone)]
pub struct Nodes<'a> {
    /// What their names begin with.
    pub prefix: &'a str,
    /// How many.
    pub count: usize,
    /// Their labels, beside the host name's.
    pub labels: &'a [(&'a str, &'a str)],
    /// How many pods each takes.
    pub pods: usize,
}

/// Pods to create, named `PREFIX-0` and so on.
#[derive(Debug, Clone)]
pub struct Pods<'a> {
    /// Their namespace, which must be there.
    pub namespace: &'a str,
    /// What their names begin with.
    pub prefix: &'a str,
    /// How many.
    pub count: usize,
    /// The nodes they are bound to, in turn; none: the scheduler places them.
    pub nodes: &'a [String],
    /// Their annotations.
    pub annotations: &'a [(&'a str, &'a str)],
}

impl ControlPlane {
    /// Creates a namespace, if it is not there, and waits until pods can be created in it.
    ///
    /// # Errors
    /// If the API server refuses, or the service account does not come within two minutes.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        let client = self.client().await?;
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        match Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
        {
            Err(kube::Error::Api(status)) if status.code != 409 => {
                bail!("create namespace {name}: {status}")
            }
            Err(kube::Error::Api(_)) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        if self.options.controller_manager {
            let accounts: Api<ServiceAccount> = Api::namespaced(client, name);
            wait_for(accounts, "the default service account", READY, |accounts| {
                accounts.contains_key("default")
            })
            .await
            .inspect_err(|_| drop(self.check()))?;
        }
        Ok(())
    }

    /// Creates nodes as a user of a simulation writes them, several at a time; answers their names.
    ///
    /// # Errors
    /// The first that the API server refuses.
    pub async fn create_nodes(&self, nodes: &Nodes<'_>) -> Result<Vec<String>> {
        let names: Vec<String> = (0..nodes.count)
            .map(|number| format!("{}-{number}", nodes.prefix))
            .collect();
        let objects = names.iter().map(|name| {
            let mut labels: BTreeMap<&str, &str> = nodes.labels.iter().copied().collect();
            labels.insert("kubernetes.io/hostname", name);
            let capacity = json!({"cpu": "64", "memory": "256Gi", "pods": nodes.pods.to_string()});
            let object = json!({"metadata": {"name": name, "labels": labels}, "status": {"capacity": capacity, "allocatable": capacity}});
            Ok(serde_json::from_value::<Node>(object)?)
        });
        create(
            &Api::all(self.client().await?),
            objects.collect::<Result<Vec<_>>>()?,
        )
        .await?;
        Ok(names)
    }

    /// Creates pods of one container, several at a time; answers them as created.
    ///
    /// # Errors
    /// The first that the API server refuses.
    pub async fn create_pods(&self, pods: &Pods<'_>) -> Result<Vec<Pod>> {
        let annotations: BTreeMap<&str, &str> = pods.annotations.iter().copied().collect();
        let objects = (0..pods.count).map(|number| {
            let node = pods.nodes.get(number % pods.nodes.len().max(1));
            let object = json!({
                "metadata": {"name": format!("{}-{number}", pods.prefix), "annotations": annotations, "labels": {"app": pods.prefix}},
                "spec": {"nodeName": node, "automountServiceAccountToken": false, "tolerations": [{"operator": "Exists"}],
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "main", "image": "example.com/main:1"}]}});
            Ok(serde_json::from_value::<Pod>(object)?)
        });
        create(
            &Api::namespaced(self.client().await?, pods.namespace),
            objects.collect::<Result<Vec<_>>>()?,
        )
        .await
    }
}

async fn create<K>(api: &Api<K>, objects: Vec<K>) -> Result<Vec<K>>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + serde::Serialize,
{
    let create = async |object: K| {
        api.create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("create {}", object.name_any()))
    };
    stream::iter(objects)
        .map(create)
        .buffered(IN_FLIGHT)
        .try_collect()
        .await
}

/// Watches a kind until the condition holds for all its objects, by name (`NAMESPACE/NAME` where the API spans namespaces).
///
/// # Errors
/// If it does not hold within the time; the error says how many objects there were.
pub async fn wait_for<K>(
    api: Api<K>,
    what: &str,
    within: Duration,
    mut holds: impl FnMut(&HashMap<String, K>) -> bool,
) -> Result<()>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    // One API has one namespace or spans all, in which names repeat.
    let spans = api
        .resource_url()
        .split('/')
        .all(|part| part != "namespaces");
    let name = |object: &K| match object.namespace() {
        Some(namespace) if spans => format!("{namespace}/{}", object.name_any()),
        _ => object.name_any(),
    };
    let mut objects = HashMap::new();
    let wait = async {
        let mut events = pin!(watcher::watcher(api, watcher::Config::default()));
        let mut listed = false;
        while let Some(event) = events.next().await {
            // The watcher tries again by itself; a server that stays away ends in the time's limit.
            let Ok(event) = event else { continue };
            match event {
                watcher::Event::Init => objects.clear(),
                watcher::Event::InitDone => listed = true,
                watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                    drop(objects.insert(name(&object), object))
                }
                watcher::Event::Delete(object) => drop(objects.remove(&name(&object))),
            }
            if listed && holds(&objects) {
                return true;
            }
        }
        false
    };
    match tokio::time::timeout(within, wait).await {
        Ok(true) => Ok(()),
        Ok(false) => bail!("the watch ended while waiting for {what}"),
        Err(_) => bail!("no {what} within {within:?} ({} objects)", objects.len()),
    }
}
