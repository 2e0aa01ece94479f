//! Where watch, plugins, guard and commit meet: the only place that names two of them at once.
//!
//! The watches' events go through [`intake`] into the [`Brain`]; the threads of [`decide`] take turns from its schedule and ask
//! the plugins; what is to be written goes through [`play`] on the runtime, and its response back into the brain.

mod awaited;
mod context;
mod decide;
mod explain;
mod follow;
mod intake;
mod kinds;
mod lineup;
mod play;
mod pods;
mod stages;
mod start;
mod turns;
mod watches;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::{Condvar, Mutex, RwLock};
use stagewright_core::addresses::Addresses;
use stagewright_core::claims::Claims;
use stagewright_core::guard::Rehearsal;
use stagewright_core::interface::Severity;
use stagewright_core::json::At as _;
use stagewright_core::object::{Key, Kind, Snapshot, Uid};
use stagewright_core::order::Mend;
use stagewright_core::relation::Relations;
use stagewright_core::schedule::{Failure, Outcome, Run, Schedule};
use stagewright_core::time::Time;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::commit::{CommitError, Committer};
use crate::lease::SelectedNodes;
use crate::observe::{Events, Metrics, Note, NoteKind, Notes};

use awaited::{Awaited, NotYet};
pub use kinds::OrderConflict;
use lineup::Lineup;
use pods::Pods;
pub use start::{Controller, Parts};
use turns::Sleepers;

/// Lines of plugins that the log takes in a second.
const LINES: u32 = 100;

/// What the command line decides.
#[derive(Debug, Clone)]
pub struct Options {
    /// Decide and guard, report, and write nothing.
    pub dry_run: bool,
    /// Plugins may impersonate users.
    pub impersonation: bool,
    /// Part of the entropy that plugins get; equal on all hosts of an installation.
    pub seed: u64,
    /// The node addresses given to nodes that have none.
    pub node_ips: Vec<IpAddr>,
    /// The port that nodes name as their kubelet's.
    pub kubelet_port: u16,
    /// The host name that they name as their kubelet's, where the API server finds it; none: their own.
    pub kubelet_name: Option<String>,
    /// Threads that ask plugins beside the runtime, if any.
    pub threads: usize,
    /// Writes in flight at most.
    pub writes: usize,
}

/// All that is remembered between two events, under one lock, which is never held over I/O or a plugin's call.
struct Brain {
    schedule: Schedule,
    relations: Relations,
    claims: Claims,
    addresses: Addresses,
    pods: Pods,
    sleepers: Sleepers,
    awaited: Awaited,
    /// The lineup that the relations are of: who was asked before it has none any more.
    related_since: u64,
}

/// What all threads and tasks of the controller share.
pub(crate) struct Shared {
    brain: Mutex<Brain>,
    /// Rung when a turn may have come due earlier than the threads expect.
    bell: Condvar,
    /// The same for the task that takes turns on the runtime.
    rung: Notify,
    stopping: AtomicBool,
    /// Cancelled when the host is dropped, or has come to its end: what it began ends with it.
    over: CancellationToken,
    /// Who is asked now. Another one is set in under the lock of the brain alone, so that it fits what the schedule says.
    lineup: RwLock<Arc<Lineup>>,
    clock: Clock,
    committer: Committer,
    metrics: Arc<Metrics>,
    events: Events,
    notes: Arc<Notes>,
    /// For the lease keeper.
    selected: Arc<SelectedNodes>,
    writes: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Lines that plugins may still log in this second.
    lines: AtomicU32,
    options: Options,
}

// === impl Shared ===

impl Shared {
    fn finish(&self, key: &Key, uid: &Uid, newest: Option<&Snapshot>, outcome: Outcome) {
        let now = self.clock.now();
        let mut brain = self.brain.lock();
        brain.schedule.finish(key, uid, newest, outcome, now);
        self.ring(&mut brain);
    }

    /// Reads an object whose newest version is not known, or not kept.
    async fn read(self: Arc<Self>, run: Run) {
        let lineup = self.lineup();
        let Some(target) = lineup
            .kinds
            .get(&run.key.kind)
            .and_then(|followed| followed.target.get())
        else {
            return self.finish(&run.key, &run.uid, None, Outcome::Transient(None));
        };
        let outcome = match self.committer.read(target, &run.key).await {
            Ok(Some(snapshot)) => {
                let same = *snapshot.uid() == run.uid;
                self.take_in_answer(&snapshot);
                if same { Outcome::Read } else { Outcome::Gone }
            }
            Ok(None) => Outcome::Gone,
            Err(CommitError::Transient { retry_after, .. }) => Outcome::Transient(retry_after),
            Err(error) => {
                tracing::warn!(kind = %run.key.kind, namespace = run.key.namespace.as_deref(), name = &*run.key.name, %error, "object cannot be read");
                Outcome::Transient(None)
            }
        };
        self.finish(&run.key, &run.uid, None, outcome);
    }

