//! `stage lint`: what is wrong with a stage, and what is probably not meant. KWOK reads stages without a word about either.

use serde_json::{Map, Value as Json, json};

use crate::compile::compile;
use crate::functions::find_for;
use crate::stage;

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `error`: the stage is left out; `warning`: it serves, and something of it does not.
    pub severity: &'static str,
    /// A JSON pointer into the stage.
    pub path: String,
    /// What is wrong there, and the remedy.
    pub message: String,
}

/// The keys of a part of a stage; a key that leads to another part names it.
struct Part {
    name: &'static str,
    keys: &'static [(&'static str, &'static str)],
}

/// No part of a stage: any keys.
const FREE: &str = "";

const PARTS: &[Part] = &[
    Part {
        name: "stage",
        keys: &[
            ("apiVersion", FREE),
            ("kind", FREE),
            ("metadata", FREE),
            ("spec", "spec"),
            ("status", FREE),
        ],
    },
    Part {
        name: "spec",
        keys: &[
            ("resourceRef", "resourceRef"),
            ("selector", "selector"),
            ("weight", FREE),
            ("weightFrom", "from"),
            ("delay", "delay"),
            ("next", "next"),
            ("steps", "step"),
            ("immediateNextStage", FREE),
        ],
    },
    Part {
        name: "resourceRef",
        keys: &[("apiGroup", FREE), ("kind", FREE)],
    },
    Part {
        name: "selector",
        keys: &[
            ("matchLabels", FREE),
            ("matchAnnotations", FREE),
            ("matchExpressions", "expression"),
        ],
    },
    Part {
        name: "expression",
        keys: &[
            ("jq", "requirement"),
            ("cel", "text"),
            ("key", FREE),
            ("operator", FREE),
            ("values", FREE),
        ],
    },
    Part {
        name: "requirement",
        keys: &[("key", FREE), ("operator", FREE), ("values", FREE)],
    },
    Part {
        name: "text",
        keys: &[("expression", FREE)],
    },
    Part {
        name: "from",
        keys: &[("jq", "text"), ("cel", "text"), ("expressionFrom", FREE)],
    },
    Part {
        name: "delay",
        keys: &[
            ("durationMilliseconds", FREE),
            ("durationFrom", "from"),
            ("jitterDurationMilliseconds", FREE),
            ("jitterDurationFrom", "from"),
        ],
    },
    Part {
        name: "next",
        keys: &[
            ("event", "event"),
            ("finalizers", "finalizers"),
            ("delete", FREE),
            ("patches", "patch"),
            ("statusTemplate", FREE),
            ("statusSubresource", FREE),
            ("statusPatchAs", "impersonation"),
        ],
    },
    Part {
        name: "step",
        keys: &[
            ("event", "event"),
            ("finalizers", "finalizers"),
            ("delete", FREE),
            ("patch", "patch"),
            ("apply", "apply"),
        ],
    },
    Part {
        name: "event",
        keys: &[("type", FREE), ("reason", FREE), ("message", FREE)],
    },
    Part {
        name: "finalizers",
        keys: &[("add", "value"), ("remove", "value"), ("empty", FREE)],
    },
    Part {
        name: "value",
        keys: &[("value", FREE)],
    },
    Part {
        name: "impersonation",
        keys: &[("username", FREE)],
    },
    Part {
        name: "patch",
        keys: &[
            ("subresource", FREE),
            ("root", FREE),
            ("template", FREE),
            ("type", FREE),
            ("impersonation", "impersonation"),
        ],
    },
    Part {
        name: "apply",
        keys: &[
            ("template", FREE),
            ("subresource", FREE),
            ("type", FREE),
            ("impersonation", "impersonation"),
        ],
    },
];

impl Finding {
    /// For the command line.
    #[must_use]
    pub fn tree(&self) -> Json {
        json!({"severity": self.severity, "path": self.path, "message": self.message})
    }
}

/// All remarks on a stage, errors first.
#[must_use]
pub fn findings(stage: &Json) -> Vec<Finding> {
    let mut lint = Lint(Vec::new());
    let specs = [(String::new(), stage::parse(stage, ""))];
    match compile(specs, &find_for, true) {
        Ok(stages) => {
            for problem in stages.problems {
                lint.add("error", problem.path, problem.message);
            }
        }
        Err(message) => lint.add("error", String::new(), message),
    }
    lint.keys("stage", stage, "");
    if let Some(spec) = stage.get("spec").and_then(Json::as_object) {
        lint.meaning(spec);
    }
    lint.0
}

struct Lint(Vec<Finding>);

impl Lint {
    fn add(&mut self, severity: &'static str, path: String, message: impl Into<String>) {
        self.0.push(Finding {
            severity,
            path,
            message: message.into(),
        });
    }

    fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add("warning", path.into(), message);
    }

    /// Keys that nobody reads.
    fn keys(&mut self, part: &str, value: &Json, path: &str) {
        let Some(Part { keys, .. }) = PARTS.iter().find(|known| known.name == part) else {
            return;
        };
        match value {
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.keys(part, item, &format!("{path}/{index}"));
                }
            }
            Json::Object(entries) => {
                for (key, value) in entries {
                    let place = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                    match keys.iter().find(|(known, _)| known == key) {
                        Some((_, inner)) => self.keys(inner, value, &place),
                        None => self.warn(place, unknown(key, keys)),
                    }
                }
            }
            _ => {}
        }
    }

    /// Keys that are read and do not do what they seem to.
    fn meaning(&mut self, spec: &Map<String, Json>) {
        let has = |key: &str| spec.get(key).is_some_and(|value| !value.is_null());
        if !has("selector") {
            self.warn(
                "/spec/selector",
                "a stage without a selector matches nothing; write {} to match every object",
            );
        }
        let steps = spec.get("steps").and_then(Json::as_array);
        if has("next") && steps.is_some_and(|steps| !steps.is_empty()) {
            self.warn("/spec/next", "not read, since there are steps; remove it");
        } else if has("next") {
            self.warn(
                "/spec/next",
                "deprecated spelling of steps; `stagewright stage convert` rewrites it",
            );
        }
        let deletion = steps.into_iter().flatten().position(|step| {
            let deletes = step.get("delete").and_then(Json::as_bool);
            deletes.unwrap_or_default()
        });
        let later = steps.into_iter().flatten().enumerate();
        for (index, step) in later.skip(deletion.map_or(usize::MAX, |index| index + 1)) {
            let idle = ["patch", "apply", "finalizers", "delete"];
            if idle.iter().any(|key| step.get(key).is_some()) {
                self.warn(
                    format!("/spec/steps/{index}"),
                    "behind a delete only Events are left; move the delete to the end",
                );
            }
        }
        self.delay(spec.get("delay"));
    }

    fn delay(&mut self, delay: Option<&Json>) {
        let Some(delay) = delay else { return };
        let number = |key: &str| delay.get(key).and_then(Json::as_i64);
        let duration = number("durationMilliseconds").unwrap_or(0);
        if delay.get("durationFrom").is_some() || delay.get("jitterDurationFrom").is_some() {
            return;
        }
        if let Some(jitter) = number("jitterDurationMilliseconds").filter(|it| *it < duration) {
            self.warn(
                "/spec/delay/jitterDurationMilliseconds",
                format!("the jitter is the latest moment, not what is added: the delay becomes {jitter} ms, less than the {duration} ms of durationMilliseconds"),
            );
        }
    }
}

fn unknown(key: &str, keys: &[(&'static str, &'static str)]) -> String {
    let alike = keys.iter().find(|(known, _)| is_alike(known, key));
    match alike {
        Some((known, _)) => format!("unknown key {key:?}, which nobody reads; is {known:?} meant?"),
        None => {
            let known: Vec<&str> = keys.iter().map(|(known, _)| *known).collect();
            format!(
                "unknown key {key:?}, which nobody reads; there are {}",
                known.join(", ")
            )
        }
    }
}

/// One slip apart: case, a letter more, less or another.
fn is_alike(known: &str, key: &str) -> bool {
    let (known, key) = (known.to_ascii_lowercase(), key.to_ascii_lowercase());
    let begin = known.bytes().zip(key.bytes()).take_while(|(a, b)| a == b);
    let begin = begin.count();
    let shorter = known.len().min(key.len());
    let end = known.bytes().rev().zip(key.bytes().rev());
    let end = end
        .take(shorter - begin)
        .take_while(|(a, b)| a == b)
        .count();
    known.len().max(key.len()) - begin - end <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(spec: Json) -> Vec<(&'static str, String)> {
        let mut spec = spec;
        if let Some(spec) = spec.as_object_mut() {
            spec.insert("resourceRef".to_owned(), json!({"kind": "Pod"}));
            spec.entry("selector").or_insert_with(|| json!({}));
        }
        let stage = json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": "s"}, "spec": spec});
        let findings = findings(&stage).into_iter();
        findings
            .map(|it| (it.severity, format!("{}: {}", it.path, it.message)))
            .collect()
    }

    #[test]
    fn what_is_wrong_and_what_is_not_meant() {
        for (spec, severity, parts) in [
            (
                json!({"immediateNextstage": true}),
                "warning",
                ["/spec/immediateNextstage", "\"immediateNextStage\" meant"],
            ),
            (
                json!({"steps": [{"patch": {"template": "a: 1", "patchType": "merge"}}]}),
                "warning",
                ["/spec/steps/0/patch/patchType", "there are subresource"],
            ),
            (
                json!({"delay": {"durationMillisecond": 1}}),
                "warning",
                [
                    "/spec/delay/durationMillisecond",
                    "\"durationMilliseconds\" meant",
                ],
            ),
            (
                json!({"selector": null}),
                "warning",
                ["/spec/selector", "matches nothing"],
            ),
            (
                json!({"next": {"delete": true}}),
                "warning",
                ["/spec/next", "stage convert"],
            ),
            (
                json!({"next": {"delete": true}, "steps": [{"delete": true}]}),
                "warning",
                ["/spec/next", "not read"],
            ),
            (
                json!({"steps": [{"delete": true}, {"patch": {"template": "a: 1"}}]}),
                "warning",
                ["/spec/steps/1", "behind a delete"],
            ),
            (
                json!({"delay": {"durationMilliseconds": 1000, "jitterDurationMilliseconds": 200}}),
                "warning",
                ["/spec/delay/jitterDurationMilliseconds", "becomes 200 ms"],
            ),
            (
                json!({"selector": {"matchExpressions": [{"jq": {"key": ".a[", "operator": "Exists"}}]}}),
                "error",
                ["/spec/selector/matchExpressions/0/jq/key", "not closed"],
            ),
        ] {
            let found = found(spec);
            assert_eq!(found.len(), 1, "{found:?}");
            let (of, text) = &found[0];
            assert_eq!(*of, severity, "{text}");
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }

    #[test]
    fn a_stage_in_order_is_not_remarked_on() {
        let spec = json!({"selector": {"matchLabels": {"anything": "goes"}}, "weightFrom": {"jq": {"expression": ".w"}},
            "delay": {"durationMilliseconds": 1000, "jitterDurationMilliseconds": 5000}, "steps": [{"finalizers": {"add": [{"value": "a"}]}},
            {"patch": {"root": "status", "subresource": "status", "type": "merge", "template": "a: 1"}}, {"delete": true}, {"event": {"reason": "R"}}]});
        assert_eq!(found(spec), []);
    }
}
