//! How a pod and its names are found (`validatePodDNSConfig`, `ValidateHostAliases`, `validatePodHostName`).

use serde_json::Value;

use super::super::super::look::{at, is_true, items, list, text};
use super::super::{Errors, names};

/// What resolvers take: servers, paths, and letters of all paths with blanks between.
const SERVERS: usize = 3;
const SEARCHES: usize = 32;
const LETTERS: usize = 2048;

/// Which servers of names a pod asks.
pub(super) fn dns(errors: &mut Errors, spec: &Value, path: &str) {
    let path = format!("{path}.dnsConfig");
    let config = at(spec, "/dnsConfig");
    let servers = list(config, "/nameservers");
    if text(spec, "/dnsPolicy") == "None" {
        if config.is_null() {
            let words = "must provide `dnsConfig` when `dnsPolicy` is None";
            return errors.required(&path, words);
        }
        if servers.is_empty() {
            let words = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return errors.required(&format!("{path}.nameservers"), words);
        }
    }
    let place = format!("{path}.nameservers");
    if servers.len() > SERVERS {
        let words = format!("must not have more than {SERVERS} nameservers");
        errors.invalid(&place, servers, &words);
    }
    for (path, server) in items(config, "/nameservers", &place) {
        let server = server.as_str().unwrap_or_default();
        errors.form(&path, server, names::ip(server));
    }
    searches(errors, config, &format!("{path}.searches"));
    for (path, option) in items(config, "/options", &format!("{path}.options")) {
        if text(option, "/name").is_empty() {
            errors.required(&path, "must not be empty");
        }
    }
}

fn searches(errors: &mut Errors, config: &Value, path: &str) {
    let searches = list(config, "/searches");
    if searches.len() > SEARCHES {
        let words = format!("must not have more than {SEARCHES} search paths");
        errors.invalid(path, searches, &words);
    }
    let letters = searches.iter().filter_map(Value::as_str).map(str::len);
    if letters.sum::<usize>() + searches.len().saturating_sub(1) > LETTERS {
        let words = format!(
            "must not have more than {LETTERS} characters (including spaces) in the search list"
        );
        errors.invalid(path, searches, &words);
    }
    for (path, search) in items(config, "/searches", path) {
        let search = search.as_str().unwrap_or_default();
        if search != "." {
            let search = search.strip_suffix('.').unwrap_or(search);
            errors.form(&path, search, names::search(search));
        }
    }
}

/// Names of addresses, as in a file of hosts.
pub(super) fn hosts(errors: &mut Errors, spec: &Value, path: &str) {
    for (path, alias) in items(spec, "/hostAliases", &format!("{path}.hostAliases")) {
        let address = text(alias, "/ip");
        errors.form(&format!("{path}.ip"), address, names::ip(address));
        for (path, name) in items(alias, "/hostnames", &format!("{path}.hostnames")) {
            let name = name.as_str().unwrap_or_default();
            errors.form(&path, name, names::subdomain(name));
        }
    }
}

/// A name that a pod is given instead of its own.
pub(super) fn name(errors: &mut Errors, spec: &Value, path: &str) {
    let Some(name) = at(spec, "/hostnameOverride").as_str() else {
        return;
    };
    let path = format!("{path}.hostnameOverride");
    for field in ["setHostnameAsFQDN", "hostNetwork"] {
        if is_true(spec, &format!("/{field}")) {
            let words = format!("may not be specified when {field} is true");
            errors.forbidden(&path, &words);
        }
    }
    if name.len() > 64 {
        errors.too_long(&path, 64);
    }
    errors.form(&path, name, names::subdomain(name));
}
