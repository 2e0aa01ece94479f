//! Which stage comes next, and when. Every due time counts from a time in the pod.

use std::time::Duration;

use stagewright_plugin::{Answer, Context, Delay};

use crate::delays::{self, Stage, USUAL};
use crate::settings::{Profile, Settings};
use crate::view::{Pod, Text};

/// With what the containers of a pod end; 0 if there is no such annotation.
pub const EXIT_CODE: &str = "stagewright.dev/pod.exit-code";

/// The answer; an error is what is wrong with the pod.
pub fn decide(settings: &Settings, pod: &Pod<'_>, ctx: &Context) -> Result<Answer, String> {
    let asked = Asked { settings, pod, ctx };
    let phase = pod.status.phase.as_ref().map_or("Pending", Text::as_str);
    if pod.metadata.deletion_timestamp.is_some() {
        return asked.leave(phase);
    }
    match phase {
        "Pending" => asked.start(),
        "Running" => asked.run(),
        "Succeeded" | "Failed" => Ok(Answer::idle("the pod has ended")),
        _ => Ok(Answer::idle(format!(
            "phase {phase:?} is none that this plugin moves"
        ))),
    }
}

/// Reads the annotation [`EXIT_CODE`].
pub fn exit_code(text: Option<&str>) -> Result<u8, String> {
    let Some(text) = text else { return Ok(0) };
    text.parse().map_err(|_| {
        format!("annotation {EXIT_CODE}: {text:?} is no exit code: write a number from 0 to 255")
    })
}

/// What is asked about.
struct Asked<'a> {
    settings: &'a Settings,
    pod: &'a Pod<'a>,
    ctx: &'a Context,
}

impl Asked<'_> {
    /// From Pending to Running.
    fn start(&self) -> Result<Answer, String> {
        if self.settings.profile == Profile::Fast {
            return Ok(Answer::stage(Stage::Ready.name(), self.ctx.since));
        }
        let status = &self.pod.status;
        if status.container_statuses.is_empty() && status.init_container_statuses.is_empty() {
            let bound = self
                .pod
                .scheduled()
                .map_or(self.ctx.since, |bound| bound.max(self.ctx.since));
            let delay = self.delay(Stage::Create, "")?;
            return Ok(Answer::stage(Stage::Create.name(), bound + delay));
        }
        for container in &self.pod.spec.init_containers {
            let name = container.name.as_str();
            let state = self.pod.init_state(name);
            let running = state.is_some_and(|state| state.running.is_some());
            let ended = state.and_then(|state| state.terminated.as_ref());
            match (ended, running) {
                (Some(ended), _) if ended.exit_code == 0 || container.is_sidecar() => {}
                (Some(ended), _) => {
                    return Ok(Answer::idle(format!(
                        "init container {name} ended with exit code {}",
                        ended.exit_code
                    )));
                }
                (None, true) if container.is_sidecar() => {}
                (None, true) => return self.after(Stage::InitComplete, name),
                (None, false) => return self.after(Stage::InitStart, name),
            }
        }
        self.after(Stage::Ready, "")
    }

    /// A Job's pod ends; any other that may end does so if it is told when.
    fn run(&self) -> Result<Answer, String> {
        let told = self
            .pod
            .metadata
            .annotations
            .get(Stage::Complete.annotation())
            .is_some();
        let may_end = matches!(self.pod.spec.restart_policy.as_str(), "Never" | "OnFailure");
        if !(self.pod.is_of_a_job() || told && may_end) {
            return Ok(Answer::idle("the pod runs"));
        }
        exit_code(self.pod.metadata.annotations.get(EXIT_CODE))?;
        match self.settings.profile {
            Profile::Fast => Ok(Answer::stage(Stage::Complete.name(), self.ctx.since)),
            Profile::General => self.after(Stage::Complete, ""),
        }
    }

    /// A pod that is deleted ends first, if it ran or somebody waits to see its end, and goes then.
    fn leave(&self, phase: &str) -> Result<Answer, String> {
        let finalizers = &self.pod.metadata.finalizers;
        let ended = matches!(phase, "Succeeded" | "Failed");
        let ran = phase == "Running" && self.settings.profile == Profile::General;
        if !ended && (ran || !finalizers.is_empty()) {
            exit_code(self.pod.metadata.annotations.get(EXIT_CODE))?;
            let delay = if ran { self.grace()? } else { Duration::ZERO };
            return Ok(Answer::stage(
                Stage::Terminate.name(),
                self.ctx.since + delay,
            ));
        }
        if finalizers.is_empty() {
            return Ok(Answer::stage("delete", self.ctx.since));
        }
        let names: Vec<&str> = finalizers.iter().map(Text::as_str).collect();
        Ok(Answer::idle(format!(
            "the pod has ended and waits for its finalizers: {}",
            names.join(", ")
        )))
    }

    /// How long the containers of a deleted pod take to end: never longer than the grace period, at whose end they are killed.
    fn grace(&self) -> Result<Duration, String> {
        let grace = self.pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
        let grace = Duration::from_secs(grace.into());
        let usual = Delay {
            min: USUAL.min.min(grace),
            max: grace,
        };
        let delay = self.settings.delay(Stage::Terminate, usual);
        let delay = delays::annotated(Stage::Terminate, &self.pod.metadata.annotations, delay)?;
        Ok(self.ctx.draw(Stage::Terminate.name(), delay).min(grace))
    }

    /// A stage that follows the newest time of the pod.
    fn after(&self, stage: Stage, container: &str) -> Result<Answer, String> {
        let delay = self.delay(stage, container)?;
        Ok(Answer::stage(stage.name(), self.ctx.since + delay))
    }

    /// Drawn by stage and container, since two of them may begin in one second.
    fn delay(&self, stage: Stage, container: &str) -> Result<Duration, String> {
        let delay = self.settings.delay(stage, USUAL);
        let delay = delays::annotated(stage, &self.pod.metadata.annotations, delay)?;
        if delay.min == delay.max {
            return Ok(delay.min);
        }
        Ok(self.ctx.draw(&[stage.name(), container].join("/"), delay))
    }
}
