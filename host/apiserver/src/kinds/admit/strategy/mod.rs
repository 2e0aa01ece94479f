//! What an operation may write (the `strategy.go` of each kind, below kubernetes' `pkg/registry`).
//!
//! The rule is one for all kinds: status is written at `/status` alone, and all else not there. The tables and the functions by
//! kind say where a kind differs.

mod pod;
mod resets;
mod workloads;

use serde_json::{Map, Value, json};
use stagewright_core::time::Time;

pub(super) use self::pod::quality;
pub(crate) use self::resets::resets;
use super::defaults::one_and_all;
use super::look::{at, fill, section, take_over, text, text_of};
use crate::kinds::{Operation, Resource};

/// Kinds whose objects are created with the status that they bring: a kubelet registers its node with it.
const BRING_STATUS: [&str; 1] = ["/nodes"];

/// Kinds whose status update leaves labels, annotations, finalizers and owners as they are (`ResetObjectMetaForStatus`).
const KEEP_METADATA: [&str; 8] = [
    "admissionregistration.k8s.io/validatingadmissionpolicies",
    "apiextensions.k8s.io/customresourcedefinitions",
    "apiregistration.k8s.io/apiservices",
    "flowcontrol.apiserver.k8s.io/flowschemas",
    "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations",
    "networking.k8s.io/servicecidrs",
    "resource.k8s.io/resourceclaims",
    "storage.k8s.io/volumeattachments",
];

/// What metadata these keep.
const METADATA: [&str; 4] = ["labels", "annotations", "finalizers", "ownerReferences"];

/// Kinds with a generation: it is 1 in the beginning, and counts the changes of what stands at these pointers.
const GENERATIONS: [(&str, &[&str]); 27] = [
    ("/pods", &["/spec"]),
    ("/podtemplates", &["/template"]),
    ("/replicationcontrollers", &["/spec"]),
    (
        "admissionregistration.k8s.io/mutatingadmissionpolicies",
        &["/spec"],
    ),
    (
        "admissionregistration.k8s.io/mutatingadmissionpolicybindings",
        &["/spec"],
    ),
    (
        "admissionregistration.k8s.io/mutatingwebhookconfigurations",
        &["/webhooks"],
    ),
    (
        "admissionregistration.k8s.io/validatingadmissionpolicies",
        &["/spec"],
    ),
    (
        "admissionregistration.k8s.io/validatingadmissionpolicybindings",
        &["/spec"],
    ),
    (
        "admissionregistration.k8s.io/validatingwebhookconfigurations",
        &["/webhooks"],
    ),
    ("apiextensions.k8s.io/customresourcedefinitions", &["/spec"]),
    ("apps/daemonsets", &["/spec"]),
    ("apps/deployments", &["/spec", "/metadata/annotations"]),
    ("apps/replicasets", &["/spec"]),
    ("apps/statefulsets", &["/spec"]),
    ("batch/cronjobs", &["/spec"]),
    ("batch/jobs", &["/spec"]),
    (
        "discovery.k8s.io/endpointslices",
        &["/addressType", "/endpoints", "/ports", "/metadata/labels"],
    ),
    ("flowcontrol.apiserver.k8s.io/flowschemas", &["/spec"]),
    (
        "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations",
        &["/spec"],
    ),
    ("networking.k8s.io/ingressclasses", &["/spec"]),
    ("networking.k8s.io/ingresses", &["/spec"]),
    ("networking.k8s.io/networkpolicies", &["/spec"]),
    ("policy/poddisruptionbudgets", &["/spec"]),
    ("resource.k8s.io/deviceclasses", &["/spec"]),
    ("resource.k8s.io/resourceslices", &["/spec"]),
    ("scheduling.k8s.io/priorityclasses", &[]),
    ("storage.k8s.io/csidrivers", &["/spec"]),
];

/// The kinds that the tables name, for who checks them.
#[cfg(test)]
pub(super) fn named() -> impl Iterator<Item = &'static str> {
    let all = GENERATIONS.iter().map(|(name, _)| *name);
    all.chain(KEEP_METADATA).chain(BRING_STATUS)
}

/// Adds what the conversion to the version of a request shows of an object, whatever was written.
pub(super) fn show(resource: &Resource, object: &mut Value) {
    if let (Some(set), "apps/daemonsets") = (object.as_object_mut(), &*resource.collection) {
        workloads::show_template(set);
    }
}

