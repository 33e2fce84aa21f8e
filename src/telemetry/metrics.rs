//! Metrics: counted through handles resolved once, summed when scraped.
//!
//! Invariants: the data path touches only memory of its own worker (a [`PathShard`], a window shard), with relaxed
//! atomics; nothing it calls waits for a scrape longer than one shard's copy. Children are kept by their full label tuple,
//! never by a hash of it. Every family is bounded by the caps, and what goes beyond is counted.

mod agent;
mod certificates;
mod collector;
mod credentials;
mod dns;
mod family;
mod histogram;
mod labels;
mod links;
mod method;
mod path;
mod recorder;
mod requests;
mod shares;
mod upstream;
mod worker;

pub use agent::{
    AgentMetrics, AuditResult, Carried, ConnectionCut, ConnectionRefused, DropStage, InterimResult, LogSink, Refusal,
    SpanResult,
};
pub use certificates::{Certificates, NotAfter, Owner};
pub use credentials::CredentialInUse;
pub(crate) use histogram::Exemplar;
pub use histogram::{DURATION_BOUNDS_US, OVERHEAD_BOUNDS_US};
pub use labels::{NONE, OTHER};
pub use path::{AttemptEnd, PathShard};
pub use recorder::RecorderMetrics;
pub use upstream::{QuotaValues, UpstreamMetrics};
pub use worker::WorkerMetrics;

use crate::clock::Clock;
use crate::exchange::{Bypass, Outcome, Place, Why};
use crate::net;
use crate::telemetry::{Caps, openmetrics};
use labels::LabelCaps;
use parking_lot::{Mutex, RwLock};
use prometheus::{Registry, TextEncoder};
use shares::Shares;
use std::sync::Arc;
use std::time::Duration;

/// `Content-Type` of Prometheus' text format.
pub const TEXT_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the metrics are made for.
pub struct Options<'a> {
    /// Configured upstreams, by name.
    pub upstreams: &'a [Arc<str>],
    /// Configured integrations, by name: the first ones let in under their cap.
    pub integrations: &'a [Arc<str>],
    /// Label caps.
    pub caps: Caps,
    /// Data-path threads.
    pub workers: usize,
    /// The agent's clock.
    pub clock: Clock,
    /// The program's version.
    pub version: &'static str,
    /// The commit it was built from, or `unknown`.
    pub commit: &'static str,
}

/// Everything shared between the writers and the scrape.
struct State {
    clock: Clock,
    labels: Mutex<LabelCaps>,
    attempts: Mutex<path::Sharded<path::Attempts>>,
    durations: Mutex<path::Sharded<path::Durations>>,
    requests: Mutex<requests::Requests>,
    bypass_links: Mutex<links::BypassLinks>,
    admitted_attempts: Mutex<collector::AdmittedAttempts>,
    upstreams: RwLock<Vec<Arc<UpstreamMetrics>>>,
    /// Counts for calls that belong to no configured upstream.
    unconfigured: Arc<UpstreamMetrics>,
    workers: Vec<Arc<WorkerMetrics>>,
    recorder: RecorderMetrics,
    agent: AgentMetrics,
    dns: Arc<net::Counters>,
    credentials: credentials::Credentials,
}

/// The agent's metrics. One per process, passed as an argument.
pub struct Metrics {
    state: Arc<State>,
    registry: Registry,
}

impl Metrics {
    /// Makes every series whose labels are known from the configuration, at zero.
    pub fn new(options: Options<'_>) -> Arc<Self> {
        let state = Arc::new(State::new(&options));
        let registry = Registry::new();
        for collector in collector::all(&state) {
            // Refused only for a name registered twice, and each of these owns other names.
            registry.register(collector).expect("families are registered once");
        }
        Arc::new(Self { state, registry })
    }

    /// Metrics of an upstream `crm` and no integration.
    #[cfg(test)]
    pub fn for_tests(workers: usize, clock: Clock) -> Arc<Self> {
        let (upstreams, caps) = (&["crm".into()], Caps::default());
        Self::new(Options { upstreams, integrations: &[], caps, workers, clock, version: "0", commit: "test" })
    }

    /// The handle of `worker` for `place`. Takes locks and hashes strings: call it once and keep the handle.
    pub fn path(&self, place: &Place, worker: usize) -> Arc<PathShard> {
        let labels = self.state.labels.lock().admit(place);
        Arc::new(PathShard {
            attempts: self.state.attempts.lock().get(&labels, worker, path::Attempts::new),
            durations: self.state.durations.lock().get(&labels, worker, path::Durations::new),
            upstream: self.upstream(&place.upstream),
            worker,
        })
    }

    /// Whether a template made from a path may be a label of `upstream`: it stays one then. Counts where there is no room.
    pub fn lets_in(&self, upstream: &str, template: &str) -> bool {
        self.state.labels.lock().lets_in(upstream, template, true)
    }

    /// The counters of an upstream; those of `none` for a name that is not configured.
    pub fn upstream(&self, name: &str) -> Arc<UpstreamMetrics> {
        let upstreams = self.state.upstreams.read();
        upstreams.iter().find(|u| &**u.name() == name).unwrap_or(&self.state.unconfigured).clone()
    }

    /// All configured upstreams, in the configuration's order.
    pub fn upstreams(&self) -> Vec<Arc<UpstreamMetrics>> {
        self.state.upstreams.read().clone()
    }

