//! What each stage does: a merge patch of the status, as a kubelet would report it.

use serde_json::{Map, Value, json};
use stagewright_plugin::{Context, Effect, Event, Object, Patch, conditions};

use crate::decide::{EXIT_CODE, exit_code};
use crate::statuses::{self, End, each, items, text};

/// The effects of a stage.
pub fn play(stage: &str, object: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
    let play = Play { pod: object, ctx };
    match stage {
        "create" => play.create(),
        "init-start" => Ok(play.init(false)),
        "init-complete" => Ok(play.init(true)),
        "ready" => play.ready(),
        "complete" | "terminate" => play.end(stage == "terminate"),
        "delete" => Ok(vec![Effect::delete(0)]),
        _ => Err(format!("stage {stage:?} is none of this plugin's")),
    }
}

struct Play<'a> {
    pod: &'a Value,
    ctx: &'a Context,
}

/// The part of the status that a patch sets.
type Changes = Map<String, Value>;

impl Play<'_> {
    /// The sandbox is there, and the containers wait.
    fn create(&self) -> Result<Vec<Effect>, String> {
        let mut status = self.sandbox()?;
        let inits = items(self.pod, "/spec/initContainers");
        let reason = if inits.is_empty() {
            "ContainerCreating"
        } else {
            "PodInitializing"
        };
        let waiting = |list| each(self.pod, list, |_, status| statuses::wait(status, reason));
        status.insert("phase".into(), "Pending".into());
        status.insert("containerStatuses".into(), waiting("container").into());
        if !inits.is_empty() {
            status.insert(
                "initContainerStatuses".into(),
                waiting("initContainer").into(),
            );
        }
        let mut conditions = self.conditions();
        self.set(
            &mut conditions,
            "PodReadyToStartContainers",
            "True",
            ("", ""),
        );
        self.set_initialized(&mut conditions, &names(inits));
        let unready = format!("containers that are not ready: {}", self.containers());
        for kind in ["Ready", "ContainersReady"] {
            self.set(
                &mut conditions,
                kind,
                "False",
                ("ContainersNotReady", &unready),
            );
        }
        status.insert("conditions".into(), conditions.into());
        let event = Event::normal(
            "Created",
            format!("Created the sandbox of {}", self.containers()),
        );
        Ok(vec![event.into(), Patch::status(status).into()])
    }

    /// The init container whose turn it is starts, or is done.
    fn init(&self, complete: bool) -> Vec<Effect> {
        let mut turn = None;
        let mut waiting = Vec::new();
        let statuses = each(self.pod, "initContainer", |container, status| {
            let name = text(container, "name");
            if statuses::is_passed(container, status) {
                return;
            }
            if turn.is_none() {
                turn = Some(name.to_owned());
                match complete {
                    true => statuses::done(status, self.pod, self.ctx.now),
                    false => statuses::run(status, self.pod, self.ctx.now),
                }
                if !statuses::is_sidecar(container) {
                    // Ready is what an init container becomes when it is done.
                    status.insert("ready".into(), complete.into());
                }
            }
            if !statuses::is_passed(container, status) {
                waiting.push(name.to_owned());
            }
        });
        let mut conditions = self.conditions();
        self.set_initialized(&mut conditions, &waiting);
        let status = json!({"initContainerStatuses": statuses, "conditions": conditions});
        let name = turn.unwrap_or_default();
        let event = (!complete)
            .then(|| Event::normal("Started", format!("Started init container {name}")).into());
        event
            .into_iter()
            .chain([Patch::status(status).into()])
            .collect()
    }

    /// All containers run, whatever was left to do before.
    fn ready(&self) -> Result<Vec<Effect>, String> {
        let now = self.ctx.now;
        let mut status = self.sandbox()?;
        status.insert("phase".into(), "Running".into());
        let running = each(self.pod, "container", |_, status| {
            statuses::run(status, self.pod, now)
        });
        status.insert("containerStatuses".into(), running.into());
        if !items(self.pod, "/spec/initContainers").is_empty() {
            let inits =
                each(
                    self.pod,
                    "initContainer",
                    |container, status| match statuses::is_sidecar(container) {
                        true => statuses::run(status, self.pod, now),
                        false => statuses::done(status, self.pod, now),
                    },
                );
            status.insert("initContainerStatuses".into(), inits.into());
        }
        let mut conditions = self.conditions();
        // Nobody but us would ever open the gates of a pod that runs nothing.
        let gates = items(self.pod, "/spec/readinessGates")
            .iter()
            .map(|gate| text(gate, "conditionType"));
        for kind in [
            "PodReadyToStartContainers",
            "Initialized",
            "Ready",
            "ContainersReady",
        ]
        .into_iter()
        .chain(gates)
        {
            self.set(&mut conditions, kind, "True", ("", ""));
        }
        status.insert("conditions".into(), conditions.into());
        let event = Event::normal("Started", format!("Started {}", self.containers()));
        Ok(vec![event.into(), Patch::status(status).into()])
    }

    /// All containers end. The phase is what their exit codes say (`getPhase` in kubelet_pods.go).
    fn end(&self, killed: bool) -> Result<Vec<Effect>, String> {
        let code = self
            .pod
            .pointer("/metadata/annotations")
            .and_then(|all| all.get(EXIT_CODE));
        let end = End {
            exit_code: exit_code(code.and_then(Value::as_str))?,
            at: self.ctx.now,
        };
        let mut succeeded = !items(self.pod, "/status/containerStatuses").is_empty();
        let mut status = Changes::new();
        if succeeded {
            let ended = each(self.pod, "container", |_, status| {
                succeeded &= statuses::end(status, self.pod, end) == 0
            });
            status.insert("containerStatuses".into(), ended.into());
        }
        if !items(self.pod, "/status/initContainerStatuses").is_empty() {
            // A sidecar is stopped when the others have ended, and does well.
            let stop = End {
                exit_code: 0,
                ..end
            };
            let ended = each(self.pod, "initContainer", |_, status| {
                let ready = statuses::is_in(status, "terminated");
                statuses::end(status, self.pod, stop);
                status.insert("ready".into(), ready.into());
            });
            status.insert("initContainerStatuses".into(), ended.into());
        }
        let (phase, reason) = if succeeded {
            ("Succeeded", "PodCompleted")
        } else {
            ("Failed", "PodFailed")
        };
        status.insert("phase".into(), phase.into());
        let mut conditions = self.conditions();
        for kind in ["Ready", "ContainersReady"] {
            self.set(&mut conditions, kind, "False", (reason, ""));
        }
        self.set(
            &mut conditions,
            "PodReadyToStartContainers",
            "False",
            ("", ""),
        );
        status.insert("conditions".into(), conditions.into());
        let event = killed
            .then(|| Event::normal("Killing", format!("Stopped {}", self.containers())).into());
        Ok(event
            .into_iter()
            .chain([Patch::status(status).into()])
            .collect())
    }

    /// Addresses and the time at which the kubelet took the pod. What is there stays.
    fn sandbox(&self) -> Result<Changes, String> {
        let mut status = Changes::new();
        let addresses = self.ctx.addresses()?;
        for (one, all, found) in [
            ("hostIP", "hostIPs", addresses.host_ips),
            ("podIP", "podIPs", addresses.pod_ips),
        ] {
            let known = items(self.pod, &format!("/status/{all}"));
            if known.is_empty()
                && let Some(first) = found.first()
            {
                status.insert(one.into(), first.as_str().into());
                status.insert(
                    all.into(),
                    found.iter().map(|ip| json!({ "ip": ip })).collect(),
                );
            }
        }
        if self
            .pod
            .pointer("/status/startTime")
            .is_none_or(Value::is_null)
        {
            status.insert("startTime".into(), self.ctx.now.to_string().into());
        }
        Ok(status)
    }

    fn conditions(&self) -> Vec<Value> {
        items(self.pod, "/status/conditions").to_vec()
    }

    /// Initialized once all of the init containers are passed. It is never taken back.
    fn set_initialized(&self, conditions: &mut Vec<Value>, waiting: &[String]) {
        if waiting.is_empty() {
            return self.set(conditions, "Initialized", "True", ("", ""));
        }
        if conditions::status(conditions, "Initialized") != "True" {
            let message = format!("init containers that are not done: {}", waiting.join(", "));
            self.set(
                conditions,
                "Initialized",
                "False",
                ("ContainersNotInitialized", &message),
            );
        }
    }

    fn set(&self, conditions: &mut Vec<Value>, kind: &str, status: &str, why: (&str, &str)) {
        conditions::set(conditions, kind, status, why, self.ctx.now);
        conditions::change(conditions, kind, |condition| {
            // The API server writes it into every condition of a pod.
            condition.entry("lastProbeTime").or_insert(Value::Null);
        });
    }

    fn containers(&self) -> String {
        let names = names(items(self.pod, "/spec/containers"));
        let plural = if names.len() == 1 { "" } else { "s" };
        format!("container{plural} {}", names.join(", "))
    }
}

fn names(containers: &[Value]) -> Vec<String> {
    containers
        .iter()
        .map(|container| text(container, "name").to_owned())
        .collect()
}
