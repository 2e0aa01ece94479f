//! What stands in the columns of each kind (kubernetes, `pkg/printers/internalversion/printers.go`; kube-aggregator for APIServices).

use serde_json::json;

use super::cells::Cell::{self, *};
use super::{addresses, bits, pod, workloads};

const NAME: Cell = Text("/metadata/name");
const AGE: Cell = Since("/metadata/creationTimestamp", "<unknown>");
const CONTAINERS: Cell = Containers("/spec/template/spec");
const IMAGES: Cell = Images("/spec/template/spec");

/// The cells of a built-in kind.
pub(super) fn of(kind: &str) -> &'static [Cell] {
    core(kind)
        .or_else(|| running(kind))
        .or_else(|| policies(kind))
        .or_else(|| storage(kind))
        .unwrap_or(&[NAME, Text("/metadata/creationTimestamp")])
}

fn core(kind: &str) -> Option<&'static [Cell]> {
    Some(match kind {
        "ConfigMap" => &[NAME, Count(&["/data", "/binaryData"]), AGE],
        "Endpoints" => &[NAME, Made(addresses::endpoints), AGE],
        "EndpointSlice" => &[
            NAME,
            Text("/addressType"),
            Made(addresses::slice_ports),
            Made(addresses::slice_endpoints),
            AGE,
        ],
        "Event" => &[
            Made(bits::event_last),
            Text("/type"),
            Text("/reason"),
            Made(bits::event_object),
            Text("/involvedObject/fieldPath"),
            Made(bits::event_source),
            Made(bits::event_message),
            Made(bits::event_first),
            Made(bits::event_count),
            NAME,
        ],
        "Lease" => &[NAME, Text("/spec/holderIdentity"), AGE],
        "Namespace" => &[NAME, Text("/status/phase"), AGE],
        "Node" => &[
            NAME,
            Made(bits::node_status),
            Made(bits::node_roles),
            AGE,
            Text("/status/nodeInfo/kubeletVersion"),
            Made(|row| bits::node_address(row, "InternalIP")),
            Made(|row| bits::node_address(row, "ExternalIP")),
            TextOr("/status/nodeInfo/osImage", "<unknown>"),
            Made(bits::node_kernel),
            TextOr("/status/nodeInfo/containerRuntimeVersion", "<unknown>"),
        ],
        "ResourceQuota" => &[
            NAME,
            Made(|row| bits::quota(row, false)),
            Made(|row| bits::quota(row, true)),
            AGE,
        ],
        "Secret" => &[NAME, Text("/type"), Count(&["/data"]), AGE],
        "ServiceAccount" | "DeviceClass" | "ResourceClaimTemplate" => &[NAME, AGE],
        "Service" => &[
            NAME,
            Text("/spec/type"),
            TextOr("/spec/clusterIPs/0", "<none>"),
            Made(addresses::service_external),
            Made(addresses::service_ports),
            AGE,
            Labels("/spec/selector"),
        ],
        "RuntimeClass" => &[NAME, Text("/handler"), AGE],
        _ => return None,
    })
}

