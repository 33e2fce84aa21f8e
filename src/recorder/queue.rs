//! The way from the data path to the recorder: bounded, never waiting, and silent unless the recorder sleeps.
//!
//! Each worker has a lane of its own, so pushing is an uncontended lock and a pointer. The recorder swaps a whole lane
//! out at once. It is woken only when it sleeps; after a batch it rests a little, so that a busy proxy pays for some
//! hundred wake-ups a second and not for one an exchange.

use super::Config;
use crate::exchange::Exchange;
use crate::telemetry::metrics::{DropStage, Metrics};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

/// Rest after a batch: what arrives meanwhile shares one wake-up. Bounds the delay of alerts and of `vigie log -f`.
const REST: Duration = Duration::from_millis(10);

/// An exchange in a lane: a pointer, so that pushing and growing move 8 bytes and not a kilobyte.
pub type Waiting = Box<Exchange>;

/// Where finished exchanges go. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Queue>);

struct Queue {
    lanes: Box<[Mutex<Vec<Waiting>>]>,
    config: Config,
    metrics: Arc<Metrics>,
    asleep: AtomicBool,
    closed: AtomicBool,
    reader: OnceLock<Thread>,
}

impl Handle {
    /// A queue with one lane a worker.
    pub fn new(workers: usize, config: Config, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Queue {
            lanes: (0..workers.max(1)).map(|_| Mutex::default()).collect(),
            config,
            metrics,
            asleep: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            reader: OnceLock::new(),
        }))
    }

    /// Hands an exchange over. Never waits: when the queue is full it is dropped and counted, and the answer is false; the
    /// caller counts it as `unclassified`.
    pub fn record(&self, worker: usize, mut exchange: Box<Exchange>) -> bool {
        let queue = &*self.0;
        let metrics = queue.metrics.recorder();
        if metrics.depth() >= queue.config.queue as u64 {
            metrics.dropped(DropStage::Queue);
            return false;
        }
        let mut bytes = held(&exchange);
        if bytes > 0 && metrics.queued_bytes() + bytes as u64 > queue.config.queue_bytes as u64 {
            metrics.dropped(DropStage::Body);
            forget_bodies(&mut exchange);
            bytes = 0;
        }
        metrics.enqueued(bytes);
        queue.lanes[worker % queue.lanes.len()].lock().push(exchange);
        if queue.asleep.load(Ordering::SeqCst) && queue.asleep.swap(false, Ordering::SeqCst) {
            self.wake();
        }
        true
    }

    /// Exchanges that wait.
    pub fn depth(&self) -> u64 {
        self.0.metrics.recorder().depth()
    }

    /// No more will come: the reader ends once it has read the rest.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if let Some(reader) = self.0.reader.get() {
            reader.unpark();
        }
    }

    /// The next batch; waits for one. `None` once closed and empty. Only the recorder's own thread calls this.
    pub fn next(&self) -> Option<Vec<Waiting>> {
        let queue = &*self.0;
        self.0.reader.get_or_init(std::thread::current);
        loop {
            let closed = queue.closed.load(Ordering::SeqCst);
            let batch = self.take();
            if !batch.is_empty() {
                return Some(batch);
            }
            if closed {
                return None;
            }
            queue.asleep.store(true, Ordering::SeqCst);
            // Pushed between the look and the flag: look again before sleeping.
            if queue.lanes.iter().all(|lane| lane.lock().is_empty()) && !queue.closed.load(Ordering::SeqCst) {
                std::thread::park_timeout(Duration::from_secs(1));
            }
            queue.asleep.store(false, Ordering::SeqCst);
        }
    }

    /// Rests between batches, unless the queue is closed.
    pub fn rest(&self) {
        if !self.0.closed.load(Ordering::SeqCst) {
            std::thread::park_timeout(REST);
        }
    }

    fn take(&self) -> Vec<Waiting> {
        let mut batch = Vec::new();
        for lane in &self.0.lanes {
            let taken = std::mem::take(&mut *lane.lock());
            if batch.is_empty() {
                batch = taken;
            } else {
                batch.extend(taken);
            }
        }
        for exchange in &batch {
            self.0.metrics.recorder().dequeued(held(exchange));
        }
        batch
    }
}

fn held(exchange: &Exchange) -> usize {
    exchange.request.body.bytes.len() + exchange.response.body.bytes.len()
}

fn forget_bodies(exchange: &mut Exchange) {
    for body in [&mut exchange.request.body, &mut exchange.response.body] {
        body.truncated |= !body.bytes.is_empty();
        body.bytes = Vec::new();
    }
}
