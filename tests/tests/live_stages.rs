//! Stages that the API server has, followed by a host: against the server in the box.

use std::future::Future;
use std::pin::Pin;

use anyhow::{Context as _, Result};
use kube::Client;
use serde_json::json;
use stagewright_tests::boxed::Boxed;
use stagewright_tests::scenario::create;
use stagewright_tests::staging;

type Play = for<'a> fn(&'a Client, &'a str) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// The kind is served when the host begins, or only later.
async fn played(early: bool, play: Play) -> Result<()> {
    let mut boxed = Boxed::start().await?;
    let client = boxed.client().await?;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "live"}});
    create(&client, namespace).await?;
    if early {
        create(&client, staging::definition()).await?;
    }
    let arguments = ["--enable-crds=Stage", "--stock-plugins=node"];
    boxed.attach_host_with(&arguments).await?;
    if !early {
        create(&client, staging::definition()).await?;
    }
    let ended = play(&client, "live").await;
    ended.with_context(|| boxed.logs())
}

#[tokio::test]
async fn stages_come_change_and_go() -> Result<()> {
    played(true, |client, namespace| {
        Box::pin(staging::stages_come_change_and_go(client, namespace))
    })
    .await
}

#[tokio::test]
async fn a_bad_stage_is_refused_alone() -> Result<()> {
    played(false, |client, namespace| {
        Box::pin(staging::a_bad_stage_is_refused_alone(client, namespace))
    })
    .await
}
