//! A pod's volumes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::super::look::{at, items, text};
use super::super::{Errors, names};

/// Sources with what they cannot do without.
const NEEDED: [(&str, &str); 9] = [
    ("cephfs", "monitors"),
    ("configMap", "name"),
    ("csi", "driver"),
    ("hostPath", "path"),
    ("nfs", "server"),
    ("nfs", "path"),
    ("persistentVolumeClaim", "claimName"),
    ("secret", "secretName"),
    ("iscsi", "targetPortal"),
];

/// Checks the volumes; the names of those that are right can be mounted.
pub(super) fn check<'a>(errors: &mut Errors, spec: &'a Value, path: &str) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (path, volume) in items(spec, "/volumes", &format!("{path}.volumes")) {
        let before = errors.count();
        let name = text(volume, "/name");
        source(errors, volume, &path);
        let path = format!("{path}.name");
        if name.is_empty() {
            errors.required(&path, "");
        } else {
            errors.form(&path, name, names::label(name));
        }
        if names.contains(name) {
            errors.duplicate(&path, name);
        }
        if errors.count() == before {
            names.insert(name);
        }
    }
    names
}

fn source(errors: &mut Errors, volume: &Value, path: &str) {
    let sources = volume
        .as_object()
        .into_iter()
        .flat_map(|volume| volume.keys());
    for source in sources.filter(|name| *name != "name").skip(1) {
        let words = "may not specify more than 1 volume type";
        errors.forbidden(&format!("{path}.{source}"), words);
    }
    for (source, field) in NEEDED {
        let there = at(volume, &format!("/{source}"));
        if !there.is_null() && there.get(field).is_none() {
            errors.required(&format!("{path}.{source}.{field}"), "");
        }
    }
}
