//! Kinds that make pods, or look after them (kubernetes, `pkg/apis/apps/validation`, `policy`, `autoscaling`).

use serde_json::{Value, json};
use stagewright_core::selector::Selector;

use super::super::look::{at, int, list, text};
use super::choice::one_of;
use super::{Change, Errors, metadata, pod};

/// Whether a selector selects something with these labels. None selects nothing; one that cannot be read is another rule's concern.
pub(super) fn matches(selector: &Value, labels: &Value) -> bool {
    if selector.is_null() {
        return false;
    }
    let labels = (!labels.is_null()).then_some(labels);
    Selector::from_label_selector(selector).map_or(true, |selector| selector.matches(labels))
}

/// How a kind's template may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// It makes ReplicaSets' pods, whose words the messages have.
    Replicas,
    DaemonSet,
    StatefulSet,
}

/// Selector and template of a kind that makes pods.
fn selects(errors: &mut Errors, spec: &Value, sort: Sort) {
    const SELECTOR: &str = "spec.selector";
    let selector = at(spec, "/selector");
    let name = match sort {
        Sort::Replicas => "deployment",
        Sort::DaemonSet => "daemonset",
        Sort::StatefulSet => "statefulset",
    };
    if selector.is_null() {
        if sort != Sort::DaemonSet {
            errors.required(SELECTOR, "");
        }
    } else {
        metadata::selector(errors, selector, SELECTOR);
        let parts = ["matchLabels", "matchExpressions"];
        if parts.iter().all(|part| selector.get(part).is_none()) {
            let words = format!("empty selector is invalid for {name}");
            errors.invalid(SELECTOR, selector.clone(), &words);
        }
    }
    let labels = at(spec, "/template/metadata/labels");
    if !matches(selector, labels) {
        errors.invalid(
            "spec.template.metadata.labels",
            labels.clone(),
            "`selector` does not match template `labels`",
        );
    }
    pod::template(errors, at(spec, "/template"), "spec.template");
    if sort == Sort::StatefulSet {
        return;
    }
    let policy = text(spec, "/template/spec/restartPolicy");
    if policy != "Always" {
        errors.not_supported("spec.template.spec.restartPolicy", policy, &["Always"]);
    }
    if int(spec, "/template/spec/activeDeadlineSeconds").is_some() {
        let kind = if sort == Sort::DaemonSet {
            "DaemonSet"
        } else {
            "ReplicaSet"
        };
        let words = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", &words);
    }
}

fn counts(errors: &mut Errors, spec: &Value, fields: &[&str]) {
    for field in fields {
        metadata::not_below_zero(errors, spec, field, "spec");
    }
}

/// A Deployment, new or changed.
pub(super) fn deployment(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    counts(errors, spec, &["replicas"]);
    selects(errors, spec, Sort::Replicas);
    strategy(errors, spec);
    counts(
        errors,
        spec,
        &[
            "minReadySeconds",
            "revisionHistoryLimit",
            "progressDeadlineSeconds",
        ],
    );
    let ready = int(spec, "/minReadySeconds").unwrap_or(0);
    if let Some(deadline) =
        int(spec, "/progressDeadlineSeconds").filter(|deadline| *deadline <= ready)
    {
        let words = "must be greater than minReadySeconds";
        errors.invalid("spec.progressDeadlineSeconds", deadline, words);
    }
    selector_stays(errors, change);
}

fn strategy(errors: &mut Errors, spec: &Value) {
    let rolling = at(spec, "/strategy/rollingUpdate");
    match text(spec, "/strategy/type") {
        "Recreate" if !rolling.is_null() => errors.forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ),
        "RollingUpdate" => {
            const PATH: &str = "spec.strategy.rollingUpdate";
            for field in ["maxUnavailable", "maxSurge"] {
                portion(errors, rolling, field, PATH);
            }
            let none = |field: &str| [json!(0), json!("0%")].contains(at(rolling, field));
            let unavailable = at(rolling, "/maxUnavailable");
            let path = format!("{PATH}.maxUnavailable");
            if none("/maxUnavailable") && none("/maxSurge") {
                let words = "may not be 0 when `maxSurge` is 0";
                errors.invalid(&path, unavailable.clone(), words);
            }
            at_most_all(errors, unavailable, &path);
        }
        "Recreate" => {}
        _ => {
            let given = at(spec, "/strategy").clone();
            errors.not_supported_value("spec.strategy", given, &["Recreate", "RollingUpdate"]);
        }
    }
}

