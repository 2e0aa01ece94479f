//! `PhaseOrder`: the administrator's order of the phases of a kind, which wins over what a plugin declares.
//!
//! The form is that of a plugin's declared order, with the kind beside it. The definition below is generated into
//! `host/deploy/crds/phaseorders.yaml`; what its schema cannot say is said here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::{Value, json};
use stagewright_core::json::At as _;
use stagewright_core::object::Kind;
use stagewright_core::order::{DeclaredOrder, Order};

/// The group of our own kinds.
pub const GROUP: &str = "stagewright.dev";
/// The group and version.
pub const API_VERSION: &str = "stagewright.dev/v1alpha1";
/// The kind.
pub const KIND: &str = "PhaseOrder";

/// An administrator's order for a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseOrder {
    /// The object's name.
    pub name: String,
    /// The kind that it orders.
    pub kind: Kind,
    /// How objects of the kind move.
    pub order: Arc<DeclaredOrder>,
}

/// The orders that hold, one a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders(BTreeMap<Kind, PhaseOrder>);

// === impl PhaseOrder ===

impl PhaseOrder {
    /// Reads one.
    ///
    /// # Errors
    /// The first thing that is wrong, beginning with its JSON pointer.
    pub fn read(document: &Value) -> Result<Self, String> {
        let name = document.at("/metadata/name").and_then(Value::as_str);
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or("/metadata/name: an order has a name")?;
        let spec = document.at("/spec").and_then(Value::as_object);
        let mut spec = spec
            .ok_or("/spec: missing; write kind, path and phases")?
            .clone();
        let kind = spec.remove("kind");
        let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
        let kind = Kind::parse(kind).map_err(|error| format!("/spec/kind: {error}"))?;
        if Order::built_in(&kind).is_some() {
            return Err(format!(
                "/spec/kind: the host has an order of its own for {kind}, which no one loosens; remove this PhaseOrder"
            ));
        }
        let order = DeclaredOrder::deserialize(Value::Object(spec))
            .map_err(|error| format!("/spec: {error}"))?;
        order.validate().map_err(|error| format!("/spec/{error}"))?;
        if order.path.is_some() && order.phases.len() < 2 {
            return Err("/spec/phases: one phase is no order; name at least two".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            kind,
            order: Arc::new(order),
        })
    }
}

// === impl Orders ===

impl Orders {
    /// Adds one.
    ///
    /// # Errors
    /// If there is one for the kind already, which holds on.
    pub fn add(&mut self, order: PhaseOrder) -> Result<(), String> {
        if let Some(first) = self.0.get(&order.kind) {
            return Err(format!(
                "/spec/kind: the PhaseOrder {} orders {} already, and holds; remove one of the two",
                first.name, order.kind
            ));
        }
        self.0.insert(order.kind.clone(), order);
        Ok(())
    }

    /// Adds those of kinds that have none yet.
    pub fn fill(&mut self, others: &Self) {
        for (kind, order) in &others.0 {
            self.0.entry(kind.clone()).or_insert_with(|| order.clone());
        }
    }

