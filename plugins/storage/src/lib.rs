//! Stock plugin: the volumes of a cluster without storage, as a provisioner and an attacher would have them.
//!
//! The real controllers do the rest and stay in charge: the volume controller binds claims and releases volumes, the attach/detach
//! controller asks for attachments. A claim gets its volume (`provision`), an attachment is attached (`attach`), a volume that was
//! released and is not kept goes (`reclaim`). Nodes say which drivers they have (`register`).

mod node;
mod settings;

use stagewright_plugin::{
    Answer, Apply, Context, Delay, Description, Effect, Event, Object, Patch, Plugin, Time, Value,
    json,
};

pub use settings::DRIVER;
use settings::Settings;

/// Where the volume controller says who is to provision a claim (`setClaimProvisioner` in pv_controller.go); the older name is still
/// written beside it.
const PROVISIONER: [&str; 2] = [
    "/metadata/annotations/volume.kubernetes.io~1storage-provisioner",
    "/metadata/annotations/volume.beta.kubernetes.io~1storage-provisioner",
];
/// Where a provisioner writes that it made a volume.
const PROVISIONED_BY: &str = "/metadata/annotations/pv.kubernetes.io~1provisioned-by";

/// Written out: `configure` runs for most decisions, and building it would cost more than deciding.
const DESCRIPTION: &str = concat!(
    r#"{"schema": "stagewright.dev/description/v1", "name": "storage", "version": ""#,
    env!("CARGO_PKG_VERSION"),
    r#"",
"stages": ["provision", "reclaim", "attach", "register", "report"],
"applies": [{"kind": "v1/PersistentVolume", "adopt": true}, {"kind": "storage.k8s.io/v1/CSINode"}],
"subjects": [{"kind": "v1/PersistentVolumeClaim",
  "reads": ["/metadata/annotations/volume.kubernetes.io~1storage-provisioner",
    "/metadata/annotations/volume.beta.kubernetes.io~1storage-provisioner", "/spec/volumeName", "/status/phase"],
  "playReads": ["/spec"],
  "relations": [{"name": "class", "kind": "storage.k8s.io/v1/StorageClass", "by": {"name": "/spec/storageClassName"},
    "reads": ["/provisioner", "/reclaimPolicy", "/mountOptions"]}]},
 {"kind": "v1/PersistentVolume",
  "reads": ["/metadata/annotations/pv.kubernetes.io~1provisioned-by", "/spec/persistentVolumeReclaimPolicy", "/status/phase",
    "/status/lastPhaseTransitionTime"],
  "since": ["/status/lastPhaseTransitionTime"]},
 {"kind": "storage.k8s.io/v1/VolumeAttachment",
  "reads": ["/spec/attacher", "/status/attached"], "playReads": ["/status"], "writes": ["/status"]},
 {"kind": "v1/Node",
  "reads": ["/metadata/annotations/stagewright.dev~1storage.volumes",
    "/metadata/annotations/volumes.kubernetes.io~1controller-managed-attach-detach"],
  "playReads": ["/metadata/annotations/stagewright.dev~1storage.volumes",
    "/metadata/annotations/volumes.kubernetes.io~1controller-managed-attach-detach"],
  "writes": ["/metadata/annotations/volumes.kubernetes.io~1controller-managed-attach-detach"], "facts": ["failure"],
  "relations": [{"name": "csinode", "kind": "storage.k8s.io/v1/CSINode", "by": {"name": "/metadata/name"},
    "reads": ["/metadata/ownerReferences", "/spec/drivers"]}]}]}"#
);

/// The plugin, configured.
pub struct Storage {
    settings: Settings,
}

impl Plugin for Storage {
    fn configure(settings: &stagewright_plugin::Settings) -> Result<(Self, Description), String> {
        let settings = Settings::parse(settings)?;
        Ok((Self { settings }, Description::from_static(DESCRIPTION)))
    }

    fn decide(&self, object: &Object, ctx: &Context) -> Result<Answer, String> {
        if object.text_at("/kind") == Some("Node") {
            return node::decide(&self.settings, object, ctx);
        }
        if object.text_at("/metadata/deletionTimestamp").is_some() {
            return Ok(Answer::idle("it is being deleted"));
        }
        match object.text_at("/kind") {
            Some("PersistentVolumeClaim") => self.claim(object, ctx),
            Some("PersistentVolume") => Ok(self.volume(object, ctx)),
            _ => Ok(self.attachment(object, ctx)),
        }
    }

