//! How a connection becomes one of TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What Go's server tells whoever begins with HTTP (`net/http/server.go`), so that tools that look for its words find them.
const NOT_HTTPS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
/// So much of a request that is not answered is read, for the client to hear why.
const HEARD: u64 = 64 << 10;

/// Shakes hands with a client that does so in time.
pub(super) async fn greet(
    stream: TcpStream,
    config: Arc<ServerConfig>,
) -> Option<TlsStream<TcpStream>> {
    let greeted = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        // Methods of HTTP are letters, and no record of TLS begins with one.
        if first.iter().all(u8::is_ascii_alphabetic) {
            return send_away(stream).await.map(|()| None);
        }
        let accepted = TlsAcceptor::from(config).accept(stream).await;
        accepted.map(Some)
    };
    // Whoever cannot shake hands was told so by TLS, and there is nobody else to tell.
    tokio::time::timeout(HANDSHAKE, greeted).await.ok()?.ok()?
}

/// Tells a client of plain HTTP that this is not spoken here.
async fn send_away(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(NOT_HTTPS).await?;
    stream.shutdown().await?;
    // A socket that is closed with something unread is reset, and the client's system throws away what it was told.
    let mut rest = stream.take(HEARD);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}
