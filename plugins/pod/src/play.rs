//! What each stage of the fast profile does: a merge patch of the status, as a kubelet would report it.

use serde_json::{Map, Value, json};
use stagewright_plugin::{Context, Effect, Patch};

use crate::annotations::EXIT_CODE;
use crate::decide::exit_code;
use crate::general::set;
use crate::statuses::{self, End, State, Status, items, text};

/// The part of the status that a patch sets.
type Changes = Map<String, Value>;

/// The effects of a stage.
pub fn fast(stage: &str, pod: &Value, ctx: &Context) -> Result<Vec<Effect>, String> {
    let play = Fast { pod, ctx };
    let status = match stage {
        "ready" => play.ready()?,
        "complete" | "terminate" => play.end()?,
        _ => return Err(format!("stage {stage:?} is none of this plugin's")),
    };
    Ok(vec![Patch::status(status).into()])
}

/// Addresses and the time at which the kubelet took the pod. What is there stays.
pub fn sandbox(pod: &Value, ctx: &Context) -> Result<Changes, String> {
    let mut status = Changes::new();
    let addresses = ctx.addresses()?;
    for (one, all, found) in [
        ("hostIP", "hostIPs", addresses.host_ips),
        ("podIP", "podIPs", addresses.pod_ips),
    ] {
        let known = items(pod, &format!("/status/{all}"));
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
    if pod.pointer("/status/startTime").is_none_or(Value::is_null) {
        status.insert("startTime".into(), ctx.now.to_string().into());
    }
    Ok(status)
}

struct Fast<'a> {
    pod: &'a Value,
    ctx: &'a Context,
}

impl Fast<'_> {
    /// All containers run, whatever was left to do before.
    fn ready(&self) -> Result<Changes, String> {
        let now = self.ctx.now;
        let mut status = sandbox(self.pod, self.ctx)?;
        status.insert("phase".into(), "Running".into());
        self.each(&mut status, |is_main, is_sidecar, status| {
            match is_main || is_sidecar {
                true => statuses::run(status, self.uid(), now),
                false => statuses::done(status, self.uid(), now),
            }
        });
        // Nobody but us would ever open the gates of a pod that runs nothing.
        let gates = items(self.pod, "/spec/readinessGates")
            .iter()
            .map(|gate| text(gate, "conditionType"));
        let kinds = [
            "PodReadyToStartContainers",
            "Initialized",
            "Ready",
            "ContainersReady",
        ];
        let kinds = kinds.into_iter().chain(gates);
        self.conditions(&mut status, kinds.map(|kind| (kind, "True", "")));
        Ok(status)
    }

    /// All containers end. The phase is what their exit codes say (`getPhase` in kubelet_pods.go).
    fn end(&self) -> Result<Changes, String> {
        let code = self.pod.pointer("/metadata/annotations");
        let code = code.and_then(|all| all.get(EXIT_CODE.key)?.as_str());
        // One that is wrong as a whole is found before the first container ends.
        exit_code(code, "")?;
        let at = self.ctx.now;
        let mut succeeded = !items(self.pod, "/status/containerStatuses").is_empty();
        let mut status = Changes::new();
        self.each(&mut status, |is_main, _, status| {
            let was_done = matches!(statuses::state(status), State::Terminated(_));
            let name = statuses::name(status).to_owned();
            // A sidecar is stopped when the others have ended, and does well.
            let exit_code = if is_main {
                exit_code(code, &name).unwrap_or(0)
            } else {
                0
            };
            let end = End {
                exit_code,
                reason: None,
                at,
            };
            statuses::end(status, self.uid(), end);
            if is_main {
                succeeded &= statuses::state(status) == State::Terminated(0);
            } else {
                status.insert("ready".into(), was_done.into());
            }
        });
        let (phase, reason) = if succeeded {
            ("Succeeded", "PodCompleted")
        } else {
            ("Failed", "PodFailed")
        };
        status.insert("phase".into(), phase.into());
        let kinds = [
            ("Ready", "False", reason),
            ("ContainersReady", "False", reason),
            ("PodReadyToStartContainers", "False", ""),
        ];
        self.conditions(&mut status, kinds.into_iter());
        Ok(status)
    }

    /// Changes every container's status; `change` is told whether it is a main one and whether it is a sidecar.
    fn each(&self, changes: &mut Changes, mut change: impl FnMut(bool, bool, &mut Status)) {
        for (list, is_main) in [("initContainer", false), ("container", true)] {
            let specs = items(self.pod, &format!("/spec/{list}s"));
            let mut statuses = statuses::of(self.pod, list);
            for (spec, status) in specs.iter().zip(&mut statuses) {
                // A sidecar starts in its turn and runs on (KEP-753).
                let is_sidecar = !is_main && text(spec, "restartPolicy") == "Always";
                change(is_main, is_sidecar, status);
            }
            if !statuses.is_empty() {
                let statuses = statuses.into_iter().map(Value::Object);
                changes.insert(format!("{list}Statuses"), statuses.collect());
            }
        }
    }

    fn conditions<'k>(
        &self,
        status: &mut Changes,
        kinds: impl Iterator<Item = (&'k str, &'k str, &'k str)>,
    ) {
        let generation = self.pod.pointer("/metadata/generation");
        let generation = generation.and_then(Value::as_i64).unwrap_or(0);
        let mut conditions = items(self.pod, "/status/conditions").to_vec();
        for (kind, value, reason) in kinds {
            set(
                &mut conditions,
                kind,
                value,
                (reason, ""),
                generation,
                self.ctx.now,
            );
        }
        status.insert("conditions".into(), conditions.into());
        if generation > 0 {
            status.insert("observedGeneration".into(), generation.into());
        }
    }

    fn uid(&self) -> &str {
        let uid = self.pod.pointer("/metadata/uid");
        uid.and_then(Value::as_str).unwrap_or_default()
    }
}
