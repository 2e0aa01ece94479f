//! What a plugin declares of itself. The schema is `wit/description.schema.json`.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a plugin is. Built by parts, or taken as it is written ([`Description::from_static`]: free, and `configure` runs often).
#[derive(Debug, Clone)]
pub struct Description(Form);

#[derive(Debug, Clone)]
enum Form {
    Text(&'static str),
    Built(Box<Built>),
}

type Names = Vec<String>;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Built {
    schema: &'static str,
    name: String,
    version: String,
    stages: Names,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requires: Names,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    applies: Vec<Applies>,
    subjects: Vec<Subject>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}

#[derive(Debug, Clone, Serialize)]
struct Applies {
    kind: String,
    adopt: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Problem {
    path: String,
    message: String,
}

/// A kind of objects that the plugin moves. Within a plugin the first subject that matches has the object.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    reads: Names,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    since: Names,
    #[serde(skip_serializing_if = "Option::is_none")]
    play_reads: Option<Names>,
    writes: Names,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facts: Names,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relations: Vec<Relation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Order>,
}

/// Objects that belong to a subject in the plugin's eyes; they come with the context, and their changes ask it again.
#[derive(Debug, Clone, Serialize)]
pub struct Relation {
    name: String,
    kind: String,
    by: By,
    reads: Names,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u16>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum By {
    Name { name: String },
    Owner { owner: bool },
    Owned { owned: bool },
    Label { label: String, value: String },
}

/// How a kind that the host has no order for moves forward. Phases form a directed graph; phases on one cycle rank equal; a phase
/// without successors is terminal.
#[derive(Debug, Clone, Serialize, Default)]
pub struct Order {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latches: Names,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    epochs: Names,
    phases: BTreeMap<String, Names>,
}

fn names<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Names {
    items.into_iter().map(Into::into).collect()
}

// === impl Description ===

impl Description {
    /// The schema's version.
    pub const SCHEMA: &'static str = "stagewright.dev/description/v1";

    /// The plugin's name (a DNS label of at most 40 letters) and version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self(Form::Built(Box::new(Built {
            schema: Self::SCHEMA,
            name: name.into(),
            version: version.into(),
            stages: Names::new(),
            requires: Names::new(),
            applies: Vec::new(),
            subjects: Vec::new(),
            problems: Vec::new(),
        })))
    }

    /// A description written as JSON beforehand. The builders do nothing to it.
    #[must_use]
    pub fn from_static(text: &'static str) -> Self {
        Self(Form::Text(text))
    }

    /// The stages that `decide` may answer: at most 64, since they are metric labels.
    #[must_use]
    pub fn stages<T: Into<String>>(self, stages: impl IntoIterator<Item = T>) -> Self {
        self.with(|built| built.stages.extend(names(stages)))
    }

    /// Adds objects that the plugin moves.
    #[must_use]
    pub fn subject(self, subject: Subject) -> Self {
        self.with(|built| built.subjects.push(subject))
    }

    /// Adds a kind of other objects that plays may create, and change or remove where the subject owns them.
    #[must_use]
    pub fn applies(self, kind: impl Into<String>) -> Self {
        self.with(|built| {
            built.applies.push(Applies {
                kind: kind.into(),
                adopt: false,
            });
        })
    }

    /// Adds a kind of other objects that plays may change even if somebody else made them.
    #[must_use]
    pub fn adopts(self, kind: impl Into<String>) -> Self {
        self.with(|built| {
            built.applies.push(Applies {
                kind: kind.into(),
                adopt: true,
            });
        })
    }

    /// Adds an ability that the host must have.
    #[must_use]
    pub fn requires(self, ability: impl Into<String>) -> Self {
        self.with(|built| built.requires.push(ability.into()))
    }

    /// Tells of an item of the settings that was left out, while the rest serves.
    #[must_use]
    pub fn problem(self, path: impl Into<String>, message: impl Into<String>) -> Self {
        self.with(|built| {
            built.problems.push(Problem {
                path: path.into(),
                message: message.into(),
            });
        })
    }

    /// The JSON.
    ///
    /// # Errors
    /// Never for what the builders made.
    pub fn into_text(self) -> Result<String, String> {
        match self.0 {
            Form::Text(text) => Ok(text.to_owned()),
            Form::Built(built) => serde_json::to_string(&built).map_err(|error| error.to_string()),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Built)) -> Self {
        if let Form::Built(built) = &mut self.0 {
            change(built);
        }
        self
    }
}

// === impl Subject ===

impl Subject {
    /// A kind: `v1/Pod`, `batch/v1/Job`.
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            selector: None,
            reads: Names::new(),
            since: Names::new(),
            play_reads: None,
            writes: Names::new(),
            facts: Names::new(),
            relations: Vec::new(),
            order: None,
        }
    }

    /// Which of them, as a label selector: `team=ml,tier in (a,b)`.
    #[must_use]
    pub fn selector(mut self, selector: impl Into<String>) -> Self {
        self.selector = Some(selector.into());
        self
    }

    /// What `decide` sees, as JSON pointers, `*` for each item or map value. A change elsewhere does not ask again.
    #[must_use]
    pub fn reads<T: Into<String>>(mut self, paths: impl IntoIterator<Item = T>) -> Self {
        self.reads.extend(names(paths));
        self
    }

    /// Times that mark the beginning of a stay, for [`crate::Context::since`].
    #[must_use]
    pub fn since<T: Into<String>>(mut self, paths: impl IntoIterator<Item = T>) -> Self {
        self.since.extend(names(paths));
        self
    }

    /// What `play` sees; without this, the whole object.
    #[must_use]
    pub fn play_reads<T: Into<String>>(mut self, paths: impl IntoIterator<Item = T>) -> Self {
        self.play_reads.get_or_insert_default().extend(names(paths));
        self
    }

    /// What patches may change, as JSON pointers without `*`.
    #[must_use]
    pub fn writes<T: Into<String>>(mut self, paths: impl IntoIterator<Item = T>) -> Self {
        self.writes.extend(names(paths));
        self
    }

    /// Facts wanted in the context: `addresses`, `failure`.
    #[must_use]
    pub fn facts<T: Into<String>>(mut self, facts: impl IntoIterator<Item = T>) -> Self {
        self.facts.extend(names(facts));
        self
    }

    /// Adds objects wanted in the context.
    #[must_use]
    pub fn relation(mut self, relation: Relation) -> Self {
        self.relations.push(relation);
        self
    }

    /// How the kind moves forward.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }
}

