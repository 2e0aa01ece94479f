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
const QUIET: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_secs(2);

/// Waits for rest, and blames whoever does not come to it, or leaves it.
pub async fn settle(tap: &Tap, views: &Views, ours: &BTreeSet<String>) {
    let until = Instant::now() + SETTLE;
    loop {
        let restless = restless(tap, ours);
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
    // What is at rest may still have a step before it that nobody waits for: a pod's last condition, an end.
    stay(tap, until).await;
    bounded(tap, views);
}

/// Waits until nothing is written for [`QUIET`].
async fn stay(tap: &Tap, until: Instant) {
    loop {
        let (versions, ..) = tap.sums();
        sleep(QUIET).await;
        let written = tap.writes_since(versions);
        if written.is_empty() {
            return;
        }
        if Instant::now() >= until + QUIET {
            for (key, text) in written {
                tap.blame("NotQuiet", &key, text);
            }
            return;
        }
    }
}

/// The objects that are not at rest, and why.
fn restless(tap: &Tap, ours: &BTreeSet<String>) -> BTreeMap<String, &'static str> {
    let nodes = tap.objects("Node");
    let ours: BTreeSet<&str> = nodes
        .values()
        .map(|node| text(node, "/metadata/name"))
        .filter(|name| ours.contains(*name))
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
        if let Some(why) = restless_pod(&pod) {
            restless.insert(key, why);
        }
    }
    restless
}

fn restless_pod(pod: &Value) -> Option<&'static str> {
    let ended = matches!(phase(pod), "Succeeded" | "Failed");
    let deleting = !text(pod, "/metadata/deletionTimestamp").is_empty();
    let held = pod.pointer("/metadata/finalizers").is_some();
    match (deleting, held) {
        (true, false) => Some("is to go, and is there"),
        (true, true) if !ended => Some("is to go and held, and has not ended"),
        (false, _) if phase(pod) == "Running" && !is_true(pod, "Ready") => {
            Some("runs, and is not Ready")
        }
        (false, _) if !ended && phase(pod) != "Running" => Some("neither runs nor has ended"),
        _ => None,
    }
}

/// At rest, hosts hold no more than there is.
fn bounded(tap: &Tap, views: &Views) {
    let objects = tap.keys("Pod").len() + tap.keys("Node").len() + tap.keys("ConfigMap").len();
    for (host, state) in views.states() {
        let number = |field: &str| {
            let value = state.get(field).and_then(Value::as_u64);
            usize::try_from(value.unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
        };
        if number("objects") > objects || number("waiting") > objects || number("running") > 0 {
            let text = format!("host-{host} has more than {objects} objects: {state}");
            tap.blame("Unbounded", "", text);
        }
    }
}