    fn play(&self, stage: &str, object: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
        match stage {
            "provision" => self.provision(object, ctx),
            "reclaim" => Ok(vec![Effect::delete(0)]),
            "attach" => Ok(vec![Patch::status(json!({"attached": true})).into()]),
            "register" => node::register(&self.settings, object, ctx),
            "report" => node::report(&self.settings, object),
            _ => Err(format!("stage {stage:?} is none of this plugin's")),
        }
    }
}

impl Storage {
    fn claim(&self, claim: &Object, ctx: &Context) -> Result<Answer, String> {
        let asked = PROVISIONER.iter().find_map(|at| claim.text_at(at));
        let Some(driver) = asked.filter(|driver| self.settings.has(driver)) else {
            return Ok(Answer::Pass);
        };
        if claim
            .text_at("/spec/volumeName")
            .is_some_and(|name| !name.is_empty())
        {
            return Ok(Answer::idle("the claim has its volume"));
        }
        if matches!(claim.text_at("/status/phase"), Some("Bound" | "Lost")) {
            return Ok(Answer::idle("the claim was bound already"));
        }
        if ctx.related("class")?.is_empty() {
            return Ok(Answer::idle(format!(
                "the claim is for {driver}, but its StorageClass is not there"
            )));
        }
        // The controller asks when it likes, which leaves no time in the claim.
        Ok(due("provision", ctx.changed, ctx, self.settings.provision))
    }

    fn volume(&self, volume: &Object, ctx: &Context) -> Answer {
        if !volume
            .text_at(PROVISIONED_BY)
            .is_some_and(|driver| self.settings.has(driver))
        {
            return Answer::Pass;
        }
        if volume.text_at("/status/phase") != Some("Released") {
            return Answer::idle("the volume is not released");
        }
        if volume.text_at("/spec/persistentVolumeReclaimPolicy") != Some("Delete") {
            return Answer::idle("the volume is kept: its reclaim policy is not Delete");
        }
        due("reclaim", ctx.since, ctx, self.settings.reclaim)
    }

    fn attachment(&self, attachment: &Object, ctx: &Context) -> Answer {
        if !attachment
            .text_at("/spec/attacher")
            .is_some_and(|driver| self.settings.has(driver))
        {
            return Answer::Pass;
        }
        if attachment.at("/status/attached") == Some(&Value::Bool(true)) {
            return Answer::idle("the volume is attached");
        }
        due("attach", ctx.since, ctx, self.settings.attach)
    }

    /// The volume, bound to the claim from the start as every provisioner makes it, so that nobody else gets it.
    fn provision(&self, claim: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
        let class = ctx.related("class")?;
        let class = class.first().ok_or("the claim's StorageClass is gone")?;
        let text = |at: &str| claim.text_at(at).unwrap_or_default();
        let driver = class
            .object
            .pointer("/provisioner")
            .and_then(Value::as_str)
            .unwrap_or(DRIVER);
        // A repeated play finds what it made.
        let name = format!("pvc-{}", text("/metadata/uid"));
        let usual = |value: Option<&Value>, usual: Value| value.cloned().unwrap_or(usual);
        let spec = json!({
            "capacity": {"storage": usual(claim.at("/spec/resources/requests/storage"), "1Gi".into())},
            "accessModes": usual(claim.at("/spec/accessModes"), json!(["ReadWriteOnce"])),
            "volumeMode": usual(claim.at("/spec/volumeMode"), "Filesystem".into()),
            "mountOptions": usual(class.object.pointer("/mountOptions"), json!([])),
            "storageClassName": text("/spec/storageClassName"),
            "persistentVolumeReclaimPolicy": usual(class.object.pointer("/reclaimPolicy"), "Delete".into()),
            "csi": {"driver": driver, "volumeHandle": name},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": text("/metadata/namespace"),
                "name": text("/metadata/name"), "uid": text("/metadata/uid")},
        });
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "spec": spec,
            "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": driver}}});
        let message = format!("Provisioned volume {name}");
        Ok(vec![
            Apply::free(volume).into(),
            Event::normal("ProvisioningSucceeded", message).into(),
        ])
    }
}

fn due(stage: &str, from: Time, ctx: &Context, delay: Delay) -> Answer {
    Answer::stage(stage, from + ctx.draw(stage, delay))
}

stagewright_plugin::export!(Storage);
