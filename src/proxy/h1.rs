//! An HTTP/1.1 connection to an upstream, driven by the exchange that it carries.
//!
//! hyper's client gives each connection a task, a channel and buffers of its own: two more wake-ups an exchange, and some
//! 45 KB a connection. Here the exchange's own future writes and reads; buffers belong to the worker and are borrowed for
//! one system call, so that a connection that waits holds a few hundred bytes. It is also the place to be strict: an
//! answer that can be read in two ways (RFC 9112 sections 5 to 7, 11.1) is refused and the connection closed.
//!
//! Invariants: a connection is used again only after an answer that was read to its end by its own framing, with nothing
//! behind it; the upload goes on while an early answer is read; dropping the connection closes it.

mod chunked;
mod encode;
mod head;
mod io;
mod names;
mod upload;

pub use encode::interim_head;
pub use io::{Io, Scratch};

use super::added::Added;
use super::body::RequestBody;
use super::interim::Interim;
use crate::tls;
use crate::upstream::AnswerHead;
use bytes::{Buf, Bytes};
use head::{Head, Length, Search};
use http::response::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, ReadBuf};
use upload::Upload;

/// Interim answers (1xx) before the real one; a peer that sends more does not mean to answer.
const MAX_INTERIM: u8 = 16;

/// Why an answer cannot be read, or did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The peer closed or reset the connection.
    Closed,
    /// The answer is not HTTP/1.1.
    Malformed,
    /// The answer's length may be read in two ways.
    Ambiguous,
    /// The answer's head is larger, or has more lines, than is taken.
    TooLarge,
    /// The request's own body ended early; its sender is to blame.
    Upload,
    /// The peer refused Vigie's certificate, which in TLS 1.3 it tells after the handshake.
    Certificate,
}

/// One connection.
pub struct Connection {
    io: Io,
    scratch: Rc<Scratch>,
    /// Read but not yet used.
    read: Bytes,
    upload: Upload,
    reading: Reading,
    interim: u8,
    keep_alive: bool,
}

/// What an answer's head may be, and whom those before it are told to.
pub struct Awaited<'a> {
    /// Gets the interim answers.
    pub interim: &'a Interim<'a>,
    /// The protocol that the request asks to switch to.
    pub asked: Option<HeaderValue>,
    /// How large it may be.
    pub limits: AnswerHead,
}

enum Reading {
    /// Nothing is expected: the connection is idle.
    Nothing,
    Head(Search, bool),
    Body(Length),
}

impl Connection {
    /// Over a connection on which nothing was sent.
    pub fn new(io: Io, scratch: Rc<Scratch>) -> Self {
        let (read, upload, reading) = (Bytes::new(), Upload::default(), Reading::Nothing);
        Self { io, scratch, read, upload, reading, interim: 0, keep_alive: true }
    }

