//! What the containers' statuses say of the pod, as the kubelet has it.

use crate::plan::{Plan, Role, Seen};
use crate::restart::should_restart;
use crate::statuses::{State, Status, is, runs, state};

/// The statuses of a pod's containers, in the order of its spec.
#[derive(Debug)]
pub struct Containers {
    pub inits: Vec<Status>,
    pub mains: Vec<Status>,
}

// === impl Containers ===

impl Containers {
    pub fn all(&self) -> impl Iterator<Item = &Status> {
        self.inits.iter().chain(&self.mains)
    }

    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Status> {
        self.inits.iter_mut().chain(&mut self.mains)
    }

    /// Whether any container still runs.
    pub fn any_runs(&self) -> bool {
        self.all().any(runs)
    }

    /// Whether a main container ever ran (`HasAnyRegularContainerStarted` in kubelet/container/helpers.go).
    pub fn have_begun(&self) -> bool {
        let fresh = |status: &Status| matches!(state(status), State::Waiting(None));
        self.mains.iter().any(|status| !fresh(status))
    }

    /// The names of the init containers that the main ones wait for.
    pub fn uninitialized<'s>(&'s self, plan: &'s Plan<'_>) -> Vec<&'s str> {
        let pairs = plan.inits.iter().zip(&self.inits);
        let waits = pairs.filter(|(seen, status)| match seen.role {
            Role::Sidecar => !is(status, "started"),
            _ => !is(status, "ready"),
        });
        waits.map(|(seen, _)| seen.name()).collect()
    }

    /// The names of the containers that must be ready, and are not.
    pub fn unready<'s>(&'s self, plan: &'s Plan<'_>) -> Vec<&'s str> {
        let counts =
            |(seen, status): &(&Seen<'_>, &Status)| seen.role != Role::Init && !is(status, "ready");
        plan.seen()
            .zip(self.all())
            .filter(counts)
            .map(|(seen, _)| seen.name())
            .collect()
    }

    /// The phase (`getPhase` in `kubelet_pods.go`). `ended`: nothing will be restarted.
    pub fn phase(&self, plan: &Plan<'_>, ended: bool) -> &'static str {
        let policy = plan.pod.spec.restart_policy.as_str();
        let begun = self.have_begun();
        let (mut pending, mut failed, mut running) = (false, false, 0);
        for (seen, status) in plan.inits.iter().zip(&self.inits) {
            let ends_badly =
                |code: i64| code != 0 && (ended || !should_restart(seen.container, policy, code));
            match (seen.role, state(status)) {
                (Role::Sidecar, State::Running) => {
                    running += 1;
                    pending |= !is(status, "started") && !begun;
                }
                (Role::Sidecar, State::Waiting(None)) => pending = true,
                (Role::Sidecar, _) => {}
                (_, State::Running | State::Waiting(None)) => pending = true,
                (_, State::Terminated(code) | State::Waiting(Some(code))) => {
                    failed |= ends_badly(code)
                }
            }
        }
        let (mut stopped, mut succeeded, mut again) = (0, 0, false);
        for (seen, status) in plan.mains.iter().zip(&self.mains) {
            match state(status) {
                State::Running => running += 1,
                State::Waiting(None) => pending = true,
                State::Terminated(code) | State::Waiting(Some(code)) => {
                    stopped += 1;
                    succeeded += usize::from(code == 0);
                    again |= should_restart(seen.container, policy, code);
                }
            }
        }
        match () {
            () if failed => "Failed",
            () if pending && !ended => "Pending",
            () if running > 0 || again && !ended => "Running",
            () if stopped > 0 && stopped == succeeded => "Succeeded",
            () => "Failed",
        }
    }

    /// Nothing runs any more, and nothing will: what did not end is lost (`TerminatePod` in `status_manager.go`). Main containers
    /// that never had their turn stay as they are, and so do the init containers behind the last that had.
    pub fn settle(&mut self, plan: &Plan<'_>) {
        let ended = |status: &Status| matches!(state(status), State::Terminated(_));
        let initialized = self.have_begun() || self.uninitialized(plan).is_empty();
        let tried = |status: &Status| !matches!(state(status), State::Waiting(None));
        let tried = self.inits.iter().rposition(tried).unwrap_or(0) + 1;
        let inits = self.inits.iter_mut().take(tried);
        let mains = self.mains.iter_mut().filter(|_| initialized);
        for status in inits.chain(mains).filter(|status| !ended(status)) {
            crate::statuses::lose(status);
        }
    }
}
