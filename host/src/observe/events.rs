//! Events (`events.k8s.io/v1`) on the objects: one task sends them, at a bounded rate, and drops what is too much.

#![expect(clippy::disallowed_methods, reason = "Events have no rank")]

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use http::Method;
use kube::core::ApiResource;
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};
use stagewright_core::interface::Severity;
use stagewright_core::object::{Snapshot, Uid};
use stagewright_core::time::Time;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::client::wire::{self, Answer, FIELD_MANAGER, WireError, Write};
use crate::clock::Clock;

/// Events waiting to be sent; more are dropped.
const WAITING: usize = 1_024;
/// Objects whose recent Events are remembered.
const REMEMBERED: usize = 4_096;
/// An Event that repeats within this time is one Event with a series.
const SERIES: Duration = Duration::from_secs(360);
/// What an object may say at once, and how long until it may say one thing more.
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_secs(30);
/// Limits of `events.k8s.io/v1`.
const NOTE: usize = 1_024;
const REASON: usize = 128;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where Events are given to be sent. Clones share the queue.
#[derive(Clone)]
pub struct Events {
    queue: Option<mpsc::Sender<Said>>,
    clock: Clock,
    dropped: Counter,
}

/// Sends what was given to [`Events`].
pub struct EventSink {
    client: kube::Client,
    clock: Clock,
    queue: mpsc::Receiver<Said>,
    instance: String,
    memory: Memory,
    sent: Counter,
    dropped: Counter,
    forbidden: bool,
}

/// One thing said about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    regarding: Value,
    namespace: String,
    name: String,
    uid: Uid,
    severity: Severity,
    reason: String,
    note: String,
    at: Time,
}

/// A queue and its sender. `instance` names this process, `sent` and `dropped` count.
#[must_use]
pub fn events(
    client: kube::Client,
    clock: Clock,
    instance: String,
    sent: Counter,
    dropped: Counter,
) -> (Events, EventSink) {
    let (queue, waiting) = mpsc::channel(WAITING);
    let events = Events {
        queue: Some(queue),
        clock: clock.clone(),
        dropped: dropped.clone(),
    };
    let memory = Memory::default();
    (
        events,
        EventSink {
            client,
            clock,
            queue: waiting,
            instance,
            memory,
            sent,
            dropped,
            forbidden: false,
        },
    )
}

impl Events {
    /// Says nothing to anybody.
    #[must_use]
    pub fn none() -> Self {
        Self {
            queue: None,
            clock: Clock::new(),
            dropped: Counter::default(),
        }
    }

    /// Says something about an object. Never waits: what the queue does not hold is dropped and counted.
    pub fn send(&self, object: &Snapshot, severity: Severity, reason: &str, note: &str) {
        let Some(queue) = &self.queue else { return };
        let key = object.key();
        let regarding = json!({"apiVersion": key.kind.api_version(), "kind": key.kind.kind(), "namespace": key.namespace,
            "name": key.name, "uid": object.uid(), "resourceVersion": object.version().to_string()});
        let said = Said {
            regarding,
            // Events about cluster-wide objects are in `default`, where kubectl looks for them.
            namespace: key.namespace.as_deref().unwrap_or("default").to_owned(),
            name: key.name.to_string(),
            uid: object.uid().clone(),
            severity,
            reason: cut(reason, REASON).to_owned(),
            note: cut(note, NOTE).to_owned(),
            at: self.clock.now(),
        };
        if queue.try_send(said).is_err() {
            self.dropped.inc();
        }
    }
}

/// What was said lately, of a bounded number of things.
#[derive(Debug, Default)]
struct Memory {
    of: HashMap<(Uid, String), Told>,
    oldest: VecDeque<(Uid, String)>,
    allowance: HashMap<Uid, (Time, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    name: String,
    note: String,
    count: u32,
    last: Time,
}

/// What becomes of something said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    New,
    /// The Event of this name, for the so-manieth time.
    Again(String, u32),
    Drop,
}

impl Memory {
    fn way(&mut self, said: &Said) -> Way {
        if !self.allowed(&said.uid, said.at) {
            return Way::Drop;
        }
        let repeated = self.of.get_mut(&(said.uid.clone(), said.reason.clone()));
        match repeated.filter(|told| told.note == said.note && said.at.since(told.last) < SERIES) {
            Some(told) => {
                told.count = told.count.saturating_add(1);
                told.last = said.at;
                Way::Again(told.name.clone(), told.count)
            }
            None => Way::New,
        }
    }

