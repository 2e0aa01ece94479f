//! Cells of the other kinds that take more than a pointer.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cells::{Row, plain};
use super::duration;
use crate::kinds::member::{list, text};

// === nodes and events ===

pub(super) fn node_status(row: &Row<'_>) -> Value {
    let mut status = match row.condition("Ready") {
        Some(_) if row.holds("Ready") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if row.flag("/spec/unschedulable") == Some(true) {
        status.push_str(",SchedulingDisabled");
    }
    json!(status)
}

pub(super) fn node_roles(row: &Row<'_>) -> Value {
    let labels = row.at("/metadata/labels").and_then(Value::as_object);
    let roles: BTreeSet<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(
            |(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
                None if key == "kubernetes.io/role" => value.as_str(),
                role => role,
            },
        )
        .filter(|role| !role.is_empty())
        .collect();
    let roles: Vec<&str> = roles.into_iter().collect();
    json!(if roles.is_empty() {
        "<none>".to_owned()
    } else {
        roles.join(",")
    })
}

pub(super) fn node_address(row: &Row<'_>, kind: &str) -> Value {
    let mut addresses = row.list("/status/addresses").iter();
    let found = addresses.find(|address| text(address, "type") == kind);
    json!(found.map_or("<none>", |found| text(found, "address")))
}

pub(super) fn node_kernel(row: &Row<'_>) -> Value {
    let kernel = row.text_or("/status/nodeInfo/kernelVersion", "<unknown>");
    json!(match row.text("/status/nodeInfo/architecture") {
        "" => kernel.to_owned(),
        architecture => format!("{kernel} ({architecture})"),
    })
}

/// Events of both groups name their times differently; here they have those of the core group or of `events.k8s.io`.
fn either<'a>(row: &Row<'_>, one: &'a str, other: &'a str) -> &'a str {
    if row.at(one).is_some() { one } else { other }
}

pub(super) fn event_first(row: &Row<'_>) -> Value {
    let first = either(row, "/firstTimestamp", "/eventTime");
    json!(row.since(first).unwrap_or_else(|| "<unknown>".to_owned()))
}

pub(super) fn event_last(row: &Row<'_>) -> Value {
    if row.at("/series").is_some() {
        let last = row.since("/series/lastObservedTime");
        return json!(last.unwrap_or_else(|| "<unknown>".to_owned()));
    }
    row.since("/lastTimestamp")
        .map_or_else(|| event_first(row), |last| json!(last))
}

pub(super) fn event_count(row: &Row<'_>) -> Value {
    let series = row
        .at("/series")
        .map(|_| row.number("/series/count").unwrap_or(0));
    let count = series.unwrap_or_else(|| row.number("/count").unwrap_or(0).max(1));
    json!(count)
}

pub(super) fn event_object(row: &Row<'_>) -> Value {
    let kind = row.text("/involvedObject/kind").to_lowercase();
    json!(match row.text("/involvedObject/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    })
}

pub(super) fn event_source(row: &Row<'_>) -> Value {
    let component = row.text_or("/source/component", row.text("/reportingComponent"));
    json!(
        match row.text_or("/source/host", row.text("/reportingInstance")) {
            "" => component.to_owned(),
            host => format!("{component}, {host}"),
        }
    )
}

pub(super) fn event_message(row: &Row<'_>) -> Value {
    json!(row.text("/message").trim())
}

pub(super) fn quota(row: &Row<'_>, limits: bool) -> Value {
    let hard = row.at("/status/hard").and_then(Value::as_object);
    let used = row.at("/status/used");
    let texts: Vec<String> = hard
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.starts_with("limits.") == limits)
        .map(|(name, hard)| {
            let used = used.and_then(|used| used.get(name));
            let used = used.map_or_else(|| "0".to_owned(), plain);
            format!("{name}: {used}/{}", plain(hard))
        })
        .collect();
    json!(texts.join(", "))
}

// === access ===

/// The subjects of a binding that are of one kind.
pub(super) fn subjects(row: &Row<'_>, kind: &str) -> Value {
    let subjects = row.list("/subjects").iter();
    let texts: Vec<String> = subjects
        .filter(|subject| text(subject, "kind") == kind)
        .map(|subject| match kind {
            "ServiceAccount" => format!("{}/{}", text(subject, "namespace"), text(subject, "name")),
            _ => text(subject, "name").to_owned(),
        })
        .collect();
    json!(texts.join(", "))
}

pub(super) fn api_service(row: &Row<'_>) -> Value {
    json!(match row.at("/spec/service") {
        Some(service) => format!("{}/{}", text(service, "namespace"), text(service, "name")),
        None => "Local".to_owned(),
    })
}

pub(super) fn api_available(row: &Row<'_>) -> Value {
    let Some(condition) = row.condition("Available") else {
        return json!("Unknown");
    };
    json!(
        match (text(condition, "status"), text(condition, "reason")) {
            (status @ "True", _) | (status, "") => status.to_owned(),
            (status, reason) => format!("{status} ({reason})"),
        }
    )
}

pub(super) fn csr_duration(row: &Row<'_>) -> Value {
    let seconds = row.number("/spec/expirationSeconds");
    json!(seconds.map_or_else(|| "<none>".to_owned(), duration::of_seconds))
}

pub(super) fn csr_status(row: &Row<'_>) -> Value {
    let has = |kind: &str| row.condition(kind).is_some();
    let mut status = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        _ => "Pending",
    }
    .to_owned();
    if has("Failed") {
        status.push_str(",Failed");
    }
    if !row.text("/status/certificate").is_empty() {
        status.push_str(",Issued");
    }
    json!(status)
}

