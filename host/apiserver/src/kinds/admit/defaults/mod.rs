//! What is filled in where an object says nothing (kubernetes, `pkg/apis/*/v1/defaults.go`).
//!
//! Defaults hang on the type, wherever that stands: a probe in a pod and one in a template of a Job get the same. `table.json`
//! has the values of single fields; what depends on more than one is a hook.

mod hooks;

pub(super) use hooks::one_and_all;
mod workloads;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use stagewright_core::time::Time;

use super::schema::{Schema, Shape, Sort, Struct};

/// Fills in a struct what depends on more than one of its fields. The time is the server's.
pub(super) type Hook = fn(&mut Map<String, Value>, Time);

/// Type, field, value.
pub(super) type Defaults = BTreeMap<Box<str>, BTreeMap<Box<str>, Value>>;

static TABLE: LazyLock<Defaults> = LazyLock::new(|| {
    // The text is our own, and a test reads it.
    serde_json::from_str(include_str!("table.json")).unwrap_or_default()
});

const HOOKS: [(&str, Hook); 27] = [
    (
        "apiextensions/v1.CustomResourceDefinitionNames",
        hooks::crd_names,
    ),
    (
        "apps/v1.DaemonSetUpdateStrategy",
        workloads::daemon_set_strategy,
    ),
    ("apps/v1.DeploymentStrategy", workloads::deployment_strategy),
    ("apps/v1.StatefulSetSpec", workloads::stateful_set),
    (
        "apps/v1.StatefulSetUpdateStrategy",
        workloads::stateful_set_strategy,
    ),
    (
        "autoscaling/v1.HorizontalPodAutoscaler",
        workloads::autoscaler_v1,
    ),
    (
        "autoscaling/v2.HorizontalPodAutoscalerBehavior",
        workloads::autoscaler_behavior,
    ),
    ("batch/v1.Job", workloads::job),
    ("core/v1.Container", hooks::container),
    ("core/v1.EphemeralContainer", hooks::container),
    ("core/v1.LimitRangeItem", hooks::limit_range_item),
    ("core/v1.Namespace", hooks::namespace),
    ("core/v1.NodeSpec", hooks::node_spec),
    ("core/v1.NodeStatus", hooks::node_status),
    ("core/v1.Pod", hooks::pod),
    ("core/v1.PodSpec", hooks::pod_spec),
    ("core/v1.PodStatus", hooks::pod_status),
    (
        "core/v1.ReplicationController",
        workloads::replication_controller,
    ),
    ("core/v1.Secret", hooks::secret),
    ("core/v1.Service", hooks::service),
    ("core/v1.ServicePort", hooks::service_port),
    ("core/v1.Volume", hooks::volume),
    ("networking/v1.NetworkPolicy", hooks::network_policy),
    ("rbac/v1.Subject", hooks::subject),
    ("resource/v1.DeviceSubRequest", hooks::device_request),
    ("resource/v1.DeviceTaint", hooks::device_taint),
    ("resource/v1.ExactDeviceRequest", hooks::device_request),
];

/// The default of a type's field.
pub(super) fn of_field(name: &str, field: &str) -> Option<Value> {
    TABLE.get(name)?.get(field).cloned()
}

/// The hook of a type.
pub(super) fn hook(name: &str) -> Option<Hook> {
    let found = HOOKS.iter().find(|(known, _)| *known == name);
    found.map(|(_, hook)| *hook)
}

/// The table, for who checks it.
#[cfg(test)]
pub(super) fn table() -> &'static Defaults {
    &TABLE
}

/// The types with a hook, for who checks them.
#[cfg(test)]
pub(super) fn hooked() -> impl Iterator<Item = &'static str> {
    HOOKS.iter().map(|(name, _)| *name)
}

/// Fills in the defaults of an object in its normal form.
pub(super) fn apply(root: &Struct, object: &mut Value, now: Time) {
    if let Some(map) = object.as_object_mut() {
        fields(Schema::get(), root, map, now);
    }
}

fn fields(schema: &Schema, of: &Struct, map: &mut Map<String, Value>, now: Time) {
    if let Some(hook) = of.hook {
        hook(map, now);
    }
    for (field, inner) in of.inner_mut(map) {
        value(schema, &field.of, inner, now);
    }
    for name in &of.filled {
        let field = of.fields.get(name).filter(|_| !map.contains_key(&**name));
        let Some(field) = field else {
            continue;
        };
        // A struct that is no pointer is there even if it is empty, and has its defaults.
        let mut new = field.default.clone().unwrap_or_else(|| json!({}));
        value(schema, &field.of, &mut new, now);
        if field.default.is_some() || new.as_object().is_some_and(|new| !new.is_empty()) {
            map.insert(name.to_string(), new);
        }
    }
}

fn value(schema: &Schema, shape: &Shape, at: &mut Value, now: Time) {
    match (&shape.sort, at) {
        (Sort::Struct(place), Value::Object(map)) => {
            if let Some(of) = schema.at(*place) {
                fields(schema, of, map, now);
            }
        }
        (Sort::List(item), Value::Array(list)) => {
            list.iter_mut().for_each(|at| value(schema, item, at, now));
        }
        (Sort::Map(item), Value::Object(map)) => {
            map.values_mut().for_each(|at| value(schema, item, at, now));
        }
        _ => {}
    }
}
