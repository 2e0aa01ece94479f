//! Whether a container may run again: container rules first, then the container's policy, then the pod's
//! (`pkg/api/v1/pod/util.go` `ContainerShouldRestart`, `AllContainersCouldRestart`).

use serde_json::Value;

use super::model::{number, text_at};
use crate::json::At as _;

const NEVER: &str = "Never";

/// A pod's policies.
#[derive(Clone, Copy)]
pub(super) struct Policy<'a> {
    pod: &'a str,
    /// A rule of some container restarts them all, so that the API server lets any of them go on.
    all: bool,
}

// === impl Policy ===

impl<'a> Policy<'a> {
    pub(super) fn of(pod: &'a Value) -> Self {
        let containers = ["/spec/initContainers", "/spec/containers"]
            .into_iter()
            .filter_map(|at| pod.at(at)?.as_array())
            .flatten();
        let all = containers
            .flat_map(rules)
            .any(|rule| text_at(rule, "/action") == "RestartAllContainers");
        Self {
            pod: text_at(pod, "/spec/restartPolicy"),
            all,
        }
    }

    /// Whether all may run again, whatever they are.
    pub(super) fn all(self) -> bool {
        self.all
    }

    /// Whether the container may run again after it ended with this code.
    pub(super) fn after_exit(self, container: &Value, code: i64) -> bool {
        if self.all {
            return true;
        }
        let own = text_at(container, "/restartPolicy");
        let rule = rules(container).find(|rule| matches(rule, code));
        if !own.is_empty() && rule.is_some_and(|rule| text_at(rule, "/action") == "Restart") {
            return true;
        }
        match if own.is_empty() { self.pod } else { own } {
            NEVER => false,
            "OnFailure" => code != 0,
            // No policy means Always.
            _ => true,
        }
    }

    /// Whether there is an end after which the container may run again.
    pub(super) fn ever(self, container: &Value) -> bool {
        let own = text_at(container, "/restartPolicy");
        let policy = if own.is_empty() { self.pod } else { own };
        let ruled =
            !own.is_empty() && rules(container).any(|rule| text_at(rule, "/action") == "Restart");
        self.all || ruled || policy != NEVER
    }
}

fn rules(container: &Value) -> impl Iterator<Item = &Value> {
    let rules = container
        .get("restartPolicyRules")
        .and_then(Value::as_array);
    rules.into_iter().flatten()
}

fn matches(rule: &Value, code: i64) -> bool {
    let codes = rule.at("/exitCodes/values").and_then(Value::as_array);
    let listed = codes
        .into_iter()
        .flatten()
        .any(|value| number(value) == Some(code));
    match text_at(rule, "/exitCodes/operator") {
        "In" => listed,
        "NotIn" => !listed,
        _ => false,
    }
}