pub(super) fn dangling(row: &Row<'_>) -> Value {
    json!(
        row.condition("Dangling")
            .map_or("?", |condition| text(condition, "status"))
    )
}

/// A number of a priority level, if it has that part.
pub(super) fn level(row: &Row<'_>, part: &str, field: &str) -> Value {
    match row.at(part) {
        Some(part) => part.get(field).cloned().unwrap_or_else(|| json!(0)),
        None => json!("<none>"),
    }
}

pub(super) fn param_kind(row: &Row<'_>) -> Value {
    json!(match row.at("/spec/paramKind") {
        Some(kind) => format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind")),
        None => "<unset>".to_owned(),
    })
}

pub(super) fn param_ref(row: &Row<'_>) -> Value {
    let name = row.text("/spec/paramRef/name");
    json!(match (name, row.at("/spec/paramRef/selector")) {
        ("", None) => "<unset>".to_owned(),
        ("", Some(selector)) => go_selector(selector),
        (name, _) => format!("{}/{name}", row.text_or("/spec/paramRef/namespace", "*")),
    })
}

/// A selector of labels as Go prints its type.
fn go_selector(selector: &Value) -> String {
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let labels: String = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}: {},", plain(value)))
        .collect();
    let rules: String = list(selector, "matchExpressions")
        .iter()
        .map(|rule| {
            let values: Vec<String> = list(rule, "values").iter().map(plain).collect();
            let (key, operator) = (text(rule, "key"), text(rule, "operator"));
            format!(
                "LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{}],}},",
                values.join(" ")
            )
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
    )
}

// === storage ===

/// The name, and whether it is the default of its kind.
pub(super) fn or_default(row: &Row<'_>, annotations: &[&str]) -> Value {
    let name = row.text("/metadata/name");
    let known = row.at("/metadata/annotations");
    let is_default = annotations
        .iter()
        .any(|annotation| known.is_some_and(|known| text(known, annotation) == "true"));
    json!(if is_default {
        format!("{name} (default)")
    } else {
        name.to_owned()
    })
}

pub(super) fn access_modes(row: &Row<'_>, at: &str) -> Value {
    const SHORT: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let modes = row.list(at);
    let shown: Vec<&str> = SHORT
        .into_iter()
        .filter(|(mode, _)| modes.iter().any(|known| known == mode))
        .map(|(_, short)| short)
        .collect();
    json!(shown.join(","))
}

pub(super) fn phase(row: &Row<'_>) -> Value {
    json!(match row.at("/metadata/deletionTimestamp") {
        Some(_) => "Terminating",
        None => row.text("/status/phase"),
    })
}

pub(super) fn claim(row: &Row<'_>) -> Value {
    json!(match row.at("/spec/claimRef") {
        Some(claim) => format!("{}/{}", text(claim, "namespace"), text(claim, "name")),
        None => String::new(),
    })
}

pub(super) fn storage_class(row: &Row<'_>) -> Value {
    let annotation = row.at("/metadata/annotations/volume.beta.kubernetes.io~1storage-class");
    json!(annotation.map_or_else(|| row.text("/spec/storageClassName").to_owned(), plain))
}

/// A claim's size, once it has a volume.
pub(super) fn claimed(row: &Row<'_>) -> Value {
    json!(match row.text("/spec/volumeName") {
        "" => "",
        _ => row.text_or("/status/capacity/storage", "0"),
    })
}

pub(super) fn claimed_modes(row: &Row<'_>) -> Value {
    match row.text("/spec/volumeName") {
        "" => json!(""),
        _ => access_modes(row, "/status/accessModes"),
    }
}

pub(super) fn audiences(row: &Row<'_>) -> Value {
    let Some(requests) = row.at("/spec/tokenRequests").and_then(Value::as_array) else {
        return json!("<unset>");
    };
    let texts: Vec<&str> = requests
        .iter()
        .map(|request| text(request, "audience"))
        .collect();
    json!(texts.join(","))
}

pub(super) fn device_claim(row: &Row<'_>) -> Value {
    let mut states = Vec::new();
    let deleted = row.at("/metadata/deletionTimestamp").is_some();
    states.extend(deleted.then_some("deleted"));
    let allocated = row.at("/status/allocation").is_some();
    states.extend((!allocated && !deleted).then_some("pending"));
    states.extend(allocated.then_some("allocated"));
    let reserved = allocated && !row.list("/status/reservedFor").is_empty();
    states.extend(reserved.then_some("reserved"));
    json!(states.join(","))
}
