//! One exchange, from request head to answer head.

use super::body::{AnswerBody, ReplyBody, ReplyStream, RequestBody};
use super::copies::Copies;
use super::detached::Detached;
use super::flight::{Flight, micros};
use super::framing::Reason;
use super::headers::{self, Caller};
use super::pool::{Failure, Lease, Pool};
use super::tee::Tee;
use super::worker::Worker;
use super::{acceptor, context, gate, head_wait, links, reply, retry, router, server_timing, target};
use crate::exchange::{AgentError, Arrival, Attempt, Direction, Exchange, Headers, Kind, Links, Message, Target};
use http::header::{ACCEPT_ENCODING, HOST, TE};
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version, request};
use hyper::body::{Body, Incoming};
use smallvec::SmallVec;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Answers one request, whatever happens: with the upstream's answer or a problem of Vigie's own.
pub async fn handle(
    worker: Rc<Worker>,
    listener: usize,
    caller: Caller,
    req: Request<Incoming>,
) -> Response<ReplyBody> {
    let started = Instant::now();
    let (mut parts, body) = req.into_parts();
    let safe = parts.method.is_safe();
    let refused = caller.conn.as_ref().and_then(|conn| conn.call());
    let arrival = Arrival { listener: acceptor::number(listener), tls: caller.tls, version: parts.version };
    let mut opened = match open(&worker, arrival, started, &mut parts, body.is_end_stream(), refused) {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    opened.flight.of(caller.conn.clone());
    if let Err(error) = opened.pass_gate(&worker, listener, &caller, &mut parts) {
        return refuse(opened.flight, error);
    }
    if worker.shared.limits.body_bytes.is_some_and(|most| body.size_hint().lower() > most) {
        return refuse(opened.flight, AgentError::BodyTooLarge);
    }
    if safe {
        return forward(worker, opened, caller, parts, body, started).await;
    }
    let watch = opened.flight.watch_caller();
    let forwarding = forward(Rc::clone(&worker), opened, caller, parts, body, started);
    Detached::new(worker, watch, forwarding).await
}

/// What [`open`] found out and [`forward`] needs.
struct Opened {
    flight: Flight,
    pool: Rc<Pool>,
    upstream: usize,
    target: PathAndQuery,
    tee: Option<Rc<Tee>>,
    way: links::Way,
    credential: Option<gate::Slot>,
}

impl Opened {
    /// Finds out whether the caller may go on, and with which credential.
    fn pass_gate(
        &mut self,
        worker: &Worker,
        listener: usize,
        caller: &Caller,
        parts: &mut request::Parts,
    ) -> Result<(), AgentError> {
        let call = (self.upstream, self.flight.integration(), self.target.path());
        self.credential = gate::pass(worker, listener, caller, parts, call)?;
        worker.shared.router.take_token(&mut parts.headers);
        Ok(())
    }
}

/// Routes and attributes; a refusal is recorded like any other exchange.
fn open(
    worker: &Rc<Worker>,
    arrival: Arrival,
    started: Instant,
    parts: &mut request::Parts,
    empty: bool,
    refused: Option<Reason>,
) -> Result<Opened, Box<Response<ReplyBody>>> {
    let shared = &worker.shared;
    let trace = context::trace(&parts.headers, &worker.ids, shared.trace_ratio);
    let started_us = shared.clock.wall_us();
    let correlation_id = context::correlation_id(&parts.headers, &trace, &worker.ids, started_us);
    let judged = refused.map_or(Ok(()), |reason| Err(reason.of_request()));
    let checked = judged.and_then(|()| target::check(parts)).and_then(|(path, query)| {
        let listener = arrival.listener as usize;
        let routed = shared.router.route(listener, path, query, &parts.headers)?;
        let target = shared.upstreams[routed.upstream].target(&parts.uri, routed.path, query)?;
        let way = links::Way::new(listener, &routed);
        Ok((routed.upstream, routed.integration, routed.strip, routed.fingerprint, way, target))
    });
    let (route, (place, shard)) = match &checked {
        Ok((upstream, integration, ..)) => worker.place(*integration, *upstream, &parts.method, checked_path(&checked)),
        Err(_) => (None, worker.nowhere()),
    };
    let request_headers = match &checked {
        Ok((upstream, ..)) => headers::capture(&parts.headers, shared.upstreams[*upstream].profile().request_headers()),
        Err(_) => Headers::default(),
    };
    let mut exchange = Box::new(Exchange {
        place,
        kind: Kind::Proxy,
        direction: Direction::Outbound,
        arrival,
        started_us,
        head_at_us: 0,
        method: parts.method.clone(),
        target: Target::default(),
        route,
        status: 0,
        error: None,
        client_closed: false,
        total_us: 0,
        overhead_us: 0,
        request: Message { headers: request_headers, ..Message::default() },
        response: Message::default(),
        correlation_id,
        trace,
        attempts: SmallVec::new(),
        fingerprint: None,
        links: Links::default(),
    });
    match checked {
        Ok((upstream, _, strip, fingerprint, way, target)) => {
            exchange.fingerprint = fingerprint;
            exchange.target = Target::from(&target);
            if let Some(name) = strip {
                parts.headers.remove(name);
            }
            let mut flight = Flight::new(Rc::clone(worker), shard, started, exchange);
            let tee = (!empty).then(|| Rc::new(upload_tee(worker, started)));
            if let Some(tee) = &tee {
                flight.upload(Rc::clone(tee));
            }
            let pool = Rc::clone(&worker.pools[upstream]);
            Ok(Opened { flight, pool, upstream, target, tee, way, credential: None })
        }
        Err(error) => {
            let mut flight = Flight::new(Rc::clone(worker), shard, started, exchange);
            flight.fail(error);
            Err(Box::new(reply::problem(error, Some(flight.correlation_id()), refused)))
        }
    }
}

fn upload_tee(worker: &Worker, started: Instant) -> Tee {
    let shared = &worker.shared;
    let tee = Tee::new(Rc::clone(&worker.copies), shared.capture_request, started);
    tee.at_most(shared.limits.body_bytes.unwrap_or(u64::MAX))
}

type Checked = Result<(usize, usize, Option<http::HeaderName>, Option<u64>, links::Way, PathAndQuery), AgentError>;

fn checked_path(checked: &Checked) -> &str {
    checked.as_ref().map_or("/", |(.., target)| target.path())
}

fn refuse(mut flight: Flight, error: AgentError) -> Response<ReplyBody> {
    flight.fail(error);
    let own_us = flight.own_us();
    let exchange = flight.exchange();
    exchange.overhead_us = own_us;
    let timing = server_timing::value(exchange);
    let mut response = reply::problem(error, Some(flight.correlation_id()), None);
    response.headers_mut().extend(timing.map(|value| (headers::SERVER_TIMING, value)));
    response
}

/// Sends the request and turns what comes back into the caller's answer.
async fn forward(
    worker: Rc<Worker>,
    opened: Opened,
    caller: Caller,
    mut parts: request::Parts,
    body: Incoming,
    started: Instant,
) -> Response<ReplyBody> {
    let Opened { mut flight, pool, upstream, target, tee, mut way, credential } = opened;
    let runtime = &worker.shared.upstreams[upstream];
    way.called(caller.tls, parts.headers.get(HOST));
    let rewriting = links::body::plan(&runtime.config, &parts.method, flight.exchange().route);
    let span = worker.ids.next();
    let upgrade = prepare(&mut parts, &mut flight, &caller, runtime.host(), span);
    if upgrade.is_some_and(|protocol| !headers::is_h2c(&protocol)) {
        return refuse(flight, AgentError::UpgradeRefused);
    }
    if rewriting.is_some() {
        // Only what is not coded can be read on the way.
        parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    parts.uri = Uri::from(target);
    let credential = credential.and_then(|slot| Some(worker.shared.gates[upstream].as_ref()?.injection(slot)));
    if credential.is_some_and(|credential| credential.put_on(&mut parts).is_none()) {
        return refuse(flight, AgentError::BadRequest);
    }
    let body = match &tee {
        Some(tee) => RequestBody::stream(body, Rc::clone(tee)),
        None => RequestBody::Empty,
    };
    let mut attempt =
        Attempt { span, start_us: 0, upstream_us: 0, status: None, error: None, connect: None, http_version: "1.1" };
    let request = Request::from_parts(parts, body);
    let sent = send(&pool, request, tee.as_deref(), runtime.timeouts(), &mut attempt, &mut flight, started);
    match sent.await {
        Ok(Answered { mut parts, body, lease, head_at }) => {
            if credential.is_some_and(|credential| credential.conceal(&mut parts.headers)) {
                worker.shared.metrics.upstream(&runtime.config.name).credential_echoed();
            }
            attempt.status = Some(parts.status.as_u16());
            let shape = Shape {
                copies: Rc::clone(&worker.copies),
                head_at,
                limit: worker.shared.capture_response,
                idle: runtime.timeouts().idle,
            };
            let names = runtime.profile().response_headers();
            flight.exchange().response.headers = headers::capture(&parts.headers, names);
            let map = links::Map::new(&worker.shared, &way);
            flight.exchange().links.left = map.head(&mut parts.headers);
            flight.answered(attempt, head_at);
            let response = answer(parts, body, lease, flight, shape);
            match rewriting {
                Some(plan) => Box::pin(links::body::rewrite(response, map, plan, &worker.copies)).await,
                None => response,
            }
        }
        Err(_) if tee.as_ref().is_some_and(|t| t.too_large()) => refuse(flight, AgentError::BodyTooLarge),
        Err(_) if let Some(reason) = caller.conn.as_ref().and_then(|conn| conn.broken()) => {
            let error = reason.of_request();
            flight.fail(error);
            reply::problem(error, Some(flight.correlation_id()), Some(reason))
        }
        Err(_) if tee.as_ref().is_some_and(|t| t.malformed()) => refuse(flight, AgentError::BadRequest),
        Err(error) if tee.as_ref().is_some_and(|t| t.failed()) => {
            flight.abandon();
            reply::problem(error, Some(flight.correlation_id()), None)
        }
        Err(error) => {
            attempt.error = Some(error);
            flight.unanswered(attempt);
            refuse(flight, error)
        }
    }
}

/// Rewrites the request's headers for the next hop.
/// Gives the protocol that the caller would rather speak, if there is one.
fn prepare(
    parts: &mut request::Parts,
    flight: &mut Flight,
    caller: &Caller,
    host: &HeaderValue,
    span: u64,
) -> Option<HeaderValue> {
    let headers = &mut parts.headers;
    let trailers = headers::takes_trailers(headers, parts.version);
    let upgrade = headers::strip_hop_by_hop(headers);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    headers.remove(router::TOKEN_HEADER);
    headers::announce(headers, caller, host, parts.version);
    let exchange = flight.exchange();
    if exchange.trace.parent.is_none() {
        // It belongs to a trace that is not continued (W3C Trace Context section 3.3).
        headers.remove(headers::TRACESTATE);
    }
    headers.insert(headers::TRACEPARENT, context::traceparent(&exchange.trace, span));
    set_correlation_id(headers, exchange.correlation_id.as_str());
    parts.version = Version::HTTP_11;
    upgrade
}

fn set_correlation_id(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(headers::CORRELATION_ID, value);
    }
}

/// Leases a connection, sends, and waits for the answer's head. A reused connection that turns out to be closed before
/// a byte was written is replaced once: the upstream cannot have seen the request. What an upstream refused unseen is sent
/// once more as an attempt of its own.
async fn send(
    pool: &Rc<Pool>,
    mut request: Request<RequestBody>,
    tee: Option<&Tee>,
    timeouts: crate::upstream::Timeouts,
    attempt: &mut Attempt,
    flight: &mut Flight,
    started: Instant,
) -> Result<Answered, AgentError> {
    let (mut fresh, mut again) = (false, false);
    loop {
        let mut lease = match pool.lease(fresh).await {
            Ok(lease) => lease,
            Err((error, times)) => {
                attempt.upstream_us = micros(started.elapsed());
                attempt.connect = Some(times);
                return Err(error);
            }
        };
        let sent_at = Instant::now();
        attempt.start_us = micros(sent_at.saturating_duration_since(started));
        attempt.connect = lease.connect;
        attempt.http_version = lease.http_version();
        flight.on_wire(Some(attempt.clone()));
        let kept = (lease.is_shared() && !again).then(|| retry::Kept::of(&request)).flatten();
        let result = head_wait::until_head(lease.send(request), tee, timeouts, sent_at).await;
        let head_at = Instant::now();
        let sent_at = tee.and_then(Tee::ended).filter(|t| *t < head_at).unwrap_or(sent_at);
        attempt.upstream_us = micros(head_at.saturating_duration_since(sent_at));
        match result {
            Ok(Ok((parts, body))) => {
                lease.works();
                return Ok(Answered { parts, body, lease, head_at });
            }
            Err(error) => return Err(error),
            Ok(Err(Failure::Unsent(unsent))) if lease.reused() && !fresh => {
                lease.discard();
                request = *unsent;
                fresh = true;
                flight.on_wire(None);
            }
            Ok(Err(Failure::Refused)) => {
                let Some(next) = kept.and_then(|k| k.request(tee)) else { return Err(AgentError::StreamRefused) };
                request = flight.send_again(attempt, next);
                again = true;
            }
            Ok(Err(failure)) => return Err(pool.blame(&failure)),
        }
    }
}

/// An answer's head, and where its body is read.
struct Answered {
    parts: Parts,
    body: AnswerBody,
    lease: Lease,
    head_at: Instant,
}

/// What the streaming of an answer needs to know.
struct Shape {
    copies: Rc<Copies>,
    head_at: Instant,
    limit: usize,
    idle: Duration,
}

fn answer(mut parts: Parts, body: AnswerBody, lease: Lease, mut flight: Flight, shape: Shape) -> Response<ReplyBody> {
    headers::strip_hop_by_hop(&mut parts.headers);
    headers::announce_reply(&mut parts.headers);
    headers::name_status(&mut parts);
    set_correlation_id(&mut parts.headers, flight.correlation_id());
    let exchange = flight.exchange();
    let now = Instant::now();
    let own = now.saturating_duration_since(shape.head_at);
    exchange.overhead_us += micros(own);
    if let Some(value) = server_timing::value(exchange) {
        parts.headers.append(headers::SERVER_TIMING, value);
    }
    parts.version = Version::HTTP_11;
    let stream = ReplyStream::new(body, lease, flight, Tee::new(shape.copies, shape.limit, now), shape.idle);
    Response::from_parts(parts, ReplyBody::Stream(Box::new(stream)))
}
