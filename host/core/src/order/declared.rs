//! An order that a plugin's description or the administrator declares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::Path;

/// Phases are looked up and walked at every write.
const MAX_PHASES: usize = 256;
const MAX_LATCHES: usize = 64;
const MAX_EPOCHS: usize = 8;

/// How objects of a kind move, as declared. [`DeclaredOrder::validate`] must have been asked before it is used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeclaredOrder {
    /// Where the phase is; none: the kind has only conditions.
    pub path: Option<Path>,
    /// Types of conditions that never leave True within an epoch.
    pub latches: Vec<String>,
    /// The phase of an object that has none yet. None: such an object may go to any phase.
    pub initial: Option<String>,
    /// Whole numbers that never fall; of the first that differs, a rise lets the object be in any phase again, unless the
    /// present one is terminal.
    pub epochs: Vec<Path>,
    /// Each phase with its direct successors. Phases on one cycle rank equal; one without successors is terminal.
    pub phases: BTreeMap<String, Vec<String>>,
}

// === impl DeclaredOrder ===

impl DeclaredOrder {
    /// What the object says its phase is.
    pub(super) fn told<'a>(&self, object: &'a Value) -> Option<&'a str> {
        let phase = self.path.as_ref()?.first(object)?.as_str()?;
        (!phase.is_empty()).then_some(phase)
    }

    /// Whether the order makes sense by itself.
    ///
    /// # Errors
    /// The first thing that does not, beginning with the field's name.
    pub fn validate(&self) -> Result<(), String> {
        for (field, count, most) in [
            ("phases", self.phases.len(), MAX_PHASES),
            ("latches", self.latches.len(), MAX_LATCHES),
            ("epochs", self.epochs.len(), MAX_EPOCHS),
        ] {
            if count > most {
                return Err(format!(
                    "{field}: there are {count}, and at most {most} are taken"
                ));
            }
        }
        match (&self.path, self.phases.is_empty(), self.latches.is_empty()) {
            (None, false, _) => {
                return Err(
                    "path: missing, although there are phases: say where the phase is".to_owned(),
                );
            }
            (Some(_), true, _) => {
                return Err("phases: empty, although there is a path: name the phases".to_owned());
            }
            (None, true, true) => {
                return Err(
                    "phases: empty, and there are no latches: nothing is ordered".to_owned(),
                );
            }
            _ => {}
        }
        let many = |field| format!("{field}: \"*\" stands for many values, and here is only one");
        if self.path.as_ref().is_some_and(Path::has_wildcard) {
            return Err(many("path"));
        }
        if self.epochs.iter().any(Path::has_wildcard) {
            return Err(many("epochs"));
        }
        if let Some(initial) = self
            .initial
            .as_ref()
            .filter(|initial| !self.phases.contains_key(*initial))
        {
            return Err(format!("initial: {initial:?} is not among the phases"));
        }
        for (phase, successors) in &self.phases {
            if phase.is_empty() {
                return Err("phases: one has no name".to_owned());
            }
            if let Some(unknown) = successors
                .iter()
                .find(|successor| !self.phases.contains_key(*successor))
            {
                return Err(format!(
                    "phases/{phase}: the successor {unknown:?} is not among the phases"
                ));
            }
        }
        match self.latches.iter().find(|latch| latch.is_empty()) {
            Some(_) => Err("latches: one has no name".to_owned()),
            None => Ok(()),
        }
    }
}
