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

/// The text with a word in the place of each UUID.
pub fn without_uids(text: &str) -> String {
    const LENGTH: usize = 36;
    let is_uid = |part: &&str| {
        part.chars().enumerate().all(|(index, letter)| match index {
            8 | 13 | 18 | 23 => letter == '-',
            _ => letter.is_ascii_hexdigit(),
        })
    };
    let mut rest = text;
    let mut made = String::new();
    while let Some(letter) = rest.chars().next() {
        let (word, length) = match rest.get(..LENGTH).filter(is_uid) {
            Some(_) => ("UID".to_owned(), LENGTH),
            None => (letter.to_string(), letter.len_utf8()),
        };
        made.push_str(&word);
        rest = &rest[length..];
    }
    made
}
