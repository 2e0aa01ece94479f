//! What must be true when nobody disturbs the hosts any more: everything comes to its rest, and stays there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::ledger::Tap;
use super::views::Views;
use crate::scenario::{is_true, phase, text};

/// How long everything may take to come to rest: a silent connection is found dead after 90 s, a lease runs out after 40 s, and
/// pauses between retries are at most 30 s.
const SETTLE: Duration = Duration::from_secs(300);
/// How long it must stay at rest.
const QUIET: Duration = Duration::from_secs(40);
const STEP: Duration = Duration::from_secs(2);

/// What is to come to rest.
#[derive(Debug)]
pub struct Rest {
    /// The nodes that some host has.
    pub nodes: BTreeSet<String>,
    /// Whether hosts of both profiles have been at the pods: what one of them left in the middle of a restart, the fast one leaves.
    pub mixed: bool,
}

/// Waits for rest, and blames whoever does not come to it, or leaves it.
pub async fn settle(tap: &Tap, views: &Views, rest: &Rest) {
    let until = Instant::now() + SETTLE;
    loop {
        let restless = restless(tap, rest);
        if restless.is_empty() {
            break;
        }
        if Instant::now() >= until {
            for (key, why) in restless {
                let states: Vec<String> = views
                    .states()
                    .iter()
                    .map(|(host, state)| format!("host-{host}: {state}"))
                    .collect();
                tap.blame(
                    "NotSettled",
                    &key,
                    format!("{key} {why}\n{}", states.join("\n")),
                );
            }
            return;
        }
        sleep(STEP).await;
    }
    // A step that nobody waits for may still come: an end, a condition.
    stay(tap, until).await;
    // A host whose connection died in silence holds on to what it knew until it finds out.
    while let Some(text) = unbounded(tap, views) {
        if Instant::now() >= until {
            return tap.blame("Unbounded", "", text);
        }
        sleep(STEP).await;
    }
}

/// Waits until nothing was written for [`QUIET`].
async fn stay(tap: &Tap, until: Instant) {
    let (mut versions, ..) = tap.sums();
    let mut since = Instant::now();
    while since.elapsed() < QUIET {
        sleep(STEP).await;
        let written = tap.writes_since(versions);
        if written.is_empty() {
            continue;
        }
        if Instant::now() >= until {
            for (key, text) in written {
                tap.blame("NotQuiet", &key, text);
            }
            return;
        }
        (versions, ..) = tap.sums();
        since = Instant::now();
    }
}

/// The objects that are not at rest, and why.
fn restless(tap: &Tap, rest: &Rest) -> BTreeMap<String, &'static str> {
    let nodes = tap.objects("Node");
    let ours: BTreeSet<&str> = nodes
        .values()
        .map(|node| text(node, "/metadata/name"))
        .filter(|name| rest.nodes.contains(*name))
        .collect();
    let mut restless = BTreeMap::new();
    for (key, node) in &nodes {
        if ours.contains(text(node, "/metadata/name")) && !is_true(node, "Ready") {
            restless.insert(key.clone(), "is not Ready");
        }
    }
    for (key, pod) in tap.objects("Pod") {
        let is_mirror = pod
            .pointer("/metadata/annotations/kubernetes.io~1config.mirror")
            .is_some();
        if is_mirror || !ours.contains(text(&pod, "/spec/nodeName")) {
            continue;
        }
        if let Some(why) = restless_pod(&pod, rest) {
            restless.insert(key, why);
        }
    }
    restless
}

fn restless_pod(pod: &Value, rest: &Rest) -> Option<&'static str> {
    let ended = matches!(phase(pod), "Succeeded" | "Failed");
    let deleting = !text(pod, "/metadata/deletionTimestamp").is_empty();
    let held = pod.pointer("/metadata/finalizers").is_some();
    match (deleting, held) {
        (true, false) => Some("is to go, and is there"),
        (true, true) if !ended => Some("is to go and held, and has not ended"),
        (false, _) if phase(pod) == "Running" && !is_true(pod, "Ready") && !rest.mixed => {
            Some("runs, and is not Ready")
        }
        (false, _) if !ended && phase(pod) != "Running" => Some("neither runs nor has ended"),
        _ => None,
    }
}

/// A host that holds more than there is, though all is at rest.
fn unbounded(tap: &Tap, views: &Views) -> Option<String> {
    let objects = tap.keys("Pod").len() + tap.keys("Node").len() + tap.keys("ConfigMap").len();
    views.states().into_iter().find_map(|(host, state)| {
        let number = |field: &str| {
            let value = state.get(field).and_then(Value::as_u64);
            usize::try_from(value.unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
        };
        let more =
            number("objects") > objects || number("waiting") > objects || number("running") > 0;
        more.then(|| format!("host-{host} has more than {objects} objects: {state}"))
    })
}
