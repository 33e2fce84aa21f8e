//! One data-path thread: a current-thread runtime, its own connection pools and metric shards, nothing shared on the way.

use super::conn::{Conn, Cut};
use super::copies::Copies;
use super::drain::Drain;
use super::forward;
use super::headers::Caller;
use super::limits::{HYPERS_HEADERS, Limits};
use super::places::Places;
use super::pool::Pool;
use super::router::Router;
use super::tap::Tap;
use super::watchdog::Watchdog;
use super::{context, upstreams};
use crate::clock::Clock;
use crate::exchange::{Exchange, Place};
use crate::recorder;
use crate::telemetry::metrics::{Metrics, PathShard, WorkerMetrics};
use crate::vendors::RouteMatch;
use http::Method;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

/// What all workers read and none writes.
pub struct Shared {
    /// Attribution and routing.
    pub router: Router,
    /// Upstreams, in the configuration's order.
    pub upstreams: Vec<upstreams::Upstream>,
    /// Labels.
    pub places: Places,
    /// Metric families.
    pub metrics: Arc<Metrics>,
    /// Where finished exchanges go.
    pub recorder: recorder::Handle,
    /// Wall and monotonic time.
    pub clock: Clock,
    /// Share of traces kept where no parent decided.
    pub trace_ratio: f64,
    /// Bytes of a request body copied.
    pub capture_request: usize,
    /// Bytes of an answer body copied.
    pub capture_response: usize,
    /// Bytes of all body copies of one worker's running exchanges.
    pub capture_share: usize,
    /// What one caller may take.
    pub limits: Limits,
}

type Spot = (Arc<Place>, Arc<PathShard>);

/// One worker's state.
pub struct Worker {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// One pool an upstream.
    pub pools: Vec<Rc<Pool>>,
    /// Span ids.
    pub ids: context::SpanIds,
    /// Tells the connections to finish.
    pub drain: Rc<Drain>,
    /// Room for body copies.
    pub copies: Rc<Copies>,
    watchdog: Rc<Watchdog>,
    index: usize,
    known: RefCell<HashMap<(u16, u16, u16), Spot>>,
    generic: RefCell<HashMap<(u16, u16, String), Spot>>,
    metrics: Arc<WorkerMetrics>,
    closing: Cell<bool>,
    tasks: TaskTracker,
}

/// Generic routes a worker remembers; beyond, each look-up asks the shared registry, which folds.
const MAX_REMEMBERED: usize = 1_000;

impl Worker {
    /// A worker over the shared state; call it on the worker's own thread.
    pub fn new(shared: Arc<Shared>, index: usize) -> Rc<Self> {
        let pools = shared.upstreams.iter().map(|u| Rc::new(Pool::new(u.config.clone(), u.dialer.clone()))).collect();
        let metrics = shared.metrics.worker(index);
        Rc::new(Self {
            pools,
            ids: context::SpanIds::new(index),
            drain: Rc::default(),
            copies: Rc::new(Copies::new(shared.capture_share)),
            watchdog: Rc::new(Watchdog::new(shared.limits.pace, shared.clock.elapsed())),
            index,
            known: RefCell::default(),
            generic: RefCell::default(),
            metrics,
            closing: Cell::new(false),
            tasks: TaskTracker::new(),
            shared,
        })
    }

    /// Route, place and metric shard of a request.
    pub fn place(&self, integration: usize, upstream: usize, method: &Method, path: &str) -> (Option<u16>, Spot) {
        let profile = self.shared.upstreams[upstream].profile();
        match profile.route(method, path) {
            RouteMatch::Known(route) => {
                let key = (integration as u16, upstream as u16, route.index);
                if let Some(spot) = self.known.borrow().get(&key) {
                    return (Some(route.index), spot.clone());
                }
                let spot = self.resolve(integration, upstream, &route.template);
                self.known.borrow_mut().insert(key, spot.clone());
                (Some(route.index), spot)
            }
            RouteMatch::Generic(route) => {
                let key = (integration as u16, upstream as u16, route);
                if let Some(spot) = self.generic.borrow().get(&key) {
                    return (None, spot.clone());
                }
                let spot = self.resolve(integration, upstream, &key.2);
                if self.generic.borrow().len() < MAX_REMEMBERED {
                    self.generic.borrow_mut().insert(key, spot.clone());
                }
                (None, spot)
            }
        }
    }

