//! The commands, and what every one of them shares: exit codes, messages, a quiet end when nobody reads.

mod explain;
mod rbac;
mod stage;

use std::ffi::OsString;
use std::io::{ErrorKind, Write as _};
use std::num::NonZero;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::args::{
    Cli, Command, Dialect, EXIT_USAGE, LogArgs, LogFormat, Output, RunConfig, Surroundings,
    UpConfig, UsageError,
};
use crate::{args, logging, orders, run, up};

/// The program, from its arguments to its exit code: 0, 1 (it failed) or 64 (it was called wrongly; 1 too if it is called as `kwok`).
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let dialect = Dialect::of(arguments.first());
    let cli = match args::parse(arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && dialect == Dialect::Kwok => {
            return log_end(&error.render().to_string());
        }
        Err(error) => {
            // Help and version come this way too, and are no errors. Nobody to print to is no reason to fail otherwise.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if dialect == Dialect::Kwok => log_end(&told(&error)),
        Err(error) => {
            let is_usage = error.downcast_ref::<UsageError>().is_some();
            complain(&error, if is_usage { EXIT_USAGE } else { 1 })
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { log, command } = cli;
    match command {
        Command::Run(args) => {
            logging::init(&log, "info", std::io::stderr)?;
            let config = RunConfig::new(*args, &Surroundings::read())?;
            // On the thread that the connections are on: the main thread would have to be woken for each lease.
            let runtime = runtime()?;
            runtime.block_on(runtime.spawn(run::run(config)))?
        }
        Command::Up(args) => {
            let screen = up::Screen::default();
            logging::init(&log, "warn", screen.clone())?;
            let config = UpConfig::new(*args)?;
            runtime()?.block_on(up::run(config, screen))
        }
        Command::Explain(args) => {
            let text = runtime()?.block_on(explain::explain(args))?;
            print(&text)
        }
        Command::Stage(args) => stage::run(args),
        Command::Crd(args) => {
            let text = orders::definition_text();
            print(&shown(&orders::definition(), args.output, &text)?)
        }
        Command::Rbac(args) => {
            logging::init(&log, "warn", std::io::stderr)?;
            print(&rbac::rbac(*args)?)
        }
        Command::Version(args) => {
            let version = env!("CARGO_PKG_VERSION");
            let text = format!("stagewright v{version}\n");
            print(&shown(&json!({"version": version}), args.output, &text)?)
        }
    }
}

/// Plugins have threads of their own, so that I/O needs a fraction of the cores; more workers only wake each other.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.div_ceil(4))
        .enable_all()
        .build()
}

/// What a command prints: the text for people, or the value.
fn shown(value: &impl Serialize, output: Output, text: &str) -> anyhow::Result<String> {
    Ok(match output {
        Output::Text => text.to_owned(),
        Output::Json => format!("{:#}\n", serde_json::to_value(value)?),
        Output::Yaml => serde_saphyr::to_string(value)?,
    })
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {}", told(error));
    ExitCode::from(code)
}

/// As kwok ends: with code 1, and what is wrong as the last line of its log, which kwokctl shows.
fn log_end(text: &str) -> ExitCode {
    let usual = LogArgs {
        log_format: LogFormat::Auto,
        log_level: None,
        verbose: 0,
    };
    // It is set up already if the command line could be read.
    let _ = logging::init(&usual, "info", std::io::stderr);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    tracing::error!(err = text.trim_start_matches("error: "), "Execute exit");
    ExitCode::FAILURE
}

/// The error and its causes, each said once: many errors tell their cause themselves.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(line: &str) -> String {
        format!("{:?}", main(line.split_whitespace().map(OsString::from)))
    }

    #[test]
    fn wrong_calls_exit_with_64() {
        for line in [
            "stagewright",
            "stagewright walk",
            "stagewright run",
            "stagewright run --manage-all-nodes --cidr=x",
        ] {
            assert_eq!(exit(line), format!("{:?}", ExitCode::from(64)), "{line}");
        }
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for line in [
            "stagewright --version",
            "stagewright version",
            "stagewright run --help",
        ] {
            assert_eq!(exit(line), format!("{:?}", ExitCode::SUCCESS), "{line}");
        }
    }
}
