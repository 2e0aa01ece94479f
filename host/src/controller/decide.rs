//! The threads that ask the plugins. They take turns from the schedule, and hand what is to be written to the runtime.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stagewright_core::interface::{Answer, Context, Effect};
use stagewright_core::json;
use stagewright_core::object::Snapshot;
use stagewright_core::schedule::{Candidate, Failure, Outcome, Played, Run, Task};
use stagewright_core::time::Time;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::context::{context, facts};
use super::lineup::Lineup;
use super::turns::Passing;
use crate::plugin::{CallError, Level, LogLine, Plugin, Session, cpu_time};

/// A play whose effects are to be carried out.
pub(super) struct Play {
    pub run: Run,
    /// The plugins that it was decided with.
    pub lineup: Arc<Lineup>,
    pub candidate: Candidate,
    pub stage: Played,
    pub effects: Vec<Effect>,
    pub subject: Snapshot,
    /// The place among the writes in flight.
    pub permit: OwnedSemaphorePermit,
}

/// What asking the candidates came to.
enum Verdict {
    Settled(Outcome),
    Play(Box<Play>),
}

/// Where a play gets its place among the writes in flight.
enum Places<'a> {
    /// A thread of its own may wait for one, on this runtime.
    Waited(&'a Handle),
    /// The task of the runtime may not: without a place it leaves the turn to others.
    Tried,
}

/// One thread's life: until the controller stops.
pub(super) fn work(shared: &Arc<Shared>, runtime: &Handle) {
    while let Some(turn) = shared.next_run() {
        take_turn(shared, turn, runtime, Places::Waited(runtime));
    }
}

/// The same as a task of the runtime: turns in passing.
pub(super) async fn work_async(shared: Arc<Shared>, runtime: Handle) {
    let passing = Passing::new(&shared);
    while passing.room().await
        && let Some(turn) = passing.next_run().await
    {
        let begun = cpu_time();
        take_turn(&shared, turn, &runtime, Places::Tried);
        passing.rest(cpu_time().saturating_sub(begun)).await;
        // What was begun goes on before the next turn.
        tokio::task::yield_now().await;
    }
}

fn take_turn(
    shared: &Arc<Shared>,
    (run, lineup): (Run, Arc<Lineup>),
    runtime: &Handle,
    places: Places<'_>,
) {
    match run.task {
        Task::Read => {
            let read = Arc::clone(shared).read(run);
            shared.tasks.spawn_on(shared.mortal(read), runtime);
        }
        Task::Decide => decide(shared, (run, &lineup), runtime, places),
    }
}

fn decide(
    shared: &Arc<Shared>,
    (run, lineup): (Run, &Arc<Lineup>),
    runtime: &Handle,
    places: Places<'_>,
) {
    let (key, uid, snapshot) = (run.key.clone(), run.uid.clone(), run.snapshot.clone());
    match ask(shared, run, lineup, places) {
        Verdict::Settled(outcome) => shared.finish(&key, &uid, snapshot.as_ref(), outcome),
        Verdict::Play(play) => {
            let play = Arc::clone(shared).play(*play);
            shared.tasks.spawn_on(shared.mortal(play), runtime);
        }
    }
}

/// Asks the candidates by priority; the first that does not pass has the object.
fn ask(shared: &Arc<Shared>, run: Run, lineup: &Arc<Lineup>, places: Places<'_>) -> Verdict {
    if let Some(snapshot) = &run.snapshot
        && let Err(not_ours) = shared
            .brain
            .lock()
            .claims
            .claim_at(snapshot, shared.clock.now())
    {
        tracing::trace!(object = %run.key, reason = not_ours.category(), "not ours");
        return Verdict::Settled(Outcome::Unclaimed);
    }
    let mut again: Option<Time> = None;
    for candidate in run.candidates.iter() {
        let Some((plugin, _)) = lineup.subject(candidate) else {
            continue;
        };
        let now = shared.clock.now();
        let mut session = match plugin.session() {
            Ok(session) => session,
            Err(error) => {
                return Verdict::Settled(shared.plugin_failed(&run, plugin, "decide", &error));
            }
        };
        let mut context = match context(shared, &run, candidate, lineup, now) {
            Ok(context) => context,
            Err(unknown) => {
                return Verdict::Settled(shared.unknown(&run, plugin.name(), "", unknown));
            }
        };
        let asked = std::time::Instant::now();
        let answer = decision(&mut session, candidate, &mut context);
        shared.metrics.decide_took(plugin.name(), asked.elapsed());
        shared.tell(&run, plugin, &mut session);
        shared
            .metrics
            .decided(plugin.name(), &answer, session.fuel_used());
        match answer {
            Ok(Answer::Pass) => {}
            Ok(Answer::PassUntil { until }) => {
                again = Some(again.map_or(until, |again| again.min(until)))
            }
            Ok(Answer::Idle { .. }) => return Verdict::Settled(Outcome::Idle),
            Ok(Answer::Invalid { message }) => {
                shared.invalid(&run, plugin.name(), &message);
                return Verdict::Settled(Outcome::Idle);
            }
            Ok(Answer::Stage { stage, due }) => {
                let stage = Played {
                    plugin: candidate.plugin,
                    stage,
                    since: candidate.since,
                };
                let due = pause(&run, &stage).map_or(due, |until| due.max(until));
                if due > now {
                    return Verdict::Settled(Outcome::Wait(stage, due));
                }
                let candidate = candidate.clone();
                return play(
                    shared,
                    run,
                    (lineup, candidate),
                    stage,
                    session,
                    context,
                    places,
                );
            }
            Err(error) => {
                return Verdict::Settled(shared.plugin_failed(&run, plugin, "decide", &error));
            }
        }
    }
    Verdict::Settled(Outcome::Passed(again))
}

