//! What the documents of server-side apply say, and what structured-merge-diff does.

mod laws;

use serde_json::{Value, json};
use stagewright_core::time::Time;

use super::managers::{Manager, Writer};
use super::set::Set;
use super::types::{Place, Typed, Types};
use super::*;

fn kind() -> (Types, Place) {
    let item = json!({"type": "object", "properties": {
        "name": {"type": "string"},
        "port": {"type": "integer", "default": 80},
        "value": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
    }});
    Types::of_schema(
        &json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "text": {"type": "string"},
            "number": {"type": "integer"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "items": {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "port"]},
            "list": {"type": "array", "items": {"type": "string"}},
            "frozen": {"type": "object", "additionalProperties": {"type": "string"}, "x-kubernetes-map-type": "atomic"},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }}}}),
        false,
    )
}

struct World {
    types: (Types, Place),
    object: Value,
    managers: Vec<Manager>,
    now: &'static str,
}

impl World {
    fn new() -> Self {
        Self {
            types: kind(),
            object: json!({}),
            managers: Vec::new(),
            now: "2026-01-02T03:04:05Z",
        }
    }

    fn with<T>(&self, name: &str, work: impl FnOnce(&Rules<'_>, &Writer<'_>) -> T) -> T {
        let resets = Resets::These(Set::default());
        let rules = Rules {
            typed: self.typed(),
            resets: &resets,
            served: &|_| true,
            strict: false,
        };
        let writer = Writer {
            name,
            api_version: "v1",
            subresource: "",
            now: Time::parse(self.now).unwrap(),
        };
        work(&rules, &writer)
    }

