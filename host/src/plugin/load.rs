//! From bytes to a plugin that answers: fetch, compile, check, configure, measure.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use stagewright_core::description::Description;
use stagewright_core::interface::Context;

use super::bindings::StagePluginPre;
use super::convert;
use super::engine::Engine;
use super::errors::{CallError, Identity, LoadError};
use super::instance::{Fault, Instance, LogLine, State};
use super::sampling::Sampling;
use super::session::{Session, call_error};
use super::source::{Held, Source};

/// A plugin that loaded, with the settings it was configured with. Immutable: other settings are another `Plugin`.
pub struct Plugin {
    pub(super) engine: Engine,
    pub(super) pre: StagePluginPre<State>,
    pub(super) settings: String,
    pub(super) identity: Identity,
    pub(super) description: Description,
    pub(super) idle: Mutex<Vec<Instance>>,
    pub(super) sampling: Sampling,
    /// A used instance was seen to answer other than a new one.
    pub(super) impure: AtomicBool,
    digest: String,
    report: LoadReport,
}

/// Code before it is configured.
struct Code {
    /// Where it comes from, for messages.
    plugin: String,
    pre: StagePluginPre<State>,
    digest: String,
    component: usize,
    prepare: Duration,
}

/// Whether answers come from instances made for each, or from one that is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// A new instance, configured anew, for each session: nothing can leak from one object to another.
    Fresh,
    /// An instance is used again until it traps or grows, because a new one costs too much.
    Warm,
}

/// What loading found out. Times are CPU times of one thread where the system tells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadReport {
    /// Fresh or warm, after `fresh`.
    pub isolation: Isolation,
    /// Bytes of the component.
    pub component: usize,
    /// Compiling, or taking code that was compiled before; wall time.
    pub prepare: Duration,
    /// The cheapest of several rounds of instantiate, configure, decide and drop.
    pub fresh: Duration,
    /// The cheapest of several decisions on one instance.
    pub warm: Duration,
    /// Fuel of `configure`.
    pub configure_fuel: u64,
    /// Fuel of the measured decision.
    pub decide_fuel: u64,
    /// Bytes of linear memory after it.
    pub memory: usize,
    /// What the plugin logged in `configure`.
    pub log: Vec<LogLine>,
}

/// What a new instance for each decision may cost beyond a used one, measured one after the other. In the life of a host it costs
/// several times as much: memory that was just given back is protected, mapped and faulted in again with cold caches.
const FRESH_COSTS_AT_MOST: Duration = Duration::from_micros(3);
const ROUNDS: u32 = 6;

// === impl Code ===

impl Code {
    fn new(
        engine: &Engine,
        source: &Source,
        held: &Held,
        digest: String,
    ) -> Result<Self, LoadError> {
        let (plugin, started) = (source.to_string(), Instant::now());
        let pre = engine.prepare(&plugin, held, &digest)?;
        Ok(Self {
            plugin,
            pre,
            digest,
            component: held.size(),
            prepare: started.elapsed(),
        })
    }
}

// === impl Plugin ===

impl Plugin {
    /// Loads and configures. Takes from a millisecond (stock) to many seconds (a component of several MiB): not for the I/O threads.
    ///
    /// # Errors
    /// Whatever is wrong with the component, its settings or its description.
    pub fn load(engine: &Engine, source: &Source, settings: &Value) -> Result<Self, LoadError> {
        let held = source.fetch(engine.limits().component_bytes)?;
        let code = Code::new(engine, source, &held, held.digest())?;
        drop(held);
        Self::configured(engine, code, text(settings))
    }

