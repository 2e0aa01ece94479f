//! Laws of ownership.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::compare::Changes;
use super::super::set::{self, Set};
use super::super::{covers, update, walk, written};
use super::{World, kind};

fn value() -> impl Strategy<Value = Value> {
    let text = || prop::sample::select(vec!["a", "b", "c"]);
    let texts = move || prop::collection::btree_set(text(), 0..3);
    let labels = move || prop::collection::btree_map(text(), text(), 0..3);
    let item = move || (prop::option::of(text()), texts());
    let items = prop::collection::btree_map((text(), 80..82), item(), 0..3);
    let items = items.prop_map(|items| -> Vec<Value> {
        let items = items.into_iter().map(|((name, port), (value, tags))| {
            let mut item = json!({"name": name, "port": port});
            if let Some(value) = value {
                item["value"] = json!(value);
            }
            if !tags.is_empty() {
                item["tags"] = json!(tags);
            }
            item
        });
        items.collect()
    });
    let parts = (
        prop::option::of(text()),
        labels(),
        texts(),
        items,
        texts(),
        labels(),
    );
    parts.prop_map(|(text, labels, set, items, list, frozen)| {
        let mut value = serde_json::Map::new();
        let all = [
            ("text", json!(text)),
            ("labels", json!(labels)),
            ("set", json!(set)),
            ("items", json!(items)),
            ("list", json!(list)),
            ("frozen", json!(frozen)),
        ];
        for (name, part) in all {
            let empty = part.is_null() || part == json!([]) || part == json!({});
            if !empty {
                value.insert(name.to_owned(), part);
            }
        }
        json!({"spec": value})
    })
}

proptest! {
    #[test]
    fn unions_commute_and_differences_take_back(one in value(), other in value()) {
        let (types, root) = kind();
        let paths = |value: &Value| walk::paths(types.typed(root), value);
        let (one, other) = (paths(&one), paths(&other));
        prop_assert_eq!(one.clone().with(&other), other.clone().with(&one));
        let rest = one.clone().with(&other).without(&other);
        prop_assert!(rest.shared(&other).is_empty());
        prop_assert_eq!(rest.with(&one.shared(&other)), one.clone());
        for path in one.paths() {
            prop_assert!(one.has(&path), "{}", set::shown(&path));
        }
        let text = Value::Object(one.0.clone()).to_string();
        prop_assert_eq!(covers::covers(&text, &other), other.clone().without(&one).is_empty());
        prop_assert!(covers::covers(&text, &one));
        prop_assert_eq!(Set::read(&Value::Object(one.0.clone())), Ok(one));
    }

    #[test]
    fn changes_lead_from_one_value_to_the_other(one in value(), other in value()) {
        let (types, root) = kind();
        let typed = types.typed(root);
        let changes = Changes::between(typed, &one, &other);
        let named = |value: &Value| walk::paths(typed, value).with_named_fields(typed);
        let led = named(&one).without(&changes.removed).with(&changes.added);
        // What is a container only is told as added, and is no leaf.
        prop_assert!(named(&other).without(&led).is_empty());
        prop_assert!(named(&other).shared(&changes.removed).is_empty());
        prop_assert_eq!(changes.is_empty(), one == other);
    }

    #[test]
    fn applying_twice_changes_nothing(object in value(), config in value(), next in value()) {
        let mut world = World::new();
        world.update("other", object);
        for config in [config, next] {
            let applied = world.try_apply("me", &config, true).unwrap();
            world.take(applied);
            let managers = world.managers.clone();
            let again = world.try_apply("me", &config, false).unwrap();
            prop_assert_eq!(again.object, None);
            prop_assert_eq!(written(again.managers), written(managers));
        }
    }

    #[test]
    fn what_was_applied_can_be_taken_back(object in value(), config in value()) {
        let mut object = object;
        // What is left without members is null, whoever made it empty.
        object["spec"]["number"] = json!(1);
        let mut world = World::new();
        world.update("other", object.clone());
        let applied = match world.try_apply("me", &config, false) {
            Ok(applied) => applied,
            Err(_) => return Ok(()),
        };
        world.take(applied);
        let before = world.with("other", |rules, writer| update(rules, writer, &json!({}), &object, Vec::new()));
        world.apply("me", &json!({}));
        // Lists that are sets or maps may stand in another order.
        let typed = world.typed();
        let changes = Changes::between(typed, &object, &world.object);
        prop_assert!(changes.is_empty(), "{:?}", changes);
        prop_assert_eq!(written(world.managers), written(before));
    }
}
