//! Which paths differ between two values of a type (structured-merge-diff, `typed/compare.go`).

use serde_json::{Map, Value};
use stagewright_core::json::equal;

use super::element;
use super::managers::Fields;
use super::set::{Node, Set};
use super::types::{Form, List, Members, Relation, Typed};
use super::walk::{alike, by_element};

/// What one value made of another. No path is in two of the sets.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Changes {
    pub(super) removed: Set,
    pub(super) modified: Set,
    pub(super) added: Set,
}

#[derive(Default)]
struct Found {
    removed: Node,
    modified: Node,
    added: Node,
}

// === impl Changes ===

impl Changes {
    /// What the second is against the first.
    pub(super) fn between(typed: Typed<'_>, old: &Value, new: &Value) -> Self {
        Self::between_but(typed, old, new, &[])
    }

    /// The same without looking at some members.
    pub(super) fn between_but(typed: Typed<'_>, old: &Value, new: &Value, aside: &[&str]) -> Self {
        let mut found = Found::default();
        match (typed.atom().map.as_ref(), old, new) {
            (Some(members), Value::Object(old), Value::Object(new)) if !members.atomic => {
                found.maps(typed, members, Some(old), Some(new), aside);
            }
            _ => found = compare(typed, Some(old), Some(new)),
        }
        Self {
            removed: Set::of(found.removed),
            modified: Set::of(found.modified),
            added: Set::of(found.added),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        [&self.removed, &self.modified, &self.added]
            .into_iter()
            .all(Set::is_empty)
    }

    /// Whether nothing came or went, and all that changed is in there.
    pub(super) fn are_within(&self, fields: &Fields) -> bool {
        self.removed.is_empty() && self.added.is_empty() && fields.covers(&self.modified)
    }

    /// The first steps of all paths.
    pub(super) fn first_steps(&self) -> Vec<&String> {
        let sets = [&self.removed, &self.modified, &self.added];
        sets.into_iter().flat_map(|set| set.0.keys()).collect()
    }

    /// The same for each of the three.
    pub(super) fn each(&mut self, change: impl Fn(&mut Set)) {
        for set in [&mut self.removed, &mut self.modified, &mut self.added] {
            change(set);
        }
    }
}

fn compare(typed: Typed<'_>, old: Option<&Value>, new: Option<&Value>) -> Found {
    let mut found = Found::default();
    if old == new {
        return found;
    }
    let atom = typed.atom();
    let (before, after) = (atom.form(old), atom.form(new));
    let leaf = match (old, new) {
        (_, None) => found.look(typed, before, old, new),
        (Some(_), Some(_)) if before != after => {
            found.look(typed, before, old, new);
            found.look(typed, after, old, new)
        }
        _ => found.look(typed, after, old, new),
    };
    if !leaf {
        found.added.member |= old.is_none();
        found.removed.member |= new.is_none();
    }
    found
}

// === impl Found ===

impl Found {
    /// Whether the path is a leaf.
    fn look(
        &mut self,
        typed: Typed<'_>,
        form: Form<'_>,
        old: Option<&Value>,
        new: Option<&Value>,
    ) -> bool {
        match form {
            Form::Map(members) => {
                let (before, after) = (members_of(old), members_of(new));
                if !members.atomic && (before.is_some() || after.is_some()) {
                    self.maps(typed, members, before, after, &[]);
                    return false;
                }
            }
            Form::List(list) => {
                let (before, after) = (items_of(old), items_of(new));
                if list.relation != Relation::Atomic && !(before.is_empty() && after.is_empty()) {
                    self.lists(typed, list, before, after);
                    return false;
                }
            }
            Form::Scalar(_) => {}
            Form::Nothing => return false,
        }
        match (old, new) {
            (None, _) => self.added.member = true,
            (_, None) => self.removed.member = true,
            (Some(old), Some(new)) => self.modified.member |= !equal(old, new),
        }
        true
    }
    fn maps(
        &mut self,
        typed: Typed<'_>,
        members: &Members,
        old: Option<&Map<String, Value>>,
        new: Option<&Map<String, Value>>,
        aside: &[&str],
    ) {
        let seen = |(name, _): &(&String, &Value)| !aside.contains(&name.as_str());
        for (name, before) in old.into_iter().flatten().filter(seen) {
            let after = new.and_then(|new| new.get(name));
            self.put(
                &element::field(name),
                compare(typed.member(members, name), Some(before), after),
            );
        }
        for (name, after) in new.into_iter().flatten().filter(seen) {
            if !old.is_some_and(|old| old.contains_key(name)) {
                self.put(
                    &element::field(name),
                    compare(typed.member(members, name), None, Some(after)),
                );
            }
        }
    }

    fn lists(&mut self, typed: Typed<'_>, list: &List, old: &[Value], new: &[Value]) {
        let of = typed.to(list.of);
        let (before, after) = (by_element(list, old), by_element(list, new));
        let mut before = before.chunk_by(alike).peekable();
        let mut after = after.chunk_by(alike).peekable();
        loop {
            let next = [before.peek(), after.peek()];
            let steps = next.into_iter().flatten().filter_map(|same| same.first());
            let Some(element) = steps.map(|(element, _)| element).min().cloned() else {
                return;
            };
            let this = |same: &&[(String, &Value)]| {
                same.first().is_some_and(|(known, _)| *known == element)
            };
            let was = before.next_if(this).unwrap_or_default();
            let is = after.next_if(this).unwrap_or_default();
            let found = items(of, was, is);
            self.put(&element, found);
        }
    }

    fn put(&mut self, element: &str, found: Self) {
        let pairs = [
            (&mut self.removed, found.removed),
            (&mut self.modified, found.modified),
            (&mut self.added, found.added),
        ];
        for (outer, inner) in pairs {
            if inner.member || !inner.below.is_empty() {
                outer.put(element.to_owned(), inner);
            }
        }
    }
}

fn members_of(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value
        .and_then(Value::as_object)
        .filter(|map| !map.is_empty())
}

fn items_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What became of the items with one step. Where they are several they are owned as one.
fn items(of: Typed<'_>, was: &[(String, &Value)], is: &[(String, &Value)]) -> Found {
    match (was, is) {
        ([], []) => Found::default(),
        ([(_, was)], []) => compare(of, Some(was), None),
        ([], [(_, is)]) => compare(of, None, Some(is)),
        ([(_, was)], [(_, is)]) => compare(of, Some(was), Some(is)),
        ([_, _, ..], [_, _, ..]) => {
            let mut found = Found::default();
            found.modified.member = was != is;
            found
        }
        ([_, _, ..], is) => {
            let mut found = Found::default();
            if let Some((_, is)) = is.first() {
                found = compare(of, None, Some(is));
            }
            found.removed.member = true;
            found
        }
        (was, _) => {
            let mut found = Found::default();
            if let Some((_, was)) = was.first() {
                found = compare(of, Some(was), None);
            }
            found.added.member = true;
            found
        }
    }
}
