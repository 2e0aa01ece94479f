//! Annotations of pods that say more than a note (`ValidatePodSpecificAnnotations`), and that they say what fields say.

use serde_json::Value;

use super::super::super::look::{at, entries, text};
use super::super::{Change, Errors};
use super::walls::{APP_ARMOR, SECCOMP, WALLS, Wall};
use super::{every, paths};

/// Where a kubelet marks pods that it has from elsewhere.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";

const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const LOCAL: &str = "localhost/";

/// The annotations of a pod.
pub(super) fn check(errors: &mut Errors, change: Change<'_>) {
    let pod = change.new;
    for (key, value) in entries(pod, "/metadata/annotations") {
        let value = value.as_str().unwrap_or_default();
        let path = || format!("metadata.annotations[{key}]");
        if key == MIRROR && text(pod, "/spec/nodeName").is_empty() {
            let words = "must set spec.nodeName if mirror pod annotation is set";
            errors.invalid(&path(), value, words);
        } else if key == COST && !is_cost(value) {
            let before = at(change.old, "/metadata/annotations").get(COST);
            let before = before.and_then(Value::as_str);
            // What was wrong before may stay so.
            if before.is_none_or(is_cost) {
                errors.invalid(&path(), value, "must be a 32bit integer");
            }
        } else if key == SECCOMP_POD || key.starts_with(SECCOMP.prefix) {
            seccomp(errors, value, &format!("metadata.annotations.{key}"));
        } else if let Some(container) = key.strip_prefix(APP_ARMOR.prefix) {
            let mut all = every(at(pod, "/spec"), "spec");
            if !all.any(|(_, known)| text(known, "/name") == container) {
                errors.invalid(&path(), container, "container not found");
            }
            let known = ["", "runtime/default", "unconfined"].contains(&value);
            if !known && !value.starts_with(LOCAL) {
                let words = format!("invalid AppArmor profile name: {value:?}");
                errors.invalid(&path(), value, &words);
            }
        }
    }
}

/// A number of 32 bits, as it is written shortest.
fn is_cost(value: &str) -> bool {
    let begins = value == "0"
        || value.starts_with('-')
        || value.starts_with(|first| ('1'..='9').contains(&first));
    begins && value.parse::<i32>().is_ok()
}

fn seccomp(errors: &mut Errors, value: &str, path: &str) {
    if let Some(profile) = value.strip_prefix(LOCAL) {
        paths::descending(errors, profile, path);
    } else if !["runtime/default", "docker/default", "unconfined"].contains(&value) {
        errors.invalid(path, value, "must be a valid seccomp profile");
    }
}

/// A new pod's annotations and fields say the same of how it is walled in.
pub(super) fn agree(errors: &mut Errors, pod: &Value) {
    let annotations = at(pod, "/metadata/annotations");
    if annotations.is_null() {
        return;
    }
    let spec = at(pod, "/spec");
    let mut agrees = |wall: &Wall, key: &str, profile: &Value, path: &str| {
        let Some(annotation) = annotations.get(key).and_then(Value::as_str) else {
            return;
        };
        let path = format!("{path}.securityContext.{}", wall.field);
        let name = wall.annotated;
        let same = match text(profile, "/type") {
            "Unconfined" => annotation == "unconfined",
            "RuntimeDefault" => wall.defaults.contains(&annotation),
            "Localhost" => match annotation.strip_prefix(LOCAL) {
                Some(given) => {
                    if at(profile, "/localhostProfile").as_str() != Some(given) {
                        let words = format!("{name} profile in annotation and field must match");
                        errors.forbidden(&format!("{path}.localhostProfile"), &words);
                    }
                    true
                }
                None => false,
            },
            _ => true,
        };
        if !same {
            let words = format!("{name} type in annotation and field must match");
            errors.forbidden(&format!("{path}.type"), &words);
        }
    };
    for wall in WALLS {
        let pointer = format!("/securityContext/{}", wall.field);
        let of_pod = at(spec, &pointer);
        // Of the pod's own, each has its way: seccomp an annotation for it, AppArmor what containers inherit.
        let is_seccomp = wall == SECCOMP;
        if is_seccomp {
            agrees(&wall, SECCOMP_POD, of_pod, "spec");
        } else if text(spec, "/os/name") == "windows" {
            continue;
        }
        for (path, container) in every(spec, "spec") {
            let mut profile = at(container, &pointer);
            if profile.is_null() && !is_seccomp {
                profile = of_pod;
            }
            let key = format!("{}{}", wall.prefix, text(container, "/name"));
            agrees(&wall, &key, profile, &path);
        }
    }
}

/// What a kubelet reads once stays.
pub(super) fn stay(errors: &mut Errors, change: Change<'_>) {
    let of = |object| at(object, "/metadata/annotations");
    let is_fixed = |key: &str| key == MIRROR || key.starts_with(APP_ARMOR.prefix);
    let mut tell = |key: &str, what: &str| {
        let (name, some) = if key == MIRROR {
            ("mirror pod", "annotation")
        } else {
            ("AppArmor", "annotations")
        };
        let words = format!("may not {what} {name} {some}");
        errors.forbidden(&format!("metadata.annotations[{key}]"), &words);
    };
    for (key, old) in entries(of(change.old), "").filter(|(key, _)| is_fixed(key)) {
        if of(change.new).get(key) != Some(old) {
            tell(key, "remove or update");
        }
    }
    for (key, _) in entries(of(change.new), "").filter(|(key, _)| is_fixed(key)) {
        if of(change.old).get(key).is_none() {
            tell(key, "add");
        }
    }
}
