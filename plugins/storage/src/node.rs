//! What a kubelet publishes when the CSI drivers of its node register (`pkg/volume/csi/nodeinfomanager`): a CSINode with their names and
//! how many volumes each can attach, which the scheduler reads; and on the node that attaching is the controller's.

use stagewright_plugin::{Answer, Apply, Context, Effect, Object, Patch, Related, Value, json};

use crate::settings::Settings;

/// How many volumes of each driver the node can attach, if not as many as the settings say.
const VOLUMES: &str = "/metadata/annotations/stagewright.dev~1storage.volumes";
/// By this annotation, whatever it says, the attach/detach controller knows the nodes that it serves (`ControllerManagedAttachAnnotation`
/// in pkg/volume/util/util.go).
const ATTACHES: &str =
    "/metadata/annotations/volumes.kubernetes.io~1controller-managed-attach-detach";

/// The CSINode of the node, as far as it matters.
enum CsiNode {
    Absent,
    /// Somebody else made it, or it is left of an earlier node of that name and will be collected.
    Others,
    /// Its drivers.
    Ours(Vec<Value>),
}

/// A node's life is the plugin `node`'s: this one answers only while something is missing.
pub fn decide(settings: &Settings, node: &Object, ctx: &Context) -> Result<Answer, String> {
    // Without the right to make CSINodes there are none, and nodes are Ready nevertheless.
    if ctx.has_failed("register")? || node.text_at("/metadata/deletionTimestamp").is_some() {
        return Ok(Answer::Pass);
    }
    let limit = match limit(settings, node) {
        Ok(limit) => limit,
        // A slip is told, and is no reason to hold the node: after that it is passed on.
        Err(_) if ctx.failure()?.is_none() => return Ok(Answer::stage("report", ctx.since)),
        Err(_) => return Ok(Answer::Pass),
    };
    let complete = match csi_node(node, ctx)? {
        CsiNode::Absent => false,
        CsiNode::Others => true,
        CsiNode::Ours(drivers) => {
            has_all(settings, &drivers, limit) && node.text_at(ATTACHES).is_some()
        }
    };
    Ok(if complete {
        Answer::Pass
    } else {
        Answer::stage("register", ctx.since)
    })
}

pub fn register(settings: &Settings, node: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
    let limit = limit(settings, node)?;
    let known = match csi_node(node, ctx)? {
        CsiNode::Absent => Vec::new(),
        CsiNode::Others => return Ok(Vec::new()),
        CsiNode::Ours(drivers) => drivers,
    };
    let mut effects = Vec::new();
    if !has_all(settings, &known, limit) {
        let name = node.text_at("/metadata/name").unwrap_or_default();
        // What others registered stays.
        let mut drivers: Vec<Value> = known
            .into_iter()
            .filter(|driver| !settings.has(driver_name(driver)))
            .collect();
        drivers.extend(settings.drivers.iter().map(|driver| {
            let allocatable = limit.map(|count| json!({ "count": count }));
            json!({"name": driver, "nodeID": name, "allocatable": allocatable})
        }));
        let csi_node = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name},
            "spec": {"drivers": drivers}});
        effects.push(Apply::owned(csi_node).into());
    }
    if node.text_at(ATTACHES).is_none() {
        let annotations = json!({"volumes.kubernetes.io/controller-managed-attach-detach": "true"});
        effects.push(Patch::merge(json!({"metadata": {"annotations": annotations}})).into());
    }
    Ok(effects)
}

/// Fails with what is wrong with the annotation, which the host tells on the node.
pub fn report(settings: &Settings, node: &Object) -> Result<Vec<Effect>, String> {
    limit(settings, node).map(|_| Vec::new())
}

fn limit(settings: &Settings, node: &Object) -> Result<Option<u16>, String> {
    let Some(text) = node.text_at(VOLUMES) else {
        return Ok(settings.volumes);
    };
    let count = text.parse().map_err(|_| {
        format!("annotation stagewright.dev/storage.volumes: {text:?} is no number of volumes: write one like \"25\"")
    })?;
    Ok(Some(count))
}

fn csi_node(node: &Object, ctx: &Context) -> Result<CsiNode, String> {
    let related = ctx.related("csinode")?;
    let Some(Related { object, .. }) = related.first() else {
        return Ok(CsiNode::Absent);
    };
    let uid = node.at("/metadata/uid");
    let owned = items(object, "/metadata/ownerReferences").any(|owner| {
        owner.get("controller") == Some(&Value::Bool(true)) && owner.get("uid") == uid
    });
    Ok(if owned {
        CsiNode::Ours(items(object, "/spec/drivers").cloned().collect())
    } else {
        CsiNode::Others
    })
}

fn has_all(settings: &Settings, known: &[Value], limit: Option<u16>) -> bool {
    settings.drivers.iter().all(|driver| {
        known.iter().any(|known| {
            let count = known.pointer("/allocatable/count").and_then(Value::as_u64);
            driver_name(known) == driver && count == limit.map(u64::from)
        })
    })
}

fn driver_name(driver: &Value) -> &str {
    driver
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn items<'a>(object: &'a Value, at: &str) -> impl Iterator<Item = &'a Value> {
    object
        .pointer(at)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
