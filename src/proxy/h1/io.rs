//! The bytes below a connection, and the worker's buffers above it.

use super::names::Names;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Bytes read at once at most: large downloads need few system calls, and small answers touch the beginning only.
const READ_BYTES: usize = 64 << 10;

/// Buffers that all connections of a worker share: each is used within one poll and never across two.
pub struct Scratch {
    /// For reading.
    pub(super) read: RefCell<Box<[u8]>>,
    /// For request heads.
    pub(super) write: RefCell<Vec<u8>>,
    /// For the lines of answers' heads.
    pub(super) names: Names,
}

impl Default for Scratch {
    fn default() -> Self {
        let read = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
        Self { read, write: RefCell::default(), names: Names::default() }
    }
}

/// Plain or encrypted.
pub enum Io {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP. Boxed: its state is kilobytes.
    Tls(Box<TlsStream<TcpStream>>),
    /// TLS with the upstream inside TLS with an egress proxy.
    Nested(Box<TlsStream<TlsStream<TcpStream>>>),
}

impl Io {
    /// Writes what the connection takes now, perhaps nothing. Whoever must know when it takes more polls
    /// [`AsyncWrite::poll_write`].
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match Pin::new(self).poll_write(&mut Context::from_waker(Waker::noop()), bytes) {
            Poll::Ready(Ok(0)) if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(written) => written,
            Poll::Pending => Ok(0),
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            Self::Nested(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            Self::Nested(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
            Self::Nested(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Self::Nested(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Self::Nested(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
