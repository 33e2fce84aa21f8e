//! The ledger of quota readings per upstream and window, and the forecast drawn from it.
//!
//! What the vendor tells stands first; where it tells nothing, the calls counted here stand against a declared limit,
//! and the snapshot says so. The ledger holds no clock: every time is an argument, in Unix seconds.
//!
//! - A reading expires at its reset, or one window length after it was read; then `remaining` is unknown.
//! - Of answers out of order within a window the lowest remaining stands.
//! - The forecast is the mean use over the last 15 minutes, of at least 10 readings; it exists only if nothing would be
//!   left before the reset.

mod counted;
mod told;
mod upstreams;

pub use crate::vendors::Reading;
pub use upstreams::Quotas;

use crate::upstream::DeclaredQuota;
use counted::Counted;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use told::Told;

/// Windows kept for one upstream; a vendor tells three at most, and names come from its profile.
const MAX_WINDOWS: usize = 8;
/// How far back the forecast looks, seconds.
const SLOPE_S: i64 = 15 * 60;
/// Readings, or counted calls, below which there is no forecast.
const MIN_READINGS: u64 = 10;

/// Where a snapshot's numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The vendor's answers.
    Told,
    /// Calls counted by Vigie against a declared limit: calls of other programs are missing.
    Counted,
    /// The same, but the window began before the agent did, and what it sent then is not known.
    CountedSinceStart,
}

impl Source {
    /// The word used in the API and as label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Counted => "counted",
            Self::CountedSinceStart => "counted_since_start",
        }
    }
}

/// One window's state at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `hour`, `minute`, …
    pub window: Arc<str>,
    /// How long the window is, if known.
    pub window_length: Option<Duration>,
    /// Calls allowed in the window, if known.
    pub limit: Option<u64>,
    /// Calls left; `None` once the reading expired.
    pub remaining: Option<u64>,
    /// When the window ends, Unix seconds, if told and not past.
    pub reset_at: Option<i64>,
    /// When nothing will be left, Unix seconds, if that is before the reset.
    pub exhaustion_at: Option<i64>,
    /// Where the numbers come from.
    pub source: Source,
}

/// All that is known of one upstream's quota. Written by the recorder, read by the admin side.
#[derive(Debug)]
pub struct Ledger {
    windows: Mutex<Windows>,
}

#[derive(Debug)]
struct Windows {
    told: Vec<Told>,
    counted: Option<Counted>,
}

impl Ledger {
    /// An empty ledger; `declared` is the limit to count against where nothing is told.
    pub fn new(declared: Option<DeclaredQuota>) -> Self {
        Self { windows: Mutex::new(Windows { told: Vec::new(), counted: declared.and_then(Counted::new) }) }
    }

    /// Counts against another limit from now on. What was counted stays if the window does.
    pub fn declare(&self, declared: Option<DeclaredQuota>) {
        let counted = &mut self.windows.lock().counted;
        *counted = match (counted.take(), declared) {
            (Some(counted), Some(new)) if counted.window() == new.window => Some(counted.with_limit(new.limit)),
            (_, new) => new.and_then(Counted::new),
        };
    }

    /// Takes what an answer told, read at `now_s`.
    pub fn observe(&self, reading: &Reading, now_s: i64) {
        let told = &mut self.windows.lock().told;
        match told.iter().position(|window| window.name() == reading.window) {
            Some(at) => told[at].observe(reading, now_s),
            None if told.len() < MAX_WINDOWS => told.push(Told::new(reading, now_s)),
            None => {}
        }
    }

    /// Counts `calls` sent at `now_s`.
    pub fn count(&self, calls: u64, now_s: i64) {
        if let Some(counted) = &mut self.windows.lock().counted {
            counted.count(calls, now_s);
        }
    }

    /// Counts `calls` sent before the start, at `at_s`.
    pub fn count_past(&self, calls: u64, at_s: i64) {
        if let Some(counted) = &mut self.windows.lock().counted {
            counted.count_past(calls, at_s);
        }
    }

    /// All that was sent before the start has been counted.
    pub fn set_rebuilt(&self) {
        if let Some(counted) = &mut self.windows.lock().counted {
            counted.set_rebuilt();
        }
    }

    /// The window that calls are counted in, if a limit is declared.
    pub fn counted_window(&self) -> Option<Duration> {
        self.windows.lock().counted.as_ref().map(Counted::window)
    }

    /// Every window as it stands at `now_s`. The counted one appears only while the vendor tells none of its length.
    pub fn snapshots(&self, now_s: i64) -> Vec<Snapshot> {
        let mut windows = self.windows.lock();
        let mut all: Vec<Snapshot> = windows.told.iter().map(|told| told.snapshot(now_s)).collect();
        if let Some(counted) = windows.counted.as_mut().map(|counted| counted.snapshot(now_s)) {
            let same = |s: &Snapshot| s.window_length == counted.window_length;
            if !all.iter().any(|s| same(s) && s.remaining.is_some()) {
                all.retain(|s| !same(s));
                all.push(counted);
            }
        }
        all
    }
}

/// When nothing is left of `remaining` if use goes on at `used` calls in `over_s` seconds.
fn exhaustion(remaining: u64, used: u64, over_s: i64, now_s: i64) -> Option<i64> {
    if used == 0 || over_s <= 0 {
        return None;
    }
    let left_s = u128::from(remaining) * over_s.unsigned_abs() as u128 / u128::from(used);
    now_s.checked_add(i64::try_from(left_s).ok()?)
}

#[cfg(test)]
mod tests;
