//! How far an object has come, and whether another rank is forward of it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::Order;
use super::breach::Breach;
use super::conditions;
use super::containers::{self, Container};
use crate::json::At as _;
use crate::time::Time;

/// How far an object has come. Ranks compare for one uid only.
///
/// Forward is a product of orders (deletion, terminal, epochs, phase, latches, counters, containers), in which a risen epoch
/// frees what is behind it: unless the object has ended or is being deleted, for then it only nears its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rank {
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion: Option<Deletion>,
    terminal: bool,
    /// `None`: the order has no phases. Empty: the object has none, and the order no initial one.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<Cow<'static, str>>,
    /// Whether the object says so itself.
    #[serde(skip)]
    told: bool,
    #[serde(skip_serializing_if = "<[Epoch]>::is_empty")]
    epochs: Box<[Epoch]>,
    /// Those that are True.
    #[serde(skip_serializing_if = "<[Cow<'_, str>]>::is_empty")]
    latches: Box<[Cow<'static, str>]>,
    /// `None`: in this object the number may fall.
    #[serde(skip_serializing_if = "<[Option<i64>]>::is_empty")]
    counters: Box<[Option<i64>]>,
    #[serde(skip_serializing_if = "<[Container]>::is_empty")]
    containers: Box<[Container]>,
}

/// One epoch of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Epoch {
    Number(i64),
    Identity(Box<str>),
}

/// A requested deletion. Nearer is lesser: first by the grace period, then by the moment.
///
/// The API server only shortens the grace period (`BeforeDelete` in apiserver `pkg/registry/rest/delete.go`). If the shorter one is
/// over already it writes the present moment, which is later than what stood there; so the moment binds only while the period stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
struct Deletion {
    /// In seconds.
    #[serde(skip)]
    grace: i64,
    at: Time,
}

// === impl Deletion ===

impl Deletion {
    fn of(object: &Value) -> Option<Self> {
        let text = object.at("/metadata/deletionTimestamp")?.as_str()?;
        let grace = object.at("/metadata/deletionGracePeriodSeconds");
        Some(Self {
            grace: grace.and_then(super::model::number).unwrap_or(0),
            at: Time::parse(text).unwrap_or_default(),
        })
    }
}

// === impl Rank ===

impl Rank {
    pub(super) fn of(order: &Order, object: &Value) -> Self {
        let (phase, told) = order.phase(object).unzip();
        let counted = |counter: &super::model::Counter| {
            let falls = counter.unless.is_some_and(|unless| unless(object));
            (!falls).then(|| {
                object
                    .at(counter.at)
                    .and_then(super::model::number)
                    .unwrap_or(0)
            })
        };
        let model = order.model();
        Self {
            deletion: Deletion::of(object),
            terminal: phase.as_ref().is_some_and(|phase| order.is_terminal(phase)),
            phase,
            told: told.unwrap_or(false),
            epochs: order.epochs(object),
            latches: order
                .latches()
                .filter(|(name, _)| conditions::is_true(object, name))
                .map(|(name, _)| name)
                .collect(),
            counters: model.counters.iter().map(counted).collect(),
            containers: if model.containers {
                containers::of(object)
            } else {
                Box::default()
            },
        }
    }

    /// Whether `to` is this rank or forward of it, for the same object. Both must be of that order.
    #[must_use]
    pub fn reaches(&self, order: &Order, to: &Self) -> bool {
        self.breaches(order, to).is_empty()
    }

