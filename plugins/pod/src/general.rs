//! What each stage of the general profile does.
//!
//! A stage moves containers; everything else in the status follows from what they are then, as the kubelet derives it
//! (`generateAPIPodStatus` in `kubelet_pods.go`).

mod derive;
mod moves;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use stagewright_plugin::{Context, Effect, Event, Time, conditions};

use crate::annotations::{EVICT, remember};
use crate::phase::Containers;
use crate::plan::{Plan, Role, Seen};
use crate::play::sandbox;
use crate::resize;
use crate::restart::should_restart;
use crate::statuses::{self, End, State, Status, items};

/// The effects of a stage; deletion has none but itself.
pub fn play(
    stage: &str,
    object: &Value,
    plan: &Plan<'_>,
    ctx: &Context,
) -> Result<Vec<Effect>, String> {
    let mut play = Play {
        object,
        plan,
        ctx,
        containers: Containers {
            inits: statuses::of(object, "initContainer"),
            mains: statuses::of(object, "container"),
        },
        ephemeral: statuses::of(object, "ephemeralContainer"),
        status: Map::new(),
        conditions: items(object, "/status/conditions").to_vec(),
        memory: BTreeMap::new(),
        events: Vec::new(),
        over: None,
    };
    let deleting = plan.pod.metadata.deletion_timestamp.is_some();
    match stage {
        "create" => play.create()?,
        "evict" => play.evict(),
        "deadline" => play.deadline(),
        "restart-all" => play.restart_all(),
        "observe" => play.observe(),
        "resize" => play.resized(),
        "terminate" | "stop" if deleting => play.leave()?,
        "init-start" | "init-complete" | "ready" | "complete" | "exit" | "back-off" | "restart"
        | "pull-fail" | "pull-back-off" | "probe" | "unready" | "stop" => play.moves()?,
        _ => return Err(format!("stage {stage:?} is none of this plugin's")),
    }
    Ok(play.finish())
}

/// How a pod ends before its containers do.
struct Over {
    reason: &'static str,
    message: String,
}

struct Play<'a> {
    object: &'a Value,
    plan: &'a Plan<'a>,
    ctx: &'a Context,
    containers: Containers,
    ephemeral: Vec<Status>,
    /// The part of the status that the patch sets.
    status: Map<String, Value>,
    conditions: Vec<Value>,
    memory: BTreeMap<&'static str, String>,
    events: Vec<Event>,
    over: Option<Over>,
}

