//! The hosts of a world: started, crashed, stopped, and started anew, on clocks that are wrong.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use stagewright::args::HostConfig;
use stagewright::client::{Requests, in_process};
use stagewright::clock::Clock;
use stagewright::host::{Host, HostParts};
use stagewright::loading::Renewed;
use stagewright::observe::Metrics;
use stagewright::plugin::{Engine, Limits, Plugin, Source};
use stagewright_core::claims::Selection;
use stagewright_core::selector::Selector;
use stagewright_core::time::Time;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::START;
use super::dice::Dice;
use super::fatal::Countdown;
use super::ledger::Tap;
use super::plan::{End, HostPlan, LONGEST, Life, Profile};
use super::views::Views;
use super::wire::{Trouble, Wire};
use crate::scenario::component;

/// The label of the nodes that hosts select, and the one of those that all of them do.
pub const LABEL: &str = "managed";
/// See [`LABEL`].
pub const SHARED: &str = "shared";
/// Time enough to send what is under way.
const GRACE: Duration = Duration::from_secs(5);

/// The stock plugins, loaded once in the process.
pub struct Plugins {
    node: Arc<Plugin>,
    fast: Arc<Plugin>,
    general: Arc<Plugin>,
    /// Has nothing to say of any pod, but traps one time in four, as long as there may be faults.
    trapping: Arc<Plugin>,
}

/// A host and all that it stands on.
pub struct Keeper {
    /// Its number.
    pub number: usize,
    /// What becomes of it.
    pub plan: HostPlan,
    /// The server.
    pub tap: Tap,
    /// What is wrong with the way there.
    pub trouble: Trouble,
    /// When the world began, on the server's clock.
    pub start: Time,
    /// The same on tokio's.
    pub began: Instant,
    /// Where to look into it.
    pub views: Views,
    /// The plugins; none: the stock ones, as the life says.
    pub plugins: Option<Vec<Arc<Plugin>>>,
}

// === impl Plugins ===

impl Plugins {
    /// The process's.
    ///
    /// # Errors
    /// If they cannot be loaded.
    pub fn get() -> Result<&'static Self> {
        static PLUGINS: OnceLock<Result<Plugins, String>> = OnceLock::new();
        let loaded = PLUGINS.get_or_init(|| Self::load().map_err(|error| format!("{error:#}")));
        loaded.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }

    fn load() -> Result<Self> {
        let stock = |name: &'static str, settings: Value| -> Result<Arc<Plugin>> {
            let plugin = Plugin::load(engine()?, &Source::Stock(name), &settings);
            Ok(Arc::new(plugin.with_context(|| format!("load {name}"))?))
        };
        let until = START.0 + i64::try_from(LONGEST.as_millis())?;
        let trapping = json!({"behave": format!("decide-panic-at-times-until-{until}")});
        let trapping = Plugin::load(engine()?, &Source::File(component("hostile")?), &trapping);
        Ok(Self {
            trapping: Arc::new(trapping.context("load hostile")?),
            node: stock("node", json!({"heartbeat": "30s"}))?,
            fast: stock("pod", json!({}))?,
            general: stock("pod", json!({"profile": "general"}))?,
        })
    }

    fn of(&self, profile: Profile, traps: bool) -> Vec<Arc<Plugin>> {
        let pod = match profile {
            Profile::Fast => &self.fast,
            Profile::General => &self.general,
        };
        let before = traps.then(|| Arc::clone(&self.trapping));
        let own = [&self.node, pod].map(Arc::clone);
        before.into_iter().chain(own).collect()
    }
}

/// The process's engine.
///
/// # Errors
/// If the machine does not give the address space.
pub fn engine() -> Result<&'static Engine> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    let engine =
        ENGINE.get_or_init(|| Engine::new(Limits::default()).map_err(|error| error.to_string()));
    engine.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

// === impl Keeper ===

