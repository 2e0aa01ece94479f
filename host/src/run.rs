//! `stagewright run`: puts the process together, waits for the end, and takes it apart again.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::admin::{self, Admin, Port, Readiness};
use crate::args::{PluginConfig, RunConfig};
use crate::client::{self, Requests};
use crate::clock::Clock;
use crate::host::{Host, HostParts};
use crate::loading::{self, Loaded};
use crate::observe::Metrics;
use crate::plugin::{Engine, Limits};
use crate::{kwok, lease, reload};

/// What a shell reports of a process that a signal ended.
const SIGNALLED: u8 = 128;

/// Runs the controller until a signal ends it.
///
/// # Errors
/// If something that was asked for cannot be had. A server that is not there (yet) is no error: it is waited for.
pub async fn run(config: RunConfig) -> anyhow::Result<ExitCode> {
    let started = std::time::Instant::now();
    let stop = CancellationToken::new();
    end_on_signals(stop.clone())?;
    let clock = Clock::new();
    let (registry, metrics, requests) = counted();
    let readiness = Readiness::default();
    let loaded = readiness.latch("plugins");
    let synced = readiness.latch("caches");
    let admin = Admin::new(readiness, registry);
    let served = CancellationToken::new();
    let background = TaskTracker::new();
    match port(&config).await? {
        Some(port) => drop(background.spawn(admin.clone().serve(port, served.clone()))),
        None => tracing::warn!("health, metrics and explain are not served"),
    }

    for flag in &config.unserved {
        tracing::warn!(flag, "KWOK has this, and it does nothing here yet");
    }
    let client = client::connect_counted(&config.client, &clock, &requests).await?;
    let Loaded {
        plugins,
        files,
        live,
    } = load(&config.plugins).await?;
    let (plugins, reloading) = reload::follow(plugins, files, Arc::clone(&metrics));
    let _reloading = AbortOnDropHandle::new(tokio::spawn(reloading));
    drop(loaded);
    let Some(version) = client::wait_for_server(&client, &stop).await else {
        return Ok(ExitCode::SUCCESS);
    };
    tracing::info!(version, "API server found");

    let host = Host::new(HostParts {
        client,
        clock,
        plugins,
        live,
        orders: Some(config.plugins.kwok.orders.clone()),
        metrics,
        identity: lease::identity(),
        config: config.host.clone(),
    });
    admin.set_view(host.view());
    let (listed, all_listed) = oneshot::channel();
    let ready = async {
        if all_listed.await.is_ok() {
            drop(synced);
            tracing::info!(
                seconds = started.elapsed().as_secs_f64(),
                "everything is listed; ready"
            );
        }
    };
    let (ran, ()) = tokio::join!(host.run(stop, listed), ready);
    ran.context("the threads that ask plugins cannot be started")?;
    served.cancel();
    background.close();
    // The admin port is a courtesy; it does not hold the process up.
    let _ = tokio::time::timeout(config.host.shutdown_grace, background.wait()).await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Takes the port that was asked for.
async fn port(config: &RunConfig) -> anyhow::Result<Option<Port>> {
    let Some(address) = config.server_address else {
        return Ok(None);
    };
    let listener = match admin::bind(address).await {
        Err(error) if config.server_optional => {
            tracing::warn!("{error}");
            return Ok(None);
        }
        bound => bound?,
    };
    tracing::info!(%address, tls = config.tls.is_some(), "health, metrics and explain are served");
    Ok(Some(Port::new(listener, config.tls.as_ref())?))
}

/// All that a process with a host counts, and the registry that scrapes read it from.
pub(crate) fn counted() -> (Arc<Registry>, Arc<Metrics>, Requests) {
    let mut registry = Registry::default();
    Metrics::register_process(&mut registry);
    let own = registry.sub_registry_with_prefix("stagewright");
    let metrics = Arc::new(Metrics::register(own));
    let requests = Requests::default();
    requests.register(own);
    (Arc::new(registry), metrics, requests)
}

/// Loads all plugins, off the I/O threads: a large component takes seconds to compile.
pub(crate) async fn load(config: &PluginConfig) -> anyhow::Result<Loaded> {
    tell(&config.kwok);
    let config = config.clone();
    tokio::task::spawn_blocking(move || {
        let engine = Engine::new(Limits::default())?;
        loading::load(&engine, &config)
    })
    .await?
}

/// What of KWOK's configuration does nothing here, said once.
fn tell(kwok: &kwok::Config) {
    for problem in &kwok.problems {
        tracing::warn!("left out of the configuration: {problem}");
    }
    for remark in &kwok.remarks {
        tracing::warn!("configuration: {remark}");
    }
    for (kind, count) in &kwok.unserved {
        tracing::warn!(
            kind,
            count,
            "KWOK's objects of this kind are not served yet"
        );
    }
    let enabled = kwok.options.enable_crds.iter().flatten();
    let others: Vec<&str> = enabled
        .map(String::as_str)
        .filter(|kind| *kind != kwok::STAGE)
        .collect();
    if !others.is_empty() {
        tracing::warn!(
            kinds = others.join(","),
            "enableCRDs: of KWOK's kinds, Stage alone is read from the API server yet"
        );
    }
}

/// The first SIGTERM or SIGINT begins a graceful stop, the second ends the process.
pub(crate) fn end_on_signals(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    tokio::spawn(async move {
        loop {
            let number = tokio::select! {
                _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
                _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            };
            if stop.is_cancelled() {
                let code = SIGNALLED.saturating_add(u8::try_from(number).unwrap_or(0));
                std::process::exit(code.into());
            }
            tracing::info!("stopping; a second signal ends the process at once");
            stop.cancel();
        }
    });
    Ok(())
}
