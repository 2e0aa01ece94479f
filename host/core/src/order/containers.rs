//! Containers: each has a restart count and a step within that attempt.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::breach::{Breach, Mend};
use super::model::{number, text_at};
use super::restart::Policy;
use crate::json::At as _;

/// Where a pod lists containers, and where their statuses.
const LISTS: [(List, &str, &str); 3] = [
    (
        List::Init,
        "/spec/initContainers",
        "/status/initContainerStatuses",
    ),
    (
        List::Regular,
        "/spec/containers",
        "/status/containerStatuses",
    ),
    (
        List::Ephemeral,
        "/spec/ephemeralContainers",
        "/status/ephemeralContainerStatuses",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Init,
    Regular,
    Ephemeral,
}

/// How far an attempt to run a container has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
enum Step {
    Waiting,
    Running,
    Terminated,
    /// Waiting for the next attempt, with the end of this one in `lastState`.
    BackOff,
}

/// How far one container has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    list: List,
    name: Box<str>,
    restarts: i64,
    step: Step,
    /// Whether it has a status.
    told: bool,
    /// Whether another attempt is allowed: after the end it had, or, before that, after any.
    may_restart: bool,
}

/// What the pod is when its containers move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pod {
    pub ended: bool,
    pub deleting: bool,
    /// Whether this very move ends it.
    pub ends: bool,
}

/// All containers of the pod's spec, in its order, and behind them what has a status alone. A container without a status waits; one
/// that has nothing but a status has no policy by which it might run again (`ValidateContainerStateTransition`).
pub(super) fn of(pod: &Value) -> Box<[Container]> {
    let policy = Policy::of(pod);
    let mut found = Vec::new();
    for (list, spec, statuses) in LISTS {
        let items = |at| pod.at(at).and_then(Value::as_array).into_iter().flatten();
        let first = found.len();
        for container in items(spec) {
            let name = text_at(container, "/name");
            let found_status = status(pod, statuses, name);
            let told = found_status.is_some();
            let status = found_status.unwrap_or(&Value::Null);
            let (step, end) = step(status);
            let may_restart = match (list, end.map(|end| end.get("exitCode").and_then(number))) {
                (List::Ephemeral, _) => false,
                (_, Some(code)) => policy.after_exit(container, code.unwrap_or(0)),
                (_, None) => policy.ever(container),
            };
            let restarts = status.get("restartCount").and_then(number).unwrap_or(0);
            found.push(Container {
                list,
                name: name.into(),
                restarts,
                step,
                told,
                may_restart,
            });
        }
        for status in items(statuses) {
            let name = status
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let mut known = found.iter().skip(first);
            if known.any(|container: &Container| &*container.name == name) {
                continue;
            }
            found.push(Container {
                list,
                name: name.into(),
                restarts: status.get("restartCount").and_then(number).unwrap_or(0),
                step: step(status).0,
                told: true,
                may_restart: list != List::Ephemeral && policy.all(),
            });
        }
    }
    found.into()
}

/// The moves that are backward within one epoch.
pub(super) fn breaches(from: &[Container], to: &[Container], pod: Pod) -> Vec<Breach> {
    let next = |from: &Container| {
        to.iter()
            .find(|to| to.list == from.list && to.name == from.name)
    };
    from.iter()
        .filter_map(|from| match next(from) {
            Some(to) => breach(from, to, pod),
            None => from.lost(),
        })
        .collect()
}

fn breach(from: &Container, to: &Container, pod: Pod) -> Option<Breach> {
    let rule = if to.restarts < from.restarts {
        "RestartCountFell"
    } else if pod.ended && from.step != Step::Running && to.step == Step::Running {
        "StartedAfterEnd"
    } else if to.restarts > from.restarts {
        // The kubelet counts one on when it lost a running container, and does not start it (kubelet_pods.go, exit code 137). From
        // that end it may wait for the next attempt, so it may be seen waiting at once.
        let waits = to.step == Step::BackOff && from.may_restart;
        let lost = from.step < Step::Terminated && (to.step == Step::Terminated || waits);
        if lost || (from.may_restart && !pod.ended && !pod.deleting) {
            return None;
        }
        "RestartNotAllowed"
    } else if pod.ends && from.step == Step::BackOff && to.step == Step::Terminated {
        // The next attempt never comes (`TerminatePod` in status_manager.go); the pod ends once, so this is done once.
        return None;
    } else if from.step == Step::Terminated && to.step == Step::BackOff && !from.may_restart {
        // There is nothing to wait for; the API server refuses it too (`ValidateContainerStateTransition`).
        "RestartNotAllowed"
    } else if to.step < from.step || (!from.may_restart && to.may_restart) {
        // The latter: an end that forbids another attempt gives way to one that allows it.
        "ContainerBackward"
    } else if to.told {
        return None;
    } else {
        return from.lost();
    };
    Some(Breach::new(rule, from.path(), from, to))
}