impl Keeper {
    /// All lives of the host.
    ///
    /// # Errors
    /// If it cannot be put together.
    pub async fn keep(self, mut dice: Dice) -> Result<()> {
        for (number, life) in self.plan.lives.iter().enumerate() {
            sleep_until(self.began + life.from).await;
            let fatal = life.fatal.map(Countdown::to);
            let (renewal, plugins) = watch::channel(self.plugins(life.profile)?);
            let host = self.host((number, plugins), *life, &mut dice, fatal.clone())?;
            self.views.set(self.number, host.view());
            let stop = CancellationToken::new();
            let (listed, _all_listed) = oneshot::channel();
            let mut run = Box::pin(host.run(stop.clone(), listed));
            let end = async {
                match life.until {
                    None => std::future::pending().await,
                    Some(End::Crash(at)) => sleep_until(self.began + at).await,
                    Some(End::Stop(at)) => {
                        sleep_until(self.began + at).await;
                        stop.cancel();
                        // It stops by itself; this is for one that does not.
                        sleep_until(self.began + at + GRACE * 3).await;
                        self.tap.blame(
                            "NotStopped",
                            "",
                            format!("{} is still there", self.plan.name),
                        );
                    }
                }
            };
            let struck = async {
                match &fatal {
                    Some(fatal) => fatal.reached().await,
                    None => std::future::pending().await,
                }
            };
            let next = life.renewed.map(|(at, profile)| {
                let plugins = self.plugins(profile)?;
                anyhow::Ok((at, plugins))
            });
            let next = next.transpose()?;
            let renewed = async {
                if let Some((at, plugins)) = next {
                    sleep_until(self.began + at).await;
                    renewal.send_replace(plugins);
                }
                std::future::pending().await
            };
            // The stroke comes before whatever else the host would do.
            tokio::select! {
                biased;
                () = struck => {}
                ran = &mut run => ran?,
                () = end => {}
                () = renewed => {}
            }
        }
        Ok(())
    }

    fn plugins(&self, profile: Profile) -> Result<Vec<Arc<Plugin>>> {
        Ok(match &self.plugins {
            Some(plugins) => plugins.clone(),
            None => Plugins::get()?.of(profile, self.plan.traps),
        })
    }

    fn host(
        &self,
        (number, plugins): (usize, Renewed),
        life: Life,
        dice: &mut Dice,
        fatal: Option<Countdown>,
    ) -> Result<Host> {
        let passed = i64::try_from(life.from.as_millis()).unwrap_or(0);
        let time = Time(self.start.0 + passed + self.plan.skew);
        let seed = u32::try_from(dice.throw() >> 32).unwrap_or(0);
        let clock = Clock::on_tokio(time, seed);
        let named = (self.number, self.plan.name.as_str());
        let wire = Wire::new(self.tap.clone(), named, self.trouble, dice.child(), fatal);
        Ok(Host::new(HostParts {
            client: in_process(wire, &clock, &Requests::default()),
            clock,
            plugins,
            live: None,
            orders: None,
            metrics: Arc::new(Metrics::register(&mut Registry::default())),
            identity: format!("stagewright-{}-{number}", self.plan.name),
            config: self.config()?,
        }))
    }

    fn config(&self) -> Result<HostConfig> {
        let label = if self.plan.selects_all { LABEL } else { SHARED };
        let selector = Selector::parse(&format!("{label}=yes"));
        Ok(HostConfig {
            selection: Selection::Labels(selector.context("a selector")?),
            lease_duration: self.plan.leases,
            max_writes_in_flight: self.plan.writes,
            ..config()?
        })
    }
}

/// A host in this process that takes all nodes and holds no leases. It decides on the thread that its clock runs on.
///
/// # Errors
/// Never: its addresses are some.
pub fn config() -> Result<HostConfig> {
    Ok(HostConfig {
        selection: Selection::All,
        lease_duration: None,
        allow_impersonation: false,
        seed: 7,
        cidrs: vec!["10.0.0.0/16".parse()?],
        node_ips: vec!["10.1.0.1".parse()?],
        node_name: None,
        node_port: 10_250,
        dry_run: false,
        decide_threads: 0,
        max_writes_in_flight: 8,
        request_timeout: Duration::from_secs(10),
        shutdown_grace: GRACE,
    })
}
