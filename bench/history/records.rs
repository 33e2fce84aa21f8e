//! Records as traffic makes them: four integrations, thirty routes, a few failures, ids of their own.

use std::borrow::Cow;
use std::sync::Arc;
use vigie::exchange::record::{Record, json};
use vigie::exchange::redact::Masked;
use vigie::history::{Batch, Entry};

/// A record with its times, for the form that keeps columns.
pub struct Row {
    pub record: Record,
    pub ts_us: i64,
    pub head_us: Option<i64>,
    pub line: std::ops::Range<usize>,
}

/// Numbers that look random and are the same each time.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The nth record's correlation id, so that a search can ask for it.
pub fn correlation_id(n: u64) -> Masked {
    let mut noise = Noise(n ^ 0x51ed_270b);
    Masked::from_uuid(uuid::Uuid::from_u64_pair(noise.next(), noise.next()))
}

/// The nth record's vendor request id.
pub fn vendor_request_id(n: u64) -> Masked {
    let mut noise = Noise(n ^ 0x2545_f491_4f6c);
    Masked::from_uuid(uuid::Uuid::from_u64_pair(noise.next(), noise.next()))
}

/// Makes records one after the other.
pub struct Maker {
    noise: Noise,
    pub made: u64,
    routes: Vec<Arc<str>>,
    integrations: Vec<Arc<str>>,
    upstream: Arc<str>,
    object: Arc<str>,
}

impl Maker {
    pub fn new() -> Self {
        let objects = ["contacts", "deals", "sales_accounts", "tasks", "appointments", "notes"];
        let forms = ["/api/X", "/api/X/{id}", "/api/X/view/{id}", "/api/X/{id}/activities", "/api/X/upsert"];
        Self {
            noise: Noise(7),
            made: 0,
            routes: forms.iter().flat_map(|f| objects.map(|o| Arc::from(f.replace('X', o)))).collect(),
            integrations: ["erp", "shop", "web-form", "marketing"].map(Arc::from).to_vec(),
            upstream: Arc::from("freshsales"),
            object: Arc::from("deal"),
        }
    }

    /// The next record, which started at this time (microseconds since the Unix epoch).
    pub fn record(&mut self, ts_us: i64) -> Record {
        let n = self.made;
        self.made += 1;
        let noise = &mut self.noise;
        // One in two hundred fails; one in a million is what somebody will look for.
        let (status, outcome) = match (n % 1_000_000, noise.below(200)) {
            (999, _) => (504, "timeout"),
            (_, 0) => (503, "vendor_error"),
            (_, 1) => (429, "rate_limited"),
            _ => (200, "ok"),
        };
        let upstream_us = 20_000 + noise.below(400_000);
        let trace = u128::from(noise.next()) << 64 | u128::from(noise.next());
        let method = ["GET", "POST", "PUT"][noise.below(3) as usize];
        let integration = Arc::clone(&self.integrations[noise.below(4) as usize]);
        let time = jiff::Timestamp::from_microsecond(ts_us).unwrap_or_default();
        let size = 200 + noise.below(4_000);
        Record {
            timestamp: format!("{time:.3}"),
            system: Arc::clone(&integration),
            direction: Cow::Borrowed("outbound"),
            endpoint: Arc::clone(&self.routes[noise.below(30) as usize]),
            method: Cow::Borrowed(method),
            status_code: status,
            duration_ms: (upstream_us + 300) as f64 / 1000.0,
            payload_size: format!("{:.1}KB", size as f64 / 1000.0),
            payload_size_bytes: size,
            response_size_bytes: 300 + noise.below(100),
            response: Masked::of_profile(&format!("Updated deal deal:{:012x}", noise.next() >> 16)),
            correlation_id: correlation_id(n),
            integration,
            upstream: Arc::clone(&self.upstream),
            kind: Cow::Borrowed("proxy"),
            outcome: Cow::Borrowed(outcome),
            intent: Cow::Borrowed("write"),
            object: Arc::clone(&self.object),
            upstream_ms: Some(upstream_us as f64 / 1000.0),
            overhead_ms: (50 + noise.below(200)) as f64 / 1000.0,
            dns_ms: None,
            connect_ms: None,
            tunnel_ms: None,
            tls_ms: None,
            inner_status: None,
            vendor_request_id: Some(vendor_request_id(n)),
            trace_id: format!("{trace:032x}"),
            attempts: 1,
            client_closed: false,
            error_kind: None,
            query: None,
            items_ok: None,
            items_failed: None,
            quota_remaining: Some(1_000 - n % 1_000),
            bypass_links: Vec::new(),
            request_body: None,
            response_body: None,
        }
    }

    /// Lines and rows of so many records.
    pub fn rows(&mut self, count: u64, now_us: i64) -> (Vec<u8>, Vec<Row>) {
        let mut lines = Vec::with_capacity(count as usize * 800);
        let mut rows = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let ts_us = now_us - 500_000;
            let record = self.record(ts_us);
            let head_us = record.upstream_ms.map(|ms| ts_us + (ms * 1000.0) as i64);
            let start = lines.len();
            json::write(&record, &mut lines);
            rows.push(Row { record, ts_us, head_us, line: start..lines.len() });
            lines.push(b'\n');
        }
        (lines, rows)
    }
}

/// What the recorder hands over: this is part of what the history costs.
pub fn batch(lines: &Arc<Vec<u8>>, rows: &[Row]) -> Batch {
    let entry = |row: &Row| Entry::of(&row.record, row.ts_us, row.head_us, row.line.clone());
    Batch { lines: Arc::clone(lines), entries: rows.iter().map(entry).collect() }
}
