//! Where two trees differ, and the patch that says so.

use serde_json::{Map, Number, Value, json};

use super::path::pointer;

/// What must be written to turn one tree into another.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// Nothing: the trees are equal.
    None,
    /// An RFC 7396 merge patch.
    Merge(Value),
    /// An RFC 6902 patch without preconditions: only where an explicit null must be written, which a merge patch cannot say.
    Json(Value),
}

/// The difference from `before` to `after`. Numbers compare by value: 1 and 1.0 are equal.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> Difference {
    match merge_patch(before, after) {
        Ok(Some(patch)) => return Difference::Merge(patch),
        Ok(None) => return Difference::None,
        Err(ExplicitNull) => {}
    }
    let mut operations = Vec::new();
    json_patch(before, after, &mut Vec::new(), &mut operations);
    Difference::Json(Value::Array(operations))
}

/// Whether two trees are equal: numbers by value, members in any order.
#[must_use]
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || same_number(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            // Maps are sorted, so that equal ones are walked side by side instead of being looked into for each member.
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|((name, a), (other, b))| name == other && equal(a, b))
        }
        _ => a == b,
    }
}

/// The pointers (unescaped segments) of all leaves at which the trees differ: a scalar, an array as a whole, an empty object.
/// An object that is only in one of the trees differs at its own leaves.
#[must_use]
pub fn changed_pointers(before: &Value, after: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    changes(Some(before), Some(after), &mut Vec::new(), &mut found);
    found
}

/// A null that must be written, which a merge patch cannot say.
struct ExplicitNull;

/// `None` if nothing must be written.
fn merge_patch(before: &Value, after: &Value) -> Result<Option<Value>, ExplicitNull> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        if equal(before, after) {
            return Ok(None);
        }
        if has_null_member(after) {
            return Err(ExplicitNull);
        }
        return Ok(Some(after.clone()));
    };
    let mut patch = Map::new();
    for (name, new) in new {
        let change = match old.get(name) {
            Some(old) if new.is_null() && old.is_null() => continue,
            // In a merge patch this null would delete the member.
            _ if new.is_null() => return Err(ExplicitNull),
            Some(old) => merge_patch(old, new)?,
            None => merge_patch(&Value::Null, new)?,
        };
        if let Some(change) = change {
            patch.insert(name.clone(), change);
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    Ok((!patch.is_empty()).then_some(Value::Object(patch)))
}

/// Whether a member anywhere in the tree is null. Inside arrays too: the API server's merge (evanphx/json-patch) drops those as
/// well, though RFC 7396 takes arrays as they are. An array's own null items it keeps.
fn has_null_member(value: &Value) -> bool {
    match value {
        Value::Object(map) => map
            .values()
            .any(|value| value.is_null() || has_null_member(value)),
        Value::Array(items) => items.iter().any(has_null_member),
        _ => false,
    }
}

fn json_patch<'a>(
    before: &'a Value,
    after: &'a Value,
    at: &mut Vec<&'a str>,
    operations: &mut Vec<Value>,
) {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        operations.push(json!({"op": "replace", "path": pointer(&*at), "value": after}));
        return;
    };
    for (name, value) in new {
        at.push(name);
        match old.get(name) {
            Some(old) if equal(old, value) => {}
            Some(old) => json_patch(old, value, at, operations),
            None => operations.push(json!({"op": "add", "path": pointer(&*at), "value": value})),
        }
        at.pop();
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        at.push(name);
        operations.push(json!({"op": "remove", "path": pointer(&*at)}));
        at.pop();
    }
}

fn changes<'a>(
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    at: &mut Vec<&'a str>,
    found: &mut Vec<Vec<String>>,
) {
    let (old, new) = match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => (Some(old), Some(new)),
        (Some(before), Some(after)) if equal(before, after) => return,
        (Some(Value::Object(only)), None) if !only.is_empty() => (Some(only), None),
        (None, Some(Value::Object(only))) if !only.is_empty() => (None, Some(only)),
        _ => {
            found.push(at.iter().map(|segment| (*segment).to_owned()).collect());
            return;
        }
    };
    for (name, value) in old.into_iter().flatten() {
        at.push(name);
        changes(Some(value), new.and_then(|new| new.get(name)), at, found);
        at.pop();
    }
    for (name, value) in new
        .into_iter()
        .flatten()
        .filter(|(name, _)| old.is_none_or(|old| !old.contains_key(*name)))
    {
        at.push(name);
        changes(None, Some(value), at, found);
        at.pop();
    }
}

/// Two numbers of which at least one is a float, or whose signs are stored differently.
fn same_number(a: &Number, b: &Number) -> bool {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.as_f64() == b.as_f64(),
        _ => false,
    }
}