    /// The order of a kind, if the administrator has one for it.
    #[must_use]
    pub fn get(&self, kind: &Kind) -> Option<&Arc<DeclaredOrder>> {
        self.0.get(kind).map(|order| &order.order)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The kind as an API server is told of it.
#[must_use]
pub fn definition() -> Value {
    let name = json!({"type": "string", "minLength": 1, "maxLength": 63});
    let path = json!({"type": "string", "maxLength": 256, "pattern": "^(/[^/*]+)+$"});
    let spec = json!({
        "type": "object",
        "required": ["kind"],
        "properties": {
            "kind": {"type": "string", "maxLength": 253, "pattern": "^([^/]+/)?[^/]+/[^/]+$",
                "description": "The kind that is ordered: VERSION/KIND or GROUP/VERSION/KIND."},
            "path": path,
            "initial": name,
            "phases": {"type": "object", "minProperties": 2, "maxProperties": 64,
                "description": "Each phase with those that may come right after it; none: it is the end. Phases on one cycle rank equal.",
                "additionalProperties": {"type": "array", "maxItems": 64, "x-kubernetes-list-type": "set", "items": name},
                "x-kubernetes-validations": [{
                    "rule": "self.all(phase, self[phase].all(next, next in self))",
                    "message": "each successor is a phase itself"}]},
            "latches": {"type": "array", "maxItems": 64, "x-kubernetes-list-type": "set", "items": name,
                "description": "Types of conditions that never leave True within an epoch."},
            "epochs": {"type": "array", "maxItems": 8, "x-kubernetes-list-type": "set", "items": path,
                "description": "Whole numbers that never fall; a rise lets the object be in any phase again, unless the present one is the end."},
        },
        "x-kubernetes-validations": [
            {"rule": "has(self.path) == has(self.phases)", "message": "path and phases go together"},
            {"rule": "has(self.phases) || (has(self.latches) && size(self.latches) > 0)", "message": "nothing is ordered: name phases or latches"},
            {"rule": "!has(self.initial) || (has(self.phases) && self.initial in self.phases)", "message": "the initial phase is among the phases"},
        ],
    });
    let condition = json!({
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": {"type": "string"}, "status": {"type": "string"}, "reason": {"type": "string"}, "message": {"type": "string"},
            "lastTransitionTime": {"type": "string", "format": "date-time"}},
    });
    let status = json!({"type": "object", "properties": {"conditions": {"type": "array", "items": condition,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}}});
    let schema = json!({"type": "object", "required": ["spec"], "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}, "spec": spec, "status": status},
        "description": "How objects of a kind move: what no plugin may write backward."});
    let column = |name: &str, path: &str| json!({"name": name, "type": "string", "jsonPath": path});
    let loaded = ".status.conditions[?(@.type==\"Loaded\")].status";
    let version = json!({"name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
        "additionalPrinterColumns": [column("For", ".spec.kind"), column("Loaded", loaded)],
        "schema": {"openAPIV3Schema": schema}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "phaseorders.stagewright.dev"},
        "spec": {"group": GROUP, "scope": "Cluster", "versions": [version], "names": {
            "kind": KIND, "listKind": "PhaseOrderList", "plural": "phaseorders", "singular": "phaseorder", "categories": ["stagewright"]}}})
}

/// The same as YAML.
#[must_use]
pub fn definition_text() -> String {
    // It is the same each time, and a test reads it.
    serde_saphyr::to_string(&definition()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_that_is_shipped_is_this_one() {
        let shipped = include_str!("../deploy/crds/phaseorders.yaml");
        assert_eq!(
            shipped,
            definition_text(),
            "write it anew: stagewright crd > host/deploy/crds/phaseorders.yaml"
        );
        let read: Value = serde_saphyr::from_str(shipped).unwrap();
        assert_eq!(read, definition());
    }

    fn order(spec: Value) -> Value {
        json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "o"}, "spec": spec})
    }

    fn trainer() -> Value {
        json!({"kind": "example.com/v1/Trainer", "path": "/status/phase", "initial": "Queued",
            "phases": {"Queued": ["Active"], "Active": ["Done"], "Done": []}})
    }

    #[test]
    fn an_order_is_read_and_holds_alone() {
        let read = PhaseOrder::read(&order(trainer())).unwrap();
        assert_eq!(read.kind, Kind::new("example.com/v1", "Trainer"));
        let mut orders = Orders::default();
        orders.add(read.clone()).unwrap();
        let error = orders.add(read).unwrap_err();
        assert!(error.contains("PhaseOrder o orders"), "{error}");
        assert_eq!(orders.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let with = |key: &str, value: Value| {
            let mut spec = trainer();
            spec[key] = value;
            order(spec)
        };
        for (document, expected) in [
            (json!({"metadata": {"name": "o"}}), "/spec: missing"),
            (json!({"spec": trainer()}), "/metadata/name: "),
            (with("kind", json!("Trainer")), "/spec/kind: \"Trainer\""),
            (with("kind", json!("v1/Pod")), "order of its own for v1/Pod"),
            (with("phase", json!("x")), "/spec: unknown field `phase`"),
            (
                with("phases", json!({"Queued": []})),
                "/spec/phases: one phase",
            ),
            (
                with("phases", json!({"Queued": ["Gone"], "Done": []})),
                "/spec/phases/Queued: ",
            ),
            (with("initial", json!("Gone")), "/spec/initial: "),
            (with("path", json!("/status/*")), "/spec/path: "),
            (with("path", json!("status")), "/spec: "),
        ] {
            let error = PhaseOrder::read(&document).unwrap_err();
            assert!(error.contains(expected), "{error} has no {expected}");
        }
    }
}
