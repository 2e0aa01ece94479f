//! Which stage comes next, and when.

use stagewright_plugin::{Answer, Context, Time};

use crate::play::{ASKED, HEALTHY};
use crate::settings::Settings;
use crate::view::{Condition, FLAPS, NOT_READY, Node, Wishes};

/// The answer; an error is what is wrong with the node.
pub fn decide(settings: &Settings, node: &Node<'_>, ctx: &Context) -> Result<Answer, String> {
    if node.metadata.deletion_timestamp.is_some() {
        return Ok(Answer::idle("the node is being deleted"));
    }
    let annotations = &node.metadata.annotations;
    let wishes = Wishes::read(|key| annotations.get(key).map(String::as_str), settings)?;
    let Some(ready) = node.condition("Ready") else {
        return Ok(Answer::stage("initialize", ctx.since));
    };
    let now = |stage: &str| Ok(Answer::stage(stage, ctx.since));
    let up = ready.status == "True";
    if let Some(reason) = wishes.not_ready {
        if up || ready.status != "False" || ready.reason != reason {
            return now("not-ready");
        }
        if wants(&wishes, node) {
            return now("pressure");
        }
        return Ok(Answer::idle(format!(
            "the node is not Ready because of its annotation {NOT_READY}"
        )));
    }
    let turn = wishes.turns(&node.metadata.uid, up, ready.turned(ctx));
    let flaps = ready.status == "False" && ready.reason == FLAPS && turn.is_some();
    if !up && !flaps {
        return now("recover");
    }
    if wants(&wishes, node) {
        return now("pressure");
    }
    let turn = turn.map(|due| (due, if up { "not-ready" } else { "recover" }));
    let beat = heartbeat(settings, ready, ctx).map(|due| (due, "heartbeat"));
    Ok(match turn.into_iter().chain(beat).min() {
        Some((due, stage)) => Answer::stage(stage, due),
        None => Answer::idle("the node is Ready, and heartbeats are switched off"),
    })
}

/// Whether a condition of what the node may run out of is not as it is asked for. What nobody asks for is taken back only if it was
/// ours: a user may write a condition too.
fn wants(wishes: &Wishes<'_>, node: &Node<'_>) -> bool {
    HEALTHY.iter().skip(1).any(|(kind, ..)| {
        let condition = node.condition(kind);
        condition.is_some_and(|condition| match wishes.pressure(kind) {
            Some(_) => condition.status != "True",
            None => condition.status == "True" && condition.message == ASKED,
        })
    })
}

fn heartbeat(settings: &Settings, ready: &Condition<'_>, ctx: &Context) -> Option<Time> {
    if settings.heartbeat.max.is_zero() {
        return None;
    }
    let last = ready.last_heartbeat_time.as_deref().and_then(Time::parse);
    Some(last.unwrap_or(ctx.since) + ctx.draw("heartbeat", settings.heartbeat))
}
