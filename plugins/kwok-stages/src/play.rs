//! What a stage does, as KWOK would send it. From the same actions come the plugin's effects and the report of the test tool.

use serde_json::{Value as Json, json};
use stagewright_go_template::{Surroundings, Template, yaml};

use crate::compiled::{Form, Stage, Step};
use crate::stage::{Event, Finalizers};

/// One thing that is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// An Event.
    Event {
        /// `Normal` or `Warning`.
        kind: String,
        /// One word.
        reason: String,
        /// A sentence.
        message: String,
    },
    /// The object's finalizers become these.
    Finalizers {
        /// All of them.
        list: Vec<String>,
        /// As KWOK would send it.
        operations: Json,
    },
    /// The object goes.
    Delete,
    /// The object changes.
    Patch {
        /// How the body is meant.
        form: Form,
        /// `status`, or nothing.
        subresource: String,
        /// What is sent, as text of JSON.
        body: String,
        /// As another user.
        user: Option<String>,
    },
    /// Another object is created or changed.
    Apply {
        /// How the body is meant, if it exists.
        form: Form,
        /// `status`, or nothing.
        subresource: String,
        /// The object, as text of JSON.
        body: String,
    },
}

/// Renders all that a stage does, over one object.
///
/// # Errors
/// If a template fails, or renders what is no YAML, or the YAML is of another shape.
pub fn play(
    stage: &Stage,
    object: &Json,
    around: &dyn Surroundings,
) -> Result<Vec<Action>, String> {
    let mut actions = Vec::new();
    for (index, step) in stage.steps.iter().enumerate() {
        let action = match step {
            Step::Event(event) => Some(event_action(event)),
            Step::Finalizers(change) => finalizers(object, change),
            Step::Delete => Some(Action::Delete),
            Step::Patch {
                patch,
                form,
                template,
            } => {
                let body = render(template, object, around)
                    .map_err(|error| format!("step {index}: patch: {error}"))?;
                let body = rooted(body, &patch.root, *form)
                    .map_err(|error| format!("step {index}: patch: {error}"))?;
                let user = patch
                    .impersonation
                    .as_ref()
                    .map(|impersonation| impersonation.username.clone());
                Some(Action::Patch {
                    form: *form,
                    subresource: patch.subresource.clone(),
                    body,
                    user,
                })
            }
            Step::Apply {
                apply,
                form,
                template,
                ..
            } => {
                let body = render(template, object, around)
                    .map_err(|error| format!("step {index}: apply: {error}"))?;
                Some(Action::Apply {
                    form: *form,
                    subresource: apply.subresource.clone(),
                    body,
                })
            }
        };
        actions.extend(action);
    }
    Ok(actions)
}

/// A template's text as text of JSON.
///
/// # Errors
/// If the template fails, or its text is no YAML.
pub fn render(
    template: &Template,
    object: &Json,
    around: &dyn Surroundings,
) -> Result<String, String> {
    let text = template
        .render(object, around)
        .map_err(|error| error.to_string())?;
    yaml::json(&text)
}

fn event_action(event: &Event) -> Action {
    Action::Event {
        kind: event.kind.clone(),
        reason: event.reason.clone(),
        message: event.message.clone(),
    }
}

/// Puts what was rendered beneath its root.
fn rooted(body: String, root: &str, form: Form) -> Result<String, String> {
    if root.is_empty() {
        return Ok(body);
    }
    if form != Form::Json {
        return Ok(format!("{{{}:{body}}}", Json::from(root)));
    }
    let operations = match serde_json::from_str(&body).map_err(|error| error.to_string())? {
        Json::Array(operations) => operations,
        Json::Null => return Ok(body),
        _ => return Err("a JSON patch is a list of operations".to_owned()),
    };
    let operations = operations.into_iter().map(|operation| {
        let Json::Object(mut operation) = operation else {
            return Err("an operation of a JSON patch is an object".to_owned());
        };
        operation.retain(|key, _| matches!(key.as_str(), "op" | "path" | "value" | "from"));
        let path = operation
            .get("path")
            .and_then(Json::as_str)
            .unwrap_or_default();
        let path = format!("/{root}{path}");
        operation.insert("path".to_owned(), path.into());
        operation.entry("op").or_insert_with(|| "".into());
        Ok(Json::Object(operation))
    });
    let operations = operations.collect::<Result<_, String>>()?;
    Ok(Json::Array(operations).to_string())
}

