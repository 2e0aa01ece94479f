//! The settings: stages, as a list or under the key `stages`, in JSON or YAML.

use serde_json::Value as Json;
use stagewright_go_template::yaml;

use crate::stage::{self, Problem, Spec};

/// What was given.
pub struct Given {
    /// Stages, as they are written.
    pub stages: Vec<Json>,
    /// The pointer to their list.
    pub root: &'static str,
    /// The command line's tools ask, and no object.
    pub is_tool: bool,
}

/// Reads the settings.
///
/// # Errors
/// If the text is neither JSON nor YAML, or holds something else than stages.
pub fn parse(text: &str) -> Result<Given, String> {
    let wrong =
        "the settings are no stages: write {\"stages\": [...]} or a list of Stage resources";
    let value: Json = match serde_json::from_str(text) {
        Ok(value) => value,
        // Several documents, as files of stages have them.
        Err(_) => Json::Array(
            yaml::read_all(text)
                .map_err(|error| format!("the settings are neither JSON nor YAML: {error}"))?,
        ),
    };
    let list = |stages| Given {
        stages,
        root: "",
        is_tool: false,
    };
    match value {
        // One document that is a list is that list.
        Json::Array(mut items) if items.len() == 1 && items.first().is_some_and(Json::is_array) => {
            match items.pop() {
                Some(Json::Array(items)) => Ok(list(items)),
                _ => Err(wrong.to_owned()),
            }
        }
        Json::Array(items) => Ok(list(items)),
        Json::Object(mut entries) => {
            let is_known = |key: &str| matches!(key, "stages" | "tool");
            if let Some(unknown) = entries.keys().find(|key| !is_known(key)) {
                return Err(format!("unknown key {unknown:?}: {wrong}"));
            }
            let stages = match entries.remove("stages") {
                Some(Json::Array(items)) => items,
                None | Some(Json::Null) => Vec::new(),
                Some(_) => return Err(wrong.to_owned()),
            };
            Ok(Given {
                stages,
                root: "/stages",
                is_tool: entries.remove("tool") == Some(Json::Bool(true)),
            })
        }
        _ => Err(wrong.to_owned()),
    }
}

/// Reads each stage, with its place.
pub fn specs<'a>(
    stages: &'a [Json],
    root: &'a str,
) -> impl Iterator<Item = (String, Result<Spec, Problem>)> + 'a {
    stages.iter().enumerate().map(move |(index, stage)| {
        let path = format!("{root}/{index}");
        let spec = stage::parse(stage, &path);
        (path, spec)
    })
}
