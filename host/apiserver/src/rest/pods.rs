//! Binding a pod to a node, and evicting it from there (kubernetes, `pkg/registry/core/pod/storage`).

use std::sync::Arc;

use serde_json::{Map, Value, json};
use stagewright_core::selector::Selector;

use super::answer::Answer;
use super::delete::DeleteOptions;
use super::path::Target;
use super::{Call, media, metadata};
use crate::kinds::Resource;
use crate::status::{FieldError, Status};
use crate::store::Range;

/// Where disruption budgets are stored.
const BUDGETS: &str = "policy/poddisruptionbudgets";
const VIOLATES: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

impl Call<'_> {
    pub(super) fn bind(&mut self) -> Result<Answer, Status> {
        self.query.check_write("CreateOptions")?;
        let binding = media::decode(self.headers, self.body, "Binding")?;
        if metadata::text(&binding, "name") != self.target.name() {
            return Err(Status::bad_request(
                "name in URL does not match name in Binding object",
            ));
        }
        let node = node_of(&binding)?;
        let now = self.now.to_seconds();
        let resource = Arc::clone(&self.target.resource);
        self.change(&mut |pod| {
            check_preconditions(&resource, &binding, pod)?;
            bindable(&resource, pod)?;
            bind(pod, &binding, &node, &now)
        })?;
        Ok(Answer::Status(Status::created()))
    }

    pub(super) fn evict(&mut self) -> Result<Answer, Status> {
        self.query.check_write("CreateOptions")?;
        let eviction = media::decode(self.headers, self.body, "Eviction")?;
        if metadata::text(&eviction, "name") != self.target.name() {
            return Err(Status::bad_request(
                "name in URL does not match name in Eviction object",
            ));
        }
        let options = eviction
            .get("deleteOptions")
            .cloned()
            .unwrap_or_else(|| json!({}));
        let options: DeleteOptions = serde_json::from_value(options)
            .map_err(|error| Status::bad_request(format!("deleteOptions: {error}")))?;
        let options = options.checked(self.query.is_dry_run())?;
        let pod = self.target_object()?;
        if !is_no_loss(&pod) {
            self.ask_budget(&pod)?;
        }
        if !options.is_dry_run() {
            self.announce_disruption()?;
        }
        self.delete_with(&options)?;
        Ok(Answer::Status(Status::created()))
    }

    /// Takes one disruption from the budget that covers the pod.
    fn ask_budget(&mut self, pod: &Value) -> Result<(), Status> {
        let prefix = self.target.prefix();
        let budgets = self.shared.read(|store| {
            let range = Range {
                prefix: &prefix,
                from: None,
                limit: 0,
                revision: store.revision(),
            };
            store
                .list(BUDGETS, &range, |_| true)
                .unwrap_or_default()
                .entries
        });
        let labels = pod.pointer("/metadata/labels");
        let mut covering = budgets
            .iter()
            .filter(|budget| covers(&budget.object(), labels));
        let (Some(budget), more) = (covering.next(), covering.next().is_some()) else {
            return Ok(());
        };
        if more {
            return Err(Status::failure(
                500,
                "",
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
        if !ready(pod) && spares_unhealthy(&budget.object()) {
            return Ok(());
        }
        let resource = self
            .shared
            .catalog
            .read()
            .resource("policy", "v1", "poddisruptionbudgets");
        let resource = resource.ok_or_else(Status::no_such_resource)?;
        let namespace = self.target.namespace.clone();
        let pod_target = std::mem::replace(
            &mut self.target,
            Target {
                resource,
                namespace,
                name: Some(budget.name().into()),
                subresource: None,
            },
        );
        let now = self.now.to_seconds();
        let taken = self.change(&mut |budget| spend(budget, pod_target.name(), &now));
        self.target = pod_target;
        taken
    }

    /// Tells in the pod's conditions why it goes.
    fn announce_disruption(&mut self) -> Result<(), Status> {
        let now = self.now.to_seconds();
        self.change(&mut |pod| {
            let condition = json!({
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting",
                "lastProbeTime": null,
                "lastTransitionTime": now,
            });
            set_condition(pod, condition)
        })
    }
}

// === binding ===

fn node_of(binding: &Value) -> Result<String, Status> {
    let text = |field: &str| {
        let value = binding.get("target").and_then(|target| target.get(field));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let mut errors = Vec::new();
    if !["", "Node"].contains(&text("kind")) {
        errors.push(FieldError::not_supported(
            "target.kind",
            &json!(text("kind")),
            &["Node", "<empty>"],
        ));
    }
    if text("name").is_empty() {
        errors.push(FieldError::required("target.name", ""));
    }
    match errors.first() {
        // The real server forgets here that this is the client's error, and we follow.
        Some(error) => Err(Status::failure(
            500,
            "",
            format!("{}: {}", error.field, error.body),
        )),
        None => Ok(text("name").to_owned()),
    }
}

fn check_preconditions(resource: &Resource, wanted: &Value, pod: &Value) -> Result<(), Status> {
    for (field, word) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let (wanted, found) = (metadata::text(wanted, field), metadata::text(pod, field));
        if !wanted.is_empty() && wanted != found {
            let why = format!(
                "Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {found}"
            );
            return Err(Status::conflict(
                resource,
                metadata::text(pod, "name"),
                &why,
            ));
        }
    }
    Ok(())
}

/// Whether the pod waits for a node.
fn bindable(resource: &Resource, pod: &Value) -> Result<(), Status> {
    let name = metadata::text(pod, "name");
    let node = pod
        .pointer("/spec/nodeName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let gates = pod
        .pointer("/spec/schedulingGates")
        .and_then(Value::as_array);
    let why = if metadata::deletion(pod).is_some() {
        format!("pod {name} is being deleted, cannot be assigned to a host")
    } else if !node.is_empty() {
        format!("pod {name} is already assigned to node {node:?}")
    } else if gates.is_some_and(|gates| !gates.is_empty()) {
        format!("pod {name} has non-empty .spec.schedulingGates")
    } else {
        return Ok(());
    };
    let binding = Resource {
        plural: "pods/binding".into(),
        ..resource.clone()
    };
    Err(Status::conflict(&binding, name, &why))
}

fn bind(pod: &mut Value, binding: &Value, node: &str, now: &str) -> Result<(), Status> {
    let metadata = metadata::of(pod)?;
    for field in ["annotations", "labels"] {
        let more = binding
            .pointer("/metadata")
            .and_then(|metadata| metadata.get(field))
            .and_then(Value::as_object);
        let Some(more) = more.filter(|more| !more.is_empty()) else {
            continue;
        };
        let have = metadata.entry(field).or_insert_with(|| json!({}));
        if let Some(have) = have.as_object_mut() {
            have.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
    }
    section(pod, "spec")?.insert("nodeName".to_owned(), json!(node));
    section(pod, "status")?.remove("nominatedNodeName");
    set_condition(
        pod,
        json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now}),
    )
}

/// A part of the object, made if it is missing.
fn section<'a>(object: &'a mut Value, name: &str) -> Result<&'a mut Map<String, Value>, Status> {
    let part = object
        .as_object_mut()
        .map(|map| map.entry(name).or_insert_with(|| json!({})));
    part.and_then(Value::as_object_mut)
        .ok_or_else(|| Status::internal("a stored pod has another shape"))
}