/// The finalizers of an object.
fn present(object: &Json) -> Vec<String> {
    let list = object
        .pointer("/metadata/finalizers")
        .and_then(Json::as_array);
    let names = list.into_iter().flatten().filter_map(Json::as_str);
    names.map(str::to_owned).collect()
}

/// What becomes of the finalizers, and the operations that KWOK makes of it. Nothing if nothing changes.
fn finalizers(object: &Json, change: &Finalizers) -> Option<Action> {
    let before = present(object);
    let named = |list: &[crate::stage::Finalizer]| -> Vec<String> {
        list.iter().map(|item| item.value.clone()).collect()
    };
    let (added, removed) = (named(&change.add), named(&change.remove));
    let mut operations = Vec::new();
    let mut list = before.clone();
    let mut emptied = change.empty;
    if !emptied && !removed.is_empty() {
        list.retain(|name| !removed.contains(name));
        emptied = list.is_empty();
        if !emptied {
            let places = before
                .iter()
                .enumerate()
                .rev()
                .filter(|(_, name)| removed.contains(name));
            operations.extend(places.map(
                |(at, _)| json!({"op": "remove", "path": format!("/metadata/finalizers/{at}")}),
            ));
        }
    }
    if emptied {
        if !before.is_empty() {
            operations.push(json!({"op": "remove", "path": "/metadata/finalizers"}));
        }
        list = Vec::new();
    }
    if !added.is_empty() {
        // KWOK looks at what was there, not at what is left.
        if emptied || before.is_empty() {
            operations.push(json!({"op": "add", "path": "/metadata/finalizers", "value": added}));
        } else {
            let new = added.iter().filter(|name| !before.contains(name));
            operations.extend(
                new.map(
                    |name| json!({"op": "add", "path": "/metadata/finalizers/-", "value": name}),
                ),
            );
        }
        for name in added {
            if !list.contains(&name) {
                list.push(name);
            }
        }
    }
    (!operations.is_empty()).then_some(Action::Finalizers {
        list,
        operations: Json::Array(operations),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Finalizer;

    #[test]
    fn finalizers_come_and_go() {
        let item = |name: &str| Finalizer {
            value: name.to_owned(),
        };
        for (before, add, remove, empty, after, count) in [
            (vec![], vec!["a"], vec![], false, Some(vec!["a"]), 1),
            (
                vec!["a"],
                vec!["a", "b"],
                vec![],
                false,
                Some(vec!["a", "b"]),
                1,
            ),
            (vec!["a"], vec!["a"], vec![], false, None, 0),
            (
                vec!["a", "b", "c"],
                vec![],
                vec!["a", "c"],
                false,
                Some(vec!["b"]),
                2,
            ),
            (vec!["a"], vec![], vec!["a"], false, Some(vec![]), 1),
            (vec!["a"], vec!["b"], vec!["a"], false, Some(vec!["b"]), 2),
            (vec!["a"], vec!["b"], vec![], true, Some(vec!["b"]), 2),
            (vec![], vec![], vec!["a"], false, None, 0),
            (vec![], vec![], vec![], true, None, 0),
        ] {
            let object = json!({"metadata": {"finalizers": before}});
            let change = Finalizers {
                add: add.into_iter().map(item).collect(),
                remove: remove.into_iter().map(item).collect(),
                empty,
            };
            match finalizers(&object, &change) {
                Some(Action::Finalizers { list, operations }) => {
                    assert_eq!(
                        Some(list),
                        after.map(|names| names.into_iter().map(str::to_owned).collect())
                    );
                    assert_eq!(operations.as_array().map(Vec::len), Some(count));
                }
                other => assert_eq!((other, after), (None, None)),
            }
        }
    }

    #[test]
    fn a_root_goes_around_what_is_rendered() {
        let rooted = |body: Json, root, form| {
            let body = super::rooted(body.to_string(), root, form)?;
            serde_json::from_str::<Json>(&body).map_err(|error| error.to_string())
        };
        let merged = rooted(json!({"a": 1}), "status", Form::Merge);
        assert_eq!(merged, Ok(json!({"status": {"a": 1}})));
        let operations = rooted(
            json!([{"op": "add", "path": "/x", "value": 1, "more": 2}]),
            "spec",
            Form::Json,
        );
        assert_eq!(
            operations,
            Ok(json!([{"op": "add", "path": "/spec/x", "value": 1}]))
        );
        assert!(rooted(json!({}), "spec", Form::Json).is_err());
    }
}
