//! What each stage does: a merge patch of the status, as a kubelet would report it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use stagewright_plugin::{Context, Effect, Event, Object, Patch, conditions};

use crate::settings::Settings;
use crate::view::{FLAP, FLAPS, NOT_READY, Wishes};

/// Types, what they are on a healthy node, and why. Reasons are those that a kubelet gives.
pub const HEALTHY: [(&str, &str, &str, &str); 5] = [
    (
        "Ready",
        "True",
        "KubeletReady",
        "the simulated kubelet is ready",
    ),
    (
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "nothing uses the simulated memory",
    ),
    (
        "DiskPressure",
        "False",
        "KubeletHasNoDiskPressure",
        "nothing fills the simulated disk",
    ),
    (
        "PIDPressure",
        "False",
        "KubeletHasSufficientPID",
        "nothing runs on the simulated node",
    ),
    (
        "NetworkUnavailable",
        "False",
        "RouteCreated",
        "the simulated network is there",
    ),
];

/// The message of a condition that the annotation [`crate::view::PRESSURE`] asks for, by which it is known to be ours.
pub const ASKED: &str = "annotation stagewright.dev/node.pressure says so";

/// What nodes have that do not say, if the settings do not either: more than any test uses.
const CAPACITY: [(&str, &str); 3] = [("cpu", "1k"), ("memory", "1Ti"), ("pods", "1M")];

/// The effects of a stage.
pub fn play(
    settings: &Settings,
    stage: &str,
    object: &Object,
    ctx: &Context,
) -> Result<Vec<Effect>, String> {
    let play = Play {
        settings,
        node: object,
        ctx,
    };
    match stage {
        // Nodes are made by the thousand, and nobody waits for news of each.
        "initialize" => play.up().map(|effects| {
            effects
                .into_iter()
                .filter(|effect| !matches!(effect, Effect::Event(_)))
                .collect()
        }),
        "recover" => play.up(),
        "heartbeat" => Ok(play.heartbeat()),
        "not-ready" => play.down(),
        "pressure" => play.pressure(),
        _ => Err(format!("stage {stage:?} is none of this plugin's")),
    }
}

struct Play<'a> {
    settings: &'a Settings,
    node: &'a Value,
    ctx: &'a Context,
}

