//! KWOK's command line: the flags that nothing else needs, and the rules of a binary that is called as `kwok`.
//!
//! The rules are v0.8.0's (`cmd/kwok`, `pkg/kwok/cmd/root.go`, `pkg/config/flags.go`): a flag counts more than the files, later files
//! more than earlier ones, and `kwok.yaml` in `$KWOK_WORKDIR` or `~/.kwok` comes first of all. No other variable of the name `KWOK_…`
//! means anything to it; they are kwokctl's. Where KWOK goes another way than this host, a flag that makes sense for both is taken.

use std::ffi::{OsStr, OsString};
use std::path::{Path, absolute};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};

use super::{Cli, Command, LogArgs, LogFormat, RunArgs, Surroundings, UsageError};
use crate::kwok::{self, STAGE, expanded};

/// The kinds that KWOK reads from the API server.
const KINDS: [&str; 12] = [
    "Attach",
    "ClusterAttach",
    "ClusterExec",
    "ClusterLogs",
    "ClusterPortForward",
    "ClusterResourceUsage",
    "Exec",
    "Logs",
    "Metric",
    "PortForward",
    "ResourceUsage",
    "Stage",
];

/// Whose defaults count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Our own.
    #[default]
    Own,
    /// KWOK's, for a binary that is called as `kwok`.
    Kwok,
}

/// Flags of KWOK's.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "KWOK's")]
pub struct KwokArgs {
    /// KWOK's kinds to read from the API server, like Stage.
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub enable_crds: Vec<String>,
    /// A certificate in PEM: --server-address then speaks TLS too, beside plain HTTP on the same port.
    #[arg(long, value_name = "FILE")]
    pub tls_cert_file: Option<String>,
    /// The certificate's key in PEM.
    #[arg(long, value_name = "FILE")]
    pub tls_private_key_file: Option<String>,
    /// Not served yet.
    #[arg(long, value_name = "HOST:PORT", hide = true)]
    pub tracing_endpoint: Option<String>,
    /// Not served yet.
    #[arg(long, value_name = "COUNT", hide = true)]
    pub tracing_sampling_rate_per_million: Option<i32>,
    /// Not served, and deprecated in KWOK.
    #[arg(long, value_name = "SELECTOR", hide = true)]
    pub disregard_status_with_annotation_selector: Option<String>,
    /// Not served, and deprecated in KWOK.
    #[arg(long, value_name = "SELECTOR", hide = true)]
    pub disregard_status_with_label_selector: Option<String>,
}

/// Simulates the life of nodes, pods and other objects: stagewright, called as KWOK's controller. What KWOK's command line has means the
/// same here; flags beyond that are those of `stagewright run`.
#[derive(Debug, Parser)]
#[command(
    name = "kwok",
    version = concat!("version v0.8.0 stagewright/", env!("CARGO_PKG_VERSION")),
    args_override_self = true,
    max_term_width = 110
)]
struct KwokCli {
    #[command(flatten)]
    run: RunArgs,
    /// The least of what is logged: DEBUG, INFO, WARN, ERROR, or a number (-4, 0, 4, 8).
    #[arg(short, long = "v", value_name = "LEVEL", allow_hyphen_values = true, value_parser = level)]
    v: Option<&'static str>,
    /// `auto` is text on a terminal and JSON otherwise.
    #[arg(long, value_enum, default_value_t = LogFormat::Auto)]
    log_format: LogFormat,
}

// === impl Dialect ===

impl Dialect {
    /// Of a process that is called by this name: `kwok`, or `kwok-controller` as kwokctl calls it.
    #[must_use]
    pub fn of(program: Option<&OsString>) -> Self {
        let name = program.and_then(|program| Path::new(program).file_name());
        let name = name.and_then(OsStr::to_str).unwrap_or_default();
        let name = name.strip_suffix(".exe").unwrap_or(name);
        if name == "kwok" || name.starts_with("kwok-") {
            Self::Kwok
        } else {
            Self::Own
        }
    }
}

// === impl KwokArgs ===

impl KwokArgs {
    /// The flags that were given and do nothing.
    pub(super) fn unserved(&self) -> Vec<&'static str> {
        let full = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let annotations = full(&self.disregard_status_with_annotation_selector);
        let labels = full(&self.disregard_status_with_label_selector);
        let flags = [
            (full(&self.tracing_endpoint), "--tracing-endpoint"),
            (annotations, "--disregard-status-with-annotation-selector"),
            (labels, "--disregard-status-with-label-selector"),
        ];
        let given = flags.into_iter().filter(|(given, _)| *given);
        given.map(|(_, flag)| flag).collect()
    }
}

/// Reads the command line of a binary that is called as `kwok`.
pub(super) fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let matches = KwokCli::command().try_get_matches_from(arguments)?;
    let KwokCli {
        mut run,
        v,
        log_format,
    } = KwokCli::from_arg_matches(&matches)?;
    run.dialect = Dialect::Kwok;
    run.given = super::given(&matches);
    let is_given = |flag: &str| run.given.iter().any(|given| given == flag);
    // KWOK serves nothing without a port, and takes nodes without leases.
    if !is_given("node_port") {
        run.network.node_port = 0;
    }
    if !is_given("node_lease_duration_seconds") {
        run.nodes.node_lease_duration_seconds = 0;
    }
    let log = LogArgs {
        log_format,
        log_level: v.map(str::to_owned),
        verbose: 0,
    };
    let command = Command::Run(Box::new(run));
    Ok(Cli { log, command })
}

