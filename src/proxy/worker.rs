//! One data-path thread: a current-thread runtime, its own connection pools and metric shards, nothing shared on the way.

use super::copies::Copies;
use super::drain::Drain;
use super::gate::Gate;
use super::h1;
use super::injection::Injection;
use super::limits::Limits;
use super::places::{self, Places};
use super::pool::Pool;
use super::router::Router;
use super::watchdog::Watchdog;
use super::{context, links, upstreams};
use crate::clock::Clock;
use crate::exchange::{Exchange, Labelled, Place};
use crate::net::KeepAlive;
use crate::recorder;
use crate::telemetry::metrics::{CredentialInUse, Metrics, NONE, OTHER, PathShard, WorkerMetrics};
use crate::vendors::RouteMatch;
use foldhash::fast::RandomState as FastHash;
use http::Method;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// What all workers read and none writes: one configuration, made ready. A reload makes another.
pub struct Shared {
    /// Listeners by number; `None` for one that is gone.
    pub entrances: Vec<Option<Entrance>>,
    /// HTTP/2 streams a caller's connection may have open.
    pub max_streams: u32,
    /// How long running exchanges may go on after SIGTERM.
    pub grace: Duration,
    /// Attribution and routing.
    pub router: Router,
    /// Upstreams, in the configuration's order.
    pub upstreams: Vec<upstreams::Upstream>,
    /// What stands before each upstream, where anything does.
    pub gates: Vec<Option<Gate>>,
    /// Labels.
    pub places: Places,
    /// Where links in answers lead.
    pub links: links::Places,
    /// Metric families.
    pub metrics: Arc<Metrics>,
    /// Where finished exchanges go.
    pub recorder: recorder::Handle,
    /// Wall and monotonic time.
    pub clock: Clock,
    /// How silent connections of callers are probed.
    pub keep_alive: KeepAlive,
    /// Share of traces kept where no parent decided.
    pub trace_ratio: f64,
    /// How long a write is followed after its caller left.
    pub afterlife: Duration,
    /// Bytes of a request body copied.
    pub capture_request: usize,
    /// Bytes of an answer body copied.
    pub capture_response: usize,
    /// Bytes of all body copies of one worker's running exchanges.
    pub capture_share: usize,
    /// What one caller may take.
    pub limits: Limits,
}

impl Shared {
    /// Every credential that is put on calls.
    pub fn credentials(&self) -> Vec<CredentialInUse> {
        let gates =
            self.upstreams.iter().zip(&self.gates).filter_map(|(upstream, gate)| Some((upstream, gate.as_ref()?)));
        let of = |(upstream, gate): (&upstreams::Upstream, &Gate)| {
            let name = Arc::clone(&upstream.config.name);
            let in_use = |(integration, injection): (Option<&Arc<str>>, &Injection)| CredentialInUse {
                upstream: Arc::clone(&name),
                integration: integration.cloned(),
                fingerprint: injection.fingerprint(),
            };
            gate.injections().map(in_use).collect::<Vec<_>>()
        };
        gates.flat_map(of).collect()
    }
}

/// How callers are spoken to on one listener.
#[derive(Clone)]
pub struct Entrance {
    /// Set when they speak TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// HTTP/2 is understood in plain text.
    pub prior_knowledge: bool,
    /// Only programs of this machine, or of this pod, can connect.
    pub loopback: bool,
    /// Hash of the authorities that callers' certificates must come from.
    pub authority: Option<[u8; 32]>,
}

/// The worker for what begins now.
pub struct Current(RefCell<Rc<Worker>>);

impl Current {
    /// Starts with `worker`.
    pub fn new(worker: Rc<Worker>) -> Rc<Self> {
        Rc::new(Self(RefCell::new(worker)))
    }

    /// The worker of the configuration in force.
    pub fn get(&self) -> Rc<Worker> {
        Rc::clone(&self.0.borrow())
    }

    /// Puts another configuration in force: connections of listeners that it no longer has are told to finish.
    pub fn renew(&self, shared: Arc<Shared>) {
        let old = self.get();
        let new = old.renewed(shared);
        for listener in (0..old.shared.entrances.len()).filter(|l| old.entrance(*l).is_some()) {
            if new.entrance(listener).is_none() {
                new.drain.close(listener);
            }
        }
        for pool in old.pools.iter().filter(|pool| !new.pools.iter().any(|kept| Rc::ptr_eq(kept, pool))) {
            pool.retire();
        }
        self.0.replace(new);
    }
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
    /// Looks after callers' connections.
    pub watchdog: Rc<Watchdog>,
    /// Buffers of its HTTP/1.1 connections.
    scratch: Rc<h1::Scratch>,
    index: usize,
    known: RefCell<HashMap<(u16, u16, u16), Spot, FastHash>>,
    generic: RefCell<HashMap<(u16, u16, String), Spot>>,
    metrics: Arc<WorkerMetrics>,
    closing: Rc<Cell<bool>>,
    tasks: TaskTracker,
}

/// Templates of paths that a worker remembers, of those that metrics let in; the others ask each time.
const MAX_REMEMBERED: usize = 1_000;

/// The number, beside those of a profile's routes, of what stands for all templates that metrics have no room for. A
/// profile has far fewer.
const UNLISTED: u16 = u16::MAX;

