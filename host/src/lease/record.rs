//! A lease's fields, and the bodies that change them.

use std::time::Duration;

use serde_json::{Value, json};
use stagewright_core::claims::{IDENTITY_PREFIX, LEASE_NAMESPACE};
use stagewright_core::object::{Snapshot, Uid};
use stagewright_core::time::Time;

/// A lease as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub version: String,
    pub holder: Option<String>,
    pub renewed: Time,
    ends: Time,
    transitions: u64,
}

/// What we write into a lease.
pub(super) struct Terms<'a> {
    pub identity: &'a str,
    pub duration: Duration,
    pub now: Time,
}

impl Record {
    pub(super) fn of(lease: &Snapshot) -> Self {
        let field = |name: &str| lease.body().get("spec").and_then(|spec| spec.get(name));
        let renewed = field("renewTime")
            .and_then(Value::as_str)
            .and_then(Time::parse);
        let seconds = field("leaseDurationSeconds").and_then(Value::as_u64);
        let holder = field("holderIdentity")
            .and_then(Value::as_str)
            .filter(|holder| !holder.is_empty());
        Self {
            version: lease.version().to_string(),
            holder: holder.map(str::to_owned),
            renewed: renewed.unwrap_or_default(),
            // Without a time or a duration it ran out long ago.
            ends: renewed
                .zip(seconds)
                .map_or_else(Time::default, |(at, seconds)| {
                    at + Duration::from_secs(seconds)
                }),
            transitions: field("leaseTransitions")
                .and_then(Value::as_u64)
                .unwrap_or(0),
        }
    }

    /// Until when somebody else has it; none: it is ours to take. A live kubelet's (whose identity is not of our kind) is only
    /// with `take_over`, a live controller's of our kind never.
    pub(super) fn taken_until(&self, identity: &str, take_over: bool, now: Time) -> Option<Time> {
        let holder = self
            .holder
            .as_deref()
            .filter(|holder| *holder != identity)?;
        let kubelet = !holder.starts_with(IDENTITY_PREFIX);
        (self.ends > now && !(kubelet && take_over)).then_some(self.ends)
    }
}

/// A lease that nobody has made yet. It goes with its node.
pub(super) fn creation(terms: &Terms<'_>, node: &str, uid: &Uid) -> Value {
    let now = terms.now.to_micros();
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": node, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner(node, uid)]},
        "spec": {"holderIdentity": terms.identity, "leaseDurationSeconds": terms.duration.as_secs(), "leaseTransitions": 0,
            "acquireTime": now, "renewTime": now}})
}

/// Takes a lease that is free.
pub(super) fn acquisition(terms: &Terms<'_>, found: &Record, node: &str, uid: &Uid) -> Value {
    let now = terms.now.to_micros();
    let ours = found.holder.as_deref() == Some(terms.identity);
    let mut spec = json!({"holderIdentity": terms.identity, "leaseDurationSeconds": terms.duration.as_secs(), "renewTime": now});
    if let Some(spec) = spec.as_object_mut().filter(|_| !ours) {
        spec.insert("acquireTime".into(), now.into());
        spec.insert(
            "leaseTransitions".into(),
            found.transitions.saturating_add(1).into(),
        );
    }
    json!({"metadata": {"resourceVersion": found.version, "ownerReferences": [owner(node, uid)]}, "spec": spec})
}

/// Keeps a lease that is ours.
pub(super) fn renewal(terms: &Terms<'_>, version: &str) -> Value {
    json!({"metadata": {"resourceVersion": version},
        "spec": {"holderIdentity": terms.identity, "leaseDurationSeconds": terms.duration.as_secs(),
            "renewTime": terms.now.to_micros()}})
}

/// Gives a lease back. Its time stays: until it has run out, the node is not dead to the node lifecycle controller.
pub(super) fn release(version: &str) -> Value {
    json!({"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": null}})
}

fn owner(node: &str, uid: &Uid) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid})
}

#[cfg(test)]
mod tests {
    use stagewright_core::object::Kind;

    use super::*;

    fn lease(holder: &str, seconds: Value) -> Record {
        let body = json!({"metadata": {"name": "n", "namespace": "kube-node-lease", "uid": "u", "resourceVersion": "7"},
            "spec": {"holderIdentity": holder, "renewTime": "2026-11-24T01:55:20.000000Z", "leaseDurationSeconds": seconds,
                "leaseTransitions": 2}});
        Record::of(&Snapshot::parse(&Kind::new("coordination.k8s.io/v1", "Lease"), body).unwrap())
    }

    #[test]
    fn whose_a_lease_is() {
        let (me, start) = (
            "stagewright-me-1",
            Time::parse("2026-11-24T01:55:20Z").unwrap(),
        );
        let ends = start + Duration::from_secs(40);
        for (holder, take_over, after, expected) in [
            ("", false, 1, None),
            (me, false, 1, None),
            (me, false, 99, None),
            ("stagewright-other-2", false, 1, Some(ends)),
            ("stagewright-other-2", true, 1, Some(ends)),
            ("stagewright-other-2", false, 40, None),
            ("n", false, 1, Some(ends)),
            ("n", true, 1, None),
            ("n", false, 41, None),
        ] {
            let now = start + Duration::from_secs(after);
            assert_eq!(
                lease(holder, json!(40)).taken_until(me, take_over, now),
                expected,
                "{holder:?} after {after} s"
            );
        }
        assert_eq!(lease("n", json!(null)).taken_until(me, false, start), None);
    }

    #[test]
    fn a_taken_lease_counts_its_holders_and_names_its_node() {
        let terms = Terms {
            identity: "stagewright-me-1",
            duration: Duration::from_secs(40),
            now: Time(0),
        };
        let body = acquisition(&terms, &lease("n", json!(40)), "n", &Uid::new("u-n"));
        assert_eq!(
            (
                &body["spec"]["leaseTransitions"],
                &body["metadata"]["resourceVersion"]
            ),
            (&json!(3), &json!("7"))
        );
        assert_eq!(body["metadata"]["ownerReferences"][0]["uid"], "u-n");
        let body = acquisition(
            &terms,
            &lease("stagewright-me-1", json!(40)),
            "n",
            &Uid::new("u-n"),
        );
        assert_eq!(body["spec"].get("leaseTransitions"), None);
    }
}
