//! What tests ask of etcd itself, by its gateway to HTTP.

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::ByteString;
use kube::{Client, Config};
use serde_json::{Value, json};

/// Where API servers tell each other which revision is the oldest.
const NOTICE: &str = "compact_rev_key";

/// So many changes are on their way at a time.
const AT_ONCE: usize = 16;

/// Forgets the past until now, and tells the API server.
pub(super) async fn compact(url: &str) -> Result<()> {
    let client = client(url)?;
    let key = bytes(NOTICE);
    let found = call(&client, "range", &json!({"key": key})).await?;
    let revision = found.pointer("/header/revision").and_then(Value::as_str);
    let revision = revision.context("etcd tells its revision")?;
    call(&client, "compaction", &json!({"revision": revision})).await?;
    let put = json!({"key": key, "value": bytes(revision)});
    call(&client, "put", &put).await.map(drop)
}

/// Puts objects below the API server's root. Each has a revision of its own: a watch that goes on from one misses the others of it.
pub(super) async fn put(url: &str, objects: &[(String, Value)]) -> Result<()> {
    let client = &client(url)?;
    let puts = stream::iter(objects).map(|(key, object)| async move {
        let key = bytes(&format!("/registry/{key}"));
        let put = json!({"key": key, "value": bytes(&object.to_string())});
        call(client, "put", &put).await
    });
    puts.buffer_unordered(AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await
}

fn client(url: &str) -> Result<Client> {
    Ok(Client::try_from(Config::new(url.parse()?))?)
}

/// As which bytes are sent in base64.
fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}

async fn call(client: &Client, what: &str, body: &Value) -> Result<Value> {
    let request = http::Request::post(format!("/v3/kv/{what}"))
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())?;
    client
        .request(request)
        .await
        .with_context(|| format!("etcd: {what}"))
}