    /// What the source holds now, with the same settings; none if that is the code that this plugin has.
    ///
    /// # Errors
    /// As [`Plugin::load`], and if it is another plugin than this one.
    pub fn renewed(&self, source: &Source) -> Result<Option<Self>, LoadError> {
        let held = source.fetch(self.engine.limits().component_bytes)?;
        let digest = held.digest();
        if digest == self.digest {
            return Ok(None);
        }
        let code = Code::new(&self.engine, source, &held, digest)?;
        drop(held);
        let plugin = code.plugin.clone();
        let renewed = Self::configured(&self.engine, code, self.settings.clone())?;
        if renewed.name() == self.name() {
            Ok(Some(renewed))
        } else {
            Err(LoadError::Renamed {
                plugin,
                name: renewed.name().to_owned(),
                before: self.name().to_owned(),
            })
        }
    }

    /// The same code with other settings. Nothing is compiled again.
    ///
    /// # Errors
    /// Whatever is wrong with the settings, or with the description that they lead to.
    pub fn with_settings(&self, settings: &Value) -> Result<Self, LoadError> {
        let code = Code {
            plugin: format!("plugin {}", self.identity.name),
            pre: self.pre.clone(),
            digest: self.digest.clone(),
            component: self.report.component,
            prepare: Duration::ZERO,
        };
        Self::configured(&self.engine, code, text(settings))
    }

    fn configured(engine: &Engine, code: Code, settings: String) -> Result<Self, LoadError> {
        let Code {
            plugin,
            pre,
            digest,
            component,
            prepare,
        } = code;
        let (description, mut first) = configure(engine, &plugin, &pre, &settings)?;
        let identity = Identity {
            name: description.name.as_str().into(),
            version: description.version.as_str().into(),
        };
        let report = LoadReport {
            isolation: Isolation::Fresh,
            component,
            prepare,
            fresh: Duration::ZERO,
            warm: Duration::ZERO,
            configure_fuel: first.fuel(),
            decide_fuel: 0,
            memory: first.memory(),
            log: first.take_log().0,
        };
        let idle = Mutex::new(Vec::new());
        let mut loaded = Self {
            engine: engine.clone(),
            pre,
            settings,
            identity,
            description,
            idle,
            sampling: Sampling::default(),
            impure: AtomicBool::new(false),
            digest,
            report,
        };
        loaded.measure(first);
        Ok(loaded)
    }

    /// What `configure` said.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The plugin's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// The plugin's own version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.identity.version
    }

    /// `sha256:…` of the component.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether sessions share instances.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        if self.is_impure() {
            return Isolation::Fresh;
        }
        self.report.isolation
    }

    /// Whether a used instance was seen to answer other than a new one.
    #[must_use]
    pub fn is_impure(&self) -> bool {
        self.impure.load(Ordering::Relaxed)
    }

    /// What loading found out.
    #[must_use]
    pub fn load_report(&self) -> &LoadReport {
        &self.report
    }

    /// One instance for a decision and the play that follows at once. Cheap to call from several threads.
    ///
    /// # Errors
    /// If no instance can be had, or a new one does not configure as the first did.
    pub fn session(&self) -> Result<Session<'_>, CallError> {
        Session::new(self)
    }

    /// A new instance, configured.
    pub(super) fn fresh(&self) -> Result<Instance, CallError> {
        let limits = self.engine.limits();
        let failed = |fault| {
            call_error(
                fault,
                &self.identity,
                "configure",
                limits.configure_fuel,
                limits,
            )
        };
        let mut instance = Instance::new(&self.engine, &self.pre).map_err(failed)?;
        match instance.configure(limits, &self.settings).map_err(failed)? {
            Ok(_) => {
                // Said once, at load.
                drop(instance.take_log());
                Ok(instance)
            }
            Err(message) => Err(CallError::PluginError {
                plugin: self.identity.clone(),
                function: "configure",
                message: convert::note(message),
            }),
        }
    }

    /// Measures a decision, fresh and warm, on an object that has only a name. A plugin that cannot answer for it is measured all
    /// the same: what counts is the price of an instance.
    fn measure(&mut self, mut first: Instance) {
        let (object, context) = self.probe();
        let limits = self.engine.limits();
        let mut warm = Duration::MAX;
        for _ in 0..ROUNDS {
            let started = cpu_time();
            if first.decide(limits, &object, &context).is_err() {
                break;
            }
            warm = warm.min(cpu_time().saturating_sub(started));
        }
        let (decide_fuel, memory) = (first.fuel(), first.memory());
        drop(first);
        let mut fresh = Duration::MAX;
        for _ in 0..ROUNDS {
            let started = cpu_time();
            // One that fails here will fail there too; that is for the calls to tell.
            if let Ok(mut instance) = self.fresh() {
                drop(instance.decide(limits, &object, &context));
            }
            fresh = fresh.min(cpu_time().saturating_sub(started));
        }
        self.report.fresh = fresh;
        self.report.warm = if warm == Duration::MAX { fresh } else { warm };
        self.report.isolation = if fresh.saturating_sub(self.report.warm) <= FRESH_COSTS_AT_MOST {
            Isolation::Fresh
        } else {
            Isolation::Warm
        };
        self.report.decide_fuel = decide_fuel;
        self.report.memory = memory;
    }

    fn probe(&self) -> (String, Context) {
        let kind = self
            .description
            .subjects
            .first()
            .map(|subject| subject.kind.clone());
        let object = json!({
            "apiVersion": kind.as_ref().map_or("v1", |kind| kind.api_version()),
            "kind": kind.as_ref().map_or("Pod", |kind| kind.kind()),
            "metadata": {"name": "probe", "namespace": "probe", "uid": "00000000-0000-0000-0000-000000000000"},
            "spec": {},
            "status": {},
        });
        (object.to_string(), Context::empty())
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("identity", &self.identity)
            .field("digest", &self.digest)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "fresh",
            Self::Warm => "warm",
        })
    }
}

