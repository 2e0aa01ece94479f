//! Which stages an object matches, which of them is taken, and when it is due.

use std::cell::OnceCell;
use std::ops::Range;

use serde_json::Value as Json;
use stagewright_go_template::time::Instant;
use stagewright_go_template::{duration, integer};

use crate::cel::{Scope, When};
use crate::compiled::{Condition, Expression, Operator, Stage, Stages, Timing};
use crate::jq::{Failure, Found, Input};

/// An object that stages are asked about. It is read once for each language, when the first expression wants it.
pub struct View<'a> {
    stages: &'a Stages,
    object: &'a Json,
    moment: Moment,
    jq: Input<'a>,
    cel: OnceCell<Scope<'static>>,
}

/// The times and the chance that a decision may rest on.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// When the waiting began.
    pub began: Instant,
    /// Now, for expressions that ask.
    pub now: Instant,
    /// What `Rand` gives.
    pub chance: f64,
}

/// A weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighed {
    /// A number; a negative one counts as none.
    Known(i64),
    /// The expression gave nothing that is a number: the stage loses to any that has one.
    Unreadable,
}

/// When a stage is due: at a time, or anywhere between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Without a delay.
    AtOnce,
    /// At a time.
    At(Instant),
    /// Between two.
    Between(Range<Instant>),
}

/// A stage that could not be asked, and why.
pub type Failed<'a> = (&'a str, String);

impl<'a> View<'a> {
    /// Looks at an object.
    #[must_use]
    pub fn new(stages: &'a Stages, object: &'a Json, moment: Moment) -> Self {
        Self {
            stages,
            object,
            moment,
            jq: stages.programs.input(object),
            cel: OnceCell::new(),
        }
    }

    /// The stages of the object's kind that it matches, in their order, and those that could not be asked. One that cannot does not
    /// keep the others from being asked.
    #[must_use]
    pub fn matching(&self) -> (Vec<&'a Stage>, Vec<Failed<'a>>) {
        let candidates = self
            .stages
            .index
            .candidates(&kind(self.object), self.object);
        let stages = candidates
            .iter()
            .filter_map(|place| self.stages.stages.get(*place));
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        for stage in stages {
            match self.matches(stage) {
                Ok(true) => found.push(stage),
                Ok(false) => {}
                Err(message) => failed.push((stage.name.as_str(), message)),
            }
        }
        (found, failed)
    }

