//! What a kind's order is made of: one table each, which [`super::rank`] and the mending read.

use std::borrow::Cow;

use serde_json::Value;

use crate::json::At as _;

/// The order of a built-in kind. Pointers are RFC 6901.
#[derive(Debug)]
pub(super) struct Model {
    /// For `explain`.
    pub name: &'static str,
    /// Reads the phase; an empty one counts as [`Model::initial`]. No function: the kind has no phases.
    pub phase: Option<fn(&Value) -> Cow<'_, str>>,
    /// Where the phase comes from, for messages.
    pub phase_at: &'static str,
    /// Each phase with its direct successors. Forward is what can be reached.
    pub graph: &'static [(&'static str, &'static [&'static str])],
    /// What an object without a phase is in; empty: before all of them.
    pub initial: &'static str,
    /// Phases that are never left.
    pub terminal: &'static [&'static str],
    /// Phases that only an object being deleted is in.
    pub while_deleting: &'static [&'static str],
    /// Compared from the first to the last; a rise begins a new life of all that is said to be within the epoch.
    pub epochs: &'static [EpochAt],
    /// Conditions that never leave True.
    pub latches: &'static [Latch],
    /// Numbers of which a fall is a move backward.
    pub counters: &'static [Counter],
    /// Whether it is a pod, with containers.
    pub containers: bool,
    /// Fields that are set once; another value is taken back.
    pub once: &'static [Once],
    /// Numbers of which a fall is taken back.
    pub rising: &'static [&'static str],
    /// Numbers of which a rise is taken back, and their end.
    pub falling: &'static [&'static str],
    /// Times that neither fall nor lie in the future; otherwise they are set right.
    pub times: &'static [&'static str],
    /// Whether conditions of this kind always say when they changed last.
    pub clocked: bool,
}

/// Where an epoch stands.
#[derive(Debug)]
pub(super) enum EpochAt {
    /// A number that never falls.
    Number(&'static str),
    /// A name that is never used again: another one is a later epoch.
    Identity(&'static str),
}

/// A condition that never leaves True.
#[derive(Debug)]
pub(super) struct Latch {
    pub condition: &'static str,
    /// Whether a new epoch releases it.
    pub within_epoch: bool,
}

/// A number of which a fall is a move backward.
#[derive(Debug)]
pub(super) struct Counter {
    pub at: &'static str,
    /// Objects in which the number may fall.
    pub unless: Option<fn(&Value) -> bool>,
}

/// A field that is set once.
#[derive(Debug)]
pub(super) struct Once {
    pub at: &'static str,
    /// Whether a new epoch sets it anew.
    pub within_epoch: bool,
    /// Objects in which it may be changed.
    pub unless: Option<fn(&Value) -> bool>,
}

impl Once {
    pub(super) const fn ever(at: &'static str) -> Self {
        Self {
            at,
            within_epoch: false,
            unless: None,
        }
    }

    pub(super) const fn within_epoch(at: &'static str) -> Self {
        Self {
            at,
            within_epoch: true,
            unless: None,
        }
    }
}

/// What holds for every object: its deletion is not taken back, its conditions keep their clocks, what was observed of it is not
/// forgotten (`collisionCount`: apps validation, "cannot be decremented").
pub(super) const ANY: Model = Model {
    name: "none",
    phase: None,
    phase_at: "",
    graph: &[],
    initial: "",
    terminal: &[],
    while_deleting: &[],
    epochs: &[],
    latches: &[],
    counters: &[],
    containers: false,
    once: &[],
    rising: &["/status/collisionCount"],
    falling: &[],
    times: &[],
    clocked: false,
};

/// [`Model::phase`] of the kinds that have one at the usual place.
pub(super) fn status_phase(object: &Value) -> Cow<'_, str> {
    object
        .at("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .into()
}

/// The text at a pointer, empty if there is none.
pub(super) fn text_at<'a>(object: &'a Value, at: &str) -> &'a str {
    object.at(at).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number that a value is or says (annotations are text), if any.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| {
            let number = number.as_f64()?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole, and inside the range of i64"
            )]
            (number.fract() == 0.0 && number.abs() < 2f64.powi(53)).then_some(number as i64)
        }),
        _ => None,
    }
}
