//! What a write cannot change, and so does not own (`GetResetFields` of each kind's strategy).

use super::KEEP_METADATA;
use crate::kinds::Resource;
use crate::managed::{Resets, Set};

/// What a subresource that takes the whole pod writes of it.
const WRITES: [(&str, &[&[&str]]); 2] = [
    ("ephemeralcontainers", &[&["spec", "ephemeralContainers"]]),
    (
        "resize",
        &[
            &["spec", "containers", "*", "resources"],
            &["spec", "containers", "*", "resizePolicy"],
            &["spec", "initContainers", "*", "resources"],
            &["spec", "initContainers", "*", "resizePolicy"],
        ],
    ),
];

/// What is reset where the rule is not enough: kind, subresource, paths.
const MORE: [(&str, &str, &[&[&str]]); 5] = [
    (
        "/pods",
        "status",
        &[
            &["metadata", "deletionTimestamp"],
            &["metadata", "ownerReferences"],
        ],
    ),
    ("apps/deployments", "status", &[&["metadata", "labels"]]),
    (CERTIFICATES, "", &[&["spec"]]),
    (CERTIFICATES, "status", &[&["status", "conditions"]]),
    (CERTIFICATES, "approval", &[&["status", "certificate"]]),
];
const CERTIFICATES: &str = "certificates.k8s.io/certificatesigningrequests";

/// Kinds of [`KEEP_METADATA`] that nevertheless own what they wrote of it.
const OWN_METADATA: &str = "apiextensions.k8s.io/customresourcedefinitions";

/// The rule is one for all kinds, as that of what may be written: status for the object, all but status for `/status`.
pub(crate) fn resets(resource: &Resource, subresource: &str) -> Resets {
    if let Some((_, ways)) = WRITES.iter().find(|(name, _)| *name == subresource) {
        return Resets::AllBut(ways);
    }
    let collection = &*resource.collection;
    let mut paths: Vec<&[&str]> = Vec::new();
    match subresource {
        "" if resource.has_subresource("status") => paths.push(&["status"]),
        "finalize" => paths.push(&["status"]),
        "status" => {
            paths.push(&["spec"]);
            let kept = KEEP_METADATA.contains(&collection) && collection != OWN_METADATA;
            if kept || resource.custom {
                paths.push(&["metadata"]);
            }
        }
        "approval" => paths.push(&["spec"]),
        _ => {}
    }
    let more = MORE
        .iter()
        .filter(|(kind, name, _)| *kind == collection && *name == subresource);
    paths.extend(more.flat_map(|(_, _, paths)| paths.iter().copied()));
    Resets::These(Set::of_fields(paths))
}
