//! Telling HTTP/2 with prior knowledge from HTTP/1 in plain text, by the first bytes (RFC 9113 section 3.4).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// The client connection preface. No HTTP/1 method begins with it: `PRI` is reserved for this.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose first bytes were read already, and are given again.
pub struct Prefixed<S> {
    prefix: [u8; PREFACE.len()],
    range: std::ops::Range<usize>,
    stream: S,
}

/// Reads until it is clear which of the two comes; true for HTTP/2.
///
/// # Errors
/// When the stream ends or breaks before.
pub async fn tell<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(bool, Prefixed<S>)> {
    let mut prefix = [0; PREFACE.len()];
    let mut read = 0;
    while read < PREFACE.len() && prefix[..read] == PREFACE[..read] {
        match stream.read(&mut prefix[read..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
    }
    Ok((prefix == *PREFACE, Prefixed { prefix, range: 0..read, stream }))
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.range.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let end = self.range.end.min(self.range.start + buf.remaining());
        buf.put_slice(&self.prefix[self.range.start..end]);
        self.range.start = end;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_read_is_given_again() {
        for (sent, h2) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest"[..], true),
            (b"PRO", false),
            (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", false),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r!", false),
        ] {
            let (told, mut stream) = tell(sent).await.expect("told");
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.expect("the rest");
            assert_eq!((told, all.as_slice()), (h2, sent));
        }
        assert!(tell(&b"PRI * HT"[..]).await.is_err());
    }
}
