//! Jobs.

use std::borrow::Cow;

use serde_json::Value;

use super::conditions;
use super::model::{ANY, Counter, Latch, Model, Once, text_at};
use crate::json::At as _;

/// batch `validation.go` `ValidateJobStatusUpdate`: the terminal conditions stay True, a job does not both fail and succeed, its
/// counters do not fall, its times are set once (startTime anew when it is suspended).
pub(super) static MODEL: Model = Model {
    name: "job",
    phase: Some(phase),
    phase_at: "/status/conditions",
    graph: &[
        ("Active", &["SuccessCriteriaMet", "FailureTarget"]),
        ("SuccessCriteriaMet", &["Complete"]),
        ("FailureTarget", &["Failed"]),
        ("Complete", &[]),
        ("Failed", &[]),
    ],
    initial: "Active",
    terminal: &["Complete", "Failed"],
    latches: &[
        latch("Complete"),
        latch("Failed"),
        latch("FailureTarget"),
        latch("SuccessCriteriaMet"),
    ],
    counters: &[
        Counter {
            at: "/status/failed",
            unless: None,
        },
        Counter {
            at: "/status/succeeded",
            unless: Some(is_elastic),
        },
    ],
    once: &[
        Once::ever("/status/completionTime"),
        Once {
            at: "/status/startTime",
            within_epoch: false,
            unless: Some(is_suspended),
        },
    ],
    clocked: true,
    ..ANY
};

const fn latch(condition: &'static str) -> Latch {
    Latch {
        condition,
        within_epoch: false,
    }
}

/// How far the conditions say it is. Success and failure together are in no graph.
fn phase(job: &Value) -> Cow<'_, str> {
    let [failed, failing, complete, succeeding] =
        ["Failed", "FailureTarget", "Complete", "SuccessCriteriaMet"]
            .map(|name| conditions::is_true(job, name));
    let phase = match (failed, failing, complete, succeeding) {
        (true, _, false, false) => "Failed",
        (false, true, false, false) => "FailureTarget",
        (false, false, true, _) => "Complete",
        (false, false, false, true) => "SuccessCriteriaMet",
        (false, false, false, false) => "Active",
        _ => "Failed and Complete",
    };
    phase.into()
}

/// An elastic indexed job is scaled down by its completions, and what succeeded beyond them no longer counts
/// (`registry/batch/job/strategy.go`).
fn is_elastic(job: &Value) -> bool {
    let same = job.at("/spec/completions") == job.at("/spec/parallelism");
    text_at(job, "/spec/completionMode") == "Indexed" && same
}

fn is_suspended(job: &Value) -> bool {
    job.at("/spec/suspend").and_then(Value::as_bool) == Some(true)
}
