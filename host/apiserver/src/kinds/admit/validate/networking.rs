//! Endpoints, ingresses and policies (kubernetes, `pkg/apis/networking/validation` and `discovery`).

use std::net::IpAddr;

use serde_json::Value;

use super::super::look::{at, int, items, list, text};
use super::{Change, Errors, metadata, names};

/// An EndpointSlice, new or changed.
pub(super) fn endpoint_slice(errors: &mut Errors, change: Change<'_>) {
    const SUPPORTED: [&str; 3] = ["FQDN", "IPv4", "IPv6"];
    let slice = change.new;
    let sort = text(slice, "/addressType");
    if sort.is_empty() {
        errors.required("addressType", "");
    } else if !SUPPORTED.contains(&sort) {
        errors.not_supported("addressType", sort, &SUPPORTED);
    }
    // What is there already may be older than the rules.
    if change.old.is_null() || at(slice, "/endpoints") != at(change.old, "/endpoints") {
        for (path, endpoint) in items(slice, "/endpoints", "endpoints") {
            addresses(errors, endpoint, sort, &format!("{path}.addresses"));
        }
    }
    if !change.old.is_null() && sort != text(change.old, "/addressType") {
        errors.invalid("addressType", sort, "field is immutable");
    }
}

fn addresses(errors: &mut Errors, endpoint: &Value, sort: &str, path: &str) {
    let all = list(endpoint, "/addresses");
    if all.is_empty() {
        errors.required(path, "must contain at least 1 address");
    }
    for (number, address) in all.iter().enumerate() {
        let address = address.as_str().unwrap_or_default();
        match (sort, address.parse::<IpAddr>()) {
            ("IPv4" | "IPv6", Err(_)) => {
                errors.form(&format!("{path}[{number}]"), address, names::ip(address));
            }
            ("IPv4", Ok(ip)) if !ip.is_ipv4() => {
                errors.invalid(path, address, "must be an IPv4 address");
            }
            ("IPv6", Ok(ip)) if !ip.is_ipv6() => {
                errors.invalid(path, address, "must be an IPv6 address");
            }
            _ => {}
        }
    }
}

/// A NetworkPolicy, new or changed.
pub(super) fn policy(errors: &mut Errors, change: Change<'_>) {
    const TYPES: [&str; 2] = ["Ingress", "Egress"];
    let spec = at(change.new, "/spec");
    metadata::selector(errors, at(spec, "/podSelector"), "spec.podSelector");
    let types = list(spec, "/policyTypes");
    if types.len() > TYPES.len() {
        let words = "may not specify more than two policyTypes";
        errors.invalid("spec.policyTypes", types.to_vec(), words);
        return;
    }
    for (number, given) in types.iter().enumerate() {
        let given = given.as_str().unwrap_or_default();
        if !TYPES.contains(&given) {
            errors.not_supported(&format!("spec.policyTypes[{number}]"), given, &TYPES);
        }
    }
}

/// An Ingress, new or changed.
pub(super) fn ingress(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    let (backend, rules) = (at(spec, "/defaultBackend"), list(spec, "/rules"));
    if backend.is_null() && rules.is_empty() {
        let words = "either `defaultBackend` or `rules` must be specified";
        errors.invalid("spec", at(spec, "/rules").clone(), words);
    }
    if !backend.is_null() {
        ingress_backend(errors, backend, "spec.defaultBackend");
    }
    for (path, rule) in items(spec, "/rules", "spec.rules") {
        let host = text(rule, "/host");
        if !host.is_empty() && !host.contains('*') {
            errors.form(&format!("{path}.host"), host, names::subdomain(host));
        }
        let below = format!("{path}.http.paths");
        for (place, path) in items(rule, "/http/paths", &below) {
            ingress_backend(errors, at(path, "/backend"), &format!("{place}.backend"));
        }
    }
    let class = text(spec, "/ingressClassName");
    if !class.is_empty() {
        errors.form("spec.ingressClassName", class, names::subdomain(class));
    }
}

fn ingress_backend(errors: &mut Errors, backend: &Value, path: &str) {
    let (service, resource) = (at(backend, "/service"), at(backend, "/resource"));
    let wrong = match (service.is_null(), resource.is_null()) {
        (true, true) => "resource or service backend is required",
        (false, false) => "cannot set both resource and service backends",
        (true, false) => return,
        (false, true) => {
            ingress_service(errors, service, path);
            return;
        }
    };
    errors.invalid(path, "", wrong);
}

fn ingress_service(errors: &mut Errors, service: &Value, path: &str) {
    let name = text(service, "/name");
    if name.is_empty() {
        errors.required(&format!("{path}.service.name"), "");
    } else {
        errors.form(&format!("{path}.service.name"), name, names::label(name));
    }
    let number = int(service, "/port/number").filter(|number| *number != 0);
    match (text(service, "/port/name"), number) {
        ("", None) => errors.required(path, "port name or number is required"),
        ("", Some(number)) => {
            if let Some(words) = names::port(number) {
                errors.invalid(&format!("{path}.service.port.number"), number, words);
            }
        }
        (name, None) => {
            let place = format!("{path}.service.port.name");
            errors.form(&place, name, names::port_name(name));
        }
        (_, Some(_)) => errors.invalid(path, "", "cannot set both port name & port number"),
    }
}

/// An IngressClass, new or changed.
pub(super) fn ingress_class(errors: &mut Errors, change: Change<'_>) {
    const PATH: &str = "spec.controller";
    let controller = text(change.new, "/spec/controller");
    if !change.old.is_null() {
        errors.immutable(change.new, change.old, PATH);
    }
    match controller.split_once('/') {
        _ if controller.is_empty() => errors.required(PATH, ""),
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
            errors.form(PATH, domain, names::subdomain(domain));
        }
        _ => {
            let words = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.invalid(PATH, controller, words);
        }
    }
}

/// The status of a Service, or of an Ingress: what a load balancer has.
pub(super) fn balanced(errors: &mut Errors, change: Change<'_>, is_service: bool) {
    const PATH: &str = "status.loadBalancer.ingress";
    let given = list(change.new, "/status/loadBalancer/ingress");
    if is_service && !given.is_empty() && text(change.new, "/spec/type") != "LoadBalancer" {
        let words = "may only be used when `spec.type` is 'LoadBalancer'";
        errors.forbidden(PATH, words);
        return;
    }
    for (number, given) in given.iter().enumerate() {
        let (ip, host) = (text(given, "/ip"), text(given, "/hostname"));
        if !ip.is_empty() {
            errors.form(&format!("{PATH}[{number}].ip"), ip, names::ip(ip));
        }
        if !host.is_empty() {
            let place = format!("{PATH}[{number}].hostname");
            errors.form(&place, host, names::subdomain(host));
            if host.parse::<IpAddr>().is_ok() {
                errors.invalid(&place, host, "must be a DNS name, not an IP address");
            }
        }
    }
}
