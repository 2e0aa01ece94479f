//! Node leases: they tell the cluster that a node lives, and other controllers that it is ours.
//!
//! One task keeps all of them. [`plan`] says whose turn it is; what is due first is sent first, renewals before new leases, so
//! that a slow server costs us leases that we do not have yet and none that we have.

#![expect(
    clippy::disallowed_methods,
    reason = "a lease has no rank; its writes carry the version they are based on"
)]

mod holder;
mod plan;
mod record;
mod selected;

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use kube::core::ApiResource;
use stagewright_core::claims::LEASE_NAMESPACE;
use stagewright_core::object::{Kind, Snapshot, Uid};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::wire::{self, Answer, FIELD_MANAGER, WireError, Write};
use crate::clock::Clock;
pub use holder::identity;
use plan::{Held, Job, Known, Outcome, Plan};
use record::{Record, Terms};
use selected::Changes;
pub use selected::{Selected, SelectedNodes};

/// Requests for leases under way at once, at least and at most: each has a connection of its own, a tenth of a MiB.
const PARALLEL: RangeInclusive<usize> = 8..=32;
/// Within these bounds there are so many that all leases are renewed in time even if each request takes so long.
const REQUEST: Duration = Duration::from_millis(100);
/// A turn that is due later than this is looked at again, since the clock may be corrected meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Different failures that are told as warnings.
const MAX_TOLD: usize = 64;

/// How leases are held.
#[derive(Debug, Clone)]
pub struct LeaseOptions {
    /// Who holds them, in `holderIdentity`, like [`identity`].
    pub identity: String,
    /// How long a lease holds without being renewed. It is renewed four times as often.
    pub duration: Duration,
    /// How long releasing them may take at the end.
    pub grace: Duration,
}

/// Creates, renews, takes over and releases the selected nodes' leases.
pub struct LeaseKeeper {
    desk: Arc<Desk>,
    grace: Duration,
    plan: Plan,
    answers: mpsc::Sender<Snapshot>,
    releases: VecDeque<(Arc<str>, Uid, Held)>,
    told: BTreeSet<String>,
}

/// What one request needs.
struct Desk {
    client: kube::Client,
    clock: Clock,
    identity: String,
    duration: Duration,
    timeout: Duration,
    take_over: bool,
}

/// What became of a node's lease; nothing to go on with if it was released, since the node may have a new turn by now.
type Done = (Arc<str>, Uid, Option<(Outcome, Option<Snapshot>)>);

impl LeaseKeeper {
    /// A keeper; `answers` gets the leases as the server stored them, so far as it has room: the watch brings them too.
    #[must_use]
    pub fn new(
        client: kube::Client,
        clock: Clock,
        options: LeaseOptions,
        answers: mpsc::Sender<Snapshot>,
    ) -> Self {
        let LeaseOptions {
            identity,
            duration,
            grace,
        } = options;
        let timeout = (duration / 4).clamp(Duration::from_secs(1), Duration::from_secs(10));
        let desk = Desk {
            client,
            clock,
            identity,
            duration,
            timeout,
            take_over: false,
        };
        Self {
            desk: Arc::new(desk),
            grace,
            plan: Plan::new(duration),
            answers,
            releases: VecDeque::new(),
            told: BTreeSet::new(),
        }
    }

    /// Whether a live kubelet's lease is taken too. Only for nodes that the user named.
    #[must_use]
    pub fn take_over(mut self, take_over: bool) -> Self {
        if let Some(desk) = Arc::get_mut(&mut self.desk) {
            desk.take_over = take_over;
        }
        self
    }

