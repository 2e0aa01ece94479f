//! Bringing the controller up, in the order that safety asks for, and down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use stagewright_core::addresses::Addresses;
use stagewright_core::backoff::Backoff;
use stagewright_core::claims::Claims;
use stagewright_core::object::{Kind, Snapshot};
use stagewright_core::relation::Relations;
use stagewright_core::schedule::Schedule;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::intake::Listing;
use super::kinds::{Kinds, OrderConflict};
use super::pods::Pods;
use super::{Brain, LINES, Options, Shared, Sleepers, decide, is_lease};
use crate::clock::Clock;
use crate::commit::Committer;
use crate::discovery::{self, Target};
use crate::observe::{Events, Metrics, Notes};
use crate::plugin::Plugin;
use crate::watch::{self as watching, Event, Filter};

/// Events of one watch that wait to be taken in; the watch waits when they are many.
const EVENTS: usize = 256;
/// Between two looks for a kind that the server does not serve yet.
const UNSERVED: Backoff = Backoff {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(15),
};

/// What the controller is put together from.
pub struct Parts {
    /// Reads lists and watches.
    pub client: kube::Client,
    /// The server's clock.
    pub clock: Clock,
    /// By priority.
    pub plugins: Vec<Arc<Plugin>>,
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
    client: kube::Client,
    /// For the admin port's questions, which come from threads of their own.
    pub(super) runtime: tokio::runtime::Handle,
}

