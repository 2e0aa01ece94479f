//! The metrics. Every label has a bounded set of values: kinds, plugins, stages, categories; never names or texts.

use std::sync::Once;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use stagewright_core::interface::{Answer, Effect};
use stagewright_core::object::Kind;

use super::process::Process;

/// What the controller counts.
#[derive(Debug)]
pub struct Metrics {
    decisions: Family<Decision, Counter>,
    decide_duration: Family<ByPlugin, Histogram>,
    fuel: Family<ByCall, Counter>,
    plays: Family<Decision, Counter>,
    rejections: Family<ByReason, Counter>,
    mends: Family<ByRule, Counter>,
    backward: Family<ByKind, Counter>,
    unfollowable: Family<ByKind, Counter>,
    restarts: Family<ByKindAndReason, Counter>,
    objects: Family<ByKind, Gauge>,
    lines_dropped: Family<ByPlugin, Counter>,
    lag: Histogram,
    queue: Gauge,
    running: Gauge,
    nodes: Gauge,
    leases: Gauge,
    events_sent: Counter,
    events_dropped: Counter,
    generation: Gauge,
    stages: Family<ByState, Gauge>,
    renewals: Family<ByReason, Counter>,
    first_decision: Gauge<f64, AtomicU64>,
    began: Instant,
    has_decided: Once,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    plugin: String,
    stage: String,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPlugin {
    plugin: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCall {
    plugin: String,
    call: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    plugin: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRule {
    plugin: String,
    rule: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKindAndReason {
    kind: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

impl Metrics {
    /// Metrics that are in the registry, which should have the prefix `stagewright`. The process's own go into it without
    /// a prefix only if `registry` has none, so they are registered by [`Metrics::register_process`].
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::unregistered();
        let r = registry;
        let Self {
            decisions,
            decide_duration,
            fuel,
            plays,
            rejections,
            mends,
            backward,
            unfollowable,
            restarts,
            objects,
            lines_dropped,
            lag,
            queue,
            running,
            nodes,
            leases,
            events_sent,
            events_dropped,
            generation,
            stages,
            renewals,
            first_decision,
            began: _,
            has_decided: _,
        } = &metrics;
        r.register(
            "build",
            "The controller's version",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        r.register("decisions", "Answers of plugins", decisions.clone());
        r.register_with_unit(
            "decide_duration",
            "Time of a plugin's answer",
            Unit::Seconds,
            decide_duration.clone(),
        );
        r.register("fuel", "Fuel that plugins used", fuel.clone());
        r.register("plays", "Stages played by plugins", plays.clone());
        r.register(
            "guard_rejections",
            "Plays that were refused, by guard, server or for a plugin's failure",
            rejections.clone(),
        );
        r.register(
            "mends",
            "Bookkeeping mended in what plugins wanted",
            mends.clone(),
        );
        r.register(
            "backward_moves",
            "Moves backward that others made",
            backward.clone(),
        );
        r.register(
            "unfollowable_objects",
            "Objects without what every object has",
            unfollowable.clone(),
        );
        r.register(
            "watch_restarts",
            "Interruptions of watches",
            restarts.clone(),
        );
        r.register("cache_objects", "Objects followed", objects.clone());
        r.register(
            "plugin_log_lines_dropped",
            "Lines of plugins that were too many for the log",
            lines_dropped.clone(),
        );
        r.register_with_unit(
            "stage_lag",
            "Time from a turn's due time to its start",
            Unit::Seconds,
            lag.clone(),
        );
        r.register(
            "queue_depth",
            "Objects that wait for their turn",
            queue.clone(),
        );
        r.register(
            "turns_running",
            "Objects whose turn is under way",
            running.clone(),
        );
        r.register("nodes", "Nodes that are ours", nodes.clone());
        r.register("leases_held", "Node leases that are held", leases.clone());
        r.register("events_sent", "Events sent", events_sent.clone());
        r.register(
            "events_dropped",
            "Events dropped for being too many",
            events_dropped.clone(),
        );
        r.register(
            "lineup_generation",
            "How often other plugins, stages or orders were set in",
            generation.clone(),
        );
        r.register(
            "stages",
            "Stages of the API server, loaded or refused",
            stages.clone(),
        );
        r.register(
            "plugin_renewals",
            "Newer versions of plugin files, taken or refused",
            renewals.clone(),
        );
        r.register_with_unit(
            "first_decision",
            "Time from the start to the first answer of a plugin; 0 before it",
            Unit::Seconds,
            first_decision.clone(),
        );
        metrics
    }

    /// A plugin's file had another version: `Renewed`, or why it was refused.
    pub fn renewed(&self, plugin: &str, reason: &'static str) {
        let plugin = plugin.to_owned();
        self.renewals
            .get_or_create(&ByReason { plugin, reason })
            .inc();
    }

    /// Other plugins, stages or orders were set in.
    pub fn lineup(&self, generation: u64) {
        self.generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// How many stages of the API server are loaded, and how many refused.
    pub fn stages(&self, loaded: usize, refused: usize) {
        for (state, count) in [("loaded", loaded), ("refused", refused)] {
            self.stages
                .get_or_create(&ByState { state })
                .set(gauge(count));
        }
    }

    /// Puts the process's own metrics into a registry without a prefix.
    pub fn register_process(registry: &mut Registry) {
        registry.register_collector(Box::new(Process));
    }

    fn unregistered() -> Self {
        Self {
            decisions: Family::default(),
            decide_duration: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_01, 2.0, 16))
            }),
            fuel: Family::default(),
            plays: Family::default(),
            rejections: Family::default(),
            mends: Family::default(),
            backward: Family::default(),
            unfollowable: Family::default(),
            restarts: Family::default(),
            objects: Family::default(),
            lines_dropped: Family::default(),
            lag: Histogram::new(exponential_buckets(0.001, 2.0, 18)),
            queue: Gauge::default(),
            running: Gauge::default(),
            nodes: Gauge::default(),
            leases: Gauge::default(),
            events_sent: Counter::default(),
            events_dropped: Counter::default(),
            generation: Gauge::default(),
            stages: Family::default(),
            renewals: Family::default(),
            first_decision: Gauge::default(),
            began: Instant::now(),
            has_decided: Once::new(),
        }
    }

    /// A plugin was asked what comes next.
    pub fn decided<E>(&self, plugin: &str, answer: &Result<Answer, E>, fuel: u64) {
        let (verdict, stage) = match answer {
            Ok(Answer::Pass) => ("pass", ""),
            Ok(Answer::PassUntil { .. }) => ("pass-until", ""),
            Ok(Answer::Idle { .. }) => ("idle", ""),
            Ok(Answer::Stage { stage, .. }) => ("stage", stage.as_str()),
            Ok(Answer::Invalid { .. }) => ("invalid", ""),
            Err(_) => ("error", ""),
        };
        self.has_decided.call_once(|| {
            self.first_decision.set(self.began.elapsed().as_secs_f64());
        });
        self.decisions
            .get_or_create(&Decision {
                plugin: plugin.into(),
                stage: stage.into(),
                verdict,
            })
            .inc();
        self.burn(plugin, "decide", fuel);
    }

    /// How long a plugin's answer took.
    pub fn decide_took(&self, plugin: &str, took: Duration) {
        self.decide_duration
            .get_or_create(&ByPlugin {
                plugin: plugin.into(),
            })
            .observe(took.as_secs_f64());
    }

    /// A plugin played a stage.
    pub fn played<E>(
        &self,
        plugin: &str,
        stage: &str,
        effects: &Result<Vec<Effect>, E>,
        fuel: u64,
    ) {
        let verdict = match effects {
            Ok(effects) if effects.is_empty() => "nothing",
            Ok(_) => "effects",
            Err(_) => "error",
        };
        self.plays
            .get_or_create(&Decision {
                plugin: plugin.into(),
                stage: stage.into(),
                verdict,
            })
            .inc();
        self.burn(plugin, "play", fuel);
    }

    fn burn(&self, plugin: &str, call: &'static str, fuel: u64) {
        self.fuel
            .get_or_create(&ByCall {
                plugin: plugin.into(),
                call,
            })
            .inc_by(fuel);
    }

    /// A play was refused, or a plugin failed.
    pub fn refused(&self, plugin: &str, reason: &'static str) {
        self.rejections
            .get_or_create(&ByReason {
                plugin: plugin.into(),
                reason,
            })
            .inc();
    }

    /// Bookkeeping was mended.
    pub fn mended(&self, plugin: &str, rule: &'static str) {
        self.mends
            .get_or_create(&ByRule {
                plugin: plugin.into(),
                rule,
            })
            .inc();
    }

    /// A plugin's line did not make it into the log.
    pub fn line_dropped(&self, plugin: &str) {
        self.lines_dropped
            .get_or_create(&ByPlugin {
                plugin: plugin.into(),
            })
            .inc();
    }

    /// Somebody else moved an object backward.
    pub fn moved_backward(&self, kind: &Kind) {
        self.backward.get_or_create(&by_kind(kind)).inc();
    }

    /// An object cannot be followed.
    pub fn unfollowable(&self, kind: &Kind) {
        self.unfollowable.get_or_create(&by_kind(kind)).inc();
    }

    /// A watch was interrupted.
    pub fn watch_restarted(&self, kind: &Kind, reason: &'static str) {
        self.restarts
            .get_or_create(&ByKindAndReason {
                kind: kind.to_string(),
                reason,
            })
            .inc();
    }

    /// A turn began so long after it was due.
    pub fn lag(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    /// Objects of a kind that are followed now.
    pub fn objects(&self, kind: &Kind, count: usize) {
        self.objects.get_or_create(&by_kind(kind)).set(gauge(count));
    }

    /// Turns waiting, and under way.
    pub fn depth(&self, waiting: usize, running: usize) {
        self.queue.set(gauge(waiting));
        self.running.set(gauge(running));
    }

    /// Nodes that are ours now.
    pub fn nodes(&self, count: usize) {
        self.nodes.set(gauge(count));
    }

    /// Leases held now.
    pub fn leases(&self, count: usize) {
        self.leases.set(gauge(count));
    }

    /// The counter of Events sent, for [`super::events`].
    #[must_use]
    pub fn events_sent(&self) -> Counter {
        self.events_sent.clone()
    }

    /// The counter of Events dropped, for [`super::events`].
    #[must_use]
    pub fn events_dropped(&self) -> Counter {
        self.events_dropped.clone()
    }
}

fn by_kind(kind: &Kind) -> ByKind {
    ByKind {
        kind: kind.to_string(),
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
