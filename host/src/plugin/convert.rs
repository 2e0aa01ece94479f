//! The interface's types to and from the host's own, and what an answer must satisfy to mean anything.

use std::collections::BTreeSet;

use serde_json::Value;
use stagewright_core::interface::{
    Answer, ApplyEffect, Context, Effect, EventEffect, Form, PatchEffect, Reference, Severity,
};
use stagewright_core::time::Time;

use super::bindings::exports::stagewright::stage::plugin as wit;

/// What is kept of a text that people read.
const NOTE: usize = 1024;

/// The context as the guest gets it.
pub(super) fn context(context: &Context) -> wit::Context {
    let [a, b, c, d] = context.entropy;
    wit::Context {
        now: context.now.to_seconds(),
        now_ms: milliseconds(context.now),
        since_ms: milliseconds(context.since),
        changed_ms: milliseconds(context.changed),
        entropy: (a, b, c, d),
        related: context.related.clone(),
        facts: context.facts.clone(),
    }
}

/// Exact for 285,000 years to either side.
#[allow(
    clippy::cast_precision_loss,
    reason = "times of this age are whole numbers below 2^53"
)]
fn milliseconds(time: Time) -> f64 {
    time.0 as f64
}

/// A time as a guest says it. Rounded up, so that nothing happens before it; beyond the range of [`Time`] its end is meant.
fn time(name: &str, milliseconds: f64) -> Result<Time, String> {
    if !milliseconds.is_finite() {
        return Err(format!(
            "{name} is {milliseconds}; a time is a finite number of milliseconds since 1970"
        ));
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a float outside the range becomes its end, which is what is meant"
    )]
    Ok(Time(milliseconds.ceil() as i64))
}

/// At most a kibibyte of a text, cut between characters.
pub(super) fn note(mut text: String) -> String {
    if text.len() > NOTE {
        text.truncate(text.floor_char_boundary(NOTE));
        text.push('…');
    }
    text
}

/// What `decide` answered.
pub(super) fn answer(answer: wit::Answer, stages: &BTreeSet<String>) -> Result<Answer, String> {
    Ok(match answer {
        wit::Answer::Pass => Answer::Pass,
        wit::Answer::PassUntil(until) => Answer::PassUntil {
            until: time("pass-until", until)?,
        },
        wit::Answer::Idle(text) => Answer::Idle { note: note(text) },
        wit::Answer::Stage(next) if stages.contains(&next.stage) => Answer::Stage {
            due: time("due-ms", next.due_ms)?,
            stage: next.stage,
        },
        wit::Answer::Stage(next) => {
            let known = stages
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            return Err(format!(
                "stage {:?} is not in its description, which declares: {known}",
                note(next.stage)
            ));
        }
        wit::Answer::Invalid(text) => Answer::Invalid {
            message: note(text),
        },
    })
}

/// What `play` answered, in its order. The message of an error names the effect by its place.
pub(super) fn effects(effects: Vec<wit::Effect>) -> Result<Vec<Effect>, String> {
    effects
        .into_iter()
        .enumerate()
        .map(|(index, item)| effect(item).map_err(|message| format!("effect {index}: {message}")))
        .collect()
}

fn effect(effect: wit::Effect) -> Result<Effect, String> {
    Ok(match effect {
        wit::Effect::Patch(patch) => Effect::Patch(PatchEffect {
            form: match patch.form {
                wit::Form::Merge => Form::Merge,
                wit::Form::Json => Form::Json,
                wit::Form::Strategic => Form::Strategic,
                wit::Form::Replace => Form::Replace,
            },
            subresource: patch.subresource,
            body: json("body", &patch.body)?,
            as_user: patch.as_user,
        }),
        wit::Effect::Apply(apply) => Effect::Apply(ApplyEffect {
            object: json("object", &apply.object)?,
            subresource: apply.subresource,
            owned: apply.owned,
        }),
        wit::Effect::Remove(reference) => Effect::Remove(Reference {
            api_version: reference.api_version,
            kind: reference.kind,
            namespace: reference.namespace,
            name: reference.name,
        }),
        wit::Effect::Event(event) => Effect::Event(EventEffect {
            severity: match event.severity {
                wit::Severity::Normal => Severity::Normal,
                wit::Severity::Warning => Severity::Warning,
            },
            reason: event.reason,
            message: note(event.message),
        }),
        wit::Effect::Delete(grace) => Effect::Delete { grace },
        wit::Effect::Extension(extension) => Effect::Extension {
            name: note(extension.name),
        },
    })
}

fn json(field: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{field} is not JSON: {error}"))
}

/// Bytes of all texts of an answer.
pub(super) fn answer_bytes(answer: &wit::Answer) -> usize {
    match answer {
        wit::Answer::Pass | wit::Answer::PassUntil(_) => 0,
        wit::Answer::Idle(text) | wit::Answer::Invalid(text) => text.len(),
        wit::Answer::Stage(next) => next.stage.len(),
    }
}

/// Bytes of all texts of a play.
pub(super) fn effects_bytes(effects: &[wit::Effect]) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    effects
        .iter()
        .map(|effect| match effect {
            wit::Effect::Patch(patch) => {
                patch.body.len() + optional(&patch.subresource) + optional(&patch.as_user)
            }
            wit::Effect::Apply(apply) => apply.object.len() + optional(&apply.subresource),
            wit::Effect::Remove(reference) => {
                reference.api_version.len()
                    + reference.kind.len()
                    + reference.name.len()
                    + optional(&reference.namespace)
            }
            wit::Effect::Event(event) => event.reason.len() + event.message.len(),
            wit::Effect::Delete(_) => 0,
            wit::Effect::Extension(extension) => extension.name.len() + extension.body.len(),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_finite_rounded_up_and_clamped() {
        assert_eq!(time("t", 1.2), Ok(Time(2)));
        assert_eq!(time("t", -0.5), Ok(Time(0)));
        assert_eq!(time("t", 1e300), Ok(Time(i64::MAX)));
        assert_eq!(time("t", -1e300), Ok(Time(i64::MIN)));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(time("t", bad).is_err());
        }
    }

    #[test]
    fn long_notes_are_cut_between_characters() {
        assert_eq!(note("short".to_owned()), "short");
        let cut = note("ä".repeat(600) + "x");
        assert_eq!(cut.chars().count(), 513);
    }

    #[test]
    fn an_undeclared_stage_is_named() {
        let next = wit::Next {
            stage: "nope".to_owned(),
            due_ms: 0.0,
        };
        let error = answer(
            wit::Answer::Stage(next),
            &BTreeSet::from(["run".to_owned()]),
        )
        .unwrap_err();
        assert!(
            error.contains("\"nope\"") && error.contains("run"),
            "{error}"
        );
    }

    #[test]
    fn a_body_that_is_not_json_names_its_effect() {
        let patch = wit::Patch {
            form: wit::Form::Merge,
            subresource: None,
            body: "{not json".to_owned(),
            as_user: None,
        };
        let error =
            effects(vec![wit::Effect::Delete(None), wit::Effect::Patch(patch)]).unwrap_err();
        assert!(error.starts_with("effect 1: body is not JSON"), "{error}");
    }
}
