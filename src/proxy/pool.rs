//! One worker's connections to one upstream: HTTP/1.1 ones are lent to one exchange at a time,
//! HTTP/2 ones are shared, and another is opened when the peer allows no more streams: waiting for one would look like the
//! vendor's time.

mod tend;

use super::added::Added;
use super::body::{AnswerBody, RequestBody};
use super::h1::{self, Broken};
use super::interim::Interim;
use super::{connect, retry};
use crate::exchange::{AgentError, ConnectTimes};
use crate::upstream;
use bytes::Bytes;
use http::response::Parts;
use http::{Request, Uri};
use http_body::{Frame, SizeHint};
use hyper::client::conn::http2;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Idle connections older than this are not used again: load balancers commonly cut them at 60 s.
const MAX_IDLE: Duration = Duration::from_secs(50);

/// HTTP/2 connections to one upstream a worker opens at most; beyond, streams wait in the least busy one.
const MAX_MULTIPLEXED: usize = 16;

/// Streams a peer is taken to allow until it says (RFC 9113 section 6.5.2 recommends no less).
const STREAMS_UNTIL_TOLD: usize = 100;

/// One worker's connections to one upstream.
pub struct Pool {
    config: upstream::Config,
    dialer: connect::Dialer,
    idle: RefCell<VecDeque<(h1::Connection, Peer, Instant)>>,
    /// A task looks after the open connections.
    tended: Cell<bool>,
    /// Where connections may lead, as last looked at, and how often that has changed.
    places: RefCell<Option<Arc<[IpAddr]>>>,
    era: Cell<u32>,
    scratch: Rc<h1::Scratch>,
    shared: RefCell<Vec<Rc<Multiplexed>>>,
    /// Streams the upstream allows on one connection, as it told last.
    streams: Cell<usize>,
    /// Held while an HTTP/2 connection is made, so that a burst opens one and not hundreds.
    dialing: tokio::sync::Mutex<()>,
    speaks_h2: Cell<Option<bool>>,
    /// The configuration has no use for it any more: what comes back is closed.
    retired: Cell<bool>,
}

/// Whom a connection was made to, and when that was last found to be right.
#[derive(Clone, Copy)]
struct Peer {
    ip: IpAddr,
    era: u32,
}

/// An HTTP/2 connection and the exchanges on it.
struct Multiplexed {
    sender: http2::SendRequest<RequestBody>,
    peer: Peer,
    streams: Cell<usize>,
    allowed: Allowed,
}

/// Streams the peer of a connection allows now. Whether it is TLS below makes no difference to this.
pub type Allowed = Rc<dyn Fn() -> usize>;

/// An exchange's place on a shared connection.
struct Stream(Rc<Multiplexed>);

impl Stream {
    fn on(connection: Rc<Multiplexed>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self(connection)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
    }
}

/// A new connection.
pub enum Sender {
    /// For one exchange at a time.
    H1(h1::Io),
    /// For many.
    H2(http2::SendRequest<RequestBody>, Allowed),
}

/// A connection on loan.
enum Lent {
    H1(h1::Connection),
    H2(http2::SendRequest<RequestBody>, Stream),
}

/// A connection for one exchange. Dropping it unreleased closes an HTTP/1.1 connection.
pub struct Lease {
    lent: Lent,
    peer: Peer,
    pool: Rc<Pool>,
    /// Set when it was opened for this exchange.
    pub connect: Option<ConnectTimes>,
}

impl Pool {
    /// An empty pool.
    pub fn new(config: upstream::Config, dialer: connect::Dialer, scratch: Rc<h1::Scratch>) -> Self {
        let speaks_h2 = match (config.tls, config.http) {
            (_, upstream::HttpVersion::Http2) => Some(true),
            (_, upstream::HttpVersion::Http1) | (false, upstream::HttpVersion::Auto) => Some(false),
            (true, upstream::HttpVersion::Auto) => None,
        };
        Self {
            config,
            dialer,
            idle: RefCell::default(),
            tended: Cell::new(false),
            places: RefCell::default(),
            era: Cell::new(0),
            scratch,
            shared: RefCell::default(),
            streams: Cell::new(STREAMS_UNTIL_TOLD),
            dialing: tokio::sync::Mutex::new(()),
            speaks_h2: Cell::new(speaks_h2),
            retired: Cell::new(false),
        }
    }

    /// A connection that was open already, or a new one; `fresh` uses no idle one again (after a stale one failed).
    pub async fn lease(self: &Rc<Self>, fresh: bool) -> Result<Lease, (AgentError, ConnectTimes)> {
        if let Some((lent, peer)) = self.reuse(fresh) {
            return Ok(self.lend(lent, peer, None));
        }
        // Boxed: dialing holds a TLS handshake, tens of kilobytes that would otherwise be part of, and be moved with, the
        // future of every exchange.
        Box::pin(self.open(fresh)).await
    }

