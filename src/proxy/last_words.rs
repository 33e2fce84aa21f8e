//! A TLS connection that refuses to be written to may hold why: in TLS 1.3 a server judges the client's certificate when the
//! client's side of the handshake is done, sends an alert and closes (RFC 8446 section 4.4.2.4). HTTP/2's first bytes are on
//! their way by then, so writing is what fails, and the alert behind it would never be read.

use crate::tls;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Gives a failed write the name of the alert that waits to be read, if one does.
pub struct LastWords<S> {
    io: S,
    failure: Option<io::Error>,
}

impl<S: AsyncRead + Unpin> LastWords<S> {
    /// Over a connection whose handshake is done on this side.
    pub fn of(io: S) -> Self {
        Self { io, failure: None }
    }

    /// Passes `polled` on, but a failure only once what came before the end was read; that is lost, as the connection is.
    /// The end of a connection that takes no more is always told, so this does not wait for ever.
    fn poll_told<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(Err(error)) => drop(self.failure.get_or_insert(error)),
            other if self.failure.is_none() => return other,
            _ => {}
        }
        let mut scratch = [0; 1 << 10];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                Err(alert) if tls::alert_after_handshake(&alert).is_some() => return Poll::Ready(Err(alert)),
                _ => break,
            }
        }
        Poll::Ready(Err(self.failure.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LastWords<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LastWords<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.poll_told(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        self.poll_told(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.poll_told(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
