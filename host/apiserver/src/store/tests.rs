use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

fn store(events: usize) -> (Store, Arc<str>) {
    let history = History {
        events,
        bytes: 1 << 20,
    };
    (Store::new(history), "/pods".into())
}

fn draft(name: &str, phase: &str) -> Draft {
    let object = json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": {"app": name}},
        "status": {"phase": phase, "resourceVersion": "12"},
    });
    let Value::Object(object) = object else {
        unreachable!()
    };
    Draft {
        object,
        fields: Fields::new(
            ["status.phase".into()].into(),
            std::iter::once(phase.into()),
        ),
        managed: None,
    }
}

/// Creates, or changes to that phase, whatever is there.
fn set(store: &mut Store, pods: &Arc<str>, key: &str, phase: &str) -> u64 {
    let expected = store.get(pods, key).map(|entry| entry.revision);
    let name = key.rsplit('/').next().unwrap();
    store
        .put(pods, key, expected, draft(name, phase))
        .unwrap()
        .revision
}

fn names(page: &Page) -> Vec<&str> {
    page.entries.iter().map(|entry| &*entry.key).collect()
}

fn all(revision: u64) -> Range<'static> {
    Range {
        prefix: "",
        from: None,
        limit: 0,
        revision,
    }
}

#[test]
fn a_write_needs_the_revision_it_was_made_for() {
    let (mut store, pods) = store(10);
    let first = store
        .put(&pods, "a/x", None, draft("x", "Pending"))
        .unwrap();
    assert_eq!(
        store
            .put(&pods, "a/x", None, draft("x", "Pending"))
            .unwrap_err(),
        Stale
    );
    let second = store
        .put(&pods, "a/x", Some(first.revision), draft("x", "Running"))
        .unwrap();
    assert_eq!(
        store
            .put(&pods, "a/x", Some(first.revision), draft("x", "Failed"))
            .unwrap_err(),
        Stale
    );
    assert_eq!(store.remove(&pods, "a/x", first.revision), Err(Stale));
    assert_eq!(
        store.remove(&pods, "a/x", second.revision),
        Ok(second.revision + 1)
    );
    assert_eq!(store.remove(&pods, "a/x", second.revision), Err(Stale));
}

#[test]
fn the_json_carries_its_revision_and_can_be_told_with_another() {
    let (mut store, pods) = store(10);
    set(&mut store, &pods, "a/x", "Pending");
    let entry = store.get(&pods, "a/x").unwrap();
    assert_eq!(
        entry.object().pointer("/metadata/resourceVersion"),
        Some(&json!(entry.revision.to_string()))
    );
    assert_eq!(
        entry.object().pointer("/status/resourceVersion"),
        Some(&json!("12"))
    );
    let mut told = Vec::new();
    entry.write_at(12345, &mut told);
    let mut expected = entry.object();
    expected["metadata"]["resourceVersion"] = json!("12345");
    assert_eq!(serde_json::from_slice::<Value>(&told).unwrap(), expected);
    let mut item = Vec::new();
    entry.write_untyped(&mut item);
    let mut expected = entry.object();
    expected
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["kind", "apiVersion"].contains(&name.as_str()));
    assert_eq!(serde_json::from_slice::<Value>(&item).unwrap(), expected);
    assert_eq!(
        (entry.namespace(), entry.name(), &*entry.uid),
        (Some("a"), "x", "uid-x")
    );
    assert_eq!(find(&entry.labels, "app"), Some("x"));
    assert_eq!(entry.fields.get("status.phase"), Some("Pending"));
}

#[test]
fn a_list_of_the_past_is_what_it_was() {
    let (mut store, pods) = store(100);
    let mut states = Vec::new();
    for (key, phase) in [
        ("a/x", "1"),
        ("b/y", "1"),
        ("a/x", "2"),
        ("a-b/z", "1"),
        ("b/y", ""),
        ("a/w", "1"),
        ("b/y", "3"),
    ] {
        match phase {
            "" => {
                let revision = store.get(&pods, key).unwrap().revision;
                store.remove(&pods, key, revision).unwrap();
            }
            phase => {
                set(&mut store, &pods, key, phase);
            }
        }
        let page = store.list(&pods, &all(store.revision()), |_| true).unwrap();
        let state: Vec<String> = page
            .entries
            .iter()
            .map(|entry| format!("{}@{}", entry.key, entry.revision))
            .collect();
        states.push((store.revision(), state));
    }
    for (revision, state) in states {
        let page = store.list(&pods, &all(revision), |_| true).unwrap();
        let found: Vec<String> = page
            .entries
            .iter()
            .map(|entry| format!("{}@{}", entry.key, entry.revision))
            .collect();
        assert_eq!(found, state, "at {revision}");
    }
}

#[test]
fn pages_go_on_from_the_state_they_began_with() {
    let (mut store, pods) = store(100);
    for key in ["a/1", "a/2", "a/3", "a/4", "b/1"] {
        set(&mut store, &pods, key, "Pending");
    }
    let revision = store.revision();
    let range = Range {
        prefix: "a/",
        from: None,
        limit: 2,
        revision,
    };
    let first = store.list(&pods, &range, |_| true).unwrap();
    assert_eq!((names(&first), first.remaining), (vec!["a/1", "a/2"], 2));
    let gone = store.get(&pods, "a/3").unwrap().revision;
    store.remove(&pods, "a/3", gone).unwrap();
    set(&mut store, &pods, "a/35", "Pending");
    let second = store
        .list(
            &pods,
            &Range {
                from: Some("a/2\0"),
                ..range
            },
            |_| true,
        )
        .unwrap();
    assert_eq!((names(&second), second.remaining), (vec!["a/3", "a/4"], 0));
}

#[test]
fn the_past_is_bounded_and_what_is_gone_is_refused() {
    let (mut store, pods) = store(3);
    let leases: Arc<str> = "/leases".into();
    let lease = set(&mut store, &leases, "a/lease", "");
    let revisions: Vec<u64> = (0..5)
        .map(|phase| set(&mut store, &pods, "a/x", &phase.to_string()))
        .collect();
    let last = *revisions.last().unwrap();
    assert_eq!(store.events(&pods, revisions[1]).unwrap().count(), 3);
    assert_eq!(
        store.events(&pods, revisions[0]).err(),
        Some(Compacted {
            oldest: revisions[1]
        })
    );
    assert!(store.list(&pods, &all(revisions[0]), |_| true).is_err());
    // A kind that did not change lost nothing that a watch of it would have told.
    assert_eq!(store.events(&leases, lease).unwrap().count(), 0);
    store.compact(last);
    assert_eq!(
        store.events(&leases, lease).err(),
        Some(Compacted { oldest: last })
    );
    assert_eq!(store.events(&pods, last).unwrap().count(), 0);
}

#[test]
fn the_past_is_bounded_in_bytes_too() {
    let pods: Arc<str> = "/pods".into();
    let mut store = Store::new(History {
        events: 1_000,
        bytes: 8 << 10,
    });
    for phase in 0..100 {
        set(&mut store, &pods, "a/x", &"x".repeat(phase));
    }
    assert!(
        store.order.len() < 30,
        "{} events are kept",
        store.order.len()
    );
    assert_eq!(store.order.len(), store.collections[&pods].log.len());
    assert!(store.weight <= 8 << 10);
}
