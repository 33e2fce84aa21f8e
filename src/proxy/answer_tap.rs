//! Stands between an upstream's connection and hyper, and sees every byte first: an answer that can be read in two ways, or
//! that nobody asked for, ends the connection before anything is made of it.

use super::framing::{Answers, Fed, Limits, Reason};
use super::held::Held;
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the lender of a connection and its tap tell each other.
pub struct Line {
    answers: RefCell<Answers>,
    asking: Cell<Option<bool>>,
    broken: Cell<Option<Reason>>,
}

impl Line {
    /// A new connection's.
    pub fn new(limits: Limits) -> Rc<Self> {
        Rc::new(Self { answers: RefCell::new(Answers::new(limits)), asking: Cell::new(None), broken: Cell::new(None) })
    }

    /// A request is about to be written. `bodiless`: its answer has no body, whatever its headers say.
    pub fn ask(&self, bodiless: bool) {
        self.asking.set(Some(bodiless));
    }

    /// Bytes are written: only from now on can there be an answer to them.
    fn asked(&self) {
        if let Some(bodiless) = self.asking.take() {
            self.answers.borrow_mut().ask(bodiless);
        }
    }

    /// Why what came was refused, if it was: the connection must not be used again.
    pub fn broken(&self) -> Option<Reason> {
        self.broken.get()
    }
}

/// An upstream's connection, judged.
pub struct AnswerTap<S> {
    io: S,
    line: Rc<Line>,
    held: Held,
}

impl<S> AnswerTap<S> {
    /// Over `io`, of which nothing was read.
    pub fn new(io: S, line: Rc<Line>) -> Self {
        Self { io, line, held: Held::default() }
    }

    fn judge(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let new = &buf.filled()[before..];
        let mut answers = self.line.answers.borrow_mut();
        let fed = if self.held.is_empty() {
            let fed = answers.feed(new);
            self.held.keep(&new[fed.pass..]);
            buf.set_filled(before + fed.pass);
            fed
        } else {
            self.held.keep(new);
            buf.set_filled(before);
            let fed = answers.feed(self.held.back());
            self.held.free(fed.pass);
            fed
        };
        if let Fed { refused: Some(reason), .. } = fed {
            self.held.replace(&[]);
            self.line.broken.set(Some(reason));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AnswerTap<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.held.hand_over(buf) {
                return Poll::Ready(Ok(()));
            }
            if this.line.broken().is_some() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the answer was refused")));
            }
            let before = buf.filled().len();
            if Pin::new(&mut this.io).poll_read(cx, buf)?.is_pending() {
                return Poll::Pending;
            }
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            this.judge(buf, before);
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AnswerTap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.asked();
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.line.asked();
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
