//! A whole play on local copies, before its first write.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::others::{self, Wanted};
use super::patch::{Judged, subresource};
use super::violation::Violation;
use super::{Rules, Verdict, admit_delete, check_user};
use crate::interface::{Effect, PatchEffect};
use crate::json::{Difference, difference};
use crate::object::{Key, Kind, Snapshot};
use crate::order::Mend;

/// What a play would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal {
    /// Whether anything would be written. Of other objects it is not known here what they are, so they count.
    pub changes: bool,
    /// Each write, in order.
    pub writes: Vec<Planned>,
    /// What would be mended, in all.
    pub mended: Vec<Mend>,
    /// The subject as its patches leave it, for simulations.
    #[serde(skip)]
    pub after: Arc<Value>,
}

/// One write that a play would do; for dry runs and `explain`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// `patch`, `apply`, `remove` or `delete`.
    pub verb: &'static str,
    /// The object.
    pub object: String,
    /// None: the object itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// Of a patch: the difference it makes, without preconditions. Of an apply: the object. Otherwise null.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub body: Value,
    /// What of it was mended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mended: Vec<Mend>,
}

/// How far a play has come: what may follow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Others,
    Patches,
    PhaseMoved,
    Deleted,
}

/// Goes through a whole play on local copies: the order of its effects, then each in turn, patches on the subject as the one before
/// leaves it. What the server or other objects will make of it is open.
///
/// # Errors
/// The first violation.
pub fn rehearse(
    subject: &Snapshot,
    effects: &[Effect],
    rules: &Rules<'_>,
) -> Result<Rehearsal, Violation> {
    let mut play = Play {
        subject: subject.clone(),
        part: Part::Others,
        rehearsal: Rehearsal {
            changes: false,
            writes: Vec::new(),
            mended: Vec::new(),
            after: subject.shared_body(),
        },
    };
    for (number, effect) in effects.iter().enumerate() {
        play.go(number, effect, rules)?;
    }
    play.rehearsal.after = play.subject.shared_body();
    Ok(play.rehearsal)
}

struct Play {
    subject: Snapshot,
    part: Part,
    rehearsal: Rehearsal,
}

// === impl Play ===

impl Play {
    fn go(&mut self, number: usize, effect: &Effect, rules: &Rules<'_>) -> Result<(), Violation> {
        let subject = &self.subject.clone();
        match effect {
            Effect::Event(_) => Ok(()),
            Effect::Extension { name } => Err(Violation::unknown_effect(name)),
            Effect::Apply(apply) => {
                self.enter(number, Part::Others)?;
                let wanted = Wanted::of(subject, apply, rules)?;
                let object = format!("{} {}", wanted.applies.kind.kind(), wanted.name);
                let subresource = others::subresource(apply).map(str::to_owned);
                self.plan(
                    "apply",
                    object,
                    subresource,
                    apply.object.clone(),
                    Vec::new(),
                );
                Ok(())
            }
            Effect::Remove(reference) => {
                self.enter(number, Part::Others)?;
                let kind = Kind::new(&reference.api_version, &reference.kind);
                others::declared(&kind, "it removes", rules)?;
                let key = Key::new(&kind, reference.namespace.as_deref(), &reference.name);
                self.plan("remove", key.to_string(), None, Value::Null, Vec::new());
                Ok(())
            }
            Effect::Patch(patch) => {
                self.enter(number, Part::Patches)?;
                self.patch(patch, rules)
            }
            Effect::Delete { grace } => {
                self.enter(number, Part::Deleted)?;
                if let Verdict::Write(_) = admit_delete(subject, *grace, rules.order, rules.now)? {
                    self.plan(
                        "delete",
                        subject.key().to_string(),
                        None,
                        Value::Null,
                        Vec::new(),
                    );
                }
                Ok(())
            }
        }
    }

    fn patch(&mut self, patch: &PatchEffect, rules: &Rules<'_>) -> Result<(), Violation> {
        check_user(patch, rules)?;
        let subject = &self.subject;
        let before = rules.surface.plain_body(subject);
        let Judged {
            after,
            mended,
            from,
            to,
        } = rules.on_subject(subject).judge(&before, patch)?;
        if from.phase() != to.phase() {
            self.part = Part::PhaseMoved;
        }
        let Some(after) = after else {
            self.rehearsal.mended.extend(mended);
            return Ok(());
        };
        let body = match difference(&before, &after) {
            Difference::None => Value::Null,
            Difference::Merge(body) | Difference::Json(body) => body,
        };
        let (key, uid, version) = (
            subject.key().clone(),
            subject.uid().clone(),
            subject.version(),
        );
        let object = key.to_string();
        self.subject = Snapshot::restore(key, uid, version, Arc::new(after));
        self.plan(
            "patch",
            object,
            subresource(patch).map(str::to_owned),
            body,
            mended,
        );
        Ok(())
    }

    /// A play that is cut short is repeated whole, so nothing may come after what changes the answer of `decide`.
    fn enter(&mut self, effect: usize, part: Part) -> Result<(), Violation> {
        let rule = match self.part {
            Part::Deleted => "nothing is written after the deletion of the subject",
            Part::PhaseMoved if part < Part::PhaseMoved => {
                "the patch that moves the phase is the last one"
            }
            Part::Patches if part < Part::Patches => {
                "other objects come before patches of the subject"
            }
            _ => {
                self.part = self.part.max(part);
                return Ok(());
            }
        };
        Err(Violation::EffectOrder { effect, rule })
    }

    fn plan(
        &mut self,
        verb: &'static str,
        object: String,
        subresource: Option<String>,
        body: Value,
        mended: Vec<Mend>,
    ) {
        self.rehearsal.changes = true;
        self.rehearsal.mended.extend_from_slice(&mended);
        self.rehearsal.writes.push(Planned {
            verb,
            object,
            subresource,
            body,
            mended,
        });
    }
}
