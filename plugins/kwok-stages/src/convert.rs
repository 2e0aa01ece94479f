//! `stage convert`: the old spelling becomes the new one, and means the same.

use serde_json::{Map, Value as Json, json};
use stagewright_go_template::yaml;

use crate::stage::{self, Problem};

/// A stage as YAML, with `steps` in place of `next`, and `jq` in place of `key` and `expressionFrom`.
///
/// # Errors
/// If it is no stage.
pub fn convert(stage: &Json) -> Result<String, Problem> {
    tree(stage).map(|tree| yaml::text(&tree))
}

/// The same as a tree. What nobody reads stays where it is.
///
/// # Errors
/// If it is no stage.
pub fn tree(stage: &Json) -> Result<Json, Problem> {
    stage::parse(stage, "")?;
    let mut stage = stage.clone();
    let Some(body) = stage.get_mut("spec").and_then(Json::as_object_mut) else {
        return Ok(stage);
    };
    let next = body.remove("next").unwrap_or_default();
    let has_steps = |steps: &Json| steps.as_array().is_some_and(|steps| !steps.is_empty());
    if !body.get("steps").is_some_and(has_steps) {
        let steps = steps(&next);
        if !steps.is_empty() {
            body.insert("steps".to_owned(), steps.into());
        }
    }
    for pointer in [
        "/weightFrom",
        "/delay/durationFrom",
        "/delay/jitterDurationFrom",
    ] {
        let from = pointer
            .split('/')
            .skip(1)
            .try_fold(&mut *body, |at, key| at.get_mut(key)?.as_object_mut());
        from.into_iter().for_each(modern_from);
    }
    let expressions = body
        .get_mut("selector")
        .and_then(|selector| selector.get_mut("matchExpressions"));
    for expression in expressions
        .and_then(Json::as_array_mut)
        .into_iter()
        .flatten()
    {
        expression
            .as_object_mut()
            .into_iter()
            .for_each(modern_expression);
    }
    Ok(stage)
}

/// The steps of the old spelling, in KWOK's order.
fn steps(next: &Json) -> Vec<Json> {
    let given = |key: &str| next.get(key).filter(|value| !value.is_null());
    let mut steps = Vec::new();
    for key in ["event", "finalizers"] {
        steps.extend(given(key).map(|value| json!({ key: value })));
    }
    let patches = given("patches").and_then(Json::as_array);
    let patches = patches.into_iter().flatten();
    let before = steps.len();
    steps.extend(patches.map(|patch| json!({ "patch": patch })));
    let template = given("statusTemplate").filter(|template| template.as_str() != Some(""));
    if let Some(template) = template.filter(|_| steps.len() == before) {
        let subresource = given("statusSubresource").cloned();
        let mut patch = json!({"root": "status", "template": template});
        if let Some(patch) = patch.as_object_mut() {
            let subresource = subresource.unwrap_or_else(|| "status".into());
            patch.insert("subresource".to_owned(), subresource);
            if let Some(user) = given("statusPatchAs") {
                patch.insert("impersonation".to_owned(), user.clone());
            }
        }
        steps.push(json!({ "patch": patch }));
    }
    if given("delete") == Some(&Json::Bool(true)) {
        steps.push(json!({"delete": true}));
    }
    steps
}

fn modern_from(from: &mut Map<String, Json>) {
    if let Some(expression) = from.remove("expressionFrom")
        && !from.contains_key("jq")
    {
        from.insert("jq".to_owned(), json!({"expression": expression}));
    }
}

fn modern_expression(expression: &mut Map<String, Json>) {
    let Some(key) = expression.remove("key") else {
        return;
    };
    let mut requirement = Map::new();
    requirement.insert("key".to_owned(), key);
    for name in ["operator", "values"] {
        if let Some(value) = expression.remove(name) {
            requirement.insert(name.to_owned(), value);
        }
    }
    expression.entry("jq").or_insert(Json::Object(requirement));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_becomes_new_and_new_stays() {
        let old = json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": "a"}, "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchExpressions": [{"key": ".a", "operator": "In", "values": ["x"]}, {"cel": {"expression": "true"}}]},
            "weightFrom": {"expressionFrom": ".w"}, "delay": {"durationMilliseconds": 1, "durationFrom": {"expressionFrom": ".d"}},
            "next": {"event": {"type": "Normal", "reason": "R", "message": "m"}, "finalizers": {"empty": true}, "statusTemplate": "a: 1", "delete": true}}});
        let new = tree(&old).unwrap();
        let spec = new.get("spec").unwrap();
        assert_eq!(
            spec["selector"]["matchExpressions"][0],
            json!({"jq": {"key": ".a", "operator": "In", "values": ["x"]}})
        );
        assert_eq!(spec["weightFrom"], json!({"jq": {"expression": ".w"}}));
        assert_eq!(
            spec["delay"]["durationFrom"],
            json!({"jq": {"expression": ".d"}})
        );
        assert_eq!(
            spec["steps"],
            json!([{"event": {"type": "Normal", "reason": "R", "message": "m"}}, {"finalizers": {"empty": true}},
                {"patch": {"subresource": "status", "root": "status", "template": "a: 1"}}, {"delete": true}])
        );
        assert!(spec.get("next").is_none());
        assert_eq!(tree(&new).unwrap(), new);
    }
}
