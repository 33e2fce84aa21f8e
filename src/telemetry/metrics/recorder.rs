//! The recorder's own counters: what waits, what was done, what had to be given up.

use super::agent::DropStage;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Counters and gauges of the recorder.
#[derive(Default)]
pub struct RecorderMetrics {
    dropped: [AtomicU64; DropStage::ALL.len()],
    depth: AtomicI64,
    bytes: AtomicI64,
    records: AtomicU64,
}

impl RecorderMetrics {
    /// Counts one loss. Nothing is ever dropped without it.
    pub fn dropped(&self, stage: DropStage) {
        self.dropped_many(stage, 1);
    }

    /// Counts `count` losses at once.
    pub fn dropped_many(&self, stage: DropStage, count: u64) {
        self.dropped[stage as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn drops(&self) -> &[AtomicU64] {
        &self.dropped
    }

    /// Losses so far.
    pub fn dropped_count(&self, stage: DropStage) -> u64 {
        self.dropped[stage as usize].load(Ordering::Relaxed)
    }

    /// An exchange with `bytes` of bodies entered the queue.
    pub fn enqueued(&self, bytes: usize) {
        self.depth.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as i64, Ordering::Relaxed);
    }

    /// It left the queue.
    pub fn dequeued(&self, bytes: usize) {
        self.depth.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes as i64, Ordering::Relaxed);
    }

    /// Exchanges waiting.
    pub fn depth(&self) -> u64 {
        self.depth.load(Ordering::Relaxed).max(0) as u64
    }

    /// Bytes of bodies waiting.
    pub fn queued_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed).max(0) as u64
    }

    /// Counts a finished record.
    pub fn recorded(&self) {
        self.records.fetch_add(1, Ordering::Relaxed);
    }

    /// Records so far.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }
}
