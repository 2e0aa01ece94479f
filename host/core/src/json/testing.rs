//! Generated trees. Names and scalars are few, so that two trees often meet.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Path, pointer};

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a", "b", "c/d", "e~f", "0", "1", "metadata", "name", "*",
    ])
    .prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2i64..3).prop_map(|number| json!(number)),
        prop::sample::select(vec![1.0, 1.5, -2.0, 1e30]).prop_map(|number| json!(number)),
        any::<bool>().prop_map(|truth| json!(truth)),
        "[ab]{0,2}".prop_map(|text| json!(text)),
    ]
}

/// A tree around the given leaves.
fn tree(leaf: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(name(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An object without nulls.
pub(crate) fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(name(), tree(scalar()), 0..6)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// An object with nulls anywhere below it.
pub(crate) fn object_with_nulls() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![3 => scalar(), 1 => Just(Value::Null)];
    prop::collection::btree_map(name(), tree(leaf), 0..6)
        .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>()))
}

/// A few paths of the same names.
pub(crate) fn paths() -> impl Strategy<Value = Vec<Path>> {
    let path = prop::collection::vec(name(), 0..5)
        .prop_map(|segments| Path::parse(&pointer(segments)).unwrap());
    prop::collection::vec(path, 0..4)
}

/// A tree of that many levels.
pub(crate) fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Bool(true), |inner, _| json!({ "a": inner }))
}
