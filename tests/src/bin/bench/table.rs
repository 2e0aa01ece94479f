//! What was measured, as a Markdown table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};

/// The numbers of one load, run once.
#[derive(Debug, Default)]
pub struct Measured(BTreeMap<&'static str, f64>);

impl Measured {
    pub fn put(&mut self, what: &'static str, value: f64) {
        self.0.insert(what, value);
    }
}

/// The value below which that part of the sorted ones lies.
pub fn quantile(sorted: &[f64], part: f64) -> Result<f64> {
    let index = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(index).copied().context("nothing was measured")
}

/// Every number of every run, by load and what was measured.
#[derive(Debug)]
pub struct Table {
    /// Whose numbers they are; the first are what the others are compared with.
    columns: &'static [&'static str],
    rows: BTreeMap<(String, &'static str), BTreeMap<&'static str, Vec<f64>>>,
}

// === impl Table ===

impl Table {
    pub fn new(columns: &'static [&'static str]) -> Self {
        let rows = BTreeMap::new();
        Self { columns, rows }
    }

    pub fn add(&mut self, load: &str, column: &'static str, measured: Measured) {
        for (what, value) in measured.0 {
            eprintln!("  {column}: {load}: {what} {value:.2}");
            self.rows
                .entry((load.to_owned(), what))
                .or_default()
                .entry(column)
                .or_default()
                .push(value);
        }
    }

    /// The medians of the runs, and those of each other column by the first's. Who was not run has no column.
    pub fn markdown(&self) -> String {
        let has =
            |column: &&&'static str| self.rows.values().any(|runs| runs.contains_key(**column));
        let columns: Vec<&str> = self.columns.iter().filter(has).copied().collect();
        let mut text = String::from("| load | what |");
        let mut rule = String::from("|---|---|");
        for (number, column) in columns.iter().enumerate() {
            let (head, line) = match number {
                0 => ("", "---:|"),
                _ => (" ratio |", "---:|---:|"),
            };
            let _ = write!(text, " {column} |{head}");
            rule.push_str(line);
        }
        let _ = writeln!(text, "\n{rule}");
        for ((load, what), runs) in &self.rows {
            let _ = write!(text, "| {load} | {what} |");
            let medians: Vec<Option<f64>> = columns.iter().map(|it| median(runs.get(it))).collect();
            let cell = |value: Option<f64>| value.map_or(String::new(), |it| format!("{it:.2}"));
            let first = medians.first().copied().flatten();
            for (number, median) in medians.into_iter().enumerate() {
                let _ = write!(text, " {} |", cell(median));
                if number > 0 {
                    let ratio = median.zip(first).map(|(median, first)| median / first);
                    let _ = write!(text, " {} |", cell(ratio));
                }
            }
            text.push('\n');
        }
        text
    }
}

fn median(values: Option<&Vec<f64>>) -> Option<f64> {
    let mut values = values?.clone();
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5).ok()
}