    pub(crate) fn matches(&self, stage: &Stage) -> Result<bool, String> {
        let has = |map: &str, wanted: &[(String, String)]| {
            let present = self
                .object
                .get("metadata")
                .and_then(|metadata| metadata.get(map));
            let value = |key: &str| {
                present
                    .and_then(|present| present.get(key))
                    .and_then(Json::as_str)
            };
            wanted
                .iter()
                .all(|(key, wanted)| value(key) == Some(wanted))
        };
        if !has("labels", &stage.labels) || !has("annotations", &stage.annotations) {
            return Ok(false);
        }
        for condition in &stage.conditions {
            let holds = match condition {
                Condition::Jq {
                    number,
                    operator,
                    values,
                } => match self.jq(*number) {
                    Ok(found) => operator.holds(found, values),
                    Err(Failure::Error) => operator.holds(&[], values),
                    Err(Failure::Endless) => return Err("a jq expression has no end".to_owned()),
                },
                Condition::Cel(program) => program
                    .truth(self.scope())
                    .map_err(|error| format!("CEL: {error}"))?,
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A stage's weight for this object.
    #[must_use]
    pub fn weight(&self, stage: &Stage) -> Weighed {
        let fixed = Weighed::Known(stage.weight.fixed);
        match &stage.weight.from {
            None => fixed,
            Some(Expression::Cel(program)) => match program.whole(self.scope()) {
                Ok(weight) => Weighed::Known(weight),
                Err(_) => Weighed::Unreadable,
            },
            Some(Expression::Jq(number)) => match self.jq(*number) {
                Err(Failure::Endless) => Weighed::Unreadable,
                Err(Failure::Error) => fixed,
                Ok(found) => match found.first() {
                    None => fixed,
                    Some(Found::Text(text)) => {
                        integer(text).map_or(Weighed::Unreadable, Weighed::Known)
                    }
                    #[allow(clippy::cast_possible_truncation, reason = "a fraction is cut")]
                    Some(Found::Number(number)) => Weighed::Known(*number as i64),
                    Some(Found::Bool(_) | Found::Other) => fixed,
                },
            },
        }
    }

    /// Of the stages that match, those that may be taken, with their share.
    #[must_use]
    pub fn possible(&self, matching: Vec<&'a Stage>) -> Vec<(&'a Stage, i64)> {
        if matching.len() < 2 {
            return matching.into_iter().map(|stage| (stage, 1)).collect();
        }
        let weighed: Vec<(&Stage, Weighed)> = matching
            .into_iter()
            .map(|stage| (stage, self.weight(stage)))
            .collect();
        let known = weighed.iter().filter_map(|(stage, weighed)| match weighed {
            Weighed::Known(weight) => Some((*stage, (*weight).max(0))),
            Weighed::Unreadable => None,
        });
        let known: Vec<(&Stage, i64)> = known.collect();
        if known.is_empty() {
            return weighed.into_iter().map(|(stage, _)| (stage, 1)).collect();
        }
        if known.iter().all(|(_, weight)| *weight == 0) {
            return known.into_iter().map(|(stage, _)| (stage, 1)).collect();
        }
        known
            .into_iter()
            .filter(|(_, weight)| *weight > 0)
            .collect()
    }

    /// When a stage is due.
    ///
    /// # Errors
    /// If an expression fails: nobody knows then, and KWOK's answer, at once, is the worst of all.
    pub fn due(&self, stage: &Stage) -> Result<Due, String> {
        let Some(duration) = &stage.duration else {
            return Ok(Due::AtOnce);
        };
        let Some(from) = self
            .time(duration)
            .map_err(|error| format!("delay: {error}"))?
        else {
            return Ok(Due::AtOnce);
        };
        let Some(jitter) = &stage.jitter else {
            return Ok(Due::At(from));
        };
        match self
            .time(jitter)
            .map_err(|error| format!("jitter: {error}"))?
        {
            None => Ok(Due::At(from)),
            Some(to) if to <= from => Ok(Due::At(to)),
            Some(to) => Ok(Due::Between(from..to)),
        }
    }

    fn time(&self, timing: &Timing) -> Result<Option<Instant>, String> {
        let after = |nanos: i64| Instant(self.moment.began.0 + i128::from(nanos));
        let fixed = timing.fixed.map(after);
        match &timing.from {
            None => Ok(fixed),
            Some(Expression::Cel(program)) => Ok(Some(match program.when(self.scope())? {
                When::After(nanos) => after(nanos),
                When::At(time) => time,
            })),
            Some(Expression::Jq(number)) => match self.jq(*number) {
                Err(Failure::Endless) => Err("a jq expression has no end".to_owned()),
                Err(Failure::Error) => Ok(fixed),
                Ok(found) => match found.first() {
                    Some(Found::Text(text)) if text.is_empty() => Ok(None),
                    Some(Found::Text(text)) => {
                        let time =
                            Instant::parse(text).or_else(|| duration::parse(text).map(after));
                        Ok(time.or(fixed))
                    }
                    _ => Ok(fixed),
                },
            },
        }
    }

    fn jq(&self, number: usize) -> Result<&[Found<'_>], Failure> {
        self.stages.programs.run(number, &self.jq)
    }

    fn scope(&self) -> &Scope<'static> {
        self.cel.get_or_init(|| {
            let Moment { now, chance, .. } = self.moment;
            self.stages.environment.scope(self.object, now, chance)
        })
    }
}

/// `v1/Pod`.
#[must_use]
pub fn kind(object: &Json) -> String {
    let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or_default();
    format!("{}/{}", text("apiVersion"), text("kind"))
}

impl Operator {
    fn holds(self, found: &[Found<'_>], values: &[String]) -> bool {
        match self {
            Self::In => found.iter().any(|found| is_one_of(found, values)),
            Self::NotIn => !found.iter().any(|found| is_one_of(found, values)),
            Self::Exists => !found.is_empty(),
            Self::DoesNotExist => found.is_empty(),
        }
    }
}

/// Numbers by value, however they are written.
fn is_one_of(found: &Found<'_>, values: &[String]) -> bool {
    values.iter().any(|value| match found {
        Found::Text(text) => value == text,
        Found::Number(number) => value.parse() == Ok(*number),
        Found::Bool(found) => value == if *found { "true" } else { "false" },
        Found::Other => false,
    })
}
