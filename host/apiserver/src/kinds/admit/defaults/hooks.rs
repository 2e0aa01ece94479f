//! Defaults of the core kinds that depend on more than one field.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use stagewright_core::time::Time;

use super::super::look::{fill, section, text_of};

/// The group of users and groups in a role's subjects.
const RBAC: &str = "rbac.authorization.k8s.io";

/// Pods, but not templates, ask for what they are limited to, see their services' addresses, and have the host's ports on the
/// host's network.
pub(super) fn pod(pod: &mut Map<String, Value>, _now: Time) {
    let spec = section(pod, "spec");
    fill(spec, "enableServiceLinks", true);
    let on_host = spec.get("hostNetwork") == Some(&json!(true));
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            request_limits(container);
            if on_host {
                open_host_ports(container);
            }
        }
    }
}

fn request_limits(container: &mut Map<String, Value>) {
    let limits = container
        .get("resources")
        .and_then(|resources| resources.get("limits"));
    let Some(limits) = limits.and_then(Value::as_object).cloned() else {
        return;
    };
    let requests = section(section(container, "resources"), "requests");
    for (name, limit) in limits {
        requests.entry(name).or_insert(limit);
    }
}

fn open_host_ports(container: &mut Map<String, Value>) {
    let ports = container.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(number) = port.get("containerPort").cloned() {
            fill(port, "hostPort", number);
        }
    }
}

/// The two names of the service account (`Convert_v1_PodSpec_To_core_PodSpec` and back).
pub(super) fn pod_spec(spec: &mut Map<String, Value>, _now: Time) {
    let name = match text_of(spec, "serviceAccountName") {
        "" => text_of(spec, "serviceAccount").to_owned(),
        name => name.to_owned(),
    };
    if !name.is_empty() {
        spec.insert("serviceAccountName".to_owned(), json!(name));
        spec.insert("serviceAccount".to_owned(), json!(name));
    }
}

/// One address and the list of them: where they differ, the one counts (`Convert_v1_PodStatus_To_core_PodStatus` and back).
pub(super) fn pod_status(status: &mut Map<String, Value>, _now: Time) {
    one_and_all(status, "podIP", "podIPs", Some("ip"));
}

/// As with a pod's addresses (`Convert_v1_NodeSpec_To_core_NodeSpec` and back).
pub(super) fn node_spec(spec: &mut Map<String, Value>, _now: Time) {
    one_and_all(spec, "podCIDR", "podCIDRs", None);
}

pub(in super::super) fn one_and_all(
    map: &mut Map<String, Value>,
    one: &str,
    all: &str,
    inner: Option<&str>,
) {
    let first = map
        .get(all)
        .and_then(|all| all.get(0))
        .and_then(|first| match inner {
            Some(inner) => first.get(inner),
            None => Some(first),
        });
    let first = first.and_then(Value::as_str).unwrap_or_default().to_owned();
    let given = text_of(map, one).to_owned();
    if given.is_empty() && !first.is_empty() {
        map.insert(one.to_owned(), json!(first));
    } else if given != first {
        let entry = inner.map_or_else(|| json!(given), |inner| json!({inner: given}));
        map.insert(all.to_owned(), json!([entry]));
    }
}

/// What nobody limits can be allocated.
pub(super) fn node_status(status: &mut Map<String, Value>, _now: Time) {
    if let Some(capacity) = status.get("capacity").cloned() {
        fill(status, "allocatable", capacity);
    }
}

/// Images without a version are always pulled.
pub(super) fn container(container: &mut Map<String, Value>, _now: Time) {
    let policy = pull_policy(text_of(container, "image"));
    fill(container, "imagePullPolicy", policy);
}

fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = match image.split_once('@') {
        Some((name, _)) => (name, true),
        None => (image, false),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((_, "latest")) => "Always",
        None if !digest => "Always",
        _ => "IfNotPresent",
    }
}