/// A number that is not below zero, or a percentage.
fn portion(errors: &mut Errors, object: &Value, field: &str, path: &str) {
    const WORDS: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%', regex used for validation is '[0-9]+%')";
    match at(object, &format!("/{field}")) {
        Value::String(given) => {
            let digits = given.strip_suffix('%').unwrap_or_default();
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                errors.invalid(&format!("{path}.{field}"), given.as_str(), WORDS);
            }
        }
        _ => metadata::not_below_zero(errors, object, field, path),
    }
}

fn at_most_all(errors: &mut Errors, portion: &Value, path: &str) {
    let percent = portion.as_str().and_then(|text| text.strip_suffix('%'));
    if percent
        .and_then(|text| text.parse::<u64>().ok())
        .is_some_and(|percent| percent > 100)
    {
        errors.invalid(path, portion.clone(), "must not be greater than 100%");
    }
}

fn selector_stays(errors: &mut Errors, change: Change<'_>) {
    if !change.old.is_null() {
        errors.immutable(change.new, change.old, "spec.selector");
    }
}

/// A ReplicaSet, new or changed.
pub(super) fn replica_set(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    counts(errors, spec, &["replicas", "minReadySeconds"]);
    selects(errors, spec, Sort::Replicas);
    selector_stays(errors, change);
}

/// A DaemonSet, new or changed.
pub(super) fn daemon_set(errors: &mut Errors, change: Change<'_>) {
    selector_stays(errors, change);
    let spec = at(change.new, "/spec");
    selects(errors, spec, Sort::DaemonSet);
    counts(errors, spec, &["minReadySeconds", "revisionHistoryLimit"]);
    one_of(
        errors,
        at(spec, "/updateStrategy"),
        "spec.updateStrategy",
        "type",
        &["RollingUpdate", "OnDelete"],
    );
}

/// A StatefulSet, new or changed.
pub(super) fn stateful_set(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    let management = text(spec, "/podManagementPolicy");
    if !["OrderedReady", "Parallel"].contains(&management) {
        let words = "must be 'OrderedReady' or 'Parallel'";
        errors.invalid("spec.podManagementPolicy", management, words);
    }
    let strategy = at(spec, "/updateStrategy");
    match text(strategy, "/type") {
        "OnDelete" if strategy.get("rollingUpdate").is_some() => errors.invalid(
            "spec.updateStrategy.rollingUpdate",
            at(strategy, "/rollingUpdate").clone(),
            "only allowed for updateStrategy 'RollingUpdate'",
        ),
        "OnDelete" | "RollingUpdate" => {}
        _ => {
            let words = "must be 'RollingUpdate' or 'OnDelete'";
            errors.invalid("spec.updateStrategy", strategy.clone(), words);
        }
    }
    counts(errors, spec, &["replicas", "minReadySeconds"]);
    metadata::not_below_zero(errors, at(spec, "/ordinals"), "start", "spec.ordinals");
    let service = text(spec, "/serviceName");
    if change.old.is_null() && !service.is_empty() {
        errors.form("spec.serviceName", service, super::names::label(service));
    }
    selects(errors, spec, Sort::StatefulSet);
    counts(errors, spec, &["revisionHistoryLimit"]);
    if !change.old.is_null() {
        only_these(errors, change);
    }
}

