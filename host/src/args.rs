//! The command line. Flags that KWOK has are named as KWOK names them, and mean the same.

mod config;
mod file;
mod kwok;
mod selection;
mod settings;
mod shape;
mod stage;
mod surroundings;
mod up;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::parser::ValueSource;
use clap::{
    ArgAction, ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    ValueEnum,
};

pub use config::{HostConfig, PluginConfig, RunConfig};
pub use kwok::{Dialect, KwokArgs};
pub(crate) use settings::read as read_settings;
pub use shape::Shape;
pub use stage::{ConvertArgs, Life, LintArgs, SimulateArgs, StageArgs, StageCommand, TestArgs};
pub use surroundings::Surroundings;
pub use up::{EngineConfig, Protocol, ServerConfig, UpArgs, UpConfig};

/// The exit code of a command line that cannot be carried out (`EX_USAGE`).
pub const EXIT_USAGE: u8 = 64;

/// A command line that clap accepts and that still makes no sense. It names the flag and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flag}: {problem}")]
pub struct UsageError {
    /// The flag at fault, with its dashes.
    pub flag: &'static str,
    /// What is wrong, and the remedy.
    pub problem: String,
}

/// Gives simulated nodes, pods and custom objects their life: Wasm plugins decide the next stage of each object, and it is
/// written only if it moves the object forward.
#[derive(Debug, Parser)]
#[command(
    name = "stagewright",
    version,
    propagate_version = true,
    max_term_width = 110
)]
pub struct Cli {
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Reads a command line, as KWOK's if the program is called so.
///
/// # Errors
/// If it is none; help and version come this way too.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if Dialect::of(arguments.first()) == Dialect::Kwok {
        return kwok::parse(arguments);
    }
    let matches = Cli::command().try_get_matches_from(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    match (&mut cli.command, matches.subcommand()) {
        (Command::Run(run), Some((_, matches))) => run.given = given(matches),
        (Command::Rbac(rbac), Some((_, matches))) => rbac.run.given = given(matches),
        (Command::Up(up), Some((_, matches))) => up.given = given(matches),
        _ => {}
    }
    Ok(cli)
}

/// The flags that the command line or the environment has.
fn given(matches: &ArgMatches) -> Vec<String> {
    let ids = matches.ids().map(|id| id.as_str());
    let is_given = |id: &&str| {
        let source = matches.value_source(id);
        source.is_some_and(|source| source != ValueSource::DefaultValue)
    };
    ids.filter(is_given).map(str::to_owned).collect()
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller against a cluster.
    Run(Box<RunArgs>),
    /// Start an API server of its own and the controller with it, and bring nodes and pods to life: a cluster in one process.
    Up(Box<UpArgs>),
    /// Ask a running controller what it knows of an object: who decides on it, what comes next, what was refused.
    Explain(ExplainArgs),
    /// Test, check, rewrite and simulate KWOK's stages; no cluster is needed.
    Stage(StageArgs),
    /// Print the definitions of the kinds that configure the controller, for `kubectl apply -f -`.
    Crd(PrintArgs),
    /// Print a service account and the rights that the controller needs with these flags of `run`, for `kubectl apply -f -`.
    Rbac(Box<RbacArgs>),
    /// Print the version.
    Version(PrintArgs),
}

/// Logs go to stderr.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// `auto` is text on a terminal and JSON otherwise.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
    /// A level (error, warn, info, debug, trace), or a filter like `info,stagewright::commit=debug` [default: info; of up: warn].
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER")]
    pub log_level: Option<String>,
    /// Log more: debug; twice: trace.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// One line of text for each event.
    Text,
    /// One JSON object for each event.
    Json,
}

/// Which cluster, as whom: kubectl's flags and rules.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster access")]
pub struct ClientArgs {
    /// A kubeconfig file [default: the files of $KUBECONFIG, ~/.kube/config, or the pod's service account].
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig's cluster.
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// The kubeconfig's user.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The API server's URL, instead of the kubeconfig's.
    #[arg(long, visible_alias = "server", value_name = "URL")]
    pub master: Option<String>,
    /// A user to impersonate.
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,
    /// A group to impersonate; may be repeated.
    #[arg(long = "as-group", value_name = "GROUP")]
    pub impersonate_groups: Vec<String>,
    /// The pod's service account, whatever files there are.
    #[arg(skip)]
    pub service_account: bool,
}

/// `stagewright run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Which cluster, as whom.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Whose nodes.
    #[command(flatten)]
    pub nodes: NodeArgs,
    /// Who decides.
    #[command(flatten)]
    pub plugins: PluginArgs,
    /// What nodes and pods are given.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// How fast, and how careful.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// What else KWOK has.
    #[command(flatten)]
    pub kwok: KwokArgs,
    /// Whose defaults count.
    #[arg(skip)]
    pub dialect: Dialect,
    /// The flags that were given, as clap names them; the others may come from a `KwokConfiguration`.
    #[arg(skip)]
    pub given: Vec<String>,
}

