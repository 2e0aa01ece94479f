//! Cutting an object to what was declared.

use std::sync::LazyLock;

use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::Value;

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
pub fn prune<'a>(object: &'a Value, reads: &[Path]) -> Cut<'a> {
    let paths: Vec<&[Box<str>]> = IDENTITY.iter().chain(reads).map(Path::as_slice).collect();
    cut(object, &paths).unwrap_or(Cut::Empty(object))
}

/// What is left of a tree. It borrows from the tree, so that it can be written down without being copied first.
#[derive(Debug)]
pub enum Cut<'a> {
    /// All of it.
    Whole(&'a Value),
    /// Of an object, the members of which anything is left.
    Object(Vec<(&'a str, Cut<'a>)>),
    /// Of an array, all items in their places.
    Array(Vec<Cut<'a>>),
    /// Nothing but the place of an item, for the ones behind it: `{}`, `[]` or null.
    Empty(&'a Value),
}

// === impl Cut ===

impl Cut<'_> {
    /// As JSON text.
    #[must_use]
    pub fn text(&self) -> String {
        // Names are strings and writing to memory does not fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As a tree of its own.
    #[must_use]
    pub fn tree(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Serialize for Cut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(value) => value.serialize(serializer),
            Self::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, cut)| (name, cut)))
            }
            Self::Array(items) => serializer.collect_seq(items),
            Self::Empty(Value::Object(_)) => serializer.serialize_map(Some(0))?.end(),
            Self::Empty(Value::Array(_)) => serializer.serialize_seq(Some(0))?.end(),
            Self::Empty(_) => serializer.serialize_unit(),
        }
    }
}

/// What the paths match of `value`; `None` if nothing. Recursion ends with the longest path.
fn cut<'a>(value: &'a Value, paths: &[&[Box<str>]]) -> Option<Cut<'a>> {
    if paths.iter().any(|path| path.is_empty()) {
        return Some(Cut::Whole(value));
    }
    match value {
        Value::Object(map) => {
            let kept: Vec<(&str, Cut<'_>)> = map
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), cut_at(value, name, paths)?)))
                .collect();
            (!kept.is_empty()).then_some(Cut::Object(kept))
        }
        Value::Array(items) => {
            let kept: Vec<Option<Cut<'_>>> = items
                .iter()
                .enumerate()
                .map(|(index, value)| cut_at(value, &index.to_string(), paths))
                .collect();
            if kept.iter().all(Option::is_none) {
                return None;
            }
            let kept = kept.into_iter().zip(items);
            Some(Cut::Array(
                kept.map(|(kept, item)| kept.unwrap_or(Cut::Empty(item)))
                    .collect(),
            ))
        }
        _ => None,
    }
}

/// [`cut`] for the member or item of that name.
fn cut_at<'a>(value: &'a Value, name: &str, paths: &[&[Box<str>]]) -> Option<Cut<'a>> {
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
        let cut = prune(&object, &reads);
        assert_eq!(cut.tree(), kept);
        assert_eq!(cut.text(), kept.to_string());
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
            let once = prune(&object, &reads).tree();
            prop_assert_eq!(prune(&once, &reads).tree(), once);
        }

        #[test]
        fn more_reads_keep_no_less(object in testing::object(), some in testing::paths(), others in testing::paths()) {
            let all: Vec<Path> = some.iter().chain(&others).cloned().collect();
            let once = prune(&object, &all).tree();
            prop_assert_eq!(prune(&once, &some).tree(), prune(&object, &some).tree());
        }

        #[test]
        fn every_match_is_kept(object in testing::object(), reads in testing::paths()) {
            let kept = prune(&object, &reads).tree();
            for read in &reads {
                prop_assert_eq!(read.values(&object), read.values(&kept));
            }
        }
    }
}