/// Takes back what templates lose: restart counts that fall, and `started` within an attempt.
pub(super) fn mend(before: &Value, after: &mut Value, mends: &mut Vec<Mend>) {
    for (_, _, at) in LISTS {
        for new in after
            .pointer_mut(at)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let name = text_at(new, "/name").to_owned();
            let (Some(old), Some(new)) = (status(before, at, &name), new.as_object_mut()) else {
                continue;
            };
            let restarts = |status: Option<&Value>| status.and_then(number).unwrap_or(0);
            let stored = old.get("restartCount");
            if restarts(stored) > restarts(new.get("restartCount")) {
                let was =
                    stored.and_then(|count| new.insert("restartCount".to_owned(), count.clone()));
                mends.push(Mend::new(
                    "RestartCount",
                    format!("{at}/{name}/restartCount"),
                    was.as_ref(),
                    stored,
                ));
            }
            let running =
                |status: Option<&Value>| status.is_some_and(|state| state.get("running").is_some());
            let same_attempt = restarts(stored) == restarts(new.get("restartCount"))
                && running(old.get("state"))
                && running(new.get("state"));
            let yes = Value::Bool(true);
            if same_attempt && old.get("started") == Some(&yes) && new.get("started") != Some(&yes)
            {
                let was = new.insert("started".to_owned(), yes.clone());
                mends.push(Mend::new(
                    "Started",
                    format!("{at}/{name}/started"),
                    was.as_ref(),
                    Some(&yes),
                ));
            }
        }
    }
}

/// The step a status says, with how the attempt ended if it did.
fn step(status: &Value) -> (Step, Option<&Value>) {
    let state = |name| status.at(name).filter(|state| !state.is_null());
    if state("/state/running").is_some() {
        return (Step::Running, None);
    }
    if let Some(end) = state("/state/terminated") {
        return (Step::Terminated, Some(end));
    }
    match state("/lastState/terminated") {
        Some(end) if !is_new_attempt(status) => (Step::BackOff, Some(end)),
        _ => (Step::Waiting, None),
    }
}

/// Whether a container that waits, and ended before, is one on: its next container exists, or is being made, or it was counted on
/// when it was taken away to be restarted with all others (KEP-5532; `convertToAPIContainerStatuses` in `kubelet_pods.go`).
fn is_new_attempt(status: &Value) -> bool {
    let (now, last) = (
        text_at(status, "/containerID"),
        text_at(status, "/lastState/terminated/containerID"),
    );
    let made = !now.is_empty() && !last.is_empty() && now != last;
    made || [
        "ContainerCreating",
        "PodInitializing",
        "RestartingAllContainers",
    ]
    .contains(&text_at(status, "/state/waiting/reason"))
}

fn status<'a>(pod: &'a Value, at: &str, name: &str) -> Option<&'a Value> {
    let statuses = pod.at(at)?.as_array()?;
    statuses
        .iter()
        .find(|status| text_at(status, "/name") == name)
}

// === impl Container ===

impl Container {
    /// What was said of it is not taken back: the kubelet never leaves a container out.
    fn lost(&self) -> Option<Breach> {
        self.told
            .then(|| Breach::new("ContainerLost", self.path(), self, "none"))
    }

    fn path(&self) -> String {
        let at = LISTS
            .iter()
            .find(|(list, _, _)| *list == self.list)
            .map_or("", |(_, _, at)| at);
        format!("{at}/{}", self.name)
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            Step::Waiting => "waiting",
            Step::Running => "running",
            Step::Terminated => "terminated",
            Step::BackOff => "back-off",
        };
        write!(f, "{step} (restart {})", self.restarts)
    }
}

impl Serialize for Container {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}: {self}", self.name))
    }
}
