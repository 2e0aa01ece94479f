//! `stagewright stage lint`: one line for each remark, with its place.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::{Tool, engine, is_stage, read, show};
use crate::args::LintArgs;
use crate::kwok::{Document, Problem, Stages};

/// A remark as the plugin makes it.
#[derive(Debug, Deserialize)]
struct Remark {
    severity: String,
    path: String,
    message: String,
}

/// A remark with its place.
#[derive(Debug, Serialize)]
struct Finding {
    severity: String,
    file: String,
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    path: String,
    message: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Serialize)]
struct Report {
    stages: usize,
    findings: Vec<Finding>,
}

pub(super) fn run(args: &LintArgs) -> anyhow::Result<ExitCode> {
    let (documents, problems) = read(&args.sources)?;
    let (mut findings, mut stages) = (Vec::new(), Stages::default());
    findings.extend(problems.into_iter().map(|problem| found("error", problem)));
    let tool = Tool::new(&engine()?, Stages::default())?;
    for document in documents.into_iter().filter(is_stage) {
        findings.extend(remarks(&tool, &document)?);
        let twin = stages.add(document);
        findings.extend(twin.map(|problem| found("warning", problem)));
    }
    if stages.is_empty() && findings.is_empty() {
        anyhow::bail!(
            "{}: no Stage of kwok.x-k8s.io; name files or folders that have some",
            args.sources.join(", ")
        );
    }
    let count = |severity: &str| {
        let findings = findings.iter();
        findings.filter(|it| it.severity == severity).count()
    };
    let (errors, warnings) = (count("error"), count("warning"));
    let mut text = findings.iter().fold(String::new(), |text, finding| {
        format!("{text}{}\n", finding.line())
    });
    let stages = stages.len();
    writeln!(
        text,
        "{stages} stages: {errors} errors, {warnings} warnings"
    )?;
    let passed = errors == 0 && (warnings == 0 || !args.strict);
    show(&Report { stages, findings }, args.output, &text, passed)
}

fn remarks(tool: &Tool, stage: &Document) -> anyhow::Result<Vec<Finding>> {
    let answer = tool.ask("lint", &stage.value)?;
    let remarks: Vec<Remark> = match answer.get("findings") {
        Some(findings) => Vec::deserialize(findings)?,
        None => Vec::new(),
    };
    let remarks = remarks.into_iter();
    let placed = remarks.map(|it| found(&it.severity, stage.problem(it.path, it.message)));
    Ok(placed.collect())
}

fn found(severity: &str, problem: Problem) -> Finding {
    Finding {
        severity: severity.to_owned(),
        file: problem.place.file,
        line: problem.place.line,
        stage: problem.stage,
        path: problem.path,
        message: problem.message,
    }
}

// === impl Finding ===

impl Finding {
    fn line(&self) -> String {
        let mut line = format!("{}:{}: {}: ", self.file, self.line, self.severity);
        if let Some(stage) = &self.stage {
            line.push_str(&format!("stage {stage}: "));
        }
        if !self.path.is_empty() {
            line.push_str(&format!("{}: ", self.path));
        }
        line + &self.message
    }
}
