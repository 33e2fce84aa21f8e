//! Records to test the history with.

use super::{Batch, Config, Counters, Entry, Store};
use crate::clock::Clock;
use crate::exchange::record::Record;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// 2025-10-24T12:00:00Z.
pub(super) const NOON: i64 = 1_761_307_200_000_000;

/// A day.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A record with these properties changed (JSON objects are merged).
pub(super) fn record(changes: serde_json::Value) -> Record {
    let mut json = serde_json::json!({
        "timestamp": "2025-10-24T12:00:00.000Z", "system": "ERP", "direction": "outbound", "endpoint": "/api/deals/{id}",
        "method": "POST", "status_code": 201, "duration_ms": 428.5, "payload_size": "2.1KB", "payload_size_bytes": 2100,
        "response_size_bytes": 360, "response": "Created deal deal:k3f9", "correlation_id": "c-1", "integration": "erp",
        "upstream": "freshsales", "kind": "proxy", "outcome": "ok", "intent": "write", "object": "deal",
        "upstream_ms": 420.0, "overhead_ms": 0.1, "trace_id": "0af7651916cd43dd8448eb211c80319c", "attempts": 1
    });
    if let (Some(all), serde_json::Value::Object(changes)) = (json.as_object_mut(), changes) {
        all.extend(changes);
    }
    serde_json::from_value(json).expect("a valid record")
}

/// A batch of records that started at these times.
pub(super) fn batch(records: impl IntoIterator<Item = (i64, Record)>) -> Batch {
    let mut lines = Vec::new();
    let mut entries = Vec::new();
    for (ts_us, record) in records {
        let start = lines.len();
        serde_json::to_writer(&mut lines, &record).expect("records serialise");
        let head_us = record.upstream_ms.map(|ms| ts_us + (ms * 1000.0) as i64);
        entries.push(Entry::of(&record, ts_us, head_us, start..lines.len()));
        lines.push(b'\n');
    }
    Batch { lines: Arc::new(lines), entries }
}

/// A clock that stands at `us`.
pub(super) fn clock_at(us: i64) -> Clock {
    Clock::manual(Duration::from_micros(us as u64))
}

/// A configuration that keeps 30 days and a gigabyte.
pub(super) fn config(dir: &Path) -> Config {
    Config { enabled: true, dir: dir.join("history"), days: 30, max_bytes: 1 << 30 }
}

/// A store at noon, its clock and its counters.
pub(super) fn store(config: &Config) -> (Store, Clock, Counters) {
    let (clock, counters) = (clock_at(NOON), Counters::default());
    let store = Store::open(config, clock.clone(), counters.clone()).expect("the store opens");
    (store, clock, counters)
}