impl Worker {
    /// A worker over the shared state; call it on the worker's own thread.
    pub fn new(shared: Arc<Shared>, index: usize) -> Rc<Self> {
        let scratch = Rc::default();
        let pools = shared.upstreams.iter().map(|upstream| pool(upstream, &scratch)).collect();
        let metrics = shared.metrics.worker(index);
        Rc::new(Self {
            pools,
            ids: context::SpanIds::new(index),
            drain: Rc::default(),
            copies: Rc::new(Copies::new(shared.capture_share)),
            watchdog: Rc::new(Watchdog::new(shared.limits.pace, shared.clock.elapsed())),
            index,
            scratch,
            known: RefCell::default(),
            generic: RefCell::default(),
            metrics,
            closing: Rc::default(),
            tasks: TaskTracker::new(),
            shared,
        })
    }

    /// The same thread under another configuration. Connections to upstreams that stay as they were are kept.
    fn renewed(&self, shared: Arc<Shared>) -> Rc<Self> {
        let same = |new: &upstreams::Upstream| {
            let old = self.shared.upstreams.iter().position(|old| old.is_called_as(new));
            old.map_or_else(|| pool(new, &self.scratch), |at| Rc::clone(&self.pools[at]))
        };
        let pools = shared.upstreams.iter().map(same).collect();
        self.watchdog.pace(shared.limits.pace);
        Rc::new(Self {
            pools,
            ids: context::SpanIds::new(self.index),
            drain: Rc::clone(&self.drain),
            copies: Rc::new(Copies::new(shared.capture_share)),
            watchdog: Rc::clone(&self.watchdog),
            index: self.index,
            scratch: Rc::clone(&self.scratch),
            known: RefCell::default(),
            generic: RefCell::default(),
            metrics: Arc::clone(&self.metrics),
            closing: Rc::clone(&self.closing),
            tasks: self.tasks.clone(),
            shared,
        })
    }

    /// Where a connection comes from that is to be switched to another protocol.
    pub fn switching(&self, upstream: usize) -> Rc<Pool> {
        let own = self.shared.upstreams[upstream].switching(&self.scratch);
        own.unwrap_or_else(|| Rc::clone(&self.pools[upstream]))
    }

    /// How callers are spoken to on `listener`, if this configuration has it.
    pub fn entrance(&self, listener: usize) -> Option<&Entrance> {
        self.shared.entrances.get(listener)?.as_ref()
    }

    /// The thread's gauges.
    pub fn metrics(&self) -> &Arc<WorkerMetrics> {
        &self.metrics
    }

    /// Route, place and metric shard of a request.
    pub fn place(&self, integration: usize, upstream: usize, method: &Method, path: &str) -> (Option<u16>, Spot) {
        let profile = self.shared.upstreams[upstream].profile();
        match profile.route(method, path) {
            RouteMatch::Known(route) => {
                let key = (integration as u16, upstream as u16, route.index);
                (Some(route.index), self.numbered(key, &route.template, Labelled::Known))
            }
            RouteMatch::Generic(route) => (None, self.templated((integration as u16, upstream as u16, route))),
        }
    }

    fn numbered(&self, key: (u16, u16, u16), route: &str, labelled: Labelled) -> Spot {
        if let Some(spot) = self.known.borrow().get(&key) {
            return spot.clone();
        }
        let spot = self.resolve(key.0, key.1, route, labelled);
        self.known.borrow_mut().insert(key, spot.clone());
        spot
    }

    fn templated(&self, key: (u16, u16, String)) -> Spot {
        if let Some(spot) = self.generic.borrow().get(&key) {
            return spot.clone();
        }
        let (integration, upstream, route) = &key;
        let name = &self.shared.upstreams[usize::from(*upstream)].config.name;
        if !self.shared.metrics.lets_in(name, route) {
            let (others, shard) = self.numbered((*integration, *upstream, UNLISTED), OTHER, Labelled::Other);
            return (Arc::new(others.of_route(route)), shard);
        }
        let spot = self.resolve(*integration, *upstream, route, Labelled::Generic);
        if self.generic.borrow().len() < MAX_REMEMBERED {
            self.generic.borrow_mut().insert(key, spot.clone());
        }
        spot
    }

    fn resolve(&self, integration: u16, upstream: u16, route: &str, labelled: Labelled) -> Spot {
        let upstream = &self.shared.upstreams[usize::from(upstream)].config.name;
        self.spot(usize::from(integration), upstream, route, labelled)
    }

    fn spot(&self, integration: usize, upstream: &Arc<str>, route: &str, labelled: Labelled) -> Spot {
        let integration = self.shared.router.integration(integration);
        let caller = places::Caller { integration: &integration.name, system: &integration.system };
        let place = self.shared.places.get(&caller, upstream, route, labelled);
        let shard = self.shared.metrics.path(&place, self.index);
        (place, shard)
    }

    /// The place of requests that have none: refused before an upstream was found.
    pub fn nowhere(&self) -> Spot {
        self.spot(super::router::UNKNOWN, &Arc::from(NONE), NONE, Labelled::Known)
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
}

fn pool(upstream: &upstreams::Upstream, scratch: &Rc<h1::Scratch>) -> Rc<Pool> {
    Rc::new(Pool::new(upstream.config.clone(), upstream.dialer.clone(), Rc::clone(scratch)))
}
