//! Bounded waits on watches.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::StreamExt;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{SOON, api, phase, uid, version};

/// One version of an object, as a watch brought it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it came.
    pub at: Instant,
    /// Whether it is the last one: the object is gone.
    pub gone: bool,
    /// The version.
    pub object: Arc<Value>,
}

/// What a watch knows: the objects that are there, by name, and every version that came.
#[derive(Debug, Default)]
pub struct Known {
    /// The objects that are there now.
    pub objects: BTreeMap<String, Arc<Value>>,
    /// All that came, in the watch's order.
    pub history: Vec<Seen>,
    /// Whether the first list is complete.
    pub listed: bool,
}

impl Known {
    /// How many objects are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether none is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// How many of the objects that are there have the property.
    pub fn count(&self, property: impl Fn(&Value) -> bool) -> usize {
        self.objects
            .values()
            .filter(|object| property(object))
            .count()
    }

    /// Whether there are `count` objects and all have the property.
    pub fn all(&self, count: usize, property: impl Fn(&Value) -> bool) -> bool {
        self.len() == count && self.count(property) == count
    }

    /// The object of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.objects.get(name).map(|object| &**object)
    }

    /// The versions of one object that came, oldest first.
    pub fn versions<'a>(&'a self, of: &'a str) -> impl Iterator<Item = &'a Seen> {
        self.history
            .iter()
            .filter(move |seen| uid(&seen.object) == of)
    }

    /// A few lines about what is there, for the message of a wait that failed.
    fn summary(&self) -> String {
        let mut phases = BTreeMap::<&str, usize>::new();
        for object in self.objects.values() {
            *phases.entry(phase(object)).or_default() += 1;
        }
        let mut text = format!("{} objects, by phase {phases:?}", self.len());
        for object in self.objects.values().take(2) {
            let mut object = Value::clone(object);
            // The longest part, and the least telling.
            if let Some(metadata) = object
                .pointer_mut("/metadata")
                .and_then(Value::as_object_mut)
            {
                metadata.remove("managedFields");
            }
            let _ = write!(text, "\n{object}");
        }
        text
    }
}

/// A running watch of one kind in one namespace (or everywhere).
#[derive(Debug)]
pub struct View {
    known: watch::Receiver<Known>,
    task: JoinHandle<()>,
}

impl View {
    /// Starts to watch; returns when the first list is complete.
    ///
    /// # Errors
    /// If the kind cannot be listed within [`SOON`].
    pub async fn open(client: &Client, kind: &str, namespace: Option<&str>) -> Result<Self> {
        let (sender, known) = watch::channel(Known::default());
        let stream = watcher::watcher(api(client, kind, namespace)?, watcher::Config::default());
        let task = tokio::spawn(async move {
            let mut stream = std::pin::pin!(stream);
            while let Some(event) = stream.next().await {
                let Ok(event) = event else { continue };
                sender.send_modify(|known| observe(known, event));
            }
        });
        let view = Self { known, task };
        view.until("the first list", SOON, |known| known.listed)
            .await?;
        Ok(view)
    }

    /// What is known now.
    pub fn now(&self) -> watch::Ref<'_, Known> {
        self.known.borrow()
    }

    /// Waits until the condition holds.
    ///
    /// # Errors
    /// If it does not within the time; the message shows what was there instead.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        mut condition: impl FnMut(&Known) -> bool,
    ) -> Result<()> {
        let mut known = self.known.clone();
        match tokio::time::timeout(within, known.wait_for(|known| condition(known))).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => bail!("the watch ended while waiting for {what}"),
            Err(_) => bail!(
                "no {what} within {within:?}: {}",
                self.known.borrow().summary()
            ),
        }
    }

    /// Watches for a while and answers an error as soon as the condition fails: for what must not happen.
    ///
    /// # Errors
    /// If the condition failed.
    pub async fn holds(
        &self,
        what: &str,
        during: Duration,
        mut condition: impl FnMut(&Known) -> bool,
    ) -> Result<()> {
        let mut known = self.known.clone();
        match tokio::time::timeout(during, known.wait_for(|known| !condition(known))).await {
            Err(_) => Ok(()),
            Ok(Err(_)) => bail!("the watch ended while checking that {what}"),
            Ok(Ok(known)) => {
                let last = known.history.last().map(|seen| seen.object.to_string());
                bail!(
                    "it no longer holds that {what}; last seen: {}",
                    last.unwrap_or_default()
                )
            }
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Brings one event of the watch into what is known.
fn observe(known: &mut Known, event: watcher::Event<DynamicObject>) {
    let mut seen = |object: DynamicObject, gone: bool| {
        let name = object.name_any();
        let object = Arc::new(serde_json::to_value(object).unwrap_or_default());
        let old = match gone {
            true => known.objects.remove(&name),
            false => known.objects.insert(name, Arc::clone(&object)),
        };
        // A list that is read again repeats versions that came before.
        if gone || old.is_none_or(|old| version(&old) != version(&object)) {
            known.history.push(Seen {
                at: Instant::now(),
                gone,
                object,
            });
        }
    };
    match event {
        watcher::Event::Init => {}
        watcher::Event::InitApply(object) | watcher::Event::Apply(object) => seen(object, false),
        watcher::Event::Delete(object) => seen(object, true),
        watcher::Event::InitDone => known.listed = true,
    }
}
