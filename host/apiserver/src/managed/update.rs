//! What a write makes of who owns what (structured-merge-diff, `merge/update.go`).

use std::sync::LazyLock;

use serde_json::Value;
use stagewright_core::json::equal;

use super::compare::Changes;
use super::element;
use super::managers::{Manager, Writer, cap};
use super::merge::merge;
use super::set::{self, Set};
use super::types::Typed;
use super::walk::{self, remove};

/// Who owned what there was before the first apply, if nobody was told.
const BEFORE: &str = "before-first-apply";

/// What nobody owns: what an object is, and what only the server writes.
static UNOWNED: LazyLock<Set> = LazyLock::new(|| {
    let metadata: [&[&str]; 12] = [
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ];
    Set::of_fields(metadata)
});

/// What a kind says of ownership, for one resource or subresource.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// The kind's type.
    pub(crate) typed: Typed<'a>,
    /// What a write here cannot change, and so does not own.
    pub(crate) resets: &'a Resets,
    /// Whether the kind is served in a version. Who wrote in another is forgotten.
    pub(crate) served: &'a dyn Fn(&str) -> bool,
    /// Whether nobody is known any more if one wrote in another: custom resources are not converted to what is not theirs, and the real
    /// server gives up then (`UpdateNoErrors` in apimachinery `fieldmanager.go`).
    pub(crate) strict: bool,
}

/// What a write does not own, since the server resets it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resets {
    /// These paths, with all below them.
    These(Set),
    /// All but these ways and what is below them; `*` is any step.
    AllBut(&'static [&'static [&'static str]]),
}

/// One path that another manager owns and has another value for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conflict {
    /// As messages name the manager.
    pub(crate) manager: String,
    /// By this managers come one after the other in messages.
    pub(crate) order: String,
    /// `.spec.replicas`
    pub(crate) field: String,
    path: Vec<String>,
}

/// Why a configuration cannot be applied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refusal {
    /// It does not fit its type: the words of the real server.
    Misfit(String),
    /// Others own what it changes.
    Conflicts(Vec<Conflict>),
}

/// What an apply made of an object.
#[derive(Debug)]
pub(crate) struct Applied {
    /// `None` if it is as it was.
    pub(crate) object: Option<Value>,
    pub(crate) managers: Vec<Manager>,
}

// === impl Resets ===

impl Resets {
    /// The members of an object that a write does not own at all: there is no use in looking at them.
    pub(crate) fn aside(&self) -> Vec<&str> {
        let Self::These(these) = self else {
            return Vec::new();
        };
        let whole = these.0.iter().filter(|(_, node)| set::is_member(node));
        whole.filter_map(|(step, _)| element::name(step)).collect()
    }

    fn leave(&self, set: &mut Set) {
        match self {
            Self::These(these) => set.cut(these),
            Self::AllBut(ways) => set.keep(ways),
        }
    }
}

/// The owners after an update that made `new` of `old`; neither has its managedFields.
pub(crate) fn update(
    rules: &Rules<'_>,
    writer: &Writer<'_>,
    old: &Value,
    new: &Value,
    mut managers: Vec<Manager>,
) -> Vec<Manager> {
    let before = managers.len();
    managers.retain(|manager| (rules.served)(&manager.api_version));
    if rules.strict && managers.len() < before {
        return Vec::new();
    }
    let aside = rules.resets.aside();
    let mut changes = Changes::between_but(rules.typed, old, new, &aside);
    changes.each(|set| rules.resets.leave(set));
    if !changes.is_empty() && !again(&mut managers, &changes, writer) {
        lose(&mut managers, &changes);
        let Changes {
            modified, added, ..
        } = changes;
        let fields = modified.with(&added).without(&UNOWNED);
        if !fields.is_empty() {
            let mut own = writer.manager(false, fields);
            own.time = writer.time();
            match managers.iter_mut().find(|known| known.is(&own)) {
                Some(known) => {
                    known.fields.change().add(&own.fields.get());
                    known.time = own.time;
                }
                None => managers.push(own),
            }
        }
    }
    cap(&mut managers);
    managers
}

/// Whether somebody only wrote once more to what it owned alone, as controllers do: then its entry has a new time.
fn again(managers: &mut [Manager], changes: &Changes, writer: &Writer<'_>) -> bool {
    let first = changes.first_steps();
    let own = writer.manager(false, Set::default());
    let mut concerned = managers
        .iter_mut()
        .filter(|manager| manager.fields.may_have(&first));
    match (concerned.next(), concerned.next()) {
        (Some(only), None) if only.is(&own) && changes.are_within(&only.fields) => {
            only.time = writer.time();
            true
        }
        _ => false,
    }
}

