//! An observer that trusts nobody: it sees every version of every object and says which moved backward.
//!
//! Its rules are written from Kubernetes' own (the kubelet's status manager, the API's validation, the API conventions) and share no
//! code with the host's, so that a mistake in one of them is seen by the other. The tidy test keeps it so.

mod declared;
mod fields;
mod follow;
mod node;
mod pod;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::Client;
use kube::api::ApiResource;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use declared::DeclaredOrder;
use record::Record;

/// How long the watcher may lag behind the API server when it is stopped.
const CATCH_UP: Duration = Duration::from_secs(60);

/// By which rules versions of one object are compared.
#[derive(Debug, Clone)]
pub enum Rules {
    /// Phases, containers, conditions, what is set once.
    Pod,
    /// Condition times, heartbeats, what is set once. A node's conditions may turn both ways.
    Node,
    /// The time of renewal and the number of transitions never fall.
    Lease,
    /// Phases in the order of a table; for custom kinds.
    Declared(DeclaredOrder),
}

/// A kind to watch, and its rules.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The kind as the API server serves it.
    pub resource: ApiResource,
    /// Its rules.
    pub rules: Rules,
}

impl Watched {
    /// Pods.
    #[must_use]
    pub fn pods() -> Self {
        Self {
            resource: ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&()),
            rules: Rules::Pod,
        }
    }

    /// Nodes.
    #[must_use]
    pub fn nodes() -> Self {
        Self {
            resource: ApiResource::erase::<k8s_openapi::api::core::v1::Node>(&()),
            rules: Rules::Node,
        }
    }

    /// Leases, as those of nodes.
    #[must_use]
    pub fn leases() -> Self {
        Self {
            resource: ApiResource::erase::<k8s_openapi::api::coordination::v1::Lease>(&()),
            rules: Rules::Lease,
        }
    }
}

/// One rule that one write broke.
#[derive(Clone)]
pub struct Move {
    /// The object's kind.
    pub kind: String,
    /// The object's uid.
    pub uid: String,
    /// `NAMESPACE/NAME`, or the name alone.
    pub name: String,
    /// Which rule, as a word: `PhaseBackward`, `TerminalLeft`, `ContainerBackward`…
    pub rule: &'static str,
    /// Where in the object, as a JSON pointer (containers and conditions by name).
    pub path: String,
    /// What was there.
    pub from: String,
    /// What is there now.
    pub to: String,
    /// The resourceVersion that the write made.
    pub rv: u64,
    /// The field manager that wrote it, by the object's managedFields; `unknown` if they do not tell.
    pub manager: String,
    /// The object before and after it.
    pub versions: [Arc<Value>; 2],
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            uid,
            name,
            rule,
            path,
            from,
            to,
            rv,
            manager,
            ..
        } = self;
        write!(
            f,
            "{rule}: {kind} {name} ({uid}) {path}: {from} -> {to}, written by {manager} as version {rv}"
        )
    }
}

impl fmt::Debug for Move {
    /// As [`fmt::Display`]: two whole objects would hide what matters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the watcher saw.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Versions seen, those of the first list included.
    pub versions: u64,
    /// Objects seen, by uid.
    pub objects: u64,
    /// Versions by the field manager that wrote them.
    pub writes: BTreeMap<String, u64>,
    /// Moves backward.
    pub backward: Vec<Move>,
    /// Status that was meant for another object of the name: containers that the spec does not have, times before the creation,
    /// a container's id that another object had.
    pub misplaced: Vec<Move>,
    /// Bookkeeping that is not as the conventions want it, while nothing moves backward: a condition's time that moves without its
    /// status, a terminal pod that is Ready, an observed generation that does not exist yet.
    pub untidy: Vec<Move>,
    /// The uids of objects whose deletion began or ended.
    pub deleted: BTreeSet<String>,
}

impl Report {
    /// The moves that broke a rule.
    #[must_use]
    pub fn of(&self, rule: &str) -> Vec<&Move> {
        self.backward
            .iter()
            .filter(|moved| moved.rule == rule)
            .collect()
    }

