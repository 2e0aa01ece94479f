//! What a plugin may write: only what is declared, only where the addressed subresource reaches, only forward.
//!
//! An effect is applied to our own copy of the object. Its bookkeeping is mended, its move ranked; what is sent is the difference
//! to the version it was taken from, which the server must still have. The proof of all that is an [`Admitted`].

mod admitted;
mod others;
mod patch;
mod rehearsal;
mod surface;
#[cfg(test)]
mod tests;
mod took;
mod violation;
mod wire;

use serde_json::Value;

use crate::claims::Claim;
use crate::description::Applies;
use crate::interface::{ApplyEffect, Effect, PatchEffect};
use crate::json::At as _;
use crate::json::{Path, difference};
use crate::object::Snapshot;
use crate::order::{Mend, Order};
use crate::time::Time;
use patch::{Ground, Judged, subresource};
use took::Meant;

pub use admitted::Admitted;
pub use rehearsal::{Planned, Rehearsal, rehearse};
pub use surface::Surface;
pub use took::{Took, Unheeded};
pub use violation::Violation;
pub use wire::{Action, WireForm};

/// What binds the effects of a play.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// How the subject's kind moves.
    pub order: &'a Order,
    /// What the subject's subresources reach.
    pub surface: &'a Surface,
    /// What the plugin declares to write of the subject.
    pub writes: &'a [Path],
    /// Which other kinds it declares to write.
    pub applies: &'a [Applies],
    /// Whether plugins may write as another user.
    pub impersonation: bool,
    /// The API server's time.
    pub now: Time,
}

/// What comes of an effect.
#[derive(Debug)]
#[must_use]
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, on its way to the commit"
)]
pub enum Verdict {
    /// Nothing is to be written.
    Unchanged {
        /// What the plugin wanted and the mending took back.
        mended: Vec<Mend>,
    },
    /// To be committed.
    Write(Admitted),
}

/// Admits one effect on the subject (a patch, or its deletion) against its newest version.
///
/// # Errors
/// Why it is refused; see [`Violation`].
pub fn admit(
    claim: &Claim,
    subject: &Snapshot,
    effect: &Effect,
    rules: &Rules<'_>,
) -> Result<Verdict, Violation> {
    check_claim(claim, subject)?;
    match effect {
        Effect::Patch(patch) => {
            check_user(patch, rules)?;
            admit_patch(subject, patch, &rules.on_subject(subject))
        }
        Effect::Delete { grace } => admit_delete(subject, *grace, rules.order, rules.now),
        Effect::Extension { name } => Err(Violation::unknown_effect(name)),
        Effect::Apply(_) | Effect::Remove(_) | Effect::Event(_) => Err(Violation::InvalidEffect(
            "this effect is not on the subject".to_owned(),
        )),
    }
}

/// Admits an `apply` to another object: its creation, or the same guarded patch as on a subject. `existing` is its newest version,
/// `order` and `surface` are those of its kind.
///
/// # Errors
/// Why it is refused; see [`Violation`].
pub fn admit_apply(
    claim: &Claim,
    subject: &Snapshot,
    existing: Option<&Snapshot>,
    apply: &ApplyEffect,
    order: &Order,
    surface: &Surface,
    rules: &Rules<'_>,
) -> Result<Verdict, Violation> {
    check_claim(claim, subject)?;
    match existing {
        None => others::create(subject, apply, order, *surface, rules),
        Some(existing) => others::change(subject, existing, apply, order, *surface, rules),
    }
}

/// Admits the deletion of another object, which the subject must own.
///
/// # Errors
/// Why it is refused; see [`Violation`].
pub fn admit_remove(
    claim: &Claim,
    subject: &Snapshot,
    target: &Snapshot,
    rules: &Rules<'_>,
) -> Result<Verdict, Violation> {
    check_claim(claim, subject)?;
    others::remove(subject, target, rules)
}

// === impl Rules ===

impl Rules<'_> {
    fn on_subject<'b>(&'b self, subject: &'b Snapshot) -> Ground<'b> {
        Ground {
            kind: &subject.key().kind,
            plugin: self.plugin,
            order: self.order,
            surface: *self.surface,
            writes: Some(self.writes),
            now: self.now,
        }
    }
}

fn check_claim(claim: &Claim, subject: &Snapshot) -> Result<(), Violation> {
    let object = || subject.key().to_string();
    if claim.key() != subject.key() {
        return Err(Violation::NotClaimed { object: object() });
    }
    if claim.uid() != subject.uid() {
        return Err(Violation::StaleClaim { object: object() });
    }
    Ok(())
}

fn check_user(patch: &PatchEffect, rules: &Rules<'_>) -> Result<(), Violation> {
    match &patch.as_user {
        Some(user) if !rules.impersonation => {
            Err(Violation::ImpersonationRefused { user: user.clone() })
        }
        _ => Ok(()),
    }
}

fn admit_patch(
    object: &Snapshot,
    patch: &PatchEffect,
    ground: &Ground<'_>,
) -> Result<Verdict, Violation> {
    let before = ground.surface.plain_body(object);
    let Judged {
        after,
        mended,
        from,
        to,
    } = ground.judge(&before, patch)?;
    let Some(after) = after else {
        return Ok(Verdict::Unchanged { mended });
    };
    let Some((form, body)) = wire::patch(object, difference(&before, &after))? else {
        return Ok(Verdict::Unchanged { mended });
    };
    let subresource = subresource(patch).map(str::to_owned);
    let action = Action::Patch {
        subresource,
        form,
        body,
        as_user: patch.as_user.clone(),
    };
    let meant = Meant::new(before, after, Some(object.version()));
    Ok(Verdict::Write(Admitted::new(
        object.key().clone(),
        action,
        mended,
        (from, to),
        Some(meant),
    )))
}

/// A deletion that the server would take for the one under way is none (apiserver `BeforeDelete`: only a shorter grace counts). But the
/// server deletes in two steps, and somebody else's write between them leaves an object whose grace is over and that nothing holds:
/// that one goes with the next deletion.
fn admit_delete(
    object: &Snapshot,
    grace: Option<u32>,
    order: &Order,
    now: Time,
) -> Result<Verdict, Violation> {
    if object.is_deleting() {
        let running = object
            .body()
            .at("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let finalizers = object.body().at("/metadata/finalizers");
        let is_held = finalizers
            .and_then(Value::as_array)
            .is_some_and(|finalizers| !finalizers.is_empty());
        let is_left = running == 0 && !is_held;
        if !is_left && grace.is_none_or(|grace| u64::from(grace) >= running) {
            return Ok(Verdict::Unchanged { mended: Vec::new() });
        }
    }
    let from = order.rank(object.body());
    let to = from.deleted(now);
    let action = wire::delete(object, grace)?;
    Ok(Verdict::Write(Admitted::new(
        object.key().clone(),
        action,
        Vec::new(),
        (from, to),
        None,
    )))
}
