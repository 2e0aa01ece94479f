//! `stagewright stage simulate`: an object's life on a clock that costs no time, with the plugins that `run` would ask and the guard that
//! it would meet.

mod life;
mod object;

use std::io::Write as _;
use std::process::ExitCode;

use crate::args::{Life as Form, Output, PluginConfig, SimulateArgs, read_settings};
use crate::kwok;
use crate::loading;

use super::super::print;
use super::{engine, one, show};

/// The stock plugins of `run`, for kinds without stages.
const STOCK: [&str; 2] = ["node", "pod"];

pub(super) fn run(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let wanted = PluginConfig {
        files: Vec::new(),
        stock: STOCK.map(str::to_owned).into(),
        settings: read_settings(&args.settings)?,
        kwok: kwok::Config::load(&args.config)?,
    };
    let plugins = loading::load(&engine()?, &wanted)?.plugins;
    let kwok = &wanted.kwok;
    let left_out = plugins
        .iter()
        .filter(|plugin| plugin.name() == kwok::PLUGIN)
        .flat_map(|plugin| kwok.stages.problems(plugin.description()));
    for problem in left_out.chain(kwok.problems.iter().cloned()) {
        // What was left out does not keep the rest from being walked through.
        let _ = writeln!(std::io::stderr(), "warning: left out: {problem}");
    }
    let subject = object::prepare(one(&args.file)?)
        .map_err(|message| anyhow::anyhow!("{}: {message}", args.file))?;
    let life = life::live(&plugins, subject, args)?;
    let passed = !life.end.is_failure();
    let output = match args.output {
        Form::Text => Output::Text,
        Form::Json => Output::Json,
        Form::Yaml => Output::Yaml,
        Form::Mermaid => {
            print(&life.mermaid())?;
            return Ok(exit(passed));
        }
    };
    show(&life, output, &life.table(), passed)
}

fn exit(passed: bool) -> ExitCode {
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
