//! What becomes of objects whose owners go.

use anyhow::Result;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde_json::json;

use crate::support::*;

const HOLD: &str = "example.com/hold";

/// A cluster with one node, and its ConfigMaps.
struct Cluster {
    up: Up,
    client: Client,
    maps: Api<ConfigMap>,
}

impl Cluster {
    async fn start() -> Result<Self> {
        let mut up = Up::start(&["--nodes=1", "--pods=0", "--output=json"], "").await?;
        let client = client(&kubeconfig(&up.summary().await?)?).await?;
        let maps = Api::namespaced(client.clone(), "default");
        Ok(Self { up, client, maps })
    }

    /// Creates a ConfigMap with these owners.
    async fn map(&self, name: &str, owners: &[OwnerReference]) -> Result<ConfigMap> {
        self.create(&self.maps, name, owners, &[]).await
    }

    /// The same, and somebody holds it.
    async fn held(&self, name: &str, owners: &[OwnerReference]) -> Result<ConfigMap> {
        self.create(&self.maps, name, owners, &[HOLD]).await
    }

    async fn create(
        &self,
        maps: &Api<ConfigMap>,
        name: &str,
        owners: &[OwnerReference],
        finalizers: &[&str],
    ) -> Result<ConfigMap> {
        let metadata = json!({"name": name, "ownerReferences": owners, "finalizers": finalizers});
        let map = serde_json::from_value(json!({ "metadata": metadata }))?;
        Ok(maps.create(&PostParams::default(), &map).await?)
    }

    /// Nobody holds it any more.
    async fn release(&self, name: &str) -> Result<()> {
        let known = self.maps.get(name).await?;
        let finalizers = known.metadata.finalizers.unwrap_or_default();
        let kept: Vec<String> = finalizers
            .into_iter()
            .filter(|known| known != HOLD)
            .collect();
        let patch = json!({"metadata": {"finalizers": kept}});
        let params = PatchParams::default();
        self.maps
            .patch(name, &params, &Patch::Merge(&patch))
            .await?;
        Ok(())
    }

    /// As soon as it is so.
    async fn until(&self, name: &str, holds: impl Fn(&ObjectMeta) -> bool) -> Result<()> {
        let so = async || Ok(holds(&self.maps.get(name).await?.metadata));
        until(name, so).await
    }

    async fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.maps.get_opt(name).await?.is_some())
    }
}

fn owner<K: Resource<DynamicType = ()>>(object: &K, blocks: bool) -> OwnerReference {
    OwnerReference {
        block_owner_deletion: Some(blocks),
        ..object.owner_ref(&()).unwrap()
    }
}

fn uids(metadata: &ObjectMeta) -> Vec<&str> {
    let owners = metadata.owner_references.iter().flatten();
    owners.map(|owner| owner.uid.as_str()).collect()
}

