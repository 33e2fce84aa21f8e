//! Bodies on their way through, streamed at once.

use super::conn::{Conn, Phase};
use super::flight::Flight;
use super::links::held::Ahead;
use super::pool::Lease;
use super::tee::{Fault, Tee};
use super::tunnel::Tunnel;
use super::{h1, headers};
use crate::exchange::{AgentError, Links};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// What a body may fail with.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The request's body on its way to the upstream.
pub enum RequestBody {
    /// None was sent.
    Empty,
    /// Streams from the caller.
    Stream(Upload),
    /// The copy of one that was streamed before.
    Kept(Option<Bytes>),
}

/// A body that streams from the caller.
pub struct Upload {
    body: Option<Incoming>,
    tee: Rc<Tee>,
    /// The caller's stream, where it is one.
    stream: Option<Rc<Conn>>,
}

impl RequestBody {
    /// Streams `body`, counted and copied by `tee`, and looked after by `stream` where it comes by one.
    pub fn stream(body: Incoming, tee: Rc<Tee>, stream: Option<Rc<Conn>>) -> Self {
        Self::Stream(Upload { body: Some(body), tee, stream })
    }
}

fn data_bytes(frame: &Option<Result<Frame<Bytes>, BodyError>>) -> usize {
    frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len)
}

