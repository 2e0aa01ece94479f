//! A pod's cells: what its containers say, in a word.

use serde_json::{Value, json};
use stagewright_core::time::Time;

use super::cells::Row;
use super::duration;
use crate::kinds::member::flag;

/// What the containers of a pod add up to.
struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<Time>,
}

/// Restarts, and when the last was.
#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i64,
    last: Option<Time>,
}

pub(super) fn ready(row: &Row<'_>) -> Value {
    let summary = Summary::of(row);
    json!(format!("{}/{}", summary.ready, summary.total))
}

pub(super) fn status(row: &Row<'_>) -> Value {
    json!(Summary::of(row).reason)
}

pub(super) fn restarts(row: &Row<'_>) -> Value {
    let summary = Summary::of(row);
    json!(match summary.last_restart {
        Some(last) if summary.restarts != 0 => {
            let ago = duration::between(last, row.now);
            format!("{} ({ago} ago)", summary.restarts)
        }
        _ => summary.restarts.to_string(),
    })
}

/// How many of the readiness gates are open.
pub(super) fn gates(row: &Row<'_>) -> Value {
    let gates = row.list("/spec/readinessGates");
    if gates.is_empty() {
        return json!("<none>");
    }
    let open = gates
        .iter()
        .filter(|gate| row.holds(text(gate, "/conditionType")));
    json!(format!("{}/{}", open.count(), gates.len()))
}

/// What rows of pods that have ended carry.
pub(super) fn conditions(row: &Row<'_>) -> Option<Value> {
    let phase = row.text("/status/phase");
    let message = match phase {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": phase, "message": message}]))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn state<'a>(status: &'a Value, which: &str) -> Option<&'a Value> {
    status
        .get("state")?
        .get(which)
        .filter(|state| !state.is_null())
}

/// How a container ended, in a word.
fn ended(state: &Value) -> String {
    match (text(state, "/reason"), number(state, "/signal")) {
        ("", 0) => format!("ExitCode:{}", number(state, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

// === impl Restarts ===

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += number(status, "/restartCount");
        let last = Time::parse(text(status, "/lastState/terminated/finishedAt"));
        self.last = self.last.max(last);
    }
}

// === impl Summary ===

impl Summary {
    fn of(row: &Row<'_>) -> Self {
        let phase = row.text("/status/phase");
        let mut reason = row.text_or("/status/reason", phase).to_owned();
        let gated = row
            .condition("PodScheduled")
            .is_some_and(|condition| text(condition, "/reason") == "SchedulingGated");
        if gated {
            "SchedulingGated".clone_into(&mut reason);
        }
        let sidecars = row
            .list("/spec/initContainers")
            .iter()
            .filter(|container| is_sidecar(container));
        let mut summary = Self {
            reason,
            ready: 0,
            total: row.list("/spec/containers").len() + sidecars.count(),
            restarts: 0,
            last_restart: None,
        };
        let (mut all, mut sidecars) = (Restarts::default(), Restarts::default());
        let initializing = summary.look_at_init(row, &mut all, &mut sidecars);
        if !initializing || row.holds("Initialized") {
            all = sidecars;
            summary.look_at_containers(row, &mut all);
        }
        (summary.restarts, summary.last_restart) = (all.count, all.last);
        let deleted = row.at("/metadata/deletionTimestamp").is_some();
        if deleted && row.text("/status/reason") == "NodeLost" {
            "Unknown".clone_into(&mut summary.reason);
        } else if deleted && !["Succeeded", "Failed"].contains(&phase) {
            "Terminating".clone_into(&mut summary.reason);
        }
        summary
    }

    /// Whether an init container still has to end. Only those up to it are looked at.
    fn look_at_init(&mut self, row: &Row<'_>, all: &mut Restarts, sidecars: &mut Restarts) -> bool {
        let specs = row.list("/spec/initContainers");
        for (index, status) in row.list("/status/initContainerStatuses").iter().enumerate() {
            let spec = specs
                .iter()
                .find(|spec| spec.get("name") == status.get("name"));
            let sidecar = spec.is_some_and(is_sidecar);
            all.add(status);
            if sidecar {
                sidecars.add(status);
            }
            let terminated = state(status, "terminated");
            if terminated.is_some_and(|state| number(state, "/exitCode") == 0) {
                continue;
            }
            if sidecar && flag(status, "started") {
                self.ready += usize::from(flag(status, "ready"));
                continue;
            }
            let waiting = state(status, "waiting").map_or("", |state| text(state, "/reason"));
            self.reason = match terminated {
                Some(state) => format!("Init:{}", ended(state)),
                None if !["", "PodInitializing"].contains(&waiting) => format!("Init:{waiting}"),
                None => format!("Init:{index}/{}", specs.len()),
            };
            return true;
        }
        false
    }

    fn look_at_containers(&mut self, row: &Row<'_>, restarts: &mut Restarts) {
        let mut running = false;
        let mut failed = None;
        for status in row.list("/status/containerStatuses").iter().rev() {
            restarts.add(status);
            let waiting = state(status, "waiting").map_or("", |state| text(state, "/reason"));
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if let Some(state) = state(status, "terminated") {
                self.reason = ended(state);
                if number(state, "/exitCode") != 0 {
                    failed = Some(self.reason.clone());
                }
            } else if flag(status, "ready") && state(status, "running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        // One container has ended well, another may still run, or have ended badly.
        if self.reason == "Completed" {
            match failed {
                _ if running && row.holds("Ready") => "Running".clone_into(&mut self.reason),
                Some(failed) => self.reason = failed,
                None if running => "NotReady".clone_into(&mut self.reason),
                None => {}
            }
        }
    }
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}
