//! The server on a port: connections, who may come in, and an end that leaves no request unanswered.
//!
//! Plain HTTP, which on loopback is what the other programs of a machine need, or HTTPS, where others listen to the network: the
//! token that keeps strangers out is then read by nobody else.

mod gate;
mod secure;
mod until;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::rustls;
use tokio_util::sync::CancellationToken;

use self::gate::Gate;
use self::until::Until;
use crate::server::ApiServer;
use crate::status::Status;

/// After an error of the listener (no descriptors left, as a rule) it is tried again so much later.
const LISTEN_AGAIN: Duration = Duration::from_millis(100);
/// A client of HTTP/2 that does not answer for so long is gone.
const PING: Duration = Duration::from_secs(30);
/// What is spoken below TLS, by the names that ALPN has for it, the best first.
pub const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Who is let in, and how long anything may take.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// What every request must bring as `Authorization: Bearer`, but for those of health. None: whoever reaches the port may do all.
    pub token: Option<String>,
    /// What the port speaks TLS with; none: it speaks plain HTTP. The protocols that are offered are [`PROTOCOLS`], as a rule.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Connections at once. The next one waits until one ends.
    pub connections: usize,
    /// How long after it was opened a connection must have brought its first request.
    pub first_request: Duration,
    /// How long a connection may be idle, and the head of a request take.
    pub idle: Duration,
    /// How long the body of a request may take.
    pub request: Duration,
    /// How long requests under way may take after the end was asked for.
    pub grace: Duration,
}

/// What all connections share.
struct Door {
    server: ApiServer,
    gate: Gate,
    options: ServeOptions,
    stop: CancellationToken,
}

// === impl ServeOptions ===

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            token: None,
            tls: None,
            connections: 1_000,
            first_request: Duration::from_secs(30),
            // As the real server has them (apiserver, `pkg/server/secure_serving.go` and `pkg/server/config.go`).
            idle: Duration::from_secs(90),
            request: Duration::from_secs(60),
            grace: Duration::from_secs(5),
        }
    }
}

/// Serves until `stop`. Then nobody new is let in, watches end, and what is under way is answered. Dropped, it breaks all off.
pub async fn serve(
    server: ApiServer,
    listener: TcpListener,
    options: ServeOptions,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(options.connections));
    let grace = options.grace;
    let door = Arc::new(Door {
        server,
        gate: Gate::new(options.token.as_deref()),
        options,
        stop: stop.clone(),
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            Some((stream, place)) = accept(&listener, &places) => {
                connections.spawn(Arc::clone(&door).hold(stream, place));
            }
        }
    }
    // Who comes now is told at once that nobody is here.
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Dropping the set breaks off what is left.
    let _ = tokio::time::timeout(grace, ended).await;
}

/// The next connection, when there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, place)),
            Err(_) => tokio::time::sleep(LISTEN_AGAIN).await,
        }
    }
}

// === impl Door ===

impl Door {
    /// One connection's life.
    async fn hold(self: Arc<Self>, stream: TcpStream, _place: OwnedSemaphorePermit) {
        // Events of watches are small and must not wait for each other. A socket that refuses is closed already.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.options.tls.clone() else {
            return self.converse(stream).await;
        };
        let greeted = tokio::select! {
            greeted = secure::greet(stream, tls) => greeted,
            () = self.stop.cancelled() => None,
        };
        if let Some(stream) = greeted {
            self.converse(stream).await;
        }
    }

    /// Requests and answers, until one of the two has enough.
    async fn converse(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let asked = Arc::new(AtomicBool::new(false));
        let service = service_fn(|request| {
            asked.store(true, Ordering::Relaxed);
            Arc::clone(&self).answer(request)
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.idle);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut late = pin!(tokio::time::sleep(self.options.first_request));
        let mut waits = true;
        let mut stops = false;
        loop {
            tokio::select! {
                // Whatever ended it: the client knows, and there is nobody else to tell.
                _ = connection.as_mut() => return,
                () = &mut late, if waits => {
                    waits = false;
                    if !asked.load(Ordering::Relaxed) {
                        return;
                    }
                }
                () = self.stop.cancelled(), if !stops => {
                    stops = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Until>, Infallible> {
        let response = match self.gate.check(&request) {
            Err(status) => self.server.refuse(&status),
            Ok(()) => {
                let answer = tower::Service::call(&mut self.server.clone(), request);
                match tokio::time::timeout(self.options.request, answer).await {
                    Ok(Ok(response)) => response,
                    Err(_) => self.server.refuse(&Status::timeout()),
                }
            }
        };
        Ok(response.map(|body| Until::new(body, &self.stop)))
    }
}
