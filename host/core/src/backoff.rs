//! How long a retry waits.

use std::time::Duration;

/// Waits that double from `base` to `cap`, with jitter so that what failed together is not retried together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait, before jitter.
    pub base: Duration,
    /// The longest wait, before jitter.
    pub cap: Duration,
}

impl Backoff {
    /// The wait after attempt number `attempt`, counted from 0. `chance` shortens it to between one half (0) and all
    /// (`u32::MAX`) of the doubled base.
    #[must_use]
    pub fn delay(&self, attempt: u32, chance: u32) -> Duration {
        // Past 2^31 the cap is reached with any base over a nanosecond, and no base under one is more than nothing.
        let doubled = self.base.saturating_mul(1 << attempt.min(31)).min(self.cap);
        let half = doubled / 2;
        half + jitter(doubled - half, chance)
    }
}

/// The share `chance` / `u32::MAX` of the time.
fn jitter(time: Duration, chance: u32) -> Duration {
    const NANOS: u128 = 1_000_000_000;
    // Seconds and nanoseconds apart, since a Duration times 2^32 does not fit into 128 bits of nanoseconds with ease.
    let nanos = time.as_nanos().saturating_mul(u128::from(chance)) / u128::from(u32::MAX);
    let seconds = u64::try_from(nanos / NANOS).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos % NANOS).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_millis(250),
        cap: Duration::from_secs(30),
    };

    #[test]
    fn waits_double_up_to_the_cap() {
        let waits: Vec<u128> = (0..9)
            .map(|attempt| BACKOFF.delay(attempt, u32::MAX).as_millis())
            .collect();
        assert_eq!(
            waits,
            [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
        );
    }

    #[test]
    fn chance_takes_at_most_half() {
        assert_eq!(BACKOFF.delay(2, 0), Duration::from_millis(500));
        let middle = BACKOFF.delay(2, u32::MAX / 2).as_millis();
        assert!((749..=750).contains(&middle), "{middle}");
    }

    proptest! {
        #[test]
        fn every_wait_is_between_half_and_all(base in any::<Duration>(), cap in any::<Duration>(), attempt in any::<u32>(), chance in any::<u32>()) {
            let backoff = Backoff { base, cap };
            let (least, most) = (backoff.delay(attempt, 0), backoff.delay(attempt, u32::MAX));
            let wait = backoff.delay(attempt, chance);
            prop_assert!(least <= wait && wait <= most && most <= cap, "{least:?} {wait:?} {most:?}");
            prop_assert!(backoff.delay(attempt.saturating_add(1), chance) >= wait, "a later attempt waits no less");
        }
    }
}
