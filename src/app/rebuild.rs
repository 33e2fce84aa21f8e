//! What a restart must not forget, read back from the history: the status windows of the last ten minutes, since it must not
//! silence an alarm, and the calls counted against a declared quota.

use crate::clock::Clock;
use crate::exchange::AgentError;
use crate::history::{self, Reader, WindowEvent};
use crate::quota::Quotas;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::windows::{PastAttempt, WINDOW};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Reads the history for `upstreams`, which are new to this process; where it cannot be read, windows and counts say
/// themselves that they are not complete.
pub fn from_history(
    config: &history::Config,
    metrics: &Metrics,
    quotas: &Quotas,
    clock: &Clock,
    upstreams: &[Arc<str>],
) {
    if !config.enabled || upstreams.is_empty() {
        return;
    }
    let now_us = clock.wall_us();
    let started_us = now_us - micros(clock.elapsed());
    let longest = quotas.longest_counted().unwrap_or_default().max(WINDOW);
    let mut past: HashMap<String, Vec<PastAttempt>> = HashMap::new();
    let read = Reader::open_readonly(&config.dir).and_then(|reader| {
        reader.window_events(now_us - micros(longest), |event| {
            if !upstreams.iter().any(|name| **name == *event.upstream) {
                return;
            }
            let Some((call, attempt)) = read_back(&event, now_us) else { return };
            // What is younger was counted live.
            if call && event.head_at_us < started_us {
                quotas.count_past(event.upstream, 1, event.head_at_us.div_euclid(1_000_000));
            }
            if attempt.age < WINDOW && matches!(event.kind, "proxy" | "replay") {
                past.entry(event.upstream.to_string()).or_default().push(attempt);
            }
        })
    });
    if let Err(error) = read {
        tracing::warn!(%error, "status windows and counted quotas start empty: the history cannot be read");
        return;
    }
    quotas.set_rebuilt();
    for upstream in metrics.upstreams().into_iter().filter(|u| upstreams.contains(u.name())) {
        let events = past.remove(&**upstream.name()).unwrap_or_default();
        upstream.windows.rebuild(clock.elapsed(), events);
        upstream.windows.set_complete();
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// Whether it was a call that the vendor saw, and what the windows count. None for what does not go to the vendor.
fn read_back(event: &WindowEvent<'_>, now_us: i64) -> Option<(bool, PastAttempt)> {
    if matches!(event.kind, "webhook" | "delivery") {
        return None;
    }
    let error = event.error_kind.and_then(|word| AgentError::ALL.into_iter().find(|e| e.as_str() == word));
    let unsent = error.is_some_and(AgentError::prevents_sending);
    let timed_out = error == Some(AgentError::HeadTimeout);
    // A head came: the status is the vendor's, also when the body broke off or the caller left.
    let answered = event.upstream_ms.is_some() && !timed_out;
    let is_server_error = |status: u16| (500..600).contains(&status);
    let attempt = PastAttempt {
        age: Duration::from_micros(u64::try_from(now_us - event.head_at_us).unwrap_or(0)),
        duration_us: event.upstream_ms.map(|ms| (ms * 1000.0) as u64),
        server_error: answered && (is_server_error(event.status) || event.inner_status.is_some_and(is_server_error)),
        unreachable: unsent || timed_out,
    };
    Some((!unsent, attempt))
}
