//! A plugin that patches what its settings say: the status of a kind's objects, until the value at a pointer is the one asked for.
//!
//! ```json
//! {"kind": "example.com/v1/Gauge", "selector": "a=b", "pointer": "/status/phase", "value": "Loud",
//!  "patch": {"phase": "Loud"}, "counter": "level"}
//! ```
//! With `counter`, each play adds one to the number in that field of the status.

use stagewright_plugin::{
    Answer, Context, Description, Effect, Object, Patch, Plugin, Settings, Subject, Value, json,
};

struct Scribe {
    settings: Value,
}

impl Plugin for Scribe {
    fn configure(settings: &Settings) -> Result<(Self, Description), String> {
        let scribe = Self {
            settings: settings.parse()?,
        };
        let subject = Subject::new(scribe.text("kind")?)
            .selector(scribe.text("selector")?)
            .reads(["/status", "/metadata/labels"])
            .writes(["/status"]);
        let description = Description::new("scribe", "1.0.0")
            .stages(["write"])
            .subject(subject);
        Ok((scribe, description))
    }

    fn decide(&self, object: &Object, ctx: &Context) -> Result<Answer, String> {
        if object.at(self.text("pointer")?) == self.settings.get("value") {
            return Ok(Answer::idle("written"));
        }
        Ok(Answer::stage("write", ctx.since))
    }

    fn play(&self, _stage: &str, object: &Object, _: &Context) -> Result<Vec<Effect>, String> {
        let mut status = self
            .settings
            .get("patch")
            .cloned()
            .ok_or("no patch in the settings")?;
        if let (Ok(counter), Some(status)) = (self.text("counter"), status.as_object_mut()) {
            let count = object
                .at(&format!("/status/{counter}"))
                .and_then(Value::as_u64)
                .unwrap_or_default();
            status.insert(counter.to_owned(), json!(count + 1));
        }
        Ok(vec![Patch::status(status).into()])
    }
}

stagewright_plugin::export!(Scribe);

impl Scribe {
    fn text(&self, key: &str) -> Result<&str, String> {
        self.settings
            .get(key)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("no {key} in the settings"))
    }
}
