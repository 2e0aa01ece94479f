//! The way to the API server: whose it is, as whom, and what every request goes through.

mod kubeconfig;
mod layer;
mod wait;
pub mod wire;

use std::path::PathBuf;
use std::time::Duration;

use kube::client::{Body, ClientBuilder};

use crate::args::ClientArgs;
use crate::clock::Clock;

pub use layer::Requests;
pub use wait::wait_for_server;

/// How long a connection may take to open. The watch and the writes try again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no client. Each names the file or variable at fault, and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A file that was asked for cannot be read.
    #[error("{origin}: {} cannot be read: {source}; give a file that exists with --kubeconfig", path.display())]
    Unreadable {
        /// Who asked for it: `--kubeconfig` or `$KUBECONFIG`.
        origin: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no kubeconfig.
    #[error("{origin}: {} is no kubeconfig: {message}; `kubectl config view --kubeconfig FILE` shows what kubectl reads", path.display())]
    Malformed {
        /// Who asked for it.
        origin: &'static str,
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// The kubeconfig lacks an entry, or an entry a field.
    #[error("{origin}: {field} {problem}")]
    Field {
        /// The files read.
        origin: String,
        /// The field at fault: `current-context`, `contexts`, `clusters`, …
        field: &'static str,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// Nothing says which cluster.
    #[error(
        "no cluster: {0}; give --kubeconfig FILE, set KUBECONFIG, or run in a pod with a service account"
    )]
    NoCluster(String),
    /// `--master` is no URL.
    #[error("--master: {url:?} is no URL of an API server; write it like https://127.0.0.1:6443")]
    Url {
        /// What was given.
        url: String,
    },
    /// The pod has a service account, but not what belongs to it.
    #[error(
        "in-cluster configuration: {0}; mount the service account's token, or give --kubeconfig FILE"
    )]
    InCluster(#[source] kube::config::InClusterError),
    /// Certificates, keys or the exec plugin of the user cannot be used.
    #[error("{origin}: {message}")]
    Credentials {
        /// The files read.
        origin: String,
        /// What is wrong.
        message: String,
    },
}

impl ConnectError {
    /// The error in one word.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "KubeconfigUnreadable",
            Self::Malformed { .. } => "KubeconfigMalformed",
            Self::Field { .. } => "KubeconfigIncomplete",
            Self::NoCluster(_) => "NoCluster",
            Self::Url { .. } => "InvalidUrl",
            Self::InCluster(_) => "InCluster",
            Self::Credentials { .. } => "Credentials",
        }
    }
}

/// A client after kubectl's rules. Nothing is sent: whether the server is there shows with the first request ([`wait_for_server`]).
///
/// # Errors
/// If the configuration cannot be used.
pub async fn connect(args: &ClientArgs, clock: &Clock) -> Result<kube::Client, ConnectError> {
    connect_counted(args, clock, &Requests::default()).await
}

/// [`connect`], with every request counted.
///
/// # Errors
/// If the configuration cannot be used.
pub async fn connect_counted(
    args: &ClientArgs,
    clock: &Clock,
    requests: &Requests,
) -> Result<kube::Client, ConnectError> {
    let found = kubeconfig::find(args).await?;
    let mut config = found.config;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // Retries are the schedule's: it knows what else there is to do, and a body that lost its precondition is not sent again.
    config.default_retry = false;
    let origin = found.origin;
    tracing::info!(server = %config.cluster_url, from = origin, "API server");
    let builder = ClientBuilder::try_from(config).map_err(|error| ConnectError::Credentials {
        origin,
        message: error.to_string(),
    })?;
    Ok(builder
        .with_layer(&layer::ObserveLayer::new(clock.clone(), requests.clone()))
        .build())
}

/// A client to an API server in this process. The clock learns from its answers as from any other's.
pub fn in_process<S, B>(server: S, clock: &Clock, requests: &Requests) -> kube::Client
where
    S: tower::Service<http::Request<Body>, Response = http::Response<B>> + Send + 'static,
    S::Future: Send,
    S::Error: Into<tower::BoxError>,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<tower::BoxError>,
{
    let layer = layer::ObserveLayer::new(clock.clone(), requests.clone());
    kube::Client::new(tower::Layer::layer(&layer, server), "default")
}
