//! One exchange, from request head to answer head.

use super::added::{self, Added, Next as NextHop};
use super::body::{AnswerBody, ReplyBody, ReplyStream, RequestBody};
use super::copies::Copies;
use super::detached::Detached;
use super::flight::{Flight, micros};
use super::framing::Reason;
use super::headers::{self, Caller};
use super::injection::Injection;
use super::interim::Interim;
use super::pool::{Lease, Pool};
use super::present::{Asked, Present};
use super::sending::{Answered, Watched, send};
use super::tee::Tee;
use super::tunnel::Tunnel;
use super::upgrade::Wish;
use super::upstreams::Upstream;
use super::worker::Worker;
use super::{acceptor, context, gate, links, reply, server_timing, target};
use crate::exchange::{AgentError, Arrival, Attempt, Direction, Exchange, Headers, Kind, Links, Message, Target};
use http::header::{ACCEPT_ENCODING, HOST};
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version, request};
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
    let call = (opened.upstream, opened.flight.integration());
    match gate::pass(&worker, listener, &caller, &mut parts, call) {
        Ok(credential) => opened.credential = credential,
        Err(error) => return refuse(opened.flight, error),
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
    present: Present,
    target: PathAndQuery,
    tee: Option<Rc<Tee>>,
    way: links::Way,
    credential: Option<gate::Slot>,
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
    let present = Present::of(&parts.headers);
    let trace = context::trace(&parts.headers, present, &worker.ids, shared.trace_ratio);
    let started_us = shared.clock.wall_us();
    let correlation_id = context::correlation_id(&parts.headers, present, &trace, (&worker.ids, started_us));
    let judged = refused.map_or(Ok(()), |reason| Err(reason.of_request()));
    let checked = judged.and_then(|()| target::check(parts)).and_then(|(path, query)| {
        let routed = shared.router.route(arrival.listener as usize, path, query, &parts.headers)?;
        let target = shared.upstreams[routed.upstream].target(&parts.uri, routed.path, query)?;
        let way = links::Way::new(arrival.listener as usize, &routed);
        Ok((routed.upstream, routed.integration, routed.strip, routed.fingerprint, way, target))
    });
    let (route, (place, shard)) = match &checked {
        Ok((upstream, integration, ..)) => worker.place(*integration, *upstream, &parts.method, checked_path(&checked)),
        Err(_) => (None, worker.nowhere()),
    };
    let request_headers = captured(worker, &checked, &parts.headers);
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
            let tee = (!empty).then(|| upload_tee(worker, started, &mut flight));
            let pool = Rc::clone(&worker.pools[upstream]);
            Ok(Opened { flight, pool, upstream, present, target, tee, way, credential: None })
        }
        Err(error) => {
            let mut flight = Flight::new(Rc::clone(worker), shard, started, exchange);
            flight.fail(error);
            Err(Box::new(reply::problem(error, Some(flight.correlation_id()), refused)))
        }
    }
}

fn upload_tee(worker: &Worker, started: Instant, flight: &mut Flight) -> Rc<Tee> {
    let shared = &worker.shared;
    let tee = Tee::new(Rc::clone(&worker.copies), shared.capture_request, started);
    let tee = Rc::new(tee.at_most(shared.limits.body_bytes.unwrap_or(u64::MAX)));
    flight.upload(Rc::clone(&tee));
    tee
}

type Checked = Result<(usize, usize, Option<http::HeaderName>, Option<u64>, links::Way, PathAndQuery), AgentError>;

