//! Kinds with few rules.

use serde_json::Value;

use super::super::look::{at, entries, int, is_true, items, list, text};
use super::{Change, Errors, metadata, names};

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

/// A ControllerRevision, new or changed.
pub(super) fn controller_revision(errors: &mut Errors, change: Change<'_>) {
    let revision = change.new;
    metadata::not_below_zero(errors, revision, "revision", "");
    if !change.old.is_null() {
        errors.immutable(revision, change.old, "data");
        return;
    }
    match at(revision, "/data") {
        Value::Null => errors.required("data", "data is mandatory"),
        Value::Object(_) => {}
        _ => errors.required("data", "data must be a valid JSON object"),
    }
}

/// A LimitRange, new or changed: its types, and what a pod's may not have. How its amounts compare is not looked at.
pub(super) fn limit_range(errors: &mut Errors, change: Change<'_>) {
    const TYPES: [&str; 3] = ["Pod", "Container", "PersistentVolumeClaim"];
    let mut seen = Vec::new();
    for (path, limit) in items(change.new, "/spec/limits", "spec.limits") {
        let (sort, place) = (text(limit, "/type"), format!("{path}.type"));
        let broken = names::key(sort);
        if broken.is_empty() && !sort.contains('/') && !TYPES.contains(&sort) {
            let words = "must be a standard limit type or fully qualified";
            errors.invalid(&place, sort, words);
        }
        errors.form(&place, sort, broken);
        if seen.contains(&sort) {
            errors.duplicate(&place, sort);
        }
        seen.push(sort);
        for field in ["default", "defaultRequest"] {
            if sort == "Pod" && entries(limit, &format!("/{field}")).next().is_some() {
                let words = "may not be specified when `type` is 'Pod'";
                errors.forbidden(&format!("{path}.{field}"), words);
            }
        }
        let bounded = ["/min/storage", "/max/storage"];
        if sort == "PersistentVolumeClaim" && bounded.iter().all(|place| at(limit, place).is_null())
        {
            let words =
                "either minimum or maximum storage value is required, but neither was provided";
            errors.required(&format!("{path}.limits"), words);
        }
    }
}

/// A Role or ClusterRole, new or changed.
pub(super) fn role(errors: &mut Errors, change: Change<'_>, cluster: bool) {
    for (path, rule) in items(change.new, "/rules", "rules") {
        let has = |field: &str| !list(rule, &format!("/{field}")).is_empty();
        if !has("verbs") {
            let words = "verbs must contain at least one value";
            errors.required(&format!("{path}.verbs"), words);
        }
        if has("nonResourceURLs") {
            let urls = || at(rule, "/nonResourceURLs").clone();
            let place = format!("{path}.nonResourceURLs");
            if !cluster {
                let words = "namespaced rules cannot apply to non-resource URLs";
                errors.invalid(&place, urls(), words);
            }
            if has("apiGroups") || has("resources") || has("resourceNames") {
                let words = "rules cannot apply to both regular resources and non-resource URLs";
                errors.invalid(&place, urls(), words);
            }
            continue;
        }
        for (field, words) in [
            (
                "apiGroups",
                "resource rules must supply at least one api group",
            ),
            (
                "resources",
                "resource rules must supply at least one resource",
            ),
        ] {
            if !has(field) {
                errors.required(&format!("{path}.{field}"), words);
            }
        }
    }
}

fn subject(errors: &mut Errors, subject: &Value, path: &str, cluster: bool) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let of = |field: &str| text(subject, &format!("/{field}"));
    let (name, group) = (of("name"), of("apiGroup"));
    let (name_at, group_at) = (format!("{path}.name"), format!("{path}.apiGroup"));
    if name.is_empty() {
        errors.required(&name_at, "");
    }
    match of("kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.form(&name_at, name, names::subdomain(name));
            }
            if !group.is_empty() {
                errors.not_supported(&group_at, group, &[""]);
            }
            if cluster && of("namespace").is_empty() {
                errors.required(&format!("{path}.namespace"), "");
            }
        }
        "User" | "Group" if group != GROUP => errors.not_supported(&group_at, group, &[GROUP]),
        "User" | "Group" => {}
        other => {
            let known = ["ServiceAccount", "User", "Group"];
            errors.not_supported(&format!("{path}.kind"), other, &known);
        }
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
    for (path, of) in items(change.new, "/subjects", "subjects") {
        subject(errors, of, &path, cluster);
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