fn only_these(errors: &mut Errors, change: Change<'_>) {
    const FREE: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |object| {
        let mut spec = at(object, "/spec").clone();
        if let Some(spec) = spec.as_object_mut() {
            spec.retain(|name, _| !FREE.contains(&name.as_str()));
        }
        spec
    };
    if fixed(change.new) != fixed(change.old) {
        errors.forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        );
    }
}

/// A ReplicationController, new or changed.
pub(super) fn replication_controller(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    counts(errors, spec, &["minReadySeconds", "replicas"]);
    let selector = at(spec, "/selector");
    if selector.is_null() {
        errors.required("spec.selector", "");
    }
    if at(spec, "/template").is_null() {
        errors.required("spec.template", "");
        return;
    }
    let labels = at(spec, "/template/metadata/labels");
    if !selector.is_null() && !matches(&json!({ "matchLabels": selector }), labels) {
        let path = "spec.template.metadata.labels";
        errors.invalid(
            path,
            labels.clone(),
            "`selector` does not match template `labels`",
        );
    }
    pod::template(errors, at(spec, "/template"), "spec.template");
    let policy = text(spec, "/template/spec/restartPolicy");
    if policy != "Always" {
        errors.not_supported("spec.template.spec.restartPolicy", policy, &["Always"]);
    }
}

/// A PodDisruptionBudget, new or changed.
pub(super) fn budget(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    let fields = ["minAvailable", "maxUnavailable"];
    if fields.iter().all(|field| spec.get(field).is_some()) {
        let words = "minAvailable and maxUnavailable cannot be both set";
        errors.invalid("spec", spec.clone(), words);
    }
    for field in fields {
        portion(errors, spec, field, "spec");
        at_most_all(
            errors,
            at(spec, &format!("/{field}")),
            &format!("spec.{field}"),
        );
    }
    metadata::selector(errors, at(spec, "/selector"), "spec.selector");
    let policy = text(spec, "/unhealthyPodEvictionPolicy");
    let known = ["AlwaysAllow", "IfHealthyBudget"];
    if !policy.is_empty() && !known.contains(&policy) {
        errors.not_supported("spec.unhealthyPodEvictionPolicy", policy, &known);
    }
}

/// A HorizontalPodAutoscaler, new or changed.
pub(super) fn autoscaler(errors: &mut Errors, change: Change<'_>) {
    let spec = at(change.new, "/spec");
    let (least, most) = (
        int(spec, "/minReplicas"),
        int(spec, "/maxReplicas").unwrap_or(0),
    );
    if let Some(least) = least.filter(|least| *least < 1) {
        errors.invalid(
            "spec.minReplicas",
            least,
            "must be greater than or equal to 1",
        );
    }
    if most == 0 {
        errors.required("spec.maxReplicas", "must be set and greater than 0");
    } else if most < 0 {
        errors.invalid(
            "spec.maxReplicas",
            most,
            "must be greater than or equal to 1",
        );
    }
    if least.is_some_and(|least| most < least) {
        let words = "must be greater than or equal to `minReplicas`";
        errors.invalid("spec.maxReplicas", most, words);
    }
    let mut metrics = list(spec, "/metrics").iter();
    if least == Some(0)
        && !metrics.any(|metric| ["Object", "External"].contains(&text(metric, "/type")))
    {
        let words = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.forbidden("spec.metrics", words);
    }
    for field in ["kind", "name"] {
        if text(spec, &format!("/scaleTargetRef/{field}")).is_empty() {
            errors.required(&format!("spec.scaleTargetRef.{field}"), "");
        }
    }
    let version = text(spec, "/scaleTargetRef/apiVersion");
    let target = |object| {
        let part = |field| text(object, field);
        (
            part("/spec/scaleTargetRef/apiVersion"),
            part("/spec/scaleTargetRef/kind"),
        )
    };
    let core = text(spec, "/scaleTargetRef/kind") == "ReplicationController";
    let moved = change.old.is_null() || target(change.new) != target(change.old);
    if !version.contains('/') && !core && moved {
        let words = "apiVersion must specify API group";
        errors.invalid("spec.scaleTargetRef.apiVersion", version, words);
    }
}
