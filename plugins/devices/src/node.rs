//! A node's devices, one ResourceSlice for each driver.

use stagewright_plugin::{Answer, Apply, Context, Effect, Object, Reference, Related, Value, json};

use crate::ASKS;
use crate::asked;
use crate::settings::Settings;

const API_VERSION: &str = "resource.k8s.io/v1";
/// What a slice was made of, to tell whether it is still what is asked for: the API server writes quantities in its own way.
const PUBLISHED: &str = "stagewright.dev/devices.published";
const PUBLISHED_AT: &str = "/metadata/annotations/stagewright.dev~1devices.published";
/// `ResourceSliceMaxDevices` in pkg/apis/resource/types.go.
const MOST: u8 = 128;
/// The host takes no more of one play; the rest follows in the next.
const MOST_EFFECTS: usize = 16;

/// A node's life is the plugin `node`'s: this one answers only while a slice is missing or too many.
pub fn decide(settings: &Settings, node: &Object, ctx: &Context) -> Result<Answer, String> {
    // Without the right to make slices there are none, and nodes are Ready nevertheless.
    if ctx.has_failed("publish")? {
        return Ok(Answer::Pass);
    }
    if !publish(settings, node, ctx)?.is_empty() {
        return Ok(Answer::stage("publish", ctx.since));
    }
    // A slip is told, and is no reason to hold the node: after that it is passed on.
    Ok(if ctx.failure()?.is_none() && report(node).is_err() {
        Answer::stage("report", ctx.since)
    } else {
        Answer::Pass
    })
}

/// Fails with what is wrong with the annotations, which the host tells on the node.
pub fn report(node: &Object) -> Result<Vec<Effect>, String> {
    for (driver, count) in asked(node) {
        number(driver, count)?;
    }
    Ok(Vec::new())
}

/// What makes the slices those that are asked for.
pub fn publish(settings: &Settings, node: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
    let slices = ctx.related("slices")?;
    let driver_of = |slice: &Related| slice.object.pointer("/spec/driver").cloned();
    let mut effects = Vec::new();
    let mut wanted = Vec::new();
    for (driver, count) in asked(node) {
        let count = match number(driver, count) {
            Ok(0) => continue,
            Ok(count) => count,
            // What there is stays until the annotation says something.
            Err(_) => {
                wanted.push(driver);
                continue;
            }
        };
        wanted.push(driver);
        let known = slices
            .iter()
            .find(|slice| driver_of(slice).as_ref().and_then(Value::as_str) == Some(driver));
        let made_of = settings.made_of(driver, count);
        // A slice that does not say is somebody else's, who publishes for that driver then.
        let is_done = known.is_some_and(|slice| {
            let before = slice.object.pointer(PUBLISHED_AT);
            before.is_none_or(|before| before == made_of.as_str())
        });
        if !is_done {
            let slice = slice(settings, (node, driver, count), known, made_of);
            effects.push(Apply::owned(slice).into());
        }
    }
    for slice in slices {
        let driver = driver_of(&slice);
        let is_wanted = driver
            .as_ref()
            .and_then(Value::as_str)
            .is_some_and(|driver| wanted.contains(&driver));
        // One that is on its way out is held by somebody else's finalizer.
        let is_going = slice
            .object
            .pointer("/metadata/deletionTimestamp")
            .is_some();
        if !is_wanted && !is_going && slice.object.pointer(PUBLISHED_AT).is_some() {
            let name = slice.object.pointer("/metadata/name");
            effects.push(
                Reference {
                    api_version: API_VERSION.to_owned(),
                    kind: "ResourceSlice".to_owned(),
                    namespace: None,
                    name: name.and_then(Value::as_str).unwrap_or_default().to_owned(),
                }
                .into(),
            );
        }
    }
    effects.truncate(MOST_EFFECTS);
    Ok(effects)
}

/// The pool is the node's, as that of every driver whose devices are in nodes; another content is another generation of it.
fn slice(
    settings: &Settings,
    (node, driver, count): (&Object, &str, u8),
    known: Option<&Related>,
    made_of: String,
) -> Value {
    let name = node.text_at("/metadata/name").unwrap_or_default();
    let generation = known.map_or(1, |slice| {
        let before = slice.object.pointer("/spec/pool/generation");
        before.and_then(Value::as_i64).unwrap_or_default() + 1
    });
    let devices: Vec<Value> = (0..count)
        .map(|number| settings.device(driver, &format!("device-{number}")))
        .collect();
    json!({"apiVersion": API_VERSION, "kind": "ResourceSlice",
        "metadata": {"name": format!("{name}-{driver}"), "annotations": {PUBLISHED: made_of}},
        "spec": {"driver": driver, "nodeName": name, "devices": devices,
            "pool": {"name": name, "generation": generation, "resourceSliceCount": 1}}})
}

fn number(driver: &str, count: &str) -> Result<u8, String> {
    let number = count.parse().ok().filter(|number| *number <= MOST);
    number.ok_or_else(|| {
        format!("annotation {ASKS}{driver}: {count:?} is no number of devices: write one from \"0\" to \"{MOST}\"")
    })
}
