//! The least that any controller of pods spends: one watch, and for each pod one patch that was known before. It decides nothing, checks
//! nothing and remembers nothing, over the same client as ours. A process of its own, so that its CPU can be told.
#![expect(
    clippy::disallowed_methods,
    reason = "it is what a client without our room for requests spends"
)]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{AsyncBufReadExt as _, StreamExt as _};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use stagewright_tests::client;
use stagewright_tests::controlplane::ControlPlane;
use stagewright_tests::host::{cpu, resident};
use stagewright_tests::scenario::{name, uid};

/// Tells the program, started again by itself, that it is the bare client of the cluster of this kubeconfig.
pub const KUBECONFIG: &str = "STAGEWRIGHT_BARE_KUBECONFIG";

/// What is written of an object.
type Status = fn(&Value) -> Value;

/// What is watched, and what is written of each.
const KINDS: [(&str, Status); 2] = [
    ("/api/v1/nodes", |_| node_status()),
    ("/api/v1/pods", |pod| pod_status(pod)),
];

/// A running bare client. It is killed when this is dropped.
pub struct Bare(std::process::Child);

// === impl Bare ===

impl Bare {
    pub fn start(plane: &ControlPlane) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(KUBECONFIG, plane.kubeconfig());
        Ok(Self(command.spawn()?))
    }

    pub fn cpu(&self) -> Result<Duration> {
        cpu(self.0.id())
    }

    pub fn resident(&self) -> Result<u64> {
        resident(self.0.id())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The child's life: until it is killed.
pub fn run(kubeconfig: PathBuf) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = client::of_file(&kubeconfig).await?;
        let follow = KINDS.map(|(path, status)| follow(client.clone(), path, status));
        futures::future::try_join_all(follow).await.map(drop)
    })
}

async fn follow(client: Client, path: &'static str, status: Status) -> Result<()> {
    let watch = Request::get(format!("{path}?watch=true&timeoutSeconds=36000")).body(Vec::new())?;
    let mut lines = client.request_stream(watch).await?.lines();
    while let Some(line) = lines.next().await {
        let event: Value = serde_json::from_str(&line?)?;
        let object = event.get("object").context("an event has an object")?;
        if let Some(request) = answer(&event, object, path, status)? {
            let client = client.clone();
            tokio::spawn(async move { client.request_text(request).await.map(drop) });
        }
    }
    Ok(())
}

/// A new object gets its status, one that is being deleted goes.
fn answer(
    event: &Value,
    object: &Value,
    path: &str,
    status: Status,
) -> Result<Option<Request<Vec<u8>>>> {
    let namespace = object
        .pointer("/metadata/namespace")
        .and_then(Value::as_str);
    let path = match namespace {
        Some(namespace) => path.replace("/v1/", &format!("/v1/namespaces/{namespace}/")),
        None => path.to_owned(),
    };
    let path = format!("{path}/{}", name(object));
    let preconditions =
        json!({"uid": uid(object), "resourceVersion": object.pointer("/metadata/resourceVersion")});
    let (method, path, kind, body) = if event.get("type") == Some(&json!("ADDED")) {
        let patch = json!({"metadata": preconditions, "status": status(object)});
        let path = format!("{path}/status?fieldManager=bare&fieldValidation=Warn");
        (Method::PATCH, path, "application/merge-patch+json", patch)
    } else if event.get("type") == Some(&json!("MODIFIED"))
        && object.pointer("/metadata/deletionTimestamp").is_some()
    {
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": preconditions});
        (Method::DELETE, path, "application/json", options)
    } else {
        return Ok(None);
    };
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("content-type", kind)
        .header("accept", "application/json");
    Ok(Some(request.body(serde_json::to_vec(&body)?)?))
}

fn node_status() -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready",
        "lastHeartbeatTime": TIME, "lastTransitionTime": TIME}]})
}

/// As many fields as ours.
fn pod_status(pod: &Value) -> Value {
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": TIME, "observedGeneration": 1});
    let conditions = [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]
    .map(condition);
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let container = |container: &Value| {
        json!({"name": container.get("name"), "image": container.get("image"), "imageID": "",
        "containerID": "bare://1", "ready": true, "started": true, "restartCount": 0, "state": {"running": {"startedAt": TIME}}})
    };
    let containers: Vec<Value> = containers.into_iter().flatten().map(container).collect();
    json!({"phase": "Running", "observedGeneration": 1, "startTime": TIME, "conditions": conditions, "containerStatuses": containers,
        "hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.1"}], "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}]})
}

/// Some time.
const TIME: &str = "2026-01-01T00:00:00Z";
