//! Jobs and CronJobs (kubernetes, `pkg/apis/batch/validation`).

mod indexes;
mod policies;
mod schedule;
mod status;

use serde_json::{Value, json};

use super::super::look::{at, int, is_true, list, take_over, text};
use super::choice::one_of;
use super::{Change, Errors, metadata, names, pod, workloads};

pub(super) use self::status::check as status;

/// Labels that a Job's pods get from the server: by name, and by uid.
const LABELS: [(&str, &str); 4] = [
    ("controller-uid", "/metadata/uid"),
    ("job-name", "/metadata/name"),
    ("batch.kubernetes.io/controller-uid", "/metadata/uid"),
    ("batch.kubernetes.io/job-name", "/metadata/name"),
];

/// Numbers of a Job that are not below zero.
const COUNTS: [&str; 7] = [
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
];

/// The most indices that may fail, and the most pods at a time, of an indexed Job.
const INDEXED: i64 = 100_000;

/// A Job, new or changed.
pub(super) fn check(errors: &mut Errors, change: Change<'_>) {
    let job = change.new;
    generated(errors, job);
    specification(errors, at(job, "/spec"), "spec");
    selects(errors, at(job, "/spec"));
    let completions = int(job, "/spec/completions").unwrap_or(0);
    if is_indexed(at(job, "/spec")) && completions > 0 {
        let name = text(job, "/metadata/name");
        let host = format!("{name}-{}", completions - 1);
        if !names::label(&host).is_empty() {
            let words = format!("will not able to create pod with invalid DNS label: {host}");
            errors.invalid("metadata.name", name, &words);
        }
    }
    if !change.old.is_null() {
        changed(errors, change);
    }
}

fn is_indexed(spec: &Value) -> bool {
    text(spec, "/completionMode") == "Indexed"
}

/// The selector and the labels are those that the server makes.
fn generated(errors: &mut Errors, job: &Value) {
    let selector = at(job, "/spec/selector");
    if is_true(job, "/spec/manualSelector") || selector.is_null() {
        return;
    }
    let labels = at(job, "/spec/template/metadata/labels");
    let mut expected = json!({});
    for (label, pointer) in LABELS {
        let wanted = text(job, pointer);
        let path = format!("spec.template.metadata.labels[{label}]");
        let words = format!("must be '{wanted}'");
        match labels.get(label) {
            None => errors.required(&path, &words),
            Some(given) if given != wanted => errors.invalid(&path, labels.clone(), &words),
            Some(_) => {}
        }
        if let Some(expected) = expected.as_object_mut() {
            expected.insert(label.to_owned(), json!(wanted));
        }
    }
    if !workloads::matches(selector, &expected) {
        errors.invalid(
            "spec.selector",
            selector.clone(),
            "`selector` not auto-generated",
        );
    }
}

/// A Job's specification, in a CronJob too.
fn specification(errors: &mut Errors, spec: &Value, path: &str) {
    for field in COUNTS {
        metadata::not_below_zero(errors, spec, field, path);
    }
    let has = |field: &str| spec.get(field).is_some();
    if has("maxFailedIndexes") && !has("backoffLimitPerIndex") {
        let words = "when maxFailedIndexes is specified";
        errors.required(&format!("{path}.backoffLimitPerIndex"), words);
    }
    manager(errors, spec, path);
    let modes = ["NonIndexed", "Indexed"];
    let mode = text(spec, "/completionMode");
    if has("completionMode") && !modes.contains(&mode) {
        errors.not_supported(&format!("{path}.completionMode"), mode, &modes);
    }
    if is_indexed(spec) {
        indexed(errors, spec, path);
    } else if mode.is_empty() || mode == "NonIndexed" {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(number) = int(spec, &format!("/{field}")) {
                let words = "requires indexed completion mode";
                errors.invalid(&format!("{path}.{field}"), number, words);
            }
        }
    }
    if has("podFailurePolicy") {
        policies::failure(errors, spec, path);
    }
    if has("successPolicy") && is_indexed(spec) {
        policies::success(errors, spec, path);
    } else if has("successPolicy") {
        let policy = at(spec, "/successPolicy").clone();
        let words = "requires indexed completion mode";
        errors.invalid(&format!("{path}.successPolicy"), policy, words);
    }
    replacement(errors, spec, path);
    pod::template(errors, at(spec, "/template"), &format!("{path}.template"));
    restart_policy(errors, spec, path);
}

