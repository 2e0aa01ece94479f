//! How fast, always beside another in the same run: prints Markdown tables with ratios. Needs the programs of `tests/controlplane`.

mod bare;
mod controllers;
mod gates;
mod recovery;
mod servers;
mod split;
mod table;
mod turns;

use anyhow::Result;
use clap::Parser;

/// Measures stagewright beside what it can take the place of.
#[derive(Debug, Parser)]
enum Command {
    /// The controller beside kwok v0.8.0, and the least that any client spends.
    Controllers(controllers::Options),
    /// The controller under the loads that KWOK's own CI sets limits to, beside kwok v0.8.0.
    Gates(gates::Options),
    /// What comes after a SIGKILL, beside kwok v0.8.0.
    Recovery(recovery::Options),
    /// Where the time of one step goes.
    Split(split::Options),
    /// The API server in the box beside kube-apiserver and etcd.
    Servers(servers::Options),
}

fn main() -> Result<()> {
    if let Some(kubeconfig) = std::env::var_os(bare::KUBECONFIG) {
        return bare::run(kubeconfig.into());
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let table = match Command::parse() {
        Command::Controllers(options) => runtime.block_on(controllers::compare(&options))?,
        Command::Gates(options) => runtime.block_on(gates::compare(&options))?,
        Command::Recovery(options) => runtime.block_on(recovery::compare(&options))?,
        Command::Split(options) => runtime.block_on(split::compare(&options))?,
        Command::Servers(options) => runtime.block_on(servers::compare(&options))?,
    };
    println!("{}", table.markdown());
    Ok(())
}
