//! The API server of `up`: its port, its clock, its kubeconfig.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use stagewright_apiserver::clock::Sleep;
use stagewright_apiserver::serve::{ServeOptions, serve};
use stagewright_apiserver::{ApiServer, Options};
use stagewright_core::time::Time;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::entry::Entry;
use super::kubeconfig::Published;
use crate::args::ServerConfig;
use crate::clock::Clock;

/// A clock that was set, or a machine that slept, is noticed after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A server that serves.
pub(super) struct Served {
    pub api: ApiServer,
    /// What the server's time is made from.
    pub clock: Clock,
    pub url: String,
    /// What else than loopback the certificate that was made is for.
    pub names: Vec<String>,
    pub published: Published,
    /// Where the objects are kept, if they are.
    pub folder: Option<PathBuf>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// The server's clock: it goes on as the machine's does, and stands still where that is set back.
#[derive(Clone)]
struct ServerClock {
    clock: Clock,
    shown: Arc<Mutex<Shown>>,
}

/// What the clock showed when the machine's did.
struct Shown {
    local: i64,
    time: i64,
}

/// Why the port cannot be had.
#[derive(Debug, thiserror::Error)]
struct PortError {
    address: SocketAddr,
    source: io::Error,
}

// === impl Served ===

impl Served {
    pub(super) async fn start(config: &ServerConfig, speed: f64) -> anyhow::Result<Self> {
        let address = config.address;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| PortError { address, source })?;
        let address = listener.local_addr().context("the port that was taken")?;
        let clock = if (speed - 1.0).abs() < f64::EPSILON {
            Clock::new()
        } else {
            Clock::at_speed(speed)
        };
        let seed = u64::from(crate::clock::chance()) << 32 | u64::from(crate::clock::chance());
        let options = Options::new(Arc::new(ServerClock::new(&clock)), seed);
        // The folder is ours before anything else is read from it or written there.
        let api = match &config.data_dir {
            None => ApiServer::new(options),
            Some(folder) => reopened(options, folder)?,
        };
        let entered = Entry::new(config, address).and_then(|entry| {
            let Entry { tls, access, names } = entry;
            let serve_options = ServeOptions {
                token: access.token.clone(),
                tls,
                ..ServeOptions::default()
            };
            let (file, port) = (config.kubeconfig.as_deref(), address.port());
            let url = access.url.clone();
            let published = Published::write(file, config.merge, port, access)?;
            Ok((url, names, published, serve_options))
        });
        let (url, names, published, serve_options) = match entered {
            Ok(entered) => entered,
            Err(error) => {
                api.close();
                return Err(error);
            }
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(api.clone(), listener, serve_options, stop.clone()));
        Ok(Self {
            api,
            clock,
            url,
            names,
            published,
            folder: config.data_dir.clone(),
            stop,
            serving,
        })
    }

    /// Takes the kubeconfig away, and ends the requests under way.
    pub(super) async fn stop(self) {
        self.published.withdraw();
        self.stop.cancel();
        // It has a limit of its own, and what it could not end is cut off.
        let _ = self.serving.await;
        self.api.close();
    }
}

/// A server with what is kept in the folder.
fn reopened(options: Options, folder: &Path) -> anyhow::Result<ApiServer> {
    let (api, opened) = ApiServer::open(options, folder).context("--data-dir")?;
    let (objects, revision) = (opened.objects, opened.revision);
    if opened.interrupted {
        tracing::warn!(
            objects,
            revision,
            "the server before this one did not end in order; what it had acknowledged is there"
        );
    } else {
        tracing::info!(objects, revision, "the data folder is open");
    }
    Ok(api)
}

// === impl ServerClock ===

impl ServerClock {
    fn new(clock: &Clock) -> Self {
        let local = clock.local();
        Self {
            clock: clock.clone(),
            shown: Arc::new(Mutex::new(Shown { local, time: local })),
        }
    }
}

impl stagewright_apiserver::clock::Clock for ServerClock {
    fn now(&self) -> Time {
        let mut shown = self.shown.lock();
        let local = self.clock.local();
        let passed = local.saturating_sub(shown.local).max(0);
        shown.local = local;
        shown.time = shown.time.saturating_add(passed);
        Time(shown.time)
    }

    fn sleep_until(&self, time: Time) -> Sleep {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                let now = stagewright_apiserver::clock::Clock::now(&clock);
                if now >= time {
                    return;
                }
                // A millisecond more, since the clock cuts fractions.
                let wait = clock.clock.wait(time.since(now)) + Duration::from_millis(1);
                tokio::time::sleep(wait.min(LOOK_AGAIN)).await;
            }
        })
    }
}

// === impl PortError ===

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, source } = self;
        match source.kind() {
            io::ErrorKind::AddrInUse => write!(
                f,
                "--port: {address} is taken by another process; stop it, give another --port, or none for a free one"
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "--port: {address} cannot be listened on: {source}; ports below 1024 are for root: give another --port"
            ),
            io::ErrorKind::AddrNotAvailable => write!(
                f,
                "--bind: {} is no address of this machine; 127.0.0.1 is for this machine alone, 0.0.0.0 for all its networks",
                address.ip()
            ),
            _ => write!(f, "--bind: {address} cannot be listened on: {source}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use stagewright_apiserver::clock::Clock as _;

    use super::*;

    #[tokio::test]
    async fn the_servers_clock_never_falls_and_wakes_on_time() {
        let clock = ServerClock::new(&Clock::at_speed(1_000.0));
        let begun = clock.now();
        clock.sleep_until(begun + Duration::from_secs(5)).await;
        assert!(clock.now() >= begun + Duration::from_secs(5));
        // As if the machine's clock had been set back by an hour.
        clock.shown.lock().local += 3_600_000_000;
        let before = clock.now();
        assert!(before >= begun + Duration::from_secs(5));
        clock.sleep_until(before + Duration::from_secs(5)).await;
        assert!(clock.now() >= before + Duration::from_secs(5));
    }
}
