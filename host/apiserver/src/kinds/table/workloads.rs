//! Cells of the kinds that make pods.

use serde_json::{Value, json};

use super::cells::{Row, labels, plain, selector};
use super::duration;

/// How many metrics an autoscaler's row has room for.
const METRICS: usize = 2;

/// `2/3`
pub(super) fn ready_of_wanted(row: &Row<'_>) -> Value {
    let number = |at| row.number(at).unwrap_or(0);
    let (ready, wanted) = (number("/status/readyReplicas"), number("/spec/replicas"));
    json!(format!("{ready}/{wanted}"))
}

/// A ReplicationController selects by labels alone.
pub(super) fn replica_selector(row: &Row<'_>) -> Value {
    let object = row.at("/spec/selector");
    json!(match row.text("/kind") {
        "ReplicationController" => labels(object),
        _ => selector(object),
    })
}

/// As in the other kinds, but that nothing stands for none.
pub(super) fn bare_selector(row: &Row<'_>) -> Value {
    json!(match selector(row.at("/spec/selector")).as_str() {
        "<none>" => "",
        "<error>" => "<invalid>",
        text => text,
    })
}

/// `deployment.apps/web`
pub(super) fn controller(row: &Row<'_>) -> Value {
    let mut owners = row.list("/metadata/ownerReferences").iter();
    let owner = owners.find(|owner| owner.get("controller").is_some_and(|is| *is == true));
    let Some(owner) = owner else {
        return json!("<none>");
    };
    let field = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut kind = field("kind").to_lowercase();
    if let Some((group, _)) = field("apiVersion").split_once('/') {
        kind = format!("{kind}.{group}");
    }
    json!(format!("{kind}/{}", field("name")))
}

pub(super) fn job_status(row: &Row<'_>) -> Value {
    let ends = ["Complete", "Failed"];
    if let Some(end) = ends.into_iter().find(|end| row.holds(end)) {
        return json!(end);
    }
    if row.at("/metadata/deletionTimestamp").is_some() {
        return json!("Terminating");
    }
    let states = ["Suspended", "FailureTarget", "SuccessCriteriaMet"];
    let state = states.into_iter().find(|state| row.holds(state));
    json!(state.unwrap_or("Running"))
}

pub(super) fn job_completions(row: &Row<'_>) -> Value {
    let done = row.number("/status/succeeded").unwrap_or(0);
    let parallel = row.number("/spec/parallelism").unwrap_or(0);
    json!(match row.number("/spec/completions") {
        Some(wanted) => format!("{done}/{wanted}"),
        None if parallel > 1 => format!("{done}/1 of {parallel}"),
        None => format!("{done}/1"),
    })
}

pub(super) fn job_duration(row: &Row<'_>) -> Value {
    let Some(begun) = row.time("/status/startTime") else {
        return json!("");
    };
    let ended = row.time("/status/completionTime").unwrap_or(row.now);
    json!(duration::between(begun, ended))
}

pub(super) fn scale_target(row: &Row<'_>) -> Value {
    let text = |at| row.text(at);
    json!(format!(
        "{}/{}",
        text("/spec/scaleTargetRef/kind"),
        text("/spec/scaleTargetRef/name")
    ))
}

/// What an autoscaler looks at, each as it is and as it shall be.
pub(super) fn metrics(row: &Row<'_>) -> Value {
    let specs = row.list("/spec/metrics");
    if specs.is_empty() {
        return json!("<none>");
    }
    let statuses = row.list("/status/currentMetrics");
    let texts = specs
        .iter()
        .enumerate()
        .map(|(index, spec)| metric(spec, statuses.get(index)));
    let shown: Vec<String> = texts.take(METRICS).collect();
    let mut shown = shown.join(", ");
    if specs.len() > METRICS {
        shown.push_str(&format!(" + {} more...", specs.len() - METRICS));
    }
    json!(shown)
}

fn metric(spec: &Value, status: Option<&Value>) -> String {
    let (source, resource) = match spec.get("type").and_then(Value::as_str) {
        Some("External") => ("external", false),
        Some("Pods") => ("pods", false),
        Some("Object") => ("object", false),
        Some("Resource") => ("resource", true),
        Some("ContainerResource") => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let target = |field: &str| spec.get(source)?.get("target")?.get(field);
    let current = |field: &str, missing: &str| {
        let current = status
            .and_then(|status| status.get(source))
            .and_then(|status| status.get("current"));
        match current {
            None => "<unknown>".to_owned(),
            Some(current) => current.get(field).map_or_else(|| missing.to_owned(), plain),
        }
    };
    let text = match target("averageValue") {
        Some(wanted) => {
            let mean = if resource || source == "pods" {
                ""
            } else {
                " (avg)"
            };
            let missing = if mean.is_empty() { "0" } else { "<unknown>" };
            let now = current("averageValue", missing);
            format!("{now}/{}{mean}", plain(wanted))
        }
        None if resource => {
            let share = |value: String| match value.as_str() {
                "<unknown>" => value,
                _ => format!("{value}%"),
            };
            let wanted = target("averageUtilization").map(|wanted| format!("{wanted}%"));
            let now = share(current("averageUtilization", "<unknown>"));
            format!("{now}/{}", wanted.unwrap_or_else(|| "<auto>".to_owned()))
        }
        None => {
            let wanted = target("value").map_or_else(|| "0".to_owned(), plain);
            format!("{}/{wanted}", current("value", "0"))
        }
    };
    let name = spec
        .get(source)
        .and_then(|source| source.get("name"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    if resource {
        format!("{name}: {text}")
    } else {
        text
    }
}
