//! `stagewright stage lint`: one line for each remark, with its place.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::order::{self, Derived, Way};
use super::{Tool, engine, is_stage, read, show};
use crate::args::{LintArgs, Output};
use crate::kwok::{Document, Problem, Stages};
use crate::orders::{self, Orders, PhaseOrder};

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
    let (orders, problems) = orders(&documents);
    findings.extend(problems.into_iter().map(|problem| found("error", problem)));
    let mut ways = Vec::new();
    for document in documents.into_iter().filter(is_stage) {
        findings.extend(remarks(&tool, &document)?);
        if let Some(way) = way(&tool, &document) {
            let refused = order::order_of(&way.kind, &orders).and_then(|order| way.refused(&order));
            let problem = refused.map(|problem| document.problem(way.place.as_str(), problem));
            findings.extend(problem.map(|problem| found("warning", problem)));
            ways.push(way);
        }
        let twin = stages.add(document);
        findings.extend(twin.map(|problem| found("warning", problem)));
    }
    if stages.is_empty() && findings.is_empty() {
        anyhow::bail!(
            "{}: no Stage of kwok.x-k8s.io; name files or folders that have some",
            args.sources.join(", ")
        );
    }
    if args.order {
        return show_orders(&ways, &orders, args.output);
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

/// The orders among the documents.
fn orders(documents: &[Document]) -> (Orders, Vec<Problem>) {
    let (mut orders, mut problems) = (Orders::default(), Vec::new());
    let is_order = |document: &&Document| document.group_kind() == (orders::GROUP, orders::KIND);
    for document in documents.iter().filter(is_order) {
        let added = PhaseOrder::read(&document.value).and_then(|order| orders.add(order));
        problems.extend(added.err().map(|problem| document.problem("", problem)));
    }
    (orders, problems)
}

/// Where a stage takes objects, whatever it is spelt like. One that cannot be rewritten has a remark already.
fn way(tool: &Tool, stage: &Document) -> Option<Way> {
    let answer = tool.ask("convert", &stage.value).ok()?;
    Way::of(stage, answer.get("tree")?)
}

/// Orders to apply, and above them the moves that they were made from.
fn show_orders(ways: &[Way], orders: &Orders, output: Output) -> anyhow::Result<ExitCode> {
    let derived = Derived::all(ways);
    let rows = ways.iter().map(|way| way.row(orders));
    let header = ["KIND", "STAGE", "PHASES", "ORDER"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(String::len).max().unwrap_or_default()
    };
    let mut text = String::new();
    for [kind, stage, phases, order] in &rows {
        let (first, second, third) = (width(0), width(1), width(2));
        writeln!(
            text,
            "# {kind:first$}  {stage:second$}  {phases:third$}  {order}"
        )?;
    }
    for order in &derived {
        write!(text, "---\n{}", order.text()?)?;
    }
    let resources: Vec<_> = derived.iter().map(Derived::resource).collect();
    show(&resources, output, &text, true)
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
