//! One data-path thread: is it alive, and how much is it carrying.

use super::family::Family;
use crate::telemetry::catalogue;
use prometheus::proto::MetricFamily;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// One worker's gauges. Written by the worker and the acceptor; `/live` reads the heartbeat.
#[derive(Default)]
#[repr(align(128))]
pub struct WorkerMetrics {
    connections: AtomicI64,
    exchanges: AtomicI64,
    accepted: AtomicU64,
    heartbeat_us: AtomicU64,
}

impl WorkerMetrics {
    pub(super) fn new(now: Duration) -> Self {
        Self { heartbeat_us: AtomicU64::new(now.as_micros() as u64), ..Self::default() }
    }

    /// A connection was handed to the worker.
    pub fn connection_opened(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection is gone.
    pub fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections open now: what the acceptor balances by.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed).max(0) as u64
    }

    /// An exchange began.
    pub fn exchange_started(&self) {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
    }

    /// An exchange ended, however it did.
    pub fn exchange_ended(&self) {
        self.exchanges.fetch_sub(1, Ordering::Relaxed);
    }

    /// Exchanges in flight.
    pub fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::Relaxed).max(0) as u64
    }

    /// The worker's loop turns: called at least once a second from a task on its own runtime.
    pub fn beat(&self, now: Duration) {
        self.heartbeat_us.store(now.as_micros() as u64, Ordering::Relaxed);
    }

    /// Time since the last beat.
    pub fn heartbeat_age(&self, now: Duration) -> Duration {
        now.saturating_sub(Duration::from_micros(self.heartbeat_us.load(Ordering::Relaxed)))
    }
}

pub(super) fn families(workers: &[Arc<WorkerMetrics>], now: Duration) -> Vec<MetricFamily> {
    let mut accepted = Family::new(&catalogue::WORKER_ACCEPTED);
    let mut connections = Family::new(&catalogue::WORKER_CONNECTIONS);
    let mut exchanges = Family::new(&catalogue::WORKER_EXCHANGES);
    let mut age = Family::new(&catalogue::WORKER_HEARTBEAT_AGE);
    for (i, worker) in workers.iter().enumerate() {
        let name = i.to_string();
        accepted.add(&[&name], worker.accepted.load(Ordering::Relaxed) as f64);
        connections.add(&[&name], worker.connections() as f64);
        exchanges.add(&[&name], worker.exchanges() as f64);
        age.add(&[&name], worker.heartbeat_age(now).as_secs_f64());
    }
    [accepted, connections, exchanges, age].map(Family::finish).into()
}
