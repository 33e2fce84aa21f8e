//! Calls counted here against a declared limit.
//!
//! The vendor's window starts nobody knows when, so the count is of the last window length: it is never lower than the
//! use of any fixed window that holds now.

use super::{MIN_READINGS, SLOPE_S, Snapshot, Source, exhaustion};
use crate::upstream::DeclaredQuota;
use std::sync::Arc;
use std::time::Duration;

/// Parts a window is counted in: a call leaves the count at most 1/60 of the window late.
const PARTS: usize = 60;

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Number of the part since the epoch.
    number: i64,
    calls: u64,
}

/// The count of one declared window.
#[derive(Debug)]
pub(super) struct Counted {
    name: Arc<str>,
    declared: DeclaredQuota,
    part_s: i64,
    parts: [Part; PARTS + 1],
    /// When it was first written or read, Unix seconds.
    begun_s: Option<i64>,
    /// What was sent before the start has been counted as well.
    rebuilt: bool,
}

impl Counted {
    /// `None` for a window shorter than a second: it cannot be counted in seconds.
    pub fn new(declared: DeclaredQuota) -> Option<Self> {
        let length_s = i64::try_from(declared.window.as_secs()).ok().filter(|s| *s > 0)?;
        // Rounded up: all parts together must not be shorter than the window.
        let part_s = length_s.saturating_add(PARTS as i64 - 1) / PARTS as i64;
        let parts = [Part::default(); PARTS + 1];
        Some(Self { name: name(declared.window), declared, part_s, parts, begun_s: None, rebuilt: false })
    }

    pub fn count(&mut self, calls: u64, now_s: i64) {
        self.begun_s.get_or_insert(now_s);
        self.add(calls, now_s);
    }

    /// Counts calls of the time before the start.
    pub fn count_past(&mut self, calls: u64, at_s: i64) {
        self.add(calls, at_s);
    }

    /// The calls before the start are counted: the count is of the whole window from now on.
    pub fn set_rebuilt(&mut self) {
        self.rebuilt = true;
    }

    pub fn with_limit(mut self, limit: u64) -> Self {
        self.declared.limit = limit;
        self
    }

    pub fn window(&self) -> Duration {
        self.declared.window
    }

    fn add(&mut self, calls: u64, at_s: i64) {
        let number = at_s.div_euclid(self.part_s);
        let part = &mut self.parts[number.rem_euclid(PARTS as i64 + 1) as usize];
        if part.number > number {
            return; // so late that it is in no window any more
        }
        if part.number < number {
            *part = Part { number, calls: 0 };
        }
        part.calls = part.calls.saturating_add(calls);
    }

    /// Calls of the last `over_s` seconds, and of the part that began before them.
    fn used(&self, over_s: i64, now_s: i64) -> u64 {
        let last = now_s.div_euclid(self.part_s);
        let first = (now_s - over_s).div_euclid(self.part_s);
        self.parts.iter().filter(|p| (first..=last).contains(&p.number)).map(|p| p.calls).sum()
    }

    fn source(&mut self, now_s: i64) -> Source {
        let begun_s = *self.begun_s.get_or_insert(now_s);
        let covers = now_s.saturating_sub(begun_s) >= self.declared.window.as_secs() as i64;
        if self.rebuilt || covers { Source::Counted } else { Source::CountedSinceStart }
    }

    pub fn snapshot(&mut self, now_s: i64) -> Snapshot {
        let length_s = self.declared.window.as_secs() as i64;
        let remaining = self.declared.limit.saturating_sub(self.used(length_s, now_s));
        Snapshot {
            window: Arc::clone(&self.name),
            window_length: Some(self.declared.window),
            limit: Some(self.declared.limit),
            remaining: Some(remaining),
            reset_at: None,
            exhaustion_at: self.forecast(remaining, length_s, now_s),
            source: self.source(now_s),
        }
    }

    /// A count that moves along has no reset: at this pace the limit is reached, or it never is.
    fn forecast(&self, remaining: u64, length_s: i64, now_s: i64) -> Option<i64> {
        let over_s = SLOPE_S.min(length_s);
        let used = self.used(over_s, now_s);
        let in_a_window = u128::from(used) * length_s.unsigned_abs() as u128 / over_s.unsigned_abs().max(1) as u128;
        let enough = used >= MIN_READINGS && in_a_window > u128::from(self.declared.limit);
        enough.then(|| exhaustion(remaining, used, over_s, now_s))?
    }
}

/// The same words that profiles use.
fn name(window: Duration) -> Arc<str> {
    match window.as_secs() {
        1 => "second".into(),
        60 => "minute".into(),
        3600 => "hour".into(),
        86_400 => "day".into(),
        other => format!("{other}s").into(),
    }
}