    /// Something was refused: counted, kept for `explain`, told on the object, and tried again after a growing pause.
    fn refused(
        &self,
        run: &Run,
        plugin: &str,
        category: &'static str,
        failure: Failure,
    ) -> Outcome {
        self.metrics.refused(plugin, category);
        self.note(
            run,
            plugin,
            &failure.stage,
            NoteKind::Refused,
            category,
            &failure.message,
        );
        tracing::warn!(kind = %run.key.kind, namespace = run.key.namespace.as_deref(), name = &*run.key.name, uid = %run.uid, plugin, stage = failure.stage, reason = category,
            message = failure.message, "refused");
        self.warn(
            run,
            category,
            &format!(
                "plugin {plugin}, stage {:?}: {}",
                failure.stage, failure.message
            ),
        );
        Outcome::Refused(plugin.to_owned(), failure)
    }

    /// The plugin says the object lacks what it needs.
    fn invalid(&self, run: &Run, plugin: &str, message: &str) {
        self.metrics.refused(plugin, "InvalidObject");
        self.note(run, plugin, "", NoteKind::Refused, "InvalidObject", message);
        tracing::warn!(kind = %run.key.kind, namespace = run.key.namespace.as_deref(), name = &*run.key.name, uid = %run.uid, plugin, reason = "InvalidObject", message, "left alone");
        self.warn(run, "InvalidObject", &format!("plugin {plugin}: {message}"));
    }

    fn warn(&self, run: &Run, reason: &str, message: &str) {
        if let (Some(snapshot), false) = (&run.snapshot, self.options.dry_run) {
            self.events
                .send(snapshot, Severity::Warning, reason, message);
        }
    }

    fn note_mends(&self, run: &Run, plugin: &str, stage: &str, mends: &[Mend]) {
        for mend in mends {
            self.metrics.mended(plugin, mend.rule);
            self.note(
                run,
                plugin,
                stage,
                NoteKind::Mended,
                mend.rule,
                &mend.to_string(),
            );
        }
    }

    /// The server stored something else at these pointers: nothing is wrong with the play, but a user will ask.
    fn note_lost(&self, run: &Run, plugin: &str, stage: &str, pointers: &[String]) {
        if pointers.is_empty() {
            return;
        }
        let message = format!(
            "without effect at {}: the API server stored something else there; look for what the schema does not have, and for admission policies",
            pointers.join(", ")
        );
        self.note(
            run,
            plugin,
            stage,
            NoteKind::Remade,
            "StoredInPart",
            &message,
        );
    }

    fn note(
        &self,
        run: &Run,
        plugin: &str,
        stage: &str,
        kind: NoteKind,
        category: &'static str,
        message: &str,
    ) {
        self.notes.push(Note {
            time: self.clock.now(),
            key: run.key.clone(),
            uid: run.uid.clone(),
            plugin: plugin.to_owned(),
            stage: stage.to_owned(),
            kind,
            category,
            message: message.to_owned(),
        });
    }

    /// `--dry-run`: what would have been written.
    fn would_write(&self, subject: &Snapshot, plugin: &str, rehearsal: &Rehearsal) {
        for planned in &rehearsal.writes {
            let planned = serde_json::to_string(planned).unwrap_or_default();
            tracing::info!(kind = %subject.key().kind, namespace = subject.key().namespace.as_deref(), name = &*subject.key().name, uid = %subject.uid(), resource_version = %subject.version(), plugin, write = planned, "would write");
        }
    }

    /// A task that ends with the host, if not before: a host that crashed does nothing any more.
    fn mortal<T>(&self, task: T) -> impl Future<Output = ()> + Send + use<T>
    where
        T: Future<Output = ()> + Send,
    {
        let over = self.over.clone();
        async move {
            tokio::select! {
                biased;
                () = over.cancelled() => {}
                () = task => {}
            }
        }
    }

    /// When a kind is given up of which nothing is heard from now on.
    fn patience(&self) -> Time {
        self.clock.now() + self.clock.passes(awaited::PATIENCE)
    }

    /// Something became of a kind that was waited for: those who waited for it are asked again.
    fn answered(&self, ended: impl FnOnce(&mut Awaited) -> BTreeSet<Key>) {
        let now = self.clock.now();
        let mut brain = self.brain.lock();
        let woken = ended(&mut brain.awaited);
        brain.wake(&woken, now);
        self.ring(&mut brain);
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // The lock makes sure that no thread is between its look at the flag and its sleep.
        drop(self.brain.lock());
        self.ring_all();
    }
}

// === impl Brain ===

impl Brain {
    /// Whether the object has to wait for one of the kinds. If so, it is asked again when that is over.
    fn hold<'a>(
        &mut self,
        kinds: impl IntoIterator<Item = &'a Kind>,
        key: &Key,
        now: Time,
    ) -> Option<NotYet> {
        let given_up = self.awaited.give_up(now);
        self.wake(&given_up, now);
        self.awaited.hold(kinds, key)
    }

    fn wake(&mut self, keys: &BTreeSet<Key>, now: Time) {
        for key in keys {
            self.schedule.wake(key, now);
        }
    }
}

/// The node a pod is bound to.
fn node_of(object: &Snapshot) -> Option<&str> {
    let node = object.body().at("/spec/nodeName")?.as_str()?;
    (object.key().kind.is_core("Pod") && !node.is_empty()).then_some(node)
}

/// Node leases: the claim of a host, or of a kubelet, on a node.
fn is_lease(kind: &Kind) -> bool {
    kind.group() == "coordination.k8s.io" && kind.kind() == "Lease"
}
