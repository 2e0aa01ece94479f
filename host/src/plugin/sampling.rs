//! How often a used instance's answer is compared with a new one's.

use std::sync::atomic::{AtomicU64, Ordering};

/// Of so many answers of used instances at most one is compared.
const SAMPLE: u64 = 100;
/// Of so much fuel that answers cost at most one part goes into comparing.
const COMPARING: u64 = 50;

/// What was answered since the last comparison.
#[derive(Default)]
pub(super) struct Sampling {
    /// Answers of used instances.
    asked: AtomicU64,
    /// The fuel of all.
    answered: AtomicU64,
}

impl Sampling {
    /// An answer cost so much fuel.
    pub(super) fn answered(&self, fuel: u64) {
        self.answered.fetch_add(fuel, Ordering::Relaxed);
    }

    /// Whether it is time for one, at the `price` of a new instance's answer, in fuel. It is more than that of many answers where much
    /// is configured.
    pub(super) fn is_due(&self, price: u64) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let answered = self.answered.load(Ordering::Relaxed);
        let is_due = asked >= SAMPLE && answered / COMPARING >= price;
        if is_due {
            self.asked.store(0, Ordering::Relaxed);
            self.answered.store(0, Ordering::Relaxed);
        }
        is_due
    }
}
