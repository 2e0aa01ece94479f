//! The kinds that are served in more than one version.

use serde_json::{Value, json};

use super::admit::reshape;

/// What an Event has under another name in the two groups that serve it: `v1`, `events.k8s.io/v1` (kubernetes,
/// `pkg/apis/events/v1/conversion.go`).
const EVENT: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Makes an object of one version of a kind one of another: `apiVersion`, and what their schemas name differently.
///
/// HorizontalPodAutoscalers of `autoscaling/v1` are not converted but for their `apiVersion`: their metrics are annotations there.
pub fn convert(object: &mut Value, api_version: &str) {
    let Some(map) = object.as_object_mut() else {
        return;
    };
    map.insert("apiVersion".to_owned(), json!(api_version));
    if map.get("kind").and_then(Value::as_str) != Some("Event") {
        return;
    }
    for (core, other) in EVENT {
        let (from, to) = match api_version {
            "v1" => (other, core),
            "events.k8s.io/v1" => (core, other),
            _ => return,
        };
        if let Some(value) = map.remove(from) {
            map.insert(to.to_owned(), value);
        }
    }
    reshape(api_version, object);
}
