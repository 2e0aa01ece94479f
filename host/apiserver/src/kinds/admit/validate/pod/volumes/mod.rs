//! A pod's volumes (`ValidateVolumes`).

mod projected;
mod sources;

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::super::look::{at, int, items, text};
use super::super::{Errors, names};
use super::{Owner, Whose, paths};

/// Volumes that are right, by their names: those can be mounted.
pub(super) type Volumes<'a> = BTreeMap<&'a str, &'a Value>;

/// Checks the volumes.
pub(super) fn check<'a>(
    errors: &mut Errors,
    spec: &'a Value,
    path: &str,
    whose: &Whose<'_>,
) -> Volumes<'a> {
    let mut volumes = Volumes::new();
    let place = format!("{path}.volumes");
    let all = items(spec, "/volumes", &place);
    let created: Vec<String> = all
        .filter(|(_, volume)| volume.get("ephemeral").is_some() && !whose.name.is_empty())
        .map(|(_, volume)| format!("{}-{}", whose.name, text(volume, "/name")))
        .collect();
    for (path, volume) in items(spec, "/volumes", &place) {
        let before = errors.count();
        let name = text(volume, "/name");
        sources::check(errors, volume, &path, whose);
        let name_path = format!("{path}.name");
        if name.is_empty() {
            errors.required(&name_path, "");
        } else {
            errors.form(&name_path, name, names::label(name));
        }
        if volumes.contains_key(name) {
            errors.duplicate(&name_path, name);
        }
        if errors.count() == before {
            volumes.insert(name, volume);
        }
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        if created.iter().any(|created| created == claim) {
            let words = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid(
                &format!("{path}.persistentVolumeClaim.claimName"),
                claim,
                words,
            );
        }
    }
    if whose.owner == Owner::Pod && text(spec, "/serviceAccountName").is_empty() {
        tokens(errors, spec, &place);
    }
    volumes
}

/// Without an account there are no tokens.
fn tokens(errors: &mut Errors, spec: &Value, path: &str) {
    for (path, volume) in items(spec, "/volumes", path) {
        let path = format!("{path}.projected.sources");
        for (path, source) in items(volume, "/projected/sources", &path) {
            if source.get("serviceAccountToken").is_some() {
                let words = "must not be specified when serviceAccountName is not set";
                errors.forbidden(&format!("{path}.serviceAccountToken"), words);
            }
        }
    }
}

/// The rights of a file.
fn mode(errors: &mut Errors, object: &Value, field: &str, path: &str) {
    let mode = int(object, &format!("/{field}"));
    if let Some(mode) = mode.filter(|mode| !(0..=0o777).contains(mode)) {
        let words = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.invalid(&format!("{path}.{field}"), mode, words);
    }
}

/// Keys, and the files that they become.
fn keys(errors: &mut Errors, source: &Value, path: &str) {
    for (path, item) in items(source, "/items", &format!("{path}.items")) {
        for field in ["key", "path"] {
            if text(item, &format!("/{field}")).is_empty() {
                errors.required(&format!("{path}.{field}"), "");
            }
        }
        paths::free(errors, text(item, "/path"), &format!("{path}.path"));
        mode(errors, item, "mode", &path);
    }
}

/// A file with something of the pod. All files of a volume have the same path in errors, as the real server has it.
fn pods_file(errors: &mut Errors, file: &Value, path: &str) {
    let name = text(file, "/path");
    let place = format!("{path}.path");
    if name.is_empty() {
        errors.required(&place, "");
    }
    paths::free(errors, name, &place);
    let (field, resource) = (at(file, "/fieldRef"), at(file, "/resourceFieldRef"));
    match (field.is_null(), resource.is_null()) {
        (true, true) => {
            errors.required(path, "one of fieldRef and resourceFieldRef is required");
        }
        (true, false) => {
            super::selectors::resource(errors, resource, &format!("{path}.resourceFieldRef"), true);
        }
        (false, none) => {
            let known = super::selectors::IN_FILES;
            super::selectors::field(errors, field, &format!("{path}.fieldRef"), &known);
            if !none {
                let words = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.invalid(path, "resource", words);
            }
        }
    }
    mode(errors, file, "mode", path);
}
