//! Claims of resources: those of a pod, and which of them its containers use (`validatePodResourceClaims`,
//! `validateResourceClaimNames`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::super::look::{at, items, list, text};
use super::super::{Errors, names};
use super::every;

/// The claims of a pod.
pub(super) fn check(errors: &mut Errors, spec: &Value, path: &str) {
    const SOURCES: [&str; 2] = ["resourceClaimName", "resourceClaimTemplateName"];
    let mut seen = BTreeSet::new();
    for (path, claim) in items(spec, "/resourceClaims", &format!("{path}.resourceClaims")) {
        let name = text(claim, "/name");
        let name_path = format!("{path}.name");
        if name.is_empty() {
            errors.required(&name_path, "");
        } else if !seen.insert(name) {
            errors.duplicate(&name_path, name);
        } else {
            errors.form(&name_path, name, names::label(name));
        }
        let words = match SOURCES.map(|source| claim.get(source).is_some()) {
            [true, true] => {
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            }
            [false, false] => {
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            }
            _ => "",
        };
        if !words.is_empty() {
            errors.invalid(&path, claim.clone(), words);
        }
        for source in SOURCES {
            if let Some(name) = at(claim, &format!("/{source}")).as_str() {
                let path = format!("{path}.{source}");
                errors.form(&path, name, names::subdomain(name));
            }
        }
    }
}

/// The claims that containers use are among the pod's; it may not use them itself, but then too.
pub(super) fn uses(errors: &mut Errors, spec: &Value, path: &str) {
    let claims = list(spec, "/resourceClaims").iter();
    let known: BTreeSet<&str> = claims
        .map(|claim| text(claim, "/name"))
        .filter(|name| !name.is_empty())
        .collect();
    let own = std::iter::once((path.to_owned(), spec));
    for (path, container) in own.chain(every(spec, path)) {
        let path = format!("{path}.resources.claims");
        let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
        for (path, claim) in items(container, "/resources/claims", &path) {
            let (name, request) = (text(claim, "/name"), text(claim, "/request"));
            if name.is_empty() {
                errors.required(&path, "");
                continue;
            }
            let whole = seen.contains(&(name, ""));
            if !whole && !request.is_empty() {
                let path = format!("{path}.request");
                errors.form(&path, request, names::label(request));
            }
            if !whole && seen.contains(&(name, request)) {
                errors.duplicate(&path, format!("{name}/{request}"));
            } else if whole || (request.is_empty() && seen.iter().any(|(of, _)| *of == name)) {
                errors.duplicate(&path, name);
            }
            seen.insert((name, request));
            if !known.contains(name) {
                let mut words = "must be one of the names in pod.spec.resourceClaims".to_owned();
                if known.is_empty() {
                    words.push_str(" which is empty");
                } else {
                    let all: Vec<&str> = known.iter().copied().collect();
                    words = format!("{words}: {}", all.join(", "));
                }
                errors.not_found(&path, name, &words);
            }
        }
    }
}
