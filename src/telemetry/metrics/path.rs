//! What the data path counts for one (integration, upstream, route), a shard per worker.

use super::histogram::{self, DURATION_BOUNDS_US, Exemplar, OVERHEAD_BOUNDS_US, Snapshot};
use super::labels::Labels;
use super::method;
use super::shares::Shares;
use super::upstream::UpstreamMetrics;
use crate::exchange::{AgentError, Outcome, is_timed};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Statuses with a counter of their own; others (rare) share a small map. 0 is "no answer".
const STATUSES: [u16; 36] = [
    0, 200, 201, 202, 203, 204, 206, 207, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409,
    410, 412, 413, 415, 422, 423, 424, 429, 500, 501, 502, 503, 504,
];

/// Status → index in `STATUSES`, `NO_SLOT` for the others.
const SLOT_OF: [u8; 600] = {
    let mut table = [NO_SLOT; 600];
    let mut i = 0;
    while i < STATUSES.len() {
        table[STATUSES[i] as usize] = i as u8;
        i += 1;
    }
    table
};
const NO_SLOT: u8 = u8::MAX;

/// Attempts by status.
pub(super) struct Attempts {
    common: [AtomicU64; STATUSES.len()],
    rare: Mutex<BTreeMap<u16, u64>>,
    /// Exchanges that the recorder's queue had no room for, by method and status.
    unrecorded: Mutex<HashMap<(u8, u16), u64>>,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self {
            common: [const { AtomicU64::new(0) }; STATUSES.len()],
            rare: Mutex::default(),
            unrecorded: Mutex::default(),
        }
    }

    fn add(&self, status: u16) {
        match SLOT_OF.get(usize::from(status)) {
            Some(&slot) if slot != NO_SLOT => {
                self.common[usize::from(slot)].fetch_add(1, Ordering::Relaxed);
            }
            _ => *self.rare.lock().entry(status).or_default() += 1,
        }
    }

    /// Calls `each` with every status seen and its count.
    pub(super) fn for_each(&self, mut each: impl FnMut(u16, u64)) {
        for (status, count) in STATUSES.iter().zip(&self.common) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                each(*status, count);
            }
        }
        self.rare.lock().iter().for_each(|(status, count)| each(*status, *count));
    }

    pub(super) fn for_each_unrecorded(&self, mut each: impl FnMut(u8, u16, u64)) {
        self.unrecorded.lock().iter().for_each(|((method, status), count)| each(*method, *status, *count));
    }
}

/// The three histograms.
pub(super) struct Durations {
    request: histogram::Shard,
    upstream: histogram::Shard,
    overhead: histogram::Shard,
}

/// Sums of [`Durations`].
#[derive(Default)]
pub(super) struct DurationsSnapshot {
    pub(super) request: Snapshot,
    pub(super) upstream: Snapshot,
    pub(super) overhead: Snapshot,
}

impl Durations {
    pub(super) fn new() -> Self {
        Self {
            request: histogram::Shard::new(&DURATION_BOUNDS_US),
            upstream: histogram::Shard::new(&DURATION_BOUNDS_US),
            overhead: histogram::Shard::new(&OVERHEAD_BOUNDS_US),
        }
    }

    pub(super) fn add_to(&self, snapshot: &mut DurationsSnapshot) {
        self.request.add_to(&mut snapshot.request);
        self.upstream.add_to(&mut snapshot.upstream);
        self.overhead.add_to(&mut snapshot.overhead);
    }
}

/// How one attempt ended, as the data path knows it.
#[derive(Clone, Copy, Debug)]
pub struct AttemptEnd {
    /// The upstream's status, when an answer head came.
    pub status: Option<u16>,
    /// Why there was no (complete) answer.
    pub error: Option<AgentError>,
    /// Request sent → answer head, microseconds; for a time-out, the time until it struck; where the caller left, how long
    /// the answer was waited for.
    pub upstream_us: u64,
    /// When the head came or the failure was known, on the agent's clock.
    pub at: Duration,
}

impl AttemptEnd {
    /// Whether a request was on the wire: a connection that was never made carried none.
    fn was_sent(&self) -> bool {
        self.status.is_some() || !self.error.is_some_and(AgentError::prevents_sending)
    }

    /// Whether its time is the vendor's.
    fn is_timed(&self) -> bool {
        is_timed(self.status, self.error, self.upstream_us)
    }

    /// Connect, TLS and time-out failures: what the `upstream_unreachable` rule counts. A standstill before the head is the
    /// caller's.
    fn is_unreachable(&self) -> bool {
        !self.was_sent() || (self.status.is_none() && self.error == Some(AgentError::HeadTimeout))
    }
}

/// One worker's handle for one place. Every method is a few relaxed atomics on memory that no other worker writes;
/// none waits, none allocates on its usual path. Writing from another thread is correct, only slower.
#[repr(align(128))]
pub struct PathShard {
    pub(super) attempts: Arc<Attempts>,
    pub(super) durations: Arc<Durations>,
    pub(super) upstream: Arc<UpstreamMetrics>,
    pub(super) worker: usize,
}

