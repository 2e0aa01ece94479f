//! Ready means that nobody holds a latch any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// What the process waits for before it is ready. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, Weak<()>>>>);

/// Holds the process unready until it is dropped.
#[derive(Debug, Clone)]
#[must_use = "a latch that is dropped at once holds nothing"]
pub struct Latch {
    _held: Arc<()>,
}

impl Readiness {
    /// Something to wait for, under a name that `/readyz?verbose` shows. The same name again replaces what was waited for.
    pub fn latch(&self, name: impl Into<String>) -> Latch {
        let held = Arc::new(());
        self.0.lock().insert(name.into(), Arc::downgrade(&held));
        Latch { _held: held }
    }

    /// Whether everything was let go.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.lock().values().all(|held| held.strong_count() == 0)
    }

    /// Each name, and whether it was let go.
    #[must_use]
    pub fn checks(&self) -> Vec<(String, bool)> {
        self.0
            .lock()
            .iter()
            .map(|(name, held)| (name.clone(), held.strong_count() == 0))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_the_last_latch_is_gone() {
        let readiness = Readiness::default();
        assert!(readiness.is_ready());
        let (pods, nodes) = (
            readiness.latch("watch v1/Pod"),
            readiness.latch("watch v1/Node"),
        );
        let copy = nodes.clone();
        drop(pods);
        drop(nodes);
        assert_eq!(
            readiness.checks(),
            [
                ("watch v1/Node".to_owned(), false),
                ("watch v1/Pod".to_owned(), true)
            ]
        );
        drop(copy);
        assert!(readiness.is_ready());
    }
}