/// The request's headers that the profile and the masking allow-list name.
fn captured(worker: &Worker, checked: &Checked, headers: &HeaderMap) -> Headers {
    let Ok((upstream, ..)) = checked else { return Headers::default() };
    Headers::capture(headers, worker.shared.upstreams[*upstream].profile().request_headers())
}

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
    let Opened { mut flight, pool, upstream, present, target, tee, mut way, credential } = opened;
    let runtime = &worker.shared.upstreams[upstream];
    way.called(caller.tls, parts.headers.get(HOST));
    let rewriting = links::body::plan(&runtime.config, &parts.method, flight.exchange().route);
    let span = worker.ids.next();
    // "A server MUST NOT send a 1xx response to an HTTP/1.0 client."
    let informed = caller.conn.as_deref().filter(|_| parts.version == Version::HTTP_11);
    let (wish, mut added) = prepare(&mut parts, present, &mut flight, &caller, (runtime, tee.is_none()), span);
    let pool = match &wish {
        Wish::None => pool,
        Wish::Switch(_) => worker.switching(upstream),
        Wish::Refused => return refuse(flight, AgentError::UpgradeRefused),
    };
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
        Some(tee) => RequestBody::stream(body, Rc::clone(tee), flight.stream()),
        None => RequestBody::Empty,
    };
    let mut attempt =
        Attempt { span, start_us: 0, upstream_us: 0, status: None, error: None, connect: None, http_version: "1.1" };
    // Boxed: it goes through several futures, each of which would hold and move it.
    let request = Box::new(Request::from_parts(parts, body));
    let interim = Interim::to(informed, credential);
    let watched = Watched { tee: tee.as_deref(), timeouts: runtime.timeouts(), interim: &interim };
    let sent = send(&pool, request, &mut added, &watched, &mut attempt, &mut flight, started).await;
    flight.informed(&interim);
    match sent {
        Ok(answered) => {
            attempt.status = Some(answered.parts.status.as_u16());
            let next = Next { way: &way, credential, wish, rewriting };
            pass_on(&worker, runtime, answered, attempt, flight, next).await
        }
        Err(error) => unanswered(error, attempt, flight, tee.as_deref(), &caller),
    }
}

/// What an answer is turned by.
struct Next<'a> {
    way: &'a links::Way,
    credential: Option<&'a Injection>,
    wish: Wish,
    rewriting: Option<links::body::Plan<'a>>,
}

/// Turns the upstream's answer into the caller's.
async fn pass_on(
    worker: &Rc<Worker>,
    runtime: &Upstream,
    answered: Answered,
    attempt: Attempt,
    mut flight: Flight,
    next: Next<'_>,
) -> Response<ReplyBody> {
    let Answered { mut parts, body, lease, head_at } = answered;
    if next.credential.is_some_and(|credential| credential.conceal(&mut parts.headers)) {
        worker.shared.metrics.upstream(&runtime.config.name).credential_echoed();
    }
    let shape = Shape {
        copies: Rc::clone(&worker.copies),
        head_at,
        limit: worker.shared.capture_response,
        idle: runtime.timeouts().idle,
    };
    let names = runtime.profile().response_headers();
    flight.exchange().response.headers = Headers::capture(&parts.headers, names);
    let map = links::Map::new(&worker.shared, next.way);
    flight.exchange().links.left = map.head(&mut parts.headers);
    flight.answered(attempt, head_at);
    if let Wish::Switch(protocol) = next.wish
        && parts.status == StatusCode::SWITCHING_PROTOCOLS
    {
        return switch(parts, protocol, lease, flight, &shape);
    }
    let response = answer(parts, body, lease, flight, shape);
    match next.rewriting {
        Some(plan) => Box::pin(links::body::rewrite(response, map, plan, &worker.copies)).await,
        None => response,
    }
}

/// What the caller gets where the upstream gave no answer: by whoever is to blame for that.
fn unanswered(
    error: AgentError,
    mut attempt: Attempt,
    mut flight: Flight,
    tee: Option<&Tee>,
    caller: &Caller,
) -> Response<ReplyBody> {
    if tee.is_some_and(Tee::too_large) {
        return refuse(flight, AgentError::BodyTooLarge);
    }
    if let Some(reason) = caller.conn.as_ref().and_then(|conn| conn.broken()) {
        let error = reason.of_request();
        flight.fail(error);
        return reply::problem(error, Some(flight.correlation_id()), Some(reason));
    }
    if tee.is_some_and(Tee::malformed) {
        return refuse(flight, AgentError::BadRequest);
    }
    if tee.is_some_and(Tee::failed) {
        flight.abandon();
        return reply::problem(error, Some(flight.correlation_id()), None);
    }
    attempt.error = Some(error);
    flight.unanswered(attempt);
    refuse(flight, error)
}

