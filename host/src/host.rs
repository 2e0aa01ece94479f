//! A host: the controller with its leases and Events, against one API server, whoever made the client to it. The binary runs one; so
//! can any program that has an API server at hand, on the machine's clock or on one of its own.

use std::io;
use std::sync::Arc;

use stagewright_core::addresses::Addresses;
use stagewright_core::claims::{Claims, Selection};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::admin::StateView;
use crate::args::HostConfig;
use crate::clock::Clock;
use crate::commit::{CommitOptions, Committer};
use crate::controller::{Controller, Options, Parts};
use crate::lease::{LeaseKeeper, LeaseOptions};
use crate::loading::{Live, Renewed};
use crate::observe::{self, EventSink, Metrics, Notes};
use crate::orders::Orders;

/// Answers of the lease keeper that wait to be taken in.
const LEASES: usize = 256;

/// What a host is made from.
pub struct HostParts {
    /// The way to the API server.
    pub client: kube::Client,
    /// Its clock, as far as it is known. What the client hears of it should go into it ([`crate::client::in_process`]).
    pub clock: Clock,
    /// The plugins by priority, as they are now. Loaded once, they may serve several hosts.
    pub plugins: Renewed,
    /// One more plugin, for the stages that the API server has; none: it is not looked there.
    pub live: Option<Live>,
    /// The administrator's orders from elsewhere than the API server; none: they are not looked for there either.
    pub orders: Option<Orders>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who this host is, unlike every other ([`crate::lease::identity`]).
    pub identity: String,
    /// What it does.
    pub config: HostConfig,
}

/// A host that has not begun yet.
pub struct Host {
    client: kube::Client,
    clock: Clock,
    controller: Controller,
    sink: EventSink,
    metrics: Arc<Metrics>,
    identity: String,
    config: HostConfig,
}

impl Host {
    /// Puts a host together, on the runtime it is called on. Nothing is read or written before [`Host::run`].
    #[must_use]
    pub fn new(parts: HostParts) -> Self {
        let HostParts {
            client,
            clock,
            plugins,
            live,
            orders,
            metrics,
            identity,
            config,
        } = parts;
        let (events, sink) = observe::events(
            client.clone(),
            clock.clone(),
            identity.clone(),
            metrics.events_sent(),
            metrics.events_dropped(),
        );
        let (controller, conflicts) = Controller::new(Parts {
            client: client.clone(),
            clock: clock.clone(),
            plugins,
            live,
            orders,
            claims: Claims::new(
                config.selection.clone(),
                identity.clone(),
                // Who writes nothing holds no lease either, and yet says what it would do with the node.
                config.lease_duration.is_some() && !config.dry_run,
            ),
            addresses: Addresses::new(config.cidrs.clone()),
            committer: Committer::new(
                client.clone(),
                clock.clone(),
                CommitOptions {
                    timeout: config.request_timeout,
                    impersonation: config.allow_impersonation,
                },
            ),
            metrics: Arc::clone(&metrics),
            events,
            notes: Arc::new(Notes::default()),
            options: options(&config),
        });
        for conflict in conflicts {
            tracing::warn!(%conflict, "order");
        }
        Self {
            client,
            clock,
            controller,
            sink,
            metrics,
            identity,
            config,
        }
    }

    /// What answers questions about objects while the host runs.
    #[must_use]
    pub fn view(&self) -> Arc<dyn StateView> {
        Arc::new(self.controller.clone())
    }

    /// Works until `stop`, then lets what is under way end and gives the leases back. `listed` is told when all that the server serves
    /// has been listed once. Dropped before its end, it is a host that crashed.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub async fn run(self, stop: CancellationToken, listed: oneshot::Sender<()>) -> io::Result<()> {
        let grace = self.config.shutdown_grace;
        let ended = CancellationToken::new();
        let leases = keep_leases(
            &self.config,
            &self.controller,
            (self.client, self.clock),
            self.identity,
            &self.metrics,
            ended.clone(),
        );
        let control = async {
            let ran = self.controller.run(stop, listed, grace).await;
            // The leases are given up last, when nothing of ours is in flight any more.
            ended.cancel();
            ran
        };
        let told = async {
            let sink = std::pin::pin!(self.sink.run(ended.clone()));
            let late = async {
                ended.cancelled().await;
                tokio::time::sleep(grace).await;
            };
            // Events are a courtesy; they do not hold the host up.
            tokio::select! {
                biased;
                () = sink => {}
                () = late => {}
            }
        };
        let (ran, (), ()) = tokio::join!(control, leases, told);
        ran
    }
}

fn options(config: &HostConfig) -> Options {
    Options {
        dry_run: config.dry_run,
        impersonation: config.allow_impersonation,
        seed: config.seed,
        node_ips: config.node_ips.clone(),
        kubelet_port: config.node_port,
        kubelet_name: config.node_name.clone(),
        threads: config.decide_threads,
        writes: config.max_writes_in_flight,
    }
}

/// Holds the selected nodes' leases; what the server answers is taken in at once. Without leases, or in a dry run, nothing.
async fn keep_leases(
    config: &HostConfig,
    controller: &Controller,
    (client, clock): (kube::Client, Clock),
    identity: String,
    metrics: &Metrics,
    stop: CancellationToken,
) {
    let Some(duration) = config.lease_duration.filter(|_| !config.dry_run) else {
        return;
    };
    let (answers, mut answered) = mpsc::channel(LEASES);
    let options = LeaseOptions {
        identity,
        duration,
        grace: config.shutdown_grace,
    };
    // A node that is named is taken even from a live kubelet.
    let named = matches!(config.selection, Selection::Names(_));
    let keeper = LeaseKeeper::new(client, clock, options, answers).take_over(named);
    let taken_in = async {
        while let Some(lease) = answered.recv().await {
            controller.lease(&lease);
            metrics.leases(controller.nodes());
        }
    };
    tokio::join!(keeper.run(controller.selected_nodes(), stop), taken_in);
}
