//! Namespaces.

use super::model::{ANY, Model, status_phase};

/// `validation.go` `ValidateNamespaceStatusUpdate`: Terminating if and only if deletion was requested.
pub(super) static MODEL: Model = Model {
    name: "namespace",
    phase: Some(status_phase),
    phase_at: "/status/phase",
    graph: &[("Active", &["Terminating"]), ("Terminating", &[])],
    initial: "Active",
    terminal: &["Terminating"],
    while_deleting: &["Terminating"],
    clocked: true,
    ..ANY
};
