//! What was measured, as a Markdown table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use clap::ValueEnum;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Who {
    Kwok,
    Stagewright,
    Bare,
}

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

/// Every number of every run.
#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<(String, &'static str), BTreeMap<Who, Vec<f64>>>,
}

impl Table {
    pub fn add(&mut self, load: &str, who: Who, measured: Measured) {
        for (what, value) in measured.0 {
            eprintln!("  {who:?} {load}: {what} {value:.2}");
            self.rows
                .entry((load.to_owned(), what))
                .or_default()
                .entry(who)
                .or_default()
                .push(value);
        }
    }

    /// The medians of the runs, and theirs by ours; NaN where there is none.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| load | what | kwok v0.8.0 | stagewright | ratio | bare client |\n|---|---|---:|---:|---:|---:|\n",
        );
        for ((load, what), runs) in &self.rows {
            let median = |who| {
                let mut values = runs.get(&who).cloned().unwrap_or_default();
                values.sort_by(f64::total_cmp);
                quantile(&values, 0.5).unwrap_or(f64::NAN)
            };
            let (theirs, ours) = (median(Who::Kwok), median(Who::Stagewright));
            let _ = writeln!(
                text,
                "| {load} | {what} | {theirs:.2} | {ours:.2} | {:.2} | {:.2} |",
                ours / theirs,
                median(Who::Bare)
            );
        }
        text
    }
}
