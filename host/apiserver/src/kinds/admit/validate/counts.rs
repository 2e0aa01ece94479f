//! The numbers in the status of kinds that count their pods.

use super::super::look::{at, int};
use super::{Change, Errors, metadata};

/// Numbers of a status that are not below zero, and those that are no more than others, with the words.
pub(super) struct Counts {
    pub(super) natural: &'static [&'static str],
    pub(super) at_most: &'static [(&'static str, &'static str, &'static str)],
}

const OF_ALL: &str = "cannot be greater than status.replicas";

/// The status of each kind that counts its pods.
pub(super) const STATUS: [(&str, Counts); 5] = [
    (
        "apps/deployments",
        Counts {
            natural: &[
                "observedGeneration",
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
                "unavailableReplicas",
                "terminatingReplicas",
                "collisionCount",
            ],
            at_most: &[
                ("updatedReplicas", "replicas", OF_ALL),
                ("readyReplicas", "replicas", OF_ALL),
                ("availableReplicas", "replicas", OF_ALL),
                (
                    "availableReplicas",
                    "readyReplicas",
                    "cannot be greater than readyReplicas",
                ),
            ],
        },
    ),
    (
        "apps/replicasets",
        Counts {
            natural: &[
                "replicas",
                "fullyLabeledReplicas",
                "readyReplicas",
                "availableReplicas",
                "observedGeneration",
                "terminatingReplicas",
            ],
            at_most: &[
                ("fullyLabeledReplicas", "replicas", OF_ALL),
                ("readyReplicas", "replicas", OF_ALL),
                ("availableReplicas", "replicas", OF_ALL),
                (
                    "availableReplicas",
                    "readyReplicas",
                    "cannot be greater than readyReplicas",
                ),
            ],
        },
    ),
    (
        "apps/statefulsets",
        Counts {
            natural: &[
                "replicas",
                "readyReplicas",
                "currentReplicas",
                "updatedReplicas",
                "availableReplicas",
                "observedGeneration",
                "collisionCount",
            ],
            at_most: &[
                ("readyReplicas", "replicas", OF_ALL),
                ("currentReplicas", "replicas", OF_ALL),
                ("updatedReplicas", "replicas", OF_ALL),
                ("availableReplicas", "replicas", OF_ALL),
                (
                    "availableReplicas",
                    "readyReplicas",
                    "cannot be greater than status.readyReplicas",
                ),
            ],
        },
    ),
    (
        "apps/daemonsets",
        Counts {
            natural: &[
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
                "observedGeneration",
                "updatedNumberScheduled",
                "numberAvailable",
                "numberUnavailable",
                "collisionCount",
            ],
            at_most: &[],
        },
    ),
    (
        "policy/poddisruptionbudgets",
        Counts {
            natural: &[
                "disruptionsAllowed",
                "currentHealthy",
                "desiredHealthy",
                "expectedPods",
            ],
            at_most: &[],
        },
    ),
];

/// The numbers in a status.
pub(super) fn check(errors: &mut Errors, change: Change<'_>, counts: &Counts) {
    let status = at(change.new, "/status");
    for field in counts.natural {
        metadata::not_below_zero(errors, status, field, "status");
    }
    let of = |field: &str| int(status, &format!("/{field}")).unwrap_or(0);
    for (less, more, words) in counts.at_most {
        if of(less) > of(more) {
            errors.invalid(&format!("status.{less}"), of(less), words);
        }
    }
    let collisions = |object| int(object, "/status/collisionCount");
    if let Some(before) = collisions(change.old) {
        let now = collisions(change.new).unwrap_or(0);
        if now < before {
            errors.invalid("status.collisionCount", now, "cannot be decremented");
        }
    }
}
