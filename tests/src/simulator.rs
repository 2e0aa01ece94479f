//! A whole world in one thread: hosts, the API server in memory, a clock that nobody waits for, and whatever goes wrong between them.
//!
//! A world follows from its seed, to the last byte. Every version of every object is read straight from the server and judged by
//! rules that are not the host's ([`crate::watcher`]); when users and faults have gone, everything must come to rest.

mod calm;
pub mod dice;
mod fatal;
mod hosts;
mod ledger;
mod less;
mod plan;
mod pods;
mod stream;
mod users;
mod version;
mod views;
mod wire;

use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Map, Value, json};
use stagewright::plugin::Plugin;
use stagewright_apiserver::clock::TokioClock;
use stagewright_apiserver::{ApiServer, History, Options as ServerOptions};
use stagewright_core::time::Time;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

pub use hosts::{config, engine};
pub use ledger::Violation;
pub use less::{Less, shortest};

use crate::watcher::DeclaredOrder;
use dice::Dice;
use hosts::{Keeper, LABEL, SHARED};
use ledger::Tap;
use plan::{Keeper as NodeKeeper, Plan};
use users::Users;
use views::Views;
use wire::Trouble;

/// When all worlds begin, on their servers' clocks.
const START: Time = Time(1_800_000_000_000);

/// How much happens in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// One host of the fast profile, pods that are created once, and no faults.
    Small,
    /// Everything.
    #[default]
    Full,
}

/// What is asked of a world beside its seed.
#[derive(Clone, Default)]
pub struct Options {
    /// How much happens.
    pub scale: Scale,
    /// The preconditions that are taken out of all writes of hosts: a mutation, which must be found.
    pub strip: &'static [&'static str],
    /// A plugin that has ConfigMaps, in the place of the stock plugins, and the order of their `data.phase`. There are no users then.
    pub own: Option<(Arc<Plugin>, DeclaredOrder)>,
    /// The rules whose violations count; none: all of them.
    pub rules: &'static [&'static str],
    /// What is left out.
    pub less: Less,
}

/// What became of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What was left out.
    pub less: Less,
    /// Versions of objects.
    pub versions: u64,
    /// Those of pods and nodes that hosts wrote.
    pub transitions: u64,
    /// What all versions come to, with their times and writers: equal for equal worlds.
    pub digest: u64,
    /// How long it lasted, on its own clock.
    pub lasted: Duration,
    /// What was wrong.
    pub violations: Vec<Violation>,
    /// What happened to the first object with which something was wrong.
    pub history: String,
}

/// What became of many worlds.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// Worlds.
    pub worlds: u64,
    /// Versions of objects in all of them.
    pub versions: u64,
    /// Those of pods and nodes that hosts wrote.
    pub transitions: u64,
    /// The world with the smallest seed in which something was wrong.
    pub failed: Option<Outcome>,
}

/// Runs the world of a seed.
///
/// # Errors
/// If it cannot be put together.
pub fn run(seed: u64, options: &Options) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(play(seed, options))
}

/// Runs the worlds of so many seeds, on all cores, until one fails.
///
/// # Errors
/// If one cannot be put together.
pub fn run_all(seeds: Range<u64>, options: &Options) -> Result<Sums> {
    run_each(seeds, |seed| run(seed, options))
}

/// As [`run_all`], with what makes a world of a seed.
///
/// # Errors
/// If it has none for one, or panics.
pub fn run_each(seeds: Range<u64>, world: impl Fn(u64) -> Result<Outcome> + Sync) -> Result<Sums> {
    let (next, over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let work = || -> Result<Sums> {
        let mut sums = Sums::default();
        while !over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| world(seed)))
                .unwrap_or_else(|_| Err(anyhow!("it panicked")))
                .with_context(|| format!("the world of seed {seed} broke"));
            let is_well = outcome
                .as_ref()
                .is_ok_and(|outcome| outcome.violations.is_empty());
            over.fetch_or(!is_well, Ordering::Relaxed);
            let outcome = outcome?;
            sums.worlds += 1;
            sums.versions += outcome.versions;
            sums.transitions += outcome.transitions;
            sums.failed = Some(outcome).filter(|_| !is_well);
        }
        Ok(sums)
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all: Vec<Result<Sums>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(anyhow!("a thread broke")))
        });
        joined.collect()
    });
    let mut sums = Sums::default();
    for one in all {
        let one = one?;
        sums.worlds += one.worlds;
        sums.versions += one.versions;
        sums.transitions += one.transitions;
        let both = sums.failed.into_iter().chain(one.failed);
        sums.failed = both.min_by_key(|outcome| outcome.seed);
    }
    Ok(sums)
}