/// Which nodes are simulated. There is no default: a node that is chosen by mistake is a real one.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Nodes (one way to select them is needed)")]
pub struct NodeArgs {
    /// All nodes of the cluster.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false,
        default_missing_value = "true", value_parser = kwok::boolean)]
    pub manage_all_nodes: bool,
    /// Nodes with these labels, like `type=kwok`.
    #[arg(long, value_name = "SELECTOR")]
    pub manage_nodes_with_label_selector: Option<String>,
    /// Nodes with these annotations, like `kwok.x-k8s.io/node=fake`; with a label selector too, both must match.
    #[arg(long, value_name = "SELECTOR")]
    pub manage_nodes_with_annotation_selector: Option<String>,
    /// The node of this name; may be repeated. It is taken even from a live kubelet.
    #[arg(long, visible_alias = "manage-node", value_name = "NAME")]
    pub manage_single_node: Vec<String>,
    /// How long a node's Lease holds without being renewed; it is renewed four times as often. 0: no leases.
    #[arg(long, value_name = "SECONDS", default_value_t = 40)]
    pub node_lease_duration_seconds: u32,
}

/// Which plugins decide, and their settings.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Plugins")]
pub struct PluginArgs {
    /// KWOK's configuration: stages, which take the place of the stock plugin for their kinds, and options, for flags that are not given.
    /// A file, a folder, a kustomization, or `-` for stdin. May be repeated.
    #[arg(short, long, value_name = "SOURCE")]
    pub config: Vec<String>,
    /// A plugin: a Wasm component. May be repeated; they are asked in this order, and before the stock plugins. A newer version that is
    /// written over the file takes its place while the host runs.
    #[arg(long, value_name = "FILE")]
    pub plugin: Vec<PathBuf>,
    /// A plugin's settings: a file, or the text itself (`{…}`), in YAML or JSON. May be repeated.
    #[arg(long, value_name = "NAME=FILE_OR_TEXT")]
    pub settings: Vec<String>,
    /// The stock plugins to ask, in this order, `node` and `pod` after the others.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "node,pod"
    )]
    pub stock_plugins: Vec<String>,
    /// Ask no stock plugin.
    #[arg(long)]
    pub no_stock_plugins: bool,
    /// Let plugins write as another user, as far as RBAC lets the controller impersonate.
    #[arg(long)]
    pub allow_impersonation: bool,
    /// Part of the randomness that plugins get. Give all controllers of a cluster the same.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub seed: u64,
}

/// What nodes and pods are given.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Addresses")]
pub struct NetworkArgs {
    /// Addresses of pods on nodes that have no podCIDR; one for each IP family. (KWOK's default is a /24, which is used up
    /// after 254 pods.)
    #[arg(
        long,
        value_name = "CIDR",
        value_delimiter = ',',
        default_value = "10.0.0.0/8"
    )]
    pub cidr: Vec<String>,
    /// The addresses of nodes that have none [default: this machine's].
    #[arg(long, value_name = "IP", value_delimiter = ',')]
    pub node_ip: Vec<String>,
    /// The port that nodes name as their kubelet's.
    #[arg(long, value_name = "PORT", default_value_t = 10247)]
    pub node_port: u16,
    /// The host name that nodes name as their kubelet's, if they have no other.
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<String>,
    /// Where health, metrics and `explain` are served
    /// [default: the node port on 127.0.0.1, or on all addresses inside a cluster].
    #[arg(long, value_name = "IP:PORT")]
    pub server_address: Option<String>,
}

/// How fast, and how careful.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Work")]
pub struct LimitArgs {
    /// Decide, check and report, but write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Threads that ask plugins [default: one for each core, at most 8].
    #[arg(long, value_name = "COUNT")]
    pub decide_threads: Option<usize>,
    /// Writes to the API server under way at once, each on a connection of its own.
    #[arg(long, value_name = "COUNT", default_value_t = 32)]
    pub max_writes_in_flight: usize,
    /// How long a request may take before it is given up and tried again.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub request_timeout: String,
    /// How long a stop may take: writes under way end, leases are released.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub shutdown_grace: String,
}

/// `stagewright explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The object's kind: `pod`, `pods`, `po`, `batch/v1/Job`.
    pub kind: String,
    /// The object's name; NAMESPACE/NAME works too.
    pub name: String,
    /// The object's namespace [default: default].
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Where the controller serves (its --server-address).
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:10247",
        env = "STAGEWRIGHT_ADMIN"
    )]
    pub admin: String,
}

/// `stagewright rbac`.
#[derive(Debug, Clone, Args)]
pub struct RbacArgs {
    /// What will be run.
    #[command(flatten)]
    pub run: RunArgs,
    /// The namespace of the service account.
    #[arg(long, value_name = "NAME", default_value = "stagewright")]
    pub namespace: String,
    /// How to print it; text is YAML.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// A command that only prints.
#[derive(Debug, Clone, Args)]
pub struct PrintArgs {
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn kwoks_way_of_writing_flags_is_understood() {
        let line = "stagewright run --manage-all-nodes=true --node-ip= --node-name=localhost --node-port=10247 \
            --server-address=0.0.0.0:10247 --node-lease-duration-seconds=200 --kubeconfig=k.yaml";
        let Command::Run(run) = Cli::try_parse_from(line.split_whitespace())
            .unwrap()
            .command
        else {
            panic!("no run")
        };
        assert!(run.nodes.manage_all_nodes);
        assert_eq!(run.nodes.node_lease_duration_seconds, 200);
        assert_eq!(run.client.kubeconfig.unwrap().to_str(), Some("k.yaml"));
    }
}
