//! Stages as the API server has them, followed: whenever they change and are quiet again, there is a lineup with the new ones.
//!
//! Other stages are tried out before the old ones go: what cannot be configured leaves the lineup as it is. A stage that is refused is
//! told so in its conditions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stagewright_core::object::{Kind, Snapshot};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lineup::Lineup;
use super::stages::{API_VERSION, Builder, Built, KIND, Refusals, Specs, spec};
use super::start::Controller;
use crate::loading::Live;
use crate::observe::{Conditions, Verdict};
use crate::plugin::Plugin;
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
    set: Set,
    /// What was built last, or failed to.
    built: Option<Specs>,
    refused: Refusals,
    verdicts: watch::Sender<Vec<Verdict>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The stages as they are now.
#[derive(Default)]
struct Set {
    stages: BTreeMap<Arc<str>, Snapshot>,
    /// A list under way; what it does not name is gone when it ends.
    listing: Option<BTreeMap<Arc<str>, Snapshot>>,
    listed: bool,
    /// The last trouble that was told, until the next event.
    told: Option<&'static str>,
}

// === impl Set ===

impl Set {
    fn take_in(&mut self, event: Event) {
        match event {
            Event::ListStarted => self.listing = Some(BTreeMap::new()),
            Event::Seen(stage) => {
                let stages = self.listing.as_mut().unwrap_or(&mut self.stages);
                stages.insert(Arc::clone(&stage.key().name), stage);
            }
            Event::ListEnded => {
                if let Some(stages) = self.listing.take() {
                    self.stages = stages;
                }
                self.listed = true;
                self.told = None;
            }
            Event::Gone(key, _) => {
                if let Some(stages) = &mut self.listing {
                    stages.remove(&key.name);
                }
                self.stages.remove(&key.name);
            }
            Event::Unfollowable(error) => {
                tracing::warn!(%error, "a stage cannot be read, and is left out");
            }
            Event::Trouble { category, message } => {
                if self.told.replace(category) != Some(category) {
                    tracing::warn!(
                        kind = KIND,
                        verb = "list, watch",
                        resource = "stages.kwok.x-k8s.io",
                        category,
                        message,
                        "stages cannot be followed; those that are known decide until they can"
                    );
                }
            }
        }
    }

    /// None while it is being listed.
    fn specs(&self) -> Option<Specs> {
        let complete = self.listed && self.listing.is_none();
        complete.then(|| self.stages.values().map(spec).collect())
    }
}

// === impl Feed ===

impl Feed {
    /// Begins to follow.
    pub(super) fn start(
        controller: &Controller,
        (live, others): (Live, Vec<Arc<Plugin>>),
        stop: &CancellationToken,
    ) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let (verdicts, said) = watch::channel(Vec::new());
        let (stop, tasks) = (stop.child_token(), TaskTracker::new());
        let following = follow(controller.clone(), sender, said, stop.clone());
        tasks.spawn(controller.shared.mortal(following));
        Self {
            controller: controller.clone(),
            builder: Some(Builder::new(live, others)),
            events,
            set: Set::default(),
            built: None,
            refused: Refusals::new(),
            verdicts,
            stop,
            tasks,
        }
    }

    /// The next lineup; waits for stages that want another one. None when there will be none.
    pub(super) async fn next(&mut self) -> Option<Lineup> {
        loop {
            self.settled().await?;
            let Some(specs) = self.set.specs() else {
                continue;
            };
            let next = if self.built.as_ref() == Some(&specs) {
                None
            } else {
                self.build(specs).await?
            };
            self.tell();
            if next.is_some() {
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
        let (_, event) = self.events.recv().await?;
        self.set.take_in(event);
        let begun = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(begun.elapsed()) {
            match tokio::time::timeout(QUIET.min(left), self.events.recv()).await {
                Ok(event) => self.set.take_in(event?.1),
                Err(_) => break,
            }
        }
        Some(())
    }

    /// None inside: the stages that were there go on. None outside: the end.
    async fn build(&mut self, specs: Specs) -> Option<Option<Lineup>> {
        let began = Instant::now();
        let mut builder = self.builder.take()?;
        self.built = Some(specs.clone());
        let build = tokio::task::spawn_blocking(move || {
            let built = builder.build(&specs);
            (builder, built)
        });
        let (builder, built) = build.await.ok()?;
        self.builder = Some(builder);
        let shared = &self.controller.shared;
        let before = shared.lineup();
        match built {
            Ok(built) => Some(Some(self.line_up(&before, built, began.elapsed()))),
            Err(error) => {
                tracing::error!(%error, generation = before.generation, stages = before.stages, "the stages cannot be loaded; those before decide");
                Some(None)
            }
        }
    }

    fn line_up(&mut self, before: &Lineup, built: Built, took: Duration) -> Lineup {
        let Built {
            places,
            stages,
            refused,
        } = built;
        let shared = &self.controller.shared;
        for (stage, problem) in &refused {
            if self.refused.get(stage) != Some(problem) {
                tracing::warn!(%stage, problem, "stage left out");
            }
        }
        let (next, conflicts) = Lineup::new(places);
        for conflict in conflicts {
            tracing::warn!(%conflict, "order");
        }
        let next = next.after(before, stages, shared.clock.now());
        let kinds: Vec<String> = next.staged().map(ToString::to_string).collect();
        tracing::info!(
            generation = next.generation,
            stages,
            refused = refused.len(),
            kinds = kinds.join(","),
            milliseconds = took.as_millis(),
            "stages loaded"
        );
        shared
            .metrics
            .lineup(next.generation, stages, refused.len());
        self.refused = refused;
        next
    }

    /// What the stages' conditions are to say.
    fn tell(&self) {
        if self.controller.shared.options.dry_run {
            return;
        }
        let verdict = |stage: &Snapshot| {
            let problem = self.refused.get(&stage.key().name);
            Verdict {
                subject: stage.clone(),
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
        let verdicts = self.set.stages.values().map(verdict).collect();
        self.verdicts.send_replace(verdicts);
    }
}

/// Finds where stages are served, follows them, and says of them what is to be said.
async fn follow(
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
    let Some(target) = controller.find(&kind, &stop, unserved).await else {
        return;
    };
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
