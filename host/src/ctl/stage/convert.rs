//! `stagewright stage convert`: the deprecated spelling becomes the present one, and the rest stays as it is.

use std::process::ExitCode;

use serde_json::Value;

use super::{Tool, engine, is_stage, read, show, text};
use crate::args::ConvertArgs;
use crate::kwok::Stages;

pub(super) fn run(args: &ConvertArgs) -> anyhow::Result<ExitCode> {
    let (documents, problems) = read(&args.sources)?;
    if let Some(problem) = problems.first() {
        anyhow::bail!("{problem}");
    }
    let tool = Tool::new(&engine()?, Stages::default())?;
    let (mut texts, mut values) = (Vec::new(), Vec::new());
    for document in documents {
        if !is_stage(&document) {
            texts.push(document.text.trim_matches('\n').to_owned());
            values.push(document.value);
            continue;
        }
        let answer = tool.ask("convert", &document.value);
        let answer = answer.map_err(|error| {
            let name = document.name().unwrap_or("without a name");
            error.context(format!("{}: stage {name}", document.place))
        })?;
        // What is in order keeps its comments and its style.
        let written = if answer.get("changed") == Some(&Value::Bool(true)) {
            text(&answer, "text")
        } else {
            &document.text
        };
        texts.push(written.trim_matches('\n').to_owned());
        values.push(answer.get("tree").cloned().unwrap_or_default());
    }
    let text = texts.join("\n---\n") + "\n";
    show(&values, args.output, &text, true)
}