fn manager(errors: &mut Errors, spec: &Value, path: &str) {
    let Some(manager) = at(spec, "/managedBy").as_str() else {
        return;
    };
    let path = format!("{path}.managedBy");
    match manager.split_once('/') {
        _ if manager.is_empty() => errors.required(&path, ""),
        Some((domain, rest)) if !domain.is_empty() && !rest.is_empty() => {
            errors.form(&path, domain, names::subdomain(domain));
        }
        _ => {
            let words = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.invalid(&path, manager, words);
        }
    }
    if manager.len() > 63 {
        errors.too_long(&path, 63);
    }
}

fn indexed(errors: &mut Errors, spec: &Value, path: &str) {
    let of = |field: &str| int(spec, &format!("/{field}"));
    if of("completions").is_none() {
        let words = "when completion mode is Indexed";
        errors.required(&format!("{path}.completions"), words);
    }
    if let Some(number) = of("parallelism").filter(|number| *number > INDEXED) {
        let words = "must be less than or equal to 100000 when completion mode is Indexed";
        errors.invalid(&format!("{path}.parallelism"), number, words);
    }
    many(errors, spec, path);
    let Some(failed) = of("maxFailedIndexes") else {
        return;
    };
    let path = format!("{path}.maxFailedIndexes");
    if of("completions").is_some_and(|completions| failed > completions) {
        errors.invalid(&path, failed, "must be less than or equal to completions");
    }
    if failed > INDEXED {
        errors.invalid(&path, failed, "must be less than or equal to 100000");
    }
}

/// A Job with very many indices that may each fail several times has less room for the rest.
fn many(errors: &mut Errors, spec: &Value, path: &str) {
    const WORDS: &str = "must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index";
    let of = |field: &str| int(spec, &format!("/{field}"));
    if of("backoffLimitPerIndex").is_none() || of("completions").is_none_or(|all| all <= INDEXED) {
        return;
    }
    if of("maxFailedIndexes").is_none() {
        let words = "must be specified when completions is above 100000";
        errors.required(&format!("{path}.maxFailedIndexes"), words);
    }
    for field in ["parallelism", "maxFailedIndexes"] {
        if let Some(number) = of(field).filter(|number| *number > 10_000) {
            errors.invalid(&format!("{path}.{field}"), number, WORDS);
        }
    }
}

fn replacement(errors: &mut Errors, spec: &Value, path: &str) {
    let Some(given) = at(spec, "/podReplacementPolicy").as_str() else {
        return;
    };
    let known: &[&str] = if spec.get("podFailurePolicy").is_some() {
        &["Failed"]
    } else {
        &["Failed", "TerminatingOrFailed"]
    };
    if !known.contains(&given) {
        errors.not_supported(&format!("{path}.podReplacementPolicy"), given, known);
    }
}

