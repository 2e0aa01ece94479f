//! The host beside the server, its load, and the wait for both to come to rest.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::binder;
use super::cluster::Counts;
use super::garbage;
use super::load::{Created, Load};
use super::manifests;
use super::namespaces;
use super::reading::Reading;
use super::screen::{DRAWN, View};
use super::server::Served;
use super::summary::{self, Pace, Settled};
use super::user::User;
use crate::admin::{self, Admin, Port, Readiness};
use crate::args::EngineConfig;
use crate::client;
use crate::host::{Host, HostParts};
use crate::lease;
use crate::loading::Loaded;
use crate::{reload, run};

/// The only failure of a host.
const NO_THREADS: &str = "the threads that ask plugins cannot be started";
/// The table looks so many readings back.
const LOOK_BACK: usize = 4;

/// A host that runs, and what it is seen by.
struct Engine {
    registry: Arc<Registry>,
    /// Where health, metrics and `explain` are served.
    admin: String,
    halt: CancellationToken,
    living: JoinHandle<io::Result<()>>,
    _answering: AbortOnDropHandle<()>,
    _reloading: AbortOnDropHandle<()>,
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
    let mut engine = Engine::start(&config, served).await?;
    screen.say(&format!("serving {}", served.url));
    let user = User::new(&served.api);
    let (told, counts) = watch::channel(Counts::default());
    let counting = binder::run(user.clone(), config.binder, told);
    let _counting = AbortOnDropHandle::new(tokio::spawn(counting));
    let _emptying = AbortOnDropHandle::new(tokio::spawn(namespaces::run(user.clone())));
    let _collecting = AbortOnDropHandle::new(tokio::spawn(garbage::run(user.clone())));
    let nodes = config.nodes.iter().map(|shape| shape.count).sum();
    let load = Load {
        shapes: config.nodes,
        pods: config.pods,
        manifests,
    };
    let loading = AbortOnDropHandle::new(tokio::spawn(load.create(user)));
    let (registry, admin) = (Arc::clone(&engine.registry), engine.admin.clone());
    let life = async {
        let settled = settle(loading, counts.clone(), (started, nodes), config.settle).await?;
        let reading = Reading::take(&registry);
        for milestone in summary::milestones(&settled, &reading) {
            screen.say(&milestone);
        }
        screen.print(&summary::settled(served, &admin, &settled, &reading, speed))?;
        if config.settle.is_none() {
            screen.hint(&summary::look_around(served, Some(&admin)));
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
        ended = &mut engine.living => return ended?.context(NO_THREADS),
        () = show(screen, &counts, &registry, speed) => Ok(()),
    };
    screen.clear();
    let stopped = engine.stop().await;
    ended.and(stopped)
}

// === impl Engine ===

impl Engine {
    /// Starts the host on the server, and the port that tells of it.
    async fn start(config: &EngineConfig, served: &Served) -> anyhow::Result<Self> {
        let (registry, metrics, requests) = run::counted();
        let readiness = Readiness::default();
        let synced = readiness.latch("caches");
        let listener = bind(config.server_address, config.server_address_given).await?;
        let address = listener.local_addr()?;
        let Loaded {
            plugins,
            files,
            live,
        } = run::load(&config.plugins).await?;
        let (plugins, reloading) = reload::follow(plugins, files, Arc::clone(&metrics));
        let host = Host::new(HostParts {
            client: client::in_process(served.api.clone(), &served.clock, &requests),
            clock: served.clock.clone(),
            plugins,
            live,
            orders: Some(config.plugins.kwok.orders.clone()),
            metrics,
            identity: lease::identity(),
            config: config.host.clone(),
        });
        let admin = Admin::new(readiness, Arc::clone(&registry));
        admin.set_view(host.view());
        let halt = CancellationToken::new();
        let answering = tokio::spawn(admin.serve(Port::plain(listener), halt.clone()));
        let (listed, all_listed) = oneshot::channel();
        tokio::spawn(async move {
            let _ = all_listed.await;
            drop(synced);
        });
        Ok(Self {
            registry,
            admin: format!("http://{address}"),
            living: tokio::spawn(host.run(halt.clone(), listed)),
            halt,
            _answering: AbortOnDropHandle::new(answering),
            _reloading: AbortOnDropHandle::new(tokio::spawn(reloading)),
        })
    }

    /// Lets what is under way end; the host has a limit of its own for that.
    async fn stop(self) -> anyhow::Result<()> {
        self.halt.cancel();
        self.living.await?.context(NO_THREADS)
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
        let counts = *counts.borrow();
        let lines = summary::table(&counts, &now.1, before, pace);
        table.show(&summary::line(&counts), &lines);
        readings.push(now);
        if readings.len() > LOOK_BACK {
            readings.remove(0);
        }
    }
}
