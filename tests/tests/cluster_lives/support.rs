//! Nodes and pods of the cases, and what is read in them.

use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value, json};
use stagewright_tests::scenario::{self, Known, SOON, Scene, View, is_true, set, text};

/// The annotation by which the host knows its nodes.
pub const OURS: &str = "kwok.x-k8s.io/node";
/// Begins the annotations of the plugin `pod`.
const ASKS: &str = "stagewright.dev/pod.";

/// A node of the scene that the host serves.
pub fn node(scene: &Scene, name: &str) -> Value {
    let mut node = scenario::node(name, &scene.name);
    set(
        &mut node,
        "metadata",
        "annotations",
        json!({ OURS: "fake" }),
    );
    node
}

/// One of the pods that are there.
pub fn any(pods: &View) -> Result<Value> {
    let known = pods.now();
    let first = known.objects.values().next().context("a pod")?;
    Ok(Value::clone(first))
}

/// That many nodes of the scene, `SCENE-0` and so on, all Ready.
pub async fn nodes(scene: &Scene, count: usize) -> Result<Vec<Value>> {
    let names: Vec<String> = (0..count)
        .map(|number| format!("{}-{number}", scene.name))
        .collect();
    let view = View::open(&scene.client, "v1/Node", None).await?;
    let objects = names.iter().map(|name| node(scene, name));
    let created = scenario::create_all(&scene.client, objects).await?;
    view.until("the nodes Ready and open to the scheduler", SOON, |known| {
        names.iter().all(|name| {
            let node = known.get(name);
            node.is_some_and(|node| is_true(node, "Ready") && taints(node).is_empty())
        })
    })
    .await?;
    Ok(created)
}

/// A pod that the scheduler places on a node of the scene. `asks` are annotations without what they begin with; `spec` is laid over a
/// spec of one container `main`.
pub fn pod(scene: &Scene, name: &str, asks: &[(&str, &str)], spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": scene.name, "labels": {"app": name}, "annotations": annotations(asks)},
        "spec": pod_spec(scene, spec)})
}

/// A template of such pods, with the label `app`.
pub fn template(scene: &Scene, app: &str, asks: &[(&str, &str)], spec: Value) -> Value {
    json!({"metadata": {"labels": {"app": app}, "annotations": annotations(asks)}, "spec": pod_spec(scene, spec)})
}

fn annotations(asks: &[(&str, &str)]) -> Map<String, Value> {
    let asks = asks.iter();
    asks.map(|(name, value)| (format!("{ASKS}{name}"), Value::from(*value)))
        .collect()
}

fn pod_spec(scene: &Scene, spec: Value) -> Value {
    let mut whole = json!({"nodeSelector": {"group": scene.name}, "terminationGracePeriodSeconds": 3, "automountServiceAccountToken": false,
        "containers": [container("main")]});
    if let (Some(whole), Value::Object(spec)) = (whole.as_object_mut(), spec) {
        whole.extend(spec);
    }
    whole
}

/// A container that says nothing of itself.
pub fn container(name: &str) -> Value {
    json!({"name": name, "image": format!("example.com/{name}:1")})
}

/// The patch that asks a pod for something, or with `null` for nothing more.
pub fn ask(name: &str, value: Value) -> Value {
    json!({"metadata": {"annotations": {format!("{ASKS}{name}"): value}}})
}

/// A view of the scene's objects of a kind.
pub async fn view(scene: &Scene, kind: &str) -> Result<View> {
    View::open(&scene.client, kind, Some(&scene.name)).await
}

/// Creates a pod in a scene with one node, and answers the scene's pods.
pub async fn alone(scene: &Scene, pod: Value) -> Result<(View, Value)> {
    nodes(scene, 1).await?;
    let pods = view(scene, "v1/Pod").await?;
    let pod = scenario::create(&scene.client, pod).await?;
    Ok((pods, pod))
}

/// Waits until the object of that name has the property, and answers it as it was then.
pub async fn until(
    view: &View,
    name: &str,
    what: &str,
    property: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let mut found = None;
    view.until(what, 2 * SOON, |known| {
        found = known.get(name).filter(|object| property(object)).cloned();
        found.is_some()
    })
    .await
    // A wait that failed shows the first objects of many, and this is the one that counts.
    .map_err(|_| {
        anyhow!(
            "{name} is not {what} within {:?}: {}",
            2 * SOON,
            shown(view, name)
        )
    })?;
    found.context("an object that was there")
}

/// An object without what tells nothing.
fn shown(view: &View, name: &str) -> String {
    let mut object = view.now().get(name).cloned().unwrap_or_default();
    if let Some(metadata) = object
        .pointer_mut("/metadata")
        .and_then(Value::as_object_mut)
    {
        metadata.remove("managedFields");
    }
    object.to_string()
}

/// The status of a container, whichever list has it.
pub fn status<'a>(pod: &'a Value, container: &str) -> &'a Value {
    static NONE: Value = Value::Null;
    let lists = [
        "initContainerStatuses",
        "containerStatuses",
        "ephemeralContainerStatuses",
    ];
    let lists = lists
        .iter()
        .filter_map(|list| pod.pointer(&format!("/status/{list}"))?.as_array());
    let mut statuses = lists.flatten();
    statuses
        .find(|status| text(status, "/name") == container)
        .unwrap_or(&NONE)
}

/// The number at a pointer; 0 if there is none.
pub fn number(object: &Value, pointer: &str) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

/// Whether a container runs.
pub fn runs(pod: &Value, container: &str) -> bool {
    status(pod, container).pointer("/state/running").is_some()
}

/// With which code a container ended, if it is not to run again at once.
pub fn exit_code(pod: &Value, container: &str) -> Option<i64> {
    status(pod, container)
        .pointer("/state/terminated/exitCode")?
        .as_i64()
}

/// The condition of that type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    static NONE: Value = Value::Null;
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    conditions
        .find(|condition| text(condition, "/type") == kind)
        .unwrap_or(&NONE)
}

/// A condition's status and reason, as `True/Reason`.
pub fn says(object: &Value, kind: &str) -> String {
    let condition = condition(object, kind);
    format!(
        "{}/{}",
        text(condition, "/status"),
        text(condition, "/reason")
    )
}

/// A node's taints as `key:effect`.
pub fn taints(node: &Value) -> Vec<String> {
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    let taints = taints.into_iter().flatten();
    taints
        .map(|taint| format!("{}:{}", text(taint, "/key"), text(taint, "/effect")))
        .collect()
}

/// Whether every version of the object so far has the property.
pub fn ever(known: &Known, uid: &str, property: impl Fn(&Value) -> bool) -> bool {
    known.versions(uid).any(|seen| property(&seen.object))
}

/// The seconds since 1970 that are written at a pointer.
pub fn seconds(object: &Value, pointer: &str) -> Result<i64> {
    let time = text(object, pointer);
    let time: jiff::Timestamp = time
        .parse()
        .with_context(|| format!("{pointer} is {time:?}"))?;
    Ok(time.as_second())
}