    fn typed(&self) -> Typed<'_> {
        self.types.0.typed(self.types.1)
    }

    fn update(&mut self, name: &str, new: Value) {
        // As they come from the store.
        let managers = stored(written(self.managers.clone()).as_deref());
        self.managers = self.with(name, |rules, writer| {
            update(rules, writer, &self.object, &new, managers)
        });
        self.object = new;
    }

    fn try_apply(&self, name: &str, config: &Value, force: bool) -> Result<Applied, Refusal> {
        // As they come from the store.
        let managers = stored(written(self.managers.clone()).as_deref());
        self.with(name, |rules, writer| {
            apply(
                rules,
                writer,
                (&json!({}), &self.object),
                config,
                managers,
                force,
            )
        })
    }

    fn apply(&mut self, name: &str, config: &Value) {
        let applied = self.try_apply(name, config, false).unwrap();
        self.take(applied);
    }

    fn take(&mut self, applied: Applied) {
        self.object = applied.object.unwrap_or_else(|| self.object.clone());
        self.managers = applied.managers;
    }

    fn conflicts(&self, name: &str, config: &Value) -> Vec<(String, String)> {
        match self.try_apply(name, config, false) {
            Err(Refusal::Conflicts(conflicts)) => conflicts
                .into_iter()
                .map(|conflict| (conflict.manager, conflict.field))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    fn owned(&self, name: &str) -> Value {
        let found = self.managers.iter().find(|manager| &*manager.name == name);
        found.map_or(Value::Null, |manager| {
            Value::Object(manager.fields.get().0.clone())
        })
    }

    fn spec(&self) -> &Value {
        &self.object["spec"]
    }
}

fn spec(spec: Value) -> Value {
    json!({"spec": spec})
}

// === what is owned ===

#[test]
fn owned_fields_have_the_form_of_fields_v1() {
    let mut world = World::new();
    let config = spec(json!({
        "text": "a", "labels": {"x": "1"}, "set": ["b", "<"], "list": ["1", "2"], "frozen": {"k": "v"},
        "items": [{"name": "n", "value": "v"}, {"name": "n", "port": 443, "tags": ["t"]}],
        "free": {"any": {"deep": [1]}, "empty": {}},
    }));
    world.apply("me", &config);
    let expected = json!({"f:spec": {
        "f:text": {}, "f:labels": {"f:x": {}}, "f:set": {"v:\"b\"": {}, "v:\"\\u003c\"": {}}, "f:list": {}, "f:frozen": {},
        "f:items": {
            "k:{\"name\":\"n\",\"port\":80}": {".": {}, "f:name": {}, "f:value": {}},
            "k:{\"name\":\"n\",\"port\":443}": {".": {}, "f:name": {}, "f:port": {}, "f:tags": {"v:\"t\"": {}}},
        },
        "f:free": {"f:any": {".": {}, "f:deep": {}}, "f:empty": {}},
    }});
    assert_eq!(world.owned("me"), expected);
    assert_eq!(world.object, config);
}

#[test]
fn an_update_owns_what_it_changes_and_the_containers_that_it_makes() {
    let mut world = World::new();
    world.update(
        "one",
        spec(json!({"text": "a", "labels": {"x": "1"}, "set": ["a"]})),
    );
    assert_eq!(
        world.owned("one"),
        json!({"f:spec": {".": {}, "f:text": {}, "f:labels": {".": {}, "f:x": {}}, "f:set": {".": {}, "v:\"a\"": {}}}})
    );
    world.now = "2026-01-02T03:04:06Z";
    world.update(
        "two",
        spec(json!({"text": "b", "labels": {"x": "1", "y": "2"}})),
    );
    assert_eq!(
        world.owned("one"),
        json!({"f:spec": {".": {}, "f:labels": {".": {}, "f:x": {}}}})
    );
    assert_eq!(
        world.owned("two"),
        json!({"f:spec": {"f:text": {}, "f:labels": {"f:y": {}}}})
    );
    // Who only takes away owns nothing by that, and its entry is as old as before.
    world.now = "2026-01-02T03:04:07Z";
    world.update("two", spec(json!({"text": "b", "labels": {"y": "2"}})));
    let times: Vec<_> = world
        .managers
        .iter()
        .map(|manager| manager.time.as_deref())
        .collect();
    assert_eq!(
        times,
        [Some("2026-01-02T03:04:05Z"), Some("2026-01-02T03:04:06Z")]
    );
}

// === apply ===

#[test]
fn what_is_not_applied_any_more_goes_if_nobody_else_owns_it() {
    let mut world = World::new();
    world.update(
        "other",
        spec(json!({"number": 1, "items": [{"name": "kept", "port": 80}]})),
    );
    world.apply("me", &spec(json!({"text": "a", "labels": {"x": "1"}, "items": [{"name": "n", "value": "v"}], "set": ["s"]})));
    world.apply(
        "shares",
        &spec(json!({"set": ["s"], "items": [{"name": "n", "value": "v"}]})),
    );
    world.apply("me", &spec(json!({"labels": {"x": "1"}})));
    assert_eq!(
        world.spec(),
        &json!({"number": 1, "labels": {"x": "1"}, "set": ["s"], "items": [{"name": "kept", "port": 80}, {"name": "n", "value": "v"}]})
    );
    world.apply("shares", &json!({}));
    assert_eq!(
        world.spec(),
        &json!({"number": 1, "labels": {"x": "1"}, "items": [{"name": "kept", "port": 80}]})
    );
    assert_eq!(world.owned("shares"), Value::Null);
}

#[test]
fn an_item_stays_for_who_applied_a_part_of_it_and_not_for_who_changed_it() {
    let item = |more: Value| {
        let mut item = json!({"name": "n", "port": 1});
        item.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        spec(json!({"text": "a", "items": [item]}))
    };
    let mut world = World::new();
    world.apply("me", &item(json!({"value": "v"})));
    world.apply("tagger", &item(json!({"tags": ["t"]})));
    world.apply("me", &spec(json!({"text": "a"})));
    assert_eq!(world.object, item(json!({"tags": ["t"]})));

    let mut world = World::new();
    world.apply("me", &item(json!({"value": "v"})));
    world.update("tagger", item(json!({"value": "v", "tags": ["t"]})));
    world.apply("me", &spec(json!({"text": "a"})));
    assert_eq!(world.spec(), &json!({"text": "a", "items": null}));
    assert_eq!(world.owned("tagger"), Value::Null);
}

#[test]
fn others_fields_are_in_conflict_unless_they_are_the_same() {
    let mut world = World::new();
    world.update(
        "updater",
        spec(json!({"text": "a", "number": 1, "items": [{"name": "n", "port": 9, "value": "v"}]})),
    );
    world.apply("applier", &spec(json!({"labels": {"x": "1"}, "text": "a"})));
    let wanted = spec(
        json!({"text": "b", "number": 1, "labels": {"x": "2"}, "items": [{"name": "n", "port": 9, "value": "w"}]}),
    );
    let told = world.conflicts("me", &wanted);
    let expected = [
        ("\"applier\"", ".spec.text"),
        ("\"applier\"", ".spec.labels.x"),
        ("\"updater\" using v1", ".spec.text"),
        (
            "\"updater\" using v1",
            ".spec.items[name=\"n\",port=9].value",
        ),
    ];
    let expected: Vec<(String, String)> =
        expected.map(|(one, two)| (one.into(), two.into())).into();
    assert_eq!(told, expected);
    let applied = world.try_apply("me", &wanted, true).unwrap();
    world.take(applied);
    assert_eq!(world.spec()["text"], "b");
    assert_eq!(world.owned("applier"), Value::Null);
    assert_eq!(
        world.owned("updater"),
        json!({"f:spec": {".": {}, "f:number": {}, "f:items": {".": {}, "k:{\"name\":\"n\",\"port\":9}": {".": {}, "f:name": {}, "f:port": {}}}}})
    );
}

#[test]
fn items_stand_in_the_order_of_the_configuration() {
    let named = |names: &[&str]| -> Value { json!(names) };
    let mut world = World::new();
    world.update("other", spec(json!({"set": named(&["a", "b", "x", "c"])})));
    for (config, expected) in [
        (&["b", "a", "d"][..], &["b", "x", "a", "d", "c"][..]),
        (&["c", "b"], &["a", "x", "c", "b"]),
        (&["n", "a", "m", "c"], &["n", "a", "b", "x", "m", "c"]),
    ] {
        let applied = world
            .try_apply("me", &spec(json!({"set": named(config)})), false)
            .unwrap();
        let mut got: Vec<Value> = applied.object.unwrap()["spec"]["set"]
            .as_array()
            .unwrap()
            .clone();
        let mut wanted: Vec<Value> = named(expected).as_array().unwrap().clone();
        let inside = |list: &[Value]| -> Vec<Value> {
            list.iter()
                .filter(|value| config.contains(&value.as_str().unwrap()))
                .cloned()
                .collect()
        };
        assert_eq!(inside(&got), inside(&wanted), "{config:?}");
        let key = |value: &Value| value.to_string();
        got.sort_by_key(key);
        wanted.sort_by_key(key);
        assert_eq!(got, wanted);
    }
}

#[test]
fn before_the_first_apply_somebody_owned_what_was_there() {
    let mut world = World::new();
    world.object = spec(json!({"text": "a", "number": 1}));
    let told = world.conflicts("me", &spec(json!({"text": "b"})));
    assert_eq!(
        told,
        [(
            "\"before-first-apply\" using v1".to_owned(),
            ".spec.text".to_owned()
        )]
    );
    world.apply("me", &spec(json!({"text": "a"})));
    assert_eq!(
        world.owned("before-first-apply"),
        json!({"f:spec": {".": {}, "f:text": {}, "f:number": {}}})
    );
    // Nothing changed: who applies owns it now too, and has no time.
    assert_eq!(world.managers.last().unwrap().time, None);
}

#[test]
fn a_configuration_that_does_not_fit_is_told_where() {
    let world = World::new();
    let wrong = |config: Value| match world.try_apply("me", &spec(config), false) {
        Err(Refusal::Misfit(words)) => words,
        other => panic!("{other:?}"),
    };
    for (config, words) in [
        (json!({"no": 1}), ".spec.no: field not declared in schema"),
        (
            json!({"number": "1"}),
            ".spec.number: expected numeric (int or float), got string",
        ),
        (
            json!({"set": ["a", "a"]}),
            ".spec.set: duplicate entries for key [=\"a\"]",
        ),
        (
            json!({"items": [{"name": "n"}, {"name": "n", "port": 80}]}),
            ".spec.items: duplicate entries for key [name=\"n\",port=80]",
        ),
        (
            json!({"labels": []}),
            ".spec.labels: expected map, got &{[]}",
        ),
        (
            json!({"items": [{"name": "n", "tags": {}}]}),
            ".spec.items[name=\"n\",port=80].tags: expected list, got &{map[]}",
        ),
    ] {
        assert_eq!(wrong(config), words);
    }
    let both = wrong(json!({"number": "1", "set": ["a", "a"]}));
    assert!(both.starts_with("errors:\n  .spec."), "{both}");
}

// === the list ===

#[test]
fn the_oldest_updaters_are_put_together() {
    let mut world = World::new();
    let mut labels = serde_json::Map::new();
    for at in 0..12 {
        labels.insert(format!("l{at}"), json!("v"));
        world.update(&format!("m{at:02}"), spec(json!({"labels": labels})));
    }
    assert_eq!(world.managers.len(), 10);
    assert_eq!(
        world.owned("ancient-changes")["f:spec"]["f:labels"],
        json!({".": {}, "f:l0": {}, "f:l1": {}, "f:l2": {}})
    );
    let text = written(world.managers.clone()).unwrap();
    assert_eq!(written(stored(Some(&text))), Some(text.clone()));
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list.to_string(), text);
    assert_eq!(list[0]["manager"], "ancient-changes");
    assert_eq!(list[0]["fieldsType"], "FieldsV1");
}

