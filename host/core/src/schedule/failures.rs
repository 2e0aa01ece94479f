//! What failed for good, of each plugin that may have the object: one that another one's failure would make try again could keep the
//! object from all that follow.

use serde::Serialize;

/// The last failure for good of a play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The stage that failed.
    pub stage: String,
    /// `forbidden`, `invalid`, `quota`, `refused` or `exists`.
    pub code: &'static str,
    /// What the guard or the server said.
    pub message: String,
    /// How often in a row.
    pub count: u32,
}

/// The last failure of each plugin, until something is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures(Vec<(String, Failure)>);

impl Failures {
    /// The last failure of a plugin, by its name.
    #[must_use]
    pub fn of(&self, plugin: &str) -> Option<&Failure> {
        let mut all = self.0.iter();
        all.find(|(of, _)| of == plugin).map(|(_, failure)| failure)
    }

    /// The last failure of all.
    #[must_use]
    pub fn last(&self) -> Option<&Failure> {
        self.0.last().map(|(_, failure)| failure)
    }

    pub(super) fn add(&mut self, plugin: String, failure: Failure) {
        let last = self.of(&plugin).filter(|last| last.stage == failure.stage);
        let count = last.map_or(0, |last| last.count).saturating_add(1);
        self.0.retain(|(of, _)| *of != plugin);
        self.0.push((plugin, Failure { count, ..failure }));
    }

    /// Something went well.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(stage: &str) -> Failure {
        Failure {
            stage: stage.to_owned(),
            code: "forbidden",
            message: String::new(),
            count: 0,
        }
    }

    #[test]
    fn a_plugin_remembers_its_failure_whoever_fails_beside_it() {
        let mut failures = Failures::default();
        for (plugin, stage) in [("a", "x"), ("b", "y"), ("a", "x"), ("b", "z")] {
            failures.add(plugin.to_owned(), failure(stage));
        }
        let counted = |plugin: &str| failures.of(plugin).map(|it| (it.stage.as_str(), it.count));
        assert_eq!(counted("a"), Some(("x", 2)));
        assert_eq!(counted("b"), Some(("z", 1)));
        assert_eq!(counted("c"), None);
        assert_eq!(failures.last(), failures.of("b"));
    }
}
