//! Which stage comes next, and when.

use stagewright_plugin::{Answer, Context, Time};

use crate::settings::Settings;
use crate::view::{NOT_READY, Node, not_ready};

/// The answer; an error is what is wrong with the node.
pub fn decide(settings: &Settings, node: &Node<'_>, ctx: &Context) -> Result<Answer, String> {
    if node.metadata.deletion_timestamp.is_some() {
        return Ok(Answer::idle("the node is being deleted"));
    }
    let annotation = node.metadata.annotations.get(NOT_READY).map(String::as_str);
    let wanted = not_ready(annotation)?;
    let Some(ready) = node.ready() else {
        return Ok(Answer::stage("initialize", ctx.since));
    };
    match (wanted, &*ready.status) {
        (Some(reason), "False") if ready.reason == reason => Ok(Answer::idle(format!(
            "the node is not Ready because of its annotation {NOT_READY}"
        ))),
        (Some(_), _) => Ok(Answer::stage("not-ready", ctx.since)),
        (None, "True") => {
            if settings.heartbeat.max.is_zero() {
                return Ok(Answer::idle(
                    "the node is Ready, and heartbeats are switched off",
                ));
            }
            let last = ready
                .last_heartbeat_time
                .as_deref()
                .and_then(Time::parse)
                .unwrap_or(ctx.since);
            Ok(Answer::stage(
                "heartbeat",
                last + ctx.draw("heartbeat", settings.heartbeat),
            ))
        }
        (None, _) => Ok(Answer::stage("recover", ctx.since)),
    }
}
