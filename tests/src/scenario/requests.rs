//! What users and other controllers ask of the API server.
#![expect(
    clippy::disallowed_methods,
    reason = "a test plays the users and controllers whose writes no guard admits"
)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams,
    PostParams, PropagationPolicy,
};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{SOON, name, text};

/// How many requests a helper keeps in flight.
const IN_FLIGHT: usize = 24;

/// The kind's API. `kind` is written as in a description: `v1/Pod`.
///
/// # Errors
/// If `kind` has another shape.
pub fn api(client: &Client, kind: &str, namespace: Option<&str>) -> Result<Api<DynamicObject>> {
    let (api_version, kind) = kind
        .rsplit_once('/')
        .with_context(|| format!("{kind:?} is no kind"))?;
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Ok(match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    })
}

/// The API that an object's own text names.
fn api_of(client: &Client, object: &Value) -> Result<Api<DynamicObject>> {
    let namespace =
        Some(text(object, "/metadata/namespace")).filter(|namespace| !namespace.is_empty());
    api(
        client,
        &format!("{}/{}", text(object, "/apiVersion"), text(object, "/kind")),
        namespace,
    )
}

/// Creates an object.
///
/// # Errors
/// What the API server says.
pub async fn create(client: &Client, object: Value) -> Result<Value> {
    let api = api_of(client, &object)?;
    let typed: DynamicObject = serde_json::from_value(object)?;
    let name = typed.name_any();
    let created = api
        .create(&PostParams::default(), &typed)
        .await
        .with_context(|| format!("create {name}"))?;
    Ok(serde_json::to_value(created)?)
}

/// Creates many objects, several at a time.
///
/// # Errors
/// The first that the API server refuses.
pub async fn create_all(
    client: &Client,
    objects: impl IntoIterator<Item = Value>,
) -> Result<Vec<Value>> {
    stream::iter(objects)
        .map(|object| create(client, object))
        .buffered(IN_FLIGHT)
        .try_collect()
        .await
}

/// Creates an object whose kind or policy may not be in force yet, trying again for [`SOON`].
///
/// # Errors
/// The last answer of the API server.
pub async fn create_when_served(client: &Client, object: Value) -> Result<Value> {
    let started = Instant::now();
    let mut pause = tokio::time::interval(Duration::from_millis(100));
    loop {
        pause.tick().await;
        match create(client, object.clone()).await {
            Ok(created) => return Ok(created),
            Err(error) if started.elapsed() > SOON => return Err(error),
            Err(_) => {}
        }
    }
}

/// Sends a merge patch to an object, or to its subresource.
///
/// # Errors
/// What the API server says.
pub async fn merge(
    client: &Client,
    object: &Value,
    subresource: Option<&str>,
    patch: Value,
) -> Result<Value> {
    let api = api_of(client, object)?;
    let name = name(object);
    let parameters = PatchParams::default();
    let patch = Patch::Merge(patch);
    let patched = match subresource {
        Some(subresource) => {
            api.patch_subresource(subresource, name, &parameters, &patch)
                .await
        }
        None => api.patch(name, &parameters, &patch).await,
    };
    Ok(serde_json::to_value(
        patched.with_context(|| format!("patch {name}"))?,
    )?)
}

/// Deletes an object: with a grace period in seconds, or its own. An object that is gone already is no error.
///
/// # Errors
/// What the API server says.
pub async fn delete(client: &Client, object: &Value, grace: Option<u32>) -> Result<()> {
    let parameters = DeleteParams {
        grace_period_seconds: grace,
        // As kubectl asks for it: a Job deleted without a word leaves its pods behind.
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    match api_of(client, object)?
        .delete(name(object), &parameters)
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        answer => answer
            .map(drop)
            .with_context(|| format!("delete {}", name(object))),
    }
}

/// Deletes many objects, several at a time.
///
/// # Errors
/// The first answer that is an error.
pub async fn delete_all(client: &Client, objects: &[Value], grace: Option<u32>) -> Result<()> {
    stream::iter(objects)
        .map(|object| delete(client, object, grace))
        .buffered(IN_FLIGHT)
        .try_collect()
        .await
}

/// Reads an object again.
///
/// # Errors
/// What the API server says.
pub async fn read(client: &Client, object: &Value) -> Result<Value> {
    Ok(serde_json::to_value(
        api_of(client, object)?.get(name(object)).await?,
    )?)
}

/// Sets a label on an object over and over, until dropped: the touches of a busy cluster.
#[derive(Debug)]
pub struct Touches(JoinHandle<()>);

impl Touches {
    /// Touches each of the objects once every `period`. Objects that are not there are passed over.
    #[must_use]
    pub fn start(client: &Client, objects: Vec<Value>, period: Duration) -> Self {
        let client = client.clone();
        Self(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(period);
            for round in 0_u64.. {
                ticks.tick().await;
                let patch = json!({"metadata": {"labels": {"touch": round.to_string()}}});
                stream::iter(&objects)
                    .for_each_concurrent(IN_FLIGHT, |object| {
                        let patch = patch.clone();
                        let client = &client;
                        async move { drop(merge(client, object, None, patch).await) }
                    })
                    .await;
            }
        }))
    }
}

impl Drop for Touches {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Now, as a Lease writes it.
#[must_use]
pub fn now_micros() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
        .to_string()
}
