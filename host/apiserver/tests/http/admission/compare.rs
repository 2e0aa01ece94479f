//! The cases of the corpus, and what is compared of two servers' answers.

use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A request with the real server's answer.
#[derive(serde::Deserialize, serde::Serialize)]
pub struct Case {
    pub name: String,
    pub method: String,
    pub path: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// As it is sent: the order of fields decides that of remarks.
    pub body: Box<RawValue>,
    pub code: u16,
    pub answer: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The message has what differs from server to server: a made name, how two objects differ, or an object as Go's internal types
    /// show it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub loose: bool,
}

/// What is compared of an error. Causes have no order, and a message with several of them has none either.
pub fn refusal(code: u16, answer: &Value, loose: bool) -> Value {
    let mut causes: Vec<Value> = Vec::new();
    let told = answer.pointer("/details/causes").and_then(Value::as_array);
    for cause in told.into_iter().flatten() {
        let mut cause = cause.clone();
        if loose && let Some(cause) = cause.as_object_mut() {
            cause.remove("message");
        }
        // Some rules are checked twice there, and say the same twice.
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes.sort_by_key(Value::to_string);
    let message = if causes.len() > 1 || loose {
        Value::Null
    } else {
        answer["message"].clone()
    };
    json!({
        "code": code,
        "reason": answer["reason"],
        "message": message,
        "kind": answer["details"]["kind"],
        "group": answer["details"]["group"],
        "causes": causes,
    })
}