/// All bytes that were announced have passed.
fn is_complete(body: &Incoming) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            stream.enter(Phase::Between);
        }
        if let Some(body) = self.body.take().filter(|body| is_complete(body) && !body.is_end_stream()) {
            self.tee.keep_unended(body);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (body, tee, stream) = match self.get_mut() {
            Self::Stream(Upload { body: Some(body), tee, stream }) => (body, tee, stream),
            Self::Kept(bytes) => return Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            _ => return Poll::Ready(None),
        };
        let polled = Pin::new(&mut *body).poll_frame(cx);
        tee.set_starved(polled.is_pending());
        if let Some(stream) = stream {
            let came = match &polled {
                Poll::Ready(Some(Ok(frame))) => Poll::Ready(frame.data_ref().map_or(0, Bytes::len)),
                Poll::Ready(_) => Poll::Ready(0),
                Poll::Pending => Poll::Pending,
            };
            if !stream.keeps_sending(came, cx.waker()) {
                return Poll::Ready(Some(Err("the request's body came too slowly".into())));
            }
        }
        let frame = ready!(polled);
        // The client side may never ask again once it has a body's declared length: the end is noted here.
        tee.on_frame(frame.as_ref().map(|f| f.as_ref().map_err(Fault::from)), is_complete(body));
        if tee.too_large() {
            return Poll::Ready(Some(Err("the request's body is larger than allowed".into())));
        }
        Poll::Ready(frame.map(|f| f.map(headers::strip_trailers).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(upload) => upload.body.as_ref().is_none_or(Body::is_end_stream),
            Self::Kept(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(upload) => upload.body.as_ref().map_or_else(SizeHint::default, Body::size_hint),
            Self::Kept(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
        }
    }
}

/// The answer's body on its way to the caller.
pub enum ReplyBody {
    /// Made by Vigie.
    Full(Option<Bytes>),
    /// Streams from the upstream.
    Stream(Box<ReplyStream>),
    /// None: the connection goes on in another protocol.
    Switched(Option<Box<Tunnel>>),
    /// Streams, but for a beginning that was held.
    Held(Box<Ahead>),
}

impl ReplyBody {
    /// A body of Vigie's own.
    pub fn full(bytes: Bytes) -> Self {
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }

    /// What carries the connection on once the answer's head was written, if this is an answer that switches.
    pub fn take_tunnel(&mut self) -> Option<Box<Tunnel>> {
        if let Self::Switched(tunnel) = self { tunnel.take() } else { None }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Stream(stream) => stream.poll_frame(cx),
            Self::Held(ahead) => ahead.poll_frame(cx),
            Self::Switched(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Stream(stream) => stream.is_end_stream(),
            Self::Held(ahead) => ahead.is_end_stream(),
            Self::Switched(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Stream(stream) => stream.size_hint(),
            Self::Held(ahead) => ahead.size_hint(),
            Self::Switched(_) => SizeHint::with_exact(0),
        }
    }
}

/// A piece of an answer, or how it broke off.
type Piece = Result<Frame<Bytes>, (Fault, BodyError)>;

/// Where an answer's body comes from.
pub enum AnswerBody {
    /// A stream of HTTP/2.
    Streamed(Incoming),
    /// The HTTP/1.1 connection on lease.
    Leased,
}

/// An answer in flight: the upstream's body, its connection, and the exchange they belong to.
pub struct ReplyStream {
    source: Option<Source>,
    idle: Duration,
    standstill: Option<Pin<Box<Sleep>>>,
    /// The caller's stream, where it is one.
    stream: Option<Rc<Conn>>,
}

/// What must go on together when the caller leaves in the middle.
pub struct Source {
    body: AnswerBody,
    failure: Option<(Fault, BodyError)>,
    tee: Tee,
    lease: Option<Lease>,
    flight: Flight,
}

impl ReplyStream {
    /// Starts streaming; `lease` goes back to its pool at the body's end.
    pub fn new(body: AnswerBody, lease: Lease, flight: Flight, tee: Tee, idle: Duration) -> Self {
        let stream = flight.stream();
        // Not asked for is not taken: the caller gives no room.
        stream.iter().for_each(|stream| stream.blocked());
        let mut source = Source { body, failure: None, tee, lease: Some(lease), flight };
        if source.is_end_stream() {
            source.end();
        }
        Self { source: Some(source), idle, standstill: None, stream }
    }

    /// The next piece of the answer.
    ///
    /// hyper asks for more of a stream's answer once the caller gave room for it: in between the caller is waited for.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.poll_piece(cx);
        if let Some(stream) = &self.stream {
            match &polled {
                Poll::Ready(frame) => {
                    stream.wrote(data_bytes(frame));
                    stream.blocked();
                }
                Poll::Pending => stream.wrote(0),
            }
        }
        polled
    }

    /// What the exchange tells of the answer's links, while it streams.
    pub fn links(&mut self) -> Option<&mut Links> {
        self.source.as_mut().map(|source| &mut source.flight.exchange().links)
    }

    /// True when nothing is left.
    pub fn is_end_stream(&self) -> bool {
        self.source.as_ref().is_none_or(Source::is_end_stream)
    }

    /// Bytes that are left, as far as known.
    pub fn size_hint(&self) -> SizeHint {
        self.source.as_ref().map_or_else(SizeHint::default, Source::size_hint)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        match source.poll_frame(cx) {
            Poll::Ready(frame) => {
                self.standstill = None;
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let sleep = self.standstill.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.idle)));
                ready!(sleep.as_mut().poll(cx));
                source.flight.fail(AgentError::IdleTimeout);
                self.source = None;
                Poll::Ready(Some(Err("the upstream's answer stood still for too long".into())))
            }
        }
    }
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.poll_body(cx));
        let at_end = self.is_end_stream();
        self.tee.on_frame(frame.as_ref().map(|f| f.as_ref().map_err(|(fault, _)| *fault)), at_end);
        if self.tee.failed() {
            self.lease = None;
            self.flight.fail(if self.tee.malformed() { AgentError::BadAnswer } else { AgentError::UpstreamClosed });
        } else if self.tee.ended().is_some() {
            self.end();
        }
        Poll::Ready(frame.map(|f| f.map_err(|(_, error)| error)))
    }

    /// A failure right behind the head would keep the head from being sent: it waits for one turn, in which what was
    /// answered so far goes out.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        match ready!(self.poll_source(cx)) {
            Some(Err(failure)) => {
                self.failure = Some(failure);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        match (&mut self.body, &mut self.lease) {
            (AnswerBody::Streamed(body), _) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(frame.map(|f| f.map_err(|error| (Fault::from(&error), error.into()))))
            }
            (AnswerBody::Leased, Some(lease)) => {
                let frame = ready!(lease.poll_body(cx));
                let fault = |broken| if broken == h1::Broken::Malformed { Fault::Malformed } else { Fault::Left };
                Poll::Ready(
                    frame.map(|f| f.map_err(|broken| (fault(broken), "the upstream's answer broke off".into()))),
                )
            }
            (AnswerBody::Leased, None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            AnswerBody::Streamed(body) => body.is_end_stream(),
            AnswerBody::Leased => self.lease.as_ref().is_none_or(Lease::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            AnswerBody::Streamed(body) => body.size_hint(),
            AnswerBody::Leased => self.lease.as_ref().map_or_else(|| SizeHint::with_exact(0), Lease::size_hint),
        }
    }

    fn end(&mut self) {
        // An upstream that answered before the upload's end still takes the rest of it: the connection is not free.
        if let Some(lease) = self.lease.take()
            && self.flight.was_sent()
        {
            lease.release();
        }
        let ended = self.tee.ended().unwrap_or_else(|| self.tee.moved());
        self.tee.end(ended);
        self.flight.delivered(ended);
    }

    /// Reads on without a caller, to learn how the write ended.
    async fn read_on(mut self) {
        let bound = self.flight.afterlife();
        let rest = std::future::poll_fn(|cx| {
            loop {
                match ready!(self.poll_frame(cx)) {
                    Some(Ok(_)) => continue,
                    _ => return Poll::Ready(()),
                }
            }
        });
        // Past the bound the record says what is known by then: the status, and that the caller left.
        let _ = tokio::time::timeout(bound, rest).await;
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.flight.copied(&self.tee);
        self.flight.set_response(self.tee.bytes(), self.tee.take());
    }
}

/// Time for the sender of a complete body to say so.
const END_OF_BODY: Duration = Duration::from_secs(1);

/// Waits for the end of a body that is complete but for that.
pub async fn until_ended(mut body: Incoming) {
    let rest = std::future::poll_fn(|cx| {
        loop {
            match ready!(Pin::new(&mut body).poll_frame(cx)) {
                Some(Ok(_)) => continue,
                _ => return Poll::Ready(()),
            }
        }
    });
    let _ = tokio::time::timeout(END_OF_BODY, rest).await;
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        let Some(mut source) = self.source.take() else { return };
        if source.tee.ended().is_none() && !source.tee.failed() {
            source.flight.abandon();
            if source.flight.must_know_the_end() {
                let worker = source.flight.worker();
                worker.spawn(source.read_on());
            }
        }
    }
}
