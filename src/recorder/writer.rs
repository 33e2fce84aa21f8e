//! The recorder's own thread: one writer for outcome metrics, log, history and spans.

use super::callers::Callers;
use super::digest::{Digest, digest};
use super::queue::{Handle, Waiting};
use super::{InForce, Knowledge, Settings};
use crate::clock::Clock;
use crate::exchange::record::json;
use crate::exchange::redact::Masker;
use crate::exchange::{Exchange, Outcome};
use crate::history::{self, History};
use crate::quota::{Quotas, Reading};
use crate::telemetry::metrics::{DropStage, Metrics};
use crate::telemetry::otlp::{self, Spans};
use crate::telemetry::sink::LogSinks;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of lines after which they are handed on, though the batch goes on: a full queue of exchanges with bodies would
/// make a gigabyte of them at once.
const SHIP_BYTES: usize = 1 << 20;

/// Everything the recorder writes to. Each has its own bound and thread, so that none holds up the others.
pub struct Outputs {
    /// Outcome metrics.
    pub metrics: Arc<Metrics>,
    /// Quota readings.
    pub quotas: Arc<Quotas>,
    /// Credentials seen.
    pub callers: Arc<Callers>,
    /// The exchange log.
    pub log: LogSinks,
    /// The history, when it is on.
    pub history: Option<History>,
    /// Spans, when a collector is configured.
    pub spans: Option<Spans>,
}

/// The recorder, ready to run.
pub struct Recorder {
    /// Where exchanges come from.
    pub queue: Handle,
    /// Where they go.
    pub outputs: Outputs,
    /// What a reload may change.
    pub settings: InForce,
    /// For exchanges without an upstream.
    pub ignorance: Knowledge,
    /// Makes the tokens.
    pub masker: Arc<Masker>,
    /// Time.
    pub clock: Clock,
}

impl Recorder {
    /// Runs on its own thread until the queue is closed and read to its end.
    pub fn run(mut self) {
        while let Some(batch) = self.queue.next() {
            self.write(batch);
            self.queue.rest();
        }
    }

    fn write(&mut self, batch: Vec<Waiting>) {
        let settings = self.settings.get();
        let mut lines = Vec::with_capacity((batch.len() * 900).min(SHIP_BYTES));
        let mut entries = Vec::with_capacity(batch.len());
        let mut spans = Vec::new();
        let mut count = 0;
        for exchange in batch {
            let Some((digest, quota)) = survive(|| self.digest(&exchange, &settings)) else {
                self.lose(&exchange);
                continue;
            };
            let Digest { record, outcome, inner_server_error, bypass } = digest;
            self.count(&exchange, outcome, inner_server_error);
            bypass.iter().for_each(|link| self.outputs.metrics.bypass_link(&exchange.place, link));
            let start = lines.len();
            json::write(&record, &mut lines);
            let line = start..lines.len();
            lines.push(b'\n');
            count += 1;
            if let Some(sender) = &self.outputs.spans
                && self.keeps(&exchange, outcome, &settings)
            {
                sender.describe(&exchange, &record, quota, &mut spans);
            }
            if self.outputs.history.is_some() {
                let head_us = self.head_us(&exchange);
                entries.push(history::Entry::of(&record, exchange.started_us, head_us, line));
            }
            if lines.len() >= SHIP_BYTES {
                let lines = std::mem::take(&mut lines);
                self.ship(lines, std::mem::take(&mut count), std::mem::take(&mut entries), std::mem::take(&mut spans));
            }
        }
        self.ship(lines, count, entries, spans);
        self.outputs.quotas.take_unrecorded(&self.outputs.metrics, self.clock.wall_us() / 1_000_000);
    }

    /// Counts an exchange that could not be digested.
    fn lose(&self, exchange: &Exchange) {
        let metrics = &self.outputs.metrics;
        metrics.request(&exchange.place, exchange.method.as_str(), exchange.status, Outcome::Unclassified);
        metrics.recorder().dropped(DropStage::Queue);
    }

    fn digest<'s>(&'s self, exchange: &Exchange, settings: &'s Settings) -> (Digest, Option<Reading<'s>>) {
        let known = settings.knowledge.get(&exchange.place.upstream).unwrap_or(&self.ignorance);
        let now_s = self.clock.wall_us() / 1_000_000;
        let readings = known.profile.quota(|name| exchange.response.header_lines(name), now_s);
        let quota = self.outputs.quotas.observe(exchange, readings, now_s);
        let remaining = quota.map(|told| told.remaining);
        let mut digest = digest(exchange, known, &self.masker, settings.capture, remaining);
        settings.known.hide(&mut digest.record);
        if settings.known.is_in(&exchange.response.body.bytes) {
            self.outputs.metrics.upstream(&exchange.place.upstream).credential_echoed();
        }
        (digest, quota)
    }

    fn count(&self, exchange: &Exchange, outcome: Outcome, inner_server_error: bool) {
        let metrics = &self.outputs.metrics;
        metrics.request(&exchange.place, exchange.method.as_str(), exchange.status, outcome);
        metrics.recorder().recorded();
        let upstream = metrics.upstream(&exchange.place.upstream);
        if inner_server_error {
            upstream.windows.add_server_error(Duration::from_micros(exchange.head_at_us));
        }
        self.outputs.callers.note(exchange);
    }

    /// Head sampling decides; without a parent, errors and slow calls are kept as well.
    fn keeps(&self, exchange: &Exchange, outcome: Outcome, settings: &Settings) -> bool {
        let trace = &exchange.trace;
        let telling = outcome != Outcome::Ok || exchange.total_us > settings.keep_slower_than_us;
        trace.sampled || (trace.parent.is_none() && telling)
    }

    /// The head's time on the wall clock, for rebuilding the windows after a restart.
    fn head_us(&self, exchange: &Exchange) -> Option<i64> {
        let last = exchange.attempts.last()?;
        let since_start = last.start_us + last.upstream_us;
        Some(exchange.started_us + i64::try_from(since_start).unwrap_or(0))
    }

    fn ship(&self, lines: Vec<u8>, count: u64, entries: Vec<history::Entry>, spans: Vec<otlp::SpanData>) {
        let lines = Arc::new(lines);
        // Each of these counts what it cannot take.
        if count > 0 {
            self.outputs.log.try_write(&lines, count);
        }
        if let Some(history) = &self.outputs.history
            && !entries.is_empty()
        {
            let _ = history.try_append(history::Batch { lines, entries });
        }
        if let Some(sender) = &self.outputs.spans
            && !spans.is_empty()
        {
            sender.try_send(spans);
        }
    }
}

/// `None` if it panics: a defect that one body brings to light must not end log, history and outcomes for all others.
fn survive<T>(work: impl FnOnce() -> T) -> Option<T> {
    // The locks behind it know no poisoning, and what it half did is counted as lost.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_one_exchange() {
        assert_eq!(survive(|| 7), Some(7));
        assert_eq!(survive(|| -> u8 { panic!("a defect") }), None);
    }
}