/// The families of addresses that a Service has (`pkg/registry/core/service/storage/alloc.go`). No address is given out: see the gaps.
fn families(service: &mut Map<String, Value>) {
    let spec = section(service, "spec");
    if text_of(spec, "type") == "ExternalName" {
        return;
    }
    // Where nobody is selected and no address is wanted, both families may be served.
    let free = text_of(spec, "clusterIP") == "None" && !spec.contains_key("selector");
    let (policy, families) = if free {
        ("RequireDualStack", json!(["IPv4", "IPv6"]))
    } else {
        ("SingleStack", json!(["IPv4"]))
    };
    fill(spec, "ipFamilyPolicy", policy);
    fill(spec, "ipFamilies", families);
    one_and_all(spec, "clusterIP", "clusterIPs", None);
}

/// Makes of an object what the operation lets it be. Both are in their normal form.
pub(super) fn prepare(
    resource: &Resource,
    operation: Operation<'_>,
    object: &mut Map<String, Value>,
    old: &Value,
    now: Time,
) {
    let collection = &*resource.collection;
    let has_status = resource.has_subresource("status");
    match operation {
        Operation::Create => {
            if has_status && !BRING_STATUS.contains(&collection) {
                object.remove("status");
            }
            create(collection, object, now);
        }
        Operation::Update { .. } => {
            if has_status {
                take_over(object, old, "status");
            }
            update(collection, object, old);
        }
        Operation::UpdateStatus { .. } => {
            take_over(object, old, "spec");
            if KEEP_METADATA.contains(&collection) {
                keep_metadata(object, old, &METADATA);
            }
            update_status(collection, object, old, now);
        }
        Operation::UpdateSubresource { name, .. } => {
            update_subresource(collection, name, object, old);
        }
    }
    count(collection, operation, object, old);
}

/// Takes these fields of the metadata over from the old object.
fn keep_metadata(object: &mut Map<String, Value>, old: &Value, fields: &[&str]) {
    let metadata = section(object, "metadata");
    for field in fields {
        take_over(metadata, at(old, "/metadata"), field);
    }
}

fn create(collection: &str, object: &mut Map<String, Value>, now: Time) {
    match collection {
        "/namespaces" => begin_namespace(object),
        "/persistentvolumes" => {
            let status = json!({"phase": "Pending", "lastPhaseTransitionTime": now.to_seconds()});
            object.insert("status".to_owned(), status);
        }
        "/pods" => pod::create(object, now),
        "/serviceaccounts" => only_names(object),
        "/services" => families(object),
        "apps/daemonsets" => workloads::count_template(object, &Value::Null),
        "batch/jobs" => workloads::select_by_uid(object),
        _ => {}
    }
}

fn begin_namespace(namespace: &mut Map<String, Value>) {
    namespace.insert("status".to_owned(), json!({"phase": "Active"}));
    let finalizers = section(namespace, "spec")
        .entry("finalizers")
        .or_insert_with(|| json!([]));
    if let Some(finalizers) = finalizers.as_array_mut()
        && !finalizers.contains(&json!("kubernetes"))
    {
        finalizers.push(json!("kubernetes"));
    }
}

/// A service account's secrets are named, and nothing else is said of them.
fn only_names(account: &mut Map<String, Value>) {
    let secrets = account.get_mut("secrets").and_then(Value::as_array_mut);
    for secret in secrets.into_iter().flatten() {
        *secret = json!({"name": text(secret, "/name")});
    }
}

fn update(collection: &str, object: &mut Map<String, Value>, old: &Value) {
    match collection {
        "/namespaces" => take_over(section(object, "spec"), at(old, "/spec"), "finalizers"),
        "/pods" => pod::update(object, old),
        "/serviceaccounts" => only_names(object),
        "/services" => families(object),
        "apps/daemonsets" => workloads::count_template(object, old),
        "certificates.k8s.io/certificatesigningrequests" => take_over(object, old, "spec"),
        _ => {}
    }
}

fn update_status(collection: &str, object: &mut Map<String, Value>, old: &Value, now: Time) {
    match collection {
        "/persistentvolumes" => keep_phase_time(object, old, now),
        "/pods" => {
            keep_metadata(object, old, &["deletionTimestamp", "ownerReferences"]);
            pod::update_status(object, old);
        }
        "apps/daemonsets" => workloads::count_template(object, old),
        "apps/deployments" => keep_metadata(object, old, &["labels"]),
        _ => {}
    }
}

