//! Who decides, followed: stages and phase orders as the API server has them, and plugins that another version takes the place of.
//! Whenever they change and are quiet again, there is a lineup with the new ones.
//!
//! Other stages are configured before the old ones go: where no plugin can be made of them, those before decide on, beside whatever else
//! is new. What is refused is told so in its conditions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stagewright_core::object::{Kind, Snapshot};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lineup::Lineup;
use super::stages::{API_VERSION, Builder, Built, KIND, Origin, Refusals, Specs, Wanted, spec};
use super::start::Controller;
use crate::discovery::Target;
use crate::loading::Renewed;
use crate::observe::{Conditions, Verdict};
use crate::orders;
use crate::watch::{self as watching, Event, Filter};

/// Events that wait to be taken in.
const EVENTS: usize = 256;
/// Nothing is done before no stage has changed for so long,
const QUIET: Duration = Duration::from_millis(100);
/// or since the first change of a burst.
const PATIENCE: Duration = Duration::from_millis(500);

/// See the module's text.
pub(super) struct Feed {
    controller: Controller,
    /// Away while it builds.
    builder: Option<Builder>,
    events: mpsc::Receiver<(Kind, Event)>,
    others: Renewed,
    stages: Source,
    orders: Source,
    /// What was built last, or failed to.
    built: Option<Wanted>,
    /// Whether objects are decided on already.
    is_under_way: bool,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// A kind that is followed.
struct Source {
    kind: Kind,
    /// Whether it is followed at all.
    is_on: bool,
    /// Whether nothing is decided before it is listed.
    is_waited_for: bool,
    /// Whether it was not served at the start: then it counts from when it is listed.
    is_late: bool,
    set: Set,
    refused: Refusals,
    verdicts: watch::Sender<Vec<Verdict>>,
}

/// The objects of a kind as they are now.
#[derive(Default)]
struct Set {
    objects: BTreeMap<Arc<str>, Snapshot>,
    /// A list under way; what it does not name is gone when it ends.
    listing: Option<BTreeMap<Arc<str>, Snapshot>>,
    listed: bool,
    /// The last trouble that was told, until the next event.
    told: Option<&'static str>,
}

// === impl Set ===

impl Set {
    fn take_in(&mut self, kind: &Kind, event: Event) {
        match event {
            Event::ListStarted => self.listing = Some(BTreeMap::new()),
            Event::Seen(object) => {
                let objects = self.listing.as_mut().unwrap_or(&mut self.objects);
                objects.insert(Arc::clone(&object.key().name), object);
            }
            Event::ListEnded => {
                if let Some(objects) = self.listing.take() {
                    self.objects = objects;
                }
                self.listed = true;
                self.told = None;
            }
            Event::Gone(key, _) => {
                if let Some(objects) = &mut self.listing {
                    objects.remove(&key.name);
                }
                self.objects.remove(&key.name);
            }
            Event::Unfollowable(error) => {
                tracing::warn!(%error, "an object cannot be read, and is left out");
            }
            Event::Trouble { category, message } => {
                if self.told.replace(category) != Some(category) {
                    let resource = format!("{}s.{}", kind.kind().to_lowercase(), kind.group());
                    tracing::warn!(%kind, verb = "list, watch", resource, category, message,
                        "{resource} cannot be followed; those that are known count until they can");
                }
            }
        }
    }

    /// None while it is being listed.
    fn specs(&self) -> Option<Specs> {
        let complete = self.listed && self.listing.is_none();
        complete.then(|| self.objects.values().map(spec).collect())
    }
}

// === impl Source ===

impl Source {
    fn new(kind: Kind) -> (Self, watch::Receiver<Vec<Verdict>>) {
        let (verdicts, said) = watch::channel(Vec::new());
        let source = Self {
            kind,
            is_on: false,
            is_waited_for: false,
            is_late: false,
            set: Set::default(),
            refused: Refusals::new(),
            verdicts,
        };
        (source, said)
    }

    /// None while there is more to come.
    fn specs(&self) -> Option<Specs> {
        // Who may not read phase orders has none; stages that are asked for are waited for.
        let is_missing = self.is_late || self.set.told.is_some();
        let is_given_up = !self.is_waited_for && !self.set.listed && is_missing;
        if self.is_on && !is_given_up {
            self.set.specs()
        } else {
            Some(Specs::new())
        }
    }