/// The files to read. Called as `kwok`, they are a list in each flag, and KWOK's own file comes first if it is there.
pub(super) fn sources(args: &RunArgs, around: &Surroundings) -> Vec<String> {
    let given = &args.plugins.config;
    if args.dialect == Dialect::Own {
        return given.clone();
    }
    let listed = given.iter().flat_map(|list| list.split(','));
    let mut listed: Vec<String> = listed.map(str::to_owned).collect();
    let usual = &around.kwok_file;
    let is_usual = |source: &String| absolute(expanded(source)).is_ok_and(|path| path == *usual);
    if !usual.exists() {
        listed.retain(|source| !is_usual(source));
    } else if !listed.iter().any(is_usual) {
        listed.insert(0, usual.display().to_string());
    }
    listed
}

/// What the flags and the files come to together, by KWOK's rules if it is called so.
pub(super) fn settle(
    args: &mut RunArgs,
    config: &mut kwok::Config,
    around: &Surroundings,
) -> Result<(), UsageError> {
    let is_given = |flag: &str| args.given.iter().any(|given| given == flag);
    let error = |flag, problem| Err(UsageError { flag, problem });
    if is_given("enable_crds") {
        let kinds = super::config::given(args.kwok.enable_crds.clone());
        config.options.enable_crds = Some(kinds.collect());
    }
    let enabled = config.options.enable_crds.as_deref().unwrap_or_default();
    let unknown = enabled.iter().find(|kind| !KINDS.contains(&kind.as_str()));
    if let Some(kind) = unknown {
        let problem = format!(
            "{kind:?} is no kind of KWOK; there are {}",
            KINDS.join(", ")
        );
        return error("--enable-crds", problem);
    }
    let is_kwok = args.dialect == Dialect::Kwok;
    // Other kinds than stages do nothing here, from wherever they come.
    let is_listed = |kind: &String| match kind.as_str() {
        STAGE => !config.stages.is_empty(),
        kind => is_kwok && config.unserved.contains_key(kind),
    };
    if let Some(kind) = enabled.iter().find(|kind| is_listed(kind)) {
        let problem = format!("there are objects of {kind} in --config too; leave one of the two");
        return error("--enable-crds", problem);
    }
    if !is_kwok {
        return Ok(());
    }
    // Who has stages wants nothing else to happen.
    let has_stages = !config.stages.is_empty() || config.has_live_stages();
    if has_stages && !is_given("stock_plugins") {
        args.plugins.stock_plugins = Vec::new();
    }
    settle_kubeconfig(args, around)
}

/// A kubeconfig that is not there means the service account, but never another cluster than the one that was asked for.
fn settle_kubeconfig(args: &mut RunArgs, around: &Surroundings) -> Result<(), UsageError> {
    let client = &mut args.client;
    let Some(path) = &client.kubeconfig else {
        return Ok(());
    };
    let file = expanded(&path.to_string_lossy());
    let is_file = file.metadata().is_ok_and(|file| !file.is_dir());
    if is_file {
        client.kubeconfig = Some(file);
    } else if around.in_cluster {
        tracing::warn!(kubeconfig = %path.display(), "--kubeconfig names no file; the service account is taken");
        client.kubeconfig = None;
        client.service_account = true;
    } else {
        let problem = format!(
            "{:?} is no file, and this is no pod, whose service account would do; give a file that exists",
            path.display().to_string()
        );
        let flag = "--kubeconfig";
        return Err(UsageError { flag, problem });
    }
    Ok(())
}

/// What Go's `strconv.ParseBool` takes.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// A level of Go's `log/slog`, by name, by number, or as `INFO+1`, as the filter that logs as much.
fn level(text: &str) -> Result<&'static str, String> {
    let error = || "write DEBUG, INFO, WARN, ERROR, or a number: -4, 0, 4, 8".to_owned();
    let (name, offset) = match text.find(['+', '-']) {
        Some(at) if at > 0 => text.split_at(at),
        _ if text
            .starts_with(|first: char| first == '-' || first == '+' || first.is_ascii_digit()) =>
        {
            ("INFO", text)
        }
        _ => (text, "0"),
    };
    let base: i32 = match name.to_ascii_uppercase().as_str() {
        "DEBUG" => -4,
        "INFO" => 0,
        "WARN" => 4,
        "ERROR" => 8,
        _ => return Err(error()),
    };
    let offset: i32 = offset.parse().map_err(|_| error())?;
    Ok(match base.saturating_add(offset) {
        ..-4 => "info,stagewright=trace",
        -4..0 => "info,stagewright=debug",
        0..4 => "info",
        4..8 => "warn",
        8.. => "error",
    })
}

#[cfg(test)]
mod tests;
