//! How a pod goes that is being deleted.

use std::time::Duration;

use stagewright_plugin::{Answer, Delay, Time};

use super::{Plan, Role, Seen};
use crate::delays::{self, Stage, USUAL};
use crate::restart::NOTICED;
use crate::view::{Text, instant};

/// When a deleted pod's containers are stopped.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// The main containers.
    pub due: Time,
    /// The end of the grace period, at which the kubelet kills what still runs.
    pub deadline: Time,
    /// Whether that is what ends the main containers.
    pub killed: bool,
}

impl Plan<'_> {
    /// A pod that is deleted ends first, as the kubelet has it (`canBeDeleted` in `status_manager.go`), and goes then. One of which
    /// the kubelet never made anything goes at once, unless somebody waits to see its end.
    pub fn leave(&self, phase: &str) -> Result<Answer, String> {
        let finalizers = &self.pod.metadata.finalizers;
        if matches!(phase, "Succeeded" | "Failed") {
            return Ok(gone(finalizers, self.ctx.since));
        }
        if !self.is_created() && finalizers.is_empty() {
            return Ok(Answer::stage("delete", self.ctx.since));
        }
        let leaving = self.leaving()?;
        let is_stopped_first = |seen: &&Seen<'_>| seen.role != Role::Sidecar;
        if self
            .seen()
            .filter(is_stopped_first)
            .any(|seen| seen.is_running())
        {
            return Ok(Answer::stage("terminate", leaving.due));
        }
        if self.seen().any(Seen::is_running) {
            let due = (self.quiet_since() + NOTICED).min(leaving.deadline);
            return Ok(Answer::stage("stop", due));
        }
        Ok(Answer::stage("terminate", self.ctx.since))
    }

    /// Never longer than the grace period.
    pub fn leaving(&self) -> Result<Leaving, String> {
        let metadata = &self.pod.metadata;
        let grace = metadata.deletion_grace_period_seconds.unwrap_or(0);
        let grace = Duration::from_secs(grace.into());
        let deadline = instant(metadata.deletion_timestamp.as_ref()).unwrap_or(self.ctx.since);
        let usual = Delay {
            min: USUAL.min.min(grace),
            max: grace,
        };
        let usual = self.settings.delay(Stage::Terminate, usual);
        let delay = delays::annotated(Stage::Terminate, "", &metadata.annotations, usual)?;
        let delay = self.ctx.draw(Stage::Terminate.name(), delay);
        Ok(Leaving {
            due: deadline - grace + delay.min(grace),
            deadline,
            killed: delay > grace,
        })
    }
}

/// A pod that has ended goes as soon as its finalizers are gone.
pub fn gone(finalizers: &[Text<'_>], since: Time) -> Answer {
    if finalizers.is_empty() {
        return Answer::stage("delete", since);
    }
    let names: Vec<&str> = finalizers.iter().map(Text::as_str).collect();
    Answer::idle(format!(
        "the pod has ended and waits for its finalizers: {}",
        names.join(", ")
    ))
}
