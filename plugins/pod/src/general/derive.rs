//! What follows from what the containers are.

use serde_json::{Map, Value, json};
use stagewright_plugin::{Effect, Event, Patch, conditions};

use super::{Play, container, remove};
use crate::plan::Role;
use crate::resize;
use crate::restart::may_restart_all;
use crate::statuses::{self, End, Status};
use crate::view::RESTARTING_ALL;

/// The most Events of one play.
const MOST_EVENTS: usize = 8;

impl Play<'_> {
    /// Everything that follows from what the containers are now.
    pub(super) fn finish(mut self) -> Vec<Effect> {
        self.probe();
        let before = self.plan.pod.status.phase.as_ref();
        let before = before.map_or("Pending", |phase| phase.as_str());
        let deleting = self.plan.pod.metadata.deletion_timestamp.is_some();
        let stopped = !self.containers.any_runs();
        let ended = (deleting || self.over.is_some()) && stopped;
        if ended {
            self.containers.settle(self.plan);
        }
        let mut phase = self.containers.phase(self.plan, ended);
        let terminal = |phase: &str| matches!(phase, "Succeeded" | "Failed");
        if terminal(phase) && !stopped || before == "Running" && phase == "Pending" {
            // No pod has ended while a container runs (`mergePodStatus` in status_manager.go), and none goes back.
            phase = if before == "Running" {
                "Running"
            } else {
                "Pending"
            };
        }
        if let Some(over) = &self.over {
            phase = "Failed";
            self.status.insert("reason".into(), over.reason.into());
            self.status
                .insert("message".into(), over.message.as_str().into());
        }
        if terminal(phase) && !ended {
            self.containers.settle(self.plan);
        }
        if terminal(phase) {
            self.end_ephemeral();
        }
        self.status.insert("phase".into(), phase.into());
        self.announce();
        self.derive(phase);
        self.write()
    }

    /// Whoever looks into a pod is put out when it ends.
    fn end_ephemeral(&mut self) {
        let end = End {
            exit_code: 0,
            reason: None,
            at: self.ctx.now,
        };
        let uid = self.plan.pod.metadata.uid.as_str();
        for status in self
            .ephemeral
            .iter_mut()
            .filter(|status| statuses::runs(status))
        {
            statuses::end(status, uid, end);
        }
    }

    /// What the probes say of containers that run.
    fn probe(&mut self) {
        let (plan, now) = (self.plan, self.ctx.now);
        for (seen, status) in plan.seen().zip(self.containers.all_mut()) {
            let Some(since) = statuses::running_since(status) else {
                continue;
            };
            if seen.role == Role::Init {
                status.insert("started".into(), true.into());
                continue;
            }
            let times = plan.probed(seen, statuses::restarts(status), since);
            let was_started = statuses::is(status, "started");
            let (started, ready) = match times {
                Some((started, ready)) => (started <= now || was_started, ready <= now),
                None => (was_started, false),
            };
            let ready = started && ready && !plan.is_held_unready(seen);
            status.insert("started".into(), started.into());
            status.insert("ready".into(), ready.into());
        }
    }

    /// The Event of main containers that started for the first time.
    fn announce(&mut self) {
        let plan = self.plan;
        let pairs = plan.mains.iter().zip(&self.containers.mains);
        let started = pairs.filter(|(seen, status)| {
            let waited = seen.status.is_none_or(|status| status.is_anew());
            waited && statuses::runs(status)
        });
        let started: Vec<&str> = started.map(|(seen, _)| seen.name()).collect();
        if !started.is_empty() {
            let plural = if started.len() == 1 { "" } else { "s" };
            let message = format!("Started container{plural} {}", started.join(", "));
            self.events.push(Event::normal("Started", message));
        }
    }

    /// The conditions, and what was observed.
    fn derive(&mut self, phase: &str) {
        let plan = self.plan;
        let over = match phase {
            "Succeeded" => Some("PodCompleted"),
            "Failed" => Some("PodFailed"),
            _ => None,
        };
        let sandbox = if over.is_some() { "False" } else { "True" };
        self.set("PodReadyToStartContainers", sandbox, ("", ""));
        self.set_initialized(phase);
        self.set_ready(over);
        let mut rules = plan.seen().map(|seen| seen.container);
        if rules.any(may_restart_all) {
            let waits = |status: &Status| statuses::waits_for(status) == RESTARTING_ALL;
            let begins = !self.containers.any_runs() && self.containers.all().any(waits);
            if !begins || over.is_some() {
                let reason = over.unwrap_or_default();
                self.set("AllContainersRestarting", "False", (reason, ""));
            }
        }
        self.observe_resize(over.is_some());
        let generation = plan.pod.metadata.generation;
        if generation > 0 {
            self.status
                .insert("observedGeneration".into(), generation.into());
        }
    }

    /// `GeneratePodInitializedCondition` in kubelet/status/generate.go: never taken back.
    fn set_initialized(&mut self, phase: &str) {
        let waiting = self.containers.uninitialized(self.plan);
        let waiting: Vec<String> = waiting.into_iter().map(str::to_owned).collect();
        let was = conditions::status(&self.conditions, "Initialized") == "True";
        match phase {
            "Succeeded" => self.set("Initialized", "True", ("PodCompleted", "")),
            _ if was || waiting.is_empty() || self.containers.have_begun() => {
                self.set("Initialized", "True", ("", ""))
            }
            _ => {
                let message = format!("init containers that are not done: {}", waiting.join(", "));
                self.set(
                    "Initialized",
                    "False",
                    ("ContainersNotInitialized", &message),
                );
            }
        }
    }

    /// `GeneratePodReadyCondition` and `GenerateContainersReadyCondition` in kubelet/status/generate.go.
    fn set_ready(&mut self, over: Option<&'static str>) {
        let plan = self.plan;
        if let Some(reason) = over {
            for kind in ["Ready", "ContainersReady"] {
                self.set(kind, "False", (reason, ""));
            }
            return;
        }
        let unready = self.containers.unready(plan);
        if !unready.is_empty() {
            let message = format!("containers that are not ready: {}", unready.join(", "));
            for kind in ["Ready", "ContainersReady"] {
                self.set(kind, "False", ("ContainersNotReady", &message));
            }
            return;
        }
        self.set("ContainersReady", "True", ("", ""));
        let gates = plan.pod.spec.readiness_gates.iter();
        let gates: Vec<&str> = gates.map(|gate| gate.condition_type.as_str()).collect();
        // Nobody but us would ever open the gates of a pod that runs nothing, unless the user says so.
        for gate in gates.iter().filter(|_| plan.opens_gates()) {
            if conditions::find(&self.conditions, gate).is_none() {
                self.set(gate, "True", ("", ""));
            }
        }
        let closed = gates.into_iter();
        let closed = closed.filter(|gate| conditions::status(&self.conditions, gate) != "True");
        let closed: Vec<&str> = closed.collect();
        if closed.is_empty() {
            // On a node that is not Ready no pod becomes so.
            let was = conditions::status(&self.conditions, "Ready");
            if was != "False" || plan.node_is_ready().unwrap_or(true) {
                self.set("Ready", "True", ("", ""));
            }
            return;
        }
        let message = format!("readiness gates that are not True: {}", closed.join(", "));
        self.set("Ready", "False", ("ReadinessGatesNotReady", &message));
    }

    /// Whether what the spec asks for is allocated (`handlePodResourcesResize` in kubelet/allocation).
    fn observe_resize(&mut self, over: bool) {
        let plan = self.plan;
        let deleting = plan.pod.metadata.deletion_timestamp.is_some();
        if over {
            remove(&mut self.conditions, "PodResizePending");
            remove(&mut self.conditions, "PodResizeInProgress");
        }
        if over || deleting {
            return;
        }
        let doing = conditions::find(&self.conditions, "PodResizeInProgress").is_some();
        let mut asked = false;
        for (index, (seen, status)) in plan.seen().zip(self.containers.all()).enumerate() {
            let spec = container(self.object, plan, index);
            asked |= seen.role != Role::Init && resize::is_asked(status, spec, doing);
        }
        if !asked {
            return remove(&mut self.conditions, "PodResizePending");
        }
        if let Some((reason, message)) = plan.refused_resize() {
            let event = format!("Resize{reason}");
            if conditions::find(&self.conditions, "PodResizePending").is_none() {
                self.events.push(Event::warning(event, message));
            }
            return self.set("PodResizePending", "True", (reason, message));
        }
        for (index, status) in self.containers.all_mut().enumerate() {
            resize::grant(status, container(self.object, plan, index));
        }
        remove(&mut self.conditions, "PodResizePending");
        // Its time is the one from which the resize is waited for, also if another one was under way.
        remove(&mut self.conditions, "PodResizeInProgress");
        self.set("PodResizeInProgress", "True", ("", ""));
        let message = "Resizes the pod".to_owned();
        self.events.push(Event::normal("ResizeStarted", message));
    }

    fn write(mut self) -> Vec<Effect> {
        let lists = [
            ("initContainerStatuses", self.containers.inits),
            ("containerStatuses", self.containers.mains),
            ("ephemeralContainerStatuses", self.ephemeral),
        ];
        for (field, statuses) in lists {
            if !statuses.is_empty() {
                let statuses = statuses.into_iter().map(Value::Object);
                self.status.insert(field.into(), statuses.collect());
            }
        }
        self.status
            .insert("conditions".into(), self.conditions.into());
        let annotations = self.memory.into_iter().map(|(key, text)| {
            let text = if text.is_empty() {
                Value::Null
            } else {
                text.into()
            };
            (key.to_owned(), text)
        });
        let annotations: Map<String, Value> = annotations.collect();
        let body = if annotations.is_empty() {
            json!({ "status": self.status })
        } else {
            json!({ "metadata": { "annotations": annotations }, "status": self.status })
        };
        // A play has at most 16 effects, and a pod may have more containers than that.
        let events = self.events.into_iter().take(MOST_EVENTS);
        let events = events.map(Effect::from);
        let patch = Patch::merge(body).on("status");
        events.chain([patch.into()]).collect()
    }
}
