//! Callers that speak HTTP/2: many exchanges on one connection, bounded so that no one of them takes it all.

use super::body::ReplyBody;
use super::conn::Conn;
use super::drain::Watch;
use super::forward;
use super::serve::Seat;
use super::streams::Tasks;
use crate::telemetry::metrics::ConnectionCut;
use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};

/// Callers are pinged this often, so that one that is gone does not keep its streams.
const PING: Duration = Duration::from_secs(20);
/// Time for the answer to a ping.
const PONG: Duration = Duration::from_secs(20);
/// Bytes of a request's headers, decoded, names and values and 32 each (RFC 9113 section 6.5.2): four times what the usual
/// servers take.
const HEADER_LIST: u32 = 64 << 10;
/// Bytes one stream may send ahead of the upstream: an upload at full speed over 20 ms of round trip is 25 MB/s.
const STREAM_WINDOW: u32 = 512 << 10;
/// Bytes all streams of a connection may send ahead together: what one caller can make the agent hold.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes of an answer that wait for a caller that does not read.
const SEND_BUFFER: usize = 128 << 10;
/// Streams that a caller may reset before they were looked at (CVE-2023-44487 lives on these).
const RESETS_UNSEEN: usize = 20;
/// Streams that may be reset for errors of the caller's.
const RESETS_FOR_ERRORS: usize = 200;
/// Exchanges that a caller may abandon on one connection, unless those it waited for are more.
const ABANDONED: u32 = 200;

/// How long a drain waits for a caller that has not asked for anything to say that it heard of the end: two round trips.
const GREETED: Duration = Duration::from_secs(1);

/// What is known of one connection's streams.
struct Streams {
    begun_at: Cell<Option<Instant>>,
    answered: Cell<u32>,
    abandoned: Cell<u32>,
}

impl Streams {
    /// A caller that keeps asking and leaving costs the CRM work that nobody waits for.
    fn are_a_flood(&self) -> bool {
        let abandoned = self.abandoned.get();
        abandoned > ABANDONED && abandoned > self.answered.get()
    }
}

/// Serves until the caller leaves, is idle for too long, or a drain is over.
pub async fn serve<S>(seat: Seat, mut watch: Watch, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let metrics = std::sync::Arc::clone(&seat.worker().shared.metrics);
    let max_streams = seat.worker().shared.max_streams;
    let keep_alive = seat.worker().shared.limits.pace.keep_alive;
    let context =
        Rc::new((seat, Streams { begun_at: Cell::new(None), answered: Cell::new(0), abandoned: Cell::new(0) }));
    let serving = Rc::clone(&context);
    let tasks = Tasks::default();
    let running = tasks.clone();
    let service = service_fn(move |request| {
        let context = Rc::clone(&serving);
        let tasks = tasks.clone();
        async move { Ok::<_, Infallible>(answer(&context.0, &context.1, &tasks, request).await) }
    });
    let streams = &context.1;
    let connection = builder(max_streams, running.clone()).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut look = std::pin::pin!(tokio::time::sleep(keep_alive));
    let (mut closing, mut closing_idle) = (false, false);
    let ended = std::future::poll_fn(|cx| {
        if watch.has_begun() && !closing {
            closing = true;
            connection.as_mut().graceful_shutdown();
            if streams.begun_at.get().is_none() {
                look.as_mut().reset((Instant::now() + GREETED).into());
            }
        }
        watch.list(cx.waker());
        let polled = connection.as_mut().poll(cx).map(Some);
        if polled.is_pending() && streams.are_a_flood() {
            metrics.agent().connection_cut(ConnectionCut::Abandoned);
            return std::task::Poll::Ready(None);
        }
        while polled.is_pending() && look.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            // It never sent a request: there is nothing to finish.
            let Some(begun_at) = streams.begun_at.get() else { return std::task::Poll::Ready(None) };
            let due = begun_at + keep_alive;
            // All was answered long ago, and what is still there is not read: nobody waits for it.
            if closing_idle && running.running() == 0 {
                metrics.agent().connection_cut(ConnectionCut::Unread);
                return std::task::Poll::Ready(None);
            }
            if due <= now {
                closing_idle = true;
                connection.as_mut().graceful_shutdown();
            }
            look.as_mut().reset(due.max(now + keep_alive / 4).into());
        }
        polled
    })
    .await;
    if let Some(Err(error)) = ended
        && is_calm_enhanced(&error)
    {
        metrics.agent().connection_cut(ConnectionCut::ResetFlood);
    }
}

fn builder(max_streams: u32, tasks: Tasks) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(max_streams)
        .max_header_list_size(HEADER_LIST)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS_UNSEEN)
        .max_local_error_reset_streams(RESETS_FOR_ERRORS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    builder
}

fn is_calm_enhanced(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|e| e.downcast_ref::<h2::Error>());
    cause.and_then(h2::Error::reason) == Some(h2::Reason::ENHANCE_YOUR_CALM)
}

async fn answer(seat: &Seat, streams: &Streams, tasks: &Tasks, mut request: Request<Incoming>) -> Response<ReplyBody> {
    let worker = seat.worker();
    let stream = Rc::new(Conn::stream(worker.shared.clock.elapsed()));
    tasks.carries(Rc::clone(&stream), worker.watchdog.watch(&stream));
    streams.begun_at.set(Some(Instant::now()));
    let mut waited = Waited { streams, for_answer: false };
    let (headers, uri) = head(&mut request);
    name_host(headers, &uri);
    join_cookies(headers);
    let response = forward::handle(worker, seat.listener, seat.caller.clone().on(stream), request).await;
    waited.for_answer = true;
    response
}

fn head(request: &mut Request<Incoming>) -> (&mut HeaderMap, Uri) {
    let uri = request.uri().clone();
    (request.headers_mut(), uri)
}

/// Notes whether the caller waited for the answer.
struct Waited<'a> {
    streams: &'a Streams,
    for_answer: bool,
}

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        let count = if self.for_answer { &self.streams.answered } else { &self.streams.abandoned };
        count.set(count.get().saturating_add(1));
    }
}

/// `:authority` is what `Host` says in HTTP/1.1 (RFC 9113 section 8.3.1); where both are sent they must agree, which is
/// checked as for an absolute target.
fn name_host(headers: &mut HeaderMap, uri: &Uri) {
    if headers.contains_key(HOST) {
        return;
    }
    if let Some(host) = uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok()) {
        headers.insert(HOST, host);
    }
}

/// HTTP/2 may split `Cookie` in crumbs; HTTP/1.1 knows one line (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(mut joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crumbs_become_one_line() {
        let mut headers = HeaderMap::new();
        for crumb in ["a=1", "b=2; c=3"] {
            headers.append(COOKIE, HeaderValue::from_static(crumb));
        }
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn the_authority_is_the_host_where_none_is_sent() {
        let uri = Uri::from_static("https://crm.example:8443/api");
        let mut headers = HeaderMap::new();
        name_host(&mut headers, &uri);
        assert_eq!(headers[HOST], "crm.example:8443");
        headers.insert(HOST, HeaderValue::from_static("other"));
        name_host(&mut headers, &uri);
        assert_eq!(headers[HOST], "other", "the contradiction stays, to be refused");
    }

    #[test]
    fn a_caller_that_leaves_more_than_it_waits_is_a_flood() {
        let streams = Streams {
            begun_at: Cell::new(None),
            answered: Cell::new(ABANDONED * 2),
            abandoned: Cell::new(ABANDONED + 1),
        };
        assert!(!streams.are_a_flood());
        streams.answered.set(0);
        assert!(streams.are_a_flood());
    }
}