    /// Lets in what another configuration names, at zero. What stays keeps its counts, also where the order changes; what
    /// is named no more still counts until [`Metrics::retire`].
    pub fn admit(&self, upstreams: &[Arc<str>], integrations: &[Arc<str>]) {
        let mut known = self.state.upstreams.write();
        let old = std::mem::take(&mut *known);
        let of = |name: &Arc<str>| old.iter().find(|u| u.name() == name).cloned();
        let workers = self.state.workers.len();
        let new = |name: &Arc<str>| Arc::new(UpstreamMetrics::new(name.clone(), workers, self.now()));
        *known = upstreams.iter().map(|name| of(name).unwrap_or_else(|| new(name))).collect();
        known.extend(old.into_iter().filter(|u| !upstreams.contains(u.name())));
        self.state.labels.lock().let_in(upstreams, integrations);
        self.state.attempts.lock().let_in(upstreams);
        self.state.durations.lock().let_in(upstreams);
        self.state.requests.lock().let_in(upstreams);
        self.state.admitted_attempts.lock().let_in(upstreams);
    }

    /// Forgets every series of upstreams other than these. Handles that are still held count for nobody.
    pub fn retire(&self, upstreams: &[Arc<str>]) {
        let stays = |name: &Arc<str>| upstreams.contains(name) || **name == *NONE;
        self.state.upstreams.write().retain(|u| stays(u.name()));
        self.state.labels.lock().retain(stays);
        self.state.attempts.lock().retain(stays);
        self.state.durations.lock().retain(stays);
        self.state.requests.lock().retain(stays);
        self.state.bypass_links.lock().retain(stays);
        self.state.admitted_attempts.lock().retain(stays);
    }

    /// The gauges of one data-path thread.
    pub fn worker(&self, index: usize) -> Arc<WorkerMetrics> {
        self.state.workers[index % self.state.workers.len()].clone()
    }

    /// All data-path threads, for `/live`.
    pub fn workers(&self) -> &[Arc<WorkerMetrics>] {
        &self.state.workers
    }

    /// The recorder's counters.
    pub fn recorder(&self) -> &RecorderMetrics {
        &self.state.recorder
    }

    /// Counters of log, history, spans and configuration.
    pub fn agent(&self) -> &AgentMetrics {
        &self.state.agent
    }

    /// Counters of name resolution.
    pub fn dns(&self) -> &Arc<net::Counters> {
        &self.state.dns
    }

    /// Counts an exchange whose outcome is known. For the recorder: it takes a lock that a scrape also takes.
    pub fn request(&self, place: &Place, method: &str, status_code: u16, outcome: Outcome) {
        self.state.requests.lock().count(place, &self.state.labels, method, status_code, outcome);
        self.upstream(&place.upstream).count_outcome(outcome);
    }

    /// Counts a link that leads past the agent. For the recorder, as [`Metrics::request`].
    pub fn bypass_link(&self, place: &Place, link: &Bypass) {
        self.state.bypass_links.lock().count(place, &self.state.labels, link);
    }

    /// Sets what is known of an upstream's quota window.
    pub fn set_quota(&self, upstream: &str, window: &str, values: QuotaValues) {
        self.upstream(upstream).set_quota(window, values);
    }

    /// Tells which credentials are put on calls from now on.
    pub fn set_credentials(&self, credentials: Vec<CredentialInUse>) {
        self.state.credentials.set(credentials);
    }

    /// The agent's monotonic time.
    pub fn now(&self) -> Duration {
        self.state.clock.elapsed()
    }

    /// One scrape: content type and body. OpenMetrics only where `accept` (the request's `Accept`) asks for it.
    pub fn render(&self, accept: Option<&str>) -> (&'static str, Vec<u8>) {
        let families = self.registry.gather();
        if accept.is_some_and(openmetrics::is_preferred) {
            let exemplars = collector::exemplars(&self.state);
            return (openmetrics::CONTENT_TYPE, openmetrics::encode(&families, &exemplars).into_bytes());
        }
        let mut text = String::new();
        // Fails only for a family without name or samples, and gathering drops those.
        TextEncoder::new().encode_utf8(&families, &mut text).expect("gathered families are complete");
        (TEXT_CONTENT_TYPE, text.into_bytes())
    }
}

impl State {
    fn new(options: &Options<'_>) -> Self {
        let Options { upstreams, integrations, caps, clock, version, commit, .. } = options;
        let (workers, now) = (options.workers.max(1), clock.elapsed());
        let upstream = |name: &Arc<str>| Arc::new(UpstreamMetrics::new(name.clone(), workers, now));
        // Room for the `other` series themselves, so that a family never holds more than its cap.
        let others = upstreams.len() + 1;
        let shares =
            |lines: usize, others: usize| Shares::new((caps.series / lines).saturating_sub(others).max(1), upstreams);
        Self {
            clock: clock.clone(),
            labels: Mutex::new(LabelCaps::new(*caps, integrations, upstreams)),
            attempts: Mutex::new(path::Sharded::new(shares(1, others), workers)),
            durations: Mutex::new(path::Sharded::new(shares(histogram::LINES, others), workers)),
            requests: Mutex::new(requests::Requests::new(shares(1, others * Outcome::ALL.len()))),
            bypass_links: Mutex::new(links::BypassLinks::new(
                caps.series.saturating_sub(others * Why::ALL.len()).max(1),
            )),
            admitted_attempts: Mutex::new(collector::AdmittedAttempts::new(shares(1, others))),
            upstreams: RwLock::new(upstreams.iter().map(upstream).collect()),
            unconfigured: upstream(&NONE.into()),
            workers: (0..workers).map(|_| Arc::new(WorkerMetrics::new(now))).collect(),
            recorder: RecorderMetrics::default(),
            agent: AgentMetrics::new(version, commit, clock.wall_us()),
            dns: Arc::default(),
            credentials: credentials::Credentials::default(),
        }
    }
}

#[cfg(test)]
mod tests;