fn running(kind: &str) -> Option<&'static [Cell]> {
    Some(match kind {
        "Pod" => &[
            NAME,
            Made(pod::ready),
            Made(pod::status),
            Made(pod::restarts),
            AGE,
            TextOr("/status/podIPs/0/ip", "<none>"),
            TextOr("/spec/nodeName", "<none>"),
            TextOr("/status/nominatedNodeName", "<none>"),
            Made(pod::gates),
        ],
        "PodTemplate" => &[
            NAME,
            Containers("/template/spec"),
            Images("/template/spec"),
            Labels("/template/metadata/labels"),
        ],
        "ReplicationController" | "ReplicaSet" => &[
            NAME,
            Number("/spec/replicas"),
            Number("/status/replicas"),
            Number("/status/readyReplicas"),
            AGE,
            CONTAINERS,
            IMAGES,
            Made(workloads::replica_selector),
        ],
        "DaemonSet" => &[
            NAME,
            Number("/status/desiredNumberScheduled"),
            Number("/status/currentNumberScheduled"),
            Number("/status/numberReady"),
            Number("/status/updatedNumberScheduled"),
            Number("/status/numberAvailable"),
            Labels("/spec/template/spec/nodeSelector"),
            AGE,
            CONTAINERS,
            IMAGES,
            Selector("/spec/selector"),
        ],
        "Deployment" => &[
            NAME,
            Made(workloads::ready_of_wanted),
            Number("/status/updatedReplicas"),
            Number("/status/availableReplicas"),
            AGE,
            CONTAINERS,
            IMAGES,
            Made(workloads::bare_selector),
        ],
        "StatefulSet" => &[
            NAME,
            Made(workloads::ready_of_wanted),
            AGE,
            CONTAINERS,
            IMAGES,
        ],
        "ControllerRevision" => &[NAME, Made(workloads::controller), Number("/revision"), AGE],
        "Job" => &[
            NAME,
            Made(workloads::job_status),
            Made(workloads::job_completions),
            Made(workloads::job_duration),
            AGE,
            CONTAINERS,
            IMAGES,
            Selector("/spec/selector"),
        ],
        "CronJob" => &[
            NAME,
            Text("/spec/schedule"),
            TextOr("/spec/timeZone", "<none>"),
            FlagWord("/spec/suspend", "<unset>"),
            Count(&["/status/active"]),
            Since("/status/lastScheduleTime", "<none>"),
            AGE,
            Containers("/spec/jobTemplate/spec/template/spec"),
            Images("/spec/jobTemplate/spec/template/spec"),
            Selector("/spec/jobTemplate/spec/selector"),
        ],
        "HorizontalPodAutoscaler" => &[
            NAME,
            Made(workloads::scale_target),
            Made(workloads::metrics),
            Made(|row| {
                json!(
                    row.number("/spec/minReplicas")
                        .map_or_else(|| "<unset>".to_owned(), |least| least.to_string())
                )
            }),
            Number("/spec/maxReplicas"),
            Number("/status/currentReplicas"),
            AGE,
        ],
        "PodDisruptionBudget" => &[
            NAME,
            NumberOr("/spec/minAvailable", "N/A"),
            NumberOr("/spec/maxUnavailable", "N/A"),
            Number("/status/disruptionsAllowed"),
            AGE,
        ],
        _ => return None,
    })
}

fn policies(kind: &str) -> Option<&'static [Cell]> {
    Some(match kind {
        "APIService" => &[
            NAME,
            Made(bits::api_service),
            Made(bits::api_available),
            AGE,
        ],
        "CertificateSigningRequest" => &[
            NAME,
            AGE,
            TextOr("/spec/signerName", "<none>"),
            Text("/spec/username"),
            Made(bits::csr_duration),
            Made(bits::csr_status),
        ],
        "ClusterRoleBinding" | "RoleBinding" => &[
            NAME,
            Made(|row| {
                json!(format!(
                    "{}/{}",
                    row.text("/roleRef/kind"),
                    row.text("/roleRef/name")
                ))
            }),
            AGE,
            Made(|row| bits::subjects(row, "User")),
            Made(|row| bits::subjects(row, "Group")),
            Made(|row| bits::subjects(row, "ServiceAccount")),
        ],
        "FlowSchema" => &[
            NAME,
            Text("/spec/priorityLevelConfiguration/name"),
            Number("/spec/matchingPrecedence"),
            TextOr("/spec/distinguisherMethod/type", "<none>"),
            AGE,
            Made(bits::dangling),
        ],
        "PriorityLevelConfiguration" => &[
            NAME,
            Text("/spec/type"),
            Made(|row| bits::level(row, "/spec/limited", "nominalConcurrencyShares")),
            Made(|row| bits::level(row, "/spec/limited/limitResponse/queuing", "queues")),
            Made(|row| bits::level(row, "/spec/limited/limitResponse/queuing", "handSize")),
            Made(|row| {
                bits::level(
                    row,
                    "/spec/limited/limitResponse/queuing",
                    "queueLengthLimit",
                )
            }),
            AGE,
        ],
        "Ingress" => &[
            NAME,
            TextOr("/spec/ingressClassName", "<none>"),
            Made(addresses::ingress_hosts),
            Made(|row| addresses::balancers(row).into()),
            Made(|row| {
                json!(if row.list("/spec/tls").is_empty() {
                    "80"
                } else {
                    "80, 443"
                })
            }),
            AGE,
        ],
        "IngressClass" => &[
            Made(|row| bits::or_default(row, &["ingressclass.kubernetes.io/is-default-class"])),
            Text("/spec/controller"),
            Made(addresses::ingress_parameters),
            AGE,
        ],
        // Its columns are fewer than its cells there, too.
        "IPAddress" => &[NAME, Made(addresses::ip_parent), AGE],
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            &[NAME, Count(&["/webhooks"]), AGE]
        }
        "MutatingAdmissionPolicy" => &[
            NAME,
            Count(&["/spec/mutations"]),
            Made(bits::param_kind),
            AGE,
        ],
        "ValidatingAdmissionPolicy" => &[
            NAME,
            Count(&["/spec/validations"]),
            Made(bits::param_kind),
            AGE,
        ],
        "MutatingAdmissionPolicyBinding" | "ValidatingAdmissionPolicyBinding" => {
            &[NAME, Text("/spec/policyName"), Made(bits::param_ref), AGE]
        }
        "NetworkPolicy" => &[NAME, Selector("/spec/podSelector"), AGE],
        "PriorityClass" => &[
            NAME,
            Number("/value"),
            Flag("/globalDefault", false),
            AGE,
            Text("/preemptionPolicy"),
        ],
        "ServiceCIDR" => &[NAME, Join("/spec/cidrs", ""), AGE],
        _ => return None,
    })
}

