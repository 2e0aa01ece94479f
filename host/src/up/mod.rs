//! `stagewright up`: an API server, the host and a load in one process.
//!
//! What is created and bound here is what a user with kubectl would: this room writes through the server's front door, and no object
//! that it did not make itself, but for what a control plane does: it binds pods, empties namespaces and collects garbage.

mod authority;
mod binder;
mod cluster;
mod component;
mod engine;
mod entry;
mod files;
mod fit;
mod follow;
mod garbage;
mod kubeconfig;
mod load;
mod manifests;
mod namespaces;
mod objects;
mod reading;
mod screen;
mod server;
mod summary;
mod user;

use std::process::ExitCode;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::args::UpConfig;
use crate::run;

pub use screen::Screen;

use server::Served;

/// Serves, and brings to life what was asked for, until a signal ends it or everything is settled.
///
/// # Errors
/// If something that was asked for cannot be had, or does not settle in time.
pub async fn run(config: UpConfig, screen: Screen) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let screen = screen.begun(started, config.output);
    let stop = CancellationToken::new();
    run::end_on_signals(stop.clone())?;
    let served = Served::start(&config.server, config.speed).await?;
    let ran = match config.engine {
        Some(engine) => engine::run(engine, &served, (started, config.speed), &screen, stop).await,
        None => {
            screen.say(&format!("serving {}", served.url));
            screen.print(&summary::served(&served))?;
            screen.hint(&summary::look_around(&served, None));
            stop.cancelled().await;
            Ok(())
        }
    };
    screen.clear();
    served.stop().await;
    ran.map(|()| ExitCode::SUCCESS)
}
