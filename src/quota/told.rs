//! One window as the vendor tells it.

use super::{MIN_READINGS, Reading, SLOPE_S, Snapshot, Source, exhaustion};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Seconds one step of the use curve stands for: 90 steps cover the forecast's 15 minutes whatever the traffic.
const STEP_S: i64 = 10;
/// Length assumed for a window whose length is not known, seconds: readings must not live for ever.
const ASSUMED_LENGTH_S: i64 = 3600;
/// Resets that differ by less belong to the same window: "seconds left" is rounded, and answers take their time.
const SAME_RESET_S: i64 = 5;
/// Where no reset is told, a higher remaining read this long after the lowest one is a new window, not a late answer:
/// an answer is given up after 60 s.
const LATE_ANSWER_S: i64 = 120;

/// One step of the use curve.
#[derive(Clone, Copy, Debug)]
struct Step {
    at: i64,
    /// Use so far at its first reading.
    used: u64,
    readings: u64,
}

/// The state of one told window.
#[derive(Debug)]
pub(super) struct Told {
    name: Arc<str>,
    length: Option<Duration>,
    limit: Option<u64>,
    remaining: u64,
    reset_at: Option<i64>,
    /// When `remaining` was read.
    read_at: i64,
    /// Sum of all falls of `remaining`, across windows.
    used: u64,
    steps: VecDeque<Step>,
}

impl Told {
    pub fn new(reading: &Reading, now_s: i64) -> Self {
        let mut told = Self {
            name: reading.window.into(),
            length: reading.window_length,
            limit: reading.limit,
            remaining: reading.remaining,
            reset_at: reading.reset_at,
            read_at: now_s,
            used: 0,
            steps: VecDeque::new(),
        };
        told.step(now_s);
        told
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn observe(&mut self, reading: &Reading, now_s: i64) {
        if self.is_of_an_older_window(reading) {
            return;
        }
        if self.starts_a_new_window(reading, now_s) {
            // What was used of it before its first reading is known only if the limit is.
            self.used += reading.limit.map_or(0, |limit| limit.saturating_sub(reading.remaining));
            self.take(reading, now_s);
        } else if reading.remaining <= self.remaining {
            self.used += self.remaining - reading.remaining;
            self.take(reading, now_s);
        }
        self.step(now_s);
    }

    fn take(&mut self, reading: &Reading, now_s: i64) {
        self.remaining = reading.remaining;
        self.limit = reading.limit.or(self.limit);
        self.length = reading.window_length.or(self.length);
        self.reset_at = reading.reset_at;
        self.read_at = now_s;
    }

    fn is_of_an_older_window(&self, reading: &Reading) -> bool {
        reading.reset_at.zip(self.reset_at).is_some_and(|(new, old)| new < old - SAME_RESET_S)
    }

    fn starts_a_new_window(&self, reading: &Reading, now_s: i64) -> bool {
        if now_s >= self.expires_at() {
            return true;
        }
        match (reading.reset_at, self.reset_at) {
            (Some(new), Some(old)) => new > old + SAME_RESET_S,
            _ => reading.remaining > self.remaining && now_s - self.read_at > LATE_ANSWER_S,
        }
    }

    fn expires_at(&self) -> i64 {
        let length = self.length.map_or(ASSUMED_LENGTH_S, |l| i64::try_from(l.as_secs()).unwrap_or(i64::MAX));
        self.reset_at.unwrap_or_else(|| self.read_at.saturating_add(length))
    }

    fn step(&mut self, now_s: i64) {
        let used = self.used;
        match self.steps.back_mut() {
            // A clock that was set back must not break the order.
            Some(step) if now_s - step.at < STEP_S => step.readings += 1,
            _ => self.steps.push_back(Step { at: now_s, used, readings: 1 }),
        }
        while self.steps.front().is_some_and(|step| step.at < now_s - SLOPE_S) {
            self.steps.pop_front();
        }
    }

    #[cfg(test)]
    pub fn steps_kept(&self) -> usize {
        self.steps.len()
    }

    pub fn snapshot(&self, now_s: i64) -> Snapshot {
        let current = now_s < self.expires_at();
        Snapshot {
            window: Arc::clone(&self.name),
            window_length: self.length,
            limit: self.limit,
            remaining: current.then_some(self.remaining),
            reset_at: self.reset_at.filter(|_| current),
            exhaustion_at: self.forecast(now_s).filter(|_| current),
            source: Source::Told,
        }
    }

    /// Without a told reset, the reading's own end stands for it.
    fn forecast(&self, now_s: i64) -> Option<i64> {
        let mut steps = self.steps.iter().filter(|step| step.at >= now_s - SLOPE_S);
        let first = *steps.next()?;
        let readings = steps.map(|step| step.readings).sum::<u64>() + first.readings;
        if readings < MIN_READINGS {
            return None;
        }
        let at = exhaustion(self.remaining, self.used - first.used, now_s - first.at, now_s)?;
        (at < self.expires_at()).then_some(at)
    }
}
