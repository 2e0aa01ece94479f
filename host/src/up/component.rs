//! Whether a component of a real control plane does its work here, told by the lease that it holds as a leader.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::follow::{Change, Follow};
use super::user::User;

/// A component, which may come and go.
pub(super) struct Component {
    name: &'static str,
    leases: Follow,
    held: Option<Instant>,
}

/// What is read of its Lease.
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

// === impl Component ===

impl Component {
    /// The component whose lease in kube-system has that name.
    pub(super) fn new(user: &User, name: &'static str) -> Self {
        let path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
        Self {
            name,
            leases: Follow::new(user, path, &format!("metadata.name%3D{name}")),
            held: None,
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.held.is_some()
    }

    /// Ends when the component came, went, or renewed its lease. Dropped before its end, it loses nothing.
    pub(super) async fn changed(&mut self) {
        let held = tokio::select! {
            biased;
            changes = self.leases.next::<Lease>() => {
                let now = Instant::now();
                changes.into_iter().fold(self.held, |held, change| match change {
                    Change::Listed => held,
                    change => held_until(change, now),
                })
            }
            () = until(self.held) => None,
        };
        match (held.is_some(), self.is_there()) {
            (true, false) => tracing::info!("a {} is there; its work is left to it", self.name),
            (false, true) => {
                tracing::info!("the {} is gone; its work is done here again", self.name)
            }
            _ => {}
        }
        self.held = held;
    }
}

/// When the lease runs out unless it is renewed, counted from now: the holder's clock may be another.
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
