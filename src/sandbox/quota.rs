//! The API quota: per account, all keys together, by the hour and, where set, by the minute.
//!
//! The vendor documents the numbers but not the headers; their names are those that independent clients read.
//! Windows are fixed and start with the first request. A 429 carries no `Retry-After`, as observed.

use std::time::Duration;

/// How `X-RateLimit-Reset` is written; the vendor's unit is unknown, so both can be tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetFormat {
    /// Seconds left.
    #[default]
    Seconds,
    /// Seconds since the Unix epoch.
    Epoch,
}

/// One window.
#[derive(Clone, Debug)]
struct Window {
    limit: u64,
    length: Duration,
    started: Option<Duration>,
    used: u64,
}

/// The quota's windows.
#[derive(Debug)]
pub(crate) struct Quota {
    hour: Window,
    minute: Option<Window>,
}

/// A window as the headers show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Reading {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) reset_s: u64,
}

impl Quota {
    pub(crate) fn new(per_hour: u64, per_minute: Option<u64>) -> Self {
        let window = |limit, secs| Window { limit, length: Duration::from_secs(secs), started: None, used: 0 };
        Self { hour: window(per_hour, 3600), minute: per_minute.map(|limit| window(limit, 60)) }
    }

    /// Takes one request at `now`; false when a window is used up. A refused request takes nothing.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        self.hour.turn(now);
        if let Some(minute) = &mut self.minute {
            minute.turn(now);
        }
        let free = self.hour.used < self.hour.limit && self.minute.as_ref().is_none_or(|m| m.used < m.limit);
        if free {
            self.hour.used += 1;
            if let Some(minute) = &mut self.minute {
                minute.used += 1;
            }
        }
        free
    }

    /// The windows as they stand at `now`: the hour, and the minute where it is limited.
    pub(crate) fn readings(&mut self, now: Duration) -> (Reading, Option<Reading>) {
        (self.hour.reading(now), self.minute.as_mut().map(|m| m.reading(now)))
    }

    /// Forgets what was used.
    pub(crate) fn reset(&mut self) {
        self.hour.started = None;
        if let Some(minute) = &mut self.minute {
            minute.started = None;
        }
    }
}

impl Window {
    fn turn(&mut self, now: Duration) {
        if self.started.is_none_or(|started| now >= started + self.length) {
            self.started = Some(now);
            self.used = 0;
        }
    }

    fn reading(&mut self, now: Duration) -> Reading {
        self.turn(now);
        let end = self.started.unwrap_or(now) + self.length;
        Reading {
            limit: self.limit,
            remaining: self.limit.saturating_sub(self.used),
            // Rounded up: a client that waits so long finds a fresh window.
            reset_s: end.saturating_sub(now).as_millis().div_ceil(1000) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn the_hour_runs_out_and_comes_back() {
        let mut quota = Quota::new(2, None);
        assert!(quota.take(S(10)) && quota.take(S(20)) && !quota.take(S(30)));
        assert_eq!(quota.readings(S(30)).0, Reading { limit: 2, remaining: 0, reset_s: 3580 });
        assert!(!quota.take(S(3609)));
        assert!(quota.take(S(3610)));
    }

    #[test]
    fn the_minute_limits_too_and_a_refusal_costs_no_hour() {
        let mut quota = Quota::new(100, Some(1));
        assert!(quota.take(S(0)) && !quota.take(S(1)));
        let (hour, minute) = quota.readings(S(1));
        assert_eq!(hour.remaining, 99);
        assert_eq!(minute, Some(Reading { limit: 1, remaining: 0, reset_s: 59 }));
        assert!(quota.take(S(60)));
    }
}
