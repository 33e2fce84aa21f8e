//! The ledgers of all upstreams: fed by the recorder, shown as metrics and through the API.

use super::{Ledger, Reading, Snapshot};
use crate::clock;
use crate::exchange::Exchange;
use crate::telemetry::metrics::{Metrics, QuotaValues};
use crate::upstream;
use parking_lot::{Mutex, RwLock};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// One ledger an upstream, in the configuration's order.
#[derive(Debug, Default)]
pub struct Quotas {
    ledgers: RwLock<Vec<Entry>>,
    /// Upstream and window of the series that exist.
    published: Mutex<BTreeSet<(Arc<str>, Arc<str>)>>,
}

#[derive(Clone, Debug)]
struct Entry {
    upstream: Arc<str>,
    ledger: Arc<Ledger>,
}

impl Quotas {
    /// Empty ledgers for the configured upstreams.
    pub fn new(upstreams: &[upstream::Config]) -> Self {
        let quotas = Self::default();
        quotas.configure(upstreams);
        quotas
    }

    /// Ledgers for the upstreams of another configuration: those that stay go on, and so does a count whose window stays.
    pub fn configure(&self, upstreams: &[upstream::Config]) {
        let mut ledgers = self.ledgers.write();
        let old = std::mem::take(&mut *ledgers);
        let entry = |u: &upstream::Config| {
            let entry = old.iter().find(|entry| entry.upstream == u.name).cloned();
            let new = || Entry { upstream: Arc::clone(&u.name), ledger: Arc::new(Ledger::new(u.quota)) };
            let entry = entry.unwrap_or_else(new);
            entry.ledger.declare(u.quota);
            entry
        };
        *ledgers = upstreams.iter().map(entry).collect();
    }

    /// Takes what an exchange told and used, at `now_s` (Unix seconds). What it told of the window with the
    /// least remaining, if anything.
    pub fn observe<'p>(
        &self,
        exchange: &Exchange,
        readings: impl IntoIterator<Item = Reading<'p>>,
        now_s: i64,
    ) -> Option<Reading<'p>> {
        let ledgers = self.ledgers.read();
        let ledger = &ledgers.iter().find(|entry| entry.upstream == exchange.place.upstream)?.ledger;
        // The vendor cannot have counted what never reached it.
        ledger.count(exchange.attempts.iter().filter(|attempt| attempt.was_sent()).count() as u64, now_s);
        let told = readings.into_iter().inspect(|reading| ledger.observe(reading, now_s));
        told.min_by_key(|reading| reading.remaining)
    }

    /// Counts what the recorder had no room for: the vendor has counted it all the same.
    pub fn take_unrecorded(&self, metrics: &Metrics, now_s: i64) {
        for entry in self.ledgers.read().iter() {
            let calls = metrics.upstream(&entry.upstream).take_unrecorded_calls();
            if calls > 0 {
                entry.ledger.count(calls, now_s);
            }
        }
    }

    /// The longest window that calls are counted in, if there is one.
    pub fn longest_counted(&self) -> Option<Duration> {
        self.ledgers.read().iter().filter_map(|entry| entry.ledger.counted_window()).max()
    }

    /// Counts calls that were sent to `upstream` before the start, at `at_s` (Unix seconds).
    pub fn count_past(&self, upstream: &str, calls: u64, at_s: i64) {
        if let Some(entry) = self.ledgers.read().iter().find(|entry| &*entry.upstream == upstream) {
            entry.ledger.count_past(calls, at_s);
        }
    }

    /// All that was sent before the start has been counted.
    pub fn set_rebuilt(&self) {
        self.ledgers.read().iter().for_each(|entry| entry.ledger.set_rebuilt());
    }

    /// Sets the quota gauges as they stand at `wall_us` (Unix microseconds). What is unknown loses its series.
    pub fn publish(&self, metrics: &Metrics, wall_us: i64) {
        self.take_unrecorded(metrics, wall_us.div_euclid(1_000_000));
        let mut current = BTreeSet::new();
        for (upstream, snapshot) in self.snapshots(wall_us) {
            metrics.set_quota(&upstream, &snapshot.window, values(&snapshot));
            current.insert((upstream, snapshot.window));
        }
        let mut published = self.published.lock();
        for (upstream, window) in published.difference(&current) {
            metrics.set_quota(upstream, window, QuotaValues::default());
        }
        *published = current;
    }

    /// `{"quota": [{"upstream", "window", "window_seconds", "limit", "remaining", "reset_at", "exhaustion_at",
    /// "source"}]}`, times in RFC 3339, null where unknown.
    pub fn to_json(&self, wall_us: i64) -> Value {
        let windows = self.snapshots(wall_us).map(|(upstream, snapshot)| {
            json!({
                "upstream": &*upstream,
                "window": &*snapshot.window,
                "window_seconds": snapshot.window_length.map(|length| length.as_secs()),
                "limit": snapshot.limit,
                "remaining": snapshot.remaining,
                "reset_at": snapshot.reset_at.and_then(rfc3339),
                "exhaustion_at": snapshot.exhaustion_at.and_then(rfc3339),
                "source": snapshot.source.as_str(),
            })
        });
        json!({ "quota": windows.collect::<Vec<_>>() })
    }

    fn snapshots(&self, wall_us: i64) -> impl Iterator<Item = (Arc<str>, Snapshot)> {
        let now_s = wall_us.div_euclid(1_000_000);
        let ledgers = self.ledgers.read().clone();
        ledgers.into_iter().flat_map(move |Entry { upstream, ledger, .. }| {
            ledger.snapshots(now_s).into_iter().map(move |snapshot| (Arc::clone(&upstream), snapshot))
        })
    }
}

fn rfc3339(unix_s: i64) -> Option<String> {
    clock::rfc3339(unix_s.checked_mul(1_000_000)?)
}

fn values(snapshot: &Snapshot) -> QuotaValues {
    QuotaValues {
        limit: snapshot.limit.map(|n| n as f64),
        remaining: snapshot.remaining.map(|n| n as f64),
        reset: snapshot.reset_at.map(|s| s as f64),
        exhaustion: snapshot.exhaustion_at.map(|s| s as f64),
        source: Some(snapshot.source.as_str()),
    }
}

#[cfg(test)]
mod tests;