/// A volume of no sort is an empty directory.
pub(super) fn volume(volume: &mut Map<String, Value>, _now: Time) {
    if volume.keys().all(|name| name == "name") {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    if let Some(image) = volume.get_mut("image").and_then(Value::as_object_mut) {
        let policy = pull_policy(text_of(image, "reference"));
        fill(image, "pullPolicy", policy);
    }
}

/// Containers' limits: what is at most is given, what is given is asked for.
pub(super) fn limit_range_item(item: &mut Map<String, Value>, _now: Time) {
    if text_of(item, "type") != "Container" {
        return;
    }
    for (from, to) in [
        ("max", "default"),
        ("default", "defaultRequest"),
        ("min", "defaultRequest"),
    ] {
        let Some(from) = item.get(from).and_then(Value::as_object).cloned() else {
            continue;
        };
        let to = section(item, to);
        for (name, quantity) in from {
            to.entry(name).or_insert(quantity);
        }
    }
}

/// Selectors find a namespace by its name.
pub(super) fn namespace(namespace: &mut Map<String, Value>, _now: Time) {
    let metadata = section(namespace, "metadata");
    let name = text_of(metadata, "name").to_owned();
    if !name.is_empty() {
        section(metadata, "labels").insert("kubernetes.io/metadata.name".to_owned(), json!(name));
    }
}

/// What is given as text is kept as bytes (`Convert_v1_Secret_To_core_Secret`).
pub(super) fn secret(secret: &mut Map<String, Value>, _now: Time) {
    if let Some(Value::Object(texts)) = secret.remove("stringData") {
        let data = section(secret, "data");
        for (key, text) in texts {
            let bytes = STANDARD.encode(text.as_str().unwrap_or_default());
            data.insert(key, json!(bytes));
        }
    }
}

/// Affinity, type, and policies of traffic.
pub(super) fn service(service: &mut Map<String, Value>, _now: Time) {
    let spec = section(service, "spec");
    fill(spec, "sessionAffinity", "None");
    if text_of(spec, "sessionAffinity") == "None" {
        spec.remove("sessionAffinityConfig");
    } else if spec
        .get("sessionAffinityConfig")
        .and_then(|config| config.pointer("/clientIP/timeoutSeconds"))
        .is_none()
    {
        let config = json!({"clientIP": {"timeoutSeconds": 10_800}});
        spec.insert("sessionAffinityConfig".to_owned(), config);
    }
    fill(spec, "type", "ClusterIP");
    let sort = text_of(spec, "type").to_owned();
    let outside = ["NodePort", "LoadBalancer"].contains(&&*sort);
    if outside || (sort == "ClusterIP" && spec.contains_key("externalIPs")) {
        fill(spec, "externalTrafficPolicy", "Cluster");
    }
    if sort == "LoadBalancer" {
        fill(spec, "allocateLoadBalancerNodePorts", true);
    }
    if outside || sort == "ClusterIP" {
        fill(spec, "internalTrafficPolicy", "Cluster");
    }
}

/// A service leads to the port of its own number.
pub(super) fn service_port(port: &mut Map<String, Value>, _now: Time) {
    let target = port.get("targetPort");
    if target.is_none_or(|target| *target == 0 || *target == "")
        && let Some(number) = port.get("port").cloned()
    {
        port.insert("targetPort".to_owned(), number);
    }
}

/// A policy is about what comes in, and about what goes out if it says something on that.
pub(super) fn network_policy(policy: &mut Map<String, Value>, _now: Time) {
    let spec = section(policy, "spec");
    let types = if spec.contains_key("egress") {
        json!(["Ingress", "Egress"])
    } else {
        json!(["Ingress"])
    };
    fill(spec, "policyTypes", types);
}

/// Users and groups are in RBAC's own group.
pub(super) fn subject(subject: &mut Map<String, Value>, _now: Time) {
    if ["User", "Group"].contains(&text_of(subject, "kind")) {
        fill(subject, "apiGroup", RBAC);
    }
}

/// One device is asked for.
pub(super) fn device_request(request: &mut Map<String, Value>, _now: Time) {
    fill(request, "allocationMode", "ExactCount");
    if text_of(request, "allocationMode") == "ExactCount" {
        fill(request, "count", 1);
    }
}

/// A taint begins now.
pub(super) fn device_taint(taint: &mut Map<String, Value>, now: Time) {
    fill(taint, "timeAdded", now.to_seconds());
}

/// The names that follow from a kind's.
pub(super) fn crd_names(names: &mut Map<String, Value>, _now: Time) {
    let kind = text_of(names, "kind").to_owned();
    if !kind.is_empty() {
        fill(names, "singular", kind.to_lowercase());
        fill(names, "listKind", format!("{kind}List"));
    }
}
