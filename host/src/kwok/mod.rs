//! KWOK's configuration files, as `--config` names them: stages for the stock plugin `kwok-stages`, the options of `KwokConfiguration`, and
//! kinds that are not served yet, which are named once.

mod documents;
mod files;
mod options;
mod stages;

use std::collections::BTreeMap;

pub use documents::{Document, Place, Problem, documents, parse};
pub(crate) use files::expanded;
pub use files::{SourceError, Text, folder, read};
pub use options::Options;
pub use stages::{PLUGIN, Stages, kind_of};

use crate::orders::{self, Orders, PhaseOrder};

/// The group of stages and of what serves a kubelet's port.
const GROUP: &str = "kwok.x-k8s.io";
/// As large as a stage may be, in bytes of its text: about what an API server takes.
const LARGEST: usize = 1 << 20;
/// The kind that decides.
pub const STAGE: &str = "Stage";
/// The group of configurations.
const CONFIG_GROUP: &str = "config.kwok.x-k8s.io";

/// What `--config` says.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The stages.
    pub stages: Stages,
    /// The administrator's orders of phases, which stand beside stages.
    pub orders: Orders,
    /// The options of all `KwokConfiguration`s; the last one to name an option counts.
    pub options: Options,
    /// How many documents of which other kinds there are.
    pub unserved: BTreeMap<String, usize>,
    /// What was left out.
    pub problems: Vec<Problem>,
    /// What counts and is probably not meant.
    pub remarks: Vec<Problem>,
}

impl Config {
    /// Reads all sources.
    ///
    /// # Errors
    /// If a source cannot be read. A document that is no YAML or is of a kind that nobody knows is left out and told in `problems`.
    pub fn load(sources: &[String]) -> Result<Self, SourceError> {
        let mut config = Self::default();
        let mut found = Vec::new();
        for source in sources {
            for text in read(source)? {
                documents(&text, &mut found, &mut config.problems);
            }
        }
        for document in found {
            config.take(document);
        }
        Ok(config)
    }

    /// Whether stages are to be read from the API server.
    #[must_use]
    pub fn has_live_stages(&self) -> bool {
        let kinds = self.options.enable_crds.iter().flatten();
        kinds.into_iter().any(|kind| kind == STAGE)
    }

    fn take(&mut self, document: Document) {
        match document.group_kind() {
            (GROUP, STAGE) if document.text.len() > LARGEST => {
                let message = format!(
                    "{} bytes; a stage has at most {LARGEST}: split it",
                    document.text.len()
                );
                self.problems.push(document.problem("", message));
            }
            (GROUP, STAGE) => self.remarks.extend(self.stages.add(document)),
            (orders::GROUP, orders::KIND) => {
                let added =
                    PhaseOrder::read(&document.value).and_then(|order| self.orders.add(order));
                if let Err(problem) = added {
                    self.problems.push(document.problem("", problem));
                }
            }
            (CONFIG_GROUP, "KwokConfiguration") => match Options::read(&document.value) {
                Ok(options) => self.options.update(options),
                Err(message) => self.problems.push(document.problem("/options", message)),
            },
            // It is kwokctl's, and beside the controller's in the files that kwokctl writes.
            (CONFIG_GROUP, "KwokctlConfiguration" | "KwokctlResource") => {}
            (GROUP, kind) => *self.unserved.entry(kind.to_owned()).or_default() += 1,
            (_, "") => self.problems.push(document.problem(
                "/kind",
                "this is no Kubernetes object: it has neither kind nor apiVersion",
            )),
            (_, kind) => {
                let message = format!("{kind} is no kind of KWOK; apply it with kubectl");
                self.problems.push(document.problem("/kind", message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn load(text: &str) -> Config {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Config::load(&[file.path().to_str().unwrap().to_owned()]).unwrap()
    }

    #[test]
    fn each_kind_of_document_goes_its_way() {
        let stage = |name: &str| {
            format!(
                "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\nmetadata: {{name: {name}}}\nspec:\n  resourceRef: {{apiGroup: v1, kind: Pod}}\n"
            )
        };
        let large = format!("{}  template: '{}'\n", stage("large"), "x".repeat(LARGEST));
        let config = load(&large);
        assert_eq!((config.stages.len(), config.problems.len()), (0, 1));
        let problem = config.problems[0].to_string();
        assert!(problem.contains("stage large: 1048"), "{problem}");
        let config = load(&format!(
            "apiVersion: config.kwok.x-k8s.io/v1alpha1\nkind: KwokConfiguration\noptions: {{cidr: 10.1.0.0/16, nodePort: 1}}\n---\n\
             apiVersion: config.kwok.x-k8s.io/v1alpha1\nkind: KwokctlConfiguration\n---\n\
             apiVersion: config.kwok.x-k8s.io/v1alpha1\nkind: KwokConfiguration\noptions: {{nodePort: 2}}\n---\n\
             apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Logs\n---\napiVersion: kwok.x-k8s.io/v1alpha1\nkind: Logs\n---\n\
             apiVersion: v1\nkind: ConfigMap\n---\na: 1\n---\n{}---\n{}---\n{}",
            stage("a"),
            stage("b"),
            stage("a")
        ));
        assert_eq!(config.stages.len(), 3);
        assert_eq!(config.remarks.len(), 1, "{:?}", config.remarks);
        assert_eq!(config.options.cidr.as_deref(), Some("10.1.0.0/16"));
        assert_eq!(config.options.node_port, Some(2));
        assert_eq!(config.unserved, BTreeMap::from([("Logs".to_owned(), 2)]));
        let problems: Vec<String> = config.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 2, "{problems:?}");
        for (problem, part) in problems
            .iter()
            .zip(["ConfigMap is no kind of KWOK", "neither kind"])
        {
            assert!(problem.contains(part), "{problem}");
        }
    }
}
