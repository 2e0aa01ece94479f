//! Who owns which field of an object, and server-side apply (KEP-555; sigs.k8s.io/structured-merge-diff, and apimachinery's
//! `pkg/util/managedfields`).
//!
//! Pure: values and their types go in, values and owners come out. What a kind's type is and what its writes reset is said by
//! [`crate::kinds`], who writes by [`crate::rest`].
//!
//! # Known gaps
//! - *Versions* of a kind differ in their names alone here, so what a manager owns in another version is the same paths.
//! - *Schemas that change*: a list or map that a definition turns from granular to atomic is owned as before by who wrote it before.
//! - *YAML*: a key that is there twice is refused with 400; the real server warns, unless it is asked to be strict.
//! - *Definitions*: the status that the real server's controllers write has an owner there (`kube-apiserver`), and none here.
//! - *Too large*: the real server forgets the owners where an object is too large to be stored with them; here nothing is too large.

mod compare;
mod covers;
mod element;
mod last_applied;
mod managers;
mod merge;
pub(crate) mod scale;
mod set;
#[cfg(test)]
mod tests;
mod types;
mod update;
mod walk;

pub(crate) use self::last_applied::note as note_applied;
pub(crate) use self::managers::{Manager, Writer, given, same_but_times, stored, written};
pub(crate) use self::set::Set;
pub(crate) use self::types::{
    ATOMIC, Atom, DEDUCED, List, Members, Place, Relation, Scalar, Typed, Types,
};
pub(crate) use self::update::{Applied, Conflict, Refusal, Resets, Rules, apply, update};
