//! The status window of one upstream: what happened in (t − 10 min, t], on the monotonic clock, in 1 s buckets.
//!
//! Invariants: adding is constant work and never waits for a reader longer than one scan (about 1 µs); every worker
//! writes its own shard. A bucket holds the events of (k − 1 s, k], so a reading taken at a whole second is exact, and one
//! taken between two seconds keeps an event for less than one second too long, never too short: an alarm is not missed.
//! A stepped system clock cannot reach here; an event that arrives late counts in the second it belongs to.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Length of the window.
pub const WINDOW: Duration = Duration::from_secs(600);

/// Value of the `window` label.
pub const WINDOW_LABEL: &str = "10m";

/// Buckets a shard holds: a power of two above the 601 that a reading can touch; the rest is slack for late arrivals.
const SLOTS: usize = 1024;

/// Added to every second, so that events from before the clock's origin (a rebuild) stay positive and 0 means empty.
const ORIGIN: u64 = 1 << 20;

/// What a window holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowReading {
    /// Attempts answered with 500–599, or with an inner 5xx.
    pub server_errors: u64,
    /// Attempts that failed to connect, in TLS, or by time-out.
    pub unreachable: u64,
    /// Attempts that `duration` sums: answered, or timed out waiting for the answer's head.
    pub attempts: u64,
    /// Sum of request sent → answer head.
    pub duration: Duration,
    /// False until the window was rebuilt from the history or ten minutes have been seen live.
    pub complete: bool,
}

impl WindowReading {
    /// Mean of request sent → answer head; none without attempts.
    pub fn mean(&self) -> Option<Duration> {
        (self.attempts > 0).then(|| Duration::from_micros(self.duration.as_micros() as u64 / self.attempts))
    }
}

/// One attempt from before the start, read back from the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastAttempt {
    /// How long before now the answer's head came.
    pub age: Duration,
    /// Request sent → answer head, microseconds; none when nothing was answered nor timed out.
    pub duration_us: Option<u64>,
    /// It was a server error.
    pub server_error: bool,
    /// It could not reach the upstream.
    pub unreachable: bool,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// Second, with `ORIGIN`; 0 when never used.
    second: u64,
    server_errors: u32,
    unreachable: u32,
    attempts: u32,
    duration_us: u64,
}

/// One writer's part of a window. Aligned so that two workers' shards never share a cache line.
#[repr(align(128))]
pub struct Shard(Mutex<Box<[Slot]>>);

impl Shard {
    fn new() -> Self {
        Self(Mutex::new(vec![Slot::default(); SLOTS].into_boxed_slice()))
    }

    /// Counts an attempt whose answer's head came (or whose time-out struck) at `at` on the agent's clock.
    pub fn add_attempt(&self, at: Duration, duration_us: u64, server_error: bool) {
        self.update(second(at), |slot| {
            slot.attempts = slot.attempts.saturating_add(1);
            slot.duration_us = slot.duration_us.saturating_add(duration_us);
            slot.server_errors = slot.server_errors.saturating_add(u32::from(server_error));
        });
    }

    /// Counts a server error found later, inside the body of an attempt already counted.
    pub fn add_server_error(&self, at: Duration) {
        self.update(second(at), |slot| slot.server_errors = slot.server_errors.saturating_add(1));
    }

    /// Counts an attempt that did not reach the upstream.
    pub fn add_unreachable(&self, at: Duration) {
        self.update(second(at), |slot| slot.unreachable = slot.unreachable.saturating_add(1));
    }

    fn update(&self, second: u64, change: impl FnOnce(&mut Slot)) {
        let mut slots = self.0.lock();
        let slot = &mut slots[second as usize % SLOTS];
        if slot.second > second {
            return; // more than SLOTS seconds late: outside of any window
        }
        if slot.second < second {
            *slot = Slot { second, ..Slot::default() };
        }
        change(slot);
    }

    fn add_to(&self, reading: &mut WindowReading, first: u64, last: u64) {
        let mut duration_us = 0u64;
        for slot in self.0.lock().iter().filter(|slot| (first..=last).contains(&slot.second)) {
            reading.server_errors += u64::from(slot.server_errors);
            reading.unreachable += u64::from(slot.unreachable);
            reading.attempts += u64::from(slot.attempts);
            duration_us = duration_us.saturating_add(slot.duration_us);
        }
        reading.duration += Duration::from_micros(duration_us);
    }
}

/// The window of one upstream, in shards.
pub struct Windows {
    shards: Box<[Shard]>,
    started: Duration,
    rebuilt: AtomicBool,
}

impl Windows {
    /// An empty window with one shard per writer, at least one; `now` is the moment from which it sees everything live.
    pub fn new(shards: usize, now: Duration) -> Self {
        Self {
            shards: (0..shards.max(1)).map(|_| Shard::new()).collect(),
            started: now,
            rebuilt: AtomicBool::new(false),
        }
    }

    /// The shard of `writer`. Any number is answered; two writers on one shard are correct, only slower.
    pub fn shard(&self, writer: usize) -> &Shard {
        &self.shards[writer % self.shards.len()]
    }

    /// [`Shard::add_attempt`] for writers off the data path.
    pub fn add_attempt(&self, at: Duration, duration_us: u64, server_error: bool) {
        self.shard(0).add_attempt(at, duration_us, server_error);
    }

    /// [`Shard::add_server_error`] for the recorder, which finds inner errors.
    pub fn add_server_error(&self, at: Duration) {
        self.shard(0).add_server_error(at);
    }

    /// Takes in what the history knows from before the start. What is younger than the start was already counted live
    /// and is passed over, so that reading the history late counts nothing twice.
    pub fn rebuild(&self, now: Duration, past: impl IntoIterator<Item = PastAttempt>) {
        let live = now.saturating_sub(self.started);
        for attempt in past.into_iter().filter(|a| a.age >= live && a.age < WINDOW) {
            let second = second_before(now, attempt.age);
            self.shard(0).update(second, |slot| {
                slot.server_errors = slot.server_errors.saturating_add(u32::from(attempt.server_error));
                slot.unreachable = slot.unreachable.saturating_add(u32::from(attempt.unreachable));
                if let Some(us) = attempt.duration_us {
                    slot.attempts = slot.attempts.saturating_add(1);
                    slot.duration_us = slot.duration_us.saturating_add(us);
                }
            });
        }
    }

    /// The history has been read to its end (or there is none): the window is complete from now on.
    pub fn set_complete(&self) {
        self.rebuilt.store(true, Ordering::Relaxed);
    }

    /// The window's content at `now` on the agent's clock.
    pub fn read(&self, now: Duration) -> WindowReading {
        let complete = self.rebuilt.load(Ordering::Relaxed) || now.saturating_sub(self.started) >= WINDOW;
        let mut reading = WindowReading { complete, ..WindowReading::default() };
        // First bucket with a part after now − 10 min; when that lies on a whole second its bucket is out.
        let first = ORIGIN + now.as_secs() + 1 - WINDOW.as_secs();
        for shard in &self.shards {
            shard.add_to(&mut reading, first, second(now));
        }
        reading
    }
}

/// The bucket of `at`: the second it ends, counted from `ORIGIN`.
fn second(at: Duration) -> u64 {
    ORIGIN + at.as_secs() + u64::from(at.subsec_nanos() > 0)
}

/// The bucket of `age` before `now`, which may lie before the clock's origin.
fn second_before(now: Duration, age: Duration) -> u64 {
    let shifted = now + Duration::from_secs(ORIGIN);
    let at = shifted.saturating_sub(age);
    at.as_secs() + u64::from(at.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
