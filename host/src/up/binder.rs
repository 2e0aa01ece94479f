//! Counts what is there, and binds pods that wait for a node, as long as no scheduler does.

use tokio::sync::watch;

use super::cluster::{Cluster, Counts, Placed};
use super::component::Component;
use super::follow::Follow;
use super::objects::{NodeObject, PodObject};
use super::user::User;

/// How many pods are bound before others have their turn.
const AT_ONCE: usize = 64;
/// Somebody else bound the pod, or it is gone: nothing is wrong, and its next event says what is.
const OVERTAKEN: [u16; 2] = [404, 409];

/// Follows nodes and pods for ever, and tells the counts.
pub(super) async fn run(user: User, binds: bool, counts: watch::Sender<Counts>) {
    let mut nodes = Follow::new(&user, "/api/v1/nodes", "");
    let mut pods = Follow::new(&user, "/api/v1/pods", "");
    let mut scheduler = Component::new(&user, "kube-scheduler");
    let mut cluster = Cluster::default();
    let mut more = false;
    loop {
        tokio::select! {
            // A scheduler that came before a pod is heard of before it, and so is a node.
            biased;
            () = scheduler.changed() => {}
            changes = nodes.next::<NodeObject>() => changes.into_iter().for_each(|change| cluster.node(change)),
            changes = pods.next::<PodObject>() => changes.into_iter().for_each(|change| cluster.pod(change)),
            () = tokio::task::yield_now(), if more => {}
        }
        more = binds && !scheduler.is_there() && bind(&user, &mut cluster);
        let now = cluster.counts();
        counts.send_if_modified(|told| std::mem::replace(told, now) != now);
    }
}

/// Binds some pods; whether there may be more of them.
fn bind(user: &User, cluster: &mut Cluster) -> bool {
    for _ in 0..AT_ONCE {
        let Some(placed) = cluster.place() else {
            return false;
        };
        let Placed {
            namespace,
            name,
            uid,
            node,
        } = &placed;
        if let Err(error) = user.bind(namespace, name, uid, node) {
            if !OVERTAKEN.contains(&error.code) {
                tracing::warn!(%namespace, %name, %node, %error, "a pod is not bound");
            }
            cluster.displace(&placed);
        }
    }
    true
}
