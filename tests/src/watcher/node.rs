//! Nodes and leases.

use serde_json::Value;

use super::fields::{Finding, conditions, deletion, never_earlier, never_falls, set_once};

/// A node has no order of phases; its conditions turn both ways, each with a clock that does not.
pub(super) fn compare(
    before: &Value,
    after: &Value,
    found: &mut Vec<Finding>,
    untidy: &mut Vec<Finding>,
) {
    deletion(before, after, found);
    conditions(before, after, &[], found, untidy);
    // `ValidateNodeUpdate` lets these go from nothing to a value.
    set_once(
        before,
        after,
        &["/spec/podCIDR", "/spec/podCIDRs", "/spec/providerID"],
        found,
    );
}

/// A lease says who lives; its times are clocks.
pub(super) fn compare_lease(before: &Value, after: &Value, found: &mut Vec<Finding>) {
    never_earlier(before, after, "", "/spec/renewTime", found);
    never_falls(before, after, &["/spec/leaseTransitions"], found);
}
