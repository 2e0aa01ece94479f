//! What comes next in the general life of a pod, and when: each container has at most one next move of its own, and the pod's next
//! stage is the earliest of them, or one of the pod's own.
//!
//! Deciding and playing share this: a play makes every move that is due by then, so that what comes at once is written at once.

mod container;
mod leave;

use std::time::Duration;

use stagewright_plugin::{Answer, Context, Delay, Related, Time, Value, chance_of, conditions};

use crate::annotations::{CALM, EVICT, GATES, NOT_READY, PULLS, RESIZE, Wishes};
use crate::delays::{self, Stage, USUAL};
use crate::restart::{NOTICED, restarts_all, should_restart};
use crate::settings::Settings;
use crate::view::{Container, ContainerStatus, Pod, instant};

pub use container::{Cause, Exit, Move, What};
pub use leave::gone;

/// What a container is in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs once, in its turn.
    Init,
    /// A restartable init container: starts in its turn and runs on.
    Sidecar,
    /// One of `spec.containers`.
    Main,
}

/// A container of the spec, with its status if it has one.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub container: &'a Container<'a>,
    pub status: Option<&'a ContainerStatus<'a>>,
    pub role: Role,
}

/// The next move of each container, in the order of the spec.
#[derive(Debug)]
pub struct Moves<'a> {
    pub inits: Vec<Option<Move<'a>>>,
    pub mains: Vec<Option<Move<'a>>>,
}

/// A pod, and what is asked of it.
#[derive(Debug)]
pub struct Plan<'a> {
    pub settings: &'a Settings,
    pub pod: &'a Pod<'a>,
    pub ctx: &'a Context,
    pub wishes: Wishes<'a>,
    pub inits: Vec<Seen<'a>>,
    pub mains: Vec<Seen<'a>>,
}

/// The earliest stage so far.
type Earliest = Option<(Time, &'static str)>;

fn consider(earliest: &mut Earliest, due: Time, stage: &'static str) {
    if earliest.is_none_or(|(known, _)| due < known) {
        *earliest = Some((due, stage));
    }
}

// === impl Seen ===

impl Seen<'_> {
    pub fn name(&self) -> &str {
        self.container.name.as_str()
    }

    pub fn is_main(&self) -> bool {
        self.role == Role::Main
    }

    pub fn is_running(&self) -> bool {
        self.status
            .is_some_and(|status| status.state.running.is_some())
    }

    /// Whether an init container lets the next one start.
    fn is_passed(&self) -> bool {
        let Some(status) = self.status else {
            return false;
        };
        match self.role {
            Role::Sidecar => self.is_running() && status.started == Some(true),
            _ => status
                .state
                .terminated
                .as_ref()
                .is_some_and(|end| end.exit_code == 0),
        }
    }

    /// Whether it was ever started, as far as the pod's present round goes.
    fn has_begun(&self) -> bool {
        self.status.is_some_and(|status| !status.is_anew())
    }

    /// Whether it ended and will not run again.
    fn is_over(&self, policy: &str) -> bool {
        let end = self.status.and_then(ContainerStatus::ended);
        end.is_some_and(|end| !should_restart(self.container, policy, end.exit_code))
    }

    /// When it came to where it is.
    fn moved(&self) -> Option<Time> {
        let status = self.status?;
        let ended = status.ended().and_then(|end| end.finished());
        status.running_since().or(ended)
    }
}

// === impl Plan ===

