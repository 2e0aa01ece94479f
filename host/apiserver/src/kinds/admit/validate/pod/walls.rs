//! How containers are walled in: by seccomp and by AppArmor (`validateSeccompProfileField`, `ValidateAppArmorProfileField`).

use serde_json::Value;

use super::super::super::look::{at, text};
use super::super::Errors;
use super::paths;

/// The longest name of a profile of AppArmor.
const PROFILE_NAME: usize = 4095;

/// A way to wall containers in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wall {
    pub(super) field: &'static str,
    /// In messages about the field.
    name: &'static str,
    /// In messages about annotations.
    pub(super) annotated: &'static str,
    /// What an annotation of a container begins with.
    pub(super) prefix: &'static str,
    /// What annotations call the default of whoever runs the containers.
    pub(super) defaults: &'static [&'static str],
}

pub(super) const SECCOMP: Wall = Wall {
    field: "seccompProfile",
    name: "seccomp",
    annotated: "seccomp",
    prefix: "container.seccomp.security.alpha.kubernetes.io/",
    defaults: &["runtime/default", "docker/default"],
};

pub(super) const APP_ARMOR: Wall = Wall {
    field: "appArmorProfile",
    name: "AppArmor",
    annotated: "apparmor",
    prefix: "container.apparmor.security.beta.kubernetes.io/",
    defaults: &["runtime/default"],
};

pub(super) const WALLS: [Wall; 2] = [SECCOMP, APP_ARMOR];

/// The profiles in a pod's or a container's context.
pub(super) fn check(errors: &mut Errors, context: &Value, path: &str) {
    for wall in WALLS {
        let profile = at(context, &format!("/{}", wall.field));
        if !profile.is_null() {
            let path = format!("{path}.{}", wall.field);
            profile_of(errors, profile, &path, &wall);
        }
    }
}

fn profile_of(errors: &mut Errors, profile: &Value, path: &str, wall: &Wall) {
    let Wall { field, name, .. } = wall;
    let sort = text(profile, "/type");
    let known = ["Localhost", "RuntimeDefault", "Unconfined"];
    let place = format!("{path}.type");
    if sort.is_empty() {
        errors.required(&place, &format!("type is required when {field} is set"));
    } else if !known.contains(&sort) {
        errors.not_supported(&place, sort, &known);
    }
    let given = at(profile, "/localhostProfile").as_str();
    let path = format!("{path}.localhostProfile");
    match (sort, given) {
        ("Localhost", Some(given)) if *wall == APP_ARMOR => app_armor(errors, given, &path),
        ("Localhost", Some(given)) => paths::descending(errors, given, &path),
        ("Localhost", None) => {
            errors.required(&path, &format!("must be set when {name} type is Localhost"));
        }
        (_, Some(given)) => {
            let words = format!("can only be set when {name} type is Localhost");
            // The one shows the profile, the other its name; of another type than the three, that of AppArmor says no more.
            if *wall == SECCOMP {
                errors.invalid(&path, profile.clone(), &words);
            } else if known.contains(&sort) {
                errors.invalid(&path, given, &words);
            }
        }
        (_, None) => {}
    }
}

fn app_armor(errors: &mut Errors, name: &str, path: &str) {
    if name.trim() != name {
        errors.invalid(path, name, "must not be padded with whitespace");
    } else if name.is_empty() {
        errors.required(path, "must be set when AppArmor type is Localhost");
    }
    if name.len() > PROFILE_NAME {
        errors.too_long(path, PROFILE_NAME);
    }
}
