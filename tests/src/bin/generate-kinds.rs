//! Writes the table of the built-in kinds of the API server in the box, from the discovery documents of the Kubernetes module that
//! the tests' control plane is built from. `--check` only compares, and fails where the checked-in table differs.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use stagewright_tests::module;

/// Below the workspace.
const TABLE: &str = "host/apiserver/src/kinds/builtin.json";

/// What can be done to the objects of most kinds; only others say what can be done to theirs.
const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

fn main() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the crate lies in the workspace")?;
    let (version, module) = module::kubernetes(workspace)?;
    let documents = module.join("api/discovery");
    let read = |name: &str| -> Result<Value> {
        let path = documents.join(name);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    };
    let groups = groups(&read("api__v1.json")?, &read("aggregated_v2.json")?)?;
    let generated = render(&version, &groups)?;
    module::write(workspace, TABLE, &generated, "generate-kinds")
}

/// A group version with its kinds.
struct GroupVersion {
    group: String,
    version: String,
    resources: Vec<Value>,
}

/// The stable versions that have kinds whose objects are stored, in the order of discovery.
fn groups(core: &Value, aggregated: &Value) -> Result<Vec<GroupVersion>> {
    let mut all = vec![GroupVersion {
        group: String::new(),
        version: "v1".to_owned(),
        resources: core_resources(core)?,
    }];
    for group in list(at(aggregated, "items")) {
        let name = text(at(at(group, "metadata"), "name"))?;
        for version in list(at(group, "versions")) {
            let number = text(at(version, "version"))?;
            let resources = list(at(version, "resources"))
                .map(resource)
                .collect::<Result<_>>()?;
            all.push(GroupVersion {
                group: name.clone(),
                version: number,
                resources,
            });
        }
    }
    all.retain(|entry| {
        entry
            .version
            .bytes()
            .skip(1)
            .all(|byte| byte.is_ascii_digit())
    });
    for entry in &mut all {
        entry.resources.retain(is_stored);
    }
    all.retain(|entry| !entry.resources.is_empty());
    Ok(all)
}

/// Reviews and bindings can only be created, component statuses only be read: nothing of them is stored.
fn is_stored(resource: &Value) -> bool {
    resource.get("verbs").is_none()
        || ["create", "get"]
            .iter()
            .all(|verb| list(at(resource, "verbs")).any(|known| known == verb))
}

/// The core group is not in the aggregated document; its own has subresources as entries beside their resources.
fn core_resources(document: &Value) -> Result<Vec<Value>> {
    let mut resources: Vec<Value> = Vec::new();
    for entry in list(&document["resources"]) {
        let name = text(at(entry, "name"))?;
        let scope = if at(entry, "namespaced") == true {
            "Namespaced"
        } else {
            "Cluster"
        };
        let kind = json!({
            "group": at(entry, "group").as_str().unwrap_or_default(),
            "version": at(entry, "version").as_str().unwrap_or_default(),
            "kind": at(entry, "kind"),
        });
        match name.split_once('/') {
            None => resources.push(json!({
                "resource": name,
                "responseKind": kind,
                "scope": scope,
                "singularResource": at(entry, "singularName"),
                "shortNames": at(entry, "shortNames"),
                "categories": at(entry, "categories"),
                "verbs": at(entry, "verbs"),
                "subresources": [],
            })),
            Some((parent, subresource)) => {
                let parent = resources
                    .iter_mut()
                    .find(|known| known["resource"] == parent);
                let known = parent
                    .and_then(|parent| parent["subresources"].as_array_mut())
                    .context("a subresource follows its resource")?;
                known.push(json!({
                    "subresource": subresource,
                    "responseKind": kind,
                    "verbs": at(entry, "verbs"),
                }));
            }
        }
    }
    resources.iter().map(resource).collect()
}

/// An entry of the table: nothing in it that can be told from the rest.
fn resource(entry: &Value) -> Result<Value> {
    let mut row = Map::new();
    row.insert("resource".to_owned(), at(entry, "resource").clone());
    row.insert(
        "kind".to_owned(),
        at(at(entry, "responseKind"), "kind").clone(),
    );
    row.insert("singular".to_owned(), at(entry, "singularResource").clone());
    row.insert(
        "namespaced".to_owned(),
        json!(at(entry, "scope") == "Namespaced"),
    );
    for (field, from) in [("short", "shortNames"), ("categories", "categories")] {
        if list(at(entry, from)).next().is_some() {
            row.insert(field.to_owned(), at(entry, from).clone());
        }
    }
    if !list(at(entry, "verbs")).eq(VERBS.iter()) {
        row.insert("verbs".to_owned(), at(entry, "verbs").clone());
    }
    let subresources: Vec<Value> = list(at(entry, "subresources")).map(subresource).collect();
    if !subresources.is_empty() {
        row.insert("subresources".to_owned(), json!(subresources));
    }
    Ok(Value::Object(row))
}

fn subresource(entry: &Value) -> Value {
    let mut row = Map::new();
    row.insert("name".to_owned(), at(entry, "subresource").clone());
    for field in ["group", "version", "kind"] {
        if at(at(entry, "responseKind"), field) != "" {
            row.insert(
                field.to_owned(),
                at(at(entry, "responseKind"), field).clone(),
            );
        }
    }
    row.insert("verbs".to_owned(), at(entry, "verbs").clone());
    Value::Object(row)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .context("a text is missing in the document")
}

/// One line a kind, so that a change of version reads as a small difference.
fn render(version: &str, groups: &[GroupVersion]) -> Result<String> {
    let mut lines = Vec::new();
    for entry in groups {
        let mut rows = Vec::new();
        for row in &entry.resources {
            rows.push(serde_json::to_string(row)?);
        }
        lines.push(format!(
            "{{\"group\": {}, \"version\": {}, \"resources\": [\n{}\n]}}",
            serde_json::to_string(&entry.group)?,
            serde_json::to_string(&entry.version)?,
            rows.join(",\n")
        ));
    }
    Ok(format!(
        "{{\n\"kubernetes\": {},\n\"verbs\": {},\n\"versions\": [\n{}\n]\n}}\n",
        serde_json::to_string(version)?,
        serde_json::to_string(&VERBS)?,
        lines.join(",\n")
    ))
}

/// A field of an object; null where there is none.
fn at<'a>(value: &'a Value, field: &str) -> &'a Value {
    value.get(field).unwrap_or(&Value::Null)
}
