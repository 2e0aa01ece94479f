//! What each subresource of a kind can change.

use std::sync::Arc;

use serde_json::Value;

use super::violation::Violation;
use crate::object::{Kind, Snapshot};

/// What the main resource and the subresources of a kind can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surface {
    status: bool,
    scale: bool,
    /// The server reads into types: a null is the same as nothing, and `/status` takes some metadata too.
    typed: bool,
    cluster_wide: bool,
}

/// Metadata that a built-in kind's status takes along (its strategies reset the rest; seen on a real server). A custom kind's
/// status takes none.
const STATUS_METADATA: [&str; 3] = ["labels", "annotations", "finalizers"];

/// Kinds of the built-in groups, each row with: has a status subresource, is cluster-wide (discovery of Kubernetes 1.36).
const BUILT_IN: &[(&str, bool, bool, &[&str])] = &[
    (
        "",
        true,
        false,
        &[
            "Pod",
            "PersistentVolumeClaim",
            "ReplicationController",
            "ResourceQuota",
            "Service",
        ],
    ),
    ("", true, true, &["Namespace", "Node", "PersistentVolume"]),
    (
        "",
        false,
        false,
        &[
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PodTemplate",
            "Secret",
            "ServiceAccount",
        ],
    ),
    (
        "admissionregistration.k8s.io",
        true,
        true,
        &["ValidatingAdmissionPolicy"],
    ),
    (
        "admissionregistration.k8s.io",
        false,
        true,
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    (
        "apiextensions.k8s.io",
        true,
        true,
        &["CustomResourceDefinition"],
    ),
    ("apiregistration.k8s.io", true, true, &["APIService"]),
    (
        "apps",
        true,
        false,
        &["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"],
    ),
    ("apps", false, false, &["ControllerRevision"]),
    ("autoscaling", true, false, &["HorizontalPodAutoscaler"]),
    ("batch", true, false, &["CronJob", "Job"]),
    (
        "certificates.k8s.io",
        true,
        true,
        &["CertificateSigningRequest"],
    ),
    (
        "certificates.k8s.io",
        true,
        false,
        &["PodCertificateRequest"],
    ),
    ("certificates.k8s.io", false, true, &["ClusterTrustBundle"]),
    (
        "coordination.k8s.io",
        false,
        false,
        &["Lease", "LeaseCandidate"],
    ),
    ("discovery.k8s.io", false, false, &["EndpointSlice"]),
    ("events.k8s.io", false, false, &["Event"]),
    (
        "flowcontrol.apiserver.k8s.io",
        true,
        true,
        &["FlowSchema", "PriorityLevelConfiguration"],
    ),
    ("networking.k8s.io", true, false, &["Ingress"]),
    ("networking.k8s.io", true, true, &["ServiceCIDR"]),
    ("networking.k8s.io", false, false, &["NetworkPolicy"]),
    (
        "networking.k8s.io",
        false,
        true,
        &["IngressClass", "IPAddress"],
    ),
    ("node.k8s.io", false, true, &["RuntimeClass"]),
    ("policy", true, false, &["PodDisruptionBudget"]),
    (
        "rbac.authorization.k8s.io",
        false,
        false,
        &["Role", "RoleBinding"],
    ),
    (
        "rbac.authorization.k8s.io",
        false,
        true,
        &["ClusterRole", "ClusterRoleBinding"],
    ),
    ("resource.k8s.io", true, false, &["ResourceClaim"]),
    (
        "resource.k8s.io",
        true,
        true,
        &["DeviceTaintRule", "ResourcePoolStatusRequest"],
    ),
    ("resource.k8s.io", false, false, &["ResourceClaimTemplate"]),
    (
        "resource.k8s.io",
        false,
        true,
        &["DeviceClass", "ResourceSlice"],
    ),
    ("scheduling.k8s.io", true, false, &["PodGroup"]),
    ("scheduling.k8s.io", false, false, &["Workload"]),
    ("scheduling.k8s.io", false, true, &["PriorityClass"]),
    ("storage.k8s.io", true, true, &["VolumeAttachment"]),
    ("storage.k8s.io", false, false, &["CSIStorageCapacity"]),
    (
        "storage.k8s.io",
        false,
        true,
        &[
            "CSIDriver",
            "CSINode",
            "StorageClass",
            "VolumeAttributesClass",
        ],
    ),
];

/// Those with a scale subresource.
const SCALED: [&str; 4] = [
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

// === impl Surface ===

impl Surface {
    /// Of a kind that every API server serves, in whatever version; none for any other.
    #[must_use]
    pub fn built_in(kind: &Kind) -> Option<Self> {
        let (_, status, cluster_wide, _) = BUILT_IN
            .iter()
            .find(|(group, _, _, kinds)| *group == kind.group() && kinds.contains(&kind.kind()))?;
        let scale = SCALED.contains(&kind.kind());
        Some(Self {
            status: *status,
            scale,
            typed: true,
            cluster_wide: *cluster_wide,
        })
    }

    /// Of a custom kind, with the subresources that discovery names. In a namespace unless [`Surface::cluster_wide`].
    #[must_use]
    pub fn custom(has_status: bool, has_scale: bool) -> Self {
        Self {
            status: has_status,
            scale: has_scale,
            typed: false,
            cluster_wide: false,
        }
    }

    /// The same of a kind without namespaces.
    #[must_use]
    pub fn cluster_wide(self) -> Self {
        Self {
            cluster_wide: true,
            ..self
        }
    }

    pub(super) fn is_cluster_wide(self) -> bool {
        self.cluster_wide
    }

    /// Whether its status is a resource of its own.
    #[must_use]
    pub fn has_status(self) -> bool {
        self.status
    }

    /// Whether the kind has that subresource.
    pub(super) fn has(self, subresource: Option<&str>) -> bool {
        match subresource {
            None => true,
            Some("status") => self.status,
            Some("scale") => self.scale,
            Some(_) => false,
        }
    }

    /// Why the pointer (unescaped) is out of the subresource's reach, if it is.
    pub(super) fn outside(self, subresource: Option<&str>, at: &[&str]) -> Option<Violation> {
        let (reaches, remedy) = match (subresource, at) {
            (None, ["status", ..]) => (!self.status, "address subresource \"status\""),
            (None, _) => (true, ""),
            (Some("status"), ["metadata", field, ..]) => (
                self.typed && STATUS_METADATA.contains(field),
                "address the object itself",
            ),
            (Some("status"), _) => (at.first() == Some(&"status"), "address the object itself"),
            (Some("scale"), _) => (
                at.starts_with(&["spec", "replicas"]),
                "address the object itself or its status",
            ),
            (Some(_), _) => (false, "the kind has no such subresource"),
        };
        (!reaches).then(|| Violation::OutsideSubresource {
            path: crate::json::pointer(at),
            subresource: subresource.map(str::to_owned),
            remedy,
        })
    }

    /// `before` with what the subresource can change taken from `after`: what the server would store.
    pub(super) fn confine(
        self,
        subresource: Option<&str>,
        before: &Value,
        mut after: Value,
    ) -> Value {
        match subresource {
            None if self.status => {
                copy(before, &mut after, "status");
                after
            }
            None => after,
            Some(subresource) => {
                let mut result = before.clone();
                let place = |tree: &Value, field| tree.get(field).cloned().unwrap_or(Value::Null);
                if subresource == "scale" {
                    let (spec, mut new) = (place(&after, "spec"), place(before, "spec"));
                    copy(&spec, &mut new, "replicas");
                    if !new.is_null() {
                        set(&mut result, "spec", Some(new));
                    }
                    return result;
                }
                copy(&after, &mut result, subresource);
                if self.typed {
                    let (metadata, mut new) =
                        (place(&after, "metadata"), place(before, "metadata"));
                    for field in STATUS_METADATA {
                        copy(&metadata, &mut new, field);
                    }
                    set(&mut result, "metadata", Some(new));
                }
                result
            }
        }
    }

    /// Without what means nothing to the server: nulls, where it reads into types. They would only force a JSON patch.
    pub(super) fn plain(self, mut tree: Value) -> Value {
        if self.typed {
            drop_nulls(&mut tree);
        }
        tree
    }

    /// The same of an object as it is stored, which seldom has any.
    pub(super) fn plain_body(self, object: &Snapshot) -> Arc<Value> {
        if self.typed && has_nulls(object.body()) {
            return Arc::new(self.plain(object.body().clone()));
        }
        object.shared_body()
    }
}

/// Copies a member, or that there is none.
fn copy(from: &Value, to: &mut Value, field: &str) {
    set(to, field, from.get(field).cloned());
}

fn set(to: &mut Value, field: &str, value: Option<Value>) {
    let Some(to) = to.as_object_mut() else { return };
    match value {
        Some(value) => to.insert(field.to_owned(), value),
        None => to.remove(field),
    };
}

fn has_nulls(tree: &Value) -> bool {
    match tree {
        Value::Null => true,
        Value::Object(map) => map.values().any(has_nulls),
        Value::Array(items) => items.iter().any(has_nulls),
        _ => false,
    }
}

fn drop_nulls(tree: &mut Value) {
    match tree {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