fn restart_policy(errors: &mut Errors, spec: &Value, path: &str) {
    let given = text(spec, "/template/spec/restartPolicy");
    let path = format!("{path}.template.spec.restartPolicy");
    match given {
        "" | "Always" => errors.required(&path, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec.get("podFailurePolicy").is_some() => {
            let words = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.invalid(&path, given, words);
        }
        "OnFailure" | "Never" => {}
        other => errors.not_supported(&path, other, &["OnFailure", "Never"]),
    }
}

fn selects(errors: &mut Errors, spec: &Value) {
    let selector = at(spec, "/selector");
    if selector.is_null() {
        errors.required("spec.selector", "");
    }
    metadata::selector(errors, selector, "spec.selector");
    let labels = at(spec, "/template/metadata/labels");
    if !workloads::matches(selector, labels) {
        errors.invalid(
            "spec.template.metadata.labels",
            labels.clone(),
            "`selector` does not match template `labels`",
        );
    }
}

/// What of a Job may change (`ValidateJobSpecUpdate`).
fn changed(errors: &mut Errors, change: Change<'_>) {
    let (new, old) = (change.new, change.old);
    completions(errors, new, old);
    errors.immutable(new, old, "spec.selector");
    template(errors, new, old);
    for field in [
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ] {
        errors.immutable(new, old, &format!("spec.{field}"));
    }
}

fn completions(errors: &mut Errors, new: &Value, old: &Value) {
    const PATH: &str = "spec.completions";
    if !is_indexed(at(new, "/spec")) {
        errors.immutable(new, old, PATH);
        return;
    }
    let now = int(new, "/spec/completions");
    if now != int(old, "/spec/completions")
        && let Some(number) = now.filter(|_| now != int(new, "/spec/parallelism"))
    {
        errors.invalid(
            PATH,
            number,
            "can only be modified in tandem with spec.parallelism",
        );
    }
}

/// The template stays. While the Job is suspended and nothing of it runs, what places its pods and what they ask for may change.
fn template(errors: &mut Errors, new: &Value, old: &Value) {
    let rests = is_true(old, "/spec/suspend")
        && int(old, "/status/active").unwrap_or(0) == 0
        && (at(old, "/status/startTime").is_null() || status::has(old, "Suspended"));
    if !rests {
        errors.immutable(new, old, "spec.template");
        return;
    }
    let mut back = at(new, "/spec/template/spec").clone();
    let before = at(old, "/spec/template/spec");
    if let Some(back) = back.as_object_mut() {
        for field in ["nodeSelector", "tolerations", "schedulingGates"] {
            take_over(back, before, field);
        }
        let mut affinity = back.get("affinity").cloned().unwrap_or_else(|| json!({}));
        if let Some(map) = affinity.as_object_mut() {
            take_over(map, at(before, "/affinity"), "nodeAffinity");
            let none = map.is_empty();
            if none {
                back.remove("affinity");
            } else {
                back.insert("affinity".to_owned(), affinity);
            }
        }
        for name in ["containers", "initContainers"] {
            let list = list(before, &format!("/{name}"));
            let containers = back.get_mut(name).and_then(Value::as_array_mut);
            for (container, old) in containers.into_iter().flatten().zip(list) {
                if let Some(container) = container.as_object_mut() {
                    take_over(container, old, "resources");
                }
            }
        }
    }
    if back != *before {
        let given = at(new, "/spec/template/spec").clone();
        errors.invalid("spec.template.spec", given, "field is immutable");
    }
}

/// A CronJob, new or changed.
pub(super) fn cron(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    schedule::check(errors, change);
    metadata::not_below_zero(errors, spec, "startingDeadlineSeconds", "spec");
    one_of(
        errors,
        spec,
        "spec",
        "concurrencyPolicy",
        &["Allow", "Forbid", "Replace"],
    );
    template_of_jobs(errors, at(spec, "/jobTemplate/spec"));
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        metadata::not_below_zero(errors, spec, field, "spec");
    }
    let name = text(change.new, "/metadata/name");
    if change.old.is_null() && name.len() > 52 {
        errors.invalid("metadata.name", name, "must be no more than 52 characters");
    }
}

/// Jobs of a CronJob get their selectors from the server.
fn template_of_jobs(errors: &mut Errors, spec: &Value) {
    const PATH: &str = "spec.jobTemplate.spec";
    specification(errors, spec, PATH);
    let selector = at(spec, "/selector");
    if !selector.is_null() {
        let words = "`selector` will be auto-generated";
        errors.invalid(&format!("{PATH}.selector"), selector.clone(), words);
    }
    if is_true(spec, "/manualSelector") {
        let path = format!("{PATH}.manualSelector");
        errors.not_supported_value(&path, json!(true), &["nil", "false"]);
    }
}