    /// Keeps the leases of these nodes, until `stop`; then releases them.
    pub async fn run(mut self, nodes: Arc<SelectedNodes>, stop: CancellationToken) {
        let mut jobs: JoinSet<Done> = JoinSet::new();
        loop {
            let now = self.desk.clock.now();
            while jobs.len() < self.parallel()
                && let Some(job) = self.plan.next(now)
            {
                jobs.spawn(Arc::clone(&self.desk).hold(job));
            }
            self.release(&mut jobs);
            let due = self.plan.next_due();
            let wait = due.map_or(LOOK_AGAIN, |due| {
                self.desk.clock.wait(due.since(now)).min(LOOK_AGAIN)
            });
            let wait = wait.max(Duration::from_millis(1));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changes = nodes.changed() => self.select(changes),
                Some(done) = jobs.join_next(), if !jobs.is_empty() => self.settle(done),
                () = tokio::time::sleep(wait), if jobs.len() < self.parallel() => {}
            }
        }
        let grace = self.grace;
        let released = tokio::time::timeout(grace, self.release_all(jobs));
        if released.await.is_err() {
            let message = "not all leases are released; the rest run out by themselves";
            tracing::warn!(?grace, message);
        }
    }

    /// How many requests may be under way.
    fn parallel(&self) -> usize {
        let nodes = self.plan.len().max(self.releases.len());
        // A quarter of the duration, on the machine's clock, as a request takes its time there.
        parallel(nodes, self.desk.clock.wait(self.desk.duration / 4))
    }

    fn select(&mut self, changes: Changes) {
        let released = self.plan.select(changes, self.desk.clock.now());
        self.releases.extend(released);
    }

    /// Begins as many releases as there is room for.
    fn release(&mut self, jobs: &mut JoinSet<Done>) {
        while jobs.len() < self.parallel()
            && let Some((node, uid, held)) = self.releases.pop_front()
        {
            jobs.spawn(Arc::clone(&self.desk).release(node, uid, held));
        }
    }

    fn settle(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let Ok((node, uid, Some((outcome, snapshot)))) = done else {
            return;
        };
        match &outcome {
            // A server that refuses one lease mostly refuses all, and is not to fill the log with it.
            Outcome::Failed { message, .. } if self.told.len() < MAX_TOLD => {
                if self.told.insert(message.clone()) {
                    tracing::warn!(node = &*node, message, "lease not written; trying again");
                }
            }
            Outcome::Failed { message, .. } => {
                tracing::debug!(node = &*node, message, "lease not written")
            }
            Outcome::Held(_) | Outcome::Taken(_) | Outcome::Changed => {}
        }
        let now = self.desk.clock.now();
        self.plan
            .finish(&node, &uid, outcome, now, self.desk.clock.chance());
        if let Some(snapshot) = snapshot {
            // A queue that is full is no reason to be late with the next renewal.
            let _ = self.answers.try_send(snapshot);
        }
    }

    /// Gives all back: at once what is ours, and what a request under way makes ours when it ends.
    async fn release_all(&mut self, mut jobs: JoinSet<Done>) {
        loop {
            self.releases.extend(self.plan.wind_up());
            self.release(&mut jobs);
            match jobs.join_next().await {
                Some(done) => self.settle(done),
                None => return,
            }
        }
    }
}

impl Desk {
    /// Renews the lease, or gets it.
    async fn hold(self: Arc<Self>, job: Job) -> Done {
        let Job { node, uid, known } = job;
        let became = match known {
            Known::Held(held) => {
                let terms = self.terms(held.renewed);
                self.written(
                    self.patch(&node, record::renewal(&terms, &held.version))
                        .await,
                    &node,
                )
            }
            Known::Missing => self.make(&node, &uid).await,
            Known::Nothing => self.get(&node, &uid).await,
        };
        (node, uid, Some(became))
    }

    /// Reads the lease, and takes it if it is free.
    async fn get(&self, node: &str, uid: &Uid) -> (Outcome, Option<Snapshot>) {
        let answer = match wire::get(&self.client, &path(Some(node)), self.timeout).await {
            Ok(answer) => answer,
            Err(error) => return (failed(&error), None),
        };
        if answer.status.as_u16() == 404 {
            return self.make(node, uid).await;
        }
        let Some(record) = snapshot(&answer)
            .filter(|_| answer.status.is_success())
            .map(|lease| Record::of(&lease))
        else {
            return (refused(&answer), None);
        };
        let now = self.clock.now();
        if let Some(until) = record.taken_until(&self.identity, self.take_over, now)
            && !record.holder.as_deref().is_some_and(holder::has_ended)
        {
            return (Outcome::Taken(until), None);
        }
        let terms = self.terms(record.renewed);
        self.written(
            self.patch(node, record::acquisition(&terms, &record, node, uid))
                .await,
            node,
        )
    }

    /// Creates the lease. If there is one after all, that is found by the answer.
    async fn make(&self, node: &str, uid: &Uid) -> (Outcome, Option<Snapshot>) {
        let terms = self.terms(stagewright_core::time::Time::default());
        self.written(self.create(record::creation(&terms, node, uid)).await, node)
    }

