//! Taking the preconditions out of a write's body.

use serde_json::Value;

/// What a write can be held up by.
pub(crate) const ALL: [&str; 2] = ["uid", "resourceVersion"];

/// The body without those of its preconditions that would hold up a stale write. What is no JSON is passed on as it is.
pub(crate) fn preconditions(body: &[u8], fields: &[&str]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return body.to_vec();
    };
    let tests = |operation: &Value| {
        let path = operation.get("path").and_then(Value::as_str);
        let field = path.and_then(|path| path.strip_prefix("/metadata/"));
        operation.get("op").and_then(Value::as_str) == Some("test")
            && field.is_some_and(|field| fields.contains(&field))
    };
    match &mut value {
        Value::Array(operations) => operations.retain(|operation| !tests(operation)),
        Value::Object(object) => {
            for part in ["preconditions", "metadata"] {
                if let Some(Value::Object(part)) = object.get_mut(part) {
                    fields.iter().for_each(|field| drop(part.remove(*field)));
                }
            }
        }
        _ => {}
    }
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{ALL, preconditions};

    #[test]
    fn the_other_precondition_stays() {
        let body = r#"{"metadata":{"uid":"u","resourceVersion":"7"}}"#;
        let left = preconditions(body.as_bytes(), &["resourceVersion"]);
        assert_eq!(left, br#"{"metadata":{"uid":"u"}}"#);
    }

    #[test]
    fn nothing_is_left_that_names_a_version() {
        for (body, left) in [
            (
                r#"{"metadata":{"uid":"u","resourceVersion":"7"},"status":{"phase":"Running"}}"#,
                r#"{"metadata":{},"status":{"phase":"Running"}}"#,
            ),
            (
                r#"{"gracePeriodSeconds":0,"preconditions":{"uid":"u"}}"#,
                r#"{"gracePeriodSeconds":0,"preconditions":{}}"#,
            ),
            (
                r#"[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"remove","path":"/a"}]"#,
                r#"[{"op":"remove","path":"/a"}]"#,
            ),
            ("", ""),
        ] {
            assert_eq!(
                String::from_utf8(preconditions(body.as_bytes(), &ALL)).unwrap(),
                left
            );
        }
    }
}
