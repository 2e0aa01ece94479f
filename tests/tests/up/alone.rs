//! The server with nothing beside it.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Namespace, Node, Pod};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::core::DynamicObject;
use kube::discovery::{Discovery, verbs};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::*;

/// All that is stored, by resource.
async fn stored(client: &Client) -> Result<BTreeMap<String, Vec<Value>>> {
    let mut stored = BTreeMap::new();
    let discovery = Discovery::new(client.clone()).run().await?;
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if capabilities.supports_operation(verbs::LIST) {
                let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
                let list = api.list(&ListParams::default()).await?;
                let items = list.items.iter().map(serde_json::to_value);
                let name = format!("{}.{}", resource.plural, resource.api_version);
                stored.insert(name, items.collect::<Result<_, _>>()?);
            }
        }
    }
    Ok(stored)
}

/// What some controller or a time-to-live would change sooner or later.
async fn tempt(client: &Client) -> Result<()> {
    let create = PostParams::default();
    let namespaces = Api::<Namespace>::all(client.clone());
    let going = serde_json::from_value(json!({"metadata": {"name": "going"}}))?;
    namespaces.create(&create, &going).await?;
    namespaces.delete("going", &DeleteParams::default()).await?;
    let node =
        json!({"metadata": {"name": "silent", "annotations": {"kwok.x-k8s.io/node": "fake"}}});
    Api::<Node>::all(client.clone())
        .create(&create, &serde_json::from_value(node)?)
        .await?;
    let lease = json!({"metadata": {"name": "silent"}, "spec": {"holderIdentity": "gone", "leaseDurationSeconds": 1,
        "renewTime": "2020-01-01T00:00:00.000000Z"}});
    Api::<Lease>::namespaced(client.clone(), "kube-node-lease")
        .create(&create, &serde_json::from_value(lease)?)
        .await?;
    let pods = Api::<Pod>::namespaced(client.clone(), "default");
    pods.create(&create, &pod("unbound")?).await?;
    let mut leaving = pod("leaving")?;
    let spec = leaving.spec.get_or_insert_default();
    spec.node_name = Some("silent".to_owned());
    spec.active_deadline_seconds = Some(10);
    pods.create(&create, &leaving).await?;
    pods.delete("leaving", &DeleteParams::default()).await?;
    let event = json!({"metadata": {"name": "old"}, "involvedObject": {"namespace": "default", "kind": "Pod", "name": "unbound"},
        "reason": "Old", "message": "An hour is the real server's time to live of Events."});
    Api::<Event>::namespaced(client.clone(), "default")
        .create(&create, &serde_json::from_value(event)?)
        .await?;
    Ok(())
}

/// The server's time, from what it would write now.
async fn server_time(client: &Client) -> Result<jiff::Timestamp> {
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let namespace = serde_json::from_value(json!({"metadata": {"name": "never"}}))?;
    let would_be = Api::<Namespace>::all(client.clone())
        .create(&dry_run, &namespace)
        .await?;
    Ok(would_be.metadata.creation_timestamp.unwrap().0)
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = format!("--data-dir={}", folder.path().join("data").display());
    let arguments = ["--server-only", &data, "--output=json"];
    let mut up = Up::start(&arguments, "").await?;
    let first = client(&kubeconfig(&up.summary().await?)?).await?;
    let pods = Api::<Pod>::namespaced(first.clone(), "default");
    for number in 0..20 {
        let pod = pod(&format!("pod-{number}"))?;
        pods.create(&PostParams::default(), &pod).await?;
    }
    pods.delete("pod-7", &DeleteParams::default()).await?;
    let before = stored(&first).await?;
    // The folder is one server's.
    refused(&arguments, 1, &["--data-dir", "in use", "another"]).await?;
    up.kill().await?;

    let mut up = Up::start(&arguments, "").await?;
    let again = client(&kubeconfig(&up.summary().await?)?).await?;
    assert_eq!(before, stored(&again).await?);
    assert_eq!(before["pods.v1"].len(), 19);
    let late = Api::<Pod>::namespaced(again, "default")
        .create(&PostParams::default(), &pod("late")?)
        .await?;
    let version = |pod: &Value| {
        let version = pod["metadata"]["resourceVersion"].as_str();
        version.and_then(|version| version.parse::<u64>().ok())
    };
    let newest = before["pods.v1"].iter().filter_map(version).max();
    assert!(version(&serde_json::to_value(&late)?) > newest);
    up.stop().await?;
    std::fs::write(folder.path().join("file"), "")?;
    let file = format!("--data-dir={}", folder.path().join("file").display());
    refused(
        &["--server-only", &file],
        1,
        &["--data-dir", "file", "folder"],
    )
    .await
}

#[tokio::test]
async fn the_server_alone_changes_nothing_in_an_hour() -> Result<()> {
    let arguments = ["--server-only", "--time-scale=1000", "--output=json"];
    let mut up = Up::start(&arguments, "").await?;
    let client = client(&kubeconfig(&up.summary().await?)?).await?;
    tempt(&client).await?;
    let before = stored(&client).await?;
    assert_eq!(before["pods.v1"].len(), 2, "{before:?}");
    assert_eq!(before["events.v1"].len(), 1, "{before:?}");
    let hour_later = server_time(&client).await? + SignedDuration::from_hours(1);
    // An hour passes in less than four seconds.
    let passed = async {
        while server_time(&client).await? < hour_later {}
        anyhow::Ok(())
    };
    within("an hour", passed).await??;
    assert_eq!(before, stored(&client).await?);
    up.stop().await?;
    Ok(())
}
