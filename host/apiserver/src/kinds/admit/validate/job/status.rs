//! A Job's status (`ValidateJobUpdateStatus`). Most rules are about what this update changed, so that what was wrong before does
//! not stop it.

use serde_json::Value;
use stagewright_core::time::Time;

use super::super::super::look::{at, int, is_true, items, list, text};
use super::super::{Change, Errors, metadata};
use super::{indexes, is_indexed};

const CONDITIONS: &str = "status.conditions";

/// Whether a condition is true.
pub(super) fn has(job: &Value, condition: &str) -> bool {
    let mut conditions = list(job, "/status/conditions").iter();
    conditions.any(|known| text(known, "/type") == condition && text(known, "/status") == "True")
}

fn is_finished(job: &Value) -> bool {
    has(job, "Complete") || has(job, "Failed")
}

/// Whether the update changed what stands there.
fn changes(change: Change<'_>, field: &str) -> bool {
    let pointer = format!("/status/{field}");
    at(change.new, &pointer) != at(change.old, &pointer)
}

/// Whether the update made a condition true, or took that from it.
fn turns(change: Change<'_>, condition: &str) -> bool {
    has(change.new, condition) != has(change.old, condition)
}

/// A status that the Job's controller writes.
pub(in super::super) fn check(errors: &mut Errors, change: Change<'_>) {
    counts(errors, change.new);
    uncounted(errors, change.new);
    completion(errors, change);
    finished(errors, change);
    index_lists(errors, change);
    criteria(errors, change.new);
    not_taken_back(errors, change);
}

fn counts(errors: &mut Errors, job: &Value) {
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        metadata::not_below_zero(errors, at(job, "/status"), field, "status");
    }
}

fn uncounted(errors: &mut Errors, job: &Value) {
    let mut seen = Vec::new();
    for list in ["succeeded", "failed"] {
        let path = format!("status.uncountedTerminatedPods.{list}");
        let pointer = format!("/status/uncountedTerminatedPods/{list}");
        for (path, uid) in items(job, &pointer, &path) {
            if uid == "" {
                errors.invalid(&path, "", "must not be empty");
            } else if seen.contains(&uid) {
                errors.duplicate(&path, uid.clone());
            }
            seen.push(uid);
        }
    }
}

/// A Job is complete or failed, and says when it was completed.
fn completion(errors: &mut Errors, change: Change<'_>) {
    const PATH: &str = "status.completionTime";
    let job = change.new;
    let (complete, failed) = (has(job, "Complete"), has(job, "Failed"));
    let turned = turns(change, "Complete");
    if complete && failed && (turned || turns(change, "Failed")) {
        errors.somehow(
            CONDITIONS,
            "cannot set Complete=True and Failed=true conditions",
        );
    }
    if complete && has(job, "FailureTarget") && (turned || turns(change, "FailureTarget")) {
        errors.somehow(
            CONDITIONS,
            "cannot set Complete=True and FailureTarget=true conditions",
        );
    }
    let time = at(job, "/status/completionTime");
    let moved = changes(change, "completionTime");
    if (turned || moved) && !time.is_null() && !complete {
        let words = "cannot set completionTime when there is no Complete=True condition";
        errors.invalid(PATH, time.clone(), words);
    }
    if (turned || moved) && time.is_null() && complete {
        errors.required(PATH, "completionTime is required for Complete jobs");
    }
    let instant = |field: &str| Time::parse(text(job, &format!("/status/{field}")));
    if (moved || changes(change, "startTime"))
        && let (Some(start), Some(end)) = (instant("startTime"), instant("completionTime"))
        && end < start
    {
        errors.invalid(PATH, time.clone(), "must be equal to or after `startTime`");
    }
    let targeted = has(job, "FailureTarget");
    if failed && !targeted && (turns(change, "Failed") || changes(change, "failedIndexes")) {
        let words = "cannot set Failed=True condition without the FailureTarget=true condition";
        errors.somehow(CONDITIONS, words);
    }
    let met = has(job, "SuccessCriteriaMet");
    if complete && !met && (turned || turns(change, "SuccessCriteriaMet")) {
        let words =
            "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
        errors.somehow(CONDITIONS, words);
    }
}

/// Nothing of a finished Job is under way.
fn finished(errors: &mut Errors, change: Change<'_>) {
    let job = change.new;
    let finished = is_finished(job);
    let turned = finished != is_finished(change.old);
    let active = int(job, "/status/active").unwrap_or(0);
    if finished && active > 0 && (turned || changes(change, "active")) {
        errors.invalid(
            "status.active",
            active,
            "active>0 is invalid for finished job",
        );
    }
    let nothing = is_true(job, "/spec/suspend") && int(job, "/spec/completions") == Some(0);
    let started = turned || changes(change, "startTime");
    if finished && started && !nothing && at(job, "/status/startTime").is_null() {
        errors.required("status.startTime", "startTime is required for finished job");
    }
    let uncounted = at(job, "/status/uncountedTerminatedPods");
    let some = ["/failed", "/succeeded"]
        .iter()
        .any(|name| !list(uncounted, name).is_empty());
    if finished && some && (turned || changes(change, "uncountedTerminatedPods")) {
        let path = "status.uncountedTerminatedPods";
        errors.invalid(path, uncounted.clone(), "must be empty for finished job");
    }
    let terminating = int(job, "/status/terminating").unwrap_or(0);
    if finished && terminating > 0 && (turned || changes(change, "terminating")) {
        let words = "terminating>0 is invalid for finished job";
        errors.invalid("status.terminating", terminating, words);
    }
    if let Some(ready) = int(job, "/status/ready").filter(|ready| *ready > active)
        && (changes(change, "ready") || changes(change, "active"))
    {
        errors.invalid(
            "status.ready",
            ready,
            "cannot set more ready pods than active",
        );
    }
}