impl Play<'_> {
    /// The sandbox is there, and the containers wait.
    fn create(&mut self) -> Result<(), String> {
        self.status = sandbox(self.object, self.ctx)?;
        let reason = if self.containers.inits.is_empty() {
            "ContainerCreating"
        } else {
            "PodInitializing"
        };
        for status in self.containers.all_mut() {
            statuses::wait(status, reason);
        }
        if conditions::find(&self.conditions, "PodScheduled").is_none() {
            self.set("PodScheduled", "True", ("", ""));
        }
        let message = format!("Created the sandbox of {}", names(self.plan));
        self.events.push(Event::normal("Created", message));
        Ok(())
    }

    /// All containers begin anew, in place (KEP-5532).
    fn restart_all(&mut self) {
        for status in self.containers.all_mut() {
            statuses::restart_with_all(status);
        }
        self.set(
            "AllContainersRestarting",
            "True",
            (
                "RestartAllContainersStarted",
                "a rule of a container that ended restarts all containers",
            ),
        );
    }

    /// The kubelet ends the pod for its own sake (eviction in kubelet/eviction, `TerminationByKubelet`).
    fn evict(&mut self) {
        let wish = self.plan.wishes.pod(&EVICT);
        let message = match wish {
            None | Some("true") => "the annotation stagewright.dev/pod.evict says so".to_owned(),
            Some(message) => message.to_owned(),
        };
        self.kill();
        self.set(
            "DisruptionTarget",
            "True",
            ("TerminationByKubelet", &message),
        );
        self.events.push(Event::warning("Evicted", message.clone()));
        let reason = "Evicted";
        self.over = Some(Over { reason, message });
    }

    /// `pastActiveDeadline` in `active_deadline.go`.
    fn deadline(&mut self) {
        self.kill();
        let message = "the pod was active for longer than its activeDeadlineSeconds".to_owned();
        let reason = "DeadlineExceeded";
        self.events.push(Event::normal(reason, message.clone()));
        self.over = Some(Over { reason, message });
    }

    fn kill(&mut self) {
        let uid = self.plan.pod.metadata.uid.as_str();
        let killed = End {
            exit_code: 137,
            reason: None,
            at: self.ctx.now,
        };
        for status in self
            .containers
            .all_mut()
            .filter(|status| statuses::runs(status))
        {
            statuses::end(status, uid, killed);
        }
    }

    /// A deleted pod's containers are stopped: the main ones, then the sidecars, the last one first; at the end of the grace period
    /// all that is left.
    fn leave(&mut self) -> Result<(), String> {
        let (plan, now) = (self.plan, self.ctx.now);
        let leaving = plan.leaving()?;
        let uid = plan.pod.metadata.uid.as_str();
        let first = plan
            .seen()
            .any(|seen| seen.role != Role::Sidecar && seen.is_running());
        let last = plan.inits.iter().rposition(Seen::is_running);
        let mut stopped = Vec::new();
        for (index, (seen, status)) in plan.seen().zip(self.containers.all_mut()).enumerate() {
            let turn = match seen.role {
                Role::Sidecar => !first && last == Some(index),
                _ => true,
            };
            if !statuses::runs(status) || !(turn || now >= leaving.deadline) {
                continue;
            }
            let is_sidecar = seen.role == Role::Sidecar;
            let exit_code = match (turn, is_sidecar) {
                (false, _) => 137,
                // A sidecar is stopped when the others have ended, and does well.
                (true, true) => 0,
                (true, false) if leaving.killed => 137,
                (true, false) => plan.exit_code(seen, statuses::restarts(status)),
            };
            let end = End {
                exit_code,
                reason: None,
                at: now,
            };
            statuses::end(status, uid, end);
            stopped.push(seen.name());
        }
        if !stopped.is_empty() {
            let message = format!("Stopped {}", stopped.join(", "));
            self.events.push(Event::normal("Killing", message));
        }
        Ok(())
    }

    /// The spec changed: a container whose image did runs anew with the other one (`containerChanged` in `kuberuntime_manager.go`),
    /// and ephemeral containers start.
    fn observe(&mut self) {
        let (plan, uid, now) = (self.plan, self.plan.pod.metadata.uid.as_str(), self.ctx.now);
        let policy = plan.pod.spec.restart_policy.as_str();
        let mut changed = Vec::new();
        for (index, (seen, status)) in plan.seen().zip(self.containers.all_mut()).enumerate() {
            let image = statuses::text(container(self.object, plan, index), "image");
            let same = status.get("image").and_then(Value::as_str) == Some(image);
            if same || image.is_empty() || seen.role == Role::Init {
                continue;
            }
            let killed = End {
                exit_code: 137,
                reason: None,
                at: now,
            };
            // No status says that a container was restarted which may not be.
            if !statuses::runs(status) || !should_restart(seen.container, policy, 137) {
                continue;
            }
            statuses::end(status, uid, killed);
            status.insert("image".into(), image.into());
            status.insert("imageID".into(), "".into());
            statuses::start(status, uid, now);
            changed.push(seen.name());
        }
        for name in changed {
            let message = format!("Container {name} changed, and is restarted");
            self.events.push(Event::normal("Killing", message));
        }
        for status in &mut self.ephemeral {
            if matches!(statuses::state(status), State::Waiting(None)) {
                statuses::start(status, uid, now);
            }
        }
    }

    /// What was allocated is there.
    fn resized(&mut self) {
        let plan = self.plan;
        let (uid, now) = (plan.pod.metadata.uid.as_str(), self.ctx.now);
        for (index, status) in self.containers.all_mut().enumerate() {
            resize::actuate(status, container(self.object, plan, index), uid, now);
        }
        remove(&mut self.conditions, "PodResizeInProgress");
        let message = "Resized the pod".to_owned();
        self.events.push(Event::normal("ResizeCompleted", message));
    }

    fn set(&mut self, kind: &str, status: &str, why: (&str, &str)) {
        let generation = self.plan.pod.metadata.generation;
        set(
            &mut self.conditions,
            kind,
            status,
            why,
            generation,
            self.ctx.now,
        );
    }

    /// Remembers something of a container, or forgets it, in an annotation of the pod.
    fn note(&mut self, memory: &'static str, seen: &Seen<'_>, entry: Option<&str>) {
        let stored = self.plan.pod.metadata.annotations.get(memory);
        let known = self.memory.get(memory).map(String::as_str).or(stored);
        let text = remember(known, seen.name(), entry);
        self.memory.insert(memory, text);
    }
}

/// A container of the spec as it stands there, by its place among all.
fn container<'o>(object: &'o Value, plan: &Plan<'_>, index: usize) -> &'o Value {
    static NONE: Value = Value::Null;
    let inits = plan.inits.len();
    let (at, index) = match index.checked_sub(inits) {
        Some(index) => ("/spec/containers", index),
        None => ("/spec/initContainers", index),
    };
    items(object, at).get(index).unwrap_or(&NONE)
}

/// Sets a condition as the kubelet writes those that it owns.
pub fn set(
    conditions: &mut Vec<Value>,
    kind: &str,
    status: &str,
    why: (&str, &str),
    generation: i64,
    now: Time,
) {
    conditions::set(conditions, kind, status, why, now);
    conditions::change(conditions, kind, |condition| {
        // The API server writes it into every condition of a pod.
        condition.entry("lastProbeTime").or_insert(Value::Null);
        if generation > 0 {
            condition.insert("observedGeneration".into(), generation.into());
        }
    });
}

fn remove(conditions: &mut Vec<Value>, kind: &str) {
    conditions.retain(|condition| statuses::text(condition, "type") != kind);
}

fn names(plan: &Plan<'_>) -> String {
    let names: Vec<&str> = plan.mains.iter().map(Seen::name).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("container{plural} {}", names.join(", "))
}
