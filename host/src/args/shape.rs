//! `--nodes COUNT[@FILE]`: how many nodes, and what they are like.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::UsageError;

const FLAG: &str = "--nodes";
/// More than any cluster has; a typing error must not fill the memory.
const MOST: usize = 100_000;
/// The label that schedulers spread by.
const ZONE: &str = "topology.kubernetes.io/zone";

/// Nodes that are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// How many.
    pub count: usize,
    /// What their names begin with; a number follows.
    pub name: String,
    file: File,
}

/// What a file says of its nodes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    name: Option<String>,
    zone: Zones,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    taints: Vec<Map<String, Value>>,
    capacity: BTreeMap<String, Quantity>,
    allocatable: BTreeMap<String, Quantity>,
}

/// One zone, or several that the nodes take in turn.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Zones {
    One(String),
    Several(Vec<String>),
}

/// A quantity, which YAML reads as a number if it looks like one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Quantity {
    Text(String),
    Number(serde_json::Number),
}

// === impl Shape ===

impl Shape {
    /// Reads `COUNT` or `COUNT@FILE`.
    ///
    /// # Errors
    /// If the count or the file cannot be read.
    pub(super) fn parse(text: &str) -> Result<Self, UsageError> {
        let (count, path) = match text.split_once('@') {
            Some((count, path)) => (count, Some(Path::new(path.trim()))),
            None => (text, None),
        };
        let count: usize = count
            .trim()
            .parse()
            .ok()
            .filter(|count| *count <= MOST)
            .ok_or_else(|| {
                problem(format!(
                    "{text:?} has no count up to {MOST}; write it like 100, or 40@gpu.yaml"
                ))
            })?;
        let (stem, file) = match path {
            None => ("node", File::default()),
            Some(path) => (
                path.file_stem()
                    .and_then(|stem| stem.to_str())
                    .unwrap_or("node"),
                read(path)?,
            ),
        };
        let name = file.name.clone().unwrap_or_else(|| stem.to_lowercase());
        if !is_name(&name) {
            return Err(problem(format!(
                "{name:?} cannot begin the names of nodes; give the file a `name` of lower-case letters, digits and \"-\""
            )));
        }
        Ok(Self { count, name, file })
    }

    /// The node of this number (of its name) and this place among the shape's own, as a user would create it. `pods` is how many it must
    /// hold at least.
    #[must_use]
    pub fn node(&self, number: usize, place: usize, pods: usize) -> Value {
        let name = format!("{}-{number}", self.name);
        let mut labels: Map<String, Value> = text(&self.file.labels);
        labels
            .entry("kubernetes.io/hostname")
            .or_insert_with(|| name.clone().into());
        let zones: &[String] = match &self.file.zone {
            Zones::One(zone) => std::slice::from_ref(zone),
            Zones::Several(zones) => zones,
        };
        if let Some(zone) = zones.get(place % zones.len().max(1)) {
            labels.insert(ZONE.to_owned(), zone.as_str().into());
        }
        let mut capacity = quantities(&self.file.capacity);
        if !capacity.contains_key("pods") {
            capacity.insert("pods".to_owned(), pods.to_string().into());
        }
        let mut allocatable = capacity.clone();
        allocatable.extend(quantities(&self.file.allocatable));
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "status": {"capacity": capacity, "allocatable": allocatable},
        });
        let parts = [
            (
                "metadata",
                "annotations",
                Value::Object(text(&self.file.annotations)),
            ),
            ("spec", "taints", json!(self.file.taints)),
        ];
        for (part, field, value) in parts {
            let empty = value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty);
            if !empty && let Some(node) = node.as_object_mut() {
                let part = node.entry(part).or_insert_with(|| json!({}));
                if let Some(part) = part.as_object_mut() {
                    part.insert(field.to_owned(), value);
                }
            }
        }
        node
    }
}

impl Default for Zones {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

fn read(path: &Path) -> Result<File, UsageError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| problem(format!("{shown} cannot be read: {error}")))?;
    let value: Value = serde_saphyr::from_str(&text)
        .map_err(|error| problem(format!("{shown} is no YAML: {error}")))?;
    if value.is_null() {
        return Ok(File::default());
    }
    serde_json::from_value(value).map_err(|error| {
        problem(format!(
            "{shown}: {error}; nodes have name, zone (one or a list), labels, annotations, taints, capacity and allocatable"
        ))
    })
}

fn text(map: &BTreeMap<String, String>) -> Map<String, Value> {
    let pairs = map.iter();
    pairs
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect()
}

fn quantities(map: &BTreeMap<String, Quantity>) -> Map<String, Value> {
    let text = |quantity: &Quantity| match quantity {
        Quantity::Text(text) => text.clone(),
        Quantity::Number(number) => number.to_string(),
    };
    map.iter()
        .map(|(key, value)| (key.clone(), text(value).into()))
        .collect()
}

/// Whether names of objects may begin so.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 200 && text.bytes().all(inner) && !text.starts_with('-')
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

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::Builder::new()
            .prefix("Gpu")
            .suffix(".yaml")
            .rand_bytes(0)
            .tempfile_in(tempfile::tempdir().unwrap().keep())
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn nodes_without_a_file_have_room_for_all_pods() {
        let shape = Shape::parse("3").unwrap();
        assert_eq!(shape.count, 3);
        let node = shape.node(2, 2, 110);
        assert_eq!(
            node["metadata"],
            json!({"name": "node-2", "labels": {"kubernetes.io/hostname": "node-2"}})
        );
        assert_eq!(node["status"]["allocatable"], json!({"pods": "110"}));
        assert_eq!(node.get("spec"), None);
    }

    #[test]
    fn a_file_says_what_nodes_are_like() {
        let file = file(
            "zone: [a, b]\nlabels: {pool: gpu}\nannotations: {x: z}\ntaints: [{key: gpu, effect: NoSchedule}]\n\
             capacity: {cpu: 96, nvidia.com/gpu: '8', pods: 30}\nallocatable: {cpu: 95500m}\n",
        );
        let shape = Shape::parse(&format!("40@{}", file.path().display())).unwrap();
        let node = shape.node(7, 1, 110);
        assert_eq!(
            node["metadata"]["name"], "gpu-7",
            "the file's name, in lower case"
        );
        assert_eq!(
            node["metadata"]["labels"],
            json!({"pool": "gpu", "kubernetes.io/hostname": "gpu-7", "topology.kubernetes.io/zone": "b"})
        );
        assert_eq!(node["metadata"]["annotations"], json!({"x": "z"}));
        assert_eq!(
            node["spec"],
            json!({"taints": [{"key": "gpu", "effect": "NoSchedule"}]})
        );
        assert_eq!(
            node["status"],
            json!({"capacity": {"cpu": "96", "nvidia.com/gpu": "8", "pods": "30"},
                "allocatable": {"cpu": "95500m", "nvidia.com/gpu": "8", "pods": "30"}})
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let unknown = file("zones: a\n");
        let unnamed = file("name: A b\n");
        for (text, part) in [
            ("many".to_owned(), "100"),
            ("-1".to_owned(), "100"),
            ("1000000".to_owned(), "100000"),
            ("4@/no/such.yaml".to_owned(), "/no/such.yaml cannot be read"),
            (
                format!("4@{}", unknown.path().display()),
                "unknown field `zones`",
            ),
            (format!("4@{}", unnamed.path().display()), "lower-case"),
        ] {
            let error = Shape::parse(&text).unwrap_err().to_string();
            assert!(
                error.starts_with("--nodes: ") && error.contains(part),
                "{text}: {error}"
            );
        }
    }
}
