//! One caller's connection: TLS or plain text, HTTP/1.1 or HTTP/2, and its orderly end.
//!
//! Invariants: each request is carried out by the configuration in force when it begins; a drain cuts no exchange and
//! closes no connection on which a request may just be on its way.

use super::conn::{Conn, Cut};
use super::drain::{LINGER, Watch};
use super::headers::Caller;
use super::limits::HYPERS_HEADERS;
use super::tap::Tap;
use super::worker::{Current, Worker};
use super::{forward, http2, preface, tls};
use crate::telemetry::metrics::WorkerMetrics;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Who calls on this connection, by which listener, and who answers.
pub struct Seat {
    /// The listener's number.
    pub listener: usize,
    /// The peer.
    pub caller: Caller,
    current: Rc<Current>,
    worker: RefCell<Rc<Worker>>,
}

impl Seat {
    /// The worker for the next request: of the configuration in force, or of the last one that had this listener.
    pub fn worker(&self) -> Rc<Worker> {
        let mut mine = self.worker.borrow_mut();
        let now = self.current.get();
        if !Rc::ptr_eq(&mine, &now) && now.entrance(self.listener).is_some() {
            *mine = now;
        }
        Rc::clone(&mine)
    }
}

/// Serves one connection until it ends; a drain lets the running exchange finish and closes after it.
pub async fn connection(current: Rc<Current>, stream: TcpStream, listener: usize) {
    let worker = current.get();
    let _open = Open::new(worker.metrics());
    let Ok(peer) = stream.peer_addr() else { return };
    let Some(entrance) = worker.entrance(listener).cloned() else { return };
    worker.shared.keep_alive.apply(&stream);
    let caller = Caller::new(peer.ip().to_canonical(), entrance.tls.is_some());
    let watch = worker.drain.watch(listener);
    let seat = Seat { listener, caller, current, worker: RefCell::new(worker) };
    // Boxed: each of these is rarer than the last, and larger; plain HTTP/1.1 shall not carry the others' room.
    match (entrance.tls, entrance.prior_knowledge) {
        (None, false) => http1(seat, watch, stream).await,
        (None, true) => Box::pin(either(seat, watch, stream)).await,
        (Some(config), _) => Box::pin(secured(seat, watch, (config, entrance.authority), stream)).await,
    }
}

async fn secured(
    mut seat: Seat,
    mut watch: Watch,
    (config, authority): (Arc<rustls::ServerConfig>, Option<[u8; 32]>),
    stream: TcpStream,
) {
    let metrics = Arc::clone(&seat.worker().shared.metrics);
    let Some(stream) = Box::pin(tls::accept(config, stream, &mut watch, &metrics)).await else { return };
    seat.caller.certified = authority.filter(|_| tls::is_certified(&stream));
    if tls::speaks_h2(&stream) {
        Box::pin(http2::serve(seat, watch, stream)).await;
    } else {
        Box::pin(http1(seat, watch, stream)).await;
    }
}

async fn either(seat: Seat, mut watch: Watch, stream: TcpStream) {
    let head = seat.worker().shared.limits.pace.keep_alive;
    let told = tokio::select! {
        biased;
        told = tokio::time::timeout(head, preface::tell(stream)) => told,
        () = watch.lingered() => return,
    };
    // Whoever says nothing, or breaks off, is nobody's concern.
    let Ok(Ok((h2, stream))) = told else { return };
    if h2 {
        Box::pin(http2::serve(seat, watch, stream)).await;
    } else {
        Box::pin(http1(seat, watch, stream)).await;
    }
}

async fn http1<S: AsyncRead + AsyncWrite + Unpin>(seat: Seat, mut watch: Watch, stream: S) {
    let (leaving, worker) = (watch.leaving(), seat.worker());
    let conn = Rc::new(Conn::new(worker.shared.clock.elapsed()));
    let watched = worker.watchdog.watch(&conn);
    let limits = worker.shared.limits.message;
    drop(worker);
    let caller = seat.caller.clone().on(Rc::clone(&conn));
    let switched = RefCell::new(None);
    let (seat, leaving, switched, state) = (&seat, &leaving, &switched, &conn);
    let service = service_fn(|request| {
        let (worker, caller) = (seat.worker(), caller.clone());
        async move {
            let mut response = forward::handle(worker, seat.listener, caller, request).await;
            if let Some(tunnel) = response.body_mut().take_tunnel() {
                switched.replace(Some(tunnel));
                return Ok(response);
            }
            state.answered();
            if leaving.get() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    // The tap and the watchdog bound heads, in bytes and in time.
    builder.header_read_timeout(None);
    if limits.headers > HYPERS_HEADERS {
        builder.max_headers(limits.headers);
    }
    let mut connection = builder.serve_connection(TokioIo::new(Tap::new(stream, Rc::clone(&conn), limits)), service);
    let mut linger: Option<Pin<Box<Sleep>>> = None;
    let mut closing = false;
    // A broken connection shows in its exchange; one without an exchange is nobody's concern.
    let ended = std::future::poll_fn(|cx| {
        if watch.has_begun() && !closing {
            let linger = linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
            if linger.as_mut().poll(cx).is_ready() {
                closing = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
        if matches!(conn.cut(), Some(Cut::Idle | Cut::Write)) {
            return Poll::Ready(false);
        }
        conn.driven_by(cx.waker());
        watch.list(cx.waker());
        Pin::new(&mut connection).poll(cx).map(|ended| ended.is_ok())
    })
    .await;
    let Some(tunnel) = switched.take() else { return };
    if !ended {
        return tunnel.unwanted();
    }
    drop(watched);
    let parts = connection.into_parts();
    let (stream, held) = parts.io.into_inner().into_parts();
    let early = [&*parts.read_buf, &held].concat();
    Box::pin(tunnel.run(stream, &early)).await;
}

/// Counts a connection while it lives.
struct Open(Arc<WorkerMetrics>);

impl Open {
    fn new(metrics: &Arc<WorkerMetrics>) -> Self {
        metrics.connection_opened();
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connection_closed();
    }
}