    async fn open(self: &Rc<Self>, fresh: bool) -> Result<Lease, (AgentError, ConnectTimes)> {
        if self.speaks_h2.get() == Some(false) {
            return self.dial().await;
        }
        // Waiting for a turn is part of the connect time-out: before an upstream that is deaf, everybody's ends at once.
        let turn = tokio::time::timeout(self.config.timeouts.connect, self.dialing.lock()).await;
        let turn = turn.map_err(|_| (AgentError::ConnectTimeout, ConnectTimes::default()))?;
        if let Some((lent, peer)) = self.reuse(fresh) {
            return Ok(self.lend(lent, peer, None));
        }
        if self.speaks_h2.get() == Some(false) {
            // It was just found out that connections are not shared, so all may be made at once.
            drop(turn);
        }
        self.dial().await
    }

    fn lend(self: &Rc<Self>, lent: Lent, peer: Peer, connect: Option<ConnectTimes>) -> Lease {
        Lease { lent, peer, pool: Rc::clone(self), connect }
    }

    fn reuse(&self, fresh: bool) -> Option<(Lent, Peer)> {
        if let Some(connection) = self.multiplexed() {
            let peer = connection.peer;
            return Some((Lent::H2(connection.sender.clone(), Stream::on(connection)), peer));
        }
        if fresh {
            return None;
        }
        loop {
            let (mut connection, peer, since) = self.idle.borrow_mut().pop_back()?;
            if since.elapsed() < MAX_IDLE && connection.is_usable() {
                return Some((Lent::H1(connection), peer));
            }
        }
    }

    /// The first shared connection with room, so that those opened for a burst fall idle after it; when no more may be
    /// opened, the one with the fewest streams.
    fn multiplexed(&self) -> Option<Rc<Multiplexed>> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_empty() {
            return None;
        }
        shared.retain(|connection| !connection.sender.is_closed());
        let free = shared.iter().find(|connection| connection.streams.get() < (connection.allowed)());
        let full = || shared.iter().min_by_key(|connection| connection.streams.get());
        free.or_else(|| (shared.len() >= MAX_MULTIPLEXED).then(full).flatten()).cloned()
    }

    async fn dial(self: &Rc<Self>) -> Result<Lease, (AgentError, ConnectTimes)> {
        let mut times = ConnectTimes::default();
        if let Some(told) = self.shared.borrow().last() {
            self.streams.set((told.allowed)());
        }
        let dialed = self.dialer.dial(&self.config, self.streams.get(), &mut times).await;
        let connect::Dialed { sender, peer } = dialed.map_err(|error| (error, times))?;
        let peer = Peer { ip: peer, era: self.era.get() };
        self.speaks_h2.set(Some(matches!(sender, Sender::H2(..))));
        let lent = match sender {
            Sender::H1(io) => Lent::H1(h1::Connection::new(io, Rc::clone(&self.scratch))),
            Sender::H2(sender, allowed) => {
                let streams = Cell::new(0);
                let connection = Rc::new(Multiplexed { sender: sender.clone(), peer, streams, allowed });
                if !self.retired.get() {
                    self.shared.borrow_mut().push(Rc::clone(&connection));
                    self.look_after();
                }
                Lent::H2(sender, Stream::on(connection))
            }
        };
        Ok(self.lend(lent, peer, Some(times)))
    }

    /// What a failure that came after the connection was made is to be called.
    pub fn blame(&self, failure: &Failure) -> AgentError {
        let refused = match failure {
            Failure::Broken(Broken::Malformed) => return AgentError::BadAnswer,
            Failure::Broken(Broken::Ambiguous) => return AgentError::AmbiguousAnswer,
            Failure::Broken(Broken::TooLarge) => return AgentError::AnswerTooLarge,
            Failure::Http2(error) if error.is_parse() => return AgentError::BadAnswer,
            Failure::Broken(Broken::Certificate) => Some(AgentError::TlsClientCertificate),
            Failure::Http2(error) => crate::tls::alert_after_handshake(error),
            Failure::Broken(_) | Failure::Unsent(_) | Failure::Unanswered(_) | Failure::Refused => None,
        };
        let Some(kind) = refused else { return AgentError::UpstreamClosed };
        self.dialer.tell(&self.config, kind, &"the upstream refused Vigie's certificate");
        kind
    }

    /// Keeps no connection from now on; those on loan finish what they carry.
    pub fn retire(&self) {
        self.retired.set(true);
        self.idle.borrow_mut().clear();
        self.shared.borrow_mut().clear();
    }
}