    fn remember(&mut self, said: &Said, name: String) {
        let key = (said.uid.clone(), said.reason.clone());
        let told = Told {
            name,
            note: said.note.clone(),
            count: 1,
            last: said.at,
        };
        if self.of.insert(key.clone(), told).is_none() {
            self.oldest.push_back(key);
        }
        if self.oldest.len() > REMEMBERED
            && let Some(key) = self.oldest.pop_front()
        {
            self.of.remove(&key);
        }
    }

    /// A bucket of [`BURST`] for each object that has said something lately.
    fn allowed(&mut self, uid: &Uid, now: Time) -> bool {
        if self.allowance.len() > REMEMBERED {
            self.allowance
                .retain(|_, (since, _)| now.since(*since) < REFILL * BURST);
            if self.allowance.len() > REMEMBERED {
                self.allowance.clear();
            }
        }
        let (since, used) = self.allowance.entry(uid.clone()).or_insert((now, 0));
        let refilled =
            u32::try_from(now.since(*since).as_secs() / REFILL.as_secs()).unwrap_or(u32::MAX);
        if refilled > 0 {
            *used = used.saturating_sub(refilled);
            *since = now;
        }
        *used += 1;
        *used <= BURST
    }
}

impl EventSink {
    /// Sends until `stop` and until the queue is empty then, or until nobody can say anything any more.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let said = tokio::select! {
                biased;
                said = self.queue.recv() => said,
                () = stop.cancelled() => None,
            };
            let Some(said) = said else { return };
            match self.memory.way(&said) {
                Way::Drop => {
                    self.dropped.inc();
                }
                Way::New => self.create(&said).await,
                Way::Again(name, count) => self.repeat(&said, &name, count).await,
            }
        }
    }

    async fn create(&mut self, said: &Said) {
        let name = event_name(&said.name, said.at, self.clock.chance());
        let severity = match said.severity {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        };
        let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"name": name, "namespace": said.namespace},
            "eventTime": said.at.to_micros(), "type": severity, "reason": said.reason, "note": said.note,
            "action": said.reason, "regarding": said.regarding,
            "reportingController": "stagewright.dev/stagewright", "reportingInstance": self.instance});
        let uri = wire::path(&resource(), Some(&said.namespace), None, None);
        if self.sent(
            self.request(Method::POST, &uri, "application/json", &event)
                .await,
        ) {
            self.memory.remember(said, name);
        }
    }

    async fn repeat(&mut self, said: &Said, name: &str, count: u32) {
        let series = json!({"series": {"count": count, "lastObservedTime": said.at.to_micros()}});
        let uri = wire::path(&resource(), Some(&said.namespace), Some(name), None);
        let answer = self
            .request(Method::PATCH, &uri, "application/merge-patch+json", &series)
            .await;
        if answer
            .as_ref()
            .is_ok_and(|answer| answer.status.as_u16() == 404)
        {
            // The Event outlived its hour; the next one starts anew.
            self.create(said).await;
        } else {
            self.sent(answer);
        }
    }

    async fn request(
        &self,
        method: Method,
        uri: &str,
        content_type: &'static str,
        body: &Value,
    ) -> Result<Answer, WireError> {
        let uri = format!("{uri}?fieldManager={FIELD_MANAGER}");
        let write = Write {
            method,
            uri,
            content_type,
            body: body.to_string().into_bytes(),
            as_user: None,
        };
        wire::write(&self.client, write, TIMEOUT).await
    }

    /// Events are best effort: one that fails is counted and forgotten. Why is told once.
    fn sent(&mut self, answer: Result<Answer, WireError>) -> bool {
        let problem = match answer {
            Ok(answer) if answer.status.is_success() => {
                self.sent.inc();
                return true;
            }
            Ok(answer) => {
                if answer.status.as_u16() == 403 && !std::mem::replace(&mut self.forbidden, true) {
                    let message = answer.status_body().message;
                    tracing::warn!(
                        message,
                        "Events are forbidden; check with `kubectl auth can-i create events.events.k8s.io`"
                    );
                }
                answer.status_body().message
            }
            Err(error) => error.to_string(),
        };
        self.dropped.inc();
        tracing::debug!(problem, "Event not sent");
        false
    }
}

fn resource() -> ApiResource {
    ApiResource {
        group: "events.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "events.k8s.io/v1".to_owned(),
        kind: "Event".to_owned(),
        plural: "events".to_owned(),
    }
}

/// The object's name, the time and some chance: unique, and sorted by time.
fn event_name(object: &str, at: Time, chance: u32) -> String {
    format!(
        "{}.{:x}{:08x}",
        cut(object, 220).trim_end_matches(['.', '-']),
        at.0,
        chance
    )
}

/// At most so many bytes, ending with a whole character.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