    /// What is refused now. The log has what was not refused for this before.
    fn refuse(&mut self, refused: Refusals) {
        for (name, problem) in &refused {
            if self.refused.get(name) != Some(problem) {
                tracing::warn!(kind = self.kind.kind(), %name, problem, "left out");
            }
        }
        self.refused = refused;
    }

    /// What the objects' conditions are to say.
    fn tell(&self) {
        let verdict = |object: &Snapshot| {
            let problem = self.refused.get(&object.key().name);
            Verdict {
                subject: object.clone(),
                condition: "Loaded",
                holds: problem.is_none(),
                reason: if problem.is_none() {
                    "Loaded"
                } else {
                    "Refused"
                },
                message: problem.cloned().unwrap_or_default(),
            }
        };
        let verdicts = self.set.objects.values().map(verdict).collect();
        self.verdicts.send_replace(verdicts);
    }
}

// === impl Feed ===

impl Feed {
    /// Begins to follow what there is to follow: stages if they are asked for, phase orders as soon as the server serves them, and the
    /// plugins.
    pub(super) async fn start(
        controller: &Controller,
        from: &Origin,
        stop: &CancellationToken,
    ) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let (stop, tasks) = (stop.child_token(), TaskTracker::new());
        let (mut stages, said) = Source::new(Kind::new(API_VERSION, KIND));
        if from.live.is_some() {
            stages.is_on = true;
            stages.is_waited_for = true;
            let following = follow_stages(controller.clone(), sender.clone(), said, stop.clone());
            tasks.spawn(controller.shared.mortal(following));
        }
        let (mut orders, said) = Source::new(Kind::new(orders::API_VERSION, orders::KIND));
        if from.orders.is_some() {
            orders.is_on = true;
            let target = controller.is_served(&orders.kind, &stop).await;
            orders.is_late = target.is_none();
            let following = follow_orders(controller.clone(), target, sender, said, stop.clone());
            tasks.spawn(controller.shared.mortal(following));
        }
        let is_under_way = !stages.is_on && (!orders.is_on || orders.is_late);
        // The lineup at the start is made of nothing of the API server's.
        let built = is_under_way.then(|| Wanted {
            stages: Specs::new(),
            orders: Specs::new(),
            others: controller.shared.lineup().plugins().cloned().collect(),
        });
        Self {
            controller: controller.clone(),
            builder: Some(from.builder()),
            events,
            others: from.others.clone(),
            stages,
            orders,
            built,
            is_under_way,
            stop,
            tasks,
        }
    }

