//! Where volumes are in containers (`ValidateVolumeMounts`, `ValidateVolumeDevices`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::super::look::{at, is_true, items, list, text};
use super::super::Errors;
use super::super::choice::if_any;
use super::volumes::Volumes;
use super::{every, paths};

/// What is mounted in a container, and which devices it has.
pub(super) fn check(errors: &mut Errors, container: &Value, path: &str, volumes: &Volumes<'_>) {
    mounts(errors, container, &format!("{path}.volumeMounts"), volumes);
    devices(errors, container, &format!("{path}.volumeDevices"), volumes);
}

/// Names with places. Of several of the same name the last counts, as in the real server.
fn places<'a>(container: &'a Value, list_of: &str, place: &str) -> BTreeMap<&'a str, &'a str> {
    let all = list(container, list_of).iter();
    all.map(|one| (text(one, "/name"), text(one, place)))
        .collect()
}

fn mounts(errors: &mut Errors, container: &Value, list: &str, volumes: &Volumes<'_>) {
    let devices = places(container, "/volumeDevices", "/devicePath");
    let mut seen = BTreeSet::new();
    for (path, mount) in items(container, "/volumeMounts", list) {
        let (name, place) = (text(mount, "/name"), text(mount, "/mountPath"));
        let name_path = format!("{path}.name");
        let place_path = format!("{path}.mountPath");
        if name.is_empty() {
            errors.required(&name_path, "");
        }
        if !volumes.contains_key(name) {
            errors.not_found(&name_path, name, "");
        }
        if place.is_empty() {
            errors.required(&place_path, "");
        }
        if !seen.insert(place) {
            errors.invalid(&place_path, place, "must be unique");
        }
        if devices.contains_key(name) {
            let words = "must not already exist in volumeDevices";
            errors.invalid(&name_path, name, words);
        }
        if devices.values().any(|device| *device == place) {
            let words = "must not already exist as a path in volumeDevices";
            errors.invalid(&place_path, place, words);
        }
        parts(errors, mount, &path, list);
        propagation(errors, container, mount, list);
    }
}

/// A part of a volume that is mounted. The real server's paths are those of the list here, and further on.
fn parts(errors: &mut Errors, mount: &Value, path: &str, list: &str) {
    let part = |field: &str| text(mount, &format!("/{field}"));
    if !part("subPathExpr").is_empty() && !part("subPath").is_empty() {
        let words = "subPathExpr and subPath are mutually exclusive";
        errors.invalid(&format!("{path}.subPathExpr"), part("subPathExpr"), words);
    }
    for field in ["subPath", "subPathExpr"] {
        paths::descending(errors, part(field), &format!("{list}.{field}"));
    }
}

fn propagation(errors: &mut Errors, container: &Value, mount: &Value, list: &str) {
    let known = ["Bidirectional", "HostToContainer", "None"];
    if_any(errors, mount, list, "mountPropagation", &known);
    let given = at(mount, "/mountPropagation").as_str();
    if given == Some("Bidirectional") && !is_true(container, "/securityContext/privileged") {
        let words = "Bidirectional mount propagation is available only to privileged containers";
        errors.forbidden(&format!("{list}.mountPropagation"), words);
    }
    let known = ["Disabled", "Enabled", "IfPossible"];
    if_any(errors, mount, list, "recursiveReadOnly", &known);
    if ["Enabled", "IfPossible"].contains(&text(mount, "/recursiveReadOnly")) {
        let path = format!("{list}.recursiveReadOnly");
        if !is_true(mount, "/readOnly") {
            errors.forbidden(&path, "may only be specified when readOnly is true");
        }
        if given.is_some_and(|given| given != "None") {
            let words = "may only be specified when mountPropagation is None or not specified";
            errors.forbidden(&path, words);
        }
    }
}

fn devices(errors: &mut Errors, container: &Value, list: &str, volumes: &Volumes<'_>) {
    let mounts = places(container, "/volumeMounts", "/mountPath");
    let mut names = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (path, device) in items(container, "/volumeDevices", list) {
        let (name, place) = (text(device, "/name"), text(device, "/devicePath"));
        let name_path = format!("{path}.name");
        let place_path = format!("{path}.devicePath");
        if name.is_empty() {
            errors.required(&name_path, "");
        } else if !names.insert(name) {
            errors.invalid(&name_path, name, "must be unique");
        }
        let claims = ["persistentVolumeClaim", "ephemeral"];
        match volumes.get(name) {
            None => errors.not_found(&name_path, name, ""),
            Some(volume) if !claims.iter().any(|claim| volume.get(claim).is_some()) => errors
                .invalid(
                    &name_path,
                    name,
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
                ),
            Some(_) => {}
        }
        if place.is_empty() {
            errors.required(&place_path, "");
        }
        if seen.contains(place) {
            errors.invalid(&place_path, place, "must be unique");
        }
        if place.split('/').any(|part| part == "..") {
            let words = "can not contain backsteps ('..')";
            errors.invalid(&place_path, place, words);
        } else {
            seen.insert(place);
        }
        if mounts.contains_key(name) {
            let words = "must not already exist in volumeMounts";
            errors.invalid(&name_path, name, words);
        }
        if mounts.values().any(|mount| *mount == place) {
            let words = "must not already exist as a path in volumeMounts";
            errors.invalid(&place_path, place, words);
        }
    }
}

/// An ephemeral container mounts whole volumes.
pub(super) fn whole(errors: &mut Errors, container: &Value, path: &str) {
    let path = format!("{path}.volumeMounts");
    for (path, mount) in items(container, "/volumeMounts", &path) {
        for field in ["subPath", "subPathExpr"] {
            if mount.get(field).is_some() {
                let words = "cannot be set for an Ephemeral Container";
                errors.forbidden(&format!("{path}.{field}"), words);
            }
        }
    }
}

/// Files of variables are in volumes that are empty in the beginning.
pub(super) fn of_files(errors: &mut Errors, spec: &Value, path: &str) {
    for (path, container) in every(spec, path) {
        for (path, variable) in items(container, "/env", &format!("{path}.env")) {
            let source = at(variable, "/valueFrom/fileKeyRef");
            if source.is_null() {
                continue;
            }
            let name = text(source, "/volumeName");
            let path = format!("{path}.valueFrom.fileKeyRef.volumeName");
            let mut volumes = list(spec, "/volumes").iter().rev();
            match volumes.find(|volume| text(volume, "/name") == name) {
                None => errors.not_found(&path, name, ""),
                Some(volume) if volume.get("emptyDir").is_none() => {
                    let words = "referenced volume must be of type emptyDir";
                    errors.invalid(&path, name, words);
                }
                Some(_) => {}
            }
        }
    }
}
