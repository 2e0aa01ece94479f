//! The one place that reads the machine's clock, and its dice.
//!
//! The cluster runs on the API server's clock. Every answer carries a `Date`, from which [`Clock`] learns how far the machine's
//! clock is off. As long as no answer contradicts the machine's clock, it is believed.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;
use stagewright_core::time::Time;

/// `Date` has whole seconds: the answer was written somewhere in that second.
const DATE_STEP: i64 = 1_000;
/// How fast what was learnt gets vague: two clocks drift apart by at most 1 in 10,000.
const DRIFT: i64 = 10_000;

/// The API server's clock, as far as it is known. Clones share what they learn.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    local: Local,
    offset: Arc<Mutex<Offset>>,
    dice: Dice,
}

/// Where jitter comes from.
#[derive(Debug, Clone, Default)]
enum Dice {
    /// Nobody can foresee it.
    #[default]
    Machine,
    /// The same each time: the number of the throw, spread.
    Seeded(Arc<AtomicU32>),
}

/// The clock on the wall.
#[derive(Debug, Clone, Copy, Default)]
enum Local {
    /// The machine's.
    #[default]
    Machine,
    /// Tokio's, which showed `time` at `origin`: it can be paused.
    Tokio {
        time: i64,
        origin: tokio::time::Instant,
    },
    /// The machine's, but since it showed `time` so many times as fast.
    Scaled { time: i64, speed: f64 },
}

/// What is to be added to the machine's time: some value between the two bounds.
#[derive(Debug, Clone, Copy, Default)]
struct Offset {
    known: Option<Bounds>,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    low: i64,
    high: i64,
    /// When they were true, on the machine's clock.
    at: i64,
}

impl Clock {
    /// A clock that believes the machine's until it hears from a server.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock that shows `time` now and goes on as tokio's time does, which a simulation pauses and moves. A machine whose clock is
    /// wrong is one that is started at another time. The jitter of what waits by this clock follows from `seed`.
    #[must_use]
    pub fn on_tokio(time: Time, seed: u32) -> Self {
        let origin = tokio::time::Instant::now();
        Self {
            local: Local::Tokio {
                time: time.0,
                origin,
            },
            dice: Dice::Seeded(Arc::new(AtomicU32::new(seed))),
            ..Self::default()
        }
    }

    /// A clock that shows the machine's time now and then goes so many times as fast: for a cluster whose server does the same.
    #[must_use]
    pub fn at_speed(speed: f64) -> Self {
        let time = machine_now();
        Self {
            local: Local::Scaled { time, speed },
            ..Self::default()
        }
    }

    /// How long it takes on the machine until so much time passes on this clock.
    #[must_use]
    pub fn wait(&self, passes: Duration) -> Duration {
        match self.local {
            Local::Scaled { speed, .. } => passes.div_f64(speed),
            Local::Machine | Local::Tokio { .. } => passes,
        }
    }

    /// How much time passes on this clock while so much passes on the machine.
    #[must_use]
    pub fn passes(&self, wait: Duration) -> Duration {
        match self.local {
            Local::Scaled { speed, .. } => wait.mul_f64(speed),
            Local::Machine | Local::Tokio { .. } => wait,
        }
    }

