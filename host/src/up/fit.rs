//! Whether a pod may run on a node: its selector, its required affinity, and the node's taints (kubernetes,
//! `pkg/scheduler/framework/plugins/{nodeaffinity,tainttoleration}`). What a pod requests is not counted.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What a pod asks of its node. Everything may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Wishes {
    node_selector: Option<BTreeMap<String, String>>,
    affinity: Option<Affinity>,
    tolerations: Option<Vec<Toleration>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Affinity {
    node_affinity: Option<NodeAffinity>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct NodeAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<NodeSelector>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeSelector {
    node_selector_terms: Vec<Term>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Term {
    match_expressions: Option<Vec<Requirement>>,
    match_fields: Option<Vec<Requirement>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Requirement {
    key: String,
    operator: String,
    #[serde(default)]
    values: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Toleration {
    key: Option<String>,
    operator: Option<String>,
    value: Option<String>,
    effect: Option<String>,
}

/// A node's taint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Taint {
    key: String,
    value: Option<String>,
    effect: String,
}

/// What a pod looks at in a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub name: &'a str,
    pub labels: &'a BTreeMap<String, String>,
    pub taints: &'a [Taint],
}

// === impl Wishes ===

impl Wishes {
    pub(super) fn allow(&self, place: Place<'_>) -> bool {
        self.tolerate(place.taints) && self.select(place) && self.attract(place)
    }

    fn select(&self, place: Place<'_>) -> bool {
        let mut pairs = self.node_selector.iter().flatten();
        pairs.all(|(key, value)| place.labels.get(key) == Some(value))
    }

    /// One of the terms holds; one that asks for nothing holds for no node.
    fn attract(&self, place: Place<'_>) -> bool {
        let affinity = self.affinity.as_ref();
        let node = affinity.and_then(|affinity| affinity.node_affinity.as_ref());
        let Some(required) = node.and_then(|node| node.required.as_ref()) else {
            return true;
        };
        required.node_selector_terms.iter().any(|term| {
            let expressions = term.match_expressions.as_deref().unwrap_or_default();
            let fields = term.match_fields.as_deref().unwrap_or_default();
            let label = |key: &str| place.labels.get(key).map(String::as_str);
            let field = |key: &str| (key == "metadata.name").then_some(place.name);
            !(expressions.is_empty() && fields.is_empty())
                && expressions
                    .iter()
                    .all(|asked| asked.holds(label(&asked.key)))
                && fields.iter().all(|asked| asked.holds(field(&asked.key)))
        })
    }

    fn tolerate(&self, taints: &[Taint]) -> bool {
        let tolerations = self.tolerations.as_deref().unwrap_or_default();
        taints
            .iter()
            .filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"))
            .all(|taint| {
                tolerations
                    .iter()
                    .any(|toleration| toleration.covers(taint))
            })
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let values = self.values.as_deref().unwrap_or_default();
        let listed = || value.is_some_and(|value| values.iter().any(|known| known == value));
        let number = |text: &str| text.parse::<i64>().ok();
        let bound = || values.first().and_then(|text| number(text));
        let pair = || Some((value.and_then(number)?, bound()?));
        match self.operator.as_str() {
            "In" => listed(),
            "NotIn" => !listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => pair().is_some_and(|(value, bound)| value > bound),
            "Lt" => pair().is_some_and(|(value, bound)| value < bound),
            _ => false,
        }
    }
}

impl Toleration {
    fn covers(&self, taint: &Taint) -> bool {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let (key, effect) = (text(&self.key), text(&self.effect));
        (effect.is_empty() || effect == taint.effect)
            && (key.is_empty() || key == taint.key)
            && match text(&self.operator).as_str() {
                "Exists" => true,
                "" | "Equal" => !key.is_empty() && text(&self.value) == text(&taint.value),
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn allowed(wishes: &Value, taints: &Value) -> bool {
        let wishes: Wishes = serde_json::from_value(wishes.clone()).unwrap();
        let taints: Vec<Taint> = serde_json::from_value(taints.clone()).unwrap();
        let labels =
            [("pool", "gpu"), ("size", "8")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        wishes.allow(Place {
            name: "n1",
            labels: &labels.into(),
            taints: &taints,
        })
    }

    #[test]
    fn selectors_and_required_affinity() {
        let term = |term: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}});
        let asks = |key: &str, operator: &str, values: Value| {
            term(
                json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}),
            )
        };
        for (wishes, expected) in [
            (json!({}), true),
            (
                json!({"nodeSelector": null, "affinity": null, "tolerations": null}),
                true,
            ),
            (json!({"nodeSelector": {"pool": "gpu"}}), true),
            (json!({"nodeSelector": {"pool": "cpu"}}), false),
            (json!({"nodeSelector": {"other": ""}}), false),
            (asks("pool", "In", json!(["cpu", "gpu"])), true),
            (asks("pool", "NotIn", json!(["gpu"])), false),
            (asks("other", "NotIn", json!(["gpu"])), true),
            (asks("other", "DoesNotExist", json!(null)), true),
            (asks("size", "Gt", json!(["7"])), true),
            (asks("size", "Lt", json!(["8"])), false),
            (asks("pool", "Gt", json!(["7"])), false),
            (term(json!({})), false),
            (
                term(
                    json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}),
                ),
                true,
            ),
            (
                term(
                    json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}),
                ),
                false,
            ),
        ] {
            assert_eq!(allowed(&wishes, &json!([])), expected, "{wishes}");
        }
    }

    #[test]
    fn taints_keep_off_whom_does_not_tolerate_them() {
        let taint = json!([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]);
        for (toleration, expected) in [
            (json!({}), false),
            (json!({"operator": "Exists"}), true),
            (json!({"key": "gpu", "operator": "Exists"}), true),
            (
                json!({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}),
                false,
            ),
            (json!({"key": "gpu", "value": "yes"}), true),
            (
                json!({"key": "gpu", "operator": "Equal", "value": "no"}),
                false,
            ),
            (json!({"key": "other", "operator": "Exists"}), false),
        ] {
            assert_eq!(
                allowed(&json!({"tolerations": [toleration]}), &taint),
                expected,
                "{toleration}"
            );
        }
        assert!(allowed(
            &json!({}),
            &json!([{"key": "x", "effect": "PreferNoSchedule"}])
        ));
    }
}
