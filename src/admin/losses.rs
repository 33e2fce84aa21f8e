//! Log and history count on their own threads; at each scrape their numbers are added to the metrics.

use crate::history;
use crate::telemetry::metrics::{DropStage, LogSink, Metrics};
use crate::telemetry::sink::LogSinks;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter elsewhere, and how much of it was added already.
struct Source {
    counter: Arc<AtomicU64>,
    added: u64,
    adds: Adds,
}

/// Where a counter's growth goes.
#[derive(Clone, Copy)]
enum Adds {
    Dropped(DropStage),
    Evicted,
    Lines(LogSink),
    Errors(LogSink),
    RemovedEarly,
}

/// The counters kept by log and history.
#[derive(Default)]
pub struct Losses {
    sources: Mutex<Vec<Source>>,
    bytes: Option<Arc<AtomicU64>>,
}

impl Losses {
    /// Follows the counters of what is in use.
    pub fn new(history: Option<&history::Counters>, log: &LogSinks) -> Self {
        let mut sources = Vec::new();
        let mut follow = |counter: &Arc<AtomicU64>, adds| {
            sources.push(Source { counter: Arc::clone(counter), added: 0, adds });
        };
        if let Some(counters) = history {
            follow(&counters.dropped, Adds::Dropped(DropStage::History));
            follow(&counters.evicted, Adds::Evicted);
        }
        for (name, counters) in log.counters() {
            let sink = if name == LogSink::Stdout.as_str() { LogSink::Stdout } else { LogSink::File };
            follow(&counters.written, Adds::Lines(sink));
            follow(&counters.dropped, Adds::Dropped(DropStage::Log));
            follow(&counters.errors, Adds::Errors(sink));
            follow(&counters.removed_early, Adds::RemovedEarly);
        }
        Self { sources: Mutex::new(sources), bytes: history.map(|h| Arc::clone(&h.bytes)) }
    }

    /// Adds what came since the last time.
    pub fn publish(&self, metrics: &Metrics) {
        for source in self.sources.lock().iter_mut() {
            let now = source.counter.load(Ordering::Relaxed);
            let more = now.saturating_sub(source.added);
            source.added = now;
            match source.adds {
                Adds::Dropped(stage) => metrics.recorder().dropped_many(stage, more),
                Adds::Evicted => metrics.agent().history_evicted(more),
                Adds::Lines(sink) => metrics.agent().log_lines(sink, more),
                Adds::RemovedEarly => metrics.agent().log_files_removed_early(more),
                Adds::Errors(sink) => metrics.agent().log_write_errors(sink, more),
            }
        }
        if let Some(bytes) = &self.bytes {
            metrics.agent().set_history_bytes(bytes.load(Ordering::Relaxed));
        }
    }
}
