//! Which of many stages an object may match at all, by one condition of each that must hold: a text that it must have, or a field that
//! must be there. What a decision costs then rests on the object, and not on how many stages are about others.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::compiled::{Condition, Operator, Stage};
use crate::jq::{Names, Programs};

/// Stages by the kind that they are for.
#[derive(Debug, Default)]
pub struct Index(BTreeMap<String, OfKind>);

/// Stages of one kind, by their places among all.
#[derive(Debug, Default)]
struct OfKind {
    /// Those of which nothing is known before they are asked.
    always: Vec<usize>,
    /// The others, by the map in which something must be, and its name there.
    maps: BTreeMap<Names, BTreeMap<String, Entry>>,
}

/// Stages that need a field.
#[derive(Debug, Default)]
struct Entry {
    /// Whatever it holds.
    any: Vec<usize>,
    /// With this text.
    texts: BTreeMap<String, Vec<usize>>,
}

/// What must be there for a stage to match.
struct Need<'a> {
    map: Names,
    name: String,
    /// One of these texts; none: anything.
    texts: Vec<&'a str>,
}

impl Index {
    /// An index of stages.
    #[must_use]
    pub fn new(stages: &[Stage], programs: &Programs) -> Self {
        let mut index = Self::default();
        for (place, stage) in stages.iter().enumerate() {
            let of_kind = index.0.entry(stage.kind.clone()).or_default();
            let Some(need) = need(stage, programs) else {
                of_kind.always.push(place);
                continue;
            };
            let names = of_kind.maps.entry(need.map).or_default();
            let entry = names.entry(need.name).or_default();
            if need.texts.is_empty() {
                entry.any.push(place);
            }
            for text in need.texts {
                entry.texts.entry(text.to_owned()).or_default().push(place);
            }
        }
        index
    }

    /// The stages that the object may match, in their order. All others do not match it.
    #[must_use]
    pub fn candidates(&self, kind: &str, object: &Json) -> Vec<usize> {
        let Some(of_kind) = self.0.get(kind) else {
            return Vec::new();
        };
        let mut found = of_kind.always.clone();
        for (map, wanted) in &of_kind.maps {
            let Ok(Json::Object(present)) = map.find(object) else {
                continue;
            };
            if present.len() < wanted.len() {
                for (name, value) in present {
                    if let Some(entry) = wanted.get(name) {
                        entry.add(value, &mut found);
                    }
                }
            } else {
                for (name, entry) in wanted {
                    if let Some(value) = present.get(name) {
                        entry.add(value, &mut found);
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Entry {
    fn add(&self, value: &Json, found: &mut Vec<usize>) {
        match value {
            Json::Null => {}
            Json::String(text) => {
                found.extend(&self.any);
                found.extend(self.texts.get(text).into_iter().flatten());
            }
            // A number can be written in several ways.
            _ => found.extend(self.any.iter().chain(self.texts.values().flatten())),
        }
    }
}

/// The first of a stage's conditions that an index can hold.
fn need<'a>(stage: &'a Stage, programs: &Programs) -> Option<Need<'a>> {
    let maps = [
        ("labels", &stage.labels),
        ("annotations", &stage.annotations),
    ];
    for (map, wanted) in maps {
        if let Some((name, text)) = wanted.first() {
            return Some(Need {
                map: Names::new(&["metadata", map]),
                name: name.clone(),
                texts: vec![text],
            });
        }
    }
    stage.conditions.iter().find_map(|condition| {
        let Condition::Jq {
            number,
            operator,
            values,
        } = condition
        else {
            return None;
        };
        let texts = match operator {
            Operator::In => values.iter().map(String::as_str).collect(),
            Operator::Exists => Vec::new(),
            Operator::NotIn | Operator::DoesNotExist => return None,
        };
        let (map, name) = programs.names(*number)?.split()?;
        let name = name.to_owned();
        Some(Need { map, name, texts })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compile::compile;
    use crate::lifecycle::{Moment, View};
    use crate::stage;
    use stagewright_go_template::Found;

    const SELECTORS: [&str; 9] = [
        r#"{"matchLabels": {"a": "x"}}"#,
        r#"{"matchLabels": {"a": "y", "b": "z"}}"#,
        r#"{"matchAnnotations": {"a": "x"}}"#,
        r#"{"matchExpressions": [{"jq": {"key": ".status.phase", "operator": "In", "values": ["Running", "7"]}}]}"#,
        r#"{"matchExpressions": [{"jq": {"key": ".status.phase", "operator": "NotIn", "values": ["Running"]}}]}"#,
        r#"{"matchExpressions": [{"jq": {"key": ".status.phase", "operator": "Exists"}}]}"#,
        r#"{"matchExpressions": [{"jq": {"key": ".status.phase", "operator": "DoesNotExist"}}]}"#,
        r#"{"matchExpressions": [{"jq": {"key": ".status.on", "operator": "In", "values": ["true"]}}]}"#,
        r#"{"matchExpressions": [{"jq": {"key": ".spec | .n", "operator": "Exists"}}]}"#,
    ];
    const OBJECTS: [&str; 7] = [
        r"{}",
        r#"{"metadata": {"labels": {"a": "x"}, "annotations": {"a": "x"}}, "status": {"phase": "Running"}}"#,
        r#"{"metadata": {"labels": {"a": "y", "b": "z", "c": "c"}}, "status": {"phase": "Pending", "on": true}}"#,
        r#"{"metadata": null, "status": {"phase": 7.0}, "spec": {"n": 1}}"#,
        r#"{"metadata": 3, "status": {"phase": null}, "spec": {"n": null}}"#,
        r#"{"status": "none", "spec": []}"#,
        r#"{"status": {"phase": ["Running"], "on": "true"}}"#,
    ];

    /// Whatever the index leaves out would not have matched.
    #[test]
    fn a_stage_that_is_no_candidate_does_not_match() {
        let spec = |selector: &str| {
            let selector: Json = serde_json::from_str(selector).unwrap();
            let target = json!({"apiGroup": "v1", "kind": "Thing"});
            let spec =
                json!({"resourceRef": target, "selector": selector, "next": {"delete": true}});
            let stage = json!({"kind": "Stage", "metadata": {"name": "stage"}, "spec": spec});
            (String::new(), stage::parse(&stage, ""))
        };
        let stages = compile(SELECTORS.map(spec), &|_, _| Found::Unknown, false).unwrap();
        assert!(stages.problems.is_empty(), "{:?}", stages.problems);
        let (mut matches, mut left_out) = (0, 0);
        for object in OBJECTS {
            let mut object: Json = serde_json::from_str(object).unwrap();
            object["apiVersion"] = json!("v1");
            object["kind"] = json!("Thing");
            let moment = Moment {
                began: stagewright_go_template::time::Instant(0),
                now: stagewright_go_template::time::Instant(0),
                chance: 0.5,
            };
            let view = View::new(&stages, &object, moment);
            let candidates = stages.index.candidates("v1/Thing", &object);
            for (place, stage) in stages.stages.iter().enumerate() {
                let is_match = view.matches(stage).unwrap();
                let is_candidate = candidates.contains(&place);
                assert!(is_candidate || !is_match, "{} {object}", SELECTORS[place]);
                matches += usize::from(is_match);
                left_out += usize::from(!is_candidate);
            }
        }
        assert!(matches > 10 && left_out > 20, "{matches} {left_out}");
    }
}
