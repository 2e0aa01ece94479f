//! What KWOK adds.

use std::rc::Rc;

use super::{Body, Function, Outer, Row, Ty, arg, int};
use crate::go::{Value, json, text, yaml};

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

const fn outer(name: &'static str, params: &'static [Ty], function: Outer) -> Function {
    Function {
        name,
        params,
        rest: None,
        body: Body::Outer(function),
    }
}

/// What asks the world around, for all kinds.
pub const EVERYWHERE: &[Function] = &[
    outer("Now", &[], Outer::Now),
    outer("now", &[], Outer::SprigNow),
    outer("StartTime", &[], Outer::StartTime),
    outer("Version", &[], Outer::Version),
];

/// For pods alone.
pub const PODS: &[Function] = &[
    outer("NodeIP", &[], Outer::NodeIp),
    outer("PodIP", &[], Outer::PodIp),
    outer("NodeIPWith", &[Text], Outer::NodeIpWith),
    outer("NodeIPsWith", &[Text], Outer::NodeIpsWith),
    outer(
        "PodIPWith",
        &[Text, Bool, Text, Text, Text],
        Outer::PodIpWith,
    ),
    outer(
        "PodIPsWith",
        &[Text, Bool, Text, Text, Text],
        Outer::PodIpsWith,
    ),
];

/// For nodes alone.
pub const NODES: &[Function] = &[
    outer("NodeIP", &[], Outer::NodeIp),
    outer("NodeName", &[], Outer::NodeName),
    outer("NodePort", &[], Outer::NodePort),
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
