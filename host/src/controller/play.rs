//! Carrying out a play: guard, commit, and what the server made of it.

use std::sync::Arc;

use stagewright_core::guard::{self, Admitted, Rules, Took, Unheeded, Verdict, Violation};
use stagewright_core::interface::{ApplyEffect, Effect, EventEffect, Reference};
use stagewright_core::json::At as _;
use stagewright_core::object::{Key, Kind, Snapshot};
use stagewright_core::order::{Mend, Order};
use stagewright_core::schedule::{Failure, Outcome};

use super::Shared;
use super::awaited::NotYet;
use super::decide::Play;
use super::kinds::Followed;
use super::lineup::Lineup;
use crate::commit::{CommitError, Committed};
use crate::discovery::Target;

/// Why a play stopped before its end.
enum Stop {
    Violation(Violation),
    Commit(CommitError),
    Unclaimed,
    /// A kind of which it is not known yet where the server serves it.
    NotYet(NotYet),
    /// A kind that the server does not serve.
    Unserved(Kind),
}

/// How far a play came.
#[derive(Default)]
struct Progress {
    /// Something was stored.
    stored: bool,
    /// What the play before asked for in vain, if nobody has changed the object since.
    asked: Option<Unheeded>,
    /// What the server stored in other words than it was meant, or not at all.
    unheeded: Option<Unheeded>,
    /// What the server stored something else at than was meant: the schema pruned it, or a policy rewrote it.
    lost: Vec<String>,
    /// The subject was deleted, as far as the server lets us.
    deleted: bool,
    mended: Vec<Mend>,
}

// === impl Progress ===

impl Progress {
    /// What is to be sent: nothing if all is there, or if the server made something else of this very write, and would again.
    fn left_to_write(&mut self, verdict: Verdict) -> Option<Admitted> {
        match verdict {
            Verdict::Unchanged { mended } => {
                self.mended.extend(mended);
                None
            }
            Verdict::Write(admitted) => {
                let asked = self.asked.as_ref();
                let in_vain = asked.is_some_and(|asked| admitted.repeats(asked));
                (!in_vain).then_some(admitted)
            }
        }
    }

    fn not_heeded(&mut self, unheeded: Unheeded) {
        self.unheeded.get_or_insert_default().extend(unheeded);
    }
}

impl Shared {
    /// Carries out a play, and gives the object's turn back.
    pub(super) async fn play(self: Arc<Self>, play: Play) {
        let Play {
            run,
            lineup,
            candidate,
            stage,
            effects,
            subject,
            permit,
        } = play;
        let mut newest = subject;
        let plugin = lineup.plugin_name(candidate.plugin);
        let progress = Progress {
            asked: run.remade.clone(),
            ..Progress::default()
        };
        let carried = self
            .carry_out(&lineup, &candidate, &effects, &mut newest, progress)
            .await;
        let outcome = match carried {
            Ok(progress) => {
                self.note_mends(&run, plugin, &stage.stage, &progress.mended);
                if !self.options.dry_run {
                    self.announce(&newest, &effects, progress.stored || progress.deleted);
                }
                self.note_lost(&run, plugin, &stage.stage, &progress.lost);
                match (progress.stored && !progress.deleted, progress.unheeded) {
                    (true, None) => Outcome::Stored(stage),
                    (true, Some(unheeded)) => Outcome::Remade(stage, newest.version(), unheeded),
                    (false, _) => Outcome::WithoutEffect(stage, newest.version()),
                }
            }
            Err(Stop::Unclaimed) => Outcome::Unclaimed,
            Err(Stop::Commit(error)) => {
                self.commit_failed(&run, plugin, &stage.stage, &newest, &error)
            }
            Err(Stop::Violation(violation)) => {
                let message = violation.to_string();
                let failure = Failure {
                    stage: stage.stage,
                    code: "refused",
                    message,
                    count: 0,
                };
                self.refused(&run, plugin, violation.category(), failure)
            }
            Err(Stop::NotYet(not_yet)) => self.put_off(&not_yet),
            Err(Stop::Unserved(kind)) => {
                let message = format!("the API server does not serve {kind}");
                let failure = Failure {
                    stage: stage.stage,
                    code: "invalid",
                    message,
                    count: 0,
                };
                self.refused(&run, plugin, "KindNotServed", failure)
            }
        };
        drop(permit);
        self.finish(&run.key, &run.uid, Some(&newest), outcome);
    }