    /// Gives the lease back, keeping its time, so that the next one need not wait for its end. Best effort.
    async fn release(self: Arc<Self>, node: Arc<str>, uid: Uid, held: Held) -> Done {
        let answer = self.patch(&node, record::release(&held.version)).await;
        tracing::debug!(
            node = &*node,
            released = answer.is_ok_and(|answer| answer.status.is_success()),
            "lease"
        );
        (node, uid, None)
    }

    fn terms(&self, not_before: stagewright_core::time::Time) -> Terms<'_> {
        // The clock may have been set back; a lease's time never is.
        Terms {
            identity: &self.identity,
            duration: self.duration,
            now: self.clock.now().max(not_before),
        }
    }

    async fn patch(&self, node: &str, body: serde_json::Value) -> Result<Answer, WireError> {
        self.write(
            Method::PATCH,
            path(Some(node)),
            "application/merge-patch+json",
            body,
        )
        .await
    }

    async fn create(&self, body: serde_json::Value) -> Result<Answer, WireError> {
        self.write(Method::POST, path(None), "application/json", body)
            .await
    }

    async fn write(
        &self,
        method: Method,
        path: String,
        content_type: &'static str,
        body: serde_json::Value,
    ) -> Result<Answer, WireError> {
        let uri = format!("{path}?fieldManager={FIELD_MANAGER}");
        let write = Write {
            method,
            uri,
            content_type,
            body: body.to_string().into_bytes(),
            as_user: None,
        };
        wire::write(&self.client, write, self.timeout).await
    }

    /// What became of a write that makes or keeps the lease ours.
    fn written(
        &self,
        answer: Result<Answer, WireError>,
        node: &str,
    ) -> (Outcome, Option<Snapshot>) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return (failed(&error), None),
        };
        match answer.status.as_u16() {
            // Somebody else was faster, or the lease went with its node: look again.
            409 => return (Outcome::Changed, None),
            404 if !answer.status_body().message.contains("namespaces") => {
                return (Outcome::Changed, None);
            }
            _ => {}
        }
        let Some(lease) = snapshot(&answer).filter(|_| answer.status.is_success()) else {
            return (refused(&answer), None);
        };
        let record = Record::of(&lease);
        if record.holder.as_deref() != Some(self.identity.as_str()) {
            return (Outcome::Changed, None);
        }
        tracing::trace!(node, renewed = %record.renewed, "lease held");
        (
            Outcome::Held(Held {
                version: record.version,
                renewed: record.renewed,
            }),
            Some(lease),
        )
    }
}

fn snapshot(answer: &Answer) -> Option<Snapshot> {
    let body = serde_json::from_slice(&answer.body).ok()?;
    Snapshot::parse(&Kind::new("coordination.k8s.io/v1", "Lease"), body).ok()
}

fn failed(error: &WireError) -> Outcome {
    Outcome::Failed {
        message: error.to_string(),
        retry_after: None,
    }
}

fn refused(answer: &Answer) -> Outcome {
    let status = answer.status_body();
    let remedy = match answer.status.as_u16() {
        403 => format!(
            "; check with `kubectl auth can-i patch leases.coordination.k8s.io -n {LEASE_NAMESPACE}`, and `create` and `get`"
        ),
        404 => format!(
            "; create the namespace {LEASE_NAMESPACE}, or give --node-lease-duration-seconds=0"
        ),
        _ => String::new(),
    };
    let message = format!("{} {}{remedy}", answer.status.as_u16(), status.message);
    Outcome::Failed {
        message,
        retry_after: answer.pause(),
    }
}

fn path(node: Option<&str>) -> String {
    let resource = ApiResource {
        group: "coordination.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "coordination.k8s.io/v1".to_owned(),
        kind: "Lease".to_owned(),
        plural: "leases".to_owned(),
    };
    wire::path(&resource, Some(LEASE_NAMESPACE), node, None)
}

/// How many requests at once renew the leases of so many nodes, each once in a period.
fn parallel(nodes: usize, period: Duration) -> usize {
    let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
    let together = REQUEST.saturating_mul(nodes).as_millis();
    let parallel = together.div_ceil(period.as_millis().max(1));
    usize::try_from(parallel)
        .unwrap_or(usize::MAX)
        .clamp(*PARALLEL.start(), *PARALLEL.end())
}

#[cfg(test)]
mod tests;
