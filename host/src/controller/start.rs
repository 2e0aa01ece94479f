//! Bringing the controller up, in the order that safety asks for, and down.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};
use stagewright_core::addresses::Addresses;
use stagewright_core::claims::Claims;
use stagewright_core::object::{Kind, Snapshot};
use stagewright_core::relation::Relations;
use stagewright_core::schedule::Schedule;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::awaited::Awaited;
use super::follow::Feed;
use super::kinds::OrderConflict;
use super::lineup::Lineup;
use super::pods::Pods;
use super::stages::Origin;
use super::watches::Watches;
use super::{Brain, LINES, Options, Shared, Sleepers, decide};
use crate::clock::Clock;
use crate::commit::Committer;
use crate::lease::SelectedNodes;
use crate::loading::{Live, Renewed};
use crate::observe::{Events, Metrics, Notes};
use crate::orders::Orders;

/// What the controller is put together from.
pub struct Parts {
    /// Reads lists and watches.
    pub client: kube::Client,
    /// The server's clock.
    pub clock: Clock,
    /// By priority.
    pub plugins: Renewed,
    /// KWOK's stages as the API server has them, for one more plugin among those.
    pub live: Option<Live>,
    /// The administrator's orders of files; none: they are not looked for in the API server either.
    pub orders: Option<Orders>,
    /// Which nodes are ours.
    pub claims: Claims,
    /// The pods' addresses.
    pub addresses: Addresses,
    /// The one that writes.
    pub committer: Committer,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Tells on objects.
    pub events: Events,
    /// Remembers what was refused and mended.
    pub notes: Arc<Notes>,
    /// What the command line decides.
    pub options: Options,
}

/// Ends what [`Controller::run`] began, whether that came to its end or was dropped before.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.stop();
        self.0.over.cancel();
    }
}

/// A controller under way.
#[derive(Clone)]
pub struct Controller {
    pub(super) shared: Arc<Shared>,
    pub(super) client: kube::Client,
    /// What the lineups are made from.
    origin: Arc<Origin>,
    /// For the admin port's questions, which come from threads of their own.
    pub(super) runtime: tokio::runtime::Handle,
}

impl Controller {
    /// Puts the parts together, on the runtime it is called on. Nothing is read or written before [`Controller::run`].
    #[must_use]
    pub fn new(parts: Parts) -> (Self, Vec<OrderConflict>) {
        let places = match &parts.live {
            // Nobody is asked before the first stages are known.
            Some(_) => Vec::new(),
            None => parts.plugins.borrow().iter().cloned().map(Some).collect(),
        };
        let orders = parts.orders.clone().unwrap_or_default();
        let (lineup, conflicts) = Lineup::new(places, &orders);
        lineup.tell_unordered(None);
        let relations = Relations::new(lineup.subjects());
        let mut awaited = Awaited::default();
        for followed in lineup.kinds.iter() {
            awaited.expect(&followed.kind, lineup.generation, None);
        }
        let (claims, addresses) = (parts.claims, parts.addresses);
        let shared = Shared {
            brain: Mutex::new(Brain {
                schedule: Schedule::default(),
                relations,
                claims,
                addresses,
                pods: Pods::default(),
                sleepers: Sleepers::default(),
                awaited,
                related_since: 0,
            }),
            bell: Condvar::new(),
            rung: Notify::new(),
            stopping: AtomicBool::new(false),
            over: CancellationToken::new(),
            lineup: RwLock::new(Arc::new(lineup)),
            clock: parts.clock,
            committer: parts.committer,
            metrics: parts.metrics,
            events: parts.events,
            notes: parts.notes,
            selected: Arc::default(),
            writes: Arc::new(Semaphore::new(parts.options.writes)),
            tasks: TaskTracker::new(),
            lines: AtomicU32::new(LINES),
            options: parts.options,
        };
        let runtime = tokio::runtime::Handle::current();
        (
            Self {
                shared: Arc::new(shared),
                client: parts.client,
                runtime,
                origin: Arc::new(Origin {
                    live: parts.live,
                    others: parts.plugins,
                    orders: parts.orders,
                }),
            },
            conflicts,
        )
    }

    /// The nodes whose leases are to be held.
    #[must_use]
    pub fn selected_nodes(&self) -> Arc<SelectedNodes> {
        Arc::clone(&self.shared.selected)
    }

    /// How many nodes are ours.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.shared.brain.lock().claims.nodes().len()
    }

    /// A lease as a write of it was answered, so that its node is known to be ours before the watch says so.
    pub fn lease(&self, lease: &Snapshot) {
        self.shared.take_in(lease);
    }

    /// Follows everything until `stop`; then lets the writes in flight end, for at most `grace`. `synced` is told when all that
    /// the server serves has been listed once.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub async fn run(
        &self,
        stop: CancellationToken,
        synced: oneshot::Sender<()>,
        grace: Duration,
    ) -> std::io::Result<()> {
        let threads = self.threads()?;
        let _end = End(&self.shared);
        let asking = decide::work_async(Arc::clone(&self.shared), self.runtime.clone());
        self.shared.tasks.spawn(self.shared.mortal(asking));
        let mut watches = Watches::new(self, &stop);
        let mut feed = Feed::start(self, &self.origin, &stop).await;
        let listed = async {
            // Who decides is known before there is anything to decide on.
            if feed.is_waited_for()
                && let Some(first) = feed.next().await
            {
                self.shared.set_in(first);
            }
            self.follow_all(&mut watches).await;
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = listed => { let _ = synced.send(()); }
        }
        let changes = async {
            while let Some(next) = feed.next().await {
                let unseen = self.shared.set_in(next);
                drop(watches.align(&unseen));
            }
        };
        tokio::join!(stop.cancelled(), self.tick(&stop), changes);
        watches.end().await;
        feed.end().await;
        self.shared.stop();
        self.shared.tasks.close();
        if tokio::time::timeout(grace, self.shared.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                ?grace,
                "writes are still in flight after the grace period; the server decides what became of them"
            );
        }
        for thread in threads {
            // A thread ends within one call of a plugin, which its fuel bounds.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        Ok(())
    }

    fn threads(&self) -> std::io::Result<Vec<std::thread::JoinHandle<()>>> {
        let thread = |index: usize| {
            let (shared, runtime) = (Arc::clone(&self.shared), self.runtime.clone());
            std::thread::Builder::new()
                .name(format!("decide-{index}"))
                .spawn(move || decide::work(&shared, &runtime))
        };
        (0..self.shared.options.threads).map(thread).collect()
    }

    /// Leases before nodes, so that no node of a living kubelet is taken; nodes before the rest, so that a pod's node is known.
    async fn follow_all(&self, watches: &mut Watches) {
        let lease = Kind::new("coordination.k8s.io/v1", "Lease");
        let node = Kind::new("v1", "Node");
        for first in [lease, node] {
            watches.follow(&first).await;
        }
        watches.align(&BTreeSet::new()).await;
    }

    /// Leases run out without an event.
    async fn tick(&self, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {
                    let now = self.shared.clock.now();
                    let changes = self.shared.brain.lock().claims.tick(now);
                    for (node, change) in changes {
                        self.shared.node_changed(&node, change, now);
                    }
                    self.shared.gauge();
                    self.shared.lines.store(LINES, Ordering::Relaxed);
                }
            }
        }
    }
}
