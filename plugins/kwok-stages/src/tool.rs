//! The command line's tools. The host runs them on the same component that decides on objects, told so by the settings, so that a
//! stage file is read by one reader, in one sandbox. An answer is the body of a patch that nobody sends.

use serde_json::{Value as Json, json};
use stagewright_go_template::yaml;
use stagewright_plugin::{Answer, Effect, Patch};

use crate::compiled::Stages;
use crate::lint::{self, Finding};
use crate::{convert, report};

/// The stages as the tools want them: with stubs for what asks the world.
pub struct Tool(Stages);

impl Tool {
    pub(crate) fn new(stages: Stages) -> Self {
        Self(stages)
    }

    /// Nothing is decided here.
    pub(crate) fn answer() -> Answer {
        Answer::idle("these are the tools of the command line")
    }

    /// `report` is what the stages would do with an object; `convert` and `lint` take a stage for the object.
    pub(crate) fn answer_to(&self, tool: &str, object: &Json) -> Result<Vec<Effect>, String> {
        let answer = match tool {
            "report" => {
                let tree = report::tree(object, &self.0)?;
                json!({"text": yaml::text(&tree), "tree": tree})
            }
            "convert" => {
                let tree = convert::tree(object)
                    .map_err(|problem| format!("{}: {}", problem.path, problem.message))?;
                json!({"text": yaml::text(&tree), "tree": tree, "changed": tree != *object})
            }
            "lint" => {
                let findings = lint::findings(object);
                let findings: Vec<Json> = findings.iter().map(Finding::tree).collect();
                json!({ "findings": findings })
            }
            other => return Err(format!("there is no tool {other:?}")),
        };
        Ok(vec![Patch::merge(answer).into()])
    }
}
