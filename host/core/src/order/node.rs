//! Nodes.

use super::model::{ANY, EpochAt, Model, Once};

/// No phases: nodes come and go by their conditions, which two writers set (the kubelet and the node lifecycle controller), each
/// by its clock. `validation.go` `ValidateNodeUpdate`: podCIDRs and providerID may be set, never changed.
pub(super) static MODEL: Model = Model {
    name: "node",
    epochs: &[EpochAt::Identity("/status/nodeInfo/bootID")],
    once: &[
        Once::ever("/spec/podCIDR"),
        Once::ever("/spec/podCIDRs"),
        Once::ever("/spec/providerID"),
    ],
    clocked: true,
    ..ANY
};