    /// Whether it is still open who decides first.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.is_under_way
    }

    /// The next lineup; waits for objects that want another one. None when there will be none.
    pub(super) async fn next(&mut self) -> Option<Lineup> {
        loop {
            self.settled().await?;
            let (Some(stages), Some(orders)) = (self.stages.specs(), self.orders.specs()) else {
                continue;
            };
            let wanted = Wanted {
                stages,
                orders,
                others: self.others.borrow_and_update().clone(),
            };
            let next = if self.built.as_ref() == Some(&wanted) {
                None
            } else {
                self.build(wanted).await?
            };
            if !self.controller.shared.options.dry_run {
                self.stages.tell();
                self.orders.tell();
            }
            if next.is_some() {
                self.is_under_way = true;
                return next;
            }
        }
    }

    /// Lets what was begun end.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Waits for a change and until it is quiet after it.
    async fn settled(&mut self) -> Option<()> {
        self.changed().await?;
        let begun = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(begun.elapsed()) {
            match tokio::time::timeout(QUIET.min(left), self.changed()).await {
                Ok(changed) => changed?,
                Err(_) => break,
            }
        }
        Some(())
    }

    /// Waits for a change. `None` at the end.
    async fn changed(&mut self) -> Option<()> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            Some(event) = self.events.recv() => {
                self.take_in(event);
                Some(())
            }
            Ok(()) = self.others.changed() => Some(()),
        }
    }

    fn take_in(&mut self, (kind, event): (Kind, Event)) {
        let source = if kind == self.stages.kind {
            &mut self.stages
        } else {
            &mut self.orders
        };
        source.set.take_in(&kind, event);
    }

    /// None inside: the lineup that is there goes on. None outside: the end.
    async fn build(&mut self, wanted: Wanted) -> Option<Option<Lineup>> {
        let began = Instant::now();
        let mut builder = self.builder.take()?;
        let last = self.built.replace(wanted.clone());
        let is_slow = builder.is_slow();
        let build = move || {
            let built = builder.build(&wanted);
            (builder, wanted, built)
        };
        let (builder, wanted, built) = if is_slow {
            tokio::task::spawn_blocking(build).await.ok()?
        } else {
            build()
        };
        self.builder = Some(builder);
        let shared = &self.controller.shared;
        let before = shared.lineup();
        let error = match &built {
            Ok(built) => built.failed.as_ref(),
            Err(error) => Some(error),
        };
        if let Some(error) = error {
            tracing::error!(%error, generation = before.generation, stages = before.stages, "the stages cannot be loaded; those before decide");
        }
        Some(match built {
            // Nothing else changed.
            Ok(built)
                if built.failed.is_some()
                    && last.is_some_and(|last| last.is_but_for_stages(&wanted)) =>
            {
                None
            }
            Ok(built) => Some(self.line_up(&before, built, began.elapsed())),
            Err(_) => None,
        })
    }

    fn line_up(&mut self, before: &Lineup, built: Built, took: Duration) -> Lineup {
        let Built {
            places,
            stages,
            refused,
            orders,
            refused_orders,
            failed: _,
        } = built;
        let shared = &self.controller.shared;
        shared.metrics.stages(stages, refused.len());
        let (next, conflicts) = Lineup::new(places, &orders);
        for conflict in conflicts {
            tracing::warn!(%conflict, "order");
        }
        let begun = self.is_under_way.then(|| shared.clock.now());
        let next = next.after(before, stages, begun);
        let kinds: Vec<String> = next.staged().map(ToString::to_string).collect();
        tracing::info!(
            generation = next.generation,
            stages,
            refused = refused.len(),
            kinds = kinds.join(","),
            orders = orders.len(),
            milliseconds = took.as_millis(),
            "plugins, stages and orders set in"
        );
        next.tell_unordered(Some(before));
        self.stages.refuse(refused);
        self.orders.refuse(refused_orders);
        next
    }
}

/// Finds where stages are served, however long it takes, and follows them.
async fn follow_stages(
    controller: Controller,
    events: mpsc::Sender<(Kind, Event)>,
    verdicts: watch::Receiver<Vec<Verdict>>,
    stop: CancellationToken,
) {
    let kind = Kind::new(API_VERSION, KIND);
    let unserved = || {
        tracing::warn!(
            "--enable-crds=Stage: nothing is decided before there is this kind; apply KWOK's CustomResourceDefinitions"
        );
    };
    if let Some(target) = controller.find(&kind, &stop, unserved).await {
        follow(controller, target, events, verdicts, stop).await;
    }
}

/// Follows phase orders where they are served, or looks until they are.
async fn follow_orders(
    controller: Controller,
    target: Option<Arc<Target>>,
    events: mpsc::Sender<(Kind, Event)>,
    verdicts: watch::Receiver<Vec<Verdict>>,
    stop: CancellationToken,
) {
    let kind = Kind::new(orders::API_VERSION, orders::KIND);
    let found = match target {
        None => controller.look_for(&kind, &stop).await,
        found => found,
    };
    if let Some(target) = found {
        follow(controller, target, events, verdicts, stop).await;
    }
}

/// Follows a kind, and says of its objects what is to be said.
async fn follow(
    controller: Controller,
    target: Arc<Target>,
    events: mpsc::Sender<(Kind, Event)>,
    verdicts: watch::Receiver<Vec<Verdict>>,
    stop: CancellationToken,
) {
    let (client, clock) = (controller.client.clone(), controller.shared.clock.clone());
    let conditions = Conditions::new(
        client.clone(),
        clock.clone(),
        target.resource.clone(),
        target.has_status,
    );
    let watch = watching::watch(
        client,
        clock,
        target,
        Filter::default(),
        events,
        stop.clone(),
    );
    tokio::join!(watch, conditions.run(verdicts, stop));
}