/// The time of a volume's phase: the old one while the phase is, the server's when it changes and nobody says when.
fn keep_phase_time(volume: &mut Map<String, Value>, old: &Value, now: Time) {
    const FIELD: &str = "lastPhaseTransitionTime";
    let before = at(old, "/status");
    let status = section(volume, "status");
    let same = text_of(status, "phase") == text(before, "/phase");
    let told = status
        .get(FIELD)
        .filter(|time| same || before.get(FIELD) != Some(time));
    if told.is_some() {
        return;
    }
    if same {
        take_over(status, before, FIELD);
    } else {
        status.insert(FIELD.to_owned(), json!(now.to_seconds()));
    }
}

fn update_subresource(collection: &str, name: &str, object: &mut Map<String, Value>, old: &Value) {
    match (collection, name) {
        ("/pods", "ephemeralcontainers" | "resize") => {
            keep_metadata(object, old, &METADATA);
            take_over(object, old, "status");
            if name == "resize" {
                pod::resize(object, old);
            } else {
                pod::add_ephemeral(object, old);
            }
        }
        ("certificates.k8s.io/certificatesigningrequests", "approval") => {
            take_over(object, old, "spec");
            let conditions = object
                .get("status")
                .and_then(|status| status.get("conditions"));
            let conditions = conditions.cloned();
            take_over(object, old, "status");
            let status = section(object, "status");
            match conditions {
                Some(conditions) => status.insert("conditions".to_owned(), conditions),
                None => status.remove("conditions"),
            };
        }
        _ => take_over(object, old, "status"),
    }
}

/// Counts the generation.
fn count(collection: &str, operation: Operation<'_>, object: &mut Map<String, Value>, old: &Value) {
    let Some((_, counted)) = GENERATIONS.iter().find(|(name, _)| *name == collection) else {
        return;
    };
    let generation = match operation {
        // The one kind that begins without.
        Operation::Create if collection == "storage.k8s.io/csidrivers" => return,
        Operation::Create => 1,
        Operation::UpdateStatus { .. } => return,
        Operation::Update { .. } | Operation::UpdateSubresource { .. } => {
            let now = Value::Object(std::mem::take(object));
            let same = counted
                .iter()
                .all(|pointer| at(&now, pointer) == at(old, pointer));
            if let Value::Object(map) = now {
                *object = map;
            }
            if same {
                return;
            }
            at(old, "/metadata/generation")
                .as_i64()
                .unwrap_or(0)
                .saturating_add(1)
        }
    };
    section(object, "metadata").insert("generation".to_owned(), json!(generation));
}

/// As the tables above, for a custom resource: everything but metadata and status counts, and without a status subresource that
/// too (apiextensions-apiserver, `pkg/registry/customresource/strategy.go`).
pub(super) fn prepare_custom(
    resource: &Resource,
    operation: Operation<'_>,
    object: &mut Map<String, Value>,
    old: &Value,
) {
    let has_status = resource.has_subresource("status");
    match operation {
        Operation::Create => {
            if has_status {
                object.remove("status");
            }
            section(object, "metadata").insert("generation".to_owned(), json!(1));
        }
        Operation::Update { .. } => {
            if has_status {
                take_over(object, old, "status");
            }
            let aside = |name: &str| name == "metadata" || (has_status && name == "status");
            let counted = |map: &Map<String, Value>| -> Map<String, Value> {
                map.iter()
                    .filter(|(name, _)| !aside(name))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect()
            };
            if old.as_object().map(counted) != Some(counted(object)) {
                let before = at(old, "/metadata/generation").as_i64().unwrap_or(0);
                let generation = json!(before.saturating_add(1));
                section(object, "metadata").insert("generation".to_owned(), generation);
            }
        }
        Operation::UpdateStatus { .. } => {
            let status = object.remove("status");
            let metadata = object.remove("metadata");
            if let Some(before) = old.as_object() {
                object.clone_from(before);
            }
            if let Some(Value::Object(metadata)) = metadata {
                let kept = at(old, "/metadata");
                let mut metadata = metadata;
                for field in METADATA {
                    take_over(&mut metadata, kept, field);
                }
                object.insert("metadata".to_owned(), Value::Object(metadata));
            }
            match status {
                Some(status) => object.insert("status".to_owned(), status),
                None => object.remove("status"),
            };
        }
        Operation::UpdateSubresource { .. } => {}
    }
}