async fn play(seed: u64, options: &Options) -> Result<Outcome> {
    let began = Instant::now();
    let mut dice = Dice::new(seed);
    let plan = Plan::new(&mut dice, options.scale, options.less);
    let tap = tap(seed, &plan, options);
    let trouble = Trouble {
        until: began + plan.busy,
        permille: plan.trouble,
        strip: options.strip,
    };
    let mut dice_of_users = dice.child();
    let views = Views::default();
    let mut tasks = JoinSet::new();
    let rest = plan.rest();
    let names = plan.nodes.iter().map(|node| node.name.clone()).collect();
    let mut users = Users::new(tap.clone(), dice_of_users.child(), plan.pods, names);
    found(&mut users, &plan, options);
    for (number, host) in plan.hosts.into_iter().enumerate() {
        let keeper = Keeper {
            number,
            plan: host,
            tap: tap.clone(),
            trouble,
            start: START,
            began,
            views: views.clone(),
            plugins: options
                .own
                .as_ref()
                .map(|(plugin, _)| vec![Arc::clone(plugin)]),
        };
        tasks.spawn(keeper.keep(dice.child()));
    }
    let busy = began + plan.busy;
    if options.scale == Scale::Full {
        let compacted = users::compact(tap.clone(), dice.child(), busy);
        tasks.spawn(async move {
            compacted.await;
            Ok(())
        });
    }
    if options.scale == Scale::Full && options.own.is_none() {
        users.work(busy).await;
    }
    sleep_until(busy).await;
    // A plugin of somebody's own need not come to rest.
    if options.own.is_none() {
        calm::settle(&tap, &views, &rest).await;
    }
    while let Some(ended) = tasks.try_join_next() {
        ended.context("a host broke")??;
    }
    Ok(outcome(seed, &tap, began.elapsed(), options))
}

fn tap(seed: u64, plan: &Plan, options: &Options) -> Tap {
    let mut server = ServerOptions::new(Arc::new(TokioClock::starting_at(START)), seed);
    server.history = History {
        events: plan.history,
        bytes: 16 << 20,
    };
    let rights = plan.hosts.iter().map(|host| plan.rights(host)).collect();
    let own = options
        .own
        .as_ref()
        .map(|(_, order)| crate::watcher::Rules::Declared(order.clone()));
    Tap::new(ApiServer::new(server), rights, own)
}

/// What is there before anybody works.
fn found(users: &mut Users, plan: &Plan, options: &Options) {
    for node in &plan.nodes {
        let mut labels = Map::new();
        if node.keeper != NodeKeeper::Nobody {
            labels.insert(LABEL.to_owned(), json!("yes"));
        }
        if matches!(node.keeper, NodeKeeper::All | NodeKeeper::Kubelet) {
            labels.insert(SHARED.to_owned(), json!("yes"));
        }
        if node.keeper == NodeKeeper::Kubelet {
            users.kubelet(&node.name, &START.to_micros());
        }
        users.node(&node.name, &Value::Object(labels));
    }
    if options.own.is_some() {
        (0..plan.pods).for_each(|number| users.config_map(&format!("c{number}")));
    } else if options.scale == Scale::Small {
        users.create_all();
    }
}

fn outcome(seed: u64, tap: &Tap, lasted: Duration, options: &Options) -> Outcome {
    let (versions, transitions, digest) = tap.sums();
    let mut violations = tap.violations();
    violations
        .retain(|violation| options.rules.is_empty() || options.rules.contains(&violation.rule));
    let first = violations.first().map(|violation| violation.key.as_str());
    Outcome {
        seed,
        less: options.less,
        versions,
        transitions,
        digest,
        lasted,
        history: first.map(|key| tap.history(key)).unwrap_or_default(),
        violations,
    }
}

// === impl Outcome, Violation ===

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            less,
            versions,
            transitions,
            lasted,
            ..
        } = self;
        writeln!(
            f,
            "seed {seed}: {} violations in {lasted:?} of its time, {versions} versions, {transitions} transitions",
            self.violations.len()
        )?;
        for violation in self.violations.iter().take(10) {
            writeln!(f, "  {violation}")?;
        }
        write!(f, "{}", self.history)?;
        write!(f, "again: STAGEWRIGHT_SEED={seed} ")?;
        if *less != Less::default() {
            write!(f, "STAGEWRIGHT_LESS={less} ")?;
        }
        f.write_str("cargo test --test simulator whatever")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.rule, self.key, self.text)
    }
}
