//! One worker's connections to one upstream: HTTP/1.1 ones are lent to one exchange at a time, an HTTP/2 one is shared.

use super::answer_tap::Line;
use super::body::RequestBody;
use super::connect;
use super::framing::Reason;
use crate::exchange::{AgentError, ConnectTimes};
use crate::upstream;
use http::header::TRANSFER_ENCODING;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Idle connections older than this are not used again: load balancers commonly cut them at 60 s.
const MAX_IDLE: Duration = Duration::from_secs(50);

/// One worker's connections to one upstream.
pub struct Pool {
    config: upstream::Config,
    dialer: connect::Dialer,
    idle: RefCell<VecDeque<(Single, Instant)>>,
    shared: RefCell<Option<http2::SendRequest<RequestBody>>>,
    /// Counts the connections that were shared, to tell them apart.
    generation: Cell<u64>,
    /// Held while the first HTTP/2 connection is made, so that a burst opens one and not hundreds.
    dialing: tokio::sync::Mutex<()>,
    speaks_h2: Cell<Option<bool>>,
}

/// A connection on loan.
pub enum Sender {
    /// For this exchange alone.
    H1(Single),
    /// Shared with others.
    H2(http2::SendRequest<RequestBody>),
}

/// An HTTP/1.1 connection.
pub struct Single {
    /// Sends on it.
    pub sender: http1::SendRequest<RequestBody>,
    /// What its tap sees.
    pub line: Rc<Line>,
}

impl Single {
    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && self.line.broken().is_none()
    }
}

/// A connection for one exchange. Dropping it unreleased closes an HTTP/1.1 connection.
pub struct Lease {
    sender: Sender,
    pool: Rc<Pool>,
    /// Set when it was opened for this exchange.
    pub connect: Option<ConnectTimes>,
    generation: u64,
}

impl Pool {
    /// An empty pool.
    pub fn new(config: upstream::Config, dialer: connect::Dialer) -> Self {
        let speaks_h2 = match (config.tls, config.http) {
            (_, upstream::HttpVersion::Http2) => Some(true),
            (_, upstream::HttpVersion::Http1) | (false, upstream::HttpVersion::Auto) => Some(false),
            (true, upstream::HttpVersion::Auto) => None,
        };
        Self {
            config,
            dialer,
            idle: RefCell::default(),
            shared: RefCell::default(),
            generation: Cell::new(0),
            dialing: tokio::sync::Mutex::new(()),
            speaks_h2: Cell::new(speaks_h2),
        }
    }

    /// A connection that was open already, or a new one; `fresh` uses no idle one again (after a stale one failed).
    pub async fn lease(self: &Rc<Self>, fresh: bool) -> Result<Lease, (AgentError, ConnectTimes)> {
        if let Some(sender) = self.reuse(fresh).await {
            return Ok(self.lend(sender, None));
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
        if let Some(sender) = self.reuse(fresh).await {
            return Ok(self.lend(sender, None));
        }
        if self.speaks_h2.get() == Some(false) {
            // It was just found out that connections are not shared, so all may be made at once.
            drop(turn);
        }
        self.dial().await
    }

    fn lend(self: &Rc<Self>, sender: Sender, connect: Option<ConnectTimes>) -> Lease {
        Lease { sender, pool: Rc::clone(self), connect, generation: self.generation.get() }
    }

    async fn reuse(&self, fresh: bool) -> Option<Sender> {
        let shared = self.shared.borrow().clone();
        if let Some(mut sender) = shared {
            if !sender.is_closed() && sender.ready().await.is_ok() {
                return Some(Sender::H2(sender));
            }
            self.shared.take();
        }
        if fresh {
            return None;
        }
        loop {
            let (mut single, since) = self.idle.borrow_mut().pop_back()?;
            if since.elapsed() > MAX_IDLE {
                // The newest is too old, so all are.
                self.idle.borrow_mut().clear();
                return None;
            }
            if single.is_usable() && (single.sender.is_ready() || single.sender.ready().await.is_ok()) {
                return Some(Sender::H1(single));
            }
        }
    }

    async fn dial(self: &Rc<Self>) -> Result<Lease, (AgentError, ConnectTimes)> {
        let mut times = ConnectTimes::default();
        let dialing = self.dialer.dial(&self.config, &mut times);
        let sender = match tokio::time::timeout(self.config.timeouts.connect, dialing).await {
            Ok(Ok(sender)) => sender,
            Ok(Err(error)) => return Err((error, times)),
            Err(_) => return Err((AgentError::ConnectTimeout, times)),
        };
        if let Sender::H2(sender) = &sender {
            self.shared.replace(Some(sender.clone()));
            self.generation.set(self.generation.get() + 1);
        }
        self.speaks_h2.set(Some(matches!(sender, Sender::H2(_))));
        Ok(self.lend(sender, Some(times)))
    }
}

impl Lease {
    /// The negotiated version, as spans name it.
    pub fn http_version(&self) -> &'static str {
        match self.sender {
            Sender::H1(_) => "1.1",
            Sender::H2(_) => "2",
        }
    }

    /// True when the connection had served before.
    pub fn reused(&self) -> bool {
        self.connect.is_none()
    }

    /// Sends; on failure gives the request back if not a byte of it was written.
    pub async fn send(
        &mut self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        match &mut self.sender {
            Sender::H1(Single { sender, line }) => {
                keep_unusual_body(&mut request);
                line.ask(request.method() == http::Method::HEAD);
                sender.try_send_request(request).await
            }
            Sender::H2(sender) => {
                self.pool.absolute(&mut request);
                sender.try_send_request(request).await
            }
        }
    }

    /// Why the answer on this connection was refused, if it was.
    pub fn broken(&self) -> Option<Reason> {
        match &self.sender {
            Sender::H1(single) => single.line.broken(),
            Sender::H2(_) => None,
        }
    }

    /// Gives up a connection that turned out to be closed. Of those that shared it, the first makes the new one.
    pub fn discard(self) {
        if matches!(self.sender, Sender::H2(_)) && self.pool.generation.get() == self.generation {
            self.pool.shared.take();
        }
    }

    /// Gives the connection back once the answer was read to its end.
    pub fn release(self) {
        if let Sender::H1(single) = self.sender
            && single.is_usable()
        {
            let mut idle = self.pool.idle.borrow_mut();
            if idle.len() >= self.pool.config.max_idle_per_worker {
                idle.pop_front();
            }
            idle.push_back((single, Instant::now()));
        }
    }
}

/// hyper leaves out the body of a GET or HEAD whose length is not known, unless the framing is named.
fn keep_unusual_body(request: &mut Request<RequestBody>) {
    let body = request.body();
    if request.method().is_safe() && !body.is_end_stream() && body.size_hint().exact().is_none() {
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

impl Pool {
    /// HTTP/2 names scheme and authority in the target and has no `Host`.
    fn absolute(&self, request: &mut Request<RequestBody>) {
        request.headers_mut().remove(http::header::HOST);
        *request.version_mut() = http::Version::HTTP_2;
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let scheme = if self.config.tls { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(self.config.authority()).path_and_query(path).build();
        if let Ok(uri) = uri {
            *request.uri_mut() = uri;
        }
    }
}
