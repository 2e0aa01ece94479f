//! Between the generated bindings and the SDK's types. For [`crate::export!`], not for authors.

#[cfg(target_family = "wasm")]
pub use talc::wasm as talc;

use std::cell::RefCell;

use crate::bindings::exports::stagewright::stage::plugin as wit;
use crate::{Answer, Context, Effect, Json, Object, Plugin, Settings, Time};

/// The plugin that `configure` made, for the calls that follow on the same instance.
pub struct Configured<P>(RefCell<Option<P>>);

impl<P: Plugin> Default for Configured<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> Configured<P> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }
}

impl<P: Plugin> Configured<P> {
    /// `configure` of the interface.
    ///
    /// # Errors
    /// The plugin's.
    pub fn configure(&self, settings: String) -> Result<String, String> {
        let settings = Settings::new(settings);
        let configured = P::configure(&settings);
        let (plugin, description) = sound(&settings, "settings", configured)?;
        *self.0.borrow_mut() = Some(plugin);
        description.into_text()
    }

    /// `decide` of the interface.
    ///
    /// # Errors
    /// The plugin's, or if object or context are no JSON.
    pub fn decide(&self, object: String, ctx: wit::Context) -> Result<wit::Answer, String> {
        self.ask(object, ctx, P::decide).map(answer)
    }

    /// `play` of the interface.
    ///
    /// # Errors
    /// The plugin's, or if object or context are no JSON, or an effect's body cannot be written.
    pub fn play(
        &self,
        stage: &str,
        object: String,
        ctx: wit::Context,
    ) -> Result<Vec<wit::Effect>, String> {
        let effects = self.ask(object, ctx, |plugin, object, ctx| {
            plugin.play(stage, object, ctx)
        })?;
        let effects = effects.into_iter().enumerate();
        effects
            .map(|(index, item)| effect(item).map_err(|error| format!("effect {index}: {error}")))
            .collect()
    }

    fn ask<T>(
        &self,
        object: String,
        ctx: wit::Context,
        call: impl FnOnce(&P, &Object, &Context) -> Result<T, String>,
    ) -> Result<T, String> {
        let plugin = self.0.borrow();
        let plugin = plugin.as_ref().ok_or("configure was not called")?;
        let (object, ctx) = (Object::new(object), context(ctx));
        let answer = call(plugin, &object, &ctx);
        let answer = sound(&object, "the object", answer);
        let answer = sound(&ctx.related, "the related objects", answer);
        sound(&ctx.facts, "the facts", answer)
    }
}

/// An answer made of what is no JSON is no answer.
fn sound<T>(json: &Json, name: &str, answer: Result<T, String>) -> Result<T, String> {
    match json.problem() {
        Some(problem) => Err(format!("{name}: no JSON: {problem}")),
        None => answer,
    }
}

pub(crate) fn context(ctx: wit::Context) -> Context {
    let (a, b, c, d) = ctx.entropy;
    Context {
        now: Time::from_f64(ctx.now_ms),
        since: Time::from_f64(ctx.since_ms),
        changed: Time::from_f64(ctx.changed_ms),
        entropy: [a, b, c, d],
        related: Json::new(ctx.related),
        facts: Json::new(ctx.facts),
    }
}

fn answer(answer: Answer) -> wit::Answer {
    match answer {
        Answer::Pass => wit::Answer::Pass,
        Answer::PassUntil(until) => wit::Answer::PassUntil(until.to_f64()),
        Answer::Idle(note) => wit::Answer::Idle(note),
        Answer::Stage { stage, due } => wit::Answer::Stage(wit::Next {
            stage,
            due_ms: due.to_f64(),
        }),
        Answer::Invalid(message) => wit::Answer::Invalid(message),
    }
}

fn effect(effect: Effect) -> Result<wit::Effect, String> {
    Ok(match effect {
        Effect::Patch(patch) => wit::Effect::Patch(wit::Patch {
            form: patch.form,
            subresource: patch.subresource,
            body: patch.body?,
            as_user: patch.as_user,
        }),
        Effect::Apply(apply) => wit::Effect::Apply(wit::Apply {
            object: apply.object?,
            subresource: apply.subresource,
            owned: apply.owned,
        }),
        Effect::Remove(reference) => wit::Effect::Remove(wit::Reference {
            api_version: reference.api_version,
            kind: reference.kind,
            namespace: reference.namespace,
            name: reference.name,
        }),
        Effect::Event(event) => wit::Effect::Event(wit::Event {
            severity: if event.warning {
                wit::Severity::Warning
            } else {
                wit::Severity::Normal
            },
            reason: event.reason,
            message: event.message,
        }),
        Effect::Delete(grace) => wit::Effect::Delete(grace),
        Effect::Extension { name, body } => wit::Effect::Extension(wit::Extension { name, body }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Description, Patch, Value};

    /// Looks at nothing it is not told to, and believes what it sees.
    struct Careless;

    impl Plugin for Careless {
        fn configure(_: &Settings) -> Result<(Self, Description), String> {
            Ok((Self, Description::from_static("{}")))
        }

        fn decide(&self, object: &Object, _: &Context) -> Result<Answer, String> {
            Ok(Answer::idle(object.text_at("/a").unwrap_or("none")))
        }

        fn play(&self, _: &str, _: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
            let odd = std::collections::BTreeMap::from([(vec![1], Value::Null)]);
            let _ = ctx.fact::<Value>("addresses");
            Ok(vec![Effect::delete(0), Patch::status(odd).into()])
        }
    }

    fn ctx(facts: &str) -> wit::Context {
        wit::Context {
            now: String::new(),
            now_ms: 2.0,
            since_ms: 1.0,
            changed_ms: 1.0,
            entropy: (0, 0, 0, 0),
            related: "{}".to_owned(),
            facts: facts.to_owned(),
        }
    }

    #[test]
    fn garbage_is_an_error_whatever_the_author_made_of_it() {
        let configured = Configured::<Careless>::new();
        let error = configured.decide("{}".to_owned(), ctx("{}")).unwrap_err();
        assert_eq!(error, "configure was not called");
        configured.configure("{}".to_owned()).unwrap();
        assert!(configured.decide("{}".to_owned(), ctx("{}")).is_ok());
        let error = configured
            .decide("{not json".to_owned(), ctx("{}"))
            .unwrap_err();
        assert!(error.starts_with("the object: no JSON"), "{error}");
        let error = configured
            .play("a", "{}".to_owned(), ctx("nor this"))
            .unwrap_err();
        assert!(error.starts_with("the facts: no JSON"), "{error}");
    }

    #[test]
    fn a_body_that_cannot_be_written_names_its_effect() {
        let configured = Configured::<Careless>::new();
        configured.configure("{}".to_owned()).unwrap();
        let error = configured
            .play("a", "{}".to_owned(), ctx("{}"))
            .unwrap_err();
        assert!(error.starts_with("effect 1: "), "{error}");
    }
}