impl Serialize for Isolation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Settings as `configure` takes them.
fn text(settings: &Value) -> String {
    match settings {
        Value::Null => "{}".to_owned(),
        settings => settings.to_string(),
    }
}

/// The first instance and what it says of itself.
fn configure(
    engine: &Engine,
    plugin: &str,
    pre: &StagePluginPre<State>,
    settings: &str,
) -> Result<(Description, Instance), LoadError> {
    let limits = engine.limits();
    let nobody = Identity {
        name: Arc::from(plugin),
        version: Arc::from(""),
    };
    let trapped = |fault: Fault| {
        let error = call_error(fault, &nobody, "configure", limits.configure_fuel, limits);
        LoadError::ConfigureTrap {
            plugin: plugin.to_owned(),
            kind: error.category(),
            cause: cause(&error),
        }
    };
    let mut instance = Instance::new(engine, pre).map_err(trapped)?;
    let text = instance
        .configure(limits, settings)
        .map_err(trapped)?
        .map_err(|message| LoadError::ConfigureFailed {
            plugin: plugin.to_owned(),
            message: convert::note(message),
        })?;
    let description = Description::parse(&text)
        .map_err(|error| LoadError::description(plugin.to_owned(), &error))?;
    if let Some(ability) = description.requires.first() {
        return Err(LoadError::RequiresUnknown {
            plugin: format!("{plugin} ({} {})", description.name, description.version),
            ability: ability.clone(),
        });
    }
    Ok((description, instance))
}

/// A failed call in few words: the load error around it already says whose and which.
fn cause(error: &CallError) -> String {
    match error {
        CallError::OutOfFuel { fuel, .. } => format!("it used its {fuel} fuel without an answer"),
        CallError::OutOfMemory { limit, .. } => {
            format!("it asked for more than {limit} bytes of memory")
        }
        CallError::AnswerTooLarge { limit, .. } => {
            format!("it gave the host more than {limit} bytes")
        }
        CallError::Trap { message, .. } | CallError::InvalidAnswer { message, .. } => {
            message.clone()
        }
        other => other.to_string(),
    }
}

/// CPU time of this thread: wall time on a busy machine measures the neighbours.
pub(crate) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
