//! What is generated, and how often what was used in it.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::Value as Json;

/// How often what was used.
#[derive(Default)]
pub struct Coverage(pub BTreeMap<String, usize>);

/// A template with its object, or stages with theirs.
pub struct Case {
    pub text: String,
    pub stages: Vec<Json>,
    pub object: Json,
    /// The function that a template is about.
    pub about: &'static str,
}

impl Coverage {
    /// Counts one use.
    pub fn count(&mut self, name: impl Into<String>) {
        *self.0.entry(name.into()).or_default() += 1;
    }

    pub fn print(&self, what: &str) {
        println!("coverage of {what}:");
        for (name, count) in &self.0 {
            println!("  {name:<40} {count}");
        }
    }

    pub fn at_least(&self, least: usize) -> Result<()> {
        let missing: Vec<_> = self.0.iter().filter(|(_, count)| **count < least).collect();
        ensure!(missing.is_empty(), "less than {least} cases: {missing:?}");
        Ok(())
    }
}
