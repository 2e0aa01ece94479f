//! Namespaces, ConfigMaps, Secrets, Services and Events.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::look::{at, entries, int, is_true, items, list, text};
use super::choice::one_of;
use super::{Change, Errors, metadata, names, pod};

/// What a ConfigMap or a Secret may come to, in bytes.
const DATA: usize = 1 << 20;

/// A Namespace, new or changed, or at `/finalize`.
pub(super) fn namespace(errors: &mut Errors, change: Change<'_>, finalize: bool) {
    if !change.old.is_null() && !finalize {
        return;
    }
    for (path, finalizer) in items(change.new, "/spec/finalizers", "spec.finalizers") {
        let path = if finalize {
            path.as_str()
        } else {
            "spec.finalizers"
        };
        let name = finalizer.as_str().unwrap_or_default();
        errors.form(path, name, names::key(name));
        metadata::needs_domain(errors, name, path);
    }
}

/// The phase of a namespace follows from whether it is on its way out.
pub(super) fn namespace_status(errors: &mut Errors, change: Change<'_>) {
    let phase = text(change.new, "/status/phase");
    let goes = !at(change.new, "/metadata/deletionTimestamp").is_null();
    let (wanted, when) = if goes {
        ("Terminating", "is not empty")
    } else {
        ("Active", "is empty")
    };
    if phase != wanted {
        let words = format!("may only be '{wanted}' if `deletionTimestamp` {when}");
        errors.invalid("status.Phase", phase, &words);
    }
}

fn immutable(errors: &mut Errors, change: Change<'_>, fields: &[&str]) {
    const WORDS: &str = "field is immutable when `immutable` is set";
    let (new, old) = (change.new, change.old);
    if !is_true(old, "/immutable") {
        return;
    }
    if !is_true(new, "/immutable") {
        errors.forbidden("immutable", WORDS);
    }
    for field in fields {
        if new.get(field) != old.get(field) {
            errors.forbidden(field, WORDS);
        }
    }
}

/// The size of the bytes that a text in base64 stands for.
fn decoded(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    STANDARD
        .decode(text)
        .map_or(text.len(), |bytes| bytes.len())
}

/// A ConfigMap, new or changed.
pub(super) fn config_map(errors: &mut Errors, change: Change<'_>) {
    immutable(errors, change, &["data", "binaryData"]);
    let mut size = 0;
    for part in ["data", "binaryData"] {
        for (key, value) in entries(change.new, &format!("/{part}")) {
            let path = format!("{part}[{key}]");
            errors.form(&path, key, names::config_key(key));
            if part == "data" {
                size += value.as_str().unwrap_or_default().len();
                if at(change.new, "/binaryData").get(key).is_some() {
                    errors.invalid(&path, key, "duplicate of key present in binaryData");
                }
            } else {
                size += decoded(value);
            }
        }
    }
    if size > DATA {
        errors.too_long("", DATA);
    }
}

/// Secrets of a type with what they cannot do without; an empty one of the others is one.
const SECRETS: [(&str, &[&str]); 6] = [
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/basic-auth", &[]),
    ("kubernetes.io/service-account-token", &[]),
];

/// A Secret, new or changed.
pub(super) fn secret(errors: &mut Errors, change: Change<'_>) {
    if !change.old.is_null() {
        errors.immutable(change.new, change.old, "type");
    }
    immutable(errors, change, &["data"]);
    let mut size = 0;
    for (key, value) in entries(change.new, "/data") {
        errors.form(&format!("data[{key}]"), key, names::config_key(key));
        size += decoded(value);
    }
    if size > DATA {
        errors.too_long("data", DATA);
    }
    let has = |key: &str| at(change.new, "/data").get(key).is_some();
    let sort = text(change.new, "/type");
    let needed = SECRETS.iter().find(|(name, _)| *name == sort);
    for key in needed.into_iter().flat_map(|(_, keys)| keys.iter()) {
        if !has(key) {
            errors.required(&format!("data[{key}]"), "");
        }
    }
    let keys = ["username", "password"];
    if sort == "kubernetes.io/basic-auth" && !keys.iter().any(|key| has(key)) {
        keys.iter()
            .for_each(|key| errors.required(&format!("data[{key}]"), ""));
    }
    const ACCOUNT: &str = "kubernetes.io/service-account.name";
    let named = at(change.new, "/metadata/annotations").get(ACCOUNT);
    if sort == "kubernetes.io/service-account-token" && named.is_none_or(|name| name == "") {
        errors.required(&format!("metadata.annotations[{ACCOUNT}]"), "");
    }
}

/// A Service, new or changed.
pub(super) fn service(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    let sort = text(spec, "/type");
    let headless = text(spec, "/clusterIP") == "None";
    let external = sort == "ExternalName";
    if list(spec, "/ports").is_empty() && !headless && !external {
        errors.required("spec.ports", "");
    }
    if external {
        external_name(errors, spec);
    } else if headless && ["LoadBalancer", "NodePort"].contains(&sort) {
        let words = format!("may not be set to 'None' for {sort} services");
        errors.invalid("spec.clusterIPs[0]", "None", &words);
    }
    ports(errors, spec, sort);
    metadata::labels(errors, spec, "/selector", "spec.selector");
    one_of(
        errors,
        spec,
        "spec",
        "sessionAffinity",
        &["ClientIP", "None"],
    );
    let known = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    one_of(errors, spec, "spec", "type", &known);
}

