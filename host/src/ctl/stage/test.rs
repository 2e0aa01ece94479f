//! `stagewright stage test`: what stages would do with an object, as KWOK's own test suite writes it, and cases that pin it down.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use super::{Tool, engine, is_stage, one, show, text};
use crate::args::{TestArgs, UsageError};
use crate::kwok::{self, Stages};
use crate::plugin::Engine;

/// The ends of the files' names.
const INPUT: &str = ".input.yaml";
const OUTPUT: &str = ".output.yaml";
/// Lines of a difference that are shown.
const SHOWN: usize = 20;

/// A case that was run.
#[derive(Debug, Serialize)]
struct Case {
    input: String,
    passed: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

pub(super) fn run(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let engine = engine()?;
    if args.input.is_dir() {
        if let Some(stages) = &args.stages {
            let problem = format!(
                "of cases below a folder the stages are found beside them; leave out {}, or name one input file",
                stages.display()
            );
            return Err(usage("STAGE_DIR", problem));
        }
        return all(&engine, args);
    }
    let Some(stages) = &args.stages else {
        let problem = format!(
            "{} is a single object, so the folder of its stages is needed too",
            args.input.display()
        );
        return Err(usage("STAGE_DIR", problem));
    };
    let tool = tool(&engine, stages)?;
    let answer = report(&tool, &args.input)?;
    let tree = answer.get("tree").cloned().unwrap_or_default();
    show(&tree, args.output, text(&answer, "text"), true)
}

/// All cases below a folder. The cases of one folder share its stages.
fn all(engine: &Engine, args: &TestArgs) -> anyhow::Result<ExitCode> {
    let mut inputs = Vec::new();
    collect(&args.input, &mut inputs)?;
    inputs.sort();
    anyhow::ensure!(
        !inputs.is_empty(),
        "{}: no *{INPUT} below it; write an object into one, then run this with --update",
        args.input.display()
    );
    let mut tools: BTreeMap<PathBuf, Result<Tool, String>> = BTreeMap::new();
    let mut cases = Vec::new();
    for input in inputs {
        let folder = stages_of(&input);
        let tool = tools
            .entry(folder.clone())
            .or_insert_with(|| tool(engine, &folder).map_err(|error| format!("{error:#}")));
        let outcome = match tool {
            Ok(tool) => case(tool, &input, args.update),
            Err(message) => Err(anyhow::Error::msg(message.clone())),
        };
        cases.push(Case {
            input: input.display().to_string(),
            passed: outcome.is_ok(),
            message: outcome
                .err()
                .map(|error| format!("{error:#}"))
                .unwrap_or_default(),
        });
    }
    let failed = cases.iter().filter(|case| !case.passed).count();
    let mut text = String::new();
    for case in &cases {
        let word = if case.passed { "ok  " } else { "FAIL" };
        writeln!(text, "{word} {}", case.input)?;
        for line in case.message.lines() {
            writeln!(text, "     {line}")?;
        }
    }
    writeln!(text, "{} cases, {failed} failed", cases.len())?;
    show(&cases, args.output, &text, failed == 0)
}

fn case(tool: &Tool, input: &Path, update: bool) -> anyhow::Result<()> {
    let output = PathBuf::from(input.to_string_lossy().replace(INPUT, OUTPUT));
    let answer = report(tool, input)?;
    let found = text(&answer, "text");
    if update {
        return std::fs::write(&output, found)
            .with_context(|| format!("{}: cannot be written", output.display()));
    }
    let expected = std::fs::read_to_string(&output)
        .with_context(|| format!("{}: cannot be read; --update writes it", output.display()))?;
    anyhow::ensure!(
        found == expected,
        "{}: differs (- expected, + found)\n{}",
        output.display(),
        difference(&expected, found)
    );
    Ok(())
}

fn report(tool: &Tool, input: &Path) -> anyhow::Result<Value> {
    let file = input.display().to_string();
    let object = one(&file)?;
    tool.ask("report", &object).context(file)
}

/// The stages of a folder; a case must not pass because a stage was left out.
fn tool(engine: &Engine, folder: &Path) -> anyhow::Result<Tool> {
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    for text in kwok::folder(folder)? {
        // Cases may lie beside stages; an object that is broken is for its own case to tell.
        if !text.file.ends_with(INPUT) && !text.file.ends_with(OUTPUT) {
            kwok::documents(&text, &mut documents, &mut problems);
        }
    }
    let mut stages = Stages::default();
    for document in documents.into_iter().filter(is_stage) {
        stages.add(document);
    }
    let tool = Tool::new(engine, stages)?;
    problems.extend(tool.problems());
    match problems.first() {
        Some(problem) => anyhow::bail!("{problem}"),
        None => Ok(tool),
    }
}

/// KWOK keeps cases in a folder `testdata` within the one of the stages.
fn stages_of(input: &Path) -> PathBuf {
    let folder = input.parent().unwrap_or(Path::new("."));
    let above = folder.file_name().filter(|name| *name == "testdata");
    let above = above.and_then(|_| folder.parent());
    let folder = above.unwrap_or(folder);
    if folder.as_os_str().is_empty() {
        return PathBuf::from(".");
    }
    folder.to_owned()
}

fn collect(folder: &Path, inputs: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("{}: cannot be read", folder.display());
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let path = entry.path();
        // A link may lead back to where it is.
        if entry.file_type().with_context(unreadable)?.is_dir() {
            collect(&path, inputs)?;
        } else if path.to_string_lossy().ends_with(INPUT) {
            inputs.push(path);
        }
    }
    Ok(())
}

/// What lies between the lines that are the same at the beginning and at the end.
fn difference(expected: &str, found: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(old, new)| old == new).count()
    };
    let begin = same(&mut old.iter().zip(&new));
    let rest = old.len().min(new.len()) - begin;
    let end = same(&mut old.iter().rev().zip(new.iter().rev()).take(rest));
    let middle = |lines: &[&str], sign: char| {
        let lines = lines.iter().skip(begin).take(lines.len() - begin - end);
        let lines: Vec<String> = lines.map(|line| format!("{sign} {line}")).collect();
        lines
    };
    let mut lines = vec![format!("line {}:", begin + 1)];
    for (all, sign) in [(&old, '-'), (&new, '+')] {
        let all = middle(all, sign);
        let more = all.len().saturating_sub(SHOWN);
        lines.extend(all.into_iter().take(SHOWN));
        if more > 0 {
            lines.push(format!("{sign} … {more} lines more"));
        }
    }
    lines.join("\n")
}

fn usage(flag: &'static str, problem: String) -> anyhow::Error {
    UsageError { flag, problem }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_what_lies_between() {
        let text = difference("a\nb\nc\n", "a\nx\ny\nc\n");
        assert_eq!(text, "line 2:\n- b\n+ x\n+ y");
        assert_eq!(difference("a\na\n", "a\n"), "line 2:\n- a");
    }

    #[test]
    fn stages_lie_above_testdata_or_beside_the_case() {
        for (input, stages) in [
            ("a/testdata/x.input.yaml", "a"),
            ("a/x.input.yaml", "a"),
            ("testdata/x.input.yaml", "."),
            ("x.input.yaml", "."),
        ] {
            assert_eq!(stages_of(Path::new(input)), Path::new(stages), "{input}");
        }
    }
}