    /// Whether deletion was requested.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.deletion.is_some()
    }

    /// The phase, if the order has phases.
    #[must_use]
    pub fn phase(&self) -> Option<&str> {
        self.phase.as_deref()
    }

    /// The rank of the same object once its deletion was requested.
    pub(crate) fn deleted(&self, at: Time) -> Self {
        Self {
            deletion: Some(Deletion {
                grace: self.deletion.map_or(0, |set| set.grace),
                at: self.deletion.map_or(at, |set| set.at.min(at)),
            }),
            ..self.clone()
        }
    }

    /// Whether `to` stands in a new epoch that frees what is within epochs.
    pub(super) fn is_renewed_by(&self, to: &Self) -> bool {
        !self.terminal && self.deletion.is_none() && has_risen(&self.epochs, &to.epochs)
    }

    /// In which ways `to` is backward of this rank, for the same object; empty if it is not. Both must be of that order.
    pub(crate) fn breaches(&self, order: &Order, to: &Self) -> Vec<Breach> {
        let renewed = self.is_renewed_by(to);
        let mut found = Vec::new();
        found.extend(self.deletion_breach(to));
        if let Epochs::Fallen(from, to) = compare(&self.epochs, &to.epochs) {
            found.push(Breach::new("EpochFell", "epochs", from, to));
        }
        found.extend(self.phase_breach(order, to, renewed));
        for (name, within_epoch) in order.latches() {
            let reset = self.latches.contains(&name) && !to.latches.contains(&name);
            if reset && !(renewed && within_epoch) {
                found.push(Breach::new(
                    "LatchReset",
                    conditions::path(&name),
                    "True",
                    "not True",
                ));
            }
        }
        for ((counter, from), to) in order
            .model()
            .counters
            .iter()
            .zip(&self.counters)
            .zip(&to.counters)
        {
            if let (Some(from), Some(to)) = (from, to)
                && to < from
            {
                found.push(Breach::new("CounterFell", counter.at, from, to));
            }
        }
        if !renewed {
            let pod = containers::Pod {
                ended: self.terminal,
                deleting: self.deletion.is_some(),
                ends: !self.terminal && to.terminal,
            };
            found.extend(containers::breaches(&self.containers, &to.containers, pod));
        }
        found
    }

    /// apimachinery `types.go`: the deletionTimestamp "may not be unset or be set further into the future", only shortened; but
    /// see [`Deletion`].
    fn deletion_breach(&self, to: &Self) -> Option<Breach> {
        const AT: &str = "/metadata/deletionTimestamp";
        match (self.deletion, to.deletion) {
            (Some(from), None) => Some(Breach::new("DeletionUndone", AT, from.at, "")),
            (Some(from), Some(to)) if to > from => {
                Some(Breach::new("DeletionPostponed", AT, from.at, to.at))
            }
            _ => None,
        }
    }

    fn phase_breach(&self, order: &Order, to: &Self, renewed: bool) -> Option<Breach> {
        let (from, phase) = (self.phase.as_ref()?, to.phase.as_ref()?);
        // Of phases on one cycle each may follow the other, but silence follows none of them.
        let lost = self.told && !to.told && !renewed;
        let known = order.successors(from).is_some();
        if from == phase || (lost && known && order.reachable(from, phase)) {
            return lost.then(|| Breach::new("PhaseLost", order.phase_at(), from, "none"));
        }
        let rule = if order.successors(phase).is_none() {
            "PhaseUnknown"
        } else if self.terminal {
            "TerminalLeft"
        } else if order.model().while_deleting.contains(&phase.as_ref()) && to.deletion.is_none() {
            "PhaseWithoutDeletion"
        } else if renewed || !known || order.reachable(from, phase) {
            return None;
        } else {
            "PhaseBackward"
        };
        Some(Breach::new(rule, order.phase_at(), from, phase))
    }
}

/// `deleting=no terminal=no phase=Pending …`: what the order has nothing of is left out.
impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = |yes: bool| if yes { "yes" } else { "no" };
        write!(
            f,
            "deleting={} terminal={}",
            answer(self.deletion.is_some()),
            answer(self.terminal)
        )?;
        list(f, "epochs", &self.epochs)?;
        if let Some(phase) = &self.phase {
            write!(f, " phase={}", if phase.is_empty() { "-" } else { phase })?;
        }
        list(f, "latches", &self.latches)?;
        let counters: Vec<i64> = self.counters.iter().flatten().copied().collect();
        list(f, "counters", &counters)?;
        list(f, "containers", &self.containers)
    }
}

fn list(f: &mut fmt::Formatter<'_>, name: &str, items: &[impl fmt::Display]) -> fmt::Result {
    for (number, item) in items.iter().enumerate() {
        match number {
            0 => write!(f, " {name}={item}")?,
            _ => write!(f, ",{item}")?,
        }
    }
    Ok(())
}

// === impl Epoch ===

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Identity(name) if name.is_empty() => f.write_str("-"),
            Self::Identity(name) => f.write_str(name),
        }
    }
}

enum Epochs<'a> {
    Same,
    Risen,
    Fallen(&'a Epoch, &'a Epoch),
}

/// Whether the first that differs has risen.
pub(super) fn has_risen(from: &[Epoch], to: &[Epoch]) -> bool {
    matches!(compare(from, to), Epochs::Risen)
}

/// The first that differs decides.
fn compare<'a>(from: &'a [Epoch], to: &'a [Epoch]) -> Epochs<'a> {
    for (from, to) in from.iter().zip(to) {
        let order = match (from, to) {
            (Epoch::Number(from), Epoch::Number(to)) => from.cmp(to),
            _ if from == to => Ordering::Equal,
            _ => Ordering::Less,
        };
        match order {
            Ordering::Equal => {}
            Ordering::Less => return Epochs::Risen,
            Ordering::Greater => return Epochs::Fallen(from, to),
        }
    }
    Epochs::Same
}
