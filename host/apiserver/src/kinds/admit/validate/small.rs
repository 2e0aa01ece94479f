//! Kinds with few rules.

use serde_json::Value;

use super::super::look::{at, int, is_true, text};
use super::{Change, Errors, names};

/// The highest priority that is not the system's.
const HIGHEST: i64 = 1_000_000_000;

/// The classes of the system itself.
const SYSTEM: [(&str, i64); 2] = [
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
];

/// A Lease, new or changed.
pub(super) fn lease(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    for (field, least, words) in [
        ("leaseDurationSeconds", 1, "must be greater than 0"),
        ("leaseTransitions", 0, "must be greater than or equal to 0"),
    ] {
        let number = int(spec, &format!("/{field}"));
        if let Some(number) = number.filter(|number| *number < least) {
            errors.invalid(&format!("spec.{field}"), number, words);
        }
    }
    let strategy = text(spec, "/strategy");
    if !text(spec, "/preferredHolder").is_empty() && strategy.is_empty() {
        let words = "may only be specified if `strategy` is defined";
        errors.forbidden("spec.preferredHolder", words);
    }
}

/// A PriorityClass, new or changed.
pub(super) fn priority_class(errors: &mut Errors, change: Change<'_>) {
    let value = |class| int(class, "/value").unwrap_or(0);
    let class = change.new;
    if !change.old.is_null() {
        if value(class) != value(change.old) {
            errors.forbidden("value", "may not be changed in an update.");
        }
        errors.immutable(class, change.old, "preemptionPolicy");
        return;
    }
    let name = text(class, "/metadata/name");
    if name.starts_with("system-") {
        let known = SYSTEM.iter().find(|(known, _)| *known == name);
        let wrong = match known {
            None => format!("{name} is not a known system priority class"),
            Some((_, wanted)) if *wanted != value(class) => {
                format!("value of {name} PriorityClass must be {wanted}")
            }
            Some(_) if is_true(class, "/globalDefault") => {
                format!("globalDefault of {name} PriorityClass must be false")
            }
            Some(_) => return,
        };
        errors.forbidden(
            "metadata.name",
            &format!("priority class names with 'system-' prefix are reserved for system use only. error: {wrong}"),
        );
    } else if value(class) > HIGHEST {
        let words = format!("maximum allowed value of a user defined priority is {HIGHEST}");
        errors.forbidden("value", &words);
    }
    let policy = text(class, "/preemptionPolicy");
    let known = ["PreemptLowerPriority", "Never"];
    if !known.contains(&policy) {
        errors.not_supported("preemptionPolicy", policy, &known);
    }
}

/// A RoleBinding or ClusterRoleBinding, new or changed.
pub(super) fn role_binding(errors: &mut Errors, change: Change<'_>, cluster: bool) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let role = at(change.new, "/roleRef");
    let group = text(role, "/apiGroup");
    if group != GROUP {
        errors.not_supported("roleRef.apiGroup", group, &[GROUP]);
    }
    let known: &[&str] = if cluster {
        &["ClusterRole"]
    } else {
        &["Role", "ClusterRole"]
    };
    let kind = text(role, "/kind");
    if !known.contains(&kind) {
        errors.not_supported("roleRef.kind", kind, known);
    }
    let name = text(role, "/name");
    if name.is_empty() {
        errors.required("roleRef.name", "");
    } else {
        errors.form("roleRef.name", name, names::segment(name));
    }
    if !change.old.is_null() && role != at(change.old, "/roleRef") {
        errors.invalid("roleRef", role.clone(), "cannot change roleRef");
    }
}

/// Whether a specification stays as it is, for kinds where nothing of it may change.
pub(super) fn specification_stays(errors: &mut Errors, change: Change<'_>) {
    let (new, old): (&Value, &Value) = (change.new, change.old);
    if !old.is_null() {
        errors.immutable(new, old, "spec");
    }
}
