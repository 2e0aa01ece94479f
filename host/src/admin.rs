//! The admin port: health, metrics, and what the controller knows of an object.

mod metrics;
mod port;
mod readiness;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{Query, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::registry::Registry;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::explain::{ExplainQuery, Explanation};

pub use port::{Port, Stream};
pub use readiness::{Latch, Readiness};

/// What the controller shows. Its functions may block: they are called outside of the I/O threads.
pub trait StateView: Send + Sync {
    /// All that is known of an object.
    ///
    /// # Errors
    /// Tells why nothing is known of it, and what to try.
    fn explain(&self, query: ExplainQuery) -> Result<Explanation, String>;

    /// Everything in numbers, for `/debug/state`.
    fn state(&self) -> Value;

    /// Why the controller does not get on any more, for `/livez`; none while it does.
    fn stuck(&self) -> Option<String> {
        None
    }

    /// Called before metrics are read, so that gauges are true.
    fn before_scrape(&self) {}
}

/// Why the admin port cannot be served.
#[derive(Debug, thiserror::Error)]
#[error(
    "--server-address: cannot listen on {address}: {source}; {}",
    remedy(source)
)]
pub struct AdminError {
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    pub source: std::io::Error,
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another process serves there: stop it, or give another --server-address (or --node-port)"
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 are for root: give another --server-address"
        }
        _ => "give an address of this machine",
    }
}

/// The admin server's contents. It can be served before the controller exists.
#[derive(Clone)]
pub struct Admin {
    readiness: Readiness,
    registry: Arc<Registry>,
    view: Arc<OnceLock<Arc<dyn StateView>>>,
}

impl Admin {
    /// Serves these.
    #[must_use]
    pub fn new(readiness: Readiness, registry: Arc<Registry>) -> Self {
        Self {
            readiness,
            registry,
            view: Arc::default(),
        }
    }

    /// From now on, the controller answers. A second one is ignored.
    pub fn set_view(&self, view: Arc<dyn StateView>) {
        let _ = self.view.set(view);
    }

    /// The paths.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/healthz", get(healthz))
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/explain", get(explain))
            .route("/debug/state", get(state))
            .with_state(self.clone())
    }

    /// Serves until `stop`, and ends the requests under way.
    pub async fn serve(self, port: Port, stop: CancellationToken) {
        let served = axum::serve(port, self.router())
            .with_graceful_shutdown(stop.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the admin port is served no more");
        }
    }

    /// Asks the controller, outside of the I/O threads.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn StateView) -> T + Send + 'static,
    ) -> Option<T> {
        let view = Arc::clone(self.view.get()?);
        tokio::task::spawn_blocking(move || question(view.as_ref()))
            .await
            .ok()
    }
}

/// Takes the port, before anything else is begun.
///
/// # Errors
/// If it cannot be had; the message names the flag.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, AdminError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| AdminError { address, source })
}

/// What KWOK's users and kwokctl ask for: exactly `ok` as long as the process serves.
async fn healthz() -> &'static str {
    "ok"
}

#[derive(Debug, Deserialize)]
struct Verbose {
    verbose: Option<String>,
}

async fn livez(State(admin): State<Admin>, Query(query): Query<Verbose>) -> Response {
    let stuck = admin.ask(|view| view.stuck()).await.flatten();
    checks(&query, &[("ping", None), ("controller", stuck)])
}

async fn readyz(State(admin): State<Admin>, Query(query): Query<Verbose>) -> Response {
    let waiting = admin.readiness.checks();
    let checks_of: Vec<(&str, Option<String>)> = waiting
        .iter()
        .map(|(name, ready)| (name.as_str(), (!ready).then(|| "not yet".to_owned())))
        .collect();
    checks(&query, &checks_of)
}

/// As Kubernetes' components answer: `ok`, or the checks with what is wrong.
fn checks(query: &Verbose, checks: &[(&str, Option<String>)]) -> Response {
    let ok = checks.iter().all(|(_, problem)| problem.is_none());
    if ok && query.verbose.is_none() {
        return "ok".into_response();
    }
    let mut text = String::new();
    for (name, problem) in checks {
        match problem {
            None => text.push_str(&format!("[+]{name} ok\n")),
            Some(problem) => text.push_str(&format!("[-]{name} failed: {problem}\n")),
        }
    }
    text.push_str(if ok {
        "check passed\n"
    } else {
        "check failed\n"
    });
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, text).into_response()
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    admin.ask(|view| view.before_scrape()).await;
    let accept = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    match metrics::encode(&admin.registry, accept) {
        Ok((content_type, text)) => ([(CONTENT_TYPE, content_type)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn explain(State(admin): State<Admin>, Query(query): Query<ExplainQuery>) -> Response {
    match admin.ask(|view| view.explain(query)).await {
        Some(Ok(explanation)) => Json(explanation).into_response(),
        Some(Err(message)) => {
            (StatusCode::NOT_FOUND, Json(json!({"message": message}))).into_response()
        }
        None => starting(),
    }
}

async fn state(State(admin): State<Admin>) -> Response {
    match admin.ask(|view| view.state()).await {
        Some(state) => Json(state).into_response(),
        None => starting(),
    }
}

fn starting() -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        Json(json!({"message": "the controller is still starting; try again"})),
    )
        .into_response()
}

#[cfg(test)]
mod tests;