impl PathShard {
    /// Counts one attempt everywhere it belongs: attempts by status, the vendor's time, the upstream's status window.
    pub fn attempt_end(&self, end: &AttemptEnd) {
        if end.was_sent() {
            self.attempt(end.status.unwrap_or(0));
        }
        let window = self.upstream.windows.shard(self.worker);
        if end.is_timed() {
            self.observe_upstream(end.upstream_us);
            let server_error = end.status.is_some_and(|status| (500..600).contains(&status));
            window.add_attempt(end.at, end.upstream_us, server_error);
        }
        if end.is_unreachable() {
            window.add_unreachable(end.at);
        }
    }

    /// Counts an attempt by status alone; 0 for no answer. Part of [`PathShard::attempt_end`].
    pub fn attempt(&self, status: u16) {
        self.attempts.add(status);
    }

    /// Observes the vendor's time alone. Part of [`PathShard::attempt_end`].
    pub fn observe_upstream(&self, us: u64) {
        self.durations.upstream.observe(us);
    }

    /// Counts a request, sent whole, whose caller left before an answer's head came. Beside [`PathShard::attempt_end`].
    pub fn abandoned(&self) {
        self.upstream.abandoned();
    }

    /// Counts an answer that Vigie made itself, or the upstream's that broke off; once an exchange, whatever else is counted.
    pub fn agent_error(&self, error: AgentError) {
        self.upstream.agent_error(error);
    }

    /// Observes an exchange at its end: head read → last byte handed over, and Vigie's own share up to the answer's head.
    pub fn observe_exchange(&self, total_us: u64, overhead_us: u64) {
        self.durations.request.observe(total_us);
        self.durations.overhead.observe(overhead_us);
    }

    /// Links the exchange's trace to the buckets it was observed in. Only for traces that are kept: an exemplar that
    /// leads nowhere is worse than none. `at_us` is microseconds since the Unix epoch.
    pub fn exemplar(&self, trace_id: u128, total_us: u64, upstream_us: Option<u64>, at_us: i64) {
        self.durations.request.exemplar(Exemplar { trace_id, value_us: total_us, at_us });
        if let Some(value_us) = upstream_us {
            self.durations.upstream.exemplar(Exemplar { trace_id, value_us, at_us });
        }
    }

    /// Counts an exchange that the recorder's queue had no room for, as `unclassified`, and its `calls` that were sent, which
    /// the vendor counts into the quota all the same. The drop itself is counted by
    /// [`RecorderMetrics::dropped`](super::RecorderMetrics::dropped).
    pub fn unrecorded(&self, method: &str, status_code: u16, calls: u64) {
        *self.attempts.unrecorded.lock().entry((method::index(method), status_code)).or_default() += 1;
        self.upstream.count_outcome(Outcome::Unclassified);
        self.upstream.unrecorded_calls(calls);
    }
}

/// Shards by labels, then by worker, as far as there is room.
pub(super) struct Sharded<T> {
    shares: Shares,
    workers: usize,
    map: HashMap<Labels, Box<[Option<Arc<T>>]>>,
    pub(super) capped: u64,
}

impl<T> Sharded<T> {
    pub(super) fn new(shares: Shares, workers: usize) -> Self {
        Self { shares, workers, map: HashMap::new(), capped: 0 }
    }

    /// The shard of `worker` for `labels`, or for their `other` when the family has no room for them.
    pub(super) fn get(&mut self, labels: &Labels, worker: usize, make: fn() -> T) -> Arc<T> {
        let full = !self.map.contains_key(labels) && !self.shares.take(labels);
        let key = if full { Labels::other(&labels.upstream) } else { labels.clone() };
        self.capped += u64::from(full);
        let shards = self.map.entry(key).or_insert_with(|| (0..self.workers).map(|_| None).collect());
        shards[worker % self.workers].get_or_insert_with(|| Arc::new(make())).clone()
    }

    /// Shares the room with these upstreams as well.
    pub(super) fn let_in(&mut self, upstreams: &[Arc<str>]) {
        self.shares.let_in(upstreams);
    }

    /// Forgets the series of upstreams that do not stay.
    pub(super) fn retain(&mut self, stays: impl Fn(&Arc<str>) -> bool) {
        self.map.retain(|labels, _| stays(&labels.upstream));
        self.shares.retain(stays, self.map.keys().filter(|labels| !labels.is_other()));
    }

    /// Every tuple with its shards. A copy of handles only: the table's lock is not held while they are summed, since a
    /// worker that meets a new place waits for it.
    pub(super) fn all(&self) -> Vec<(Labels, Vec<Arc<T>>)> {
        self.map.iter().map(|(labels, shards)| (labels.clone(), shards.iter().flatten().cloned().collect())).collect()
    }
}