#[test]
fn a_list_that_comes_with_a_write_counts_if_it_can_be_read() {
    let entry = |fields: Value| json!({"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields});
    let kept = json!([entry(json!({"f:a": {}}))]).to_string();
    let names = |list: Option<Value>| -> Vec<Value> {
        let managers = given(list, Some(&kept));
        managers
            .into_iter()
            .map(|manager| Value::Object(manager.fields.get().0.clone()))
            .collect()
    };
    assert_eq!(names(None), [json!({"f:a": {}})]);
    assert_eq!(names(Some(json!([]))), Vec::<Value>::new());
    assert_eq!(names(Some(json!([{}]))), Vec::<Value>::new());
    let spaced = json!([entry(
        json!({"f:b": {"k:{ \"b\": 1, \"a\":2}": {".": {}, "x:new": {}}}})
    )]);
    assert_eq!(
        names(Some(spaced)),
        [json!({"f:b": {"k:{\"a\":2,\"b\":1}": {}}})]
    );
    for broken in [
        json!([{"manager": "m"}]),
        json!([entry(json!({"name": {}}))]),
        json!([entry(json!({"v:{": {}}))]),
    ] {
        assert_eq!(names(Some(broken)), [json!({"f:a": {}})]);
    }
}

#[test]
fn what_an_old_kubectl_applied_is_no_conflict_for_a_new_one() {
    let mut world = World::new();
    let (types, root) = Types::of_schema(
        &json!({"type": "object", "properties": {"spec": {"type": "object", "additionalProperties": {"type": "string"}}}}),
        false,
    );
    world.types = (types, root);
    let noted = |config: &Value| json!({"kubectl.kubernetes.io/last-applied-configuration": config.to_string()});
    let config = json!({"apiVersion": "v1", "kind": "K", "spec": {"a": "1", "b": "1"}});
    let mut object = config.clone();
    object["metadata"] = json!({"annotations": noted(&config)});
    world.update("kubectl-client-side-apply", object);
    let next = json!({"apiVersion": "v1", "kind": "K", "spec": {"a": "2", "b": "1"}});
    assert_eq!(world.conflicts("me", &next).len(), 1);
    world.apply("kubectl", &next);
    assert_eq!(world.spec(), &json!({"a": "2", "b": "1"}));
}
