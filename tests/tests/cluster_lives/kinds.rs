//! Volumes, load balancers and ingresses, with the real controllers that ask for them.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stagewright_tests::scenario::{self, SOON, Scene, View, is_true, name, phase, text, uid};

use super::support::{condition, nodes, pod, says, until, view};

/// The provisioner that the plugin `storage` plays.
const DRIVER: &str = "volumes.stagewright.dev";

async fn class(scene: &Scene, name: &str, binding: &str, policy: &str) -> Result<String> {
    let name = format!("{}-{name}", scene.name);
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}, "provisioner": DRIVER,
        "volumeBindingMode": binding, "reclaimPolicy": policy});
    scenario::create(&scene.client, class).await?;
    Ok(name)
}

fn claim(scene: &Scene, name: &str, class: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": scene.name},
        "spec": {"storageClassName": class, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "3Gi"}}}})
}

/// A pod's claim waits for the scheduler, gets a volume, is bound; the volume is attached to the node, detached when the pod goes, and
/// goes with its claim. Binding, asking and releasing are the real controllers'.
pub async fn a_claim_is_provisioned_bound_attached_and_reclaimed(scene: Scene) -> Result<()> {
    let nodes = nodes(&scene, 1).await?;
    let node = nodes.first().context("a node")?;
    let (pods, claims) = (
        view(&scene, "v1/Pod").await?,
        view(&scene, "v1/PersistentVolumeClaim").await?,
    );
    let volumes = View::open(&scene.client, "v1/PersistentVolume", None).await?;
    let attachments = View::open(&scene.client, "storage.k8s.io/v1/VolumeAttachment", None).await?;
    let class = class(&scene, "waits", "WaitForFirstConsumer", "Delete").await?;
    let made = scenario::create(&scene.client, claim(&scene, "data", &class)).await?;
    let spec =
        json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]});
    let user = scenario::create(&scene.client, pod(&scene, "db", &[], spec)).await?;
    until(&pods, "db", "Ready", |pod| is_true(pod, "Ready")).await?;
    let bound = until(&claims, "data", "bound", |claim| phase(claim) == "Bound").await?;
    ensure!(text(&bound, "/status/capacity/storage") == "3Gi", "{bound}");
    let of = format!("pvc-{}", uid(&made));
    let volume = until(&volumes, &of, "bound", |volume| phase(volume) == "Bound").await?;
    ensure!(
        text(&volume, "/spec/csi/driver") == DRIVER
            && text(&volume, "/spec/claimRef/uid") == uid(&made),
        "{volume}"
    );
    let ours = |attachment: &Value| text(attachment, "/spec/source/persistentVolumeName") == of;
    let attached = |attachment: &Value| {
        ours(attachment) && attachment.pointer("/status/attached") == Some(&true.into())
    };
    attachments
        .until("the volume attached", SOON, |known| {
            known.count(attached) == 1
        })
        .await?;
    let nodes = View::open(&scene.client, "v1/Node", None).await?;
    let listed = |node: &Value| {
        node.pointer("/status/volumesAttached/0/name")
            .and_then(Value::as_str)
            .is_some_and(|name| name.contains(&of))
    };
    until(&nodes, name(node), "with the volume", listed).await?;

    scenario::delete(&scene.client, &user, None).await?;
    attachments
        .until("the volume detached", 2 * SOON, |known| {
            known.count(ours) == 0
        })
        .await?;
    scenario::delete(&scene.client, &made, None).await?;
    volumes
        .until("the volume gone", SOON, |known| known.get(&of).is_none())
        .await?;
    claims
        .until("the claim gone", SOON, |known| known.is_empty())
        .await
}

/// A pod with a volume, which the scheduler places as that part of its spec says.
async fn with_volume(scene: &Scene, name: &str, class: &str, placed: Value) -> Result<Value> {
    scenario::create(&scene.client, claim(scene, name, class)).await?;
    let mut spec =
        json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]});
    if let (Some(spec), Value::Object(placed)) = (spec.as_object_mut(), placed) {
        spec.extend(placed);
    }
    scenario::create(&scene.client, pod(scene, name, &[], spec)).await
}

