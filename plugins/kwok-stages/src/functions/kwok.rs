//! What KWOK adds.

use std::rc::Rc;

use stagewright_go_template::function::{Row, arg, int};
use stagewright_go_template::{Body, Function, Ty, Value, json, text, yaml};

use Ty::{Any, Bool, Int, Text};

/// What needs nothing but its arguments.
pub const TABLE: &[Row] = &[
    ("Quote", &[Any], None, |args| {
        let json = json::text(arg(args, 0));
        Ok(Value::text(match json.starts_with('"') {
            true => json,
            false => text::quote(&json),
        }))
    }),
    ("YAML", &[Any], Some(Int), |args| {
        let yaml = yaml::text(&json::tree(arg(args, 0))?);
        let depth = if args.len() == 2 { int(args, 1) } else { 0 };
        let Some(depth) = usize::try_from(depth).ok().filter(|depth| *depth > 0) else {
            return Ok(Value::text(yaml));
        };
        let pad = " ".repeat(super::bounded(depth)? * 2);
        Ok(Value::text(
            format!("\n{yaml}").replace('\n', &format!("\n{pad}")),
        ))
    }),
    ("NodeConditions", &[], None, |_| Ok(conditions())),
];

const fn outer(name: &'static str, params: &'static [Ty]) -> Function {
    Function {
        name,
        params,
        rest: None,
        body: Body::World,
    }
}

/// What asks the world around, for all kinds.
pub const EVERYWHERE: &[Function] = &[
    outer("Now", &[]),
    outer("now", &[]),
    outer("StartTime", &[]),
    outer("Version", &[]),
];

/// For pods alone.
pub const PODS: &[Function] = &[
    outer("NodeIP", &[]),
    outer("PodIP", &[]),
    outer("NodeIPWith", &[Text]),
    outer("NodeIPsWith", &[Text]),
    outer("PodIPWith", &[Text, Bool, Text, Text, Text]),
    outer("PodIPsWith", &[Text, Bool, Text, Text, Text]),
];

/// For nodes alone.
pub const NODES: &[Function] = &[
    outer("NodeIP", &[]),
    outer("NodeName", &[]),
    outer("NodePort", &[]),
];

/// The conditions that a kubelet reports of a healthy node, as objects of the API: types, statuses and reasons are Kubernetes' own.
fn conditions() -> Value {
    const HEALTHY: [[&str; 4]; 5] = [
        [
            "Ready",
            "True",
            "KubeletReady",
            "kubelet is posting ready status",
        ],
        [
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ],
        [
            "DiskPressure",
            "False",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ],
        [
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ],
        [
            "NetworkUnavailable",
            "False",
            "RouteCreated",
            "RouteController created a route",
        ],
    ];
    let items = HEALTHY.iter().map(|[kind, status, reason, message]| {
        let entries = [
            ("type", Value::text(kind)),
            ("status", Value::text(status)),
            ("reason", Value::text(reason)),
            ("message", Value::text(message)),
            // Go writes the zero time of a condition as a null.
            ("lastHeartbeatTime", Value::Nil),
            ("lastTransitionTime", Value::Nil),
        ];
        let entries = entries
            .into_iter()
            .map(|(key, value)| (Rc::from(key), value));
        Value::map(entries)
    });
    Value::list(items.collect())
}
