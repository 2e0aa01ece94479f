//! The simulator's dice: whatever happens in a world follows from one number.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Splitmix64 (Steele, Lea, Flood 2014): small, and every state is a good one.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same way for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Other dice, for an actor of its own: what one throws does not change what another throws.
    pub fn child(&mut self) -> Self {
        Self(self.throw())
    }

    /// The next 64 bits.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let first = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let second = (first ^ (first >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        second ^ (second >> 31)
    }

    /// A number in the range. The bias of the remainder is no matter here.
    pub fn number(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        let width = high.saturating_sub(low).saturating_add(1).max(1);
        low + self.throw() % width
    }

    /// Yes, so many times out of a thousand.
    pub fn permille(&mut self, times: u64) -> bool {
        self.throw() % 1_000 < times
    }

    /// A time of so many milliseconds.
    pub fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    /// One of them; the default of none.
    pub fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        let last = u64::try_from(items.len()).unwrap_or(1).saturating_sub(1);
        let index = usize::try_from(self.number(0..=last)).unwrap_or(0);
        items.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_stay_in_their_range_and_fall_the_same_each_time() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            let mut child = dice.child();
            (0..100).map(move |_| {
                assert!((3..=5).contains(&dice.number(3..=5)));
                assert!([1, 2, 3].contains(&child.pick(&[1, 2, 3])));
                dice.throw()
            })
        };
        assert!(throws(7).eq(throws(7)));
        assert!(throws(7).ne(throws(8)));
        assert_eq!(Dice::new(1).pick::<u8>(&[]), 0);
    }
}