/// The number as an integer, if it is one. Floats past 2^64 are no integers here, and equal only each other.
pub(super) fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i64() {
        return Some(number.into());
    }
    if let Some(number) = number.as_u64() {
        return Some(number.into());
    }
    let float = number.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and far inside the range of i128"
    )]
    (float.fract() == 0.0 && float.abs() < 2f64.powi(65)).then_some(float as i128)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::interface::Form;
    use crate::json::{apply, testing};
    use crate::object::Kind;

    #[track_caller]
    fn check(before: Value, after: Value, expected: Difference, changed: &[&str]) {
        assert_eq!(difference(&before, &after), expected);
        let mut found: Vec<String> = changed_pointers(&before, &after)
            .iter()
            .map(pointer)
            .collect();
        found.sort();
        assert_eq!(found, changed);
    }

    /// What [`equal`] relies on.
    #[test]
    fn maps_are_sorted() {
        let Value::Object(map) = json!({"b": 1, "a": 2, "c": 3}) else {
            panic!("it is an object")
        };
        assert_eq!(map.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn a_merge_patch_says_what_changed() {
        let merge = |patch| Difference::Merge(patch);
        check(
            json!({"a": 1, "b": {"c": [1]}}),
            json!({"b": {"c": [1.0]}, "a": 1.0}),
            Difference::None,
            &[],
        );
        check(
            json!({"status": {"phase": "Pending"}}),
            json!({"status": {"phase": "Running"}}),
            merge(json!({"status": {"phase": "Running"}})),
            &["/status/phase"],
        );
        check(
            json!({}),
            json!({"status": {"a": {"b": 1}, "c": {}}}),
            merge(json!({"status": {"a": {"b": 1}, "c": {}}})),
            &["/status/a/b", "/status/c"],
        );
        check(
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"b": 1}}),
            merge(json!({"a": {"c": null}})),
            &["/a/c"],
        );
        check(
            json!({"a": {"b": 1, "c": {"d/e": 1}}}),
            json!({}),
            merge(json!({"a": null})),
            &["/a/b", "/a/c/d~1e"],
        );
        check(
            json!({"a": [1, {"b": 2}]}),
            json!({"a": [1, {"b": 3}]}),
            merge(json!({"a": [1, {"b": 3}]})),
            &["/a"],
        );
        check(
            json!({"a": 1}),
            json!({"a": {"b": 1}}),
            merge(json!({"a": {"b": 1}})),
            &["/a"],
        );
        check(
            json!({"a": {"b": 1}}),
            json!({"a": {}}),
            merge(json!({"a": {"b": null}})),
            &["/a/b"],
        );
        check(
            json!({"a": null}),
            json!({}),
            merge(json!({"a": null})),
            &["/a"],
        );
        check(
            json!({"a": null, "b": 1}),
            json!({"a": null, "b": 2}),
            merge(json!({"b": 2})),
            &["/b"],
        );
        check(
            json!({"a": 1}),
            json!({"a": [null]}),
            merge(json!({"a": [null]})),
            &["/a"],
        );
        check(json!(1), json!([2]), merge(json!([2])), &[""]);
    }

    #[test]
    fn an_explicit_null_is_written_as_a_json_patch() {
        check(
            json!({"a": {"x/y": 1, "gone": 1, "same": 1}}),
            json!({"a": {"x/y": null, "new": {"b": null}, "same": 1}}),
            Difference::Json(json!([
                {"op": "add", "path": "/a/new", "value": {"b": null}},
                {"op": "replace", "path": "/a/x~1y", "value": null},
                {"op": "remove", "path": "/a/gone"}
            ])),
            &["/a/gone", "/a/new/b", "/a/x~1y"],
        );
        check(
            json!({"a": [1]}),
            json!({"a": [{"b": null}]}),
            Difference::Json(json!([{"op": "replace", "path": "/a", "value": [{"b": null}]}])),
            &["/a"],
        );
    }

    #[test]
    fn numbers_compare_by_value() {
        let (max, float) = (json!(u64::MAX), json!(18_446_744_073_709_551_615_f64));
        for (a, b, same) in [
            (json!(1), json!(1.0), true),
            (json!(-0.0), json!(0), true),
            (json!(1.5), json!(1.5), true),
            (json!(1e300), json!(1e300), true),
            (json!(1), json!(1.5), false),
            (
                json!(9_007_199_254_740_993_i64),
                json!(9_007_199_254_740_992_f64),
                false,
            ),
            (max, float, false),
            (json!(i64::MIN), json!(-9_223_372_036_854_775_808_f64), true),
            (json!(1), json!("1"), false),
            (json!(null), json!(false), false),
        ] {
            assert_eq!(equal(&a, &b), same, "{a} {b}");
            assert_eq!(equal(&b, &a), same, "{b} {a}");
        }
    }

    fn applied(before: &Value, patch: &Difference) -> Value {
        let kind = Kind::new("v1", "Pod");
        match patch {
            Difference::None => before.clone(),
            Difference::Merge(patch) => apply(Form::Merge, &kind, before, patch, None).unwrap(),
            Difference::Json(patch) => apply(Form::Json, &kind, before, patch, None).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn a_merge_patch_makes_the_one_of_the_other(before in testing::object(), after in testing::object()) {
            let patch = difference(&before, &after);
            prop_assert!(!matches!(patch, Difference::Json(_)), "{patch:?}");
            prop_assert!(equal(&applied(&before, &patch), &after));
        }

        #[test]
        fn nulls_are_written_too(before in testing::object_with_nulls(), after in testing::object_with_nulls()) {
            prop_assert!(equal(&applied(&before, &difference(&before, &after)), &after));
        }

        #[test]
        fn equal_trees_do_not_differ(before in testing::object_with_nulls(), after in testing::object_with_nulls()) {
            let same = equal(&before, &after);
            prop_assert_eq!(difference(&before, &after) == Difference::None, same);
            prop_assert_eq!(changed_pointers(&before, &after).is_empty(), same);
            prop_assert_eq!(equal(&after, &before), same);
            prop_assert!(equal(&after, &after));
        }

        #[test]
        fn what_is_left_out_of_the_pointers_is_equal(before in testing::object(), after in testing::object()) {
            for changed in changed_pointers(&before, &after) {
                let at = pointer(&changed);
                prop_assert!(before.pointer(&at).is_none_or(|old| after.pointer(&at).is_none_or(|new| !equal(old, new))), "{at}");
            }
        }
    }
}
