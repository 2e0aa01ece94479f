//! What is compared of two servers' answers: all but what no two servers have in common.

use serde_json::{Value, json};
use stagewright_core::time::Time;

use super::{Exchange, WATCH};

/// What is compared of an exchange.
pub fn comparable(exchange: &Exchange) -> Value {
    if exchange.setup {
        return json!({"success": exchange.code < 300});
    }
    let mut answer = exchange.answer.clone().unwrap_or_default();
    if answer["kind"] == "Table" {
        shorten(&mut answer);
    }
    let mut warnings = exchange.warnings.clone();
    warnings.sort();
    if exchange.method == WATCH {
        only_telling(&mut answer);
    }
    let mut answer = steady(&answer);
    // Kinds of definitions come in no order there.
    if answer["kind"] == "APIResourceList"
        && let Some(resources) = answer["resources"].as_array_mut()
    {
        resources.sort_by_key(|resource| resource["name"].to_string());
    }
    // Several causes come in an order that is random there, and stand in the message in the same order. Some rules are checked twice
    // there, and say the same twice.
    if let Some(causes) = answer
        .pointer_mut("/details/causes")
        .and_then(Value::as_array_mut)
    {
        // What a patch has made of an object is shown there as a whole, and why that is none in words of the patch's form.
        for cause in causes.iter_mut().filter(|cause| cause["field"] == "patch") {
            cause["message"] = json!("");
        }
        causes.sort_by_key(Value::to_string);
        causes.dedup();
        let message = answer["message"].as_str().unwrap_or_default();
        let subject = message.split_once(" is invalid: ");
        if let Some((subject, _)) = subject {
            answer["message"] = json!(format!("{subject} is invalid"));
        }
    }
    json!({"code": exchange.code, "warnings": warnings, "answer": answer})
}

/// The events of a watch without those bookmarks that come by the clock, and without what Go's types say of nothing in the others.
fn only_telling(answer: &mut Value) {
    let Some(events) = answer.pointer_mut("/").and_then(Value::as_array_mut) else {
        return;
    };
    let is_bookmark = |event: &Value| event["type"] == "BOOKMARK";
    events.retain(|event| {
        !is_bookmark(event) || event["object"]["metadata"]["annotations"].is_object()
    });
    for event in events.iter_mut().filter(|event| is_bookmark(event)) {
        if let Some(object) = event["object"].as_object_mut() {
            object.retain(|name, _| ["apiVersion", "kind", "metadata"].contains(&name.as_str()));
        }
    }
}

/// Rows without their objects, and short ages as one.
fn shorten(table: &mut Value) {
    for row in table["rows"].as_array_mut().into_iter().flatten() {
        let object = row["object"].take();
        row["object"] = object["kind"].clone();
        for cell in row["cells"].as_array_mut().into_iter().flatten() {
            let seconds = cell.as_str().and_then(|text| text.strip_suffix('s'));
            if seconds.is_some_and(|digits| digits.parse::<u32>().is_ok()) {
                *cell = json!("AGE");
            }
        }
    }
}

/// The same without a member, wherever it is.
pub fn without(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != name)
            .map(|(key, value)| (key.clone(), without(value, name)))
            .collect(),
        Value::Array(list) => list.iter().map(|item| without(item, name)).collect(),
        other => other.clone(),
    }
}

/// The same without what no two servers have in common.
fn steady(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !["resourceVersion", "storageVersionHash"].contains(&key.as_str()))
            .map(|(key, value)| match key.as_str() {
                "uid" => (key.clone(), json!("UID")),
                "continue" => (key.clone(), json!("PLACE")),
                _ => (key.clone(), steady(value)),
            })
            .collect(),
        Value::Array(list) => list.iter().map(steady).collect(),
        Value::String(text) => json!(steady_text(text)),
        other => other.clone(),
    }
}

/// Times of a server's clock are this year's or later; what requests bring is older.
fn is_time(text: &str) -> bool {
    text.ends_with('Z') && text > "2026-" && Time::parse(text).is_some()
}

/// A text without uids, times of a server's clock and resource versions.
fn steady_text(text: &str) -> String {
    if is_time(text) {
        return "TIME".to_owned();
    }
    // How two objects differ is printed there line by line, and here by its places.
    let text = text.lines().next().unwrap_or_default();
    let mut steady = without_lexing(&without_storage(&without_objects(&without_uids(text))));
    for before in [
        "ResourceVersion in precondition: ",
        "ResourceVersion in object meta: ",
        "the ResourceVersion in the precondition (",
        "the ResourceVersion in record (",
        "Too large resource version: 9000000000000, current: ",
        "too old resource version: 1 (",
    ] {
        if let Some((head, tail)) = steady.split_once(before) {
            let tail = tail.trim_start_matches(|letter: char| letter.is_ascii_digit());
            steady = format!("{head}{before}VERSION{tail}");
        }
    }
    steady
}

/// A text without how an object is shown in it: as Go's types are printed there, and as JSON here.
fn without_objects(text: &str) -> String {
    const BEFORE: &str = "value: {";
    match (text.split_once(BEFORE), text.rsplit_once("}: ")) {
        (Some((head, _)), Some((_, tail))) => format!("{head}{BEFORE}OBJECT}}: {tail}"),
        _ => text.to_owned(),
    }
}

/// A text without how a selector is wrong, or why a token is no base64 or JSON: that is said in other words here.
fn without_lexing(text: &str) -> String {
    let parse = [
        "unable to parse requirement: ",
        "continue key is not valid: ",
    ];
    let found = parse
        .iter()
        .find_map(|before| Some((before, text.split_once(before)?)));
    match found {
        Some((before, (head, why))) if !why.contains("(version ") => {
            format!("{head}{before}WHY")
        }
        _ => text.to_owned(),
    }
}

/// A text without the place of an object in the real server's storage.
fn without_storage(text: &str) -> String {
    let storage = text.split_once("StorageError: invalid object, Code: 4, Key: ");
    let more =
        storage.and_then(|(head, tail)| Some((head, tail.split_once("AdditionalErrorMsg: ")?.1)));
    more.map_or_else(|| text.to_owned(), |(head, tail)| format!("{head}{tail}"))
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
