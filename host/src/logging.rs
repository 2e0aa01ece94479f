//! Logs: text on a terminal, JSON in a pod, always to stderr.
//!
//! Keys that name an object are `kind`, `namespace`, `name`, `uid`, `resource_version`; those that name a decision are `plugin`,
//! `stage` and `reason`.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::{LogArgs, LogFormat, UsageError};

/// Sets the process's logging up, on a writer that leads to stderr. `usual` is the filter where none is given. A second call changes
/// nothing.
///
/// # Errors
/// If the filter cannot be read.
pub fn init<W>(args: &LogArgs, usual: &str, writer: W) -> Result<(), UsageError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(args, usual)?;
    let terminal = stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // A line that cannot be written would be told on stderr, which panics where that is what is full.
        .log_internal_errors(false)
        .with_target(true);
    let json = match args.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    // An error means that somebody set logging up before, whose wish counts.
    let _ = if json {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init()
    } else {
        builder
            .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none())
            .try_init()
    };
    Ok(())
}

fn filter(args: &LogArgs, usual: &str) -> Result<EnvFilter, UsageError> {
    let level = args.log_level.as_deref().unwrap_or(usual);
    let text = match args.verbose {
        0 => level.to_owned(),
        1 => format!("{level},stagewright=debug"),
        _ => format!("{level},stagewright=trace,kube=debug"),
    };
    let error = |error| UsageError {
        flag: "--log-level",
        problem: format!(
            "{error} in {text:?}; write a level like debug, or a filter like info,stagewright::commit=debug"
        ),
    };
    // Without a level of their own, these tell every request as an error of ours, which `watch` and `commit` report with its cause.
    let quiet = if text.contains("kube_client") {
        text.clone()
    } else {
        format!("{text},kube_client=off,kube_runtime=error")
    };
    EnvFilter::try_new(quiet).map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(log_level: &str, verbose: u8) -> LogArgs {
        LogArgs {
            log_format: LogFormat::Auto,
            log_level: Some(log_level.to_owned()),
            verbose,
        }
    }

    #[test]
    fn filters_are_levels_or_directives() {
        assert!(
            filter(&args("debug", 0), "info")
                .unwrap()
                .to_string()
                .contains("debug")
        );
        assert!(
            filter(&args("info", 1), "warn")
                .unwrap()
                .to_string()
                .contains("stagewright=debug")
        );
        let error = filter(&args("info,=x=y", 0), "info")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("--log-level: ") && error.contains("debug"),
            "{error}"
        );
    }
}
