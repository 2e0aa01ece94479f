//! The admin port's connections: plain HTTP, and TLS too if there is a certificate, on one port as KWOK has it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::{TlsError, TlsFiles};

/// The first byte of a TLS connection (RFC 8446, 5.1: a handshake record). No method of HTTP begins with it.
const HANDSHAKE: u8 = 0x16;
/// How long a client may take to say which of the two it speaks, and to shake hands.
const GREETING: Duration = Duration::from_secs(10);
/// Connections that have said nothing yet; more wait to be accepted.
const GREETED: usize = 64;

/// A listener that speaks both.
pub struct Port {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    greeted: JoinSet<io::Result<(Stream, SocketAddr)>>,
}

/// One connection.
pub enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// With it.
    Tls(Box<TlsStream<TcpStream>>),
}

// === impl Port ===

impl Port {
    /// Plain HTTP alone.
    #[must_use]
    pub fn plain(listener: TcpListener) -> Self {
        Self {
            listener,
            tls: None,
            greeted: JoinSet::new(),
        }
    }

    /// Both, if there is a certificate.
    ///
    /// # Errors
    /// If the files cannot be used; the message names them.
    pub fn new(listener: TcpListener, tls: Option<&TlsFiles>) -> Result<Self, TlsError> {
        Ok(Self {
            tls: tls.map(acceptor).transpose()?,
            ..Self::plain(listener)
        })
    }
}

impl Listener for Port {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            tokio::select! {
                Some(greeted) = self.greeted.join_next() => {
                    // A client that said nothing, or no TLS that we speak, is none.
                    if let Ok(Ok(connection)) = greeted {
                        return connection;
                    }
                }
                (stream, from) = Listener::accept(&mut self.listener), if self.greeted.len() < GREETED => {
                    match self.tls.clone() {
                        None => return (Stream::Plain(stream), from),
                        Some(tls) => drop(self.greeted.spawn(greet(stream, from, tls))),
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Waits for the client's first byte, and for the handshake if it begins one.
async fn greet(
    stream: TcpStream,
    from: SocketAddr,
    tls: TlsAcceptor,
) -> io::Result<(Stream, SocketAddr)> {
    let greeted = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first == [HANDSHAKE] {
            let stream = tls.accept(stream).await?;
            return Ok((Stream::Tls(Box::new(stream)), from));
        }
        Ok((Stream::Plain(stream), from))
    };
    tokio::time::timeout(GREETING, greeted).await?
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let config = files.identity()?.serve(&[]);
    Ok(TlsAcceptor::from(
        config.map_err(|error| files.apart(error))?,
    ))
}

// === impl Stream ===

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
