//! Objects that belong to subjects in a plugin's eyes, and the way back: who is to be asked again when one of them changes.
//!
//! Objects and subjects meet at [`Handle`]s: an object offers those it can be found by, a subject asks for those its relations
//! need. Both sides are indexed, so a change costs as much as it concerns, however many objects there are.

mod asks;
mod handle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use crate::description::{By, Relation, Subject};
use crate::due;
use crate::json::{self, Path};
use crate::object::{Key, Kind, ResourceVersion, Snapshot, Uid};
use crate::time::Time;
use asks::{Asks, Wire};
use handle::{Handle, Offered};

/// The longest text of all related objects of one subject, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// Objects of related kinds, each cut to what is read of it, and who refers to them.
#[derive(Debug, Default)]
pub struct Relations {
    declared: Vec<Declared>,
    /// By their number in the handles.
    kinds: Vec<Related>,
    numbers: BTreeMap<Kind, usize>,
    objects: BTreeMap<Arc<Key>, Object>,
    offers: HashMap<Handle, BTreeSet<Arc<Key>>>,
    asks: Asks,
}

/// The relations of a subject, and which view of the related kind each one has.
#[derive(Debug)]
struct Declared {
    kind: Kind,
    relations: Vec<Relation>,
    views: Vec<usize>,
}

/// A kind that some relation refers to.
#[derive(Debug, Default)]
struct Related {
    offered: Offered,
    /// The reads of each view. Relations that read the same share one.
    views: Vec<Vec<Path>>,
}

#[derive(Debug)]
struct Object {
    version: ResourceVersion,
    uid: Uid,
    since: Time,
    views: Box<[View]>,
    offers: BTreeSet<Handle>,
}

/// An object as a relation sees it.
#[derive(Debug, Clone)]
struct View {
    /// JSON. As text it weighs a quarter of a tree, and goes into the context as it is.
    text: Box<str>,
    /// When it was seen to change last; the object's `since` until then, so that a restart does not count as a change.
    changed: Time,
}

/// Why the related objects of a subject cannot be given to its plugin. None is ever left out silently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelationError {
    /// More than the relation allows.
    #[error(
        "relation {relation:?} has {found} objects, and at most {max} are given: narrow the relation, or raise its max"
    )]
    TooMany {
        /// Its name.
        relation: String,
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// More text than all relations of a subject may have together.
    #[error(
        "the related objects are {bytes} bytes of JSON, and at most {MAX_BYTES} are given: narrow the relations or their reads"
    )]
    TooLarge {
        /// How much there is.
        bytes: usize,
    },
    /// The subject is none of those that [`Relations::new`] was told.
    #[error("the relations of this subject were never declared")]
    Undeclared,
}

// === impl Relations ===

