//! `stagewright stage`: the tools for KWOK's stages.
//!
//! They ask the stock plugin that interprets stages, as it is in the binary: what is tested is what decides, the host needs no second
//! reader of jq, CEL and Go templates, and a stage file from anywhere runs in the sandbox here too.

mod convert;
mod lint;
mod order;
mod simulate;
mod test;

use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;
use stagewright_core::interface::{Context, Effect};

use super::{print, shown};
use crate::args::{Output, StageArgs, StageCommand};
use crate::kwok::{self, Document, Problem, Stages};
use crate::plugin::{CallError, Engine, Limits, Plugin, Source};

/// Runs the tool.
///
/// # Errors
/// If it cannot do what was asked for. What it finds is its output, and the exit code.
pub(super) fn run(args: StageArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        StageCommand::Test(args) => test::run(&args),
        StageCommand::Lint(args) => lint::run(&args),
        StageCommand::Convert(args) => convert::run(&args),
        StageCommand::Simulate(args) => simulate::run(&args),
    }
}

/// The plugin, for its tools.
struct Tool {
    plugin: Plugin,
    stages: Stages,
}

// === impl Tool ===

impl Tool {
    fn new(engine: &Engine, stages: Stages) -> anyhow::Result<Self> {
        let source = Source::Stock(kwok::PLUGIN);
        let plugin = Plugin::load(engine, &source, &stages.tool_settings())?;
        Ok(Self { plugin, stages })
    }

    /// What is wrong with the stages it was made with.
    fn problems(&self) -> Vec<Problem> {
        self.stages.problems(self.plugin.description())
    }

    /// Asks one of its tools about an object, or a stage.
    fn ask(&self, tool: &str, object: &Value) -> anyhow::Result<Value> {
        let effects = self
            .plugin
            .session()?
            .play(tool, &object.to_string(), &Context::empty())
            .map_err(|error| match error {
                CallError::PluginError { message, .. } => anyhow::Error::msg(message),
                error => error.into(),
            })?;
        match effects.into_iter().next() {
            Some(Effect::Patch(patch)) => Ok(patch.body),
            _ => anyhow::bail!("the plugin {} has no tool {tool:?}", self.plugin.name()),
        }
    }
}

fn engine() -> anyhow::Result<Engine> {
    Ok(Engine::new(Limits::default())?)
}

/// A text from a tool's answer.
fn text<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// All documents of the sources, and what could not be read.
fn read(sources: &[String]) -> anyhow::Result<(Vec<Document>, Vec<Problem>)> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for source in sources {
        for text in kwok::read(source)? {
            kwok::documents(&text, &mut found, &mut problems);
        }
    }
    Ok((found, problems))
}

/// The one document of a source.
fn one(source: &str) -> anyhow::Result<Value> {
    let (mut found, problems) = read(&[source.to_owned()])?;
    if let Some(problem) = problems.first() {
        anyhow::bail!("{problem}");
    }
    let document = found.pop();
    let document = document.with_context(|| format!("{source}: is empty; write one object"))?;
    anyhow::ensure!(
        found.is_empty(),
        "{source}: {} objects; write one",
        found.len() + 1
    );
    Ok(document.value)
}

/// Whether a document is a stage.
fn is_stage(document: &Document) -> bool {
    document.group_kind() == ("kwok.x-k8s.io", "Stage")
}

/// Prints as asked for; the text is the tool's own.
fn show(
    value: &impl Serialize,
    output: Output,
    text: &str,
    passed: bool,
) -> anyhow::Result<ExitCode> {
    print(&shown(value, output, text)?)?;
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