#[tokio::test]
async fn dependents_go_after_their_last_owner() -> Result<()> {
    let cluster = Cluster::start().await?;
    let (one, other) = (
        cluster.map("one", &[]).await?,
        cluster.map("other", &[]).await?,
    );
    let child = cluster.map("child", &[owner(&one, false)]).await?;
    cluster
        .map("shared", &[owner(&one, true), owner(&other, true)])
        .await?;
    let secrets = Api::<Secret>::namespaced(cluster.client.clone(), "default");
    let metadata = json!({"name": "grandchild", "ownerReferences": [owner(&child, false)]});
    let secret = serde_json::from_value(json!({ "metadata": metadata }))?;
    secrets.create(&PostParams::default(), &secret).await?;
    cluster
        .maps
        .delete("one", &DeleteParams::background())
        .await?;
    gone(&cluster.maps, "child").await?;
    gone(&secrets, "grandchild").await?;
    let uid = other.metadata.uid.clone().unwrap();
    cluster
        .until("shared", |metadata| uids(metadata) == [uid.as_str()])
        .await?;
    cluster
        .maps
        .delete("other", &DeleteParams::background())
        .await?;
    gone(&cluster.maps, "shared").await?;
    cluster.up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn an_owner_that_is_not_there_is_none() -> Result<()> {
    let cluster = Cluster::start().await?;
    let namespaces = Api::<Namespace>::all(cluster.client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"name": "elsewhere"}}))?;
    let namespace = namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let there = Api::<ConfigMap>::namespaced(cluster.client.clone(), "elsewhere");
    let foreign = cluster.create(&there, "same", &[], &[]).await?;
    let same = cluster.map("same", &[]).await?;
    let node = Api::<Node>::all(cluster.client.clone())
        .get("node-0")
        .await?;
    for (name, owner) in [
        ("of-a-node", owner(&node, false)),
        ("of-a-namespace", owner(&namespace, false)),
        ("of-its-neighbour", owner(&same, false)),
    ] {
        cluster.map(name, &[owner]).await?;
    }
    let mut before_it = owner(&same, false);
    before_it.uid = "00000000-0000-4000-8000-000000000000".to_owned();
    let mut renamed = owner(&same, false);
    renamed.name = "other".to_owned();
    for (name, owner) in [
        ("of-one-before-it", before_it),
        ("of-another-name", renamed),
        ("of-another-namespace", owner(&foreign, false)),
    ] {
        cluster.map(name, &[owner]).await?;
        gone(&cluster.maps, name).await?;
    }
    for name in ["of-a-node", "of-a-namespace", "of-its-neighbour"] {
        assert!(cluster.exists(name).await?, "{name}");
    }
    cluster.up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn in_the_foreground_an_owner_goes_after_those_that_block_it() -> Result<()> {
    let cluster = Cluster::start().await?;
    let top = cluster.map("top", &[]).await?;
    let middle = cluster.held("middle", &[owner(&top, true)]).await?;
    cluster.held("bottom", &[owner(&middle, true)]).await?;
    cluster.held("beside", &[owner(&top, false)]).await?;
    cluster
        .maps
        .delete("top", &DeleteParams::foreground())
        .await?;
    for name in ["top", "middle", "bottom", "beside"] {
        let is_going = |metadata: &ObjectMeta| metadata.deletion_timestamp.is_some();
        cluster.until(name, is_going).await?;
    }
    // Each waits for the next.
    cluster.release("middle").await?;
    let waits = |metadata: &ObjectMeta| {
        metadata.finalizers.as_deref() == Some(&["foregroundDeletion".to_owned()])
    };
    cluster.until("middle", waits).await?;
    assert!(cluster.exists("top").await?);
    cluster.release("bottom").await?;
    for name in ["bottom", "middle", "top"] {
        gone(&cluster.maps, name).await?;
    }
    assert!(cluster.exists("beside").await?, "it blocks nobody");
    cluster.release("beside").await?;
    gone(&cluster.maps, "beside").await?;
    cluster.up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn orphans_stay_without_the_owner() -> Result<()> {
    let cluster = Cluster::start().await?;
    let (one, other) = (
        cluster.map("one", &[]).await?,
        cluster.map("other", &[]).await?,
    );
    cluster.map("only", &[owner(&one, true)]).await?;
    cluster
        .map("shared", &[owner(&one, true), owner(&other, true)])
        .await?;
    cluster.maps.delete("one", &DeleteParams::orphan()).await?;
    gone(&cluster.maps, "one").await?;
    let only = cluster.maps.get("only").await?.metadata;
    assert_eq!(uids(&only), Vec::<&str>::new());
    let shared = cluster.maps.get("shared").await?.metadata;
    assert_eq!(uids(&shared), [other.metadata.uid.as_deref().unwrap()]);
    cluster.up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn it_is_left_to_a_controller_manager_as_long_as_that_holds_its_lease() -> Result<()> {
    let cluster = Cluster::start().await?;
    let leases = Api::<Lease>::namespaced(cluster.client.clone(), "kube-system");
    let lease = json!({"metadata": {"name": "kube-controller-manager"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 3600}});
    let lease = serde_json::from_value(lease)?;
    leases.create(&PostParams::default(), &lease).await?;
    let one = cluster.map("one", &[]).await?;
    cluster.map("child", &[owner(&one, false)]).await?;
    cluster
        .maps
        .delete("one", &DeleteParams::background())
        .await?;
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), "default");
    pods.create(&PostParams::default(), &pod("web")?).await?;
    running(&pods, "web").await?;
    assert!(cluster.exists("child").await?);
    leases
        .delete("kube-controller-manager", &DeleteParams::default())
        .await?;
    gone(&cluster.maps, "child").await?;
    cluster.up.stop().await?;
    Ok(())
}
