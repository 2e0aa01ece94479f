//! The devices of a claim that the scheduler allocated, as their driver reports on them (KEP-4817).

use stagewright_plugin::Effect;
use stagewright_plugin::{Answer, Context, Object, Patch, Value, json};

use crate::asked;
use crate::settings::Settings;

const RESULTS: &str = "/status/allocation/devices/results";
const REPORTED: &str = "/status/devices";
/// What a device is known by, in a result and in a report.
const IDENTITY: [&str; 4] = ["driver", "pool", "device", "shareID"];

pub fn decide(settings: &Settings, claim: &Object, ctx: &Context) -> Result<Answer, String> {
    if ctx.has_failed("prepare")? || unreported(claim, ctx)?.is_empty() {
        return Ok(Answer::Pass);
    }
    // A scheduler before 1.36 leaves no time in the claim.
    let timed = claim
        .text_at("/status/allocation/allocationTimestamp")
        .is_some();
    let allocated = if timed { ctx.since } else { ctx.changed };
    let due = allocated + ctx.draw("prepare", settings.prepare);
    Ok(Answer::stage("prepare", due))
}

/// Adds our devices to those that are reported: every driver has its own in this list.
pub fn prepare(claim: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
    let mut devices: Vec<Value> = claim.items_at(REPORTED).cloned().collect();
    for result in unreported(claim, ctx)? {
        let mut device = json!({"conditions": [{"type": "Ready", "status": "True", "reason": "Prepared",
            "message": "The device is prepared", "lastTransitionTime": ctx.now}]});
        for field in IDENTITY {
            if let (Some(device), Some(value)) = (device.as_object_mut(), result.get(field)) {
                device.insert(field.to_owned(), value.clone());
            }
        }
        devices.push(device);
    }
    Ok(vec![Patch::status(json!({ "devices": devices })).into()])
}

/// The results of the allocation that are of a driver that its pool, a node, asks for, and are in no report yet.
fn unreported<'a>(claim: &'a Object, ctx: &Context) -> Result<Vec<&'a Value>, String> {
    if claim.items_at(RESULTS).next().is_none() {
        return Ok(Vec::new());
    }
    let nodes = ctx.related("nodes")?;
    let is_ours = |result: &Value| {
        nodes.iter().any(|node| {
            node.object.pointer("/metadata/name") == result.get("pool")
                && asked(&node.object)
                    .any(|(driver, _)| result.get("driver") == Some(&driver.into()))
        })
    };
    let is_reported = |result: &Value| {
        claim.items_at(REPORTED).any(|device| {
            IDENTITY
                .iter()
                .all(|field| device.get(field) == result.get(field))
        })
    };
    let results = claim.items_at(RESULTS);
    Ok(results
        .filter(|result| is_ours(result) && !is_reported(result))
        .collect())
}
