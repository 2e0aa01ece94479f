//! What a node's lease says.

use std::time::Duration;

use serde_json::Value;

use crate::object::{ResourceVersion, Snapshot};
use crate::time::Time;

/// A lease in short.
#[derive(Debug)]
pub(super) struct Lease {
    /// The newest version seen.
    pub version: ResourceVersion,
    /// When it runs out unless it is renewed. A lease without a time or a duration ran out long ago.
    pub ends: Time,
    holder: Option<Box<str>>,
}

impl Lease {
    pub(super) fn of(lease: &Snapshot) -> Self {
        let field = |name: &str| lease.body().get("spec").and_then(|spec| spec.get(name));
        let holder = field("holderIdentity")
            .and_then(Value::as_str)
            .filter(|holder| !holder.is_empty());
        let renewed = field("renewTime")
            .and_then(Value::as_str)
            .and_then(Time::parse);
        let duration = field("leaseDurationSeconds").and_then(Value::as_u64);
        let ends = renewed
            .zip(duration)
            .map(|(renewed, seconds)| renewed + Duration::from_secs(seconds));
        Self {
            version: lease.version(),
            ends: ends.unwrap_or_default(),
            holder: holder.map(Box::from),
        }
    }

    /// Who holds it at `now`, if it has not run out.
    pub(super) fn holder_at(&self, now: Time) -> Option<&str> {
        self.holder.as_deref().filter(|_| self.ends > now)
    }
}
