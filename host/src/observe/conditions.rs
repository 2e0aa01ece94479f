//! Conditions on resources that configure the controller: whether they count, and if not, why. They have no rank.

#![expect(
    clippy::disallowed_methods,
    reason = "conditions of our own configuration have no rank"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use http::Method;
use kube::core::ApiResource;
use serde_json::{Value, json};
use stagewright_core::backoff::Backoff;
use stagewright_core::json::At as _;
use stagewright_core::object::{Snapshot, Uid};
use stagewright_core::time::Time;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::events::cut;
use crate::client::wire::{self, FIELD_MANAGER, Write};
use crate::clock::Clock;

/// How long one write may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries of what failed in passing.
const RETRY: Backoff = Backoff {
    base: Duration::from_millis(500),
    cap: Duration::from_secs(60),
};
/// As long as a message may be, in bytes; the API conventions allow 32 KiB.
const LONGEST: usize = 4096;

/// What is to be said of a resource.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The resource, in the newest version that is known.
    pub subject: Snapshot,
    /// The condition's type: `Loaded`.
    pub condition: &'static str,
    /// Whether it is True.
    pub holds: bool,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, for people: with the field, and the position in it.
    pub message: String,
}

/// Where the resources are served, and what was said of them already.
pub struct Conditions {
    client: kube::Client,
    clock: Clock,
    resource: ApiResource,
    /// The resource's status has a subresource of its own.
    has_status: bool,
    /// What was said last of each, so that two hosts that disagree do not answer each other for ever.
    said: BTreeMap<Uid, u64>,
    /// Refusals that were told; each once.
    told: BTreeSet<u16>,
}

/// What a try came to.
enum Said {
    /// Nothing more is to be done until the verdict changes.
    Done,
    /// The resource changed meanwhile, or the server was busy.
    Again,
}

// === impl Verdict ===

impl Verdict {
    /// The verdict and all that it was made from.
    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let spec = self.subject.body().at("/spec").map(Value::to_string);
        (spec, self.condition, self.holds, self.reason, &self.message).hash(&mut hasher);
        hasher.finish()
    }

    fn status(&self) -> &'static str {
        if self.holds { "True" } else { "False" }
    }

    /// The resource's conditions as they are to be; none if they are so already.
    fn conditions(&self, now: Time) -> Option<Vec<Value>> {
        let known = self.subject.body().at("/status/conditions");
        let mut conditions = known.and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |condition: &Value, key: &str| {
            let text = condition.get(key).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let place = conditions
            .iter()
            .position(|condition| text(condition, "type") == self.condition);
        let before = place.and_then(|place| conditions.get(place));
        let message = cut(&self.message, LONGEST);
        let mut since = now.to_seconds();
        if let Some(before) = before
            && text(before, "status") == self.status()
        {
            if text(before, "reason") == self.reason && text(before, "message") == message {
                return None;
            }
            since = text(before, "lastTransitionTime");
        }
        let condition = json!({"type": self.condition, "status": self.status(), "reason": self.reason,
            "message": message, "lastTransitionTime": since});
        match place.and_then(|place| conditions.get_mut(place)) {
            Some(known) => *known = condition,
            None => conditions.push(condition),
        }
        Some(conditions)
    }
}

// === impl Conditions ===

