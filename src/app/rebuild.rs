//! The status windows of the last ten minutes, rebuilt from the history at start: a restart must not silence an alarm.

use crate::clock::Clock;
use crate::exchange::AgentError;
use crate::history::{self, Reader, WindowEvent};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::windows::{PastAttempt, WINDOW};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Reads the history for `upstreams`, which are new to this process; where it cannot be read, the windows say themselves
/// that they are not complete.
pub fn windows(config: &history::Config, metrics: &Metrics, clock: &Clock, upstreams: &[Arc<str>]) {
    if !config.enabled || upstreams.is_empty() {
        return;
    }
    let now_us = clock.wall_us();
    let mut past: HashMap<String, Vec<PastAttempt>> = HashMap::new();
    let read = Reader::open_readonly(&config.dir).and_then(|reader| {
        reader.window_events(now_us - WINDOW.as_micros() as i64, |event| {
            if let Some(attempt) = attempt(&event, now_us) {
                past.entry(event.upstream.to_string()).or_default().push(attempt);
            }
        })
    });
    if let Err(error) = read {
        tracing::warn!(%error, "the status windows start empty: the history cannot be read");
        return;
    }
    for upstream in metrics.upstreams().into_iter().filter(|u| upstreams.contains(u.name())) {
        let events = past.remove(&**upstream.name()).unwrap_or_default();
        upstream.windows.rebuild(clock.elapsed(), events);
        upstream.windows.set_complete();
    }
}

fn attempt(event: &WindowEvent<'_>, now_us: i64) -> Option<PastAttempt> {
    if !matches!(event.kind, "proxy" | "replay") {
        return None;
    }
    let error = event.error_kind.and_then(|word| AgentError::ALL.into_iter().find(|e| e.as_str() == word));
    let unsent = error.is_some_and(AgentError::prevents_sending);
    let timed_out = error == Some(AgentError::HeadTimeout);
    // A head came: the status is the vendor's, also when the body broke off or the caller left.
    let answered = event.upstream_ms.is_some() && !timed_out;
    let is_server_error = |status: u16| (500..600).contains(&status);
    Some(PastAttempt {
        age: Duration::from_micros(u64::try_from(now_us - event.head_at_us).unwrap_or(0)),
        duration_us: event.upstream_ms.map(|ms| (ms * 1000.0) as u64),
        server_error: answered && (is_server_error(event.status) || event.inner_status.is_some_and(is_server_error)),
        unreachable: unsent || timed_out,
    })
}
