//! From a stage as it is written to one that can be asked. What is wrong with it is found here, before the first object comes.

use stagewright_go_template::{Found, Template};

use crate::cel::{Environment, Program};
use crate::compiled::{
    self, Condition, Expression, Form, Operator, Stage, Stages, Step, Timing, Weight,
};
use crate::index::Index;
use crate::jq::Sources;
use crate::reads::Reads;
use crate::stage::{self, Apply, Impersonation, Patch, Problem, Spec};

/// Effects of a play, by the interface.
const MOST_EFFECTS: usize = 16;
/// Longer templates are refused: a patch that long could not be sent.
const LONGEST_TEMPLATE: usize = 256 * 1024;

/// Compiles stages that came with their places. A bad one is left out alone. `with_types` makes pods and nodes what they are to KWOK's
/// controllers; its test suite reads them as trees.
///
/// # Errors
/// Never for bad stages; only if the libraries are broken.
pub fn compile(
    specs: impl IntoIterator<Item = (String, Result<Spec, Problem>)>,
    find: &dyn Fn(&str, &str) -> Found,
    with_types: bool,
) -> Result<Stages, String> {
    let mut sources = Sources::default();
    let mut compiled: Vec<(String, Stage)> = Vec::new();
    let mut problems = Vec::new();
    for (path, spec) in specs {
        let stage = spec.and_then(|spec| {
            let mut compiler = Compiler {
                path: &path,
                sources: &mut sources,
                is_typed: with_types && is_typed(&spec.kind),
                reads: Reads::default(),
            };
            compiler.stage(spec, find)
        });
        match stage {
            Ok(Some(stage)) => compiled.push((path, stage)),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    let (programs, broken) = sources.compile()?;
    for (number, message) in broken {
        compiled.retain(|(path, stage)| {
            let uses = stage.uses(number);
            if uses {
                problems.push(Problem {
                    path: format!("{path}/spec"),
                    message: message.clone(),
                });
            }
            !uses
        });
    }
    let stages: Vec<Stage> = compiled.into_iter().map(|(_, stage)| stage).collect();
    Ok(Stages {
        index: Index::new(&stages, &programs),
        stages,
        programs,
        environment: Environment::new()?,
        problems,
    })
}

/// KWOK has types for these two; all else is a tree.
#[must_use]
pub fn is_typed(kind: &str) -> bool {
    matches!(kind, "v1/Pod" | "v1/Node")
}

struct Compiler<'a> {
    path: &'a str,
    sources: &'a mut Sources,
    is_typed: bool,
    reads: Reads,
}

impl Compiler<'_> {
    fn problem(&self, place: impl AsRef<str>, message: impl Into<String>) -> Problem {
        Problem {
            path: format!("{}/spec/{}", self.path, place.as_ref()),
            message: message.into(),
        }
    }

    /// A stage without a selector matches nothing, and is none.
    fn stage(
        &mut self,
        spec: Spec,
        find: &dyn Fn(&str, &str) -> Found,
    ) -> Result<Option<Stage>, Problem> {
        let Some(selector) = spec.selector else {
            return Ok(None);
        };
        if spec.weight < 0 {
            return Err(self.problem("weight", "a weight is not negative"));
        }
        let conditions = self.conditions(&selector.match_expressions)?;
        for (map, keys) in [
            ("labels", &selector.match_labels),
            ("annotations", &selector.match_annotations),
        ] {
            keys.keys()
                .for_each(|key| self.reads.add(&["metadata", map, key]));
        }
        let weight = Weight {
            fixed: spec.weight,
            from: self.from(spec.weight_from.as_ref(), "weightFrom")?,
        };
        let (duration, jitter) = match &spec.delay {
            Some(delay) => (self.duration(delay)?, self.jitter(delay)?),
            None => (None, None),
        };
        let find = |name: &str| find(&spec.kind, name);
        let steps = self.steps(spec.steps, &find)?;
        Ok(Some(Stage {
            name: spec.name,
            kind: spec.kind,
            labels: selector.match_labels.into_iter().collect(),
            annotations: selector.match_annotations.into_iter().collect(),
            conditions,
            weight,
            duration,
            jitter,
            immediate: spec.immediate,
            wanted: compiled::wanted(&steps),
            steps,
            reads: std::mem::take(&mut self.reads),
        }))
    }

    fn conditions(&mut self, expressions: &[stage::Expression]) -> Result<Vec<Condition>, Problem> {
        let mut conditions = Vec::new();
        for (index, expression) in expressions.iter().enumerate() {
            let place = format!("selector/matchExpressions/{index}");
            let condition = match (&expression.jq, &expression.cel) {
                (Some(requirement), _) => self.requirement(requirement, &place)?,
                (None, Some(text)) => Condition::Cel(self.cel(&text.expression, &place)?),
                (None, None) => return Err(self.problem(place, "an expression has jq or cel")),
            };
            conditions.push(condition);
        }
        // As KWOK asks them: a CEL expression may rest on what jq has seen to.
        let is_jq = |condition: &Condition| matches!(condition, Condition::Jq { .. });
        let (mut conditions, others): (Vec<_>, Vec<_>) = conditions.into_iter().partition(is_jq);
        conditions.extend(others);
        Ok(conditions)
    }

    fn requirement(
        &mut self,
        requirement: &stage::Requirement,
        place: &str,
    ) -> Result<Condition, Problem> {
        let place = |key: &str| format!("{place}/{}{key}", requirement.place);
        let wants_values = match requirement.operator.as_str() {
            "In" | "NotIn" => true,
            "Exists" | "DoesNotExist" => false,
            other => {
                let message =
                    format!("operator {other:?} is none of In, NotIn, Exists, DoesNotExist");
                return Err(self.problem(place("operator"), message));
            }
        };
        if wants_values == requirement.values.is_empty() {
            let message = if wants_values {
                "In and NotIn need values"
            } else {
                "Exists and DoesNotExist take no values"
            };
            return Err(self.problem(place("values"), message));
        }
        let operator = match requirement.operator.as_str() {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            _ => Operator::DoesNotExist,
        };
        Ok(Condition::Jq {
            number: self.jq(&requirement.key, &place("key"))?,
            operator,
            values: requirement.values.clone(),
        })
    }

    fn jq(&mut self, source: &str, place: &str) -> Result<usize, Problem> {
        let number = self.sources.add(source);
        let number = number.map_err(|message| self.problem(place, format!("jq: {message}")))?;
        self.reads.jq(source);
        Ok(number)
    }

    fn cel(&mut self, source: &str, place: &str) -> Result<Program, Problem> {
        let program = Program::compile(source, self.is_typed);
        let program = program.map_err(|message| self.problem(place, format!("CEL: {message}")))?;
        self.reads.all(program.reads());
        Ok(program)
    }

    fn from(
        &mut self,
        from: Option<&stage::From>,
        place: &str,
    ) -> Result<Option<Expression>, Problem> {
        let Some(from) = from else { return Ok(None) };
        match (&from.cel, &from.jq) {
            (Some(text), _) => Ok(Some(Expression::Cel(self.cel(&text.expression, place)?))),
            (None, Some(text)) => Ok(Some(Expression::Jq(self.jq(&text.expression, place)?))),
            (None, None) => {
                Err(self.problem(place, "a value comes from jq, cel or expressionFrom"))
            }
        }
    }

    fn duration(&mut self, delay: &stage::Delay) -> Result<Option<Timing>, Problem> {
        let millis = delay.duration_milliseconds.unwrap_or(0);
        Ok(Some(Timing {
            fixed: Some(self.nanos(millis, "delay/durationMilliseconds")?),
            from: self.from(delay.duration_from.as_ref(), "delay/durationFrom")?,
        }))
    }

    fn jitter(&mut self, delay: &stage::Delay) -> Result<Option<Timing>, Problem> {
        let (millis, from) = (
            delay.jitter_duration_milliseconds,
            delay.jitter_duration_from.as_ref(),
        );
        if millis.is_none() && from.is_none() {
            return Ok(None);
        }
        let millis = millis.map(|millis| self.nanos(millis, "delay/jitterDurationMilliseconds"));
        Ok(Some(Timing {
            fixed: millis.transpose()?,
            from: self.from(from, "delay/jitterDurationFrom")?,
        }))
    }

    fn nanos(&self, millis: i64, place: &str) -> Result<i64, Problem> {
        if millis < 0 {
            return Err(self.problem(place, "a duration is not negative"));
        }
        Ok(millis.saturating_mul(1_000_000))
    }

    fn steps(
        &mut self,
        steps: Vec<stage::Step>,
        find: &dyn Fn(&str) -> Found,
    ) -> Result<Vec<Step>, Problem> {
        let mut compiled = Vec::new();
        let mut deleted = false;
        for (index, step) in steps.into_iter().enumerate() {
            let place = format!("steps/{index}");
            compiled.extend(step.event.map(Step::Event));
            // Behind a delete, only Events are left.
            if deleted {
                continue;
            }
            compiled.extend(step.finalizers.map(Step::Finalizers));
            if step.delete {
                deleted = true;
                compiled.push(Step::Delete);
                continue;
            }
            if let Some(patch) = step.patch {
                compiled.push(self.patch(patch, &format!("{place}/patch"), find)?);
            }
            if let Some(apply) = step.apply {
                compiled.push(self.apply(apply, &format!("{place}/apply"), find)?);
            }
        }
        if compiled.len() > MOST_EFFECTS {
            return Err(self.problem(
                "steps",
                format!("a stage does more than {MOST_EFFECTS} things"),
            ));
        }
        Ok(compiled)
    }

    fn template(
        &self,
        text: &str,
        place: &str,
        find: &dyn Fn(&str) -> Found,
    ) -> Result<Template, Problem> {
        if text.len() > LONGEST_TEMPLATE {
            return Err(self.problem(
                place,
                format!("a template is longer than {LONGEST_TEMPLATE} bytes"),
            ));
        }
        Template::parse(text, find)
            .map_err(|error| self.problem(format!("{place}/template"), error.to_string()))
    }

    fn patch(
        &self,
        patch: Patch,
        place: &str,
        find: &dyn Fn(&str) -> Found,
    ) -> Result<Step, Problem> {
        let form = match patch.kind.as_deref() {
            Some("json") => Form::Json,
            Some("merge") => Form::Merge,
            Some("strategic") => Form::Strategic,
            None | Some("") if self.is_typed => Form::Strategic,
            None | Some("") => Form::Merge,
            Some(other) => {
                let message = format!("type {other:?} is none of json, merge, strategic");
                return Err(self.problem(format!("{place}/type"), message));
            }
        };
        let template = self.template(&patch.template, place, find)?;
        Ok(Step::Patch {
            patch,
            form,
            template,
        })
    }

    fn apply(
        &self,
        apply: Apply,
        place: &str,
        find: &dyn Fn(&str) -> Found,
    ) -> Result<Step, Problem> {
        let form = match apply.kind.as_deref() {
            None | Some("" | "apply") => Form::Apply,
            Some("merge") => Form::Merge,
            Some("strategic") => Form::Strategic,
            Some(other) => {
                let message = format!("type {other:?} is none of apply, merge, strategic");
                return Err(self.problem(format!("{place}/type"), message));
            }
        };
        if let Some(Impersonation { username }) = &apply.impersonation {
            let message = format!(
                "another object cannot be written as user {username:?}: leave out impersonation"
            );
            return Err(self.problem(format!("{place}/impersonation"), message));
        }
        let template = self.template(&apply.template, place, find)?;
        let (version, name) = (
            top(&apply.template, "apiVersion"),
            top(&apply.template, "kind"),
        );
        let (Some(version), Some(name)) = (version, name) else {
            let message = "apiVersion and kind stand in lines of their own, and are no templates: what a plugin writes is declared";
            return Err(self.problem(format!("{place}/template"), message));
        };
        Ok(Step::Apply {
            kind: format!("{version}/{name}"),
            apply,
            form,
            template,
        })
    }
}

/// The value of a key at the top of a template, where it is plain.
fn top<'a>(template: &'a str, key: &str) -> Option<&'a str> {
    let mut lines = template
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let value = lines.next()?.trim().trim_matches(['"', '\'']);
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '/' | '-');
    (!value.is_empty() && value.chars().all(plain)).then_some(value)
}