/// The addresses of a Service, new or changed.
pub(super) fn service_addresses(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    if text(spec, "/type") == "ExternalName" {
        return;
    }
    let before = text(change.old, "/spec/clusterIP");
    let fixed = text(change.old, "/spec/type") != "ExternalName";
    let now = text(spec, "/clusterIP");
    if !["", "None"].contains(&now) {
        let broken = names::ip(now);
        if !broken.is_empty() {
            errors.form("spec.clusterIPs[0]", now, broken);
            return;
        }
    }
    if !before.is_empty() && fixed && now != before {
        let ips = at(spec, "/clusterIPs").clone();
        errors.invalid("spec.clusterIPs[0]", ips, "may not change once set");
    }
}

fn external_name(errors: &mut Errors, spec: &Value) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if spec.get(field).is_some() {
            let words = "may not be set for ExternalName services";
            errors.forbidden(&format!("spec.{field}"), words);
        }
    }
    let name = text(spec, "/externalName");
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        errors.required("spec.externalName", "");
    } else {
        errors.form("spec.externalName", name, names::subdomain(name));
    }
}

fn ports(errors: &mut Errors, spec: &Value, sort: &str) {
    let several = list(spec, "/ports").len() > 1;
    let (mut names_known, mut nodes, mut own) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (path, port) in items(spec, "/ports", "spec.ports") {
        let name = text(port, "/name");
        if name.is_empty() && several {
            errors.required(&format!("{path}.name"), "");
        } else if !name.is_empty() {
            errors.form(&format!("{path}.name"), name, names::label(name));
            if !names_known.insert(name) {
                errors.duplicate(&format!("{path}.name"), name);
            }
        }
        let number = int(port, "/port").unwrap_or(0);
        if let Some(words) = names::port(number) {
            errors.invalid(&format!("{path}.port"), number, words);
        }
        one_of(errors, port, &path, "protocol", &["SCTP", "TCP", "UDP"]);
        pod::port_or_name(
            errors,
            at(port, "/targetPort"),
            &format!("{path}.targetPort"),
        );
        let protocol = text(port, "/protocol");
        if let Some(node) = int(port, "/nodePort") {
            let path = format!("{path}.nodePort");
            if sort == "ClusterIP" {
                errors.forbidden(&path, "may not be used when `type` is 'ClusterIP'");
            }
            if !nodes.insert((protocol, node)) {
                errors.duplicate(&path, node);
            }
        }
        if !own.insert((protocol, number)) {
            errors.duplicate(&path, json!({"protocol": protocol, "port": number}));
        }
    }
}

/// An Event of either group, new or changed. Those of the core group are held to less.
pub(super) fn event(errors: &mut Errors, change: Change<'_>, core: bool) {
    let event = change.new;
    let about = if core {
        "/involvedObject"
    } else {
        "/regarding"
    };
    let object = text(event, &format!("{about}/namespace"));
    let namespace = text(event, "/metadata/namespace");
    let older = at(event, "/eventTime").is_null();
    let apart = match object {
        "" if older => namespace != "default",
        "" => !["default", "kube-system"].contains(&namespace),
        _ => older && namespace != object,
    };
    if apart {
        let words = "does not match event.namespace";
        errors.invalid("involvedObject.namespace", object, words);
    }
    if !older {
        told(errors, event, core);
    }
    if !core {
        strict(errors, change);
    }
}

fn told(errors: &mut Errors, event: &Value, core: bool) {
    let reporter = if core {
        "reportingComponent"
    } else {
        "reportingController"
    };
    let name = text(event, &format!("/{reporter}"));
    if name.is_empty() {
        errors.required(reporter, "");
    }
    errors.form(reporter, name, names::key(name));
    for (field, needed, most) in [
        ("reportingInstance", true, 128),
        ("action", true, 128),
        ("reason", true, 128),
        (if core { "message" } else { "note" }, false, 1024),
    ] {
        let given = text(event, &format!("/{field}"));
        let path = if field == "note" { "message" } else { field };
        if given.is_empty() && needed {
            errors.required(path, "");
        }
        if given.len() > most {
            errors.invalid(path, "", &format!("can have at most {most} characters"));
        }
    }
}

/// The rules of `events.k8s.io`, under the names of the core group.
fn strict(errors: &mut Errors, change: Change<'_>) {
    let (event, old) = (change.new, change.old);
    let series = at(event, "/series");
    if !series.is_null() && series != at(old, "/series") {
        if int(series, "/count").unwrap_or(0) < 2 {
            errors.invalid("series.count", "", "should be at least 2");
        }
        if at(series, "/lastObservedTime").is_null() {
            errors.required("series.lastObservedTime", "");
        }
    }
    if !old.is_null() {
        for field in [
            "regarding",
            "reason",
            "note",
            "type",
            "eventTime",
            "action",
            "related",
        ] {
            errors.immutable(event, old, field);
        }
        return;
    }
    if at(event, "/eventTime").is_null() {
        errors.required("eventTime", "");
    }
    let sort = text(event, "/type");
    if !["Normal", "Warning"].contains(&sort) {
        errors.invalid("type", "", &format!("has invalid value: {sort}"));
    }
    for (field, path) in [
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
        ("deprecatedSource", "source"),
    ] {
        if event.get(field).is_some() {
            errors.invalid(path, "", "needs to be unset");
        }
    }
}