impl<'a> Plan<'a> {
    /// Errors say what is wrong with the pod.
    pub fn new(settings: &'a Settings, pod: &'a Pod<'a>, ctx: &'a Context) -> Result<Self, String> {
        let wishes = Wishes::new(&pod.metadata.annotations, settings);
        wishes.check(pod)?;
        let seen = |container: &'a Container<'a>, statuses: &'a [ContainerStatus<'a>], role| Seen {
            container,
            status: statuses.iter().find(|status| status.name == container.name),
            role,
        };
        let inits = pod.spec.init_containers.iter().map(|container| {
            let role = if container.is_sidecar() {
                Role::Sidecar
            } else {
                Role::Init
            };
            seen(container, &pod.status.init_container_statuses, role)
        });
        let mains = pod.spec.containers.iter();
        let mains =
            mains.map(|container| seen(container, &pod.status.container_statuses, Role::Main));
        Ok(Self {
            settings,
            pod,
            ctx,
            wishes,
            inits: inits.collect(),
            mains: mains.collect(),
        })
    }

    /// The next stage of a pod that neither ended nor is being deleted.
    pub fn next(&self) -> Result<Answer, String> {
        let mut earliest = None;
        if self.is_evicted() {
            consider(&mut earliest, self.ctx.since, "evict");
        }
        if let (Some(started), Some(seconds)) =
            (self.pod.started(), self.pod.spec.active_deadline_seconds)
        {
            consider(
                &mut earliest,
                started + Duration::from_secs(seconds),
                "deadline",
            );
        }
        if !self.is_created() {
            let bound = self
                .pod
                .scheduled()
                .map_or(self.ctx.since, |bound| bound.max(self.ctx.since));
            let delay = self.delay(Stage::Create, "", "")?;
            consider(&mut earliest, bound + delay, "create");
        } else if let Some(due) = self.restarts_all() {
            consider(&mut earliest, due, "restart-all");
        } else {
            self.consider_containers(&mut earliest)?;
            self.consider_pod(&mut earliest)?;
        }
        Ok(match earliest {
            Some((due, stage)) => Answer::stage(stage, due),
            None => Answer::idle("the pod runs"),
        })
    }

    fn consider_containers(&self, earliest: &mut Earliest) -> Result<(), String> {
        let moves = self.moves()?;
        let pairs = self.inits.iter().zip(&moves.inits);
        for (seen, next) in pairs.chain(self.mains.iter().zip(&moves.mains)) {
            if let Some(next) = next {
                consider(earliest, next.due, next.stage(seen.role));
            }
        }
        if self.is_finishing() && !self.seen().any(Seen::is_running) {
            consider(earliest, self.quiet_since() + NOTICED, "stop");
        }
        Ok(())
    }

    /// What concerns the pod as a whole: its spec, its resize, its readiness.
    fn consider_pod(&self, earliest: &mut Earliest) -> Result<(), String> {
        let now = self.ctx.since;
        // Who brought the pod here without saying what he observed need not be set right.
        if self.pod.metadata.generation > self.pod.status.observed_generation
            && self.pod.status.observed_generation > 0
        {
            consider(earliest, now, "observe");
        }
        if let Some(pending) = self.pod.condition("PodResizePending")
            && self
                .refused_resize()
                .is_none_or(|(reason, _)| reason != pending.reason.as_str())
        {
            consider(earliest, now, "observe");
        }
        if let Some(resize) = self.pod.condition("PodResizeInProgress") {
            let begun = instant(resize.last_transition_time.as_ref()).unwrap_or(now);
            let delay = delays::annotated(
                Stage::Resize,
                "",
                &self.pod.metadata.annotations,
                self.settings.delay(Stage::Resize, USUAL),
            )?;
            consider(
                earliest,
                begun + self.steady("resize", "", 0, delay),
                "resize",
            );
        }
        let ready = self.mains.iter().chain(self.sidecars());
        let known = self.mains.iter().all(|seen| seen.status.is_some());
        let ready = known
            && ready
                .into_iter()
                .all(|seen| seen.status.is_some_and(|status| status.ready))
            && self.gates_are_open();
        let said = self
            .pod
            .condition("Ready")
            .is_some_and(|condition| condition.status.as_str() == "True");
        if known && ready != said && (said || self.node_is_ready()?) {
            consider(earliest, now, if ready { "probe" } else { "unready" });
        }
        Ok(())
    }

    /// The next move of each container.
    pub fn moves(&self) -> Result<Moves<'a>, String> {
        let finishing = self.is_finishing();
        let turn = self.turn();
        let mut base = self.begun();
        let mut inits = Vec::with_capacity(self.inits.len());
        for (index, seen) in self.inits.iter().enumerate() {
            let mine = turn == Some(index) || turn.is_none() && seen.role == Role::Sidecar;
            inits.push(self.next_move(seen, mine.then_some(base), finishing)?);
            base = base.max(seen.moved().unwrap_or(base));
        }
        if finishing {
            self.stop_last(&mut inits);
        }
        let start = turn.is_none().then_some(base);
        let mains = self.mains.iter();
        let mains = mains.map(|seen| self.next_move(seen, start, finishing));
        Ok(Moves {
            inits,
            mains: mains.collect::<Result<_, _>>()?,
        })
    }

    /// The sidecars of a pod whose work is over go one after the other, the last one first (`newTerminationOrdering` in
    /// `kuberuntime_termination_order.go`).
    fn stop_last(&self, inits: &mut [Option<Move<'a>>]) {
        let last = self.inits.iter().rposition(Seen::is_running);
        for (index, next) in inits.iter_mut().enumerate() {
            *next = (last == Some(index)).then(|| Move {
                what: What::Stop,
                due: self.quiet_since() + NOTICED,
            });
        }
    }

    /// Which init container is to be started or waited for; none once the main containers have their turn.
    fn turn(&self) -> Option<usize> {
        if self.mains.iter().any(Seen::has_begun) {
            return None;
        }
        self.inits.iter().position(|seen| !seen.is_passed())
    }

    /// Whether its work is over: an init container failed for good, or all main containers ended for good.
    pub fn is_finishing(&self) -> bool {
        let policy = self.pod.spec.restart_policy.as_str();
        let failed = |seen: &Seen<'_>| {
            let end = seen.status.and_then(ContainerStatus::ended);
            seen.role == Role::Init
                && seen.is_over(policy)
                && end.is_some_and(|end| end.exit_code != 0)
        };
        self.inits.iter().any(failed)
            || !self.mains.is_empty() && self.mains.iter().all(|seen| seen.is_over(policy))
    }

    /// When a container ended whose rule restarts all of them, and the kubelet has seen it.
    fn restarts_all(&self) -> Option<Time> {
        let ended = self.seen().filter_map(|seen| {
            let end = seen.status?.state.terminated.as_ref()?;
            restarts_all(seen.container, end.exit_code)
                .then(|| end.finished().unwrap_or(self.ctx.since))
        });
        ended.min().map(|ended| ended + NOTICED)
    }

    /// Whether the kubelet has made the pod's sandbox and says how its containers are.
    pub fn is_created(&self) -> bool {
        let status = &self.pod.status;
        let phase = status.phase.as_ref().map_or("", |phase| phase.as_str());
        phase == "Running"
            || !status.container_statuses.is_empty()
            || !status.init_container_statuses.is_empty()
    }

    /// From when the first container is waited for: the sandbox, or the moment at which all began anew.
    fn begun(&self) -> Time {
        let started = self.pod.started().unwrap_or(self.ctx.since);
        let anew = self.pod.condition("AllContainersRestarting");
        let anew = anew.and_then(|condition| instant(condition.last_transition_time.as_ref()));
        started.max(anew.unwrap_or(started))
    }

    /// When the last container that ended did so.
    fn quiet_since(&self) -> Time {
        let ended = |seen: &Seen<'_>| seen.status?.ended()?.finished();
        let ended = self.seen().filter_map(ended).max();
        ended.unwrap_or(self.ctx.since)
    }

    pub fn seen(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.inits.iter().chain(&self.mains)
    }

    fn sidecars(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.inits.iter().filter(|seen| seen.role == Role::Sidecar)
    }

    fn is_evicted(&self) -> bool {
        self.wishes
            .pod(&EVICT)
            .is_some_and(|text| !matches!(text, "" | "false"))
    }

    /// Whether the plugin opens the gates that nobody speaks of.
    pub fn opens_gates(&self) -> bool {
        self.wishes.pod(&GATES) != Some("wait")
    }

    fn gates_are_open(&self) -> bool {
        let opens = self.opens_gates();
        self.pod.spec.readiness_gates.iter().all(|gate| {
            let condition = self.pod.condition(gate.condition_type.as_str());
            condition.map_or(opens, |condition| condition.status.as_str() == "True")
        })
    }

    /// Whether the pod's node is Ready, as far as is known. While it is not, the node lifecycle controller has the word on whether its
    /// pods are (`MarkPodsNotReady` in pkg/controller/util/node).
    pub fn node_is_ready(&self) -> Result<bool, String> {
        let nodes = self.ctx.related("node")?;
        let ready = |node: &Related| {
            let conditions = node.object.pointer("/status/conditions");
            let conditions = conditions.and_then(Value::as_array).map(Vec::as_slice);
            conditions::status(conditions.unwrap_or_default(), "Ready") == "True"
        };
        Ok(nodes.first().is_none_or(ready))
    }

    /// Why a resize is not granted, if it is not: the reason of the condition, and its message.
    pub fn refused_resize(&self) -> Option<(&'static str, &'static str)> {
        match self.wishes.pod(&RESIZE)? {
            "deferred" => Some((
                "Deferred",
                "the annotation stagewright.dev/pod.resize says that the node has no room for it now",
            )),
            "infeasible" => Some((
                "Infeasible",
                "the annotation stagewright.dev/pod.resize says that the node will never have room for it",
            )),
            _ => None,
        }
    }

    /// Whether a container's readiness probe fails.
    pub fn is_held_unready(&self, seen: &Seen<'_>) -> bool {
        let wish = self
            .wishes
            .container(&NOT_READY, seen.name(), seen.is_main());
        wish == Some("true")
    }

    /// The restart count from which a container's back-offs are counted.
    pub fn calm(&self, seen: &Seen<'_>) -> i64 {
        let memory = self.wishes.memory(CALM, seen.name());
        memory.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// How often a container's image did not come, and when it did not last.
    pub fn pulls(&self, seen: &Seen<'_>) -> Option<(u32, Time)> {
        let (count, at) = self.wishes.memory(PULLS, seen.name())?.split_once('@')?;
        Some((count.parse().ok()?, Time::parse(at)?))
    }

    /// How long a stage is waited for. Drawn by stage and container, since two of them may begin in one second.
    fn delay(&self, stage: Stage, container: &str, label: &str) -> Result<Duration, String> {
        let delay = self.wanted(stage, container)?;
        if delay.min == delay.max {
            return Ok(delay.min);
        }
        Ok(self.ctx.draw(&[stage.name(), label].join("/"), delay))
    }

    fn wanted(&self, stage: Stage, container: &str) -> Result<Delay, String> {
        let delay = self.settings.delay(stage, USUAL);
        delays::annotated(stage, container, &self.pod.metadata.annotations, delay)
    }

    /// A draw that nothing else in the pod moves: several containers have such delays at one time, each for itself.
    fn steady(&self, label: &str, container: &str, attempt: i64, delay: Delay) -> Duration {
        if delay.min == delay.max {
            return delay.min;
        }
        let uid = self.pod.metadata.uid.as_str();
        let chance = chance_of(&[uid, label, container, &attempt.to_string()]);
        delay.min + (delay.max - delay.min).mul_f64(chance)
    }
}
