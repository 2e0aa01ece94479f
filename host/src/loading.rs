//! The plugins that a command line asks for, loaded in the order in which they are asked.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use stagewright_core::object::Kind;
use tokio::sync::watch;

use crate::args::{PluginConfig, UsageError};
use crate::kwok::{self, Stages};
use crate::plugin::{self, Engine, LoadError, Plugin, Source};

/// Plugins by priority, as they are now: another version of one takes its place.
pub type Renewed = watch::Receiver<Vec<Arc<Plugin>>>;

/// The plugins that a command line means.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// By priority.
    pub plugins: Vec<Arc<Plugin>>,
    /// Where the first of them come from.
    pub files: Vec<PathBuf>,
    /// One more, whose stages the API server has.
    pub live: Option<Live>,
}

/// A plugin for stages that change while the host runs.
#[derive(Debug, Clone)]
pub struct Live {
    engine: Engine,
    place: usize,
    stock: Vec<String>,
}

// === impl Live ===

impl Live {
    #[cfg(test)]
    pub(crate) fn of_stock(engine: Engine, stock: &[&str]) -> Self {
        Self {
            engine,
            place: 0,
            stock: stock.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    /// Its place among the other plugins.
    #[must_use]
    pub fn place(&self) -> usize {
        self.place
    }

    /// Configures it with settings, with the code of the one before if there is one.
    ///
    /// # Errors
    /// If it does not take the settings at all; a stage that it leaves out is among its description's problems.
    pub fn plugin(&self, settings: &Value, before: Option<&Plugin>) -> Result<Plugin, LoadError> {
        match before {
            Some(before) => before.with_settings(settings),
            None => Plugin::load(&self.engine, &Source::Stock(kwok::PLUGIN), settings),
        }
    }

    /// Whether a plugin is not asked while there are stages for these kinds.
    #[must_use]
    pub fn yields(&self, plugin: &Plugin, staged: &BTreeSet<Kind>) -> bool {
        yields(&self.stock, plugin, staged)
    }
}

/// Loads all of them; a large component takes seconds to compile, so this is not for the I/O threads.
///
/// # Errors
/// If one does not load, or settings are for none of them.
pub fn load(engine: &Engine, wanted: &PluginConfig) -> anyhow::Result<Loaded> {
    let mut plugins: Vec<Arc<Plugin>> = Vec::new();
    for source in sources(wanted)? {
        let plugin = load_one(engine, &source, wanted)?;
        if let Some(twin) = plugins.iter().find(|loaded| loaded.name() == plugin.name()) {
            anyhow::bail!(
                "{source}: there is a plugin {} {} already; a name is taken once",
                twin.name(),
                twin.version()
            );
        }
        plugins.push(Arc::new(plugin));
    }
    let unknown = wanted
        .settings
        .keys()
        .find(|name| plugins.iter().all(|plugin| plugin.name() != name.as_str()));
    if let Some(name) = unknown {
        let names: Vec<&str> = plugins.iter().map(|plugin| plugin.name()).collect();
        let problem = format!(
            "no plugin is named {name:?}; loaded are {}",
            names.join(", ")
        );
        return Err(usage("--settings", problem));
    }
    let staged = wanted.kwok.stages.kinds();
    plugins.retain(|plugin| {
        let replaced = yields(&wanted.stock, plugin, &staged);
        if replaced {
            tracing::info!(
                plugin = plugin.name(),
                "not asked: there are stages for its kinds"
            );
        }
        !replaced
    });
    let live = wanted.kwok.has_live_stages().then(|| Live {
        engine: engine.clone(),
        place: wanted.files.len(),
        stock: wanted.stock.clone(),
    });
    Ok(Loaded {
        plugins,
        files: wanted.files.clone(),
        live,
    })
}

/// A stock plugin whose every kind has stages is not asked.
fn yields(stock: &[String], plugin: &Plugin, staged: &BTreeSet<Kind>) -> bool {
    let kinds = &mut plugin.description().subjects.iter();
    stock.iter().any(|name| name == plugin.name())
        && plugin.name() != kwok::PLUGIN
        && kinds.all(|subject| staged.contains(&subject.kind))
}

/// Stock plugins that have every object of their kinds, whatever becomes of it. Those that do something of their own with such an object
/// and pass on are asked before them, in whichever order they are named.
const WHOLE: [&str; 2] = ["node", "pod"];

/// In the order in which they are asked.
fn sources(wanted: &PluginConfig) -> anyhow::Result<Vec<Source>> {
    let mut sources: Vec<Source> = Vec::new();
    sources.extend(wanted.files.iter().cloned().map(Source::File));
    if wanted.kwok.has_live_stages() {
        let is_named = wanted.stock.iter().any(|name| name == kwok::PLUGIN);
        if is_named || wanted.settings.contains_key(kwok::PLUGIN) {
            let flag = if is_named {
                "--stock-plugins"
            } else {
                "--settings"
            };
            let problem = format!(
                "{} takes its stages from the API server here (--enable-crds=Stage); leave one of the two",
                kwok::PLUGIN
            );
            return Err(usage(flag, problem));
        }
    }
    if !wanted.kwok.stages.is_empty() {
        if wanted.settings.contains_key(kwok::PLUGIN) {
            let problem = format!(
                "{} takes its stages from --config here; put all stages into one of the two",
                kwok::PLUGIN
            );
            return Err(usage("--settings", problem));
        }
        sources.push(Source::Stock(kwok::PLUGIN));
    }
    let is_last = |name: &&String| WHOLE.contains(&name.as_str());
    let (last, first): (Vec<_>, Vec<_>) = wanted.stock.iter().partition(is_last);
    for name in first.into_iter().chain(last) {
        let Some(known) = plugin::stock().iter().find(|known| name == *known) else {
            let problem = format!(
                "there is no stock plugin {name:?}; there are {}",
                plugin::stock().join(", ")
            );
            return Err(usage("--stock-plugins", problem));
        };
        if !sources.contains(&Source::Stock(known)) {
            sources.push(Source::Stock(known));
        }
    }
    Ok(sources)
}

/// A plugin's settings go by its own name, which a file only tells once it is loaded; its file's name counts until then.
fn load_one(engine: &Engine, source: &Source, wanted: &PluginConfig) -> anyhow::Result<Plugin> {
    let guess = match source {
        Source::Stock(name) => (*name).to_owned(),
        Source::File(path) => path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        Source::Bytes { name, .. } => name.clone(),
    };
    let guess = guess.split('.').next().unwrap_or_default();
    let settings = |name: &str| {
        if *source == Source::Stock(kwok::PLUGIN) && !wanted.kwok.stages.is_empty() {
            return wanted.kwok.stages.settings();
        }
        wanted
            .settings
            .get(name)
            .cloned()
            .unwrap_or_else(|| json!({}))
    };
    let given: Value = settings(guess);
    let mut plugin = Plugin::load(engine, source, &given)?;
    let own = settings(plugin.name());
    if own != given {
        plugin = Plugin::load(engine, source, &own)?;
    }
    tracing::info!(plugin = plugin.name(), version = plugin.version(), digest = plugin.digest(), source = %source,
        isolation = %plugin.isolation(), "plugin loaded");
    tell_problems(&plugin, &wanted.kwok.stages);
    Ok(plugin)
}

/// What the plugin left out: of stages by their files, else by the place in the settings.
fn tell_problems(plugin: &Plugin, stages: &Stages) {
    if plugin.name() == kwok::PLUGIN && !stages.is_empty() {
        for problem in stages.problems(plugin.description()) {
            tracing::warn!(plugin = plugin.name(), "stage left out: {problem}");
        }
        return;
    }
    for problem in &plugin.description().problems {
        tracing::warn!(
            plugin = plugin.name(),
            path = problem.path,
            message = problem.message,
            "left out by the plugin"
        );
    }
}

fn usage(flag: &'static str, problem: String) -> anyhow::Error {
    UsageError { flag, problem }.into()
}
