//! The host beside the server, its load, and the wait for both to come to rest.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::binder;
use super::cluster::Counts;
use super::load::{Created, Load};
use super::manifests;
use super::reading::Reading;
use super::screen::{DRAWN, View};
use super::server::Served;
use super::summary::{self, Pace, Settled};
use super::user::User;
use crate::admin::{self, Admin, Readiness};
use crate::args::EngineConfig;
use crate::client::{self, Requests};
use crate::host::{Host, HostParts};
use crate::lease;
use crate::observe::Metrics;
use crate::run;

/// The table looks so far back.
const LOOK_BACK: usize = 4;

/// The host's surroundings.
struct Observed {
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    requests: Requests,
    readiness: Readiness,
}

/// Runs the host until `stop`, or until everything is settled if that is the end.
///
/// # Errors
/// If a port, a plugin or a manifest cannot be had, something cannot be created, or does not settle in time.
pub(super) async fn run(
    config: EngineConfig,
    served: &Served,
    (started, speed): (Instant, f64),
    screen: &View,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let paths = config.manifests.clone();
    let manifests = tokio::task::spawn_blocking(move || manifests::read(&paths)).await??;
    let observed = Observed::new();
    let synced = observed.readiness.latch("caches");
    let listener = bind(config.server_address, config.server_address_given).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let plugins = run::load(&config.plugins).await?;
    screen.say(&format!(
        "serving {}; {} plugins loaded",
        served.url,
        plugins.len()
    ));
    let host = Host::new(HostParts {
        client: client::in_process(served.api.clone(), &served.clock, &observed.requests),
        clock: served.clock.clone(),
        plugins,
        metrics: Arc::clone(&observed.metrics),
        identity: lease::identity(),
        config: config.host.clone(),
    });
    let admin = Admin::new(observed.readiness, Arc::clone(&observed.registry));
    admin.set_view(host.view());
    let halt = CancellationToken::new();
    let answering = AbortOnDropHandle::new(tokio::spawn(admin.serve(listener, halt.clone())));
    let (listed, all_listed) = oneshot::channel();
    let mut living = tokio::spawn(host.run(halt.clone(), listed));
    let ready = async {
        let _ = all_listed.await;
        drop(synced);
        std::future::pending::<()>().await;
    };

    let user = User::new(&served.api);
    let (told, counts) = watch::channel(Counts::default());
    let counting =
        AbortOnDropHandle::new(tokio::spawn(binder::run(user.clone(), config.binder, told)));
    let nodes = config.nodes.iter().map(|shape| shape.count).sum();
    let load = Load {
        shapes: config.nodes,
        pods: config.pods,
        manifests,
    };
    let loading = tokio::spawn(load.create(user));
    let life = async {
        let settled = settle(
            AbortOnDropHandle::new(loading),
            counts.clone(),
            (started, nodes),
            config.settle,
        )
        .await?;
        let reading = Reading::take(&observed.registry);
        screen.say(&summary::milestone(&settled, &reading));
        screen.print(&summary::settled(
            served, &address, &settled, &reading, speed,
        ))?;
        if config.settle.is_none() {
            screen.hint(&summary::look_around(served, Some(&address)));
            std::future::pending::<()>().await;
        }
        anyhow::Ok(())
    };
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => match config.settle {
            Some(_) => Err(anyhow!("--exit-when-settled: stopped before everything was settled")),
            None => Ok(()),
        },
        ended = life => ended,
        ended = &mut living => return ended?.context("the threads that ask plugins cannot be started"),
        () = show(screen, &counts, &observed.registry, speed) => Ok(()),
        () = ready => Ok(()),
    };
    screen.clear();
    halt.cancel();
    drop((counting, answering));
    // It has a limit of its own for what is under way.
    let stopped = living.await?;
    ended.and(stopped.context("the controller's end"))
}

// === impl Observed ===

impl Observed {
    fn new() -> Self {
        let mut registry = Registry::default();
        Metrics::register_process(&mut registry);
        let own = registry.sub_registry_with_prefix("stagewright");
        let metrics = Arc::new(Metrics::register(own));
        let requests = Requests::default();
        requests.register(own);
        Self {
            registry: Arc::new(registry),
            metrics,
            requests,
            readiness: Readiness::default(),
        }
    }
}

/// The admin port: the one that was asked for, or the usual one, or where that is taken any other.
async fn bind(address: SocketAddr, given: bool) -> anyhow::Result<TcpListener> {
    match admin::bind(address).await {
        Err(_) if !given => Ok(admin::bind(SocketAddr::new(address.ip(), 0)).await?),
        bound => Ok(bound?),
    }
}

/// Waits until everything is created and nothing is on its way any more.
async fn settle(
    mut loading: AbortOnDropHandle<anyhow::Result<Created>>,
    mut counts: watch::Receiver<Counts>,
    (started, nodes): (Instant, usize),
    limit: Option<Duration>,
) -> anyhow::Result<Settled> {
    let late = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let mut late = std::pin::pin!(late);
    let mut created: Option<(Created, Duration)> = None;
    let mut nodes_ready: Option<Duration> = None;
    loop {
        let now = *counts.borrow_and_update();
        if nodes_ready.is_none() && now.nodes_are_ready(nodes) {
            nodes_ready = Some(started.elapsed());
        }
        if let Some((expected, created)) = created
            && now.is_settled(expected.nodes, expected.pods)
        {
            let settled = started.elapsed();
            return Ok(Settled {
                counts: now,
                created,
                nodes_ready: nodes_ready.unwrap_or(settled),
                settled,
            });
        }
        tokio::select! {
            loaded = &mut loading, if created.is_none() => created = Some((loaded??, started.elapsed())),
            changed = counts.changed() => changed.context("nobody counts any more")?,
            () = &mut late => bail!(
                "--exit-when-settled: after {:?} {}; run without this flag and ask `stagewright explain`, or give a longer --timeout",
                limit.unwrap_or_default(),
                summary::unsettled(&now, created.is_some())
            ),
        }
    }
}

/// Shows the table for ever.
async fn show(screen: &View, counts: &watch::Receiver<Counts>, registry: &Registry, speed: f64) {
    let mut table = screen.table();
    let mut ticks = tokio::time::interval(DRAWN);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    // The table tells of the last moments: readings, the oldest first.
    let mut readings: Vec<(Instant, Reading)> = Vec::new();
    loop {
        ticks.tick().await;
        let now = (Instant::now(), Reading::take(registry));
        let (at, before) = readings.first().unwrap_or(&now);
        let pace = Pace {
            speed,
            passed: now.0.duration_since(*at),
        };
        let lines = summary::table(&counts.borrow().clone(), &now.1, before, pace);
        table.show(&lines);
        readings.push(now);
        if readings.len() > LOOK_BACK {
            readings.remove(0);
        }
    }
}
