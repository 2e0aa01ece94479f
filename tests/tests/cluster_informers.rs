//! Informers of the API server in the box, kube's and client-go's, see each write once and in order while their connections are cut.

#![expect(
    clippy::disallowed_methods,
    reason = "a test plays the users whose writes no guard admits"
)]

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};
use stagewright_tests::boxed::Boxed;
use stagewright_tests::client;
use stagewright_tests::programs::{Program, program};
use stagewright_tests::relay::Relay;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::watch;

/// Objects that are written in turn.
const OBJECTS: usize = 20;
/// Writes: the first ones create, the others update.
const WRITES: usize = OBJECTS + 10_000;
/// So many writes lie between two cuts.
const BETWEEN_CUTS: usize = 400;
/// How long an informer may take to come back after a cut: client-go waits for up to some seconds. The machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);

/// What an informer has told of each object, in order, and the newest write that it has seen.
struct Seen {
    of: Mutex<BTreeMap<String, Vec<usize>>>,
    is_synced: watch::Sender<bool>,
    newest: watch::Sender<Option<usize>>,
}

impl Seen {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            of: Mutex::default(),
            is_synced: watch::channel(false).0,
            newest: watch::channel(None).0,
        })
    }

    fn take(&self, name: &str, n: &str) -> Result<()> {
        let n = n.parse()?;
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.entry(name.to_owned()).or_default().push(n);
        self.newest.send_replace(Some(n));
        Ok(())
    }

    /// Until a write later than `n` is seen.
    async fn wait_for_later_than(&self, n: usize, who: &str) -> Result<()> {
        let mut newest = self.newest.subscribe();
        let seen = tokio::time::timeout(LIMIT, newest.wait_for(|newest| *newest > Some(n))).await;
        let newest = *self.newest.borrow();
        seen.with_context(|| {
            format!("{who} has seen {newest:?} and nothing later than {n} within {LIMIT:?}")
        })??;
        Ok(())
    }
}

async fn of_kube(api: Api<ConfigMap>, seen: Arc<Seen>) -> Result<()> {
    let mut events = watcher(api, watcher::Config::default()).boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(map) | Event::InitApply(map)) => {
                let n = map.data.as_ref().and_then(|data| data.get("n"));
                let name = map.metadata.name.as_deref();
                seen.take(name.context("a name")?, n.context("n")?)?;
            }
            Ok(Event::InitDone) => {
                seen.is_synced.send_replace(true);
            }
            Ok(Event::Init) => {}
            Ok(Event::Delete(map)) => anyhow::bail!("{:?} is deleted", map.metadata.name),
            // That is a cut; the watcher goes on by itself.
            Err(_) => {}
        }
    }
    Ok(())
}

async fn of_client_go(kubeconfig: std::path::PathBuf, seen: Arc<Seen>) -> Result<()> {
    let informer = tokio::task::spawn_blocking(|| program(Program::Informer)).await??;
    let mut child = Command::new(informer)
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    while let Some(line) = lines.next_line().await? {
        let line: Value = serde_json::from_str(&line)?;
        let text = |key| line.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("event") {
            "SYNCED" => {
                seen.is_synced.send_replace(true);
            }
            "ADDED" | "MODIFIED" => seen.take(text("name"), text("n"))?,
            other => anyhow::bail!("{other}: {line}"),
        }
    }
    anyhow::bail!("client-go's informer ended: {}", child.wait().await?)
}

async fn write(maps: Api<ConfigMap>, written: watch::Sender<usize>) -> Result<()> {
    for n in 0..WRITES {
        let name = format!("map-{}", n % OBJECTS);
        let map = json!({"metadata": {"name": name}, "data": {"n": n.to_string()}});
        if n < OBJECTS {
            let map = serde_json::from_value(map)?;
            maps.create(&PostParams::default(), &map).await?;
        } else {
            maps.patch(&name, &PatchParams::default(), &Patch::Merge(map))
                .await?;
        }
        written.send_replace(n);
    }
    Ok(())
}

#[tokio::test]
async fn informers_see_each_write_once_while_connections_are_cut() -> Result<()> {
    let boxed = Boxed::start().await?;
    let folder = tempfile::tempdir()?;
    let through = folder.path().join("kubeconfig");
    let relay = Relay::start(&boxed.kubeconfig(), &through).await?;
    let informers = [("kube", Seen::new()), ("client-go", Seen::new())];
    let [(_, kubes), (_, client_gos)] = &informers;
    let maps = Api::default_namespaced(client::of_file(&through).await?);
    let watching = async {
        tokio::try_join!(
            of_kube(maps, Arc::clone(kubes)),
            of_client_go(through.clone(), Arc::clone(client_gos))
        )
    };
    let cutting = async {
        for (_, seen) in &informers {
            seen.is_synced.subscribe().wait_for(|is| *is).await?;
        }
        let maps = Api::default_namespaced(boxed.client().await?);
        let (sender, mut written) = watch::channel(0);
        let writing = tokio::spawn(write(maps, sender));
        let mut cut_at = 0;
        // A watch that has brought nothing when it is cut is one that client-go gives up for a new list, with any server.
        while written
            .wait_for(|n| *n >= cut_at + BETWEEN_CUTS)
            .await
            .is_ok()
        {
            for (who, seen) in &informers {
                seen.wait_for_later_than(cut_at, who).await?;
            }
            relay.cut();
            cut_at = *written.borrow();
        }
        writing.await??;
        for (who, seen) in &informers {
            seen.wait_for_later_than(WRITES - 2, who).await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::select! {
        ended = watching => anyhow::bail!("an informer ended: {ended:?}"),
        done = cutting => done?,
    }
    ensure!(relay.ended() >= 20, "only {} cuts", relay.ended());
    let expected = |of: usize| (of..WRITES).step_by(OBJECTS).collect::<Vec<_>>();
    for (who, seen) in &informers {
        let of = seen.of.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(of.len() == OBJECTS, "{who} knows {:?}", of.keys());
        for number in 0..OBJECTS {
            let found = of.get(&format!("map-{number}")).context("it is known")?;
            let expected = expected(number);
            let wrong = found
                .iter()
                .zip(&expected)
                .position(|(found, expected)| found != expected);
            ensure!(
                *found == expected,
                "{who}, map-{number}: {} of {}, first at {wrong:?}",
                found.len(),
                expected.len()
            );
        }
    }
    Ok(())
}
