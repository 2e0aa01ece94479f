//! What follows from a write of a CustomResourceDefinition, or of the last object of one that goes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::metadata;
use super::write::stored_draft;
use crate::kinds::Resource;
use crate::kinds::{self, custom};
use crate::server::Shared;
use crate::store::{Entry, Range};

/// Where definitions are stored.
const COLLECTION: &str = "apiextensions.k8s.io/customresourcedefinitions";
/// Their group and plural.
const GROUP: &str = "apiextensions.k8s.io";
const PLURAL: &str = "customresourcedefinitions";

impl Shared {
    /// What follows from a write: a definition is a kind from now on, or none any more.
    pub(crate) fn stored(&self, resource: &Resource, key: &str) {
        if *resource.kind == *custom::DEFINITION {
            self.definition_stored(resource, key);
        } else if resource.custom {
            self.custom_stored(resource);
        }
    }

    /// Serves the definitions that are there from the beginning, and does what was left undone when they were written.
    pub(crate) fn restore_definitions(&self) {
        let definitions = self.read(|store| entries(store, COLLECTION));
        for entry in &definitions {
            self.catalog.write().crd_restored(&entry.object());
        }
        let kind = self.catalog.read().in_group(GROUP, PLURAL).cloned();
        let Some(kind) = kind else { return };
        for entry in definitions {
            self.definition_stored(&kind, &entry.key);
        }
    }

    fn definition_stored(&self, resource: &Resource, key: &str) {
        self.accept(resource, key);
        self.serve(key);
        self.keep_selectable(key);
        self.clear(resource, key);
    }

    /// Objects that were stored before their definition named other fields for selectors are found by those too.
    fn keep_selectable(&self, key: &str) {
        let (plural, group) = key.split_once('.').unwrap_or((key, ""));
        let kind = self.catalog.read().in_group(group, plural).cloned();
        let Some(kind) = kind else { return };
        for entry in self.read(|store| entries(store, &kind.collection)) {
            if entry.fields.names() != kind.selectable.names() {
                let fields = kinds::selectable_fields(&kind, &entry.object());
                self.write(|store| {
                    store.refield(&kind.collection, &entry.key, entry.revision, fields);
                });
            }
        }
    }

    /// Reads under the catalog's lock: of two writers, the later one leaves what is stored.
    fn serve(&self, key: &str) {
        let mut catalog = self.catalog.write();
        match self.read(|store| store.get(COLLECTION, key).cloned()) {
            Some(entry) => catalog.crd_changed(&entry.object()),
            None => catalog.crd_gone(key),
        }
    }

    /// Writes what the server says of names, as often as there is more to say.
    fn accept(&self, resource: &Resource, key: &str) {
        loop {
            let (entry, others) = self.read(|store| {
                let others = entries(store, COLLECTION)
                    .into_iter()
                    .filter(|entry| *entry.key != *key);
                (
                    store.get(COLLECTION, key).cloned(),
                    others.collect::<Vec<_>>(),
                )
            });
            let Some(entry) = entry else { return };
            let others: Vec<Value> = others.iter().map(|entry| entry.object()).collect();
            let next = custom::next_status(&entry.object(), &others, self.clock.now());
            let Some(next) = next else { return };
            self.rewrite(resource, &entry, next);
        }
    }

    /// Stores the object, if nobody was faster.
    fn rewrite(&self, resource: &Resource, entry: &Entry, object: Value) {
        if let Ok(draft) = stored_draft(resource, object) {
            // Who was faster is looked at by the caller's next turn.
            let _ = self.write(|store| {
                store.put(
                    &resource.collection,
                    &entry.key,
                    Some(entry.revision),
                    draft,
                )
            });
        }
    }

    /// Takes the objects of a definition that goes, and the definition after the last of them.
    fn clear(&self, resource: &Resource, key: &str) {
        let definition = || self.read(|store| store.get(COLLECTION, key).cloned());
        let held = |entry: &Entry| {
            let object = entry.object();
            custom::is_doomed(&object) && metadata::finalizers(&object).contains(&custom::CLEANUP)
        };
        let Some(entry) = definition().filter(|entry| held(entry)) else {
            return;
        };
        let object = entry.object();
        let spec = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let collection: Arc<str> =
            format!("{}/{}", spec("/spec/group"), spec("/spec/names/plural")).into();
        let gone = self.remove_all(&collection);
        let next = custom::released(object, gone, self.clock.now());
        if next != entry.object() {
            self.rewrite(resource, &entry, next);
        }
        let Some(entry) = definition().filter(|_| gone) else {
            return;
        };
        if metadata::finalizers(&entry.object()).is_empty() {
            let removed =
                self.write(|store| store.remove(&resource.collection, key, entry.revision));
            if removed.is_ok() {
                self.serve(key);
            }
        }
    }

    /// Deletes the objects of a kind; whether none is left. Those with finalizers are marked, and stay.
    fn remove_all(&self, collection: &Arc<str>) -> bool {
        let everything = self.read(|store| entries(store, collection));
        let mut left = false;
        for entry in everything {
            let mut object = entry.object();
            if metadata::finalizers(&object).is_empty() {
                let removed =
                    self.write(|store| store.remove(collection, &entry.key, entry.revision));
                left |= removed.is_err();
                continue;
            }
            left = true;
            if metadata::deletion(&object).is_some() {
                continue;
            }
            let now = self.clock.now().to_seconds();
            if let Ok(fields) = metadata::of(&mut object) {
                let generation = fields
                    .get("generation")
                    .and_then(Value::as_i64)
                    .unwrap_or(0);
                fields.insert("generation".to_owned(), json!(generation + 1));
                fields.insert("deletionTimestamp".to_owned(), json!(now));
                fields.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
            }
            if let Value::Object(object) = object {
                let draft = crate::store::Draft {
                    object,
                    fields: entry.fields.clone(),
                    managed: None,
                };
                // Whoever was faster leaves it to the next write.
                let _ = self
                    .write(|store| store.put(collection, &entry.key, Some(entry.revision), draft));
            }
        }
        !left
    }

    /// The last object of a definition that goes may have gone with this write.
    fn custom_stored(&self, resource: &Resource) {
        let terminating = resource
            .definition
            .as_ref()
            .is_some_and(|known| known.is_terminating());
        if !terminating {
            return;
        }
        let definitions = self.catalog.read().resource(GROUP, "v1", PLURAL);
        if let Some(definitions) = definitions {
            self.clear(
                &definitions,
                &format!("{}.{}", resource.plural, resource.group),
            );
        }
    }
}

/// All that is in a collection.
fn entries(store: &crate::store::Store, collection: &str) -> Vec<Arc<Entry>> {
    let range = Range {
        prefix: "",
        from: None,
        limit: 0,
        revision: store.revision(),
    };
    store
        .list(collection, &range, |_| true)
        .unwrap_or_default()
        .entries
}
