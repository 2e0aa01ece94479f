//! Stages on their way to the plugin that interprets them, and what it says of them on the way back.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stagewright_core::description::{self, Description};
use stagewright_core::object::Kind;

use super::documents::{Document, Problem};

/// The stock plugin that interprets stages.
pub const PLUGIN: &str = "kwok-stages";

/// Stages in the order that they were given in.
#[derive(Debug, Clone, Default)]
pub struct Stages(Vec<Document>);

impl Stages {
    /// Adds one. Two of one name for one kind both count, as they do for KWOK; they are remarked on, since nobody can tell them apart.
    pub fn add(&mut self, stage: Document) -> Option<Problem> {
        let identity = |stage: &Document| (stage.name().map(str::to_owned), kind_of(stage));
        let twin = self
            .0
            .iter()
            .find(|known| known.name().is_some() && identity(known) == identity(&stage));
        let remark = twin.map(|twin| {
            let message = format!(
                "there is a stage of this name for this kind at {} too; both count, and neither is told by its name: rename one",
                twin.place
            );
            stage.problem("/metadata/name", message)
        });
        self.0.push(stage);
        remark
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Document> {
        self.0.iter()
    }

    /// The kinds that they are written for, also those of stages that the plugin leaves out: who writes a stage for pods does not want
    /// another life for them because of a slip.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<Kind> {
        self.0.iter().filter_map(kind_of).collect()
    }

    /// The plugin's settings.
    #[must_use]
    pub fn settings(&self) -> Value {
        let stages: Vec<&Value> = self.0.iter().map(|stage| &stage.value).collect();
        json!({ "stages": stages })
    }

    /// The settings for the plugin's answers to the command line.
    #[must_use]
    pub fn tool_settings(&self) -> Value {
        let mut settings = self.settings();
        if let Some(settings) = settings.as_object_mut() {
            settings.insert("tool".to_owned(), true.into());
        }
        settings
    }

    /// What the plugin left out, by the files that it came from.
    #[must_use]
    pub fn problems(&self, description: &Description) -> Vec<Problem> {
        let problems = description.problems.iter();
        problems.filter_map(|problem| self.place(problem)).collect()
    }

    fn place(&self, problem: &description::Problem) -> Option<Problem> {
        let path = problem.path.strip_prefix("/stages/")?;
        let (index, rest) = path.split_once('/').unwrap_or((path, ""));
        let stage = self.0.get(index.parse::<usize>().ok()?)?;
        let path = if rest.is_empty() {
            String::new()
        } else {
            format!("/{rest}")
        };
        Some(stage.problem(path, problem.message.as_str()))
    }
}

/// The kind that a stage is for. KWOK's `apiGroup` is a version with its group; none is core's.
#[must_use]
pub fn kind_of(stage: &Document) -> Option<Kind> {
    let text = |key: &str| {
        let target = stage.value.pointer("/spec/resourceRef")?;
        target.get(key)?.as_str().filter(|text| !text.is_empty())
    };
    Some(Kind::new(text("apiGroup").unwrap_or("v1"), text("kind")?))
}
