//! The ledgers of all upstreams: fed by the recorder, shown as metrics and through the API.

use super::{Ledger, Reading, Snapshot};
use crate::exchange::Exchange;
use crate::telemetry::metrics::{Metrics, QuotaValues};
use crate::upstream::{self, DeclaredQuota};
use parking_lot::{Mutex, RwLock};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One ledger an upstream, in the configuration's order.
#[derive(Debug, Default)]
pub struct Quotas {
    ledgers: RwLock<Vec<Entry>>,
    /// Upstream and window of the series that exist.
    published: Mutex<BTreeSet<(Arc<str>, Arc<str>)>>,
}

/// An upstream's ledger, and the limit it was made for.
#[derive(Clone, Debug)]
struct Entry {
    upstream: Arc<str>,
    declared: Option<DeclaredQuota>,
    ledger: Arc<Ledger>,
}

impl Quotas {
    /// Empty ledgers for the configured upstreams.
    pub fn new(upstreams: &[upstream::Config]) -> Self {
        let quotas = Self::default();
        quotas.configure(upstreams);
        quotas
    }

    /// Ledgers for the upstreams of another configuration: those whose declared limit stays go on.
    pub fn configure(&self, upstreams: &[upstream::Config]) {
        let mut ledgers = self.ledgers.write();
        let old = std::mem::take(&mut *ledgers);
        let of = |u: &upstream::Config| old.iter().find(|e| e.upstream == u.name && e.declared == u.quota).cloned();
        let new = |u: &upstream::Config| Entry {
            upstream: Arc::clone(&u.name),
            declared: u.quota,
            ledger: Arc::new(Ledger::new(u.quota)),
        };
        *ledgers = upstreams.iter().map(|u| of(u).unwrap_or_else(|| new(u))).collect();
    }

    /// Takes what an exchange told and used, at `now_s` (Unix seconds). The least `remaining` it told, if any.
    pub fn observe<'p>(
        &self,
        exchange: &Exchange,
        readings: impl IntoIterator<Item = Reading<'p>>,
        now_s: i64,
    ) -> Option<u64> {
        let ledgers = self.ledgers.read();
        let ledger = &ledgers.iter().find(|entry| entry.upstream == exchange.place.upstream)?.ledger;
        // The vendor cannot have counted what never reached it.
        ledger.count(exchange.attempts.iter().filter(|attempt| attempt.was_sent()).count() as u64, now_s);
        let told = readings.into_iter().map(|reading| {
            ledger.observe(&reading, now_s);
            reading.remaining
        });
        told.min()
    }

    /// Sets the quota gauges as they stand at `wall_us` (Unix microseconds). What is unknown loses its series.
    pub fn publish(&self, metrics: &Metrics, wall_us: i64) {
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
    jiff::Timestamp::from_second(unix_s).ok().map(|time| time.to_string())
}

fn values(snapshot: &Snapshot) -> QuotaValues {
    QuotaValues {
        limit: snapshot.limit.map(|n| n as f64),
        remaining: snapshot.remaining.map(|n| n as f64),
        reset: snapshot.reset_at.map(|s| s as f64),
        exhaustion: snapshot.exhaustion_at.map(|s| s as f64),
    }
}

#[cfg(test)]
mod tests;
