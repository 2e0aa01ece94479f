//! Custom kinds: an order that a test declares as a table.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fields::{Finding, conditions, deletion};

/// The order of a custom kind.
#[derive(Debug, Clone, Default)]
pub struct DeclaredOrder {
    /// Where the phase is, as a JSON pointer.
    pub phase: String,
    /// The phase of an object that has none.
    pub initial: String,
    /// For each phase those that may come next. Forward is what can be reached.
    pub next: BTreeMap<String, Vec<String>>,
    /// Conditions that stay True once they are.
    pub latches: Vec<String>,
    /// Where numbers are whose rise begins the phases anew, as JSON pointers; earlier ones weigh more.
    pub epochs: Vec<String>,
}

impl DeclaredOrder {
    fn reaches(&self, from: &str, to: &str) -> bool {
        let (mut seen, mut ahead) = (BTreeSet::from([from]), vec![from]);
        while let Some(phase) = ahead.pop() {
            if phase == to {
                return true;
            }
            let next = self
                .next
                .get(phase)
                .into_iter()
                .flatten()
                .map(String::as_str);
            ahead.extend(next.filter(|phase| seen.insert(phase)));
        }
        false
    }

    fn phase_of<'a>(&'a self, object: &'a Value) -> &'a str {
        let phase = object.pointer(&self.phase).and_then(Value::as_str);
        phase
            .filter(|phase| !phase.is_empty())
            .unwrap_or(&self.initial)
    }
}

/// Two versions of an object of such a kind.
pub(super) fn compare(
    order: &DeclaredOrder,
    before: &Value,
    after: &Value,
    found: &mut Vec<Finding>,
    untidy: &mut Vec<Finding>,
) {
    deletion(before, after, found);
    let epoch = |object: &Value| {
        order
            .epochs
            .iter()
            .map(|at| object.pointer(at).and_then(Value::as_i64).unwrap_or(0))
            .collect::<Vec<_>>()
    };
    let (old, new) = (epoch(before), epoch(after));
    if old > new {
        found.push(Finding::new(
            "EpochFell",
            order.epochs.join(","),
            format!("{old:?}"),
            format!("{new:?}"),
        ));
        return;
    }
    let is_new_epoch = new > old;
    let latches: Vec<&str> = if is_new_epoch {
        Vec::new()
    } else {
        order.latches.iter().map(String::as_str).collect()
    };
    conditions(before, after, &latches, found, untidy);
    let (from, to) = (order.phase_of(before), order.phase_of(after));
    if !is_new_epoch && !order.reaches(from, to) {
        found.push(Finding::new("PhaseBackward", &order.phase, from, to));
    }
}
