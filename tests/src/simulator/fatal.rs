//! The write that a host does not outlive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Which of a host's writes it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FatalWrite {
    /// How many come before it.
    pub after: u64,
    /// Whether the server carries it out; otherwise it never gets there.
    pub arrives: bool,
}

/// Counts a host's writes to the fatal one.
#[derive(Debug, Clone)]
pub struct Countdown {
    arrives: bool,
    left: Arc<AtomicU64>,
    reached: Arc<Notify>,
}

// === impl Countdown ===

impl Countdown {
    /// To that write.
    #[must_use]
    pub fn to(write: FatalWrite) -> Self {
        Self {
            arrives: write.arrives,
            left: Arc::new(AtomicU64::new(write.after)),
            reached: Arc::new(Notify::new()),
        }
    }

    /// One write more: whether it is the fatal one, and then whether it is to arrive.
    #[must_use]
    pub fn count(&self) -> Option<bool> {
        let one_less = |left: u64| left.checked_sub(1);
        let counted = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        counted.is_err().then_some(self.arrives)
    }

    /// The host is at its end.
    pub fn strike(&self) {
        self.reached.notify_one();
    }

    /// Waits for the host's end.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }
}