    fn resolve(&self, integration: usize, upstream: usize, route: &str) -> Spot {
        let integration = self.shared.router.integration(integration);
        let upstream = &self.shared.upstreams[upstream].config.name;
        self.spot(&integration.name, &integration.system, upstream, route)
    }

    fn spot(&self, integration: &Arc<str>, system: &Arc<str>, upstream: &Arc<str>, route: &str) -> Spot {
        let place = self.shared.places.get(integration, system, upstream, route);
        let shard = self.shared.metrics.path(&place, self.index);
        (place, shard)
    }

    /// The place of requests that have none: refused before an upstream was found.
    pub fn nowhere(&self) -> Spot {
        let unknown = self.shared.router.integration(super::router::UNKNOWN);
        self.spot(&unknown.name, &unknown.system, &Arc::from("none"), "none")
    }

    /// An exchange began.
    pub fn began(&self) {
        self.metrics.exchange_started();
    }

    /// An exchange ended.
    pub fn ended(&self) {
        self.metrics.exchange_ended();
    }

    /// Hands a finished exchange on. Never waits; false when there was no room.
    pub fn record(&self, exchange: Box<Exchange>) -> bool {
        self.shared.recorder.record(self.index, exchange)
    }

    /// Runs a task on this thread, unless the thread is about to end: then the task is dropped, which records what it held.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        if !self.closing.get() {
            self.tasks.spawn_local(task);
        }
    }

    /// Waits until every connection and every answer still read on has ended, for `grace` at most; then nothing more is
    /// spawned. Gives the number of tasks cut.
    pub async fn finish(&self, grace: Duration, beat: &mut tokio::time::Interval) -> usize {
        self.tasks.close();
        let ended = async {
            loop {
                tokio::select! {
                    biased;
                    () = self.tasks.wait() => return,
                    // A long drain is no reason to be killed.
                    _ = beat.tick() => self.beat(),
                }
            }
        };
        let _ = tokio::time::timeout(grace, ended).await;
        self.closing.set(true);
        self.tasks.len()
    }

    /// Tells `/live` that this thread still runs, and looks after its connections.
    pub fn beat(&self) {
        let now = self.shared.clock.elapsed();
        self.metrics.beat(now);
        self.watchdog.look(now);
    }

    /// Serves one connection until it ends; a drain lets the running exchange finish and closes after it.
    pub async fn serve(self: Rc<Self>, stream: TcpStream, listener: usize) {
        let _open = Open::new(&self.metrics);
        let Ok(peer) = stream.peer_addr() else { return };
        // Small answers must not wait for the caller's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let conn = Rc::new(Conn::new(self.shared.clock.elapsed()));
        let _watched = self.watchdog.watch(&conn);
        let caller = Caller::new(peer.ip().to_canonical(), false).on(Rc::clone(&conn));
        let limits = self.shared.limits.message;
        let service = service_fn(|request| {
            let (worker, caller) = (Rc::clone(&self), caller.clone());
            async move { Ok::<_, std::convert::Infallible>(forward::handle(worker, listener, caller, request).await) }
        });
        let mut builder = http1::Builder::new();
        // The tap and the watchdog bound heads, in bytes and in time.
        builder.header_read_timeout(None);
        if limits.headers > HYPERS_HEADERS {
            builder.max_headers(limits.headers);
        }
        let connection = builder.serve_connection(TokioIo::new(Tap::new(stream, Rc::clone(&conn), limits)), service);
        let mut connection = std::pin::pin!(connection);
        let mut watch = self.drain.watch();
        let mut draining = false;
        // A broken connection shows in its exchange; one without an exchange is nobody's concern.
        let _ = std::future::poll_fn(|cx| {
            if watch.has_begun() && !draining {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            if matches!(conn.cut(), Some(Cut::Idle | Cut::Write)) {
                return Poll::Ready(Ok(()));
            }
            conn.driven_by(cx.waker());
            watch.list(cx.waker());
            connection.as_mut().poll(cx)
        })
        .await;
    }
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
