//! Which kinds are looked at, following the lineup: one task a kind, which finds it, lists it, and watches it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use stagewright_core::backoff::Backoff;
use stagewright_core::object::Kind;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::intake::Listing;
use super::is_lease;
use super::kinds::Followed;
use super::lineup::Lineup;
use super::start::Controller;
use crate::discovery::{self, DiscoveryError, Target};
use crate::watch::{self as watching, Event, Filter};

/// Events of one watch that wait to be taken in; the watch waits when they are more. They are read and taken in by one task, so more
/// would save no switch, and each holds a whole object as a tree.
const EVENTS: usize = 8;
/// Between two looks for a kind that the server does not serve yet.
const UNSERVED: Backoff = Backoff {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(15),
};

/// Where the server serves a kind, if it does.
type Discovered = Result<Option<Arc<Target>>, DiscoveryError>;

/// What is done about a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// It is written to, so it is to be found.
    Find,
    /// Its objects are followed.
    Watch(Filter),
}

/// A kind's task.
struct Task {
    way: Way,
    stop: CancellationToken,
    /// Sent to when the kind is to be listed once more.
    again: watch::Sender<()>,
}

/// The tasks of all kinds.
pub(super) struct Watches {
    controller: Controller,
    stop: CancellationToken,
    tasks: BTreeMap<Kind, Task>,
    tracker: TaskTracker,
}

// === impl Watches ===

impl Watches {
    pub(super) fn new(controller: &Controller, stop: &CancellationToken) -> Self {
        Self {
            controller: controller.clone(),
            stop: stop.clone(),
            tasks: BTreeMap::new(),
            tracker: TaskTracker::new(),
        }
    }

    /// Follows a kind, whether a plugin is asked about it or not. What is answered ends when the kind has been listed once, or is
    /// found not to be served yet.
    pub(super) fn follow(&mut self, kind: &Kind) -> impl Future<Output = ()> + use<> {
        let filter = filter(&self.controller.shared.lineup(), kind);
        self.begin(kind, Way::Watch(filter))
    }

    /// Does as the lineup wants: kinds that are new to it are followed, others no longer, and those that are named are listed once
    /// more. What is answered ends as in [`Watches::follow`], for the new ones.
    pub(super) fn align(&mut self, unseen: &BTreeSet<Kind>) -> impl Future<Output = ()> + use<> {
        let lineup = self.controller.shared.lineup();
        self.tasks.retain(|kind, task| {
            let stays = is_always_watched(kind) || lineup.kinds.get(kind).is_some();
            if !stays {
                task.stop.cancel();
                self.controller.shared.forget_kind(kind);
            }
            stays
        });
        let mut listed = Vec::new();
        for followed in lineup.kinds.iter() {
            let way = if is_watched(followed) {
                Way::Watch(filter(&lineup, &followed.kind))
            } else {
                Way::Find
            };
            match self.tasks.get(&followed.kind) {
                Some(task) if task.way == way => {
                    if unseen.contains(&followed.kind) {
                        let _ = task.again.send(());
                    }
                }
                known => {
                    let was_watched = known.is_some_and(|task| task.way != Way::Find);
                    let is_left = was_watched && way == Way::Find;
                    listed.push(self.begin(&followed.kind, way));
                    if is_left {
                        self.controller.shared.forget_kind(&followed.kind);
                    }
                }
            }
        }
        async move { drop(futures::future::join_all(listed).await) }
    }

    /// Lets all of them end.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn begin(&mut self, kind: &Kind, way: Way) -> impl Future<Output = ()> + use<> {
        let (listed, waiting) = oneshot::channel();
        let (again, asked) = watch::channel(());
        let stop = self.stop.child_token();
        let task = Task {
            way: way.clone(),
            stop: stop.clone(),
            again,
        };
        if let Some(before) = self.tasks.insert(kind.clone(), task) {
            before.stop.cancel();
        }
        let (controller, kind) = (self.controller.clone(), kind.clone());
        let shared = Arc::clone(&self.controller.shared);
        let patience = shared.patience();
        shared.brain.lock().awaited.heard(&kind, patience);
        self.tracker.spawn(shared.mortal(async move {
            match way {
                Way::Find => {
                    drop(listed);
                    controller.find(&kind, &stop, || ()).await;
                }
                Way::Watch(filter) => {
                    let watch = controller.watch(kind, filter, (listed, asked), stop);
                    watch.await;
                }
            }
        }));
        async move {
            let _ = waiting.await;
        }
    }
}

// === impl Controller ===

impl Controller {
    async fn watch(
        self,
        kind: Kind,
        filter: Filter,
        (listed, mut again): (oneshot::Sender<()>, watch::Receiver<()>),
        stop: CancellationToken,
    ) {
        let mut listed = Some(listed);
        let found = self.find(&kind, &stop, || drop(listed.take())).await;
        let Some(target) = found else { return };
        while !stop.is_cancelled() {
            let round = stop.child_token();
            let follow = self.follow(&target, &filter, &mut listed, round.clone());
            let mut follow = std::pin::pin!(follow);
            tokio::select! {
                biased;
                () = &mut follow => {}
                Ok(()) = again.changed() => {
                    // The next list begins when all that this watch brought is taken in.
                    round.cancel();
                    follow.await;
                }
            }
        }
    }

