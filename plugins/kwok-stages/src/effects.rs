//! From what KWOK would send to what the host is asked for.

use serde_json::{Value, json};
use stagewright_plugin::{Apply, Effect, Event, Json, Patch};

use crate::compiled::Form;
use crate::play::Action;

/// Where what ends the object stands.
const LAST: u8 = 4;

/// Where an effect stands among others. The host wants what changes the next answer last, so that a play cut short is repeated whole.
/// All templates are rendered over the same object, so that the order of what they say does not matter.
fn place(action: &Action) -> u8 {
    match action {
        Action::Event { .. } => 0,
        Action::Apply { .. } => 1,
        Action::Patch { subresource, .. } if subresource == "status" => 3,
        Action::Patch { .. } | Action::Finalizers { .. } => 2,
        Action::Delete => LAST,
    }
}

/// The effects, in the host's order.
pub fn effects(mut actions: Vec<Action>) -> Vec<Effect> {
    let mut effects = Vec::with_capacity(actions.len());
    for at in 0..=LAST {
        let now = actions.extract_if(.., |action| place(action) == at);
        effects.extend(now.filter_map(effect));
    }
    effects
}

fn effect(action: Action) -> Option<Effect> {
    Some(match action {
        Action::Event {
            kind,
            reason,
            message,
        } => match kind.as_str() {
            "Warning" => Event::warning(reason, message).into(),
            _ => Event::normal(reason, message).into(),
        },
        // The whole list: the host sends it only for the version that it was reckoned from.
        Action::Finalizers { list, .. } => {
            let list = if list.is_empty() {
                Value::Null
            } else {
                json!(list)
            };
            Patch::merge(json!({"metadata": {"finalizers": list}})).into()
        }
        Action::Delete => Effect::delete(0),
        // A template that rendered nothing changes nothing.
        Action::Patch { body, .. } if body == "null" => return None,
        Action::Patch {
            form,
            subresource,
            body,
            user,
        } => {
            let body = Json::new(body);
            let mut patch = match form {
                Form::Json => Patch::json(body),
                Form::Strategic => Patch::strategic(body),
                Form::Merge | Form::Apply => Patch::merge(body),
            };
            if !subresource.is_empty() {
                patch = patch.on(subresource);
            }
            if let Some(user) = user {
                patch = patch.as_user(user);
            }
            patch.into()
        }
        Action::Apply {
            subresource, body, ..
        } => {
            let apply = Apply::free(Json::new(body));
            match subresource.as_str() {
                "" => apply.into(),
                _ => apply.on(subresource).into(),
            }
        }
    })
}
