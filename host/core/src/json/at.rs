//! Reading at a JSON pointer.

use serde_json::Value;

use super::path::index;

/// Values that are read at a JSON pointer (RFC 6901).
pub trait At {
    /// As [`Value::pointer`], which makes two copies of each segment for its escapes; the pointers here hardly have any.
    fn at(&self, pointer: &str) -> Option<&Value>;
}

impl At for Value {
    fn at(&self, pointer: &str) -> Option<&Value> {
        if pointer.is_empty() {
            return Some(self);
        }
        fn step<'v>(value: &'v Value, segment: &str) -> Option<&'v Value> {
            match value {
                Value::Object(map) if !segment.contains('~') => map.get(segment),
                Value::Array(list) => list.get(index(segment)?),
                _ => value.pointer(&format!("/{segment}")),
            }
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_pointer_reads() {
        let value =
            serde_json::json!({"": 1, "a": {"": 2, "b/c": 3, "d~e": 4}, "list": [5, {"x": 6}]});
        for pointer in [
            "",
            "/",
            "/a",
            "/a/",
            "/a/b~1c",
            "/a/d~0e",
            "/a/b/c",
            "/list/0",
            "/list/1/x",
            "/list/01",
            "/list/-",
            "/list/2",
            "a",
            "a/b",
            "/a/none",
            "/list/0/x",
        ] {
            assert_eq!(value.at(pointer), value.pointer(pointer), "{pointer:?}");
        }
    }
}
