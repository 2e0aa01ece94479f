//! Writes the table of what lists and maps of the built-in kinds are for who owns which field (one value, a set, items with keys),
//! from the OpenAPI documents of the Kubernetes module that the tests' control plane is built from. `--check` only compares, and
//! fails where the checked-in table differs.

#![allow(
    clippy::indexing_slicing,
    reason = "what is not there is null, and then it is said that it is missing"
)]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stagewright_tests::module;

/// Below the workspace.
const TABLE: &str = "host/apiserver/src/kinds/admit/relations.json";

/// The structs to look for, below the workspace.
const FIELDS: &str = "host/apiserver/src/kinds/admit/fields.json";

/// Of each struct that has some, the fields with what they are; the empty field is the struct itself.
type Relations = BTreeMap<String, BTreeMap<String, String>>;

fn main() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the crate lies in the workspace")?;
    let (version, module) = module::kubernetes(workspace)?;
    let fields: Value = serde_json::from_str(&read(&workspace.join(FIELDS))?)?;
    let known = fields["types"].as_object().context("types")?;
    let mut relations = Relations::new();
    for entry in std::fs::read_dir(module.join("api/openapi-spec/v3"))? {
        let path = entry?.path();
        let document: Value = serde_json::from_str(&read(&path)?)?;
        let Some(schemas) = document
            .pointer("/components/schemas")
            .and_then(Value::as_object)
        else {
            continue;
        };
        for (name, schema) in schemas {
            let name = short(name);
            if !known.contains_key(&name) {
                continue;
            }
            let facts = facts(schema, &document)?;
            let before = relations.insert(name.clone(), facts.clone());
            let same = before.is_none_or(|before| before == facts);
            ensure!(same, "{name} is told in two ways");
        }
    }
    relations.retain(|_, facts| !facts.is_empty());
    module::write(
        workspace,
        TABLE,
        &render(&version, &relations)?,
        "generate-relations",
    )
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// `io.k8s.api.core.v1.Pod` as the table of fields has it: `core/v1.Pod`.
fn short(name: &str) -> String {
    let mut parts = name.rsplit('.');
    let mut next = || parts.next().unwrap_or_default();
    let (last, version, package) = (next(), next(), next());
    let versioned = version
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()));
    if versioned {
        format!("{package}/{version}.{last}")
    } else {
        format!("{version}.{last}")
    }
}

fn facts(schema: &Value, document: &Value) -> Result<BTreeMap<String, String>> {
    let mut facts = BTreeMap::new();
    if let Some(of) = schema["x-kubernetes-map-type"].as_str() {
        facts.insert(String::new(), of.to_owned());
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let relation = match property["x-kubernetes-map-type"].as_str() {
            Some(of) => Some(of.to_owned()),
            None if property["type"] == "array" => list(property, document)?,
            None => None,
        };
        if let Some(relation) = relation {
            facts.insert(name.clone(), relation);
        }
    }
    Ok(facts)
}

/// What a list is, if it is not one value. Where that is not said, it follows from how it is patched.
fn list(property: &Value, document: &Value) -> Result<Option<String>> {
    let text = |field: &str| property[field].as_str().unwrap_or_default();
    let key = property["x-kubernetes-patch-merge-key"].as_str();
    let patched = text("x-kubernetes-patch-strategy").starts_with("merge");
    let keys: Vec<&str> = match (text("x-kubernetes-list-type"), key) {
        ("map", _) => {
            let keys = property["x-kubernetes-list-map-keys"].as_array();
            let keys = keys.context("a map without keys")?;
            keys.iter().filter_map(Value::as_str).collect()
        }
        ("set", _) => return Ok(Some("set".to_owned())),
        ("", Some(key)) if patched => vec![key],
        ("", None) if patched => return Ok(Some("set".to_owned())),
        _ => return Ok(None),
    };
    let item = &property["items"];
    let reference = item["$ref"].as_str().or(item["allOf"][0]["$ref"].as_str());
    let reference = reference.context("items with keys have a name")?;
    let item = document.pointer(reference.trim_start_matches('#'));
    let item = item.with_context(|| format!("no {reference}"))?;
    let mut words = vec!["map".to_owned()];
    for key in keys {
        words.push(match &item["properties"][key]["default"] {
            Value::Null => key.to_owned(),
            default => format!("{key}={default}"),
        });
    }
    Ok(Some(words.join(" ")))
}

/// One line a struct, so that a change of version reads as a small difference.
fn render(version: &str, relations: &Relations) -> Result<String> {
    let lines: Vec<String> = relations
        .iter()
        .map(|(name, facts)| {
            let name = serde_json::to_string(name)?;
            Ok(format!("{name}: {}", serde_json::to_string(facts)?))
        })
        .collect::<Result<_>>()?;
    Ok(format!(
        "{{\n\"kubernetes\": {},\n\"types\": {{\n{}\n}}\n}}\n",
        serde_json::to_string(version)?,
        lines.join(",\n")
    ))
}
