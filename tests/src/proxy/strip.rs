//! Taking the preconditions out of a write's body.

use serde_json::Value;

/// The body without what would hold up a stale write. What is no JSON is passed on as it is.
pub(super) fn preconditions(body: &[u8]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return body.to_vec();
    };
    match &mut value {
        Value::Array(operations) => operations
            .retain(|operation| operation.get("op").and_then(Value::as_str) != Some("test")),
        Value::Object(object) => {
            object.remove("preconditions");
            if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
                metadata.remove("uid");
                metadata.remove("resourceVersion");
            }
        }
        _ => {}
    }
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::preconditions;

    #[test]
    fn nothing_is_left_that_names_a_version() {
        for (body, left) in [
            (
                r#"{"metadata":{"uid":"u","resourceVersion":"7"},"status":{"phase":"Running"}}"#,
                r#"{"metadata":{},"status":{"phase":"Running"}}"#,
            ),
            (
                r#"{"gracePeriodSeconds":0,"preconditions":{"uid":"u"}}"#,
                r#"{"gracePeriodSeconds":0}"#,
            ),
            (
                r#"[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"remove","path":"/a"}]"#,
                r#"[{"op":"remove","path":"/a"}]"#,
            ),
            ("", ""),
        ] {
            assert_eq!(
                String::from_utf8(preconditions(body.as_bytes())).unwrap(),
                left
            );
        }
    }
}
