//! The server's time, which is the embedder's.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use stagewright_core::time::Time;

/// A future that ends when a time has come.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What time it is, and when another time has come.
pub trait Clock: Send + Sync + 'static {
    /// The present time. It never falls.
    fn now(&self) -> Time;

    /// Ends when [`Clock::now`] is `time` or later.
    fn sleep_until(&self, time: Time) -> Sleep;
}

/// Tokio's time, counted from a given moment: the machine's where the runtime runs, virtual where it is paused.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start: Time,
    origin: tokio::time::Instant,
}

/// A clock that moves only when it is told to.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<Mutex<Manual>>);

#[derive(Debug, Default)]
struct Manual {
    now: Time,
    next: u64,
    sleepers: BTreeMap<(Time, u64), Waker>,
}

/// One sleep on a [`ManualClock`].
#[derive(Debug)]
struct ManualSleep {
    clock: ManualClock,
    /// Its place among the sleepers.
    key: (Time, u64),
}

// === impl TokioClock ===

impl TokioClock {
    /// A clock that shows `start` now. Needs a runtime with time.
    #[must_use]
    pub fn starting_at(start: Time) -> Self {
        Self {
            start,
            origin: tokio::time::Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Time {
        self.start + self.origin.elapsed()
    }

    fn sleep_until(&self, time: Time) -> Sleep {
        // A millisecond more, since `now` cuts fractions.
        let wait = time.since(self.start) + Duration::from_millis(1);
        Box::pin(tokio::time::sleep_until(self.origin + wait))
    }
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: Time) -> Self {
        let clock = Self::default();
        clock.0.lock().now = now;
        clock
    }

    /// Moves it to `now`, and wakes who waited for that, the earliest first. A time that has passed changes nothing.
    pub fn set(&self, now: Time) {
        let woken = {
            let mut manual = self.0.lock();
            manual.now = manual.now.max(now);
            let first_later = (Time(manual.now.0.saturating_add(1)), 0);
            let later = manual.sleepers.split_off(&first_later);
            std::mem::replace(&mut manual.sleepers, later)
        };
        for waker in woken.into_values() {
            waker.wake();
        }
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// The earliest time that somebody waits for.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.0.lock().sleepers.keys().next().map(|(time, _)| *time)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        self.0.lock().now
    }

    fn sleep_until(&self, time: Time) -> Sleep {
        let mut manual = self.0.lock();
        manual.next += 1;
        Box::pin(ManualSleep {
            clock: self.clone(),
            key: (time, manual.next),
        })
    }
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut manual = self.clock.0.lock();
        if manual.now >= self.key.0 {
            return Poll::Ready(());
        }
        manual.sleepers.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        self.clock.0.lock().sleepers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_wakes_whom_it_passes() {
        let clock = ManualClock::new(Time(1_000));
        let mut early = clock.sleep_until(Time(2_000));
        let mut late = clock.sleep_until(Time(3_000));
        assert!((&mut early).now_or_never().is_none());
        assert!((&mut late).now_or_never().is_none());
        assert_eq!(clock.next(), Some(Time(2_000)));
        clock.advance(Duration::from_secs(1));
        assert!(early.now_or_never().is_some());
        assert!((&mut late).now_or_never().is_none());
        clock.set(Time(0));
        assert_eq!(clock.now(), Time(2_000), "time never falls");
        drop(late);
        assert_eq!(clock.next(), None, "who stopped waiting is forgotten");
    }
}