/// Sets a condition; its time of transition stays if its status does.
fn set_condition(pod: &mut Value, mut condition: Value) -> Result<(), Status> {
    let status = section(pod, "status")?;
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else {
        return Err(Status::internal("a stored pod's conditions are no list"));
    };
    let known = conditions
        .iter_mut()
        .find(|known| known.get("type") == condition.get("type"));
    match known {
        Some(known) => {
            if known.get("status") == condition.get("status")
                && let (Some(map), Some(time)) =
                    (condition.as_object_mut(), known.get("lastTransitionTime"))
            {
                map.insert("lastTransitionTime".to_owned(), time.clone());
            }
            *known = condition;
        }
        None => conditions.push(condition),
    }
    Ok(())
}

// === eviction ===

/// A pod that does not run is no loss.
fn is_no_loss(pod: &Value) -> bool {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    metadata::deletion(pod).is_some() || matches!(phase, Some("Succeeded" | "Failed" | "Pending"))
}

fn covers(budget: &Value, labels: Option<&Value>) -> bool {
    let selector = budget
        .pointer("/spec/selector")
        .map(Selector::from_label_selector);
    // No selector selects nothing, an empty one everything.
    selector.is_some_and(|selector| selector.is_ok_and(|selector| selector.matches(labels)))
}

fn ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type").and_then(Value::as_str) == Some("Ready")
            && condition.get("status").and_then(Value::as_str) == Some("True")
    })
}

fn count(budget: &Value, pointer: &str) -> i64 {
    budget.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// Whether a pod that is not ready goes without being counted.
fn spares_unhealthy(budget: &Value) -> bool {
    let policy = budget
        .pointer("/spec/unhealthyPodEvictionPolicy")
        .and_then(Value::as_str);
    let desired = count(budget, "/status/desiredHealthy");
    policy == Some("AlwaysAllow")
        || (desired > 0 && count(budget, "/status/currentHealthy") >= desired)
}

/// Takes one disruption from a budget, for that pod.
fn spend(budget: &mut Value, pod: &str, now: &str) -> Result<(), Status> {
    let name = metadata::text(budget, "name").to_owned();
    let refuse = |seconds: u16, why: String| {
        Err(Status::too_many_requests(VIOLATES, seconds).because_of("DisruptionBudget", why, ""))
    };
    if count(budget, "/status/observedGeneration") < count(budget, "/metadata/generation") {
        return refuse(
            10,
            format!("The disruption budget {name} is still being processed by the server."),
        );
    }
    let allowed = count(budget, "/status/disruptionsAllowed");
    if allowed <= 0 {
        let (desired, healthy) = (
            count(budget, "/status/desiredHealthy"),
            count(budget, "/status/currentHealthy"),
        );
        return refuse(
            0,
            if healthy <= desired {
                format!(
                    "The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
                )
            } else {
                format!("The disruption budget {name} does not allow evicting pods currently")
            },
        );
    }
    let status = section(budget, "status")?;
    status.insert("disruptionsAllowed".to_owned(), json!(allowed - 1));
    let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
    if let Some(disrupted) = disrupted.as_object_mut() {
        disrupted.insert(pod.to_owned(), json!(now));
    }
    Ok(())
}