    async fn carry_out(
        &self,
        lineup: &Lineup,
        candidate: &stagewright_core::schedule::Candidate,
        effects: &[Effect],
        subject: &mut Snapshot,
        mut progress: Progress,
    ) -> Result<Progress, Stop> {
        let kind = subject.key().kind.clone();
        let (followed, target) = self.served(lineup, &kind, subject.key())?;
        let (plugin, declared) = lineup.subject(candidate).ok_or(Stop::Unclaimed)?;
        let mut rules = Rules {
            plugin: plugin.name(),
            order: &followed.order,
            surface: &target.surface,
            writes: &declared.writes,
            applies: &plugin.description().applies,
            impersonation: self.options.impersonation,
            now: self.clock.now(),
        };
        // A breach in any effect drops the whole play, so a play of several is gone through before its first write.
        let writes = effects
            .iter()
            .filter(|effect| !matches!(effect, Effect::Event(_)))
            .count();
        if writes > 1 || self.options.dry_run {
            let rehearsal = guard::rehearse(subject, effects, &rules).map_err(Stop::Violation)?;
            if self.options.dry_run {
                self.would_write(subject, plugin.name(), &rehearsal);
                progress.mended = rehearsal.mended;
                return Ok(progress);
            }
        }
        for effect in effects {
            rules.now = self.clock.now();
            let verdict = match effect {
                Effect::Event(_) => continue,
                Effect::Patch(_) | Effect::Delete { .. } => {
                    let claim = self
                        .brain
                        .lock()
                        .claims
                        .claim_at(subject, rules.now)
                        .map_err(|_| Stop::Unclaimed)?;
                    guard::admit(&claim, subject, effect, &rules).map_err(Stop::Violation)?
                }
                Effect::Apply(apply) => {
                    self.apply_other(lineup, subject, apply, &rules, &mut progress)
                        .await?;
                    continue;
                }
                Effect::Remove(reference) => {
                    self.remove_other(lineup, subject, reference, &rules, &mut progress)
                        .await?;
                    continue;
                }
                Effect::Extension { name } => {
                    return Err(Stop::Violation(Violation::unknown_effect(name)));
                }
            };
            if let Some(admitted) = progress.left_to_write(verdict) {
                match self.write(&target, admitted, &mut progress).await? {
                    Some(response) => *subject = response,
                    None => progress.deleted = true,
                }
            }
        }
        Ok(progress)
    }

    /// One write; the response is the next version of the object. None: it was deleted.
    async fn write(
        &self,
        target: &Target,
        admitted: Admitted,
        progress: &mut Progress,
    ) -> Result<Option<Snapshot>, Stop> {
        progress.mended.extend_from_slice(admitted.mended());
        let committed = self.committer.commit(target, admitted).await;
        match committed.map_err(Stop::Commit)? {
            Committed::Object(response, took) => {
                progress.stored |= took != Took::WithoutEffect;
                match took {
                    Took::Stored | Took::WithoutEffect => {}
                    Took::Normalised(unheeded) => progress.not_heeded(unheeded),
                    Took::Partly(pointers, unheeded) => {
                        progress.lost.extend(pointers);
                        progress.not_heeded(unheeded);
                    }
                }
                self.take_in_answer(&response);
                Ok(Some(response))
            }
            Committed::Deleted => Ok(None),
        }
    }

    async fn apply_other(
        &self,
        lineup: &Lineup,
        subject: &Snapshot,
        apply: &ApplyEffect,
        rules: &Rules<'_>,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let (key, target) = self.other(lineup, subject, &apply_reference(apply))?;
        let existing = self
            .committer
            .read(&target, &key)
            .await
            .map_err(Stop::Commit)?;
        self.claim_other(existing.as_ref())?;
        let order = order(lineup, &key.kind);
        let claim = self
            .brain
            .lock()
            .claims
            .claim_at(subject, rules.now)
            .map_err(|_| Stop::Unclaimed)?;
        let verdict = guard::admit_apply(
            &claim,
            subject,
            existing.as_ref(),
            apply,
            &order,
            &target.surface,
            rules,
        );
        self.write_other(&target, verdict.map_err(Stop::Violation)?, progress)
            .await
    }

    async fn remove_other(
        &self,
        lineup: &Lineup,
        subject: &Snapshot,
        reference: &Reference,
        rules: &Rules<'_>,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let (key, target) = self.other(lineup, subject, reference)?;
        let Some(existing) = self
            .committer
            .read(&target, &key)
            .await
            .map_err(Stop::Commit)?
        else {
            return Ok(());
        };
        self.claim_other(Some(&existing))?;
        let claim = self
            .brain
            .lock()
            .claims
            .claim_at(subject, rules.now)
            .map_err(|_| Stop::Unclaimed)?;
        let verdict =
            guard::admit_remove(&claim, subject, &existing, rules).map_err(Stop::Violation)?;
        self.write_other(&target, verdict, progress).await
    }