impl Conditions {
    /// For resources that are served there.
    #[must_use]
    pub fn new(
        client: kube::Client,
        clock: Clock,
        resource: ApiResource,
        has_status: bool,
    ) -> Self {
        Self {
            client,
            clock,
            resource,
            has_status,
            said: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    /// Says what the newest verdicts are until `stop`, each once. A resource that changed meanwhile is left to the next verdicts.
    pub async fn run(
        mut self,
        mut verdicts: watch::Receiver<Vec<Verdict>>,
        stop: CancellationToken,
    ) {
        let mut attempt = 0;
        loop {
            let newest = verdicts.borrow_and_update().clone();
            let said = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                said = self.say_all(&newest) => said,
            };
            let pause = match said {
                Said::Done => {
                    attempt = 0;
                    Duration::MAX
                }
                Said::Again => RETRY.delay(attempt, self.clock.chance()),
            };
            attempt = attempt.saturating_add(1);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = verdicts.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn say_all(&mut self, verdicts: &[Verdict]) -> Said {
        let mut all = Said::Done;
        let uids: BTreeSet<&Uid> = verdicts.iter().map(|of| of.subject.uid()).collect();
        self.said.retain(|uid, _| uids.contains(uid));
        for verdict in verdicts {
            let (uid, hash) = (verdict.subject.uid().clone(), verdict.hash());
            if self.said.get(&uid) == Some(&hash) {
                continue;
            }
            let said = match verdict.conditions(self.clock.now()) {
                Some(conditions) => self.say(verdict, &conditions).await,
                None => Said::Done,
            };
            match said {
                Said::Done => drop(self.said.insert(uid, hash)),
                Said::Again => all = Said::Again,
            }
        }
        all
    }

    async fn say(&mut self, verdict: &Verdict, conditions: &[Value]) -> Said {
        let subject = &verdict.subject;
        let subresource = self.has_status.then_some("status");
        let name = &*subject.key().name;
        let path = wire::path(&self.resource, None, Some(name), subresource);
        let body = json!({
            "metadata": {"uid": subject.uid().as_str(), "resourceVersion": subject.version().to_string()},
            "status": {"conditions": conditions},
        });
        let write = Write {
            method: Method::PATCH,
            uri: format!("{path}?fieldManager={FIELD_MANAGER}"),
            content_type: "application/merge-patch+json",
            body: body.to_string().into_bytes(),
            as_user: None,
        };
        let answer = match wire::write(&self.client, write, TIMEOUT).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(name, %error, "condition not written, to be tried again");
                return Said::Again;
            }
        };
        match answer.status.as_u16() {
            200..300 | 404 => Said::Done,
            409 | 429 | 500.. => Said::Again,
            code => {
                if self.told.insert(code) {
                    let resource = format!("{}.{}", self.resource.plural, self.resource.group);
                    let resource = match subresource {
                        Some(subresource) => format!("{resource}/{subresource}"),
                        None => resource,
                    };
                    let message = answer.status_body().message;
                    tracing::warn!(
                        verb = "patch",
                        resource,
                        code,
                        message,
                        "conditions are not written; what they would say is in this log"
                    );
                }
                Said::Done
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use stagewright_core::object::Kind;

    use super::*;

    fn verdict(conditions: &Value, holds: bool, message: &str) -> Verdict {
        let body = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}, "spec": {},
            "status": {"conditions": conditions}});
        Verdict {
            subject: Snapshot::parse(&Kind::new("kwok.x-k8s.io/v1alpha1", "Stage"), body).unwrap(),
            condition: "Loaded",
            holds,
            reason: if holds { "Loaded" } else { "Refused" },
            message: message.to_owned(),
        }
    }

    fn condition(status: &str, message: &str, since: &str) -> Value {
        let reason = if status == "True" {
            "Loaded"
        } else {
            "Refused"
        };
        json!({"type": "Loaded", "status": status, "reason": reason, "message": message, "lastTransitionTime": since})
    }

    const NOW: Time = Time(1_767_261_600_000);

    #[test]
    fn what_is_said_already_is_not_said_again() {
        let known = json!([{"type": "Other"}, condition("False", "bad", "2020-01-01T00:00:00Z")]);
        assert_eq!(verdict(&known, false, "bad").conditions(NOW), None);
        let long = "x".repeat(LONGEST + 1);
        let known = json!([condition("False", &long[1..], "2020-01-01T00:00:00Z")]);
        assert_eq!(verdict(&known, false, &long).conditions(NOW), None);
    }

    #[test]
    fn other_conditions_and_the_time_of_the_transition_stay() {
        let other = json!({"type": "Other"});
        let known = json!([other, condition("False", "bad", "2020-01-01T00:00:00Z")]);
        let worse = verdict(&known, false, "worse").conditions(NOW).unwrap();
        assert_eq!(
            worse,
            [
                other.clone(),
                condition("False", "worse", "2020-01-01T00:00:00Z")
            ]
        );
        let good = verdict(&known, true, "").conditions(NOW).unwrap();
        assert_eq!(good, [other, condition("True", "", &NOW.to_seconds())]);
        let first = verdict(&Value::Null, true, "").conditions(NOW).unwrap();
        assert_eq!(first, [condition("True", "", &NOW.to_seconds())]);
    }
}
