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
}

impl Counted {
    /// `None` for a window shorter than a second: it cannot be counted in seconds.
    pub fn new(declared: DeclaredQuota) -> Option<Self> {
        let length_s = i64::try_from(declared.window.as_secs()).ok().filter(|s| *s > 0)?;
        let part_s = (length_s / PARTS as i64).max(1);
        Some(Self { name: name(declared.window), declared, part_s, parts: [Part::default(); PARTS + 1] })
    }

    pub fn count(&mut self, calls: u64, now_s: i64) {
        let number = now_s.div_euclid(self.part_s);
        let part = &mut self.parts[number.rem_euclid(PARTS as i64 + 1) as usize];
        if part.number != number {
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

    pub fn snapshot(&self, now_s: i64) -> Snapshot {
        let length_s = self.declared.window.as_secs() as i64;
        let remaining = self.declared.limit.saturating_sub(self.used(length_s, now_s));
        Snapshot {
            window: Arc::clone(&self.name),
            window_length: Some(self.declared.window),
            limit: Some(self.declared.limit),
            remaining: Some(remaining),
            reset_at: None,
            exhaustion_at: self.forecast(remaining, length_s, now_s),
            source: Source::Counted,
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