/// Takes what changed from all.
fn lose(managers: &mut Vec<Manager>, changes: &Changes) {
    let first = changes.first_steps();
    managers.retain_mut(|manager| {
        if manager.fields.may_have(&first) {
            let fields = manager.fields.change();
            for set in [&changes.modified, &changes.added, &changes.removed] {
                fields.subtract(set);
            }
        }
        !manager.fields.is_empty()
    });
}

/// Applies a configuration. `old` is without its managedFields; `blank` is what an object is that nobody wrote to.
///
/// # Errors
/// See [`Refusal`].
pub(crate) fn apply(
    rules: &Rules<'_>,
    writer: &Writer<'_>,
    (blank, old): (&Value, &Value),
    config: &Value,
    managers: Vec<Manager>,
    force: bool,
) -> Result<Applied, Refusal> {
    if let Some(words) = walk::check(rules.typed, config) {
        return Err(Refusal::Misfit(words));
    }
    let managers = if managers.is_empty() {
        let before = Writer {
            name: BEFORE,
            ..*writer
        };
        update(rules, &before, blank, old, managers)
    } else {
        managers
    };
    match merged(rules, writer, old, config, managers.clone(), force) {
        Err(Refusal::Conflicts(conflicts)) if writer.name == "kubectl" => {
            let ours = super::last_applied::owned(rules.typed, writer.api_version, old);
            let others: Vec<Conflict> = conflicts
                .iter()
                .filter(|conflict| !ours.as_ref().is_some_and(|ours| ours.has(&conflict.path)))
                .cloned()
                .collect();
            if others.is_empty() {
                merged(rules, writer, old, config, managers, true)
            } else {
                Err(Refusal::Conflicts(others))
            }
        }
        other => other,
    }
}

fn merged(
    rules: &Rules<'_>,
    writer: &Writer<'_>,
    old: &Value,
    config: &Value,
    mut managers: Vec<Manager>,
    force: bool,
) -> Result<Applied, Refusal> {
    managers.retain(|manager| (rules.served)(&manager.api_version));
    let mut fields = walk::paths(rules.typed, config);
    rules.resets.leave(&mut fields);
    let mut own = writer.manager(true, fields.clone());
    let place = managers.iter().position(|known| known.is(&own));
    let last = place.map(|place| managers.remove(place));
    own.time = last.as_ref().and_then(|last| last.time.clone());
    let new = merge(rules.typed, old, config);
    let new = match last {
        Some(last) => prune(rules.typed, new, &fields, &managers, &last.fields.get()),
        None => new,
    };
    let mut changes = Changes::between(rules.typed, old, &new);
    changes.each(|set| rules.resets.leave(set));
    if !force {
        let conflicts = conflicts(&managers, &changes);
        if !conflicts.is_empty() {
            return Err(Refusal::Conflicts(conflicts));
        }
    }
    lose(&mut managers, &changes);
    let changed = !equal(old, &new);
    if changed {
        own.time = writer.time();
    }
    own.fields.change().subtract(&UNOWNED);
    if !own.fields.is_empty() {
        managers.push(own);
    }
    Ok(Applied {
        object: changed.then_some(new),
        managers,
    })
}

fn conflicts(managers: &[Manager], changes: &Changes) -> Vec<Conflict> {
    let changed = changes.modified.clone().with(&changes.added);
    let mut all = Vec::new();
    for manager in managers {
        let (name, order) = (manager.shown(), manager.order());
        let paths = manager.fields.get().shared(&changed).paths();
        all.extend(paths.into_iter().map(|path| Conflict {
            manager: name.clone(),
            order: order.clone(),
            field: set::shown(&path),
            path,
        }));
    }
    all
}

/// Takes out what the manager applied the last time and not now, if nobody else owns it.
fn prune(typed: Typed<'_>, merged: Value, own: &Set, others: &[Manager], last: &Set) -> Value {
    if last.clone().without(own).is_empty() {
        return merged;
    }
    let last = last.with_named_fields(typed);
    let there = walk::paths(typed, &merged).with_named_fields(typed);
    let left = |value: &Value| walk::paths(typed, value).with_named_fields(typed);
    // Below what is taken out there may be what others own.
    let mut owned = own.clone();
    for other in others {
        owned.add(&other.fields.get());
    }
    let pruned = remove(typed, merged.clone(), &last);
    let kept = left(&pruned).with(&owned.with_named_fields(typed));
    let pruned = remove(typed, merged.clone(), &there.clone().without(&kept));
    // What nobody applied stays.
    let gone = there.without(&left(&pruned)).shared(&last);
    remove(typed, merged, &gone)
}