    /// Some bits for the jitter of a pause: [`chance`], or what the seed says.
    #[must_use]
    pub fn chance(&self) -> u32 {
        match &self.dice {
            Dice::Machine => chance(),
            Dice::Seeded(throws) => spread(throws.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// The server's time.
    #[must_use]
    pub fn now(&self) -> Time {
        Time(self.local().saturating_add(self.offset.lock().value()))
    }

    /// A `Date` header that arrived just now.
    pub fn observe_server(&self, date: Time) {
        self.observe_exchange(self.local(), date);
    }

    /// A `Date` header that arrived just now as the answer to a request sent at `sent`, which [`Clock::local`] told.
    pub fn observe_exchange(&self, sent: i64, date: Time) {
        let received = self.local();
        self.offset.lock().observe(sent, received, date.0);
    }

    /// The machine's own time, in milliseconds since 1970; for a clock at another speed, what it made of that.
    #[must_use]
    pub fn local(&self) -> i64 {
        match self.local {
            Local::Machine => machine_now(),
            Local::Tokio { time, origin } => {
                let passed = i64::try_from(origin.elapsed().as_millis()).unwrap_or(i64::MAX);
                time.saturating_add(passed)
            }
            Local::Scaled { time, speed } => {
                let passed = machine_now().saturating_sub(time);
                // Milliseconds of centuries are exact, and a cast beyond that saturates.
                #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
                let passed = (passed as f64 * speed) as i64;
                time.saturating_add(passed)
            }
        }
    }

    /// How far the machine's clock is behind the server's, in milliseconds.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.offset.lock().value()
    }
}

impl Offset {
    /// The server wrote `date` between the machine's `sent` and `received`.
    fn observe(&mut self, sent: i64, received: i64, date: i64) {
        let fresh = Bounds {
            low: date.saturating_sub(received),
            high: date
                .saturating_add(DATE_STEP)
                .saturating_sub(sent.min(received)),
            at: received,
        };
        let known = self.known.map(|known| {
            let vague = received.saturating_sub(known.at).saturating_abs() / DRIFT + 1;
            Bounds {
                low: known.low.saturating_sub(vague).max(fresh.low),
                high: known.high.saturating_add(vague).min(fresh.high),
                at: received,
            }
        });
        // Bounds that exclude each other mean that one of the clocks was set: only the newest answer counts.
        self.known = Some(
            known
                .filter(|known| known.low <= known.high)
                .unwrap_or(fresh),
        );
    }

    /// The possible value that trusts the machine's clock most.
    fn value(&self) -> i64 {
        self.known
            .map_or(0, |known| 0.max(known.low).min(known.high))
    }
}

/// Some bits that nobody can foresee, for jitter. Nothing that a replay must repeat may depend on them.
#[must_use]
pub fn chance() -> u32 {
    // Every `RandomState` has other keys than the one before, and the first of a process are random.
    let [low, high] = [
        RandomState::new().hash_one(0_u8),
        RandomState::new().hash_one(1_u8),
    ];
    (low ^ high.rotate_left(32)) as u32
}

/// The finalizer of MurmurHash3: numbers that follow each other come out far apart.
fn spread(number: u32) -> u32 {
    let first = (number ^ (number >> 16)).wrapping_mul(0x85EB_CA6B);
    let second = (first ^ (first >> 13)).wrapping_mul(0xC2B2_AE35);
    second ^ (second >> 16)
}

#[expect(clippy::disallowed_methods, reason = "this is the shell's clock")]
fn machine_now() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(answers: &[(i64, i64, i64)]) -> i64 {
        let mut offset = Offset::default();
        for (sent, received, date) in answers {
            offset.observe(*sent, *received, *date);
        }
        offset.value()
    }

    #[test]
    fn a_clock_that_no_answer_contradicts_is_believed() {
        assert_eq!(learnt(&[]), 0);
        assert_eq!(
            learnt(&[(10_400, 10_450, 10_000), (11_990, 12_010, 12_000)]),
            0
        );
    }

    #[test]
    fn a_wrong_clock_is_corrected_to_within_the_dates_second() {
        let offset = learnt(&[(10_400, 10_450, 70_000)]);
        assert!((59_550..=60_600).contains(&offset), "{offset}");
        // The truth is 60,000: the answers close in on it from both sides.
        let offset = learnt(&[
            (10_400, 10_450, 70_000),
            (10_980, 10_990, 70_000),
            (11_001, 11_011, 71_000),
        ]);
        assert!((59_980..=60_020).contains(&offset), "{offset}");
    }

    #[test]
    fn a_clock_that_was_set_is_learnt_anew() {
        let offset = learnt(&[(10_400, 10_450, 70_000), (80_000, 80_020, 80_000)]);
        assert_eq!(offset, 0);
    }

    #[tokio::test]
    async fn a_clock_on_tokio_shows_the_time_it_was_given_and_learns_all_the_same() {
        let clock = Clock::on_tokio(Time(5_000), 0);
        let minute = 5_000..65_000;
        assert!(minute.contains(&clock.now().0), "{}", clock.now());
        clock.observe_server(Time(900_000));
        assert!((900_000..961_000).contains(&clock.now().0));
        assert!(minute.contains(&clock.local()), "{}", clock.local());
    }

    #[test]
    fn a_faster_clock_begins_with_the_machines_time_and_waits_less_for_more() {
        let clock = Clock::at_speed(50.0);
        let ahead = clock.local() - machine_now();
        assert!((-1..60_000).contains(&ahead), "{ahead}");
        assert_eq!(
            clock.wait(Duration::from_secs(10)),
            Duration::from_millis(200)
        );
        assert_eq!(
            clock.passes(Duration::from_millis(200)),
            Duration::from_secs(10)
        );
        let begun = clock.local();
        let machine = machine_now();
        while machine_now() < machine + 20 {
            std::hint::spin_loop();
        }
        assert!(clock.local() - begun >= 900, "{}", clock.local() - begun);
        assert_eq!(
            Clock::new().wait(Duration::from_secs(10)),
            Duration::from_secs(10)
        );
    }

    #[test]
    fn the_dice_have_no_memory() {
        assert_ne!((chance(), chance()), (chance(), chance()));
    }

    #[tokio::test]
    async fn seeded_dice_fall_the_same_each_time() {
        let throws = |seed: u32| -> Vec<u32> {
            let clock = Clock::on_tokio(Time(0), seed);
            let other = clock.clone();
            vec![clock.chance(), other.chance(), clock.chance()]
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(70));
    }
}
