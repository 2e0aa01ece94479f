//! Trees as the host cuts, changes and compares them.

use serde_json::{Map, Value, json};

use crate::time::Time;

/// Identity, and what the paths match, in the object's own shape.
pub(super) fn prune(object: &Value, paths: &[String]) -> Value {
    let identity = [
        "/apiVersion",
        "/kind",
        "/metadata/name",
        "/metadata/namespace",
        "/metadata/uid",
        "/metadata/deletionTimestamp",
    ];
    let paths: Vec<Vec<String>> = identity
        .into_iter()
        .chain(paths.iter().map(String::as_str))
        .map(segments)
        .collect();
    let paths: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
    cut(object, &paths).unwrap_or_else(|| json!({}))
}

fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .skip(1)
        .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// What the paths match of a value; none: nothing. Items of a list keep their places.
fn cut(value: &Value, paths: &[&[String]]) -> Option<Value> {
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value.clone());
    }
    let below = |name: &str| -> Vec<&[String]> {
        paths
            .iter()
            .filter_map(|path| {
                path.split_first()
                    .filter(|(first, _)| *first == name || *first == "*")
                    .map(|(_, rest)| rest)
            })
            .collect()
    };
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter_map(|(name, value)| {
                let paths = below(name);
                if paths.is_empty() {
                    None
                } else {
                    Some((name.clone(), cut(value, &paths)?))
                }
            });
            let kept: Map<String, Value> = kept.collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let kept: Vec<Option<Value>> = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let paths = below(&index.to_string());
                    if paths.is_empty() {
                        None
                    } else {
                        cut(item, &paths)
                    }
                })
                .collect();
            kept.iter().any(Option::is_some).then(|| {
                kept.into_iter()
                    .map(|item| item.unwrap_or_else(|| json!({})))
                    .collect()
            })
        }
        _ => None,
    }
}

/// All values at a path.
pub(super) fn values<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    segments(path).iter().fold(vec![object], |found, segment| {
        let below = |value: &'a Value| -> Vec<&'a Value> {
            match value {
                Value::Object(map) if segment == "*" => map.values().collect(),
                Value::Array(items) if segment == "*" => items.iter().collect(),
                Value::Object(map) => map.get(segment).into_iter().collect(),
                Value::Array(items) => segment
                    .parse()
                    .ok()
                    .and_then(|index: usize| items.get(index))
                    .into_iter()
                    .collect(),
                _ => Vec::new(),
            }
        };
        found.into_iter().flat_map(below).collect()
    })
}

/// The newest time anywhere in a value.
pub(super) fn newest(value: &Value) -> Option<Time> {
    match value {
        Value::String(text) => Time::parse(text),
        Value::Array(items) => items.iter().filter_map(newest).max(),
        Value::Object(map) => map.values().filter_map(newest).max(),
        _ => None,
    }
}

/// RFC 7396.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Pointers of the leaves that differ; lists differ as a whole.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<String> {
    let (Value::Object(left), Value::Object(right)) = (before, after) else {
        return if before == after {
            Vec::new()
        } else {
            vec![String::new()]
        };
    };
    let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
    names.sort();
    names.dedup();
    let below = |name: &String| {
        let side = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or_default();
        let name = name.replace('~', "~0").replace('/', "~1");
        let (left, right) = (side(left), side(right));
        changes(&left, &right)
            .into_iter()
            .map(move |rest| format!("/{name}{rest}"))
            .collect::<Vec<_>>()
    };
    names.into_iter().flat_map(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_read_is_seen() {
        let object = json!({"kind": "Pod", "metadata": {"name": "a", "labels": {"x": "y"}, "annotations": {"a/b": "c", "d": "e"}},
            "spec": {"containers": [{"name": "one", "image": "i"}, {"image": "j"}]}, "status": {"phase": "Running"}});
        let paths = [
            "/metadata/annotations/a~1b",
            "/spec/containers/*/name",
            "/spec/none",
        ]
        .map(str::to_owned);
        assert_eq!(
            prune(&object, &paths),
            json!({"kind": "Pod", "metadata": {"name": "a", "annotations": {"a/b": "c"}}, "spec": {"containers": [{"name": "one"}, {}]}})
        );
        assert_eq!(prune(&object, &[String::new()]), object);
        assert_eq!(
            values(&object, "/spec/containers/*/image"),
            [&json!("i"), &json!("j")]
        );
        assert_eq!(values(&object, "/spec/containers/1/image"), [&json!("j")]);
    }

    #[test]
    fn merging_and_what_it_changed() {
        let before = json!({"a": {"b": 1, "c": [1]}, "d": 2});
        let mut after = before.clone();
        merge(
            &mut after,
            &json!({"a": {"b": null, "c": [2], "e/f": {"g": null}}}),
        );
        assert_eq!(after, json!({"a": {"c": [2], "e/f": {}}, "d": 2}));
        assert_eq!(changes(&before, &after), ["/a/b", "/a/c", "/a/e~1f"]);
    }
}
