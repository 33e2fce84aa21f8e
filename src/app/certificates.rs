//! Certificates end, and nothing breaks before they do: their ends are a metric, and two weeks ahead a line in the log.

use crate::clock::Clock;
use crate::config::Config;
use crate::telemetry::metrics::{Metrics, Owner};
use crate::tls;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Days before a certificate's end from which on it is told: time to renew one by hand. Those that renew themselves do so a month
/// ahead as a rule.
const DAYS_AHEAD: i64 = 14;

/// How often they are looked at: a reload or a handshake may bring another at any time.
const LOOK: Duration = Duration::from_secs(60);

/// How often the same end is told.
const AGAIN: Duration = Duration::from_secs(86_400);

/// Notes the certificates that `config` names, and tells of those that end soon until `stop`.
pub fn start(config: &Config, metrics: &Arc<Metrics>, clock: &Clock, stop: &CancellationToken) {
    note(config, metrics);
    tokio::spawn(watch(Arc::clone(metrics), clock.clone(), stop.clone()));
}

/// Notes the ends of the certificates that `config` names, and forgets those of names that it has no more.
pub fn note(config: &Config, metrics: &Metrics) {
    let certificates = metrics.agent().certificates();
    let own = own(config);
    let upstream = |name: &str| config.upstreams.iter().any(|u| &*u.name == name);
    certificates.retain(|owner, name| match owner {
        Owner::Upstream => upstream(name),
        _ => own.iter().any(|(known, named, _)| (*known, named.as_str()) == (owner, name)),
    });
    for (owner, name, file) in own {
        // A file that cannot be read any more is told by the next reload; what was read from it is still shown.
        if let Some(end) = tls::file_not_after(file) {
            certificates.of(owner, &name).store(end, Ordering::Relaxed);
        }
    }
}

/// Vigie's own, by whom they are shown and where they are read.
fn own(config: &Config) -> Vec<(Owner, String, &Path)> {
    let listeners = config.proxy.listeners.iter().filter_map(|listener| {
        let files = listener.tls.as_ref()?;
        Some((Owner::Listener, listener.address.to_string(), files.certificate.as_path()))
    });
    let clients = config.upstreams.iter().filter_map(|upstream| {
        let (certificate, _) = upstream.trust.identity.as_ref()?;
        Some((Owner::Client, upstream.name.to_string(), certificate.as_path()))
    });
    let admin = config.admin.tls.as_ref();
    let admin = admin.map(|files| (Owner::Admin, config.admin.address.to_string(), files.certificate.as_path()));
    listeners.chain(clients).chain(admin).collect()
}

async fn watch(metrics: Arc<Metrics>, clock: Clock, stop: CancellationToken) {
    let (mut look, mut told) = (tokio::time::interval(LOOK), Told::default());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        for (owner, name, end) in metrics.agent().certificates().known() {
            if let Some(left) = told.due(owner, &name, end, clock.wall_us() / 1_000_000, Instant::now()) {
                tell(owner, &name, left);
            }
        }
    }
}

fn tell(owner: Owner, name: &str, left: Left) {
    let owner = owner.as_str();
    match left {
        Left::Days(days) => tracing::warn!(owner, name, days, "a certificate ends soon: renew it"),
        Left::None => tracing::warn!(owner, name, "a certificate has ended: renew it"),
    }
}

/// What is left of a certificate.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Days(i64),
    None,
}

/// What was told, and when.
#[derive(Default)]
struct Told(HashMap<(&'static str, String), (i64, Instant)>);

impl Told {
    /// What is left, when that is little and was not told a short while ago.
    fn due(&mut self, owner: Owner, name: &str, end: i64, now_s: i64, now: Instant) -> Option<Left> {
        const DAY: i64 = 86_400;
        let key = (owner.as_str(), name.to_owned());
        if end - now_s >= DAYS_AHEAD * DAY {
            self.0.remove(&key);
            return None;
        }
        let known = self.0.get(&key).is_some_and(|(told, at)| *told == end && now < *at + AGAIN);
        if known {
            return None;
        }
        self.0.insert(key, (end, now));
        Some(if end > now_s { Left::Days((end - now_s) / DAY) } else { Left::None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_two_weeks_ahead_and_once_a_day() {
        const DAY: i64 = 86_400;
        let (mut told, start) = (Told::default(), Instant::now());
        let mut at = |day: i64, end: i64| {
            let now = start + Duration::from_secs(day as u64 * 86_400);
            told.due(Owner::Listener, "127.0.0.1:8443", end, day * DAY, now)
        };
        assert_eq!(at(0, 20 * DAY), None);
        assert_eq!(at(7, 20 * DAY), Some(Left::Days(13)));
        assert_eq!(at(7, 20 * DAY), None, "told already");
        assert_eq!(at(8, 20 * DAY), Some(Left::Days(12)), "once a day");
        assert_eq!(at(8, 9 * DAY), Some(Left::Days(1)), "another certificate");
        assert_eq!(at(9, 9 * DAY), Some(Left::None));
        assert_eq!(at(9, 99 * DAY), None, "renewed");
    }
}
