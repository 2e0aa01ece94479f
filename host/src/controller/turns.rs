//! Who takes the next turn, and who is woken for it.
//!
//! One task on the runtime takes turns in passing, where the events arrive: most decisions take microseconds, and a thread woken for
//! one costs more than that. The threads help as soon as there is more than one turn to take, and take over where plugins are slow.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stagewright_core::schedule::Run;
use stagewright_core::time::Time;

use super::lineup::Lineup;
use super::{Brain, Shared};

/// A turn that takes longer keeps the task from turns for [`REST`] times as long, so that I/O has its thread for the rest of the time.
const LONG: Duration = Duration::from_millis(1);
/// See [`LONG`].
const REST: u32 = 100;
/// Beyond all due times.
const NEVER: Time = Time(i64::MAX);

/// Who waits for a turn to come due.
#[derive(Default)]
pub(super) struct Sleepers {
    /// When each of the threads looks at the schedule by itself.
    until: Vec<Time>,
    /// One of the threads was rung for and is not up yet.
    rung: bool,
    task: State,
}

/// What the task on the runtime is at.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It does not take turns now: there is no place among the writes, it rests, or it has not begun.
    #[default]
    Away,
    /// It takes a turn, and looks for the next one after it.
    Busy,
    /// It looks at the schedule by itself then.
    Asleep(Time),
}

/// The one task on the runtime that takes turns. However it ends, the threads take over.
pub(super) struct Passing<'a>(&'a Shared);

/// What there is to do now.
enum Turn {
    /// A turn is due, for the plugins that its candidates are of.
    Run(Box<Run>, Arc<Lineup>),
    /// Nothing, until then at most or until the bell rings.
    Wait(Option<Time>),
    /// The controller stops.
    Stop,
}

// === impl Sleepers ===

impl Sleepers {
    /// Whether a thread sleeps, and all of them beyond that time.
    fn miss(&self, due: Time) -> bool {
        !self.rung && self.until.iter().min().is_some_and(|first| due < *first)
    }

    /// A thread that slept until then looks at the schedule now.
    fn is_up(&mut self, until: Time) {
        self.rung = false;
        if let Some(place) = self.until.iter().position(|of| *of == until) {
            self.until.swap_remove(place);
        }
    }
}

// === impl Passing ===

impl<'a> Passing<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        Self(shared)
    }

    /// Waits until there is a place among the writes in flight; the turns that need none are for the threads meanwhile. False when
    /// there will be none any more.
    pub(super) async fn room(&self) -> bool {
        if self.0.writes.available_permits() > 0 {
            return true;
        }
        self.away();
        self.0.writes.acquire().await.is_ok()
    }

    /// The next turn; waits for it. None when the controller stops.
    pub(super) async fn next_run(&self) -> Option<(Run, Arc<Lineup>)> {
        loop {
            let due = {
                let mut brain = self.0.brain.lock();
                brain.sleepers.task = State::Busy;
                match self.0.turn(&mut brain) {
                    Turn::Run(run, lineup) => return Some((*run, lineup)),
                    Turn::Stop => return None,
                    Turn::Wait(due) => {
                        brain.sleepers.task = State::Asleep(due.unwrap_or(NEVER));
                        due
                    }
                }
            };
            // A bell that rang since this look is not missed: the ring is kept.
            let rung = self.0.rung.notified();
            match due {
                Some(due) => drop(tokio::time::timeout(self.0.pause(due), rung).await),
                None => rung.await,
            }
        }
    }

    /// After a turn that took long, until I/O has had its share of the thread or the controller stops.
    pub(super) async fn rest(&self, took: Duration) {
        // Without threads nobody would take over.
        if took > LONG && self.0.options.threads > 0 {
            self.away();
            drop(tokio::time::timeout(took * REST, self.0.rung.notified()).await);
        }
    }

    fn away(&self) {
        let mut brain = self.0.brain.lock();
        brain.sleepers.task = State::Away;
        self.0.ring(&mut brain);
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.away();
    }
}

// === impl Shared ===

impl Shared {
    /// The next turn; waits for it on this thread. None when the controller stops.
    pub(super) fn next_run(&self) -> Option<(Run, Arc<Lineup>)> {
        let mut brain = self.brain.lock();
        loop {
            match self.turn(&mut brain) {
                Turn::Run(run, lineup) => return Some((*run, lineup)),
                // What the task on the runtime wakes for by itself is no reason to wake too.
                Turn::Wait(Some(due)) if brain.sleepers.task == State::Away => {
                    brain.sleepers.until.push(due);
                    let wait = self.pause(due);
                    let _ = self.bell.wait_for(&mut brain, wait);
                    brain.sleepers.is_up(due);
                }
                Turn::Wait(_) => {
                    brain.sleepers.until.push(NEVER);
                    self.bell.wait(&mut brain);
                    brain.sleepers.is_up(NEVER);
                }
                Turn::Stop => return None,
            }
        }
    }

    fn turn(&self, brain: &mut Brain) -> Turn {
        if self.stopping.load(Ordering::Acquire) {
            return Turn::Stop;
        }
        let now = self.clock.now();
        if let Some(run) = brain.schedule.start(now) {
            self.metrics.lag(now.since(run.due));
            // Whoever was rung for this turn may not have been rung for the next.
            self.ring(brain);
            return Turn::Run(Box::new(run), self.lineup());
        }
        Turn::Wait(brain.schedule.next_due())
    }

    /// How long to sleep for a turn: a second at most, so that a clock corrected by the server's is looked at again.
    fn pause(&self, due: Time) -> Duration {
        self.clock
            .wait(due.since(self.clock.now()))
            .clamp(Duration::from_millis(1), Duration::from_secs(1))
    }

    /// Wakes one who sleeps, if a turn is due before any of them would look by themselves. Most of what the watches bring changes no
    /// turn, and who is woken for nothing costs more than what they were woken by.
    pub(super) fn ring(&self, brain: &mut Brain) {
        let Some(due) = brain.schedule.next_due() else {
            return;
        };
        match brain.sleepers.task {
            State::Asleep(until) if due < until => {
                brain.sleepers.task = State::Busy;
                self.rung.notify_one();
            }
            State::Asleep(_) => {}
            // It comes to what is due later by itself.
            State::Busy if due > self.clock.now() => {}
            State::Busy | State::Away => {
                if brain.sleepers.miss(due) {
                    brain.sleepers.rung = true;
                    self.bell.notify_one();
                }
            }
        }
    }

    /// Wakes all: the controller stops.
    pub(super) fn ring_all(&self) {
        self.bell.notify_all();
        self.rung.notify_one();
    }
}
