//! What was resolved, for the metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// How a resolution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsResult {
    /// With addresses.
    Found,
    /// The name has none.
    None,
    /// Nobody could tell.
    Failed,
}

impl DnsResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Found, Self::None, Self::Failed];

    /// The word used as metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::None => "none",
            Self::Failed => "failed",
        }
    }
}

/// Counts of all names.
#[derive(Debug, Default)]
pub struct Counters {
    results: [AtomicU64; DnsResult::ALL.len()],
    changes: AtomicU64,
    stale: AtomicI64,
    drained: AtomicU64,
}

impl Counters {
    pub(super) fn resolved(&self, result: DnsResult) {
        self.results[result as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stale(&self, by: i64) {
        self.stale.fetch_add(by, Ordering::Relaxed);
    }

    /// Counts connections closed because their address is no longer the name's.
    pub fn drained(&self, connections: u64) {
        self.drained.fetch_add(connections, Ordering::Relaxed);
    }

    /// Resolutions that ended so.
    pub fn results(&self, result: DnsResult) -> u64 {
        self.results[result as usize].load(Ordering::Relaxed)
    }

    /// Times that a name's addresses were others than before.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Names whose addresses are used beyond their time, for want of better ones.
    pub fn names_stale(&self) -> u64 {
        self.stale.load(Ordering::Relaxed).max(0) as u64
    }

    /// Connections closed because of a change.
    pub fn connections_drained(&self) -> u64 {
        self.drained.load(Ordering::Relaxed)
    }
}
