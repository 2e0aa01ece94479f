//! Stage resources as they are written: `kwok.x-k8s.io/v1alpha1`. Two spellings of the same become one here: `next` becomes steps, and
//! `key` and `expressionFrom` become jq.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

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
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Labels that are equal.
    pub match_labels: BTreeMap<String, String>,
    /// Annotations that are equal.
    pub match_annotations: BTreeMap<String, String>,
    /// Expressions.
    pub match_expressions: Vec<Expression>,
}

/// A condition.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Expression {
    /// In CEL.
    pub cel: Option<Text>,
    /// In jq.
    pub jq: Option<Requirement>,
    key: String,
    operator: String,
    values: Vec<String>,
}

/// A condition in jq.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// The expression.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub operator: String,
    /// For the first two.
    pub values: Vec<String>,
}

/// An expression.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Text {
    /// The expression.
    pub expression: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct From {
    /// From CEL.
    pub cel: Option<Text>,
    /// From jq.
    pub jq: Option<Text>,
    expression_from: String,
}

/// How long a stage is waited for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
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
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Step {
    /// An Event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// Finalizers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finalizers: Option<Finalizers>,
    /// The object goes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// The object is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Patch>,
    /// Another object is created or changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply: Option<Apply>,
}

/// An Event, as it is written.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Event {
    /// `Normal` or `Warning`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// One word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// A sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// What becomes of the finalizers.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Finalizers {
    /// These come.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Finalizer>,
    /// These go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Finalizer>,
    /// All go, before others come.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty: bool,
}

/// A finalizer.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Finalizer {
    /// Its name.
    pub value: String,
}

/// Whom to impersonate.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Impersonation {
    /// A user.
    pub username: String,
}

/// A change of the object.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Patch {
    /// `status`, or nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// The key that what is rendered goes beneath.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// The template.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub template: String,
    /// `json`, `merge`, `strategic`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// As another user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonation: Option<Impersonation>,
}

/// Another object.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Apply {
    /// The template.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub template: String,
    /// `status`, or nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// `apply`, `merge`, `strategic`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// As another user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonation: Option<Impersonation>,
}

/// What was there before steps.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Next {
    event: Option<Event>,
    finalizers: Option<Finalizers>,
    delete: bool,
    patches: Vec<Patch>,
    status_template: String,
    status_subresource: Option<String>,
    status_patch_as: Option<Impersonation>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceRef {
    #[serde(default)]
    api_group: String,
    kind: String,
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
    let at = |key: &str| format!("{path}/spec/{key}");
    let target: Option<ResourceRef> = field(spec, "resourceRef", &at("resourceRef"))?;
    let target = target.ok_or_else(|| problem("/spec/resourceRef", "the stage names no kind"))?;
    let group = if target.api_group.is_empty() {
        "v1"
    } else {
        &target.api_group
    };
    let steps: Option<Vec<Step>> = field(spec, "steps", &at("steps"))?;
    let next: Option<Next> = field(spec, "next", &at("next"))?;
    let steps = match steps.filter(|steps| !steps.is_empty()) {
        Some(steps) => steps,
        None => next.map(Next::steps).unwrap_or_default(),
    };
    let mut selector: Option<Selector> = field(spec, "selector", &at("selector"))?;
    for expression in selector
        .iter_mut()
        .flat_map(|selector| &mut selector.match_expressions)
    {
        expression.modernise();
    }
    Ok(Spec {
        name: name.to_owned(),
        kind: format!("{group}/{}", target.kind),
        selector,
        weight: field(spec, "weight", &at("weight"))?.unwrap_or(0),
        weight_from: field(spec, "weightFrom", &at("weightFrom"))?.map(From::modern),
        delay: field(spec, "delay", &at("delay"))?.map(|delay: Delay| Delay {
            duration_from: delay.duration_from.map(From::modern),
            jitter_duration_from: delay.jitter_duration_from.map(From::modern),
            ..delay
        }),
        immediate: field(spec, "immediateNextStage", &at("immediateNextStage"))?.unwrap_or(false),
        steps,
    })
}

fn field<T: DeserializeOwned>(object: &Json, key: &str, path: &str) -> Result<Option<T>, Problem> {
    let value = object.get(key).cloned().unwrap_or(Json::Null);
    serde_json::from_value(value).map_err(|error| Problem {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

impl Next {
    /// In KWOK's order: the Event, finalizers, patches, the end.
    fn steps(self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut push = |step: Step| steps.push(step);
        if self.event.is_some() {
            push(Step {
                event: self.event,
                ..Step::default()
            });
        }
        if self.finalizers.is_some() {
            push(Step {
                finalizers: self.finalizers,
                ..Step::default()
            });
        }
        let mut patches = self.patches;
        if patches.is_empty() && !self.status_template.is_empty() {
            patches.push(Patch {
                subresource: self
                    .status_subresource
                    .unwrap_or_else(|| "status".to_owned()),
                root: "status".to_owned(),
                template: self.status_template,
                kind: None,
                impersonation: self.status_patch_as,
            });
        }
        for patch in patches {
            push(Step {
                patch: Some(patch),
                ..Step::default()
            });
        }
        if self.delete {
            push(Step {
                delete: true,
                ..Step::default()
            });
        }
        steps
    }
}

impl Expression {
    fn modernise(&mut self) {
        if self.jq.is_none() && !self.key.is_empty() {
            self.jq = Some(Requirement {
                key: std::mem::take(&mut self.key),
                operator: std::mem::take(&mut self.operator),
                values: std::mem::take(&mut self.values),
            });
        }
    }
}

impl From {
    fn modern(mut self) -> Self {
        if self.jq.is_none() && !self.expression_from.is_empty() {
            let expression = std::mem::take(&mut self.expression_from);
            self.jq = Some(Text { expression });
        }
        self
    }
}