impl Play<'_> {
    /// Ready, with everything filled in that is missing.
    fn up(&self) -> Result<Vec<Effect>, String> {
        let mut status = self.described()?;
        let mut conditions = self.conditions();
        let wishes = self.wishes()?;
        self.set_health(&mut conditions, &wishes);
        // An annotation that asks for the opposite wins from the first moment.
        let event = match wishes.not_ready {
            Some(reason) => self.set_unready(&mut conditions, reason, NOT_READY),
            None => {
                for (kind, value, reason, message) in HEALTHY.iter().take(1) {
                    self.set(&mut conditions, kind, value, (reason, message));
                }
                Event::normal("NodeReady", "the node is Ready")
            }
        };
        status.insert("conditions".into(), conditions.into());
        Ok(vec![event.into(), Patch::status(status).into()])
    }

    /// Not Ready, as an annotation or the setting asks; everything else stays.
    fn down(&self) -> Result<Vec<Effect>, String> {
        let mut conditions = self.conditions();
        let event = match self.wishes()?.not_ready {
            Some(reason) => self.set_unready(&mut conditions, reason, NOT_READY),
            None => self.set_unready(&mut conditions, FLAPS, FLAP),
        };
        Ok(vec![
            event.into(),
            Patch::status(json!({ "conditions": conditions })).into(),
        ])
    }

    /// Out of what the annotation says, and of nothing else.
    fn pressure(&self) -> Result<Vec<Effect>, String> {
        let mut conditions = self.conditions();
        let before = conditions.clone();
        self.set_health(&mut conditions, &self.wishes()?);
        let mut effects = Vec::new();
        for (kind, _, reason, _) in HEALTHY.iter().skip(1) {
            let now = conditions::status(&conditions, kind);
            if now != conditions::status(&before, kind) {
                let reason = conditions::find(&conditions, kind)
                    .and_then(|condition| condition.get("reason")?.as_str())
                    .unwrap_or(reason);
                let event = Event::normal(event_reason(reason), format!("{kind} is {now}"));
                effects.push(event.into());
            }
        }
        effects.push(Patch::status(json!({ "conditions": conditions })).into());
        Ok(effects)
    }

    /// All conditions but Ready.
    fn set_health(&self, conditions: &mut Vec<Value>, wishes: &Wishes<'_>) {
        for (kind, value, reason, message) in HEALTHY.iter().skip(1) {
            match wishes.pressure(kind) {
                Some(reason) => self.set(conditions, kind, "True", (reason, ASKED)),
                None => self.set(conditions, kind, value, (reason, message)),
            }
        }
    }

    /// Still here: nothing moves but the times.
    fn heartbeat(&self) -> Vec<Effect> {
        let mut conditions = self.conditions();
        for (kind, ..) in HEALTHY {
            if conditions::find(&conditions, kind).is_some() {
                self.beat(&mut conditions, kind);
            }
        }
        vec![Patch::status(json!({ "conditions": conditions })).into()]
    }

    /// Resources, addresses, port and description: what is there stays, but the port, which is where the host answers now.
    fn described(&self) -> Result<Map<String, Value>, String> {
        let addresses = self.ctx.addresses()?;
        let mut status = Map::new();
        let settings = self.settings;
        let mut capacity = self.part("capacity");
        let mut allocatable = self.part("allocatable");
        let given = |map: &BTreeMap<String, String>| map.clone().into_iter().collect::<Vec<_>>();
        let usual = CAPACITY.map(|(resource, quantity)| (resource.to_owned(), quantity.to_owned()));
        // What pods may use of it is what there is, so one without the other says both.
        fill(&mut capacity, allocatable.clone());
        for quantities in [given(&settings.capacity), usual.to_vec()] {
            fill(
                &mut capacity,
                quantities
                    .into_iter()
                    .map(|(resource, quantity)| (resource, quantity.into())),
            );
        }
        fill(
            &mut allocatable,
            given(&settings.allocatable)
                .into_iter()
                .map(|(resource, quantity)| (resource, quantity.into())),
        );
        fill(&mut allocatable, capacity.clone());
        status.insert("capacity".into(), capacity.into());
        status.insert("allocatable".into(), allocatable.into());

        let mut known = self.list("addresses");
        let has = |known: &[Value], kind: &str| known.iter().any(|address| address["type"] == kind);
        let internal: Vec<&String> = if has(&known, "InternalIP") {
            Vec::new()
        } else {
            addresses.host_ips.iter().collect()
        };
        known.extend(
            internal
                .into_iter()
                .map(|ip| json!({"type": "InternalIP", "address": ip})),
        );
        if let Some(hostname) = addresses.hostname.filter(|_| !has(&known, "Hostname")) {
            known.push(json!({"type": "Hostname", "address": hostname}));
        }
        status.insert("addresses".into(), known.into());
        if let Some(port) = settings.kubelet_port.or(addresses.kubelet_port) {
            status.insert(
                "daemonEndpoints".into(),
                json!({"kubeletEndpoint": {"Port": port}}),
            );
        }
        status.insert("nodeInfo".into(), self.node_info().into());
        let features = &settings.declared_features;
        if !features.is_empty() && self.list("declaredFeatures").is_empty() {
            status.insert("declaredFeatures".into(), json!(features));
        }
        status.insert("phase".into(), "Running".into());
        Ok(status)
    }

    fn node_info(&self) -> Map<String, Value> {
        let label = |name: &str, usual: &str| {
            let label = self
                .node
                .pointer("/metadata/labels")
                .and_then(|labels| labels.get(name));
            label.and_then(Value::as_str).unwrap_or(usual).to_owned()
        };
        let mut info = self.part("nodeInfo");
        // The API server stores what was not said as empty texts.
        info.retain(|_, value| value != "");
        fill(
            &mut info,
            self.settings
                .node_info
                .iter()
                .map(|(field, text)| (field.clone(), text.as_str().into())),
        );
        let version = concat!("stagewright-v", env!("CARGO_PKG_VERSION"));
        let usual = [
            ("architecture", label("kubernetes.io/arch", "amd64")),
            ("operatingSystem", label("kubernetes.io/os", "linux")),
            ("kubeletVersion", version.to_owned()),
            ("containerRuntimeVersion", version.to_owned()),
            ("kernelVersion", version.to_owned()),
            ("osImage", version.to_owned()),
        ];
        fill(
            &mut info,
            usual
                .into_iter()
                .map(|(field, text)| (field.to_owned(), text.into())),
        );
        // Required, and none of a node that runs nothing.
        for field in ["bootID", "kubeProxyVersion", "machineID", "systemUUID"] {
            info.entry(field).or_insert_with(|| "".into());
        }
        info
    }

    fn set(&self, conditions: &mut Vec<Value>, kind: &str, status: &str, why: (&str, &str)) {
        conditions::set(conditions, kind, status, why, self.ctx.now);
        self.beat(conditions, kind);
    }

    fn beat(&self, conditions: &mut Vec<Value>, kind: &str) {
        let now = self.ctx.now.to_string();
        conditions::change(conditions, kind, |condition| {
            condition.insert("lastHeartbeatTime".into(), now.into());
        });
    }

    fn set_unready(&self, conditions: &mut Vec<Value>, reason: &str, annotation: &str) -> Event {
        let message = match annotation == FLAP && self.annotation(FLAP).is_none() {
            true => "the setting flap says so".to_owned(),
            false => format!("annotation {annotation} says so"),
        };
        self.set(conditions, "Ready", "False", (reason, &message));
        Event::normal("NodeNotReady", message)
    }

    fn wishes(&self) -> Result<Wishes<'_>, String> {
        Wishes::read(|key| self.annotation(key), self.settings)
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.node.pointer("/metadata/annotations")?;
        annotations.get(key)?.as_str()
    }

    fn conditions(&self) -> Vec<Value> {
        self.list("conditions")
    }

    fn list(&self, field: &str) -> Vec<Value> {
        let list = self
            .node
            .pointer("/status")
            .and_then(|status| status.get(field));
        list.and_then(Value::as_array).cloned().unwrap_or_default()
    }

    fn part(&self, field: &str) -> Map<String, Value> {
        let part = self
            .node
            .pointer("/status")
            .and_then(|status| status.get(field));
        part.and_then(Value::as_object).cloned().unwrap_or_default()
    }
}

/// The kubelet names the Event as it names the reason: `NodeHasDiskPressure` for `KubeletHasDiskPressure`.
fn event_reason(reason: &str) -> String {
    match reason.strip_prefix("Kubelet") {
        Some(has) => format!("Node{has}"),
        None => reason.to_owned(),
    }
}

/// Adds what is missing.
fn fill(map: &mut Map<String, Value>, fields: impl IntoIterator<Item = (String, Value)>) {
    for (field, value) in fields {
        map.entry(field).or_insert(value);
    }
}