impl Controller {
    /// Puts the parts together, on the runtime it is called on. Nothing is read or written before [`Controller::run`].
    #[must_use]
    pub fn new(parts: Parts) -> (Self, Vec<OrderConflict>) {
        let descriptions: Vec<_> = parts
            .plugins
            .iter()
            .map(|plugin| plugin.description())
            .collect();
        let (mut kinds, conflicts) = Kinds::of(&descriptions);
        kinds.entry(&Kind::new("v1", "Node"));
        let subjects: Vec<_> = descriptions
            .iter()
            .flat_map(|description| {
                description
                    .subjects
                    .iter()
                    .map(|subject| (description.name.clone(), subject.clone()))
            })
            .collect();
        let relations = Relations::new(&subjects);
        let (claims, addresses) = (parts.claims, parts.addresses);
        let shared = Shared {
            brain: Mutex::new(Brain {
                schedule: Schedule::default(),
                relations,
                claims,
                addresses,
                pods: Pods::default(),
                sleepers: Sleepers::default(),
            }),
            bell: Condvar::new(),
            rung: Notify::new(),
            stopping: AtomicBool::new(false),
            over: CancellationToken::new(),
            kinds,
            plugins: parts.plugins,
            clock: parts.clock,
            committer: parts.committer,
            metrics: parts.metrics,
            events: parts.events,
            notes: parts.notes,
            selected: watch::Sender::default(),
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
            },
            conflicts,
        )
    }

    /// The nodes whose leases are to be held, with their uids.
    #[must_use]
    pub fn selected(
        &self,
    ) -> watch::Receiver<std::collections::BTreeMap<Arc<str>, stagewright_core::object::Uid>> {
        self.shared.selected.subscribe()
    }

    /// How many nodes are ours.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.shared.brain.lock().claims.nodes().count()
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
        let watches = TaskTracker::new();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.follow_all(&watches, &stop) => { let _ = synced.send(()); }
        }
        let ticker = self.tick(&stop);
        tokio::join!(stop.cancelled(), ticker);
        watches.close();
        watches.wait().await;
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
    async fn follow_all(&self, watches: &TaskTracker, stop: &CancellationToken) {
        let lease = Kind::new("coordination.k8s.io/v1", "Lease");
        let node = Kind::new("v1", "Node");
        for first in [&lease, &node] {
            let _ = self.follow(first.clone(), watches, stop).await;
        }
        let others = self
            .shared
            .kinds
            .iter()
            .filter(|followed| followed.kind != node && followed.kind != lease);
        let mut listed = Vec::new();
        for followed in others {
            let watched = followed.related || !followed.followers.is_empty();
            if watched {
                listed.push(self.follow(followed.kind.clone(), watches, stop));
            } else {
                let find = self.clone().find(followed.kind.clone(), stop.clone());
                watches.spawn(self.shared.mortal(find));
            }
        }
        futures::future::join_all(listed).await;
    }

    /// Starts to follow a kind. What is answered ends when the kind has been listed once, or is found not to be served yet.
    fn follow(
        &self,
        kind: Kind,
        watches: &TaskTracker,
        stop: &CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let (listed, waiting) = oneshot::channel();
        let (controller, stop) = (self.clone(), stop.clone());
        watches.spawn(
            self.shared
                .mortal(async move { controller.watch(kind, listed, stop).await }),
        );
        async move {
            let _ = waiting.await;
        }
    }

    async fn watch(self, kind: Kind, listed: oneshot::Sender<()>, stop: CancellationToken) {
        let mut listed = Some(listed);
        let Some(target) = self
            .clone()
            .find_or(kind.clone(), &stop, || drop(listed.take()))
            .await
        else {
            return;
        };
        let (sender, mut events) = mpsc::channel(EVENTS);
        let watch = watching::watch(
            self.client.clone(),
            self.shared.clock.clone(),
            target,
            self.filter(&kind),
            sender,
            stop,
        );
        let intake = async {
            let mut listing = Listing::default();
            while let Some((kind, event)) = events.recv().await {
                let ended = matches!(event, Event::ListEnded);
                self.shared.event(&kind, &mut listing, event);
                if ended && let Some(listed) = listed.take() {
                    let _ = listed.send(());
                }
            }
        };
        tokio::join!(watch, intake);
    }

    /// Finds where a kind is served, however long it takes.
    async fn find(self, kind: Kind, stop: CancellationToken) {
        self.find_or(kind, &stop, || ()).await;
    }

    async fn find_or(
        self,
        kind: Kind,
        stop: &CancellationToken,
        unserved: impl FnOnce(),
    ) -> Option<Arc<Target>> {
        let (mut attempt, mut unserved) = (0, Some(unserved));
        loop {
            // A server that does not answer must not hold up the end.
            let discovered = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                discovered = discovery::discover(&self.client, &kind) => discovered,
            };
            match discovered {
                Ok(Some(target)) => {
                    let target = Arc::new(target);
                    if let Some(followed) = self.shared.kinds.get(&kind) {
                        let _ = followed.target.set(Arc::clone(&target));
                    }
                    return Some(target);
                }
                Ok(None) => {
                    if let Some(unserved) = unserved.take() {
                        tracing::warn!(%kind, "the API server does not serve this kind yet; it is looked for again");
                        unserved();
                    }
                }
                Err(error) if attempt == 0 => {
                    tracing::warn!(%kind, %error, "discovery failed, to be tried again")
                }
                Err(error) => tracing::debug!(%kind, %error, "discovery failed again"),
            }
            let pause = UNSERVED.delay(attempt, attempt.wrapping_mul(0x9E37_79B9));
            attempt = attempt.saturating_add(1);
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Pods without a node are the scheduler's, unless a relation looks at them; of leases, the nodes' alone matter.
    fn filter(&self, kind: &Kind) -> Filter {
        let followed = self.shared.kinds.get(kind);
        let related = followed.is_some_and(|followed| followed.related);
        let asked = followed.is_some_and(|followed| !followed.followers.is_empty());
        let fields = match () {
            () if kind.is_core("Pod") && !related => Some("spec.nodeName!="),
            () if is_lease(kind) && !related && !asked => {
                Some("metadata.namespace=kube-node-lease")
            }
            () => None,
        };
        Filter {
            labels: None,
            fields: fields.map(str::to_owned),
        }
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
