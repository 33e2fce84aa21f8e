//! Stands between a caller's connection and hyper, and sees every byte first: what is not unambiguous HTTP/1.1 never
//! reaches the parser. In the place of a refused head hyper reads a stand-in, so that the refusal is answered in its turn
//! and recorded like any other.

use super::conn::{Conn, Cut, Phase};
use super::framing::{Fed, Limits, Reason, Requests, stand_in};
use super::held::Held;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a refused request that are still taken after its answer.
const MAX_LINGER: usize = 1 << 20;

/// A caller's connection, judged.
pub struct Tap<S> {
    io: S,
    conn: Rc<Conn>,
    requests: Requests,
    limits: Limits,
    held: Held,
    refused: bool,
    shut: bool,
    /// The caller said that it sends no more.
    ended: bool,
    lingered: usize,
}

impl<S: AsyncRead + Unpin> Tap<S> {
    /// Over `io`, of which nothing was read.
    pub fn new(io: S, conn: Rc<Conn>, limits: Limits) -> Self {
        let requests = Requests::new(limits);
        Self {
            io,
            conn,
            requests,
            limits,
            held: Held::default(),
            refused: false,
            shut: false,
            ended: false,
            lingered: 0,
        }
    }

    /// The connection, of which nothing more is judged, and what was read behind the head that switched it to another
    /// protocol.
    pub fn into_parts(self) -> (S, Vec<u8>) {
        (self.io, self.held.back().to_vec())
    }

    /// Judges what was just read into `buf` behind `before`, and leaves there what may pass.
    fn judge(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> io::Result<()> {
        let new = &buf.filled()[before..];
        self.conn.read(new.len());
        if self.held.is_empty() {
            let Fed { pass, refused } = self.requests.feed(new);
            if pass < new.len() || refused.is_some() {
                self.held.keep(&new[pass..]);
                buf.set_filled(before + pass);
            }
            return self.verdict(refused);
        }
        let whole_line = memchr::memchr(b'\n', new).is_some();
        self.held.keep(new);
        buf.set_filled(before);
        // Nothing can have become whole without a line's end; and what drips in is not walked again for every byte.
        if !whole_line && self.held.back().len() <= self.limits.head_bytes {
            return Ok(());
        }
        self.judge_held()
    }

    fn judge_held(&mut self) -> io::Result<()> {
        let Fed { pass, refused } = self.requests.feed(self.held.back());
        self.held.free(pass);
        self.verdict(refused)
    }

    /// The end of what the caller sends. hyper forgets a request it has read when it sees the end before it has begun with
    /// it, so it does not see the end until it has: a call that came whole is at least told of.
    fn end(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match self.conn.is_behind(self.requests.heads) {
            true => {
                self.conn.driven_by(cx.waker());
                Poll::Pending
            }
            false => Poll::Ready(Ok(())),
        }
    }

    fn verdict(&mut self, refused: Option<Reason>) -> io::Result<()> {
        if let Some(reason) = refused {
            return self.refuse(reason);
        }
        // Whoever waits for the answer to a switch owes nothing.
        let owes_nothing = self.held.back().is_empty() || self.requests.are_paused();
        self.conn.enter(match (self.requests.in_body(), owes_nothing) {
            (true, _) => Phase::Body,
            (false, false) => Phase::Head,
            (false, true) => Phase::Between,
        });
        Ok(())
    }

    fn refuse(&mut self, reason: Reason) -> io::Result<()> {
        self.refused = true;
        if self.requests.in_body() {
            self.conn.break_body(reason);
            return Ok(());
        }
        self.conn.refuse(self.requests.heads, reason);
        self.conn.enter(Phase::Between);
        let stand_in = stand_in(self.held.back());
        self.held.replace(&stand_in);
        Ok(())
    }
}

/// hyper tells its service of a body that ends with this as it does of one that broke.
fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the request's body was refused")
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.held.hand_over(buf) {
                return Poll::Ready(Ok(()));
            }
            if this.conn.broken().is_some() {
                return Poll::Ready(Err(broken()));
            }
            if this.refused {
                // All that hyper may still read was handed over.
                return Poll::Pending;
            }
            if let Some(Cut::Read(reason)) = this.conn.cut() {
                this.refuse(reason)?;
                continue;
            }
            if this.requests.are_paused() {
                if this.conn.has_answered(this.requests.heads) {
                    this.requests.go_on();
                    this.judge_held()?;
                    continue;
                }
                // hyper does not ask again by itself once it was told to wait.
                this.conn.pause();
                if !this.ended && this.held.back().len() >= this.limits.head_bytes {
                    return Poll::Pending;
                }
            }
            if this.ended {
                return this.end(cx);
            }
            let before = buf.filled().len();
            match Pin::new(&mut this.io).poll_read(cx, buf) {
                Poll::Pending => {
                    this.conn.starves();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) if buf.filled().len() > before => {}
                // A reset is an end as well.
                Poll::Ready(_) => {
                    this.ended = true;
                    continue;
                }
            }
            this.judge(buf, before)?;
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tap<S> {
    fn noted(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(bytes)) => self.conn.wrote(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.conn.blocked(),
        }
        polled
    }

    /// Interim answers go before whatever is to be written; they were offered while nothing else waited, so they stand
    /// between two messages.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut interim = self.conn.interim().borrow_mut();
        while !interim.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, &interim) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.conn.wrote(written);
                    interim.drain(..written);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.conn.blocked();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what still comes of a request that was answered before its end.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 4 << 10];
        while self.lingered < MAX_LINGER {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.lingered += buf.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.conn.set_clean(false);
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.noted(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.conn.set_clean(false);
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        self.noted(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_interim(cx))?;
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        match polled {
            Poll::Pending => self.conn.blocked(),
            // hyper flushes only once it has handed over all that it holds.
            Poll::Ready(_) => self.conn.set_clean(true),
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.shut {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            this.shut = true;
        }
        if this.refused || this.requests.in_body() {
            this.conn.enter(Phase::Linger);
            ready!(this.linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
