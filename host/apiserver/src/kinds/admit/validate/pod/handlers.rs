//! What is done to a container while it runs: probes and hooks (`validateProbe`, `validateLifecycle`).

use serde_json::Value;

use super::super::super::look::{at, int, list, text};
use super::super::choice::one_of;
use super::super::{Errors, metadata, names};
use super::port_or_name;

/// Ways to ask a container how it is.
const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// Probes, and whether one success must be enough.
const PROBES: [(&str, bool); 3] = [
    ("livenessProbe", true),
    ("readinessProbe", false),
    ("startupProbe", true),
];

/// What a container that runs on may have.
pub(super) fn alive(errors: &mut Errors, container: &Value, path: &str, grace: Option<i64>) {
    for hook in ["postStart", "preStop"] {
        let handler = at(container, &format!("/lifecycle/{hook}"));
        if !handler.is_null() {
            handled(errors, handler, &format!("{path}.lifecycle.{hook}"), grace);
        }
    }
    for (field, once) in PROBES {
        let probe = at(container, &format!("/{field}"));
        if probe.is_null() {
            continue;
        }
        let path = format!("{path}.{field}");
        handled(errors, probe, &path, grace);
        for field in [
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ] {
            metadata::not_below_zero(errors, probe, field, &path);
        }
        let successes = int(probe, "/successThreshold").unwrap_or(0);
        if once && successes != 1 {
            errors.invalid(&format!("{path}.successThreshold"), successes, "must be 1");
        }
        if let Some(seconds) = int(probe, "/terminationGracePeriodSeconds") {
            let path = format!("{path}.terminationGracePeriodSeconds");
            if seconds <= 0 {
                errors.invalid(&path, seconds, "must be greater than 0");
            }
            if field == "readinessProbe" {
                errors.invalid(&path, seconds, "must not be set for readinessProbes");
            }
        }
    }
}

/// What a container that must end may not have.
pub(super) fn passing(errors: &mut Errors, container: &Value, path: &str) {
    let fields = ["lifecycle"]
        .into_iter()
        .chain(PROBES.map(|(field, _)| field));
    for field in fields.filter(|field| container.get(field).is_some()) {
        errors.forbidden(
            &format!("{path}.{field}"),
            "may not be set for init containers without restartPolicy=Always",
        );
    }
}

fn handled(errors: &mut Errors, handler: &Value, path: &str, grace: Option<i64>) {
    let mut there = HANDLERS
        .into_iter()
        .filter(|name| handler.get(name).is_some());
    let Some(first) = there.next() else {
        errors.required(path, "must specify a handler type");
        return;
    };
    for more in there {
        errors.forbidden(
            &format!("{path}.{more}"),
            "may not specify more than 1 handler type",
        );
    }
    let action = at(handler, &format!("/{first}"));
    match first {
        "exec" if list(action, "/command").is_empty() => {
            errors.required(&format!("{path}.exec.command"), "");
        }
        "httpGet" | "tcpSocket" => {
            port_or_name(errors, at(action, "/port"), &format!("{path}.{first}.port"));
            if first == "httpGet" {
                let path = format!("{path}.httpGet");
                one_of(errors, action, &path, "scheme", &["HTTP", "HTTPS"]);
                if text(action, "/path").is_empty() {
                    errors.required(&format!("{path}.path"), "");
                }
                for header in list(action, "/httpHeaders") {
                    let name = text(header, "/name");
                    let path = format!("{path}.httpHeaders");
                    errors.form(&path, name, names::header(name));
                }
            }
        }
        "grpc" => {
            let port = int(action, "/port").unwrap_or(0);
            if let Some(words) = names::port(port) {
                errors.invalid(&format!("{path}.grpc.port"), port, words);
            }
        }
        "sleep" => {
            let seconds = int(action, "/seconds").unwrap_or(0);
            if let Some(grace) = grace.filter(|grace| !(0..=*grace).contains(&seconds)) {
                let words = format!(
                    "must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                );
                errors.invalid(&format!("{path}.sleep"), seconds, &words);
            }
        }
        _ => {}
    }
}