// === impl Relation ===

impl Relation {
    /// Those named at a path of the subject: `Relation::by_name("node", "v1/Node", "/spec/nodeName")`.
    pub fn by_name(
        name: impl Into<String>,
        kind: impl Into<String>,
        path: impl Into<String>,
    ) -> Self {
        Self::by(name, kind, By::Name { name: path.into() })
    }

    /// The subject's owners of that kind.
    pub fn owner(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self::by(name, kind, By::Owner { owner: true })
    }

    /// Those of that kind that the subject owns.
    pub fn owned(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self::by(name, kind, By::Owned { owned: true })
    }

    /// Those whose label has the value that stands at a path of the subject.
    pub fn by_label(
        name: impl Into<String>,
        kind: impl Into<String>,
        label: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let by = By::Label {
            label: label.into(),
            value: value.into(),
        };
        Self::by(name, kind, by)
    }

    /// What is seen of each.
    #[must_use]
    pub fn reads<T: Into<String>>(mut self, paths: impl IntoIterator<Item = T>) -> Self {
        self.reads.extend(names(paths));
        self
    }

    /// How many there may be, at most 256; more is an error, never a cut.
    #[must_use]
    pub fn max(mut self, max: u16) -> Self {
        self.max = Some(max);
        self
    }

    fn by(name: impl Into<String>, kind: impl Into<String>, by: By) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            by,
            reads: Names::new(),
            max: None,
        }
    }
}

// === impl Order ===

impl Order {
    /// An order by the phase at a path. Without one ([`Order::default`]) there are only latches and epochs.
    pub fn by(path: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::default()
        }
    }

    /// What an object without a phase counts as.
    #[must_use]
    pub fn initial(mut self, phase: impl Into<String>) -> Self {
        self.initial = Some(phase.into());
        self
    }

    /// A phase and those that may follow it at once; none: it is terminal.
    #[must_use]
    pub fn phase<const N: usize>(mut self, phase: impl Into<String>, next: [&str; N]) -> Self {
        self.phases.insert(phase.into(), names(next));
        self
    }

    /// Types of conditions that never leave True.
    #[must_use]
    pub fn latches<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.latches.extend(names(types));
        self
    }

    /// Paths of numbers that never fall, and whose rise begins the phases anew.
    #[must_use]
    pub fn epochs<T: Into<String>>(mut self, paths: impl IntoIterator<Item = T>) -> Self {
        self.epochs.extend(names(paths));
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn builders_write_what_the_interface_says() {
        let trainer = Subject::new("example.com/v1/Trainer")
            .selector("team=ml")
            .reads(["/spec", "/status/phase"])
            .since(["/status/startTime"])
            .writes(["/status"])
            .facts(["failure"])
            .relation(Relation::by_name("node", "v1/Node", "/spec/nodeName").reads(["/status"]))
            .relation(Relation::owner("owner", "batch/v1/Job"))
            .relation(Relation::owned("workers", "v1/Pod").max(5))
            .relation(Relation::by_label(
                "gang",
                "v1/Pod",
                "g",
                "/metadata/labels/g",
            ))
            .order(
                Order::by("/status/phase")
                    .initial("Pending")
                    .phase("Pending", ["Done"])
                    .phase("Done", [])
                    .latches(["Provisioned"])
                    .epochs(["/status/observedGeneration"]),
            );
        let description = Description::new("gang", "1.2.0")
            .stages(["start"])
            .subject(trainer)
            .applies("v1/Pod")
            .adopts("v1/ConfigMap")
            .problem("/stages/3", "is odd");
        let text = description.into_text().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({"schema": "stagewright.dev/description/v1", "name": "gang", "version": "1.2.0", "stages": ["start"],
                "applies": [{"kind": "v1/Pod", "adopt": false}, {"kind": "v1/ConfigMap", "adopt": true}],
                "problems": [{"path": "/stages/3", "message": "is odd"}],
                "subjects": [{"kind": "example.com/v1/Trainer", "selector": "team=ml", "reads": ["/spec", "/status/phase"],
                    "since": ["/status/startTime"], "writes": ["/status"], "facts": ["failure"],
                    "relations": [
                        {"name": "node", "kind": "v1/Node", "by": {"name": "/spec/nodeName"}, "reads": ["/status"]},
                        {"name": "owner", "kind": "batch/v1/Job", "by": {"owner": true}, "reads": []},
                        {"name": "workers", "kind": "v1/Pod", "by": {"owned": true}, "reads": [], "max": 5},
                        {"name": "gang", "kind": "v1/Pod", "by": {"label": "g", "value": "/metadata/labels/g"}, "reads": []}],
                    "order": {"path": "/status/phase", "initial": "Pending", "latches": ["Provisioned"],
                        "epochs": ["/status/observedGeneration"], "phases": {"Pending": ["Done"], "Done": []}}}]})
        );
    }
}