    /// True while an idle connection can be used: neither closed nor spoken on by its peer, as far as is known without
    /// asking the system.
    pub fn is_usable(&mut self) -> bool {
        let idle = self.keep_alive && self.read.is_empty() && matches!(self.reading, Reading::Nothing);
        idle && self.poll_fill(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Starts a request; [`Connection::poll_head`] sends it.
    ///
    /// Takes the request's body; false, and nothing is taken, when a connection that had served before did not take the
    /// first byte of it.
    pub fn start(&mut self, request: &mut Request<RequestBody>, added: &Added, served: bool) -> bool {
        let bodiless = *request.method() == Method::HEAD;
        self.reading = Reading::Head(Search::default(), bodiless);
        self.interim = 0;
        let mut head = self.scratch.write.borrow_mut();
        head.clear();
        let framing = encode::head(request, added, &mut head);
        match self.io.try_write(&head) {
            Ok(written) => {
                let unsent = Bytes::copy_from_slice(&head[written..]);
                let body = std::mem::replace(request.body_mut(), RequestBody::Empty);
                self.upload = Upload::new(unsent, body, framing);
                true
            }
            Err(_) if served => false,
            // Why a new connection does not take it may be there to be read.
            Err(_) => {
                (self.keep_alive, self.upload) = (false, Upload::default());
                true
            }
        }
    }

    /// True while not a byte of an answer was read.
    pub fn is_unanswered(&self) -> bool {
        self.interim == 0 && self.read.is_empty() && matches!(self.reading, Reading::Head(..))
    }

    /// Sends what can be sent and reads the answer's head; those before it are told on the way.
    ///
    /// # Errors
    /// [`Broken`]; the connection cannot be used again.
    pub fn poll_head(&mut self, cx: &mut Context<'_>, awaited: &Awaited<'_>) -> Poll<Result<Parts, Broken>> {
        loop {
            self.send_more(cx)?;
            let Reading::Head(search, bodiless) = &mut self.reading else {
                return Poll::Ready(Err(Broken::Malformed));
            };
            let Some(length) = search.end(&self.read, awaited.limits)? else {
                if ready!(self.poll_fill(cx))? == 0 {
                    return Poll::Ready(Err(Broken::Closed));
                }
                continue;
            };
            let bodiless = *bodiless;
            let head = Head::parse(self.read.split_to(length), bodiless, awaited.limits, &self.scratch.names)?;
            if head.parts.status == StatusCode::SWITCHING_PROTOCOLS {
                self.switch(&head, awaited)?;
                return Poll::Ready(Ok(head.parts));
            }
            if head.is_interim() {
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Poll::Ready(Err(Broken::Malformed));
                }
                self.reading = Reading::Head(Search::default(), bodiless);
                awaited.interim.came(head.parts);
                continue;
            }
            self.keep_alive &= head.keep_alive;
            // An answer without a body is over: nobody may ever ask for the rest of it.
            self.reading = if head.length.has_ended() { Reading::Nothing } else { Reading::Body(head.length) };
            return Poll::Ready(Ok(head.parts));
        }
    }

    /// Only what was asked for may be switched to, and only by a peer that has the whole request.
    fn switch(&mut self, head: &Head, awaited: &Awaited<'_>) -> Result<(), Broken> {
        self.keep_alive = false;
        let asked = awaited.asked.as_ref().ok_or(Broken::Malformed)?;
        if !self.upload.is_done() || !head.switches_to(asked) {
            return Err(Broken::Malformed);
        }
        self.reading = Reading::Nothing;
        Ok(())
    }

    /// The bytes below after a switch, and what was read of them behind the answer's head.
    pub fn into_switched(self) -> (Io, Bytes) {
        (self.io, self.read)
    }

    /// Reads the answer's body; goes on sending the request's.
    ///
    /// # Errors
    /// [`Broken`]; the connection cannot be used again.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        loop {
            if let Err(broken) = self.send_more(cx) {
                return Poll::Ready(Some(Err(broken)));
            }
            match self.next_frame() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if self.is_end_stream() => return Poll::Ready(None),
                Ok(None) => {}
                Err(broken) => return Poll::Ready(Some(Err(broken))),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) if matches!(self.reading, Reading::Body(Length::ToClose)) => {
                    self.reading = Reading::Nothing;
                    return Poll::Ready(None);
                }
                Ok(0) => return Poll::Ready(Some(Err(Broken::Closed))),
                Ok(_) => {}
                Err(broken) => return Poll::Ready(Some(Err(broken))),
            }
        }
    }

    /// What the bytes read so far hold of the body; `None` asks for more of them, or says that the body has ended.
    fn next_frame(&mut self) -> Result<Option<Frame<Bytes>>, Broken> {
        let Reading::Body(length) = &mut self.reading else { return Ok(None) };
        let frame = match length {
            Length::Exact(left) if !self.read.is_empty() => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(self.read.len());
                *left -= taken as u64;
                Some(Frame::data(self.read.split_to(taken)))
            }
            Length::Chunked(chunked) => chunked.next(&mut self.read)?,
            Length::ToClose if !self.read.is_empty() => Some(Frame::data(std::mem::take(&mut self.read))),
            Length::Exact(_) | Length::ToClose => None,
        };
        if length.has_ended() {
            self.reading = Reading::Nothing;
        }
        Ok(frame)
    }

    /// True once the answer was read to its end.
    pub fn is_end_stream(&self) -> bool {
        match &self.reading {
            Reading::Nothing => true,
            Reading::Head(..) => false,
            Reading::Body(length) => length.has_ended(),
        }
    }

    /// What is known of the length of the body's rest.
    pub fn size_hint(&self) -> SizeHint {
        match &self.reading {
            Reading::Nothing => SizeHint::with_exact(0),
            Reading::Body(Length::Exact(left)) => SizeHint::with_exact(*left),
            _ => SizeHint::default(),
        }
    }

    /// True when another request may follow: everything was sent and read, and nothing came behind it.
    pub fn is_reusable(&self) -> bool {
        self.keep_alive && self.is_end_stream() && self.read.is_empty() && self.upload.is_done()
    }

    /// Sends as much as the connection takes. A connection that takes no more may still hold an answer, so only the
    /// sender's own failure ends the exchange here.
    fn send_more(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        if self.upload.is_done() {
            return Ok(());
        }
        match self.upload.poll(&mut self.io, cx) {
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
            Poll::Ready(Err(upload::Stopped::Body)) => Err(Broken::Upload),
            Poll::Ready(Err(upload::Stopped::Connection)) => {
                self.keep_alive = false;
                Ok(())
            }
        }
    }

    /// Reads once; 0 at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        let mut buffer = self.scratch.read.borrow_mut();
        let mut into = ReadBuf::new(&mut buffer);
        if let Err(error) = ready!(Pin::new(&mut self.io).poll_read(cx, &mut into)) {
            let refused = tls::alert_after_handshake(&error).is_some();
            return Poll::Ready(Err(if refused { Broken::Certificate } else { Broken::Closed }));
        }
        let new = into.filled();
        if self.read.is_empty() {
            self.read = Bytes::copy_from_slice(new);
        } else if !new.is_empty() {
            let mut joint = Vec::with_capacity(self.read.remaining() + new.len());
            joint.extend_from_slice(&self.read);
            joint.extend_from_slice(new);
            self.read = Bytes::from(joint);
        }
        Poll::Ready(Ok(new.len()))
    }
}

#[cfg(test)]
mod tests;
