//! The next move of one container.

use std::time::Duration;

use stagewright_plugin::Time;

use super::{Plan, Role, Seen};
use crate::annotations::{
    CRASHES, EXIT_REASON, PULL_DELAY, PULL_FAILURES, RUN_FOR, STARTUP_FAILURES, UNHEALTHY,
};
use crate::delays::Stage;
use crate::restart::{NOTICED, back_off, grown, should_restart};
use crate::view::{ContainerStatus, Probe};

/// How long `ErrImagePull` is told before it is `ImagePullBackOff`: about as long as the kubelet takes to look again.
const TOLD: Duration = Duration::from_secs(2);

/// A move and when it is due.
#[derive(Debug)]
pub struct Move<'a> {
    pub what: What<'a>,
    pub due: Time,
}

/// What a container does next.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// It is started for the first time, or once more with all others.
    Start,
    /// It runs again; `calm` if its back-offs begin anew.
    Restart {
        calm: bool,
    },
    Exit(Exit<'a>),
    /// It waits so long before it runs again.
    BackOff(Duration),
    /// Its image did not come, so many times by now.
    PullFail(u32),
    PullBackOff,
    /// Its probes begin to succeed, or to fail.
    Probe {
        up: bool,
    },
    /// It is stopped, since the pod's work is over.
    Stop,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy)]
pub struct Exit<'a> {
    pub code: u8,
    /// None: what the code says.
    pub reason: Option<&'a str>,
    pub cause: Cause,
}

/// Why an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is done, as Jobs' containers are.
    Done,
    /// It was asked for.
    Asked,
    /// The kubelet kills it for its liveness probe.
    Liveness,
    /// The kubelet kills it for its startup probe.
    Startup,
}

// === impl Move ===

impl Move<'_> {
    /// The stage that makes it.
    pub fn stage(&self, role: Role) -> &'static str {
        match self.what {
            What::Start if role == Role::Main => "ready",
            What::Start => "init-start",
            What::Restart { .. } => "restart",
            What::Exit(exit) => match exit.cause {
                Cause::Done if role == Role::Main => "complete",
                Cause::Done => "init-complete",
                _ => "exit",
            },
            What::BackOff(_) => "back-off",
            What::PullFail(_) => "pull-fail",
            What::PullBackOff => "pull-back-off",
            What::Probe { up: true } => "probe",
            What::Probe { up: false } => "unready",
            What::Stop => "stop",
        }
    }
}

// === impl Plan ===

