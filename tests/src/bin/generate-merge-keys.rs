//! Writes the table of merge keys that strategic merge patches need, from the OpenAPI document of the Kubernetes module that the
//! tests' control plane is built from. `--check` only compares, and fails where the checked-in table differs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use stagewright_tests::module;

/// Below the workspace.
const TABLE: &str = "host/core/src/json/strategic/merge_keys.json";

/// The prefix of every definition's name.
const PREFIX: &str = "io.k8s.";

fn main() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the crate lies in the workspace")?;
    let (version, module) = module::kubernetes(workspace)?;
    let document = module.join("api/openapi-spec/swagger.json");
    let text = std::fs::read_to_string(&document)
        .with_context(|| format!("reading {}", document.display()))?;
    let generated = render(&version, &Facts::read(&serde_json::from_str(&text)?)?)?;
    module::write(workspace, TABLE, &generated, "generate-merge-keys")
}

/// A property: strategy, merge key, definition of its value or items.
#[derive(Clone)]
struct Property {
    strategy: Option<String>,
    key: Option<String>,
    of: Option<String>,
}

struct Facts {
    kinds: BTreeMap<String, String>,
    definitions: BTreeMap<String, BTreeMap<String, Property>>,
}

impl Facts {
    /// What leads from a kind to a strategy, and nothing else.
    fn read(document: &Value) -> Result<Self> {
        let all = document["definitions"].as_object().context("definitions")?;
        let mut definitions: BTreeMap<String, BTreeMap<String, Property>> = all
            .iter()
            .map(|(name, definition)| (name.clone(), properties(definition)))
            .collect();
        drop_dead_ends(&mut definitions);
        let mut kinds = BTreeMap::new();
        for (name, definition) in all {
            // Lists and options have no ObjectMeta, and are not patched.
            let metadata = definition
                .pointer("/properties/metadata")
                .and_then(reference);
            if !metadata.is_some_and(|name| name.ends_with(".ObjectMeta")) {
                continue;
            }
            for kind in definition["x-kubernetes-group-version-kind"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let part = |field: &str| kind[field].as_str().context("group, version, kind");
                let group = part("group")?;
                let slash = if group.is_empty() { "" } else { "/" };
                kinds.insert(
                    format!("{group}{slash}{}/{}", part("version")?, part("kind")?),
                    name.clone(),
                );
            }
        }
        let mut reached = BTreeSet::new();
        let mut next: Vec<String> = kinds.values().cloned().collect();
        while let Some(name) = next.pop() {
            if reached.insert(name.clone()) {
                next.extend(
                    definitions
                        .get(&name)
                        .into_iter()
                        .flatten()
                        .filter_map(|(_, property)| property.of.clone()),
                );
            }
        }
        definitions.retain(|name, _| reached.contains(name));
        Ok(Self { kinds, definitions })
    }
}

fn properties(definition: &Value) -> BTreeMap<String, Property> {
    let properties = definition["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| {
            let text = |field: &str| property[field].as_str().map(str::to_owned);
            let of = reference(property).or_else(|| reference(&property["items"]));
            (
                name.clone(),
                Property {
                    strategy: text("x-kubernetes-patch-strategy"),
                    key: text("x-kubernetes-patch-merge-key"),
                    of,
                },
            )
        })
        .collect()
}

fn reference(schema: &Value) -> Option<String> {
    schema["$ref"]
        .as_str()?
        .strip_prefix("#/definitions/")
        .map(str::to_owned)
}

/// Takes away the properties that neither have a strategy nor lead to one. Definitions refer to each other in circles, so what
/// leads on is gathered until nothing is added.
fn drop_dead_ends(definitions: &mut BTreeMap<String, BTreeMap<String, Property>>) {
    let mut live = BTreeSet::new();
    let leads = |property: &Property, live: &BTreeSet<String>| {
        property.strategy.is_some()
            || property.key.is_some()
            || property.of.as_ref().is_some_and(|of| live.contains(of))
    };
    loop {
        let found: BTreeSet<String> = definitions
            .iter()
            .filter(|(_, properties)| properties.values().any(|property| leads(property, &live)))
            .map(|(name, _)| name.clone())
            .collect();
        if found == live {
            break;
        }
        live = found;
    }
    for properties in definitions.values_mut() {
        properties.retain(|_, property| leads(property, &live));
        for property in properties.values_mut() {
            property.of = property.of.take().filter(|of| live.contains(of));
        }
    }
    definitions.retain(|name, _| live.contains(name));
}

/// One line a kind and one a definition, sorted, so that a change of version reads as a small difference.
fn render(version: &str, facts: &Facts) -> Result<String> {
    let short = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
    let mut kinds = Vec::new();
    for (kind, definition) in &facts.kinds {
        kinds.push(format!(
            "{}: {}",
            serde_json::to_string(kind)?,
            serde_json::to_string(&short(definition))?
        ));
    }
    let mut definitions = Vec::new();
    for (name, properties) in &facts.definitions {
        let mut rows: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for (name, property) in properties {
            let of = property.of.as_deref().map(short);
            let facts = [
                ("strategy", property.strategy.clone()),
                ("key", property.key.clone()),
                ("of", of),
            ];
            rows.insert(
                name,
                facts
                    .into_iter()
                    .filter_map(|(fact, value)| Some((fact, value?)))
                    .collect(),
            );
        }
        definitions.push(format!(
            "{}: {}",
            serde_json::to_string(&short(name))?,
            serde_json::to_string(&rows)?
        ));
    }
    Ok(format!(
        "{{\n\"kubernetes\": {},\n\"kinds\": {{\n{}\n}},\n\"definitions\": {{\n{}\n}}\n}}\n",
        serde_json::to_string(version)?,
        kinds.join(",\n"),
        definitions.join(",\n")
    ))
}