    /// The moves backward, but for those that a field manager writes of right: objects of a kind, at a place or below it.
    #[must_use]
    pub fn backward_but(&self, manager: &str, kind: &str, place: &str) -> Vec<&Move> {
        let is_excused = |moved: &Move| {
            let below = moved.path.strip_prefix(place);
            moved.manager == manager
                && moved.kind == kind
                && below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
        };
        let moves = self.backward.iter();
        moves.filter(|moved| !is_excused(moved)).collect()
    }

    /// The moves backward that a field manager wrote.
    #[must_use]
    pub fn by(&self, manager: &str) -> Vec<&Move> {
        self.backward
            .iter()
            .filter(|moved| moved.manager == manager)
            .collect()
    }
}

/// The rules alone, for who has the versions at hand.
#[derive(Debug, Default)]
pub struct Judge(Record);

impl Judge {
    /// The next version of an object, or its last one. Versions of an object come in order, each once.
    pub fn observe(
        &mut self,
        kind: &str,
        rules: &Rules,
        object: impl Into<Arc<Value>>,
        is_gone: bool,
    ) {
        self.0.observe(kind, rules, object.into(), is_gone);
    }

    /// What was seen until now.
    ///
    /// # Errors
    /// If versions came twice, or out of order.
    pub fn report(&self) -> Result<&Report> {
        self.0.check()?;
        Ok(&self.0.report)
    }
}

/// A running watcher.
pub struct RankWatcher {
    client: Client,
    kinds: Vec<Watched>,
    record: Arc<Mutex<Record>>,
    progress: watch::Receiver<u64>,
    tasks: Vec<JoinHandle<()>>,
}

impl RankWatcher {
    /// Watches pods and nodes from now on.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn start(client: &Client) -> Result<Self> {
        Self::start_for(client, vec![Watched::pods(), Watched::nodes()]).await
    }

    /// Watches these kinds from now on; what is there is the base.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn start_for(client: &Client, kinds: Vec<Watched>) -> Result<Self> {
        let record = Arc::new(Mutex::new(Record::default()));
        let (sender, progress) = watch::channel(0);
        let mut tasks = Vec::new();
        for watched in &kinds {
            let follow = follow::Follow {
                client: client.clone(),
                watched: watched.clone(),
                record: Arc::clone(&record),
                progress: sender.clone(),
            };
            let from = follow
                .list()
                .await
                .with_context(|| format!("list {}", watched.resource.plural))?;
            tasks.push(tokio::spawn(follow.run(from)));
        }
        Ok(Self {
            client: client.clone(),
            kinds,
            record,
            progress,
            tasks,
        })
    }

    /// What was seen until now.
    #[must_use]
    pub fn so_far(&self) -> Report {
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .report
            .clone()
    }

    /// Waits until what was seen satisfies the condition.
    ///
    /// # Errors
    /// If it does not within the time, or the watch has a gap.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        mut holds: impl FnMut(&Report) -> bool,
    ) -> Result<()> {
        let wait = self.wait(|record| holds(&record.report));
        tokio::time::timeout(within, wait)
            .await
            .with_context(|| format!("no {what} within {within:?}"))?
    }

    /// Waits until everything that has been written is seen, stops, and answers what was seen.
    ///
    /// # Errors
    /// If the watch had a gap, or does not catch up within a minute.
    pub async fn stop(self) -> Result<Report> {
        for watched in &self.kinds {
            let kind = &watched.resource.kind;
            let (now, version) = follow::versions(&self.client, &watched.resource).await?;
            let wait = self.wait(|record| record.has_seen(kind, &now, version));
            tokio::time::timeout(CATCH_UP, wait)
                .await
                .with_context(|| format!("the watcher of {kind} is behind by {CATCH_UP:?}"))??;
        }
        Ok(self.so_far())
    }

    async fn wait(&self, mut holds: impl FnMut(&Record) -> bool) -> Result<()> {
        let mut progress = self.progress.clone();
        loop {
            {
                let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
                record.check()?;
                if holds(&record) {
                    return Ok(());
                }
            }
            progress.changed().await.context("the watch ended")?;
        }
    }
}

impl Drop for RankWatcher {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
