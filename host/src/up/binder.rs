//! Counts what is there, and binds pods that wait for a node, as long as no scheduler does.

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::cluster::{Cluster, Counts, Placed};
use super::follow::{Change, Follow};
use super::objects::{NodeObject, PodObject};
use super::user::User;

/// How many pods are bound before others have their turn.
const AT_ONCE: usize = 64;
/// Somebody else bound the pod, or it is gone: nothing is wrong, and its next event says what is.
const OVERTAKEN: [u16; 2] = [404, 409];

/// What is read of the Lease of kube-scheduler.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lease {
    spec: Option<LeaseSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LeaseSpec {
    holder_identity: Option<String>,
    lease_duration_seconds: Option<u32>,
}

/// Follows nodes and pods for ever, and tells the counts.
pub(super) async fn run(user: User, binds: bool, counts: watch::Sender<Counts>) {
    let mut nodes = Follow::new(&user, "/api/v1/nodes", "");
    let mut pods = Follow::new(&user, "/api/v1/pods", "");
    let mut leases = Follow::new(
        &user,
        "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases",
        "metadata.name%3Dkube-scheduler",
    );
    let mut cluster = Cluster::default();
    let mut scheduler: Option<Instant> = None;
    let mut more = false;
    loop {
        tokio::select! {
            // A scheduler that came before a pod is heard of before it, and so is a node.
            biased;
            changes = leases.next::<Lease>() => for change in changes {
                let held = held_until(change, Instant::now());
                match (held.is_some(), scheduler.is_some()) {
                    (true, false) => tracing::info!("a kube-scheduler is there; pods are left to it"),
                    (false, true) => tracing::info!("the kube-scheduler is gone; pods are bound again"),
                    _ => {}
                }
                scheduler = held;
            },
            () = until(scheduler) => scheduler = None,
            changes = nodes.next::<NodeObject>() => changes.into_iter().for_each(|change| cluster.node(change)),
            changes = pods.next::<PodObject>() => changes.into_iter().for_each(|change| cluster.pod(change)),
            () = tokio::task::yield_now(), if more => {}
        }
        more = binds && scheduler.is_none() && bind(&user, &mut cluster);
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

/// When the lease runs out unless it is renewed, counted from now: the scheduler's clock may be another.
fn held_until(change: Change<Lease>, now: Instant) -> Option<Instant> {
    let Change::There(Lease { spec: Some(spec) }) = change else {
        return None;
    };
    let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
    let seconds = u64::from(spec.lease_duration_seconds.unwrap_or(15));
    holder.map(|_| now + Duration::from_secs(seconds))
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn a_lease_that_somebody_holds_means_a_scheduler() {
        let now = Instant::now();
        let held = |spec: Value| {
            let lease = serde_json::from_value(json!({ "spec": spec })).unwrap();
            held_until(Change::There(lease), now).map(|until| (until - now).as_secs())
        };
        assert_eq!(
            held(json!({"holderIdentity": "me", "leaseDurationSeconds": 20})),
            Some(20)
        );
        assert_eq!(held(json!({"holderIdentity": "me"})), Some(15));
        assert_eq!(
            held(json!({"holderIdentity": "", "leaseDurationSeconds": 1})),
            None,
            "released"
        );
        assert_eq!(held(json!({"holderIdentity": null})), None);
        assert_eq!(held(json!(null)), None);
        assert_eq!(held_until(Change::Gone(Lease::default()), now), None);
    }
}
