//! A way to a server that can be cut: connections pass as they are until all of them end at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use kube::config::Kubeconfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

/// A running relay on loopback. It stops when the value goes, and with it the connections through it.
#[derive(Debug)]
pub struct Relay {
    cuts: broadcast::Sender<()>,
    ended: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Starts a relay to the server of a kubeconfig, and writes `through`, a kubeconfig that leads through it.
    ///
    /// # Errors
    /// If no port can be had, or a file cannot be read or written.
    pub async fn start(kubeconfig: &Path, through: &Path) -> Result<Self> {
        let mut config = Kubeconfig::read_from(kubeconfig)?;
        let cluster = config
            .clusters
            .first_mut()
            .and_then(|named| named.cluster.as_mut());
        let server = cluster.and_then(|cluster| cluster.server.as_mut());
        let server = server.context("a kubeconfig with a server")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = format!("http://{}", listener.local_addr()?);
        let target = std::mem::replace(server, own);
        let target = target.strip_prefix("http://").context("plain HTTP")?;
        let target = target.trim_end_matches('/').to_owned();
        std::fs::write(through, serde_json::to_string(&config)?)?;
        let (cuts, _) = broadcast::channel(1);
        let ended = Arc::default();
        let relayed = relay(listener, target, cuts.clone(), Arc::clone(&ended));
        Ok(Self {
            cuts,
            ended,
            task: tokio::spawn(relayed),
        })
    }

    /// Ends all connections there are, in the middle of whatever passes.
    pub fn cut(&self) {
        // Nobody listens if there is no connection.
        let _ = self.cuts.send(());
    }

    /// How many connections were cut so far.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn relay(
    listener: TcpListener,
    target: String,
    cuts: broadcast::Sender<()>,
    ended: Arc<AtomicUsize>,
) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (target, mut cut, ended) = (target.clone(), cuts.subscribe(), Arc::clone(&ended));
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(target).await else {
                return;
            };
            tokio::select! {
                // What the two say to each other ends as they want it.
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                _ = cut.recv() => {
                    ended.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
}