    /// Another object's place, and where the server serves its kind.
    fn other(
        &self,
        lineup: &Lineup,
        subject: &Snapshot,
        reference: &Reference,
    ) -> Result<(Key, Arc<Target>), Stop> {
        let kind = Kind::new(&reference.api_version, &reference.kind);
        let (_, target) = self.served(lineup, &kind, subject.key())?;
        let namespace = match (&reference.namespace, target.namespaced) {
            (_, false) => None,
            (Some(namespace), true) => Some(namespace.as_str()),
            (None, true) => subject.key().namespace.as_deref(),
        };
        Ok((Key::new(&kind, namespace, &reference.name), target))
    }

    /// Where the server serves a kind, for a play of that subject.
    fn served<'a>(
        &self,
        lineup: &'a Lineup,
        kind: &Kind,
        subject: &Key,
    ) -> Result<(&'a Followed, Arc<Target>), Stop> {
        let unserved = || Stop::Unserved(kind.clone());
        let followed = lineup.kinds.get(kind).ok_or_else(unserved)?;
        // The lock is taken for the rare case alone, and once more it is looked after it: the answer may have come meanwhile.
        if followed.target.get().is_none() {
            let now = self.clock.now();
            let held = self.brain.lock().hold([kind], subject, now);
            if let (Some(not_yet), None) = (held, followed.target.get()) {
                return Err(Stop::NotYet(not_yet));
            }
        }
        let target = followed.target.get().ok_or_else(unserved)?;
        Ok((followed, Arc::clone(target)))
    }

    /// A pod or node that is there already is changed only if it is ours too.
    fn claim_other(&self, existing: Option<&Snapshot>) -> Result<(), Stop> {
        let Some(existing) = existing else {
            return Ok(());
        };
        let claim = self
            .brain
            .lock()
            .claims
            .claim_at(existing, self.clock.now());
        claim.map(drop).map_err(|_| Stop::Unclaimed)
    }

    async fn write_other(
        &self,
        target: &Target,
        verdict: Verdict,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        if let Some(admitted) = progress.left_to_write(verdict) {
            let deleted = self.write(target, admitted, progress).await?.is_none();
            progress.stored |= deleted;
        }
        Ok(())
    }

    /// What a refusal by the server, a conflict or a broken connection means for the object.
    fn commit_failed(
        &self,
        run: &stagewright_core::schedule::Run,
        plugin: &str,
        stage: &str,
        newest: &Snapshot,
        error: &CommitError,
    ) -> Outcome {
        match error {
            CommitError::Stale { .. } | CommitError::Gone => Outcome::Conflict(newest.version()),
            CommitError::Transient {
                retry_after,
                message,
            } => {
                tracing::debug!(object = %run.key, stage, message, "write failed in passing, to be tried again");
                Outcome::Transient(*retry_after)
            }
            CommitError::Refused {
                code,
                reason,
                message,
            } => {
                let code = match (code, reason.as_str()) {
                    (403, _) if message.contains("exceeded quota") => "quota",
                    (403, _) => "forbidden",
                    (_, "AlreadyExists") => "exists",
                    _ => "invalid",
                };
                let failure = Failure {
                    stage: stage.to_owned(),
                    code,
                    message: message.clone(),
                    count: 0,
                };
                self.refused(run, plugin, error.category(), failure)
            }
        }
    }

    /// The play's own Events go out after its last write, so that a play cut short says nothing.
    fn announce(&self, subject: &Snapshot, effects: &[Effect], wrote: bool) {
        for effect in effects {
            if let (
                Effect::Event(EventEffect {
                    severity,
                    reason,
                    message,
                }),
                true,
            ) = (effect, wrote)
            {
                self.events.send(subject, *severity, reason, message);
            }
        }
    }
}

fn order(lineup: &Lineup, kind: &Kind) -> Order {
    lineup
        .kinds
        .get(kind)
        .map_or(Order::Any, |followed| followed.order.clone())
}

fn apply_reference(apply: &ApplyEffect) -> Reference {
    let text = |pointer: &str| {
        apply
            .object
            .at(pointer)
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
    };
    Reference {
        api_version: text("/apiVersion").unwrap_or_default(),
        kind: text("/kind").unwrap_or_default(),
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name").unwrap_or_default(),
    }
}