fn index_lists(errors: &mut Errors, change: Change<'_>) {
    let job = change.new;
    let completions = int(job, "/spec/completions");
    let per_index = int(job, "/spec/backoffLimitPerIndex").is_some();
    for (field, read) in [("completedIndexes", true), ("failedIndexes", per_index)] {
        let given = text(job, &format!("/status/{field}"));
        let path = format!("status.{field}");
        if let (true, true, Some(completions)) = (read, changes(change, field), completions)
            && let Err(error) = indexes::count(given, completions)
        {
            errors.invalid(&path, given, &format!("error parsing {field}: {error}"));
        }
        let there = !at(job, &format!("/status/{field}")).is_null();
        let words = match field {
            "completedIndexes" if !is_indexed(at(job, "/spec")) => {
                "cannot set non-empty completedIndexes when non-indexed completion mode"
            }
            "failedIndexes" if !per_index => {
                "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
            }
            _ => continue,
        };
        if there && changes(change, field) {
            errors.invalid(&path, given, words);
        }
    }
    let both = ["completedIndexes", "failedIndexes"];
    let [completed, failed] = both.map(|field| text(job, &format!("/status/{field}")));
    if let Some(completions) = completions
        && both.iter().any(|field| changes(change, field))
        && let Some(index) = indexes::overlap(completed, failed, completions)
    {
        let words = format!("failedIndexes and completedIndexes overlap at index: {index}");
        errors.invalid("status.failedIndexes", failed, &words);
    }
}

fn criteria(errors: &mut Errors, job: &Value) {
    let met = has(job, "SuccessCriteriaMet");
    for (condition, words) in [
        (
            "Failed",
            "cannot set SuccessCriteriaMet=True and Failed=true conditions",
        ),
        (
            "FailureTarget",
            "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions",
        ),
    ] {
        if met && has(job, condition) {
            errors.somehow(CONDITIONS, words);
        }
    }
    if !met && has(job, "Complete") && !at(job, "/spec/successPolicy").is_null() {
        let words =
            "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
        errors.somehow(CONDITIONS, words);
    }
}

/// What a Job has come to it does not lose.
fn not_taken_back(errors: &mut Errors, change: Change<'_>) {
    let (new, old) = (change.new, change.old);
    for condition in ["Failed", "Complete", "FailureTarget"] {
        if has(old, condition) && !has(new, condition) {
            let words = format!("cannot disable the terminal {condition}=True condition");
            errors.somehow(CONDITIONS, &words);
        }
    }
    let of = |job, field: &str| int(job, &format!("/status/{field}")).unwrap_or(0);
    let spec = at(new, "/spec");
    let scaled = is_indexed(spec) && spec.get("completions") == spec.get("parallelism");
    for field in ["failed", "succeeded"] {
        // An indexed Job whose completions are its parallelism can be scaled down.
        if of(new, field) < of(old, field) && !(field == "succeeded" && scaled) {
            let words = format!("cannot decrease the {field} counter");
            errors.invalid(&format!("status.{field}"), of(new, field), &words);
        }
    }
    let times = |field: &str| {
        let pointer = format!("/status/{field}");
        (at(new, &pointer).clone(), at(old, &pointer))
    };
    let (now, before) = times("completionTime");
    if !now.is_null() && !before.is_null() && now != *before {
        errors.invalid("status.completionTime", now, "field is immutable");
    }
    let resumed = has(old, "Suspended")
        && list(new, "/status/conditions").iter().any(|condition| {
            text(condition, "/type") == "Suspended" && text(condition, "/status") == "False"
        });
    let (now, before) = times("startTime");
    if !before.is_null() && now != *before && !resumed && !is_true(spec, "/suspend") {
        let words = "field is immutable for unsuspended job once set";
        errors.invalid("status.startTime", now, words);
    }
    if has(old, "SuccessCriteriaMet") && !has(new, "SuccessCriteriaMet") {
        errors.somehow(
            CONDITIONS,
            "cannot disable the SuccessCriteriaMet=True condition",
        );
    }
    if has(old, "Complete") && !has(old, "SuccessCriteriaMet") && has(new, "SuccessCriteriaMet") {
        let words =
            "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        errors.somehow(CONDITIONS, words);
    }
}
