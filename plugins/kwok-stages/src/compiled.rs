//! Stages as they are asked.

use stagewright_go_template::{Template, Wanted};

use crate::cel::{Environment, Program};
use crate::index::Index;
use crate::jq::Programs;
use crate::reads::Reads;
use crate::stage::{Apply, Event, Finalizers, Patch, Problem};

/// All stages of a plugin, compiled.
pub struct Stages {
    /// In the order that they were given in.
    pub stages: Vec<Stage>,
    /// Which of them an object may match.
    pub index: Index,
    /// The jq of all.
    pub programs: Programs,
    /// The functions of CEL.
    pub environment: Environment,
    /// What was left out.
    pub problems: Vec<Problem>,
}

/// A stage, compiled.
#[derive(Debug)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// `v1/Pod`.
    pub kind: String,
    /// Labels that are equal.
    pub labels: Vec<(String, String)>,
    /// Annotations that are equal.
    pub annotations: Vec<(String, String)>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Against others that match.
    pub weight: Weight,
    /// At least so long.
    pub duration: Option<Timing>,
    /// At most so long.
    pub jitter: Option<Timing>,
    /// The next one follows at once.
    pub immediate: bool,
    /// What it does.
    pub steps: Vec<Step>,
    /// What is read to decide.
    pub reads: Reads,
    /// What is read to do it.
    pub wanted: Wanted,
}

/// A condition.
#[derive(Debug)]
pub enum Condition {
    /// jq, by number.
    Jq {
        /// Which expression.
        number: usize,
        /// How its values are looked at.
        operator: Operator,
        /// What with.
        values: Vec<String>,
    },
    /// CEL.
    Cel(Program),
}

/// How the values of a jq expression are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// One of them is one of those given.
    In,
    /// None is.
    NotIn,
    /// There is one.
    Exists,
    /// There is none.
    DoesNotExist,
}

/// An expression for a value.
#[derive(Debug)]
pub enum Expression {
    /// jq, by number.
    Jq(usize),
    /// CEL.
    Cel(Program),
}

/// A weight.
#[derive(Debug)]
pub struct Weight {
    /// If no expression says otherwise.
    pub fixed: i64,
    /// An expression that does.
    pub from: Option<Expression>,
}

/// A delay, or its longest.
#[derive(Debug)]
pub struct Timing {
    /// Nanoseconds, if no expression says otherwise.
    pub fixed: Option<i64>,
    /// An expression that does.
    pub from: Option<Expression>,
}

/// What one step does. More than one of them may be in a step as it is written.
#[derive(Debug)]
pub enum Step {
    /// An Event.
    Event(Event),
    /// Finalizers.
    Finalizers(Finalizers),
    /// The end.
    Delete,
    /// A change.
    Patch {
        /// As it is written.
        patch: Patch,
        /// How it is meant.
        form: Form,
        /// Compiled.
        template: Template,
    },
    /// Another object.
    Apply {
        /// As it is written.
        apply: Apply,
        /// How it is meant.
        form: Form,
        /// `v1/PersistentVolume`.
        kind: String,
        /// Compiled.
        template: Template,
    },
}

/// The forms of patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// RFC 6902.
    Json,
    /// RFC 7396.
    Merge,
    /// As Kubernetes merges its own kinds.
    Strategic,
    /// Server-side apply.
    Apply,
}

/// What steps look at in their object: its kind, what their templates name, and the finalizers.
#[must_use]
pub fn wanted(steps: &[Step]) -> Wanted {
    let mut wanted = Wanted::nothing();
    wanted.join_path(&["apiVersion"]);
    wanted.join_path(&["kind"]);
    for step in steps {
        match step {
            Step::Patch { template, .. } | Step::Apply { template, .. } => {
                wanted.join(template.wanted());
            }
            Step::Finalizers(_) => wanted.join_path(&["metadata", "finalizers"]),
            Step::Event(_) | Step::Delete => {}
        }
    }
    wanted
}

impl Stage {
    /// Whether it has the jq expression of this number.
    #[must_use]
    pub fn uses(&self, wanted: usize) -> bool {
        let conditions = self
            .conditions
            .iter()
            .filter_map(|condition| match condition {
                Condition::Jq { number, .. } => Some(*number),
                Condition::Cel(_) => None,
            });
        let timings = [&self.duration, &self.jitter].into_iter().flatten();
        let from = timings
            .filter_map(|timing| timing.from.as_ref())
            .chain(&self.weight.from);
        let from = from.filter_map(|from| match from {
            Expression::Jq(number) => Some(*number),
            Expression::Cel(_) => None,
        });
        conditions.chain(from).any(|number| number == wanted)
    }
}
