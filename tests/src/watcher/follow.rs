//! The raw watch: every version from a list's resourceVersion on, or an error.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use kube::api::{ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::watch;

use super::Watched;
use super::record::{Record, version};

/// How long a server may be away before the watcher gives up.
const AWAY: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// One kind's watch.
pub(super) struct Follow {
    pub(super) client: Client,
    pub(super) watched: Watched,
    pub(super) record: Arc<Mutex<Record>>,
    pub(super) progress: watch::Sender<u64>,
}

/// The versions of all objects of a kind, by uid, and the version of the list.
pub(super) async fn versions(
    client: &Client,
    resource: &ApiResource,
) -> Result<(BTreeMap<String, u64>, u64)> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let list = api.list_metadata(&ListParams::default()).await?;
    let number = |text: Option<&String>| {
        text.and_then(|text| text.parse().ok())
            .context("a resourceVersion that is no number")
    };
    let mut versions = BTreeMap::new();
    for object in list.items {
        versions.insert(
            object.metadata.uid.context("an object without uid")?,
            number(object.metadata.resource_version.as_ref())?,
        );
    }
    Ok((versions, number(list.metadata.resource_version.as_ref())?))
}

impl Follow {
    fn api(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &self.watched.resource)
    }

    /// Takes what is there as the base; answers from where to watch.
    pub(super) async fn list(&self) -> Result<String> {
        let list = self.api().list(&ListParams::default()).await?;
        let from = list
            .metadata
            .resource_version
            .context("a list without resourceVersion")?;
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        for object in list.items {
            record.base(&self.watched.resource.kind, serde_json::to_value(object)?);
        }
        Ok(from)
    }

    /// Watches until aborted. An error is recorded: what was not seen cannot be judged.
    pub(super) async fn run(self, from: String) {
        if let Err(error) = self.watch(from).await {
            self.record
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .fail(format!("{error:#}"));
        }
        self.progress.send_modify(|count| *count += 1);
    }

    async fn watch(&self, mut from: String) -> Result<()> {
        let parameters = WatchParams::default().timeout(240);
        let mut away = 0;
        let mut pause = tokio::time::interval(PAUSE);
        loop {
            // A connection that ends is taken up where it ended; only a version that the server no longer has makes a gap.
            match self.api().watch(&parameters, &from).await {
                Ok(events) => {
                    let mut events = pin!(events);
                    while let Some(Ok(event)) = events.next().await {
                        away = 0;
                        from = self.take(event)?.unwrap_or(from);
                    }
                }
                Err(kube::Error::Api(status)) if status.code == 410 => {
                    bail!("a gap in the watch: {status}")
                }
                Err(error) if away >= AWAY => return Err(error).context("the watch cannot go on"),
                Err(_) => {}
            }
            away += 1;
            pause.tick().await;
        }
    }

    /// One event; answers the resourceVersion it has.
    fn take(&self, event: WatchEvent<DynamicObject>) -> Result<Option<String>> {
        let (object, is_gone) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
            WatchEvent::Deleted(object) => (object, true),
            WatchEvent::Bookmark(bookmark) => return Ok(Some(bookmark.metadata.resource_version)),
            WatchEvent::Error(status) => bail!("a gap in the watch: {status}"),
        };
        let object: Value = serde_json::to_value(object)?;
        let from = version(&object).to_string();
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.observe(
            &self.watched.resource.kind,
            &self.watched.rules,
            object.into(),
            is_gone,
        );
        drop(record);
        self.progress.send_modify(|count| *count += 1);
        Ok(Some(from))
    }
}