    /// One list and what comes after it.
    async fn follow(
        &self,
        target: &Arc<Target>,
        filter: &Filter,
        listed: &mut Option<oneshot::Sender<()>>,
        stop: CancellationToken,
    ) {
        let (sender, mut events) = mpsc::channel(EVENTS);
        let watch = watching::watch(
            self.client.clone(),
            self.shared.clock.clone(),
            Arc::clone(target),
            filter.clone(),
            sender,
            stop,
        );
        let intake = async {
            let mut listing = Listing::default();
            while let Some((kind, event)) = events.recv().await {
                let ended = matches!(event, Event::ListEnded);
                self.shared.event((&kind, filter), &mut listing, event);
                if ended && let Some(listed) = listed.take() {
                    let _ = listed.send(());
                }
            }
        };
        tokio::join!(watch, intake);
    }

    /// Where a kind is served, if it is served now. A server that does not answer is asked until it does.
    pub(super) async fn is_served(
        &self,
        kind: &Kind,
        stop: &CancellationToken,
    ) -> Option<Arc<Target>> {
        let is_answered = |_: u32, answer: &Discovered| {
            !matches!(answer, Err(DiscoveryError::Unavailable { .. }))
        };
        match self.ask_until(kind, stop, is_answered).await? {
            Ok(target) => target,
            Err(error) => {
                tracing::warn!(%kind, %error, "not looked for");
                None
            }
        }
    }

    /// Asks the server for a kind until the answer is one that `is_enough`, which is told how many came before. `None` at the end,
    /// which a server that does not answer must not hold up.
    async fn ask_until(
        &self,
        kind: &Kind,
        stop: &CancellationToken,
        mut is_enough: impl FnMut(u32, &Discovered) -> bool,
    ) -> Option<Discovered> {
        let mut attempt = 0;
        loop {
            let discovered = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                discovered = discovery::discover(&self.client, kind) => discovered,
            };
            let discovered = discovered.map(|target| target.map(Arc::new));
            if is_enough(attempt, &discovered) {
                return Some(discovered);
            }
            pause(&mut attempt, stop).await?;
        }
    }

    /// Looks for a kind that need not be there until it is served, and says nothing meanwhile.
    pub(super) async fn look_for(
        &self,
        kind: &Kind,
        stop: &CancellationToken,
    ) -> Option<Arc<Target>> {
        pause(&mut 0, stop).await?;
        let is_served = |_: u32, answer: &Discovered| matches!(answer, Ok(Some(_)));
        self.ask_until(kind, stop, is_served).await?.ok()?
    }

    /// Finds where a kind is served, however long it takes.
    pub(super) async fn find(
        &self,
        kind: &Kind,
        stop: &CancellationToken,
        unserved: impl FnOnce(),
    ) -> Option<Arc<Target>> {
        let mut unserved = Some(unserved);
        let is_served = |attempt: u32, answer: &Discovered| {
            match answer {
                Ok(Some(_)) => return true,
                Ok(None) => {
                    self.shared.answered(|awaited| awaited.unserved(kind));
                    if let Some(unserved) = unserved.take() {
                        tracing::warn!(%kind, "the API server does not serve this kind yet; it is looked for again");
                        unserved();
                    }
                }
                Err(error) => {
                    if !matches!(error, DiscoveryError::Unavailable { .. }) {
                        self.shared.answered(|awaited| awaited.refused(kind));
                    }
                    if attempt == 0 {
                        tracing::warn!(%kind, %error, "discovery failed, to be tried again");
                    } else {
                        tracing::debug!(%kind, %error, "discovery failed again");
                    }
                }
            }
            false
        };
        let target = self.ask_until(kind, stop, is_served).await?.ok()??;
        if let Some(followed) = self.shared.lineup().kinds.get(kind) {
            let _ = followed.target.set(Arc::clone(&target));
        }
        self.shared.answered(|awaited| {
            let lineup = self.shared.lineup();
            let followed = lineup.kinds.get(kind);
            awaited.found(kind, followed.is_some_and(is_watched))
        });
        Some(target)
    }
}

/// Whose host is whose, whatever the plugins ask for.
fn is_always_watched(kind: &Kind) -> bool {
    is_lease(kind) || kind.is_core("Node")
}

fn is_watched(followed: &Followed) -> bool {
    followed.is_watched() || is_always_watched(&followed.kind)
}

/// Waits before the next look, each time longer; `None` at the end.
async fn pause(attempt: &mut u32, stop: &CancellationToken) -> Option<()> {
    let pause = UNSERVED.delay(*attempt, attempt.wrapping_mul(0x9E37_79B9));
    *attempt = attempt.saturating_add(1);
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        () = tokio::time::sleep(pause) => Some(()),
    }
}

/// Pods without a node are the scheduler's, unless a relation looks at them; of leases, the nodes' alone matter.
pub(super) fn filter(lineup: &Lineup, kind: &Kind) -> Filter {
    let followed = lineup.kinds.get(kind);
    let related = followed.is_some_and(|followed| followed.related);
    let asked = followed.is_some_and(|followed| !followed.followers.is_empty());
    let fields = match () {
        () if kind.is_core("Pod") && !related => Some("spec.nodeName!="),
        () if is_lease(kind) && !related && !asked => Some("metadata.namespace=kube-node-lease"),
        () => None,
    };
    Filter {
        labels: None,
        fields: fields.map(str::to_owned),
    }
}
