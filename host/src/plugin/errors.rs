//! What can be wrong with a plugin, and with one call of it. `category()` is the word in the metric, the Event and the condition.

use std::fmt;
use std::sync::Arc;

use stagewright_core::description::DescriptionError;

/// A plugin as errors name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub(super) name: Arc<str>,
    pub(super) version: Arc<str>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin {} {}", self.name, self.version)
    }
}

/// Why there is no engine: the machine lacks what the sandbox needs.
#[derive(Debug, thiserror::Error)]
#[error(
    "the Wasm engine cannot start: {cause}. It reserves address space of about 4 GiB for each of {slots} instances; lift a limit on virtual memory (ulimit -v)"
)]
pub struct EngineError {
    pub(super) slots: u32,
    pub(super) cause: String,
}

/// Why a plugin was not loaded. `plugin` is its source, since a component that does not load has no name yet.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error(
        "{plugin}: cannot be read: {message}. Give the path of a component that this process may read"
    )]
    Unreadable {
        /// Where it came from.
        plugin: String,
        /// What the system said.
        message: String,
    },
    /// Loading it broke this host's own code.
    #[error(
        "{plugin}: loading it panicked: {message}. This is a fault in the host: report it with the component"
    )]
    Panicked {
        /// Where it came from.
        plugin: String,
        /// What the panic said.
        message: String,
    },
    /// More bytes than a component may have.
    #[error(
        "{plugin}: more than {limit} bytes. Build it stripped and optimised, without debug information"
    )]
    TooLarge {
        /// Where it came from.
        plugin: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// No bytes.
    #[error("{plugin}: empty. The build or the download that wrote it did not finish")]
    Empty {
        /// Where it came from.
        plugin: String,
    },
    /// Something else altogether.
    #[error(
        "{plugin}: not WebAssembly: it begins with {begins}. Give the component that the build wrote"
    )]
    NotWasm {
        /// Where it came from.
        plugin: String,
        /// Its first bytes, escaped.
        begins: String,
    },
    /// Begins as a component, ends too early.
    #[error(
        "{plugin}: truncated: the section at byte {offset} is longer than the file. Copy it again"
    )]
    Truncated {
        /// Where it came from.
        plugin: String,
        /// Where the section that is cut begins.
        offset: usize,
    },
    /// WebAssembly, but a core module.
    #[error(
        "{plugin}: a core module, not a component. Wrap it: wasm-tools component new IN -o OUT"
    )]
    CoreModule {
        /// Where it came from.
        plugin: String,
    },
    /// Native code. Never taken from outside: it is not checked when it is loaded.
    #[error(
        "{plugin}: precompiled native code, which cannot be checked. Give the component it was made of"
    )]
    Precompiled {
        /// Where it came from.
        plugin: String,
    },
    /// A component that does not validate or asks for more than the sandbox has.
    #[error("{plugin}: not a valid component: {message}. Build it again with current tools")]
    Invalid {
        /// Where it came from.
        plugin: String,
        /// What the validator said.
        message: String,
    },
    /// Asks for something that the sandbox does not give.
    #[error("{plugin}: imports {name}; a plugin may import nothing but {allowed}. {remedy}")]
    ForeignImport {
        /// Where it came from.
        plugin: String,
        /// The import.
        name: String,
        /// The one import there is.
        allowed: &'static str,
        /// How to build without.
        remedy: &'static str,
    },
    /// Built for an interface that this host does not speak.
    #[error(
        "{plugin}: speaks {found}; this host speaks {wanted}. Build it against wit/stage.wit of this version, or take the host of its"
    )]
    WrongInterface {
        /// Where it came from.
        plugin: String,
        /// The version it exports.
        found: String,
        /// The version of this host.
        wanted: &'static str,
    },
    /// Does not export the interface, or not all of it.
    #[error("{plugin}: does not export {name}. Build it for the world stage-plugin")]
    MissingExport {
        /// Where it came from.
        plugin: String,
        /// What is missing.
        name: String,
    },
    /// Exports a function of the right name and another type.
    #[error(
        "{plugin}: {function} has another type than the interface says: {difference}. Build it against the released wit/stage.wit"
    )]
    ExportMismatch {
        /// Where it came from.
        plugin: String,
        /// The function.
        function: String,
        /// Where the types part.
        difference: String,
    },
    /// `configure` refused the settings.
    #[error("{plugin}: refuses its settings: {message}. Correct the settings")]
    ConfigureFailed {
        /// Where it came from.
        plugin: String,
        /// What it said.
        message: String,
    },
    /// `configure` broke or did not end.
    #[error(
        "{plugin}: configure failed: {cause}. Try the plugin with these settings offline; this is a fault in the plugin"
    )]
    ConfigureTrap {
        /// Where it came from.
        plugin: String,
        /// `OutOfFuel`, `OutOfMemory`, `Trap` and so on: the category of the failed call.
        kind: &'static str,
        /// What went wrong.
        cause: String,
    },
    /// `configure` returned what is no description.
    #[error("{plugin}: its description is not valid: {message}. See wit/description.schema.json")]
    InvalidDescription {
        /// Where it came from.
        plugin: String,
        /// What is wrong with it.
        message: String,
    },
    /// Needs an ability that this host lacks.
    #[error(
        "{plugin}: requires {ability:?}, which this host does not have. Take a newer host, or a version of the plugin that does without"
    )]
    RequiresUnknown {
        /// Where it came from, with name and version.
        plugin: String,
        /// The ability.
        ability: String,
    },
    /// A newer version of a plugin that is another plugin.
    #[error(
        "{plugin}: is named {name:?} now, and was {before:?}; settings go by the name. To ask another plugin, start the host again"
    )]
    Renamed {
        /// Where it came from.
        plugin: String,
        /// The name it gives itself.
        name: String,
        /// The name of the version before.
        before: String,
    },
    /// A stock plugin that this binary does not hold.
    #[error("{plugin}: there is no such stock plugin. There are: {known}")]
    UnknownStock {
        /// The name asked for.
        plugin: String,
        /// The names there are.
        known: String,
    },
}

