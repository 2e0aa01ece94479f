//! Plugins' settings, from files or from the command line itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::UsageError;

const FLAG: &str = "--settings";

/// Reads `NAME=FILE_OR_TEXT` arguments.
///
/// # Errors
/// If one has no name, is given twice, or is no YAML.
pub(crate) fn read(arguments: &[String]) -> Result<BTreeMap<String, Value>, UsageError> {
    let mut settings = BTreeMap::new();
    for argument in arguments {
        let (name, source) = split(argument)?;
        let value = value(name, source)?;
        if settings.insert(name.to_owned(), value).is_some() {
            return Err(problem(format!(
                "{name} is given twice; put all its settings into one"
            )));
        }
    }
    Ok(settings)
}

fn split(argument: &str) -> Result<(&str, &str), UsageError> {
    match argument.split_once('=') {
        Some((name, source)) if !name.trim().is_empty() && !source.trim().is_empty() => {
            Ok((name.trim(), source.trim()))
        }
        _ => Err(problem(format!(
            "{argument:?} names no plugin; write it like pod=settings.yaml or pod={{\"profile\": \"fast\"}}"
        ))),
    }
}

fn value(name: &str, source: &str) -> Result<Value, UsageError> {
    let inline = source.starts_with(['{', '[']);
    let place = if inline { "the text" } else { source };
    let text = if inline {
        source.to_owned()
    } else {
        file(name, Path::new(source))?
    };
    if text.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    // JSON is read as JSON, since only its errors speak JSON.
    let value = match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(_) => serde_saphyr::from_str(&text).map_err(|error| {
            problem(format!("{name}: {place} is neither YAML nor JSON: {error}"))
        })?,
    };
    match value {
        Value::Object(_) => Ok(value),
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        _ => Err(problem(format!(
            "{name}: {place} is no mapping of names to values"
        ))),
    }
}

fn file(name: &str, path: &Path) -> Result<String, UsageError> {
    std::fs::read_to_string(path).map_err(|error| {
        problem(format!("{name}: {} cannot be read: {error}; to give the settings themselves, put them in braces", path.display()))
    })
}

fn problem(problem: String) -> UsageError {
    UsageError {
        flag: FLAG,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::json;

    use super::*;

    fn one(argument: &str) -> Result<Value, String> {
        read(&[argument.to_owned()])
            .map(|all| all.into_values().next().unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn text_and_files_in_json_and_yaml() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "profile: fast\nstages:\n  - a: 1\n").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(
            one(&format!("pod={path}")),
            Ok(json!({"profile": "fast", "stages": [{"a": 1}]}))
        );
        assert_eq!(
            one("pod={\"profile\": \"fast\"}"),
            Ok(json!({"profile": "fast"}))
        );
        assert_eq!(one("pod={profile: fast}"), Ok(json!({"profile": "fast"})));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (argument, part) in [
            ("pod", "names no plugin"),
            ("=x.yaml", "names no plugin"),
            (
                "pod=/no/such/file.yaml",
                "/no/such/file.yaml cannot be read",
            ),
            ("pod={profile", "neither YAML nor JSON"),
            ("pod=[1]", "no mapping"),
        ] {
            let error = one(argument).unwrap_err();
            assert!(
                error.starts_with("--settings: ") && error.contains(part),
                "{argument}: {error}"
            );
        }
        let twice = ["pod={}".to_owned(), "pod={}".to_owned()];
        assert!(read(&twice).unwrap_err().problem.contains("twice"));
    }
}
