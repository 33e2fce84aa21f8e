//! What is counted for one upstream: its status window, outcomes, answers Vigie made in its place, quota.

use super::family::Family;
use crate::exchange::{AgentError, Outcome};
use crate::telemetry::catalogue::{self, Entry};
use crate::telemetry::windows::{WINDOW_LABEL, WindowReading, Windows};
use parking_lot::Mutex;
use prometheus::proto::MetricFamily;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Quota windows an upstream may have; real ones have one to three (second, minute, hour, day).
const MAX_QUOTA_WINDOWS: usize = 16;

/// What is known of one quota window. What is not known has no series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QuotaValues {
    /// Calls allowed per window.
    pub limit: Option<f64>,
    /// Calls left.
    pub remaining: Option<f64>,
    /// When the window starts anew, seconds since the Unix epoch.
    pub reset: Option<f64>,
    /// When it runs out at the present rate, seconds since the Unix epoch.
    pub exhaustion: Option<f64>,
    /// Where the numbers come from, in a word.
    pub source: Option<&'static str>,
}

/// One upstream's counters.
pub struct UpstreamMetrics {
    name: Arc<str>,
    /// The status window, written by the data path.
    pub windows: Windows,
    outcomes: [AtomicU64; Outcome::ALL.len()],
    errors: [AtomicU64; AgentError::ALL.len()],
    abandoned: AtomicU64,
    echoes: AtomicU64,
    unrecorded_calls: AtomicU64,
    quota: Mutex<BTreeMap<String, QuotaValues>>,
}

impl UpstreamMetrics {
    pub(super) fn new(name: Arc<str>, workers: usize, now: Duration) -> Self {
        Self {
            name,
            windows: Windows::new(workers, now),
            outcomes: [const { AtomicU64::new(0) }; Outcome::ALL.len()],
            errors: [const { AtomicU64::new(0) }; AgentError::ALL.len()],
            abandoned: AtomicU64::new(0),
            echoes: AtomicU64::new(0),
            unrecorded_calls: AtomicU64::new(0),
            quota: Mutex::default(),
        }
    }

    /// Its configured name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Counts an answer that Vigie made itself, or the upstream's that broke off. All workers share the counters: errors
    /// are too rare to be worth a line of memory for each.
    pub(super) fn agent_error(&self, error: AgentError) {
        self.errors[error as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer that gave a credential back.
    pub fn credential_echoed(&self) {
        self.echoes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unrecorded_calls(&self, calls: u64) {
        self.unrecorded_calls.fetch_add(calls, Ordering::Relaxed);
    }

    /// Requests sent whose exchanges the recorder had no room for, since the last time: nobody else counts them into the
    /// quota.
    pub fn take_unrecorded_calls(&self) -> u64 {
        self.unrecorded_calls.swap(0, Ordering::Relaxed)
    }

    /// Sets what is known of one quota window (`1h`, `1m`, …); an all-unknown reading removes its series.
    pub fn set_quota(&self, window: &str, values: QuotaValues) {
        let mut quota = self.quota.lock();
        if values == QuotaValues::default() {
            quota.remove(window);
        } else if let Some(known) = quota.get_mut(window) {
            *known = values;
        } else if quota.len() < MAX_QUOTA_WINDOWS {
            quota.insert(window.to_owned(), values);
        }
    }

    pub(super) fn count_outcome(&self, outcome: Outcome) {
        if let Some(counter) = Outcome::ALL.iter().position(|o| *o == outcome).and_then(|i| self.outcomes.get(i)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The families of `configured`; `unconfigured` takes part where calls without an upstream are counted.
pub(super) fn families(
    configured: &[Arc<UpstreamMetrics>],
    unconfigured: &UpstreamMetrics,
    now: Duration,
) -> Vec<MetricFamily> {
    let mut families = windows(configured, now);
    families.extend(quotas(configured));
    let all = || configured.iter().map(Arc::as_ref).chain([unconfigured]);
    let mut outcomes = Family::new(&catalogue::OUTCOMES);
    let mut errors = Family::new(&catalogue::AGENT_ERRORS);
    for upstream in all() {
        for (outcome, count) in Outcome::ALL.iter().zip(&upstream.outcomes) {
            outcomes.add(&[&upstream.name, outcome.as_str()], count.load(Ordering::Relaxed) as f64);
        }
        for (error, count) in AgentError::ALL.iter().zip(&upstream.errors) {
            errors.add(&[&upstream.name, error.as_str()], count.load(Ordering::Relaxed) as f64);
        }
    }
    let mut abandoned = Family::new(&catalogue::ABANDONED);
    configured.iter().for_each(|u| abandoned.add(&[&u.name], u.abandoned.load(Ordering::Relaxed) as f64));
    let mut echoes = Family::new(&catalogue::CREDENTIAL_ECHOES);
    configured.iter().for_each(|u| echoes.add(&[&u.name], u.echoes.load(Ordering::Relaxed) as f64));
    families.extend([outcomes.finish(), errors.finish(), abandoned.finish(), echoes.finish()]);
    families
}

fn windows(upstreams: &[Arc<UpstreamMetrics>], now: Duration) -> Vec<MetricFamily> {
    type Part = fn(&WindowReading) -> f64;
    let parts: [(&'static Entry, Part); 4] = [
        (&catalogue::WINDOW_SERVER_ERRORS, |r| r.server_errors as f64),
        (&catalogue::WINDOW_UNREACHABLE, |r| r.unreachable as f64),
        (&catalogue::WINDOW_ATTEMPTS, |r| r.attempts as f64),
        (&catalogue::WINDOW_DURATION, |r| r.duration.as_secs_f64()),
    ];
    let readings: Vec<_> = upstreams.iter().map(|u| (&*u.name, u.windows.read(now))).collect();
    let mut families: Vec<_> = parts
        .into_iter()
        .map(|(entry, part)| {
            let mut family = Family::new(entry);
            readings.iter().for_each(|(name, reading)| family.add(&[name, WINDOW_LABEL], part(reading)));
            family.finish()
        })
        .collect();
    let mut complete = Family::new(&catalogue::WINDOW_COMPLETE);
    readings.iter().for_each(|(name, reading)| complete.add(&[name], f64::from(u8::from(reading.complete))));
    families.push(complete.finish());
    families
}

fn quotas(upstreams: &[Arc<UpstreamMetrics>]) -> Vec<MetricFamily> {
    type Part = fn(&QuotaValues) -> Option<f64>;
    let parts: [(&'static Entry, Part); 4] = [
        (&catalogue::QUOTA_LIMIT, |q| q.limit),
        (&catalogue::QUOTA_REMAINING, |q| q.remaining),
        (&catalogue::QUOTA_RESET, |q| q.reset),
        (&catalogue::QUOTA_EXHAUSTION, |q| q.exhaustion),
    ];
    let mut families = parts.map(|(entry, _)| Family::new(entry));
    let mut source = Family::new(&catalogue::QUOTA_SOURCE);
    for upstream in upstreams {
        for (window, values) in upstream.quota.lock().iter() {
            for (family, (_, part)) in families.iter_mut().zip(parts) {
                if let Some(value) = part(values) {
                    family.add(&[&upstream.name, window], value);
                }
            }
            if let Some(word) = values.source {
                source.add(&[&upstream.name, window, word], 1.0);
            }
        }
    }
    families.into_iter().chain([source]).map(Family::finish).collect()
}
