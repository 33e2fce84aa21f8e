//! Time as an argument: windows, back-off and rules take a [`Clock`] so that tests can turn it.
//!
//! Two readings exist. `wall` is for what people read (timestamps); `elapsed` is monotonic and is for windows,
//! so that a stepped system clock neither hides nor invents errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clocks; the instant is the origin of `elapsed`.
    System(Instant),
    /// Turned by hand, in microseconds since both origins.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clocks, with `elapsed` starting now.
    pub fn system() -> Self {
        Self::System(Instant::now())
    }

    /// A clock for tests that stands at `start` until [`Clock::advance`] is called.
    pub fn manual(start: Duration) -> Self {
        Self::Manual(Arc::new(AtomicU64::new(start.as_micros() as u64)))
    }

    /// Microseconds since the Unix epoch, wall clock.
    pub fn wall_us(&self) -> i64 {
        match self {
            Self::System(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64),
            Self::Manual(us) => us.load(Ordering::Relaxed) as i64,
        }
    }

    /// Monotonic time since the clock was made.
    pub fn elapsed(&self) -> Duration {
        match self {
            Self::System(origin) => origin.elapsed(),
            Self::Manual(us) => Duration::from_micros(us.load(Ordering::Relaxed)),
        }
    }

    /// `at` on this clock's monotonic scale; zero when it lies before the origin.
    pub fn at(&self, at: Instant) -> Duration {
        match self {
            Self::System(origin) => at.saturating_duration_since(*origin),
            Self::Manual(us) => Duration::from_micros(us.load(Ordering::Relaxed)),
        }
    }

    /// Turns a manual clock forward; the system's clock cannot be turned, so this does nothing to it.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(us) = self {
            us.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
        }
    }
}

/// A time (microseconds since the Unix epoch) in RFC 3339, UTC, to the millisecond; none outside the years 0 to 9999.
pub fn rfc3339(us: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(us.div_euclid(1000)).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_and_programs_read_them() {
        assert_eq!(rfc3339(1_760_000_060_000_000).as_deref(), Some("2025-10-09T08:54:20Z"));
        assert_eq!(rfc3339(1_760_000_060_123_999).as_deref(), Some("2025-10-09T08:54:20.123Z"));
        assert_eq!(rfc3339(-1).as_deref(), Some("1969-12-31T23:59:59.999Z"));
        assert_eq!(rfc3339(i64::MAX), None);
    }
}
