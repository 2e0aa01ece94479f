//! Persistent volumes and their claims (`controller/volume/persistentvolume/pv_controller.go`), and attachments.

use std::borrow::Cow;

use serde_json::Value;

use super::model::{ANY, EpochAt, Model, Once, status_phase};
use crate::json::At as _;

/// A volume is bound by a claim's uid, which never comes back: another one, or none, begins anew. So Released → Available needs
/// that the administrator or the reclaimer took the claim away. No phase is terminal: a Failed volume can be freed as well.
pub(super) static VOLUME: Model = Model {
    name: "persistent-volume",
    phase: Some(status_phase),
    phase_at: "/status/phase",
    graph: &[
        ("Pending", &["Available"]),
        ("Available", &["Bound"]),
        ("Bound", &["Released"]),
        ("Released", &["Failed"]),
        ("Failed", &[]),
    ],
    initial: "Pending",
    epochs: &[EpochAt::Identity("/spec/claimRef/uid")],
    times: &["/status/lastPhaseTransitionTime"],
    ..ANY
};

/// A claim is bound by the name of its volume. Lost → Bound is forward only with another one. (Where a lost volume returns under
/// its name, the volume controller binds the claim again; that is its to do, and is reported like any move backward by others.)
pub(super) static CLAIM: Model = Model {
    name: "persistent-volume-claim",
    phase: Some(status_phase),
    phase_at: "/status/phase",
    graph: &[("Pending", &["Bound"]), ("Bound", &["Lost"]), ("Lost", &[])],
    initial: "Pending",
    epochs: &[EpochAt::Identity("/spec/volumeName")],
    // validation.go ValidatePersistentVolumeClaimUpdate: the spec "is immutable after creation" but for its first volume.
    once: &[Once::ever("/spec/volumeName")],
    clocked: true,
    ..ANY
};

/// An attachment is made for one volume on one node (`ValidateVolumeAttachmentUpdate` in storage `validation.go`: the spec is immutable)
/// and says whether that came about. It is detached by its deletion alone, and not attached again then: another one is made.
pub(super) static ATTACHMENT: Model = Model {
    name: "volume-attachment",
    phase: Some(attachment_phase),
    phase_at: "/status/attached",
    graph: &[
        ("Attaching", &["Attached", "Detached"]),
        ("Attached", &["Detached"]),
        ("Detached", &[]),
    ],
    initial: "Attaching",
    once: &[Once::ever("/spec")],
    ..ANY
};

fn attachment_phase(attachment: &Value) -> Cow<'_, str> {
    let deleting = attachment.at("/metadata/deletionTimestamp").is_some();
    let phase = match attachment.at("/status/attached") {
        Some(Value::Bool(true)) => "Attached",
        _ if deleting => "Detached",
        _ => "Attaching",
    };
    phase.into()
}
