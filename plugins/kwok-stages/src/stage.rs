//! Stage resources as they are written: `kwok.x-k8s.io/v1alpha1`. Two spellings of the same become one here: `next` becomes steps, and
//! `key` and `expressionFrom` become jq.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::fields::Field;

/// What is wrong with a stage, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A JSON pointer into the settings.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// A stage.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// `v1/Pod`, `apps/v1/Deployment`.
    pub kind: String,
    /// Which objects. None matches none.
    pub selector: Option<Selector>,
    /// How often it is taken where several match.
    pub weight: i64,
    /// An expression that says so.
    pub weight_from: Option<From>,
    /// How long it is waited for.
    pub delay: Option<Delay>,
    /// The next stage follows without waiting for the watch.
    pub immediate: bool,
    /// What it does.
    pub steps: Vec<Step>,
}

/// Which objects: all of it holds.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// Labels that are equal.
    pub match_labels: BTreeMap<String, String>,
    /// Annotations that are equal.
    pub match_annotations: BTreeMap<String, String>,
    /// Expressions.
    pub match_expressions: Vec<Expression>,
}

/// A condition.
#[derive(Debug, Clone, Default)]
pub struct Expression {
    /// In CEL.
    pub cel: Option<Text>,
    /// In jq.
    pub jq: Option<Requirement>,
}

/// A condition in jq.
#[derive(Debug, Clone, Default)]
pub struct Requirement {
    /// The expression.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub operator: String,
    /// For the first two.
    pub values: Vec<String>,
    /// Where it stands within its expression: `jq/`, or nothing in the old spelling.
    pub place: &'static str,
}

/// An expression.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// The expression.
    pub expression: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, Default)]
pub struct From {
    /// From CEL.
    pub cel: Option<Text>,
    /// From jq.
    pub jq: Option<Text>,
}

/// How long a stage is waited for.
#[derive(Debug, Clone, Default)]
pub struct Delay {
    /// At least.
    pub duration_milliseconds: Option<i64>,
    /// An expression that says so.
    pub duration_from: Option<From>,
    /// At most.
    pub jitter_duration_milliseconds: Option<i64>,
    /// An expression that says so.
    pub jitter_duration_from: Option<From>,
}

/// A step.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// An Event.
    pub event: Option<Event>,
    /// Finalizers.
    pub finalizers: Option<Finalizers>,
    /// The object goes.
    pub delete: bool,
    /// The object is changed.
    pub patch: Option<Patch>,
    /// Another object is created or changed.
    pub apply: Option<Apply>,
}

/// An Event, as it is written.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// `Normal` or `Warning`.
    pub kind: String,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// What becomes of the finalizers.
#[derive(Debug, Clone, Default)]
pub struct Finalizers {
    /// These come.
    pub add: Vec<Finalizer>,
    /// These go.
    pub remove: Vec<Finalizer>,
    /// All go, before others come.
    pub empty: bool,
}

/// A finalizer.
#[derive(Debug, Clone, Default)]
pub struct Finalizer {
    /// Its name.
    pub value: String,
}

/// Whom to impersonate.
#[derive(Debug, Clone, Default)]
pub struct Impersonation {
    /// A user.
    pub username: String,
}

/// A change of the object.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    /// `status`, or nothing.
    pub subresource: String,
    /// The key that what is rendered goes beneath.
    pub root: String,
    /// The template.
    pub template: String,
    /// `json`, `merge`, `strategic`.
    pub kind: Option<String>,
    /// As another user.
    pub impersonation: Option<Impersonation>,
}

/// Another object.
#[derive(Debug, Clone, Default)]
pub struct Apply {
    /// The template.
    pub template: String,
    /// `status`, or nothing.
    pub subresource: String,
    /// `apply`, `merge`, `strategic`.
    pub kind: Option<String>,
    /// As another user.
    pub impersonation: Option<Impersonation>,
}

/// Reads a stage. `path` is where it stands.
///
/// # Errors
/// The first part that has another shape.
pub fn parse(stage: &Json, path: &str) -> Result<Spec, Problem> {
    let problem = |place: &str, message: &str| Problem {
        path: format!("{path}{place}"),
        message: message.to_owned(),
    };
    let text = |pointer: &str| stage.pointer(pointer).and_then(Json::as_str);
    let version = text("/apiVersion").unwrap_or_default();
    if text("/kind") != Some("Stage") || !matches!(version, "kwok.x-k8s.io/v1alpha1" | "") {
        return Err(problem(
            "/kind",
            "this is no Stage of kwok.x-k8s.io/v1alpha1",
        ));
    }
    let name =
        text("/metadata/name").ok_or_else(|| problem("/metadata/name", "the stage has no name"))?;
    let spec = stage
        .get("spec")
        .ok_or_else(|| problem("/spec", "the stage has no spec"))?;
    let spec = Field::new(spec, &format!("{path}/spec"));
    let steps = spec.list("steps", Step::read)?;
    let next = spec.part("next", next)?;
    Ok(Spec {
        name: name.to_owned(),
        kind: target(&spec)?,
        selector: spec.part("selector", Selector::read)?,
        weight: spec.whole("weight")?.unwrap_or(0),
        weight_from: spec.part("weightFrom", From::read)?,
        delay: spec.part("delay", Delay::read)?,
        immediate: spec.bool("immediateNextStage")?,
        steps: if steps.is_empty() {
            next.unwrap_or_default()
        } else {
            steps
        },
    })
}

