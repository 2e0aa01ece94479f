//! Who takes the next turn, and who is woken for it: threads, or tasks on the runtime.

use std::sync::atomic::Ordering;
use std::time::Duration;

use stagewright_core::schedule::Run;
use stagewright_core::time::Time;

use super::{Brain, Shared};

/// Who waits for a turn to come due.
#[derive(Default)]
pub(super) struct Sleepers {
    /// When each looks at the schedule by itself.
    until: Vec<Time>,
    /// One of them was rung for and is not up yet.
    rung: bool,
}

/// What there is to do now.
enum Turn {
    /// A turn is due.
    Run(Box<Run>),
    /// Nothing, for so long at most or until the bell rings; that is until then.
    Wait(Option<Duration>, Time),
    /// The controller stops.
    Stop,
}

// === impl Sleepers ===

impl Sleepers {
    /// Whether somebody sleeps, and all of them beyond that time.
    fn miss(&self, due: Time) -> bool {
        !self.rung && self.until.iter().min().is_some_and(|first| due < *first)
    }

    /// One who slept until then looks at the schedule now.
    fn is_up(&mut self, until: Time) {
        self.rung = false;
        if let Some(place) = self.until.iter().position(|of| *of == until) {
            self.until.swap_remove(place);
        }
    }
}

// === impl Shared ===

impl Shared {
    /// The next turn; waits for it on this thread. None when the controller stops.
    pub(super) fn next_run(&self) -> Option<Run> {
        let mut brain = self.brain.lock();
        loop {
            match self.turn(&mut brain) {
                Turn::Run(run) => return Some(*run),
                Turn::Wait(wait, until) => {
                    brain.sleepers.until.push(until);
                    match wait {
                        Some(wait) => drop(self.bell.wait_for(&mut brain, wait)),
                        None => self.bell.wait(&mut brain),
                    }
                    brain.sleepers.is_up(until);
                }
                Turn::Stop => return None,
            }
        }
    }

    /// The same on the runtime.
    pub(super) async fn next_run_async(&self) -> Option<Run> {
        loop {
            let (wait, until) = {
                let mut brain = self.brain.lock();
                match self.turn(&mut brain) {
                    Turn::Run(run) => return Some(*run),
                    Turn::Stop => return None,
                    Turn::Wait(wait, until) => {
                        brain.sleepers.until.push(until);
                        (wait, until)
                    }
                }
            };
            // A bell that rang since this look is not missed: the ring is kept.
            match wait {
                Some(wait) => {
                    let _ = tokio::time::timeout(wait, self.rung.notified()).await;
                }
                None => self.rung.notified().await,
            }
            self.brain.lock().sleepers.is_up(until);
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
            return Turn::Run(Box::new(run));
        }
        match brain.schedule.next_due() {
            Some(due) => {
                // A second at most, so that a clock corrected by the server's is looked at again.
                let wait = self
                    .clock
                    .wait(due.since(now))
                    .clamp(Duration::from_millis(1), Duration::from_secs(1));
                Turn::Wait(Some(wait), due)
            }
            None => Turn::Wait(None, Time(i64::MAX)),
        }
    }

    /// Wakes one who sleeps, if a turn is due before any of them would look by themselves. Most of what the watches bring changes no
    /// turn, and a thread woken for nothing costs more than what it was woken by.
    pub(super) fn ring(&self, brain: &mut Brain) {
        if let Some(due) = brain.schedule.next_due()
            && brain.sleepers.miss(due)
        {
            brain.sleepers.rung = true;
            self.bell.notify_one();
            self.rung.notify_one();
        }
    }

    /// Wakes all: the controller stops.
    pub(super) fn ring_all(&self) {
        self.bell.notify_all();
        self.rung.notify_one();
    }
}