/// A stage that did not wait before the plugins changed counts its delay from then, so it is asked for once more with that time.
pub(super) fn decision(
    session: &mut Session<'_>,
    candidate: &Candidate,
    context: &mut Context,
) -> Result<Answer, CallError> {
    let answer = session.decide(&candidate.reads, context)?;
    let Answer::Stage { stage, .. } = &answer else {
        return Ok(answer);
    };
    let changed = candidate.counted_from(stage);
    if changed == context.changed {
        return Ok(answer);
    }
    context.changed = changed;
    session.decide(&candidate.reads, context)
}

/// Asks the plugin what the stage does, in the instance that just decided.
fn play(
    shared: &Arc<Shared>,
    run: Run,
    (lineup, candidate): (&Arc<Lineup>, Candidate),
    stage: Played,
    mut session: Session<'_>,
    mut context: Context,
    places: Places<'_>,
) -> Verdict {
    let Some(subject) = run.snapshot.clone() else {
        return Verdict::Settled(Outcome::NeedsBody);
    };
    let Some((plugin, declared)) = lineup.subject(&candidate) else {
        return Verdict::Settled(Outcome::Idle);
    };
    // Writes in flight are bounded; a thread that finds no place waits for one, and younger turns wait behind it.
    let writes = Arc::clone(&shared.writes);
    let permit = match places {
        Places::Waited(runtime) => runtime.block_on(writes.acquire_owned()).ok(),
        Places::Tried => writes.try_acquire_owned().ok(),
    };
    let Some(permit) = permit else {
        return Verdict::Settled(Outcome::Wait(stage, context.now));
    };
    match facts(
        &mut shared.brain.lock(),
        &run,
        (plugin.name(), declared),
        Some(&subject),
        &shared.options,
    ) {
        Ok(facts) => context.facts = facts,
        Err(unknown) => {
            let outcome = shared.unknown(&run, plugin.name(), &stage.stage, unknown);
            return Verdict::Settled(outcome);
        }
    }
    let object = match &declared.play_reads {
        Some(reads) => json::prune(subject.body(), reads).text(),
        None => subject.body().to_string(),
    };
    let effects = session.play(&stage.stage, &object, &context);
    shared.tell(&run, plugin, &mut session);
    shared
        .metrics
        .played(plugin.name(), &stage.stage, &effects, session.fuel_used());
    match effects {
        Ok(effects) => Verdict::Play(Box::new(Play {
            run,
            lineup: Arc::clone(lineup),
            candidate,
            stage,
            effects,
            subject,
            permit,
        })),
        Err(error) => Verdict::Settled(shared.plugin_failed(&run, plugin, &stage.stage, &error)),
    }
}

fn pause(run: &Run, stage: &Played) -> Option<Time> {
    run.pause
        .as_ref()
        .filter(|(last, _)| last == stage)
        .map(|(_, until)| *until)
}

impl Shared {
    /// What the plugin logged, in our log, as far as there is room for it.
    fn tell(&self, run: &Run, plugin: &Plugin, session: &mut Session<'_>) {
        for LogLine { level, message } in session.logs() {
            let (plugin, object) = (plugin.name(), &run.key);
            let room = |left: u32| left.checked_sub(1);
            if self
                .lines
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
                .is_err()
            {
                self.metrics.line_dropped(plugin);
                continue;
            }
            match level {
                Level::Debug => tracing::debug!(plugin, %object, message, "logged"),
                Level::Info => tracing::info!(plugin, %object, message, "logged"),
                Level::Warn => tracing::warn!(plugin, %object, message, "logged"),
                Level::Error => tracing::error!(plugin, %object, message, "logged"),
            }
        }
    }

    /// A plugin failed on an object: it is held, and asked again after a while; no other plugin gets it.
    fn plugin_failed(&self, run: &Run, plugin: &Plugin, stage: &str, error: &CallError) -> Outcome {
        let failure = Failure {
            stage: stage.to_owned(),
            code: "refused",
            message: error.to_string(),
            count: 0,
        };
        self.refused(run, plugin.name(), error.category(), failure)
    }
}
