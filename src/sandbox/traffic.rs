//! Traffic as integrations make it, for a proxy to watch: an ERP that synchronises, a web form, a marketing tool, a BI tool.
//!
//! Each has a key of its own and names itself in `X-Integration`; some send a trace context, some a correlation id;
//! a few of their calls are mistakes. Only loopback addresses are called: this is no load generator for others' servers.

mod scenario;

use super::random::Rng;
use crate::secret::Secret;
use scenario::{Kind, Scenario};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a call may take; a call that is never answered ends here.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call under way may go on after the end: cut off, it would look like a caller that left.
const GRACE: Duration = Duration::from_secs(1);
/// The most calls a second, all integrations together: enough to watch, too few to be a load test.
pub const MAX_CALLS_PER_SECOND: f64 = 500.0;
/// The fewest: a call in more than a minute and a half shows nothing.
pub const MIN_CALLS_PER_SECOND: f64 = 0.01;
/// The longest run.
pub const MAX_DURATION: Duration = Duration::from_secs(24 * 3600);

/// What is driven, and how hard.
#[derive(Clone, Debug)]
pub struct Config {
    /// The proxy's address for the CRM, `http://127.0.0.1:8080`; the paths begin with `/crm/sales/api`.
    pub base_url: String,
    /// Calls a second, all integrations together; each call comes half a gap early to half a gap late.
    pub calls_per_second: f64,
    /// How long.
    pub duration: Duration,
    /// What the calls follow from.
    pub seed: u64,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls sent.
    pub sent: u64,
    /// Calls without an answer (refused, reset, timed out).
    pub unanswered: u64,
    /// Answers by integration and status.
    pub answers: BTreeMap<(&'static str, u16), u64>,
}

/// Why traffic did not start.
#[derive(Debug, Error)]
pub enum Error {
    /// The address is no `http://` URL of a loopback address.
    #[error("traffic goes to http:// addresses of this machine only (127.0.0.1, [::1], localhost)")]
    NotLoopback,
    /// The rate is too low, too high, or no number.
    #[error("calls per second must lie between {MIN_CALLS_PER_SECOND} and {MAX_CALLS_PER_SECOND}")]
    Rate,
    /// The HTTP client could not be made.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// An integration that the traffic plays: its name in `X-Integration`, and its key, which the sandbox must accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integration {
    /// The name.
    pub name: &'static str,
    /// The key, for the sandbox only.
    pub key: &'static str,
}

/// The integrations that the traffic plays.
pub const INTEGRATIONS: [Integration; 4] = [
    Integration { name: "erp-sync", key: "sandbox-key-erp-sync" },
    Integration { name: "web-form", key: "sandbox-key-web-form" },
    Integration { name: "marketing", key: "sandbox-key-marketing" },
    Integration { name: "bi", key: "sandbox-key-bi" },
];

/// Each integration's share of the calls, in the order of [`INTEGRATIONS`].
const SHARES: [f64; 4] = [0.45, 0.2, 0.2, 0.15];

/// The integrations' keys, to be accepted by the sandbox.
pub fn api_keys() -> Vec<Secret> {
    INTEGRATIONS.iter().map(|i| Secret::new(i.key)).collect()
}

/// Drives all integrations until the duration is over or `cancel` is.
///
/// A rustls provider must have been installed, although only plain HTTP is spoken: the client asks for one.
pub async fn run(config: Config, cancel: CancellationToken) -> Result<Summary, Error> {
    let base = loopback(&config.base_url)?;
    if !(MIN_CALLS_PER_SECOND..=MAX_CALLS_PER_SECOND).contains(&config.calls_per_second) {
        return Err(Error::Rate);
    }
    let client = reqwest::Client::builder()
        .timeout(CALL_TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let end = Instant::now() + config.duration.min(MAX_DURATION);
    let mut running = JoinSet::new();
    for (i, integration) in INTEGRATIONS.into_iter().enumerate() {
        let gap = Duration::from_secs_f64(1.0 / (config.calls_per_second * SHARES[i]));
        let rng = Rng::new(config.seed ^ ((i as u64 + 1) << 32));
        let scenario = Scenario::new(Kind::ALL[i], integration, client.clone(), base.clone(), rng);
        running.spawn(drive(scenario, gap, end, cancel.clone()));
    }
    let mut total = Summary::default();
    while let Some(done) = running.join_next().await {
        total.add(done.unwrap_or_default());
    }
    Ok(total)
}

/// One call after the other; where answers are slower than the gap, calls are late rather than many at once.
async fn drive(mut scenario: Scenario, gap: Duration, end: Instant, cancel: CancellationToken) -> Summary {
    let mut summary = Summary::default();
    let mut next = Instant::now() + scenario.jitter(gap);
    while next < end && !cancel.is_cancelled() {
        tokio::select! {
            () = over(&cancel, end) => break,
            () = tokio::time::sleep_until(next) => {}
        }
        let cut = async {
            over(&cancel, end).await;
            tokio::time::sleep(GRACE).await;
        };
        let status = tokio::select! {
            () = cut => None,
            status = scenario.step() => status,
        };
        summary.sent += 1;
        match status {
            Some(status) => *summary.answers.entry((scenario.name(), status)).or_default() += 1,
            None => summary.unanswered += 1,
        }
        next = (next + scenario.jitter(gap)).max(Instant::now());
    }
    summary
}

/// Done when the time is over or somebody cancels.
async fn over(cancel: &CancellationToken, end: Instant) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = tokio::time::sleep_until(end) => {}
    }
}

impl Summary {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.unanswered += other.unanswered;
        for (key, n) in other.answers {
            *self.answers.entry(key).or_default() += n;
        }
    }
}

/// The API's base on a loopback address, or a refusal.
fn loopback(url: &str) -> Result<String, Error> {
    let url = reqwest::Url::parse(url).map_err(|_| Error::NotLoopback)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if url.scheme() != "http" || !is_here || !url.username().is_empty() {
        return Err(Error::NotLoopback);
    }
    Ok(format!("{}/crm/sales/api", url.as_str().trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_called() {
        for url in ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:8080", "http://127.8.9.1"] {
            assert!(loopback(url).is_ok(), "{url}");
        }
        for url in [
            "https://127.0.0.1",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1@example.com",
            "ftp://localhost",
            "localhost:8080",
            "",
        ] {
            assert!(loopback(url).is_err(), "{url}");
        }
    }
}