impl Lease {
    /// The negotiated version, as spans name it.
    pub fn http_version(&self) -> &'static str {
        if self.is_shared() { "2" } else { "1.1" }
    }

    /// True when others use the connection at the same time: HTTP/2.
    pub fn is_shared(&self) -> bool {
        matches!(self.lent, Lent::H2(..))
    }

    /// An answer came by it. Only of a new connection does that say that others can be made.
    pub fn works(&self) {
        if self.connect.is_some() {
            self.pool.dialer.works(&self.pool.config);
        }
    }

    /// True when the connection had served before.
    pub fn reused(&self) -> bool {
        self.connect.is_none()
    }

    /// Sends, and reads the answer's head; those before it are told to `interim`.
    ///
    /// # Errors
    /// [`Failure`], with the request where it may be sent once more.
    pub async fn send(
        &mut self,
        mut request: Box<Request<RequestBody>>,
        added: &Added,
        interim: &Interim<'_>,
    ) -> Result<(Parts, AnswerBody), Failure> {
        let served = self.reused();
        match &mut self.lent {
            Lent::H1(connection) => {
                let asked = added.switch().cloned();
                let awaited = h1::Awaited { interim, asked, limits: self.pool.config.answer_head };
                let repeatable = served && retry::is_repeatable(&request);
                if !connection.start(&mut request, added, served) {
                    return Err(Failure::Unsent(request));
                }
                let kept = repeatable.then_some(request);
                match std::future::poll_fn(|cx| connection.poll_head(cx, &awaited)).await {
                    Ok(parts) => Ok((parts, AnswerBody::Leased)),
                    Err(broken) => {
                        let lost = kept.filter(|_| broken == Broken::Closed && connection.is_unanswered());
                        Err(lost.map_or(Failure::Broken(broken), Failure::Unanswered))
                    }
                }
            }
            Lent::H2(sender, _) => {
                self.pool.absolute(&mut request);
                added.put_into(request.headers_mut());
                let answer =
                    sender.try_send_request(*request).await.map_err(|mut failure| match failure.take_message() {
                        Some(unsent) => Failure::Unsent(Box::new(unsent)),
                        None if retry::was_refused(failure.error()) => Failure::Refused,
                        None => Failure::Http2(failure.into_error()),
                    })?;
                let (parts, body) = answer.into_parts();
                Ok((parts, AnswerBody::Streamed(body)))
            }
        }
    }

    /// The next piece of an HTTP/1.1 answer's body.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.lent {
            Lent::H1(connection) => connection.poll_body(cx),
            Lent::H2(..) => Poll::Ready(None),
        }
    }

    /// True once an HTTP/1.1 answer was read to its end.
    pub fn is_end_stream(&self) -> bool {
        if let Lent::H1(connection) = &self.lent { connection.is_end_stream() } else { true }
    }

    /// What is known of the length of an HTTP/1.1 answer's rest.
    pub fn size_hint(&self) -> SizeHint {
        if let Lent::H1(connection) = &self.lent { connection.size_hint() } else { SizeHint::default() }
    }

    /// The bytes below an HTTP/1.1 connection that was switched to another protocol.
    pub fn into_switched(self) -> Option<(h1::Io, Bytes)> {
        if let Lent::H1(connection) = self.lent { Some(connection.into_switched()) } else { None }
    }

    /// Gives up a connection that turned out to be closed. Of those that shared it, the first makes the new one.
    pub fn discard(self) {
        if let Lent::H2(_, Stream(connection)) = &self.lent {
            self.pool.shared.borrow_mut().retain(|other| !Rc::ptr_eq(other, connection));
        }
    }

    /// Gives the connection back once the answer was read to its end. One that cannot carry another exchange is closed.
    pub fn release(self) {
        if let Lent::H1(connection) = self.lent
            && connection.is_reusable()
            && !self.pool.retired.get()
        {
            self.pool.keep(connection, self.peer);
        }
    }
}

/// Why there is no answer.
pub enum Failure {
    /// The connection was closed before it took a byte of the request.
    Unsent(Box<Request<RequestBody>>),
    /// The connection had served before and was closed without a byte of an answer, and the request may be sent again.
    Unanswered(Box<Request<RequestBody>>),
    /// The peer says that it did not look at the request.
    Refused,
    /// An HTTP/1.1 connection failed.
    Broken(Broken),
    /// An HTTP/2 connection failed.
    Http2(hyper::Error),
}

impl Pool {
    /// HTTP/2 names scheme and authority in the target.
    fn absolute(&self, request: &mut Request<RequestBody>) {
        *request.version_mut() = http::Version::HTTP_2;
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let scheme = if self.config.tls { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(self.config.authority()).path_and_query(path).build();
        if let Ok(uri) = uri {
            *request.uri_mut() = uri;
        }
    }
}
