//! Every upstream's ledger, as the recorder feeds it and the read side reads it.

use super::{Ledger, Reading, Snapshot};
use crate::exchange::Exchange;
use crate::telemetry::metrics::{Metrics, QuotaValues};
use crate::upstream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Ledgers by upstream name.
#[derive(Default)]
pub struct Quotas {
    ledgers: HashMap<Arc<str>, Ledger>,
    /// Windows that were published: one that disappears must lose its series.
    published: Mutex<HashSet<(Arc<str>, Arc<str>)>>,
}

impl Quotas {
    /// One empty ledger an upstream.
    pub fn new(upstreams: &[upstream::Config]) -> Self {
        let ledgers = upstreams.iter().map(|u| (Arc::clone(&u.name), Ledger::new(u.quota))).collect();
        Self { ledgers, published: Mutex::default() }
    }

    /// Takes an exchange's readings and counts its attempts; gives the least that its answer said is left.
    pub fn observe<'p>(
        &self,
        exchange: &Exchange,
        readings: impl Iterator<Item = Reading<'p>>,
        now_s: i64,
    ) -> Option<u64> {
        let ledger = self.ledgers.get(&exchange.place.upstream)?;
        ledger.count(exchange.attempts.len() as u64, now_s);
        readings.fold(None, |least: Option<u64>, reading| {
            ledger.observe(&reading, now_s);
            Some(least.map_or(reading.remaining, |l| l.min(reading.remaining)))
        })
    }

    /// Sets the gauges to what is known now; what expired loses its series.
    pub fn publish(&self, metrics: &Metrics, now_us: i64) {
        let mut published = self.published.lock();
        let mut current = HashSet::new();
        for (upstream, ledger) in &self.ledgers {
            for snapshot in ledger.snapshots(now_us / 1_000_000) {
                metrics.set_quota(upstream, &snapshot.window, values(&snapshot));
                current.insert((Arc::clone(upstream), snapshot.window));
            }
        }
        for (upstream, window) in published.difference(&current) {
            metrics.set_quota(upstream, window, QuotaValues::default());
        }
        *published = current;
    }

    /// Every window as it stands, for `/api/v1/quota`.
    pub fn to_json(&self, now_us: i64) -> Value {
        let mut names: Vec<_> = self.ledgers.keys().collect();
        names.sort();
        let windows: Vec<_> = names
            .into_iter()
            .flat_map(|name| self.ledgers[name].snapshots(now_us / 1_000_000).into_iter().map(move |s| (name, s)))
            .map(|(upstream, s)| {
                json!({
                    "upstream": &**upstream,
                    "window": &*s.window,
                    "window_seconds": s.window_length.map(|l| l.as_secs()),
                    "limit": s.limit,
                    "remaining": s.remaining,
                    "reset_at": s.reset_at.map(rfc3339),
                    "exhaustion_at": s.exhaustion_at.map(rfc3339),
                    "source": s.source.as_str(),
                })
            })
            .collect();
        json!({ "quota": windows })
    }
}

fn values(snapshot: &Snapshot) -> QuotaValues {
    QuotaValues {
        limit: snapshot.limit.map(|n| n as f64),
        remaining: snapshot.remaining.map(|n| n as f64),
        reset: snapshot.reset_at.map(|n| n as f64),
        exhaustion: snapshot.exhaustion_at.map(|n| n as f64),
    }
}

fn rfc3339(unix_s: i64) -> String {
    jiff::Timestamp::from_second(unix_s).map(|t| t.to_string()).unwrap_or_default()
}
