//! Which stage comes next, and when. Every due time counts from a time in the pod.

use stagewright_plugin::{Answer, Context};

use crate::annotations::{EXIT_CODE, of_container};
use crate::delays::Stage;
use crate::plan::{Plan, gone};
use crate::settings::{Profile, Settings};
use crate::view::{Pod, Text};

/// The answer; an error is what is wrong with the pod.
pub fn decide(settings: &Settings, pod: &Pod<'_>, ctx: &Context) -> Result<Answer, String> {
    let phase = pod.status.phase.as_ref().map_or("Pending", Text::as_str);
    if settings.profile == Profile::Fast {
        return fast(pod, phase, ctx);
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Plan::new(settings, pod, ctx)?.leave(phase);
    }
    match phase {
        "Pending" | "Running" => Plan::new(settings, pod, ctx)?.next(),
        _ => Ok(resting(phase)),
    }
}

/// Everything at once.
fn fast(pod: &Pod<'_>, phase: &str, ctx: &Context) -> Result<Answer, String> {
    let now = |stage: &str| Ok(Answer::stage(stage, ctx.since));
    let ended = matches!(phase, "Succeeded" | "Failed");
    if pod.metadata.deletion_timestamp.is_some() {
        let finalizers = &pod.metadata.finalizers;
        if ended || finalizers.is_empty() {
            return Ok(gone(finalizers, ctx.since));
        }
        // Somebody waits to see its end.
        exit_code(pod.metadata.annotations.get(EXIT_CODE.key), "")?;
        return now("terminate");
    }
    match phase {
        "Pending" => now("ready"),
        "Running" => {
            let told = || {
                let told = pod.metadata.annotations.get(Stage::Complete.annotation());
                let policy = pod.spec.restart_policy.as_str();
                told.is_some() && matches!(policy, "Never" | "OnFailure")
            };
            if !(pod.is_of_a_job() || told()) {
                // The node lifecycle controller's doing while the node was given up (`MarkPodsNotReady`): it turns the one condition.
                let is = |kind: &str, status: &str| {
                    let condition = pod.condition(kind);
                    condition.is_some_and(|condition| condition.status.as_str() == status)
                };
                if is("Ready", "False") && is("ContainersReady", "True") {
                    return now("ready");
                }
                return Ok(Answer::idle("the pod runs"));
            }
            exit_code(pod.metadata.annotations.get(EXIT_CODE.key), "")?;
            now("complete")
        }
        _ => Ok(resting(phase)),
    }
}

fn resting(phase: &str) -> Answer {
    match phase {
        "Succeeded" | "Failed" => Answer::idle("the pod has ended"),
        _ => Answer::idle(format!("phase {phase:?} is none that this plugin moves")),
    }
}

/// What the annotation `exit-code` says of a main container; 0 if there is none.
pub fn exit_code(text: Option<&str>, container: &str) -> Result<u8, String> {
    let Some(text) = text else { return Ok(0) };
    EXIT_CODE
        .check(text, std::iter::empty())
        .map_err(|error| format!("annotation {}: {error}", EXIT_CODE.key))?;
    let code = of_container(text, container, true);
    Ok(code.and_then(|code| code.parse().ok()).unwrap_or(0))
}