impl<'a> Plan<'a> {
    /// `base`: from when its start is waited for, if it has its turn.
    pub(super) fn next_move(
        &self,
        seen: &Seen<'a>,
        base: Option<Time>,
        finishing: bool,
    ) -> Result<Option<Move<'a>>, String> {
        if finishing {
            return Ok(None);
        }
        let Some(status) = seen.status.filter(|status| !status.is_anew()) else {
            return base.map(|base| self.start(seen, base)).transpose();
        };
        if status.state.running.is_some() {
            return self.while_running(seen, status);
        }
        Ok(self.again(seen, status))
    }

    fn start(&self, seen: &Seen<'a>, base: Time) -> Result<Move<'a>, String> {
        let (name, is_main) = (seen.name(), seen.is_main());
        let failures = self.wishes.count(&PULL_FAILURES, name, is_main);
        let failures = failures.unwrap_or(0);
        let reason = seen.status.and_then(ContainerStatus::waits_for);
        let (done, due) = match (self.pulls(seen), reason) {
            (Some((_, at)), Some("ErrImagePull")) => {
                return Ok(Move {
                    what: What::PullBackOff,
                    due: at + TOLD,
                });
            }
            (Some((done, at)), Some("ImagePullBackOff")) => {
                (done, at + grown(i64::from(done.saturating_sub(1))))
            }
            _ => {
                let (stage, label) = if is_main {
                    (Stage::Ready, "")
                } else {
                    (Stage::InitStart, name)
                };
                let pull = self.wishes.delay(&PULL_DELAY, name, is_main);
                let pull = pull.map_or(Duration::ZERO, |pull| self.steady("pull", name, 0, pull));
                (0, base + self.delay(stage, name, label)? + pull)
            }
        };
        let what = if failures > done {
            What::PullFail(done + 1)
        } else {
            What::Start
        };
        Ok(Move { what, due })
    }

    fn while_running(
        &self,
        seen: &Seen<'a>,
        status: &ContainerStatus<'_>,
    ) -> Result<Option<Move<'a>>, String> {
        let since = status.running_since().unwrap_or(self.ctx.since);
        let exit = self.exit(seen, status, since)?;
        let exit = exit.map(|(due, exit)| Move {
            what: What::Exit(exit),
            due,
        });
        let probe = self.probe(seen, status, since);
        Ok(exit.into_iter().chain(probe).min_by_key(|next| next.due))
    }

    /// The earliest end of the attempt, if it has one.
    fn exit(
        &self,
        seen: &Seen<'a>,
        status: &ContainerStatus<'_>,
        since: Time,
    ) -> Result<Option<(Time, Exit<'a>)>, String> {
        let (name, is_main) = (seen.name(), seen.is_main());
        let attempt = status.restart_count.max(0);
        let fails = self.fails(seen, attempt);
        // A container that is to fail does so by its probe if that is asked for.
        let unhealthy = self.wishes.delay(&UNHEALTHY, name, is_main);
        let unhealthy = unhealthy.filter(|_| fails != Some(false));
        let own = if let Some(delay) = self.wishes.delay(&RUN_FOR, name, is_main) {
            Some((self.steady("run-for", name, attempt, delay), Cause::Asked))
        } else if seen.role == Role::Init {
            let delay = self.delay(Stage::InitComplete, name, name)?;
            Some((delay, Cause::Done))
        } else if fails == Some(true) && unhealthy.is_none() || seen.is_main() && self.completes() {
            // The containers of a Job's pod end together.
            let delay = self.wanted(Stage::Complete, name)?;
            let cause = if fails == Some(true) {
                Cause::Asked
            } else {
                Cause::Done
            };
            Some((self.steady("complete", "", attempt, delay), cause))
        } else {
            None
        };
        let killed = |cause| Exit {
            code: 137,
            reason: None,
            cause,
        };
        let own = own.map(|(delay, cause)| {
            let code = self.exit_code(seen, attempt);
            let cause = if seen.role == Role::Init && code != 0 {
                Cause::Asked
            } else {
                cause
            };
            let reason = self.wishes.container(&EXIT_REASON, name, is_main);
            let reason = reason.filter(|_| fails != Some(false));
            let exit = Exit {
                code,
                reason,
                cause,
            };
            (since + delay, exit)
        });
        let unhealthy = unhealthy.map(|delay| {
            let delay = self.steady("liveness", name, attempt, delay);
            (since + delay, killed(Cause::Liveness))
        });
        let startup = seen.container.startup_probe.as_ref();
        let startup = startup.filter(|_| self.fails_startup(seen, attempt));
        let startup = startup.map(|probe| {
            let tries = Duration::from_secs(probe.period_seconds.into()) * probe.failure_threshold;
            (since + initial(probe) + tries, killed(Cause::Startup))
        });
        let ends = own.into_iter().chain(unhealthy).chain(startup);
        Ok(ends.min_by_key(|(due, _)| *due))
    }

    /// Whether the attempt is one of those that are to fail; none if nobody says how many are.
    fn fails(&self, seen: &Seen<'_>, attempt: i64) -> Option<bool> {
        let crashes = self.wishes.count(&CRASHES, seen.name(), seen.is_main())?;
        Some(attempt < i64::from(crashes))
    }

    /// With what the attempt ends when its time has come.
    pub fn exit_code(&self, seen: &Seen<'_>, attempt: i64) -> u8 {
        let wish = self.wishes.exit_code(seen.name(), seen.is_main());
        match self.fails(seen, attempt) {
            Some(true) => wish.unwrap_or(1),
            Some(false) => 0,
            None => wish.unwrap_or(0),
        }
    }

    /// A Job's pod ends; any other that may end does so if it is told when.
    fn completes(&self) -> bool {
        let policy = self.pod.spec.restart_policy.as_str();
        let annotations = &self.pod.metadata.annotations;
        let told = || annotations.get(Stage::Complete.annotation()).is_some();
        self.pod.is_of_a_job() || matches!(policy, "Never" | "OnFailure") && told()
    }

    fn fails_startup(&self, seen: &Seen<'_>, attempt: i64) -> bool {
        let failures = self
            .wishes
            .count(&STARTUP_FAILURES, seen.name(), seen.is_main());
        attempt < failures.map_or(0, i64::from)
    }

    fn probe(
        &self,
        seen: &Seen<'_>,
        status: &ContainerStatus<'_>,
        since: Time,
    ) -> Option<Move<'a>> {
        if seen.role == Role::Init {
            return None;
        }
        let (started, ready) = self.probed(seen, status.restart_count, since)?;
        let up = What::Probe { up: true };
        let next = |what, due| Some(Move { what, due });
        if status.started != Some(true) {
            return next(up, started);
        }
        match (status.ready, self.is_held_unready(seen)) {
            (true, true) => next(What::Probe { up: false }, since),
            (false, false) => next(up, ready),
            _ => None,
        }
    }

    /// When the container that runs since then counts as started and as ready, as far as its probes go; none if it never does.
    ///
    /// A probe succeeds the first time it is tried, which is after its initial delay; readiness is not tried before the startup
    /// probe succeeded (`doProbe` in kubelet/prober/worker.go).
    pub fn probed(&self, seen: &Seen<'_>, attempt: i64, since: Time) -> Option<(Time, Time)> {
        if seen.container.startup_probe.is_some() && self.fails_startup(seen, attempt.max(0)) {
            return None;
        }
        let startup = seen.container.startup_probe.as_ref();
        let started = since + startup.map_or(Duration::ZERO, initial);
        let readiness = seen.container.readiness_probe.as_ref();
        let ready = readiness.map_or(started, |probe| {
            let more = Duration::from_secs(probe.period_seconds.into());
            (since + initial(probe)).max(started) + more * probe.success_threshold.saturating_sub(1)
        });
        Some((started, ready))
    }

    /// What a container that ended does.
    fn again(&self, seen: &Seen<'a>, status: &ContainerStatus<'_>) -> Option<Move<'a>> {
        let end = status.ended()?;
        let policy = self.pod.spec.restart_policy.as_str();
        let done = seen.role == Role::Init && end.exit_code == 0;
        if done || !should_restart(seen.container, policy, end.exit_code) {
            return None;
        }
        let finished = end.finished().unwrap_or(self.ctx.since);
        let (wait, calm) = back_off(status, end, self.calm(seen));
        let (what, wait) = match status.state.terminated {
            Some(_) if !wait.is_zero() => (What::BackOff(wait), NOTICED),
            _ => (What::Restart { calm }, wait.max(NOTICED)),
        };
        Some(Move {
            what,
            due: finished + wait,
        })
    }
}

fn initial(probe: &Probe) -> Duration {
    Duration::from_secs(probe.initial_delay_seconds.into())
}
