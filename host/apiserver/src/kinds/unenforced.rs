//! Kinds that a real server acts upon by itself, and that this one only stores. Who writes one is told so.

use super::{Operation, Resource, Warning};

/// What stands between the kind and what does not happen, in every such warning.
pub const UNENFORCED: &str = " is stored and not enforced by this server: ";

const ADMISSION: &str = "admissionregistration.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// The groups, their kinds, and what does not happen.
const KINDS: [(&str, &[&str], &str); 9] = [
    (
        ADMISSION,
        &[
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ],
        "no webhook is called",
    ),
    (
        ADMISSION,
        &[
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        ],
        "no request is checked by a policy",
    ),
    (
        ADMISSION,
        &["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"],
        "no object is changed by a policy",
    ),
    (
        "apiregistration.k8s.io",
        &["APIService"],
        "no request is passed on to another server",
    ),
    (
        RBAC,
        &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
        "whoever is let in may do everything",
    ),
    (
        FLOW,
        &["FlowSchema", "PriorityLevelConfiguration"],
        "no request waits for another",
    ),
    ("", &["ResourceQuota"], "no quota is kept or counted"),
    (
        "",
        &["LimitRange"],
        "no object is given or held to its limits",
    ),
    (
        "scheduling.k8s.io",
        &["PriorityClass"],
        "no pod is given its priority",
    ),
];

/// What is to be said to who writes an object of the kind. What only tells of its status has nothing to be warned of.
pub(crate) fn warning(resource: &Resource, operation: Operation<'_>) -> Option<Warning> {
    if !matches!(operation, Operation::Create | Operation::Update { .. }) {
        return None;
    }
    let (_, _, why) = KINDS
        .iter()
        .find(|(group, kinds, _)| *group == &*resource.group && kinds.contains(&&*resource.kind))?;
    Some(Warning(format!("{}{UNENFORCED}{why}", resource.kind)))
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::*;

    /// A name that is misspelt here would never warn.
    #[test]
    fn all_of_them_are_served() {
        let catalog = Catalog::new();
        for (group, kinds, _) in KINDS {
            for kind in kinds {
                let mut resources = catalog.resources();
                let served = resources
                    .find(|resource| &*resource.group == group && &&*resource.kind == kind);
                let served = served.unwrap_or_else(|| panic!("{group} has no {kind}"));
                assert!(warning(served, Operation::Create).is_some(), "{kind}");
            }
        }
    }
}
