//! What of a pod may change (`ValidatePodUpdate`, `ValidatePodEphemeralContainersUpdate`, `ValidatePodResize`).

use serde_json::{Map, Value, json};
use stagewright_core::json::changed_pointers;

use super::super::super::look::{at, entries, int, items, list, take_over, text};
use super::super::super::strategy::quality;
use super::super::{Change, Errors};
use super::{annotations, check};

/// The fields that may change, as the real server lists them.
const CHANGEABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// A pod itself.
pub(in super::super) fn update(errors: &mut Errors, change: Change<'_>) {
    check(errors, change);
    annotations::stay(errors, change);
    let (new, old) = (at(change.new, "/spec"), at(change.old, "/spec"));
    for name in ["containers", "initContainers"] {
        let pointer = format!("/{name}");
        if list(new, &pointer).len() != list(old, &pointer).len() {
            let words = "pod updates may not add or remove containers";
            errors.forbidden(&format!("spec.{name}"), words);
            return;
        }
    }
    if !deadline(errors, new, old) {
        return;
    }
    added_tolerations(errors, new, old);
    removed_gates(errors, new, old);
    unchanged(errors, new, old);
}

/// A deadline comes and gets nearer. Whether it makes sense to look further.
fn deadline(errors: &mut Errors, new: &Value, old: &Value) -> bool {
    const PATH: &str = "spec.activeDeadlineSeconds";
    let of = |spec| int(spec, "/activeDeadlineSeconds");
    match (of(new), of(old)) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            errors.invalid(PATH, new, "must be between 0 and 2147483647, inclusive");
            false
        }
        (Some(new), Some(old)) if old < new => {
            errors.invalid(PATH, new, "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            let words = "must not update from a positive integer to nil value";
            errors.invalid(PATH, Value::Null, words);
            true
        }
        _ => true,
    }
}

fn added_tolerations(errors: &mut Errors, new: &Value, old: &Value) {
    // Only for how long may change.
    let timeless = |toleration: &Value| {
        let mut toleration = toleration.clone();
        if let Some(map) = toleration.as_object_mut() {
            map.remove("tolerationSeconds");
        }
        toleration
    };
    let have: Vec<Value> = list(new, "/tolerations").iter().map(timeless).collect();
    if !list(old, "/tolerations")
        .iter()
        .all(|old| have.contains(&timeless(old)))
    {
        let words = "existing toleration can not be modified except its tolerationSeconds";
        errors.forbidden("spec.tolerations", words);
    }
}

fn removed_gates(errors: &mut Errors, new: &Value, old: &Value) {
    let before: Vec<&str> = list(old, "/schedulingGates")
        .iter()
        .map(|gate| text(gate, "/name"))
        .collect();
    for (path, gate) in items(new, "/schedulingGates", "spec.schedulingGates") {
        let name = text(gate, "/name");
        if !before.contains(&name) {
            let words = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.forbidden(&format!("{path}.name"), &words);
        }
    }
}

/// All that may change set back, nothing may have changed.
fn unchanged(errors: &mut Errors, new: &Value, old: &Value) {
    if new == old {
        return;
    }
    let Some(mut back) = new.as_object().cloned() else {
        return;
    };
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        take_over(&mut back, old, field);
    }
    for name in ["containers", "initContainers"] {
        set_back(&mut back, old, name, &["image"]);
    }
    let grace = |spec| int(spec, "/terminationGracePeriodSeconds");
    if grace(old).is_some_and(|old| old < 0) && grace(new) == Some(1) {
        take_over(&mut back, old, "terminationGracePeriodSeconds");
    }
    if !list(old, "/schedulingGates").is_empty() {
        set_back_placement(errors, &mut back, old);
    }
    let back = Value::Object(back);
    if back != *old {
        // The real server shows how the two differ; here it is where.
        let places: Vec<String> = changed_pointers(old, &back)
            .iter()
            .map(|place| format!("spec.{}", place.join(".")))
            .collect();
        let words = format!(
            "pod updates may not change fields other than {CHANGEABLE}\nchanged: {}",
            places.join(", ")
        );
        errors.forbidden("spec", &words);
    }
}

fn set_back(spec: &mut Map<String, Value>, old: &Value, name: &str, fields: &[&str]) {
    let containers = spec.get_mut(name).and_then(Value::as_array_mut);
    let before = list(old, &format!("/{name}"));
    for (container, old) in containers.into_iter().flatten().zip(before) {
        if let Some(container) = container.as_object_mut() {
            fields
                .iter()
                .for_each(|field| take_over(container, old, field));
        }
    }
}

/// While gates hold a pod, where it may be placed can be narrowed.
fn set_back_placement(errors: &mut Errors, spec: &mut Map<String, Value>, old: &Value) {
    let selector = spec.get("nodeSelector").cloned().unwrap_or_default();
    if entries(old, "/nodeSelector").any(|(key, value)| selector.get(key) != Some(value)) {
        errors.invalid(
            "spec.nodeSelector",
            selector,
            "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
        );
    }
    take_over(spec, old, "nodeSelector");
    let before = at(old, "/affinity");
    narrowed(errors, spec.get("affinity").unwrap_or(&Value::Null), before);
    let mut affinity = spec.get("affinity").cloned().unwrap_or_else(|| json!({}));
    if let Some(map) = affinity.as_object_mut() {
        take_over(map, before, "nodeAffinity");
        if map.is_empty() && before.is_null() {
            spec.remove("affinity");
        } else {
            spec.insert("affinity".to_owned(), affinity);
        }
    }
}

