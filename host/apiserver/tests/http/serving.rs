//! The server on a port.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail loudly"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use stagewright_apiserver::ApiServer;
use stagewright_apiserver::serve::{PROTOCOLS, ServeOptions, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use tokio_util::sync::CancellationToken;

use crate::support::*;

/// Longer than anything here takes: what hangs fails.
const LIMIT: Duration = Duration::from_secs(30);

struct Port {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Port {
    async fn open(api: &ApiServer, options: ServeOptions) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(api.clone(), listener, options, stop.clone()));
        Self {
            address,
            stop,
            serving,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn client(&self) -> http1::SendRequest<Empty<Bytes>> {
        let (client, connection) = http1::handshake(TokioIo::new(self.connect().await))
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    async fn close(self) {
        self.stop.cancel();
        tokio::time::timeout(LIMIT, self.serving)
            .await
            .unwrap()
            .unwrap();
    }
}

/// TLS of a certificate that nobody has seen, for a server, and for a client that trusts it and wants that protocol.
fn secured(protocol: &[u8]) -> (ServerConfig, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![protocol.to_vec()];
    (server, client)
}

async fn shake(client: ClientConfig, stream: TcpStream) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    within(TlsConnector::from(Arc::new(client)).connect(name, stream))
        .await
        .unwrap()
}

fn get(path: &str, token: Option<&str>) -> Request<Empty<Bytes>> {
    let mut request = Request::get(path).header("host", "127.0.0.1");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Empty::new()).unwrap()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap()
}

#[tokio::test]
async fn who_has_no_token_is_answered_as_the_real_server_does() {
    let options = ServeOptions {
        token: Some("s3cret".into()),
        ..ServeOptions::default()
    };
    let port = Port::open(&Server::new().api, options).await;
    let mut client = port.client().await;
    let answer = client
        .send_request(get("/api/v1/pods", None))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let body: Value =
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(
        body.to_string(),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#
            .parse::<Value>()
            .unwrap()
            .to_string()
    );
    for (path, token) in [("/api/v1/pods", Some("s3cret")), ("/readyz", None)] {
        let answer = client.send_request(get(path, token)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        drop(answer.into_body().collect().await);
    }
    drop(client);
    port.close().await;
}

#[tokio::test]
async fn a_stop_ends_watches_and_lets_what_is_told_arrive() {
    let server = Server::new();
    let port = Port::open(&server.api, ServeOptions::default()).await;
    let mut client = port.client().await;
    let answer = client
        .send_request(get(&format!("{PODS}?watch=1"), None))
        .await
        .unwrap();
    server.pod("a");
    let mut body = answer.into_body();
    let event = within(body.frame())
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert!(
        event.starts_with(b"{\"type\":\"ADDED\""),
        "{}",
        String::from_utf8_lossy(&event)
    );
    server.pod("b");
    port.stop.cancel();
    let rest = within(body.collect()).await.unwrap().to_bytes();
    assert!(rest.starts_with(b"{\"type\":\"ADDED\""), "b was told");
    assert!(TcpStream::connect(port.address).await.is_err() || port.serving.is_finished());
    port.close().await;
}

#[tokio::test]
async fn who_begins_with_http2_is_answered_in_it() {
    let port = Port::open(&Server::new().api, ServeOptions::default()).await;
    let io = TokioIo::new(port.connect().await);
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://localhost/version")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = within(client.send_request(request)).await.unwrap();
    assert_eq!(
        (answer.status(), answer.version()),
        (StatusCode::OK, http::Version::HTTP_2)
    );
    drop((answer, client));
    port.close().await;
}

#[tokio::test]
async fn who_says_nothing_or_half_of_it_is_not_waited_for() {
    let options = ServeOptions {
        first_request: Duration::from_millis(50),
        idle: Duration::from_millis(50),
        request: Duration::from_millis(50),
        ..ServeOptions::default()
    };
    let port = Port::open(&Server::new().api, options).await;
    for sent in ["", "PRI * HTTP", "GET /version HTTP/1.1\r\nHost: local"] {
        let mut stream = port.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A reset is an end as well.
        let _ = within(stream.read_to_string(&mut answer)).await;
        assert!(!answer.contains("200"), "{sent:?}: {answer}");
    }
    let mut stream = port.connect().await;
    let head = "POST /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = within(stream.read_to_string(&mut answer)).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    port.close().await;
}

#[tokio::test]
async fn one_connection_too_many_waits_for_its_turn() {
    let options = ServeOptions {
        connections: 1,
        ..ServeOptions::default()
    };
    let port = Port::open(&Server::new().api, options).await;
    let mut first = port.client().await;
    let answer = within(first.send_request(get("/version", None)))
        .await
        .unwrap();
    drop(answer.into_body().collect().await);
    let mut second = port.client().await;
    let mut waiting = std::pin::pin!(second.send_request(get("/version", None)));
    // The first has the only place: its requests are answered, the other's are not.
    for _ in 0..20 {
        let answer = within(first.send_request(get("/version", None)))
            .await
            .unwrap();
        drop(answer.into_body().collect().await);
        assert!(futures::poll!(waiting.as_mut()).is_pending());
    }
    drop(first);
    assert_eq!(within(waiting).await.unwrap().status(), StatusCode::OK);
    port.close().await;
}

#[tokio::test]
async fn behind_tls_both_protocols_are_spoken() {
    for protocol in PROTOCOLS {
        let (server, client) = secured(protocol);
        let options = ServeOptions {
            tls: Some(Arc::new(server)),
            ..ServeOptions::default()
        };
        let port = Port::open(&Server::new().api, options).await;
        // Who does not shake hands, or not with TLS, holds nobody up.
        let _silent = port.connect().await;
        let mut confused = port.connect().await;
        confused.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        within(confused.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 400 "), "{answer}");

        let stream = shake(client, port.connect().await).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        let io = TokioIo::new(stream);
        let status = if protocol == b"h2" {
            let executor = TokioExecutor::new();
            let (mut client, connection) = http2::handshake(executor, io).await.unwrap();
            tokio::spawn(connection);
            let request = get("https://localhost/version", None);
            within(client.send_request(request)).await.unwrap().status()
        } else {
            let (mut client, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            let request = get("/version", None);
            within(client.send_request(request)).await.unwrap().status()
        };
        assert_eq!(status, StatusCode::OK);
        port.close().await;
    }
}
