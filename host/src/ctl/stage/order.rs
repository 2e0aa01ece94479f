//! `stagewright stage lint`: where stages take objects, and whether their kind's order lets them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use stagewright_core::object::Kind;
use stagewright_core::order::Order;

use crate::kwok::{Document, kind_of};
use crate::orders::{self, Orders};

/// Where stages have the phase: the path that KWOK's own write.
const PATH: &str = ".status.phase";

/// The phases that a stage selects.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    /// These.
    In(BTreeSet<String>),
    /// All but these.
    NotIn(BTreeSet<String>),
    /// It does not ask for the phase.
    Any,
    /// It asks in a language that only objects can be asked with.
    Unread,
}

/// A stage's way through the phases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub kind: Kind,
    stage: String,
    from: From,
    /// The phases that it writes, of which the last one stays.
    to: Vec<String>,
    /// A pointer to what selects the phase, or to the selector.
    pub place: String,
}

/// The ways of stages of one kind, as an order.
pub(super) struct Derived {
    pub kind: Kind,
    phases: BTreeMap<String, BTreeSet<String>>,
}

// === impl Way ===

impl Way {
    /// Of a stage in the spelling of steps and jq; none if it writes no phase, or writes one that only a template knows.
    pub(super) fn of(document: &Document, stage: &Value) -> Option<Self> {
        let to = written(stage);
        if to.is_empty() {
            return None;
        }
        let expressions = stage.pointer("/spec/selector/matchExpressions");
        let expressions = expressions.and_then(Value::as_array);
        let (mut from, mut place) = (From::Any, "/spec/selector".to_owned());
        for (index, expression) in expressions.into_iter().flatten().enumerate() {
            let text = |pointer: &str| {
                let text = expression.pointer(pointer).and_then(Value::as_str);
                text.unwrap_or_default()
            };
            let key = text("/jq/key").trim();
            let asks = |text: &str| text.contains("status") && text.contains("phase");
            if key != PATH {
                if (asks(key) || asks(text("/cel/expression"))) && from == From::Any {
                    from = From::Unread;
                }
                continue;
            }
            let values = expression.pointer("/jq/values").and_then(Value::as_array);
            let values = values.into_iter().flatten().filter_map(Value::as_str);
            let values: BTreeSet<String> = values.map(str::to_owned).collect();
            from = match text("/jq/operator") {
                "In" => From::In(values),
                "NotIn" => From::NotIn(values),
                "DoesNotExist" => From::In(BTreeSet::from([String::new()])),
                _ => continue,
            };
            place = format!("/spec/selector/matchExpressions/{index}");
        }
        Some(Self {
            kind: kind_of(document)?,
            stage: document.name().unwrap_or_default().to_owned(),
            from,
            to,
            place,
        })
    }

    /// The moves of objects in these phases.
    fn moves<'a>(&'a self, known: &'a [String]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let known = || known.iter().map(String::as_str);
        let selected: Vec<&str> = match &self.from {
            From::In(from) => from.iter().map(String::as_str).collect(),
            From::NotIn(but) => known().filter(|phase| !but.contains(*phase)).collect(),
            From::Any => known().collect(),
            From::Unread => Vec::new(),
        };
        let to = self.to.iter().map(String::as_str);
        let moves = to.flat_map(move |to| selected.clone().into_iter().map(move |from| (from, to)));
        moves.filter(|(from, to)| from != to)
    }

    /// The moves that the order refuses, with the smallest change of the stage that leaves them out.
    pub(super) fn refused(&self, order: &Order) -> Option<String> {
        let known: Vec<String> = order.phases().into_iter().map(str::to_owned).collect();
        let at = |phase: &str| json!({"status": {"phase": phase}});
        let refused: Vec<(&str, &str)> = self
            .moves(&known)
            .filter(|(from, to)| !order.breaches(&at(from), &at(to)).is_empty())
            .collect();
        if refused.is_empty() {
            return None;
        }
        let moves = refused.iter().map(|(from, to)| format!("{from} -> {to}"));
        let moves = moves.collect::<Vec<_>>().join(", ");
        let from: BTreeSet<&str> = refused.iter().map(|(from, _)| *from).collect();
        let good: Vec<&String> = known
            .iter()
            .filter(|phase| !from.contains(phase.as_str()))
            .collect();
        let listed = from.iter().copied().collect::<Vec<_>>().join(" and ");
        let change = match &self.from {
            From::In(selected) if selected.len() == from.len() => {
                "no phase that it selects may go there: write another one, or select others"
                    .to_owned()
            }
            From::NotIn(_) => format!("add {listed} to the values"),
            From::In(_) => format!("take {listed} out of the values"),
            From::Any | From::Unread => format!(
                "it selects whatever phase: add key {PATH}, operator In, values {}",
                json!(good)
            ),
        };
        Some(format!(
            "the order of {} refuses {moves}; {change}",
            self.kind
        ))
    }

    /// A line of the table.
    pub(super) fn row(&self, orders: &Orders) -> [String; 4] {
        let listed = |phases: &BTreeSet<String>| {
            let phases = phases.iter().map(|phase| shown(phase));
            phases.collect::<Vec<_>>().join(", ")
        };
        let from = match &self.from {
            From::In(from) => listed(from),
            From::NotIn(but) => format!("all but {}", listed(but)),
            From::Any => "any".to_owned(),
            From::Unread => "?".to_owned(),
        };
        let verdict = match order_of(&self.kind, orders) {
            None => "no order",
            Some(_) if self.from == From::Unread => "when played",
            Some(order) if self.refused(&order).is_some() => "refused",
            Some(_) => "forward",
        };
        let to = self.to.join(", ");
        [
            self.kind.to_string(),
            self.stage.clone(),
            format!("{from} -> {to}"),
            verdict.to_owned(),
        ]
    }
}

