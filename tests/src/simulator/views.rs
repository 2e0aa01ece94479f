//! A look into the hosts, for what is bounded and for who failed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use stagewright::admin::StateView;

/// The running hosts, by number. Clones are the same.
#[derive(Clone, Default)]
pub struct Views(Arc<Mutex<BTreeMap<usize, Arc<dyn StateView>>>>);

impl Views {
    /// A host that has started.
    pub fn set(&self, host: usize, view: Arc<dyn StateView>) {
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        views.insert(host, view);
    }

    /// What each host says of itself, in numbers.
    #[must_use]
    pub fn states(&self) -> Vec<(usize, Value)> {
        let views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        views
            .iter()
            .map(|(host, view)| (*host, view.state()))
            .collect()
    }
}