/// Each term for nodes that was required has what it had, and perhaps more.
fn narrowed(errors: &mut Errors, new: &Value, old: &Value) {
    const PATH: &str = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    const POINTER: &str =
        "/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let (now, before) = (list(new, POINTER), list(old, POINTER));
    if at(new, "/nodeAffinity") == at(old, "/nodeAffinity") || before.is_empty() {
        return;
    }
    if now.len() != before.len() {
        let words = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return errors.invalid(PATH, at(new, POINTER).clone(), words);
    }
    let parts = ["/matchExpressions", "/matchFields"];
    for ((path, new), old) in items(new, POINTER, PATH).zip(before) {
        let was_empty = parts.iter().all(|part| list(old, part).is_empty());
        let only_more = parts.iter().all(|part| {
            let (now, before) = (list(new, part), list(old, part));
            now.starts_with(before) && (now.is_empty() || !was_empty)
        });
        if !only_more {
            let words = "only additions are allowed (no mutations or deletions)";
            errors.invalid(&path, new.clone(), words);
        }
    }
}

/// Ephemeral containers come, and stay as they are.
pub(in super::super) fn ephemeral(errors: &mut Errors, change: Change<'_>) {
    const PATH: &str = "spec.ephemeralContainers";
    check(errors, change);
    for old in list(change.old, "/spec/ephemeralContainers") {
        let name = text(old, "/name");
        let mut now = list(change.new, "/spec/ephemeralContainers").iter();
        match now.find(|container| text(container, "/name") == name) {
            None => errors.forbidden(
                PATH,
                &format!("existing ephemeral containers {name:?} may not be removed\n"),
            ),
            Some(new) if new != old => errors.forbidden(
                PATH,
                &format!("existing ephemeral containers {name:?} may not be changed\n"),
            ),
            Some(_) => {}
        }
    }
}

/// Only what containers ask for changes, and only cpu and memory of it.
pub(in super::super) fn resize(errors: &mut Errors, change: Change<'_>) {
    check(errors, change);
    let (new, old) = (at(change.new, "/spec"), at(change.old, "/spec"));
    for name in ["containers", "initContainers"] {
        let pointer = format!("/{name}");
        if list(new, &pointer).len() != list(old, &pointer).len() {
            let words = format!("{name} may not be added or removed on resize");
            errors.forbidden(&format!("spec.{name}"), &words);
            return;
        }
        let pairs = items(new, &pointer, &format!("spec.{name}")).zip(list(old, &pointer));
        for ((path, new), old) in pairs {
            if text(new, "/name") != text(old, "/name") {
                let words = format!("{name} may not be renamed or reordered on resize");
                errors.forbidden(&format!("{path}.name"), &words);
            }
        }
        let pairs = items(new, &pointer, &format!("spec.{name}")).zip(list(old, &pointer));
        for ((path, new), old) in pairs {
            resized(errors, new, old, &path);
        }
    }
    quality_stays(errors, change);
}

/// A container asks for more or less, but for nothing else than before.
fn resized(errors: &mut Errors, new: &Value, old: &Value, path: &str) {
    for part in ["requests", "limits"] {
        let of = |container| at(container, &format!("/resources/{part}"));
        if entries(of(old), "").any(|(name, _)| of(new).get(name).is_none()) {
            let words = format!("resource {part} cannot be removed");
            errors.forbidden(&format!("{path}.resources.{part}"), &words);
        }
    }
    if others(new) != others(old) {
        let (path, words) = if path.contains(".initContainers[") {
            (
                path,
                "only cpu and memory resources for init or sidecar containers are mutable",
            )
        } else {
            ("spec", "only cpu and memory resources are mutable")
        };
        errors.forbidden(path, words);
    }
}

/// What a pod asks for may not make it one of another quality.
fn quality_stays(errors: &mut Errors, change: Change<'_>) {
    let before = text(change.old, "/status/qosClass");
    let now = at(change.new, "/spec").as_object().map(quality);
    if !before.is_empty() && now.is_some_and(|now| now != before) {
        let shown = text(change.new, "/status/qosClass");
        let words = "Pod QOS Class may not change as a result of resizing";
        errors.invalid("spec", shown, words);
    }
}

/// A container without the part that a resize may change.
fn others(container: &Value) -> Value {
    let mut container = container.clone();
    if let Some(map) = container.as_object_mut() {
        map.remove("resizePolicy");
        let resources = map.get_mut("resources").and_then(Value::as_object_mut);
        for part in resources
            .into_iter()
            .flat_map(|resources| resources.values_mut())
        {
            if let Some(part) = part.as_object_mut() {
                part.retain(|name, _| !["cpu", "memory"].contains(&name.as_str()));
            }
        }
        // No resources, and none but these two, are the same.
        let empty = map.get("resources").is_some_and(|resources| {
            let mut parts = resources.as_object().into_iter().flatten();
            parts.all(|(_, part)| part.as_object().is_some_and(Map::is_empty))
        });
        if empty {
            map.remove("resources");
        }
    }
    container
}
