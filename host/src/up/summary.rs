//! What is told: the table while it runs, the summary for scripts, what to do next for people.

use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::Counts;
use super::objects::PHASES;
use super::reading::Reading;
use super::server::Served;

/// How everything came to rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    pub counts: Counts,
    /// From the start of the process until everything was created.
    pub created: Duration,
    /// Until all nodes were Ready.
    pub nodes_ready: Duration,
    /// Until nothing was on its way.
    pub settled: Duration,
}

/// What all readings are measured by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How many times as fast the cluster's time goes.
    pub speed: f64,
    /// How long after the reading before this one was taken.
    pub passed: Duration,
}

/// What there is, in one line.
pub(super) fn line(counts: &Counts) -> String {
    format!(
        "nodes {} of {} Ready, pods {}",
        counts.ready,
        counts.nodes,
        phases(counts)
    )
}

/// The table's lines: what each tells of, and the numbers.
pub(super) fn table(counts: &Counts, now: &Reading, before: &Reading, pace: Pace) -> Vec<String> {
    let lag = |share: f64| match now.lag(before, share) {
        Some(lag) => millis(lag, pace.speed),
        None => "-".to_owned(),
    };
    let rate = per_second(now.plays.saturating_sub(before.plays), pace.passed);
    let mut pods = phases(counts);
    for (count, what) in [
        (counts.unbound, "without a node"),
        (counts.deleting, "being deleted"),
    ] {
        if count > 0 {
            pods.push_str(&format!(", {count} {what}"));
        }
    }
    [
        (
            "nodes",
            format!("{} of {} Ready", counts.ready, counts.nodes),
        ),
        ("pods", pods),
        (
            "stages",
            format!("{} played, {rate:.0} a second", now.plays),
        ),
        (
            "lag",
            format!("{} (median), {} (99 %)", lag(0.5), lag(0.99)),
        ),
        (
            "guard",
            format!(
                "{} refused, {} moved backward by others",
                now.refused, now.backward
            ),
        ),
    ]
    .map(|(what, numbers)| format!("{what:<8}{numbers}"))
    .into()
}

/// The milestones at which everything is settled.
pub(super) fn milestones(settled: &Settled, reading: &Reading) -> [String; 2] {
    [
        format!("settled: {}", line(&settled.counts)),
        format!(
            "{} stages played, {} refused, {} moved backward",
            reading.plays, reading.refused, reading.backward
        ),
    ]
}

/// What is not settled, for an error.
pub(super) fn unsettled(counts: &Counts, created: bool) -> String {
    let created = if created {
        ""
    } else {
        "not everything is created, "
    };
    format!(
        "{created}{} of {} nodes are Ready, pods are {}, {} being deleted, {} without a node",
        counts.ready,
        counts.nodes,
        phases(counts),
        counts.deleting,
        counts.unbound
    )
}

/// Where the server is, for scripts.
pub(super) fn served(served: &Served) -> Value {
    json!({
        "server": served.url,
        "kubeconfig": served.published.file,
        "context": super::kubeconfig::NAME,
    })
}

/// All of it, for scripts.
pub(super) fn settled(
    at: &Served,
    admin: &str,
    settled: &Settled,
    reading: &Reading,
    speed: f64,
) -> Value {
    let Settled {
        counts,
        created,
        nodes_ready,
        settled,
    } = settled;
    let mut summary = served(at);
    let phases: serde_json::Map<String, Value> = PHASES
        .iter()
        .zip(counts.phases)
        .map(|(phase, count)| ((*phase).to_owned(), count.into()))
        .collect();
    let start = Reading::default();
    let lag = |share: f64| {
        reading
            .lag(&start, share)
            .map(|lag| lag.as_secs_f64() / speed)
    };
    let more = json!({
        "admin": admin,
        "nodes": counts.nodes, "nodesReady": counts.ready,
        "pods": counts.pods(), "podsByPhase": phases, "podsWithoutNode": counts.unbound,
        "firstDecisionSeconds": reading.first_decision_seconds,
        "createdSeconds": created.as_secs_f64(), "nodesReadySeconds": nodes_ready.as_secs_f64(),
        "settledSeconds": settled.as_secs_f64(),
        "stagesPlayed": reading.plays, "refused": reading.refused, "backward": reading.backward,
        "lagSeconds": {"median": lag(0.5), "p99": lag(0.99)},
        "cpuSeconds": reading.cpu_seconds, "residentBytes": reading.resident_bytes,
    });
    if let (Some(summary), Value::Object(more)) = (summary.as_object_mut(), more) {
        summary.extend(more);
    }
    summary
}

/// What to do next, for people. `admin` is where the host answers, if there is one.
pub(super) fn look_around(served: &Served, admin: Option<&str>) -> String {
    let mut text = "\nLook around, in another terminal:\n\n".to_owned();
    match served.published.merged() {
        Some(file) => text.push_str(&format!(
            "  (the context {} is the current one of {}; another kubeconfig with only it is {})\n",
            super::kubeconfig::NAME,
            file.display(),
            served.published.file.display()
        )),
        None => text.push_str(&format!(
            "  export KUBECONFIG={}\n",
            served.published.for_shell()
        )),
    }
    text.push_str("  kubectl get nodes\n  kubectl get pods --all-namespaces\n");
    if let Some(admin) = admin {
        text.push_str(&format!(
            "  stagewright explain --admin {admin} pod pod-0\n\nMetrics: {admin}/metrics\n"
        ));
    }
    if !served.names.is_empty() {
        let names = served.names.join(", ");
        text.push_str(&format!("\nThe certificate is for {names}.\n"));
    }
    let kept = match &served.folder {
        Some(folder) => format!("what is in it is kept in {}", folder.display()),
        None => "nothing is kept".to_owned(),
    };
    text.push_str(&format!("\nCtrl-C ends it; {kept}.\n\n"));
    text
}

fn phases(counts: &Counts) -> String {
    let mut texts: Vec<String> = PHASES
        .iter()
        .zip(counts.phases)
        .filter(|(_, count)| *count > 0)
        .map(|(phase, count)| format!("{count} {phase}"))
        .collect();
    if texts.is_empty() {
        texts.push("none".to_owned());
    }
    texts.join(", ")
}

fn millis(lag: Duration, speed: f64) -> String {
    let lag = lag.div_f64(speed);
    if lag < Duration::from_secs(10) {
        format!("{} ms", lag.as_millis().max(1))
    } else {
        format!("{} s", lag.as_secs())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of stages are far below what a float has exactly"
)]
fn per_second(count: u64, passed: Duration) -> f64 {
    count as f64 / passed.as_secs_f64().max(0.001)
}
