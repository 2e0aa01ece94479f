//! A plugin that patches what its settings say: the status of a kind's objects, until the value at a pointer is the one asked for.
//!
//! ```json
//! {"kind": "example.com/v1/Gauge", "selector": "a=b", "pointer": "/status/phase", "value": "Loud",
//!  "patch": {"status": {"phase": "Loud"}}, "counter": "/status/level"}
//! ```
//! With `counter`, each play adds one to the number there.

mod bindings {
    #![allow(missing_docs, unsafe_code, clippy::all, reason = "generated code")]
    wit_bindgen::generate!({ path: "../../../wit", world: "stage-plugin", generate_all });
    export!(Scribe with_types_in self);
    use super::Scribe;
}

use std::sync::Mutex;

use bindings::exports::stagewright::stage::plugin::{Answer, Context, Effect, Form, Guest, Next, Patch};
use serde_json::{Map, Value, json};

struct Scribe;

static SETTINGS: Mutex<Value> = Mutex::new(Value::Null);

impl Guest for Scribe {
    fn configure(settings: String) -> Result<String, String> {
        let settings: Value = serde_json::from_str(&settings).map_err(|error| error.to_string())?;
        let mut subject = json!({"kind": settings.get("kind"), "reads": ["/status", "/metadata/labels"], "writes": ["/status"]});
        if let (Some(selector), Some(subject)) = (settings.get("selector"), subject.as_object_mut()) {
            subject.insert("selector".to_owned(), selector.clone());
        }
        if let Ok(mut stored) = SETTINGS.lock() {
            *stored = settings;
        }
        let description = json!({"schema": "stagewright.dev/description/v1", "name": "scribe", "version": "0.1.0",
            "stages": ["write"], "subjects": [subject]});
        Ok(description.to_string())
    }

    fn decide(object: String, ctx: Context) -> Result<Answer, String> {
        let object: Value = serde_json::from_str(&object).map_err(|error| error.to_string())?;
        let settings = settings()?;
        let pointer = text(&settings, "pointer")?;
        if object.pointer(pointer) == settings.get("value") {
            return Ok(Answer::Idle("written".to_owned()));
        }
        Ok(Answer::Stage(Next { stage: "write".to_owned(), due_ms: ctx.since_ms }))
    }

    fn play(_stage: String, object: String, _ctx: Context) -> Result<Vec<Effect>, String> {
        let object: Value = serde_json::from_str(&object).map_err(|error| error.to_string())?;
        let settings = settings()?;
        let mut patch = settings.get("patch").cloned().ok_or("no patch in the settings")?;
        if let Ok(counter) = text(&settings, "counter") {
            let count = object.pointer(counter).and_then(Value::as_u64).unwrap_or_default();
            put(&mut patch, counter, json!(count + 1));
        }
        Ok(vec![Effect::Patch(Patch { form: Form::Merge, subresource: Some("status".to_owned()), body: patch.to_string(), as_user: None })])
    }
}

fn settings() -> Result<Value, String> {
    SETTINGS.lock().map(|settings| settings.clone()).map_err(|error| error.to_string())
}

fn text<'a>(settings: &'a Value, key: &str) -> Result<&'a str, String> {
    settings.get(key).and_then(Value::as_str).ok_or_else(|| format!("no {key} in the settings"))
}

/// Sets the value at a pointer of object keys.
fn put(mut tree: &mut Value, pointer: &str, value: Value) {
    for key in pointer.split('/').skip(1) {
        if !tree.is_object() {
            *tree = Value::Object(Map::new());
        }
        let Some(map) = tree.as_object_mut() else { return };
        tree = map.entry(key).or_insert(Value::Null);
    }
    *tree = value;
}
