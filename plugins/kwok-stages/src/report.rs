//! `stage test`: what an object's stages would do, in the form of KWOK's own test suite.

use serde_json::{Map, Value as Json, json};
use stagewright_go_template::time::Instant;
use stagewright_go_template::yaml;

use crate::compile::compile;
use crate::compiled::{Form, Stage, Stages};
use crate::functions::find_stubbed;
use crate::lifecycle::{Due, Moment, View, Weighed};
use crate::play::{Action, play};
use crate::settings;
use crate::stage::Problem;
use crate::world::Stubs;

/// The moment of KWOK's test suite: 2006-01-02T15:04:05Z.
pub const MOMENT: Instant = Instant(1_136_214_245_000_000_000);

/// Prints what the stages would do with an object, as KWOK's test suite prints it.
///
/// # Errors
/// What is wrong with the object or with a stage, with its place.
pub fn report(object: &Json, stages: &[Json]) -> Result<String, String> {
    let stages = stubbed(stages)?;
    if let Some(Problem { path, message }) = stages.problems.first() {
        return Err(format!("{path}: {message}"));
    }
    Ok(yaml::text(&tree(object, &stages)?))
}

/// Compiles stages with stubs for what asks the world, and without the types of pods and nodes, since test objects have none.
///
/// # Errors
/// Only if the libraries are broken; bad stages are left out and told in `problems`.
pub fn stubbed(stages: &[Json]) -> Result<Stages, String> {
    compile(
        settings::specs(stages, ""),
        &|_, name| find_stubbed(name),
        false,
    )
}

/// The same as a tree.
///
/// # Errors
/// If a stage that matches cannot be played.
pub fn tree(object: &Json, stages: &Stages) -> Result<Json, String> {
    let moment = Moment {
        began: MOMENT,
        now: MOMENT,
        chance: 0.0,
    };
    let view = View::new(stages, object, moment);
    let (matching, failed) = view.matching();
    if let Some((name, message)) = failed.first() {
        return Err(format!("stage {name}: {message}"));
    }
    let mut entries = Vec::new();
    for (stage, _) in view.possible(matching) {
        entries.push(
            entry(&view, stage, object)
                .map_err(|error| format!("stage {}: {error}", stage.name))?,
        );
    }
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Json::as_str)
            .unwrap_or_default()
    };
    let mut root = json!({
        "apiGroup": text("/apiVersion"), "kind": text("/kind"), "name": text("/metadata/name"), "stages": entries,
    });
    add(
        &mut root,
        [("namespace", Some(text("/metadata/namespace"))), ("", None)],
    );
    Ok(root)
}

fn entry(view: &View<'_>, stage: &Stage, object: &Json) -> Result<Json, String> {
    let mut entry = Map::new();
    entry.insert("stage".to_owned(), stage.name.as_str().into());
    let nanos = |time: Instant| i64::try_from(time.0 - MOMENT.0).unwrap_or(i64::MAX);
    match view.due(stage)? {
        Due::AtOnce => {}
        Due::At(time) => drop(entry.insert("delay".to_owned(), json!([nanos(time)]))),
        Due::Between(range) => {
            let delay = json!([nanos(range.start), nanos(range.end)]);
            entry.insert("delay".to_owned(), delay);
        }
    }
    if let Weighed::Known(weight) = view.weight(stage) {
        entry.insert("weight".to_owned(), weight.into());
    }
    let done = play(stage, object, &Stubs { now: MOMENT })?;
    entry.insert("next".to_owned(), actions(stage, &done));
    Ok(Json::Object(entry))
}

/// What a stage does, as KWOK's test suite writes it.
#[must_use]
pub fn actions(stage: &Stage, actions: &[Action]) -> Json {
    let mut next: Vec<Json> = actions.iter().map(action).collect();
    if stage.immediate {
        next.push(json!({"kind": "immediate"}));
    }
    next.into()
}

fn action(action: &Action) -> Json {
    match action {
        Action::Event {
            kind,
            reason,
            message,
        } => {
            json!({"kind": "event", "type": kind, "reason": reason, "message": message})
        }
        Action::Finalizers { operations, .. } => {
            json!({"kind": "patch", "type": Form::Json.media_type(), "data": operations})
        }
        Action::Delete => json!({"kind": "delete"}),
        Action::Patch {
            form,
            subresource,
            body,
            user,
        } => {
            let mut entry = json!({"kind": "patch", "type": form.media_type(), "data": data(body)});
            let more = [
                ("subresource", Some(subresource.as_str())),
                ("impersonation", user.as_deref()),
            ];
            add(&mut entry, more);
            entry
        }
        Action::Apply {
            form,
            subresource,
            body,
        } => {
            let mut entry = json!({"kind": "apply", "type": form.media_type(), "data": data(body)});
            add(
                &mut entry,
                [("subresource", Some(subresource.as_str())), ("", None)],
            );
            entry
        }
    }
}

/// A body as a tree. It was written here, so that it can be read.
fn data(body: &str) -> Json {
    serde_json::from_str(body).unwrap_or_default()
}

fn add(entry: &mut Json, more: [(&str, Option<&str>); 2]) {
    let Some(entry) = entry.as_object_mut() else {
        return;
    };
    for (key, value) in more {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            entry.insert(key.to_owned(), value.into());
        }
    }
}

impl Form {
    /// As the API server is told.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}