/// A node attaches no more volumes than it says: the scheduler sends the next pod elsewhere, and one that may not go there waits for a
/// place. What nodes say goes with them.
pub async fn a_node_takes_no_more_volumes_than_it_attaches(scene: Scene) -> Result<()> {
    let nodes = nodes(&scene, 2).await?;
    let [small, large] = nodes.as_slice() else {
        anyhow::bail!("two nodes: {nodes:?}");
    };
    let one = json!({"metadata": {"annotations": {"stagewright.dev/storage.volumes": "1"}}});
    scenario::merge(&scene.client, small, None, one).await?;
    let csi_nodes = View::open(&scene.client, "storage.k8s.io/v1/CSINode", None).await?;
    let limit = |node: &Value| {
        let driver = node.pointer("/spec/drivers/0")?;
        let is_ours = text(driver, "/name") == DRIVER && text(driver, "/nodeID") == name(node);
        is_ours.then(|| driver.pointer("/allocatable/count").and_then(Value::as_i64))
    };
    for (node, expected) in [(small, Some(1)), (large, None)] {
        let what = "registered with its limit";
        until(&csi_nodes, name(node), what, |node| {
            limit(node) == Some(expected)
        })
        .await?;
    }
    let pods = view(&scene, "v1/Pod").await?;
    let class = class(&scene, "limited", "WaitForFirstConsumer", "Delete").await?;
    let hostname =
        json!({"key": "kubernetes.io/hostname", "operator": "In", "values": [name(small)]});
    let terms = json!({"matchExpressions": [hostname]});
    let prefers = json!({"affinity": {"nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": terms}]}}});
    let needs = json!({"affinity": {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [terms]}}}});

    let first = with_volume(&scene, "first", &class, prefers.clone()).await?;
    let placed = until(&pods, "first", "Ready", |pod| is_true(pod, "Ready")).await?;
    ensure!(text(&placed, "/spec/nodeName") == name(small), "{placed}");
    with_volume(&scene, "second", &class, prefers).await?;
    let placed = until(&pods, "second", "Ready", |pod| is_true(pod, "Ready")).await?;
    ensure!(text(&placed, "/spec/nodeName") == name(large), "{placed}");
    with_volume(&scene, "third", &class, needs).await?;
    until(&pods, "third", "refused for its volume", |pod| {
        says(pod, "PodScheduled") == "False/Unschedulable"
            && text(condition(pod, "PodScheduled"), "/message").contains("max volume count")
    })
    .await?;
    scenario::delete(&scene.client, &first, None).await?;
    until(&pods, "third", "Ready", |pod| is_true(pod, "Ready")).await?;

    scenario::delete(&scene.client, large, None).await?;
    csi_nodes
        .until("its CSINode gone", 2 * SOON, |known| {
            known.get(name(large)).is_none()
        })
        .await
}

/// A claim that is bound at once, and a volume that is kept when its claim goes.
pub async fn a_volume_that_is_to_be_kept_stays_released(scene: Scene) -> Result<()> {
    let claims = view(&scene, "v1/PersistentVolumeClaim").await?;
    let volumes = View::open(&scene.client, "v1/PersistentVolume", None).await?;
    let class = class(&scene, "kept", "Immediate", "Retain").await?;
    let made = scenario::create(&scene.client, claim(&scene, "data", &class)).await?;
    until(&claims, "data", "bound", |claim| phase(claim) == "Bound").await?;
    scenario::delete(&scene.client, &made, None).await?;
    let of = format!("pvc-{}", uid(&made));
    let volume = until(&volumes, &of, "released", |volume| {
        phase(volume) == "Released"
    })
    .await?;
    volumes
        .holds("the volume is kept", SOON / 20, |known| {
            known
                .get(&of)
                .is_some_and(|volume| phase(volume) == "Released")
        })
        .await?;
    scenario::delete(&scene.client, &volume, None).await
}

/// A load balancer has an address of its own until it is none any more, unless it is to wait; ingresses share one.
pub async fn load_balancers_and_ingresses_get_addresses(scene: Scene) -> Result<()> {
    let (services, ingresses) = (
        view(&scene, "v1/Service").await?,
        view(&scene, "networking.k8s.io/v1/Ingress").await?,
    );
    let service = |name: &str, pending: &str| {
        json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": scene.name, "annotations": {"stagewright.dev/network.pending": pending}},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
    };
    let made = ["one", "two"].map(|name| service(name, "false"));
    let made = scenario::create_all(
        &scene.client,
        made.into_iter().chain([service("waits", "true")]),
    )
    .await?;
    let backend = json!({"service": {"name": "one", "port": {"number": 80}}});
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "namespace": scene.name},
        "spec": {"defaultBackend": backend}});
    scenario::create(&scene.client, ingress).await?;
    let address = |object: &Value| text(object, "/status/loadBalancer/ingress/0/ip").to_owned();
    let one = until(&services, "one", "published", |service| {
        !address(service).is_empty()
    })
    .await?;
    let two = until(&services, "two", "published", |service| {
        !address(service).is_empty()
    })
    .await?;
    ensure!(
        address(&one) != address(&two) && address(&one).starts_with("198.18."),
        "{one} {two}"
    );
    until(&ingresses, "web", "published", |ingress| {
        address(ingress) == "198.19.255.254"
    })
    .await?;
    let waits = |known: &scenario::Known| {
        known
            .get("waits")
            .is_some_and(|service| address(service).is_empty())
    };
    services.holds("one waits", SOON / 30, waits).await?;
    let first = made.first().context("a service")?;
    scenario::merge(
        &scene.client,
        first,
        None,
        json!({"spec": {"type": "ClusterIP"}}),
    )
    .await?;
    until(&services, "one", "without its address", |service| {
        address(service).is_empty()
    })
    .await?;
    services
        .holds("it is no load balancer any more", SOON / 30, |known| {
            known
                .get("one")
                .is_some_and(|service| address(service).is_empty())
        })
        .await
}