impl LoadError {
    /// A word for metric labels, Events and conditions.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "Unreadable",
            Self::Panicked { .. } => "Panicked",
            Self::TooLarge { .. } => "TooLarge",
            Self::Empty { .. } => "Empty",
            Self::NotWasm { .. } => "NotWasm",
            Self::Truncated { .. } => "Truncated",
            Self::CoreModule { .. } => "CoreModule",
            Self::Precompiled { .. } => "Precompiled",
            Self::Invalid { .. } => "InvalidComponent",
            Self::ForeignImport { .. } => "ForeignImport",
            Self::WrongInterface { .. } => "WrongInterface",
            Self::MissingExport { .. } => "MissingExport",
            Self::ExportMismatch { .. } => "ExportMismatch",
            Self::ConfigureFailed { .. } => "ConfigureFailed",
            Self::ConfigureTrap { .. } => "ConfigureTrap",
            Self::InvalidDescription { .. } => "InvalidDescription",
            Self::RequiresUnknown { .. } => "RequiresUnknown",
            Self::Renamed { .. } => "Renamed",
            Self::UnknownStock { .. } => "UnknownStock",
        }
    }

    pub(super) fn description(plugin: String, error: &DescriptionError) -> Self {
        Self::InvalidDescription {
            plugin,
            message: error.to_string(),
        }
    }
}

/// Why one call gave no answer. The instance it ran on is gone after all but `PluginError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Ran longer than it may.
    #[error(
        "{plugin}: {function} used its {fuel} fuel without an answer. An endless loop, or too much work for one object"
    )]
    OutOfFuel {
        /// Whose.
        plugin: Identity,
        /// Which function.
        function: &'static str,
        /// The budget.
        fuel: u64,
    },
    /// Asked for more memory than it may have.
    #[error("{plugin}: {function} asked for more than {limit} bytes of memory")]
    OutOfMemory {
        /// Whose.
        plugin: Identity,
        /// Which function.
        function: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// A panic, an abort, a stack overflow.
    #[error("{plugin}: {function} broke off: {message}")]
    Trap {
        /// Whose.
        plugin: Identity,
        /// Which function.
        function: &'static str,
        /// What wasmtime says of it.
        message: String,
    },
    /// Gave the host more than it takes.
    #[error("{plugin}: {function} gave the host more than {limit} bytes")]
    AnswerTooLarge {
        /// Whose.
        plugin: Identity,
        /// Which function.
        function: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// More effects than one play may have.
    #[error(
        "{plugin}: play answered {count} effects; at most {limit} are taken. Spread them over stages"
    )]
    TooManyEffects {
        /// Whose.
        plugin: Identity,
        /// How many.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// An answer that means nothing.
    #[error("{plugin}: {function} gave an answer that means nothing: {message}")]
    InvalidAnswer {
        /// Whose.
        plugin: Identity,
        /// Which function.
        function: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The plugin says that it cannot answer.
    #[error("{plugin}: {function} failed: {message}")]
    PluginError {
        /// Whose.
        plugin: Identity,
        /// Which function.
        function: &'static str,
        /// What it said, cut to a kibibyte.
        message: String,
    },
    /// All instances are in use: the plugin is not to blame.
    #[error("{plugin}: no instance is free; {slots} are in use. Fewer plugins or workers, please")]
    Busy {
        /// Whose.
        plugin: Identity,
        /// How many there are.
        slots: u32,
    },
}

impl CallError {
    /// A word for metric labels, Events and conditions.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::OutOfFuel { .. } => "OutOfFuel",
            Self::OutOfMemory { .. } => "OutOfMemory",
            Self::Trap { .. } => "Trap",
            Self::AnswerTooLarge { .. } => "AnswerTooLarge",
            Self::TooManyEffects { .. } => "TooManyEffects",
            Self::InvalidAnswer { .. } => "InvalidAnswer",
            Self::PluginError { .. } => "PluginError",
            Self::Busy { .. } => "Busy",
        }
    }
}