/// Rewrites the request's headers for the next hop.
/// Gives what becomes of the caller's wish for another protocol, if it has one, and what goes beside the headers.
fn prepare(
    parts: &mut request::Parts,
    present: Present,
    flight: &mut Flight,
    caller: &Caller,
    (upstream, bodiless): (&Upstream, bool),
    span: u64,
) -> (Wish, Added) {
    let trailers = headers::takes_trailers(&parts.headers, present, parts.version);
    let offer = headers::strip_hop_by_hop(&mut parts.headers, present);
    let wish = Wish::of(offer, parts, bodiless, &upstream.config.upgrades);
    let headers = &mut parts.headers;
    let next = match &wish {
        Wish::Switch(protocol) => NextHop::Switch(protocol.clone()),
        _ if trailers => NextHop::Trailers,
        _ => NextHop::Plain,
    };
    present.remove(Asked::VIGIE_TOKEN, headers);
    let exchange = flight.exchange();
    if exchange.trace.parent.is_none() {
        // It belongs to a trace that is not continued (W3C Trace Context section 3.3).
        present.remove(Asked::TRACESTATE, headers);
    }
    let (trace, correlation_id) = (&exchange.trace, exchange.correlation_id.as_str());
    let with = added::Parts { caller, version: parts.version, upstream: upstream.host(), trace, span, correlation_id };
    let added = Added::new(headers, present, &with).tell(next);
    parts.version = Version::HTTP_11;
    (wish, added)
}

fn set_correlation_id(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(headers::CORRELATION_ID, value);
    }
}

/// What the streaming of an answer needs to know.
struct Shape {
    copies: Rc<Copies>,
    head_at: Instant,
    limit: usize,
    idle: Duration,
}

/// Rewrites an answer's headers for the caller; gives when that was done.
fn announce_answer(parts: &mut Parts, flight: &mut Flight, shape: &Shape) -> Instant {
    let present = Present::of(&parts.headers);
    headers::strip_hop_by_hop(&mut parts.headers, present);
    headers::announce_reply(&mut parts.headers, present, parts.version);
    headers::name_status(parts);
    set_correlation_id(&mut parts.headers, flight.correlation_id());
    let exchange = flight.exchange();
    let now = Instant::now();
    let own = now.saturating_duration_since(shape.head_at);
    exchange.overhead_us += micros(own);
    if let Some(value) = server_timing::value(exchange) {
        parts.headers.append(headers::SERVER_TIMING, value);
    }
    parts.version = Version::HTTP_11;
    now
}

fn answer(mut parts: Parts, body: AnswerBody, lease: Lease, mut flight: Flight, shape: Shape) -> Response<ReplyBody> {
    // HTTP/2 has no switch, and what is not the last answer was not read as one.
    if parts.status.is_informational() {
        return refuse(flight, AgentError::BadAnswer);
    }
    let now = announce_answer(&mut parts, &mut flight, &shape);
    let stream = ReplyStream::new(body, lease, flight, Tee::new(shape.copies, shape.limit, now), shape.idle);
    Response::from_parts(parts, ReplyBody::Stream(Box::new(stream)))
}

/// Passes a switch on: the connection is the tunnel's once the caller has the answer's head.
fn switch(
    mut parts: Parts,
    protocol: HeaderValue,
    lease: Lease,
    mut flight: Flight,
    shape: &Shape,
) -> Response<ReplyBody> {
    announce_answer(&mut parts, &mut flight, shape);
    headers::announce_switch(&mut parts.headers, protocol);
    let Some(switched) = lease.into_switched() else { return refuse(flight, AgentError::BadAnswer) };
    let tunnel = Tunnel::new(switched, flight, shape.idle);
    Response::from_parts(parts, ReplyBody::Switched(Some(Box::new(tunnel))))
}