/// KWOK's `apiGroup` is a version with its group; none is core's.
fn target(spec: &Field<'_>) -> Result<String, Problem> {
    let target = spec.get("resourceRef")?;
    let target =
        target.ok_or_else(|| spec.problem("the stage names no kind: resourceRef is missing"))?;
    let (group, kind) = (target.text("apiGroup")?, target.text("kind")?);
    if kind.is_empty() {
        return Err(target.problem("the stage names no kind"));
    }
    let group = if group.is_empty() { "v1" } else { &group };
    Ok(format!("{group}/{kind}"))
}

/// What was there before steps, in KWOK's order: the Event, finalizers, patches, the end.
fn next(next: &Field<'_>) -> Result<Vec<Step>, Problem> {
    let mut patches = next.list("patches", Patch::read)?;
    let template = next.text("statusTemplate")?;
    if patches.is_empty() && !template.is_empty() {
        let subresource = next.maybe_text("statusSubresource")?;
        patches.push(Patch {
            subresource: subresource.unwrap_or_else(|| "status".to_owned()),
            root: "status".to_owned(),
            template,
            kind: None,
            impersonation: next.part("statusPatchAs", Impersonation::read)?,
        });
    }
    let first = Step {
        event: next.part("event", Event::read)?,
        finalizers: next.part("finalizers", Finalizers::read)?,
        ..Step::default()
    };
    let last = Step {
        delete: next.bool("delete")?,
        ..Step::default()
    };
    let mut steps = Vec::new();
    if first.event.is_some() || first.finalizers.is_some() {
        steps.push(first);
    }
    steps.extend(patches.into_iter().map(|patch| Step {
        patch: Some(patch),
        ..Step::default()
    }));
    if last.delete {
        steps.push(last);
    }
    Ok(steps)
}

impl Selector {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        Ok(Self {
            match_labels: field.texts_by_name("matchLabels")?,
            match_annotations: field.texts_by_name("matchAnnotations")?,
            match_expressions: field.list("matchExpressions", Expression::read)?,
        })
    }
}

impl Expression {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        let jq = match field.part("jq", Requirement::read)? {
            None if !field.text("key")?.is_empty() => Some(Requirement::read(field)?),
            jq => jq.map(|jq| Requirement { place: "jq/", ..jq }),
        };
        let cel = field.part("cel", Text::read)?;
        Ok(Self { cel, jq })
    }
}

impl Requirement {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        Ok(Self {
            key: field.text("key")?,
            operator: field.text("operator")?,
            values: field.texts("values")?,
            place: "",
        })
    }
}

impl Text {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        let expression = field.text("expression")?;
        Ok(Self { expression })
    }
}

impl From {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        let expression = field.text("expressionFrom")?;
        let jq = match field.part("jq", Text::read)? {
            None if !expression.is_empty() => Some(Text { expression }),
            jq => jq,
        };
        let cel = field.part("cel", Text::read)?;
        Ok(Self { cel, jq })
    }
}

impl Delay {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        Ok(Self {
            duration_milliseconds: field.whole("durationMilliseconds")?,
            duration_from: field.part("durationFrom", From::read)?,
            jitter_duration_milliseconds: field.whole("jitterDurationMilliseconds")?,
            jitter_duration_from: field.part("jitterDurationFrom", From::read)?,
        })
    }
}

impl Step {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        Ok(Self {
            event: field.part("event", Event::read)?,
            finalizers: field.part("finalizers", Finalizers::read)?,
            delete: field.bool("delete")?,
            patch: field.part("patch", Patch::read)?,
            apply: field.part("apply", Apply::read)?,
        })
    }
}

impl Event {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        Ok(Self {
            kind: field.text("type")?,
            reason: field.text("reason")?,
            message: field.text("message")?,
        })
    }
}

impl Finalizers {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        let read = |item: &Field<'_>| {
            let value = item.text("value")?;
            Ok(Finalizer { value })
        };
        Ok(Self {
            add: field.list("add", read)?,
            remove: field.list("remove", read)?,
            empty: field.bool("empty")?,
        })
    }
}

impl Impersonation {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        let username = field.text("username")?;
        Ok(Self { username })
    }
}

impl Patch {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        Ok(Self {
            subresource: field.text("subresource")?,
            root: field.text("root")?,
            template: field.text("template")?,
            kind: field.maybe_text("type")?,
            impersonation: field.part("impersonation", Impersonation::read)?,
        })
    }
}

impl Apply {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        Ok(Self {
            template: field.text("template")?,
            subresource: field.text("subresource")?,
            kind: field.maybe_text("type")?,
            impersonation: field.part("impersonation", Impersonation::read)?,
        })
    }
}
