//! Histograms with fixed, listed bounds, in microseconds; one shard per writer, summed at the scrape.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bounds of `vigie_request_duration_seconds` and `vigie_upstream_duration_seconds`, microseconds. 2 s is the default
/// limit of the slow rule, so it must be a bound.
pub const DURATION_BOUNDS_US: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];

/// Bounds of `vigie_overhead_seconds`, microseconds.
pub const OVERHEAD_BOUNDS_US: [u64; 13] =
    [25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 1_000_000];

/// Most buckets of any histogram here, `+Inf` included.
pub(super) const BUCKETS: usize = 16;

/// Lines one histogram takes in a scrape, at most: its buckets, sum and count.
pub(super) const LINES: usize = BUCKETS + 2;

/// One traced observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exemplar {
    /// W3C trace id.
    pub(crate) trace_id: u128,
    /// The observed value, microseconds.
    pub(crate) value_us: u64,
    /// When, microseconds since the Unix epoch.
    pub(crate) at_us: i64,
}

/// The latest exemplar of each bucket.
pub(crate) type Exemplars = [Option<Exemplar>; BUCKETS];

/// One writer's counts.
pub(super) struct Shard {
    bounds_us: &'static [u64],
    counts: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
    /// Beside the counts, and only allocated once a sampled trace came by: most observations have none.
    exemplars: Mutex<Option<Box<Exemplars>>>,
}

impl Shard {
    pub(super) fn new(bounds_us: &'static [u64]) -> Self {
        debug_assert!(bounds_us.len() < BUCKETS);
        Self { bounds_us, counts: Default::default(), sum_us: AtomicU64::new(0), exemplars: Mutex::new(None) }
    }

    pub(super) fn observe(&self, us: u64) {
        self.counts[self.bucket(us)].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Remembers a traced observation (which [`Shard::observe`] counted already).
    pub(super) fn exemplar(&self, exemplar: Exemplar) {
        let bucket = self.bucket(exemplar.value_us);
        self.exemplars.lock().get_or_insert_with(Box::default)[bucket] = Some(exemplar);
    }

    /// A bound belongs to its bucket (`le`).
    fn bucket(&self, us: u64) -> usize {
        self.bounds_us.iter().position(|bound| us <= *bound).unwrap_or(self.bounds_us.len())
    }

    pub(super) fn add_to(&self, snapshot: &mut Snapshot) {
        for (total, count) in snapshot.counts.iter_mut().zip(&self.counts) {
            *total += count.load(Ordering::Relaxed);
        }
        snapshot.sum_us += self.sum_us.load(Ordering::Relaxed);
        if let Some(own) = self.exemplars.lock().as_deref() {
            for (kept, new) in snapshot.exemplars.iter_mut().zip(own) {
                if new.map(|e| e.at_us) > kept.map(|e| e.at_us) {
                    *kept = *new;
                }
            }
        }
    }
}

/// The sum of a histogram's shards.
#[derive(Clone, Default)]
pub(super) struct Snapshot {
    /// By bucket, not cumulative.
    pub(super) counts: [u64; BUCKETS],
    pub(super) sum_us: u64,
    pub(super) exemplars: Exemplars,
}

impl Snapshot {
    /// Derived from the buckets, so that `_count` and `+Inf` always agree.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: &[u64]) -> Snapshot {
        let shard = Shard::new(&OVERHEAD_BOUNDS_US);
        values.iter().for_each(|us| shard.observe(*us));
        let mut snapshot = Snapshot::default();
        shard.add_to(&mut snapshot);
        snapshot
    }

    #[test]
    fn a_bound_belongs_to_its_own_bucket_and_the_rest_to_infinity() {
        let snapshot = counts(&[0, 25, 26, 1_000_000, 1_000_001]);
        assert_eq!((snapshot.counts[0], snapshot.counts[1]), (2, 1));
        assert_eq!((snapshot.counts[12], snapshot.counts[13]), (1, 1));
        assert_eq!((snapshot.count(), snapshot.sum_us), (5, 2_000_052));
    }

    #[test]
    fn bounds_grow() {
        assert!(DURATION_BOUNDS_US.is_sorted_by(|a, b| a < b) && OVERHEAD_BOUNDS_US.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn the_latest_exemplar_of_a_bucket_stays() {
        let (one, two) = (Shard::new(&DURATION_BOUNDS_US), Shard::new(&DURATION_BOUNDS_US));
        let exemplar = |trace_id, at_us| Exemplar { trace_id, value_us: 900, at_us };
        one.exemplar(exemplar(1, 10));
        one.exemplar(exemplar(2, 30));
        two.exemplar(exemplar(3, 20));
        let mut snapshot = Snapshot::default();
        one.add_to(&mut snapshot);
        two.add_to(&mut snapshot);
        assert_eq!(snapshot.exemplars[0], Some(exemplar(2, 30)));
        assert_eq!(snapshot.exemplars[1], None);
    }
}