// === impl Derived ===

impl Derived {
    /// One for each kind that has no order of its own.
    pub(super) fn all(ways: &[Way]) -> Vec<Self> {
        let kinds: BTreeSet<&Kind> = ways.iter().map(|way| &way.kind).collect();
        let kinds = kinds
            .into_iter()
            .filter(|kind| Order::built_in(kind).is_none());
        kinds.map(|kind| Self::of(kind, ways)).collect()
    }

    fn of(kind: &Kind, ways: &[Way]) -> Self {
        let mut phases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let ways = || ways.iter().filter(|way| way.kind == *kind);
        for way in ways() {
            let selected = match &way.from {
                From::In(phases) | From::NotIn(phases) => Some(phases),
                From::Any | From::Unread => None,
            };
            let named = selected.into_iter().flatten().chain(&way.to);
            for phase in named.filter(|phase| !phase.is_empty()) {
                phases.entry(phase.clone()).or_default();
            }
        }
        let known: Vec<String> = phases.keys().cloned().collect();
        for way in ways() {
            for (from, to) in way.moves(&known) {
                if let Some(next) = phases.get_mut(from) {
                    next.insert(to.to_owned());
                }
            }
        }
        Self {
            kind: kind.clone(),
            phases,
        }
    }

    /// Phases that reach each other: nothing can be said of the moves between them.
    fn cycles(&self) -> Vec<Vec<&str>> {
        let mut cycles: BTreeSet<Vec<&str>> = BTreeSet::new();
        for phase in self.phases.keys() {
            let reached = self.reached(phase);
            let equal = reached
                .iter()
                .filter(|other| self.reached(other).contains(phase.as_str()));
            let cycle: Vec<&str> = equal.copied().collect();
            if cycle.len() > 1 {
                cycles.insert(cycle);
            }
        }
        cycles.into_iter().collect()
    }

    fn reached<'a>(&'a self, from: &str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = vec![from];
        while let Some(phase) = next.pop() {
            for successor in self.phases.get(phase).into_iter().flatten() {
                if reached.insert(successor.as_str()) {
                    next.push(successor);
                }
            }
        }
        reached
    }

    /// The resource.
    pub(super) fn resource(&self) -> Value {
        let phases: Map<String, Value> = self
            .phases
            .iter()
            .map(|(phase, next)| (phase.clone(), json!(next)))
            .collect();
        json!({"apiVersion": orders::API_VERSION, "kind": orders::KIND,
            "metadata": {"name": self.kind.kind().to_lowercase()},
            "spec": {"kind": self.kind.to_string(), "path": "/status/phase", "phases": phases}})
    }

    /// The resource as text, with what is to be looked at before it is applied.
    pub(super) fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        for cycle in self.cycles() {
            writeln!(
                text,
                "# {} lead to each other, so nothing is backward among them; take a successor out, if one is.",
                cycle.join(", ")
            )?;
        }
        if self.phases.len() < 2 {
            writeln!(text, "# One phase is no order.")?;
        }
        text.push_str(&serde_saphyr::to_string(&self.resource())?);
        Ok(text)
    }
}

/// The order that holds for a kind.
pub(super) fn order_of(kind: &Kind, orders: &Orders) -> Option<Order> {
    Order::built_in(kind).or_else(|| orders.get(kind).cloned().map(Order::Declared))
}

fn shown(phase: &str) -> &str {
    if phase.is_empty() { "none" } else { phase }
}

/// The phases that the stage's patches write, where they are plain words.
fn written(stage: &Value) -> Vec<String> {
    let steps = stage.pointer("/spec/steps").and_then(Value::as_array);
    let patches = steps
        .into_iter()
        .flatten()
        .filter_map(|step| step.get("patch"));
    let mut found = Vec::new();
    for patch in patches {
        let text = |key: &str| patch.get(key).and_then(Value::as_str).unwrap_or_default();
        let beneath = match text("root") {
            "status" => "phase:",
            "" => "  phase:",
            _ => continue,
        };
        let lines = text("template").lines();
        let phases = lines.filter_map(|line| line.strip_prefix(beneath));
        let words = phases.map(|word| word.trim().trim_matches(['"', '\'']));
        let is_word = |word: &&str| !word.is_empty() && word.chars().all(char::is_alphanumeric);
        found.extend(words.filter(is_word).map(str::to_owned));
    }
    found
}
