//! Credentials seen, by keyed fingerprint: unknown ones are listed so that they can be named in the configuration.

use crate::clock::rfc3339;
use crate::exchange::Exchange;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Fingerprints remembered; beyond, new ones only count.
const MAX_CALLERS: usize = 1_000;

struct Seen {
    integration: Arc<str>,
    upstream: Arc<str>,
    exchanges: u64,
    first_us: i64,
    last_us: i64,
}

/// The registry.
#[derive(Default)]
pub struct Callers {
    seen: Mutex<HashMap<u64, Seen>>,
    beyond: AtomicU64,
}

impl Callers {
    /// Notes an exchange's credential.
    pub fn note(&self, exchange: &Exchange) {
        let Some(fingerprint) = exchange.fingerprint else { return };
        let mut seen = self.seen.lock();
        if let Some(known) = seen.get_mut(&fingerprint) {
            known.exchanges += 1;
            known.last_us = known.last_us.max(exchange.started_us);
        } else if seen.len() < MAX_CALLERS {
            let (integration, upstream) =
                (Arc::clone(&exchange.place.integration), Arc::clone(&exchange.place.upstream));
            let (first_us, last_us) = (exchange.started_us, exchange.started_us);
            seen.insert(fingerprint, Seen { integration, upstream, exchanges: 1, first_us, last_us });
        } else {
            self.beyond.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Credentials of nobody configured.
    pub fn unknown(&self) -> u64 {
        self.seen.lock().values().filter(|s| &*s.integration == "unknown").count() as u64
    }

    /// Every caller, the busiest first.
    pub fn to_json(&self) -> Value {
        let seen = self.seen.lock();
        let mut all: Vec<_> = seen.iter().collect();
        all.sort_by_key(|(_, s)| std::cmp::Reverse(s.exchanges));
        let callers: Vec<_> = all
            .into_iter()
            .map(|(fingerprint, s)| {
                json!({
                    "fingerprint": format!("{fingerprint:016x}"),
                    "integration": &*s.integration,
                    "upstream": &*s.upstream,
                    "exchanges": s.exchanges,
                    "first_seen": rfc3339(s.first_us),
                    "last_seen": rfc3339(s.last_us),
                })
            })
            .collect();
        json!({ "callers": callers, "exchanges_beyond_the_list": self.beyond.load(Ordering::Relaxed) })
    }
}
