//! Cutting an object to what was declared.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::path::{self, Path};

/// What of an object is always read: who it is, and whether it is going.
static IDENTITY: LazyLock<Vec<Path>> = LazyLock::new(|| {
    [
        "/apiVersion",
        "/kind",
        "/metadata/name",
        "/metadata/namespace",
        "/metadata/uid",
        "/metadata/deletionTimestamp",
    ]
    .into_iter()
    .filter_map(|text| Path::parse(text).ok())
    .collect()
});

/// The declared reads of an object: its identity (apiVersion, kind, name, namespace, uid, deletionTimestamp) and what the
/// paths match, in the object's own shape.
///
/// A member is kept only if something at or below it matched. An array of which anything matched keeps all its items in
/// their places, each cut; an item without a match is left empty: `{}`, `[]`, or null for a scalar.
#[must_use]
pub fn prune(object: &Value, reads: &[Path]) -> Value {
    let paths: Vec<&[Box<str>]> = IDENTITY.iter().chain(reads).map(Path::as_slice).collect();
    cut(object, &paths).unwrap_or_else(|| empty(object))
}

/// What the paths match of `value`; `None` if nothing. Recursion ends with the longest path.
fn cut(value: &Value, paths: &[&[Box<str>]]) -> Option<Value> {
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value.clone());
    }
    match value {
        Value::Object(map) => {
            let kept: Map<String, Value> = map
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), cut_at(value, name, paths)?)))
                .collect();
            if kept.is_empty() {
                None
            } else {
                Some(Value::Object(kept))
            }
        }
        Value::Array(items) => {
            let kept: Vec<Option<Value>> = items
                .iter()
                .enumerate()
                .map(|(index, value)| cut_at(value, &index.to_string(), paths))
                .collect();
            if kept.iter().all(Option::is_none) {
                return None;
            }
            Some(Value::Array(
                kept.into_iter()
                    .zip(items)
                    .map(|(kept, item)| kept.unwrap_or_else(|| empty(item)))
                    .collect(),
            ))
        }
        _ => None,
    }
}

/// [`cut`] for the member or item of that name.
fn cut_at(value: &Value, name: &str, paths: &[&[Box<str>]]) -> Option<Value> {
    let below: Vec<&[Box<str>]> = paths
        .iter()
        .filter_map(|path| path.split_first())
        .filter(|(segment, _)| path::matches(segment, name))
        .map(|(_, rest)| rest)
        .collect();
    if below.is_empty() {
        None
    } else {
        cut(value, &below)
    }
}

/// What is left of an array's item that holds the place of the ones behind it.
fn empty(value: &Value) -> Value {
    match value {
        Value::Object(_) => Value::Object(Map::new()),
        Value::Array(_) => Value::Array(Vec::new()),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::json::testing;

    #[track_caller]
    fn check(object: Value, reads: &[&str], kept: Value) {
        let reads: Vec<Path> = reads
            .iter()
            .map(|text| Path::parse(text).unwrap())
            .collect();
        assert_eq!(prune(&object, &reads), kept);
    }

    #[test]
    fn identity_is_always_kept() {
        check(
            json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "n"}, "metadata": {"name": "web", "namespace": "default",
                "uid": "u", "deletionTimestamp": "2026-11-24T01:55:20Z", "labels": {"a": "b"}, "resourceVersion": "7"}}),
            &[],
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default",
                "uid": "u", "deletionTimestamp": "2026-11-24T01:55:20Z"}}),
        );
    }

    #[test]
    fn what_matches_keeps_its_shape() {
        let object = json!({"spec": {"nodeName": "n", "containers": [{"name": "a", "image": "i"}, {"image": "j"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "podIPs": []}});
        check(
            object.clone(),
            &["/status/phase", "/spec/none", "/status/phase/below"],
            json!({"status": {"phase": "Running"}}),
        );
        check(
            object.clone(),
            &["/spec/containers/*/name"],
            json!({"spec": {"containers": [{"name": "a"}, {}]}}),
        );
        check(
            object.clone(),
            &["/spec/containers/1"],
            json!({"spec": {"containers": [{}, {"image": "j"}]}}),
        );
        check(
            object.clone(),
            &["/status/conditions/*/type"],
            json!({"status": {"conditions": [{"type": "Ready"}]}}),
        );
        check(
            object.clone(),
            &["/status/podIPs"],
            json!({"status": {"podIPs": []}}),
        );
        check(object.clone(), &["/spec/containers/*/none"], json!({}));
        check(object.clone(), &[""], object);
    }

    #[test]
    fn scalars_hold_their_place_as_null() {
        check(
            json!({"a": [1, [2], 3]}),
            &["/a/2"],
            json!({"a": [null, [], 3]}),
        );
        check(json!(5), &["/a"], json!(null));
    }

    proptest! {
        #[test]
        fn a_second_cut_takes_nothing(object in testing::object(), reads in testing::paths()) {
            let once = prune(&object, &reads);
            prop_assert_eq!(prune(&once, &reads), once);
        }

        #[test]
        fn more_reads_keep_no_less(object in testing::object(), some in testing::paths(), others in testing::paths()) {
            let all: Vec<Path> = some.iter().chain(&others).cloned().collect();
            prop_assert_eq!(prune(&prune(&object, &all), &some), prune(&object, &some));
        }

        #[test]
        fn every_match_is_kept(object in testing::object(), reads in testing::paths()) {
            let kept = prune(&object, &reads);
            for read in &reads {
                prop_assert_eq!(read.values(&object), read.values(&kept));
            }
        }
    }
}
