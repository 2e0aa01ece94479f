use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

use super::super::{Admin, Readiness, bind};
use super::*;

/// Of localhost, for a hundred years.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBmTCCAT6gAwIBAgIUI2tUy1CkZJC9lfN4G9i6HrPpAgkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjE2MjI1NFoYDzIxMjYxMTAy
MTYyMjU0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARiZkN5SZ+bkgRB6JHwPR71wxevr2fNDoWlVTO0r0YZ9Fy2r0IcdNHu
XoZjuDTfUzw3eLf9j1XcO1Sfq81JvRMSo2wwajAdBgNVHQ4EFgQUN3DlkKPZfYDX
DdHBFf3waCaMhwYwHwYDVR0jBBgwFoAUN3DlkKPZfYDXDdHBFf3waCaMhwYwGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0E
AwIDSQAwRgIhAOW1FyDBrO+71nRAeeHP9wqzttInRQbqsA6RxO3qtT4SAiEAx2qo
ol7xt5ltmX1hfx9IGrxspAfHefRkgbiEGzE6WZk=
-----END CERTIFICATE-----
";
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgK2R6mrOlmC8Duhm6
HI9LAe3D+Hha81cqMoxpoEGfMOyhRANCAARiZkN5SZ+bkgRB6JHwPR71wxevr2fN
DoWlVTO0r0YZ9Fy2r0IcdNHuXoZjuDTfUzw3eLf9j1XcO1Sfq81JvRMS
-----END PRIVATE KEY-----
";

fn files(certificate: &str, key: &str) -> (tempfile::TempDir, TlsFiles) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let files = TlsFiles {
        certificate: file("a.crt", certificate),
        key: file("a.key", key),
    };
    (folder, files)
}

async fn healthz(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let request = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    // A server that closes without a farewell is TLS's matter, not HTTP's.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn both_are_spoken_on_one_port() {
    let (_folder, files) = files(CERTIFICATE, KEY);
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let port = Port::new(listener, Some(&files)).unwrap();
    let admin = Admin::new(Readiness::default(), Arc::new(Registry::default()));
    let stop = CancellationToken::new();
    let serving = tokio::spawn(admin.serve(port, stop.clone()));
    // Whoever says nothing holds nobody up.
    let _silent = TcpStream::connect(address).await.unwrap();

    let plain = TcpStream::connect(address).await.unwrap();
    let answer = healthz(plain).await;
    assert!(
        answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\nok"),
        "{answer}"
    );

    let mut roots = RootCertStore::empty();
    let own = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    roots.add(own).unwrap();
    let client = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let tls = connector.connect(name, stream).await.unwrap();
    let answer = healthz(tls).await;
    assert!(
        answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\nok"),
        "{answer}"
    );

    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    for (certificate, key, parts) in [
        ("", KEY, ["--tls-cert-file", "a.crt"]),
        ("no PEM", KEY, ["--tls-cert-file", "a.crt"]),
        (CERTIFICATE, "", ["--tls-private-key-file", "a.key"]),
        (
            CERTIFICATE,
            CERTIFICATE,
            ["--tls-private-key-file", "a.key"],
        ),
    ] {
        let (_folder, files) = files(certificate, key);
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let error = Port::new(listener, Some(&files)).err().unwrap().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}