impl Relations {
    /// The relations of all plugins' subjects.
    #[must_use]
    pub fn new<'a>(subjects: impl IntoIterator<Item = &'a Subject>) -> Self {
        let mut relations = Self::default();
        for subject in subjects {
            if relations.place(subject).is_some() {
                continue;
            }
            let views = subject
                .relations
                .iter()
                .map(|relation| relations.declare(relation))
                .collect();
            relations.declared.push(Declared {
                kind: subject.kind.clone(),
                relations: subject.relations.clone(),
                views,
            });
        }
        relations
    }

    /// Takes over the objects of those before, of each kind of which all that is offered and read now was known then. Answers the other
    /// kinds: their objects are to be seen anew.
    pub fn take_over(&mut self, before: Self) -> Vec<Kind> {
        let mut unseen = Vec::new();
        for (kind, number) in &self.numbers {
            let known = before.related_kind(kind);
            let passage = self.kinds.get(*number).zip(known);
            let Some(views) = passage.and_then(|(now, (_, then))| now.views_in(then)) else {
                unseen.push(kind.clone());
                continue;
            };
            let offered = self.kinds.get(*number).map(|now| &now.offered);
            let objects = before.objects.range(Key::new(kind, None, "")..);
            for (key, object) in objects.take_while(|(key, _)| key.kind == *kind) {
                let offers = object.offers.iter();
                let offers: BTreeSet<Handle> = offers
                    .filter_map(|offer| offer.moved(*number, offered?))
                    .collect();
                for handle in &offers {
                    let offers = self.offers.entry(handle.clone()).or_default();
                    offers.insert(Arc::clone(key));
                }
                let views = views.iter().filter_map(|view| object.views.get(*view));
                let object = Object {
                    version: object.version,
                    uid: object.uid.clone(),
                    since: object.since,
                    views: views.cloned().collect(),
                    offers,
                };
                self.objects.insert(Arc::clone(key), object);
            }
        }
        unseen
    }

    /// The related kinds, to be watched.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        self.numbers.keys().cloned().collect()
    }

    /// The keys of one kind, in order; a list that does not name them any more has lost them.
    #[must_use]
    pub fn keys(&self, kind: &Kind) -> Vec<Key> {
        let keys = self
            .objects
            .range(Key::new(kind, None, "")..)
            .map(|(key, _)| Key::clone(key));
        keys.take_while(|key| key.kind == *kind).collect()
    }

    /// A version of a related object. Answers the subjects to ask again: those for which it appeared, went, or changed in what
    /// they read of it. A version that is not newer than what is known is left aside.
    pub fn observe(&mut self, object: &Snapshot, now: Time) -> Vec<Key> {
        let Some((number, kind)) = self.related_kind(&object.key().kind) else {
            return Vec::new();
        };
        let known = self.objects.get_key_value(object.key());
        if known.is_some_and(|(_, known)| known.version >= object.version()) {
            return Vec::new();
        }
        let key = known.map_or_else(
            || Arc::new(object.key().clone()),
            |(key, _)| Arc::clone(key),
        );
        let same = known
            .map(|(_, known)| known)
            .filter(|known| known.uid == *object.uid());
        let since = due::since(object.body(), &[]);
        let view = |(place, reads): (usize, &Vec<Path>)| {
            let text = json::prune(object.body(), reads).text().into_boxed_str();
            let changed = match same.and_then(|same| same.views.get(place)) {
                Some(view) if view.text == text => view.changed,
                Some(_) => now,
                None => since,
            };
            View { text, changed }
        };
        let views = kind.views.iter().enumerate().map(view).collect();
        let offers = handle::offers(number, &kind.offered, object);
        let new = Object {
            version: object.version(),
            uid: object.uid().clone(),
            since,
            views,
            offers,
        };
        let woken = self.woken(self.objects.get(&key), Some(&new));
        self.unlink(&key);
        for handle in &new.offers {
            self.offers
                .entry(handle.clone())
                .or_default()
                .insert(Arc::clone(&key));
        }
        self.objects.insert(key, new);
        woken
    }

    /// A related object went. Answers the subjects to ask again.
    pub fn forget(&mut self, key: &Key) -> Vec<Key> {
        let woken = self.woken(self.objects.get(key), None);
        self.unlink(key);
        self.objects.remove(key);
        woken
    }

    /// `Context::related` for a subject: of each relation, in the order of declaration, its objects by namespace and name. From
    /// now on, changes of these relations answer the subject.
    ///
    /// `object` is the subject's object, whole or cut to what its relations are found by.
    ///
    /// # Errors
    /// If a relation has more objects than it allows, or all together are too long. Changes answer the subject even then.
    pub fn related(
        &mut self,
        subject: &Subject,
        object: &Snapshot,
    ) -> Result<String, RelationError> {
        let place = self.place(subject).ok_or(RelationError::Undeclared)?;
        let asked: Vec<BTreeSet<Handle>> = subject
            .relations
            .iter()
            .map(|relation| self.handles(relation, object))
            .collect();
        self.asks.set(object.key(), place, &asked);
        let views = self
            .declared
            .get(place)
            .map_or(&[][..], |declared| &declared.views);
        let mut text = String::from("{");
        for ((relation, handles), view) in subject.relations.iter().zip(&asked).zip(views) {
            let separator = if text.len() > 1 { "," } else { "" };
            let found: BTreeSet<&Arc<Key>> = handles
                .iter()
                .filter_map(|handle| self.offers.get(handle))
                .flatten()
                .collect();
            if found.len() > relation.max {
                return Err(RelationError::TooMany {
                    relation: relation.name.clone(),
                    found: found.len(),
                    max: relation.max,
                });
            }
            // A description's relation names need no escapes.
            let _ = write!(text, "{separator}\"{}\":[", relation.name);
            self.render(&mut text, &found, *view);
            text.push(']');
        }
        text.push('}');
        if text.len() > MAX_BYTES {
            Err(RelationError::TooLarge { bytes: text.len() })
        } else {
            Ok(text)
        }
    }

    /// The subject's object went: nothing asks it again.
    pub fn forget_subject(&mut self, key: &Key) {
        self.asks.forget(key);
    }

    /// The view that a relation has of its kind, which is related from now on.
    fn declare(&mut self, relation: &Relation) -> usize {
        let next = self.kinds.len();
        let number = *self.numbers.entry(relation.kind.clone()).or_insert(next);
        if number == next {
            self.kinds.push(Related::default());
        }
        let Some(kind) = self.kinds.get_mut(number) else {
            return 0;
        };
        match &relation.by {
            By::Name(_) => kind.offered.names = true,
            By::Owner => kind.offered.uids = true,
            By::Owned => kind.offered.owners = true,
            By::Label { label, .. } => {
                kind.offered.labels.insert(label.clone());
            }
        }
        let known = kind.views.iter().position(|reads| *reads == relation.reads);
        known.unwrap_or_else(|| {
            kind.views.push(relation.reads.clone());
            kind.views.len() - 1
        })
    }

    fn place(&self, subject: &Subject) -> Option<usize> {
        self.declared.iter().position(|declared| {
            declared.kind == subject.kind && declared.relations == subject.relations
        })
    }

    fn related_kind(&self, kind: &Kind) -> Option<(usize, &Related)> {
        let number = *self.numbers.get(kind)?;
        Some((number, self.kinds.get(number)?))
    }

    fn handles(&self, relation: &Relation, object: &Snapshot) -> BTreeSet<Handle> {
        self.numbers
            .get(&relation.kind)
            .map_or_else(BTreeSet::new, |number| {
                handle::asks(*number, relation, object)
            })
    }

    fn render(&self, text: &mut String, found: &BTreeSet<&Arc<Key>>, view: usize) {
        let mut separator = "";
        for object in found.iter().filter_map(|key| self.objects.get(*key)) {
            let Some(view) = object.views.get(view) else {
                continue;
            };
            let (since, changed) = (object.since.0, view.changed.max(object.since).0);
            let _ = write!(
                text,
                "{separator}{{\"object\":{},\"sinceMs\":{since},\"changedMs\":{changed}}}",
                view.text
            );
            separator = ",";
        }
    }

    /// The subjects that see a difference between two versions of an object.
    fn woken(&self, old: Option<&Object>, new: Option<&Object>) -> Vec<Key> {
        let offers = |object: Option<&Object>, handle: &Handle| {
            object.is_some_and(|object| object.offers.contains(handle))
        };
        let text = |object: Option<&Object>, view: usize| {
            object
                .and_then(|object| object.views.get(view))
                .map(|view| view.text.clone())
        };
        let handles: BTreeSet<&Handle> = old
            .into_iter()
            .chain(new)
            .flat_map(|object| &object.offers)
            .collect();
        let mut woken: BTreeSet<&Arc<Key>> = BTreeSet::new();
        for handle in handles {
            let both = offers(old, handle) && offers(new, handle);
            for (subject, wire) in self.asks.of(handle) {
                let view = self.view(*wire);
                if !both || view.is_none_or(|view| text(old, view) != text(new, view)) {
                    woken.insert(subject);
                }
            }
        }
        woken.into_iter().map(|key| Key::clone(key)).collect()
    }

    fn view(&self, (declared, relation): Wire) -> Option<usize> {
        self.declared.get(declared)?.views.get(relation).copied()
    }

    /// Takes an object's offers back.
    fn unlink(&mut self, key: &Key) {
        for handle in self
            .objects
            .get(key)
            .into_iter()
            .flat_map(|object| &object.offers)
        {
            if let Some(keys) = self.offers.get_mut(handle) {
                keys.remove(key);
                if keys.is_empty() {
                    self.offers.remove(handle);
                }
            }
        }
    }
}

// === impl Related ===

impl Related {
    /// Where another has the views that this one has; none if it lacks one, or its objects are found by less.
    fn views_in(&self, other: &Self) -> Option<Vec<usize>> {
        let place = |reads| other.views.iter().position(|known| known == reads);
        let views: Option<Vec<usize>> = self.views.iter().map(place).collect();
        views.filter(|_| self.offered.is_within(&other.offered))
    }
}

// === impl RelationError ===

impl RelationError {
    /// The bounded word for metrics, Events and `explain`.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::TooMany { .. } => "TooManyRelated",
            Self::TooLarge { .. } => "RelatedTooLarge",
            Self::Undeclared => "RelationUndeclared",
        }
    }
}