fn storage(kind: &str) -> Option<&'static [Cell]> {
    Some(match kind {
        "CSIDriver" => &[
            NAME,
            Flag("/spec/attachRequired", true),
            Flag("/spec/podInfoOnMount", false),
            Flag("/spec/storageCapacity", false),
            Made(bits::audiences),
            Flag("/spec/requiresRepublish", false),
            Join("/spec/volumeLifecycleModes", "<none>"),
            AGE,
        ],
        "CSINode" => &[NAME, Count(&["/spec/drivers"]), AGE],
        "PersistentVolume" => &[
            NAME,
            TextOr("/spec/capacity/storage", "0"),
            Made(|row| bits::access_modes(row, "/spec/accessModes")),
            Text("/spec/persistentVolumeReclaimPolicy"),
            Made(bits::phase),
            Made(bits::claim),
            Made(bits::storage_class),
            TextOr("/spec/volumeAttributesClassName", "<unset>"),
            Text("/status/reason"),
            AGE,
            TextOr("/spec/volumeMode", "<unset>"),
        ],
        "PersistentVolumeClaim" => &[
            NAME,
            Made(bits::phase),
            Text("/spec/volumeName"),
            Made(bits::claimed),
            Made(bits::claimed_modes),
            Made(bits::storage_class),
            TextOr("/spec/volumeAttributesClassName", "<unset>"),
            AGE,
            TextOr("/spec/volumeMode", "<unset>"),
        ],
        "ResourceClaim" => &[NAME, Made(bits::device_claim), AGE],
        "ResourceSlice" => &[
            NAME,
            Text("/spec/nodeName"),
            Text("/spec/driver"),
            Text("/spec/pool/name"),
            AGE,
        ],
        "StorageClass" => &[
            Made(|row| {
                bits::or_default(
                    row,
                    &[
                        "storageclass.kubernetes.io/is-default-class",
                        "storageclass.beta.kubernetes.io/is-default-class",
                    ],
                )
            }),
            Text("/provisioner"),
            TextOr("/reclaimPolicy", "Delete"),
            TextOr("/volumeBindingMode", "Immediate"),
            Flag("/allowVolumeExpansion", false),
            AGE,
        ],
        "VolumeAttachment" => &[
            NAME,
            Text("/spec/attacher"),
            Text("/spec/source/persistentVolumeName"),
            Text("/spec/nodeName"),
            Flag("/status/attached", false),
            AGE,
        ],
        "VolumeAttributesClass" => &[NAME, Text("/driverName"), AGE],
        _ => return None,
    })
}
