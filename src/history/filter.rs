//! What to search for: the same keys and words on the command line and in the admin API.

mod matching;
mod value;

pub(super) use matching::Matcher;
pub use value::{StatusRange, Words};

use crate::exchange::{Kind, Outcome};

/// Rows found when no limit is given.
pub const DEFAULT_LIMIT: usize = 100;

/// Most rows one search may ask for: bounds the memory of an answer together with the reader's bound in bytes.
pub const MAX_LIMIT: usize = 10_000;

/// The keys that [`Filter::parse`] knows.
pub const KEYS: [&str; 16] = [
    "since",
    "until",
    "route",
    "status",
    "outcome",
    "integration",
    "upstream",
    "method",
    "correlation_id",
    "trace_id",
    "vendor_request_id",
    "kind",
    "text",
    "limit",
    "order",
    "after",
];

const KINDS: [Kind; 6] = [Kind::Proxy, Kind::Webhook, Kind::Delivery, Kind::Replay, Kind::Probe, Kind::Reconcile];

/// A search. All that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Started at or after this time: microseconds since the Unix epoch.
    pub since_us: Option<i64>,
    /// Started before this time: microseconds since the Unix epoch.
    pub until_us: Option<i64>,
    /// Templated route; `*` stands for any characters.
    pub route: Option<String>,
    /// The status the caller got is in one of these ranges.
    pub status: Option<Vec<StatusRange>>,
    /// One of these outcomes, or none of them.
    pub outcome: Option<Words>,
    /// The integration's name; `*` as in `route`.
    pub integration: Option<String>,
    /// The upstream's name; `*` as in `route`.
    pub upstream: Option<String>,
    /// The method: one of [`METHODS`](crate::exchange::record::METHODS).
    pub method: Option<String>,
    /// Exactly this correlation id.
    pub correlation_id: Option<String>,
    /// Exactly this W3C trace id, 32 hex digits.
    pub trace_id: Option<String>,
    /// Exactly this request id of the vendor's, as the record shows it.
    pub vendor_request_id: Option<String>,
    /// One of these kinds, or none of them.
    pub kind: Option<Words>,
    /// The JSON line contains this text, letter by letter.
    pub text: Option<String>,
    /// Most rows wanted; [`DEFAULT_LIMIT`] if not set, never more than [`MAX_LIMIT`].
    pub limit: Option<usize>,
    /// Which end to begin at. A search after a cursor always begins with the oldest.
    pub order: Order,
    /// Only rows recorded after this cursor (see [`super::Found::cursor`]).
    pub after: Option<i64>,
}

/// Which end of the log a search begins at, and the order of its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest rows, newest first.
    #[default]
    Newest,
    /// The oldest rows, oldest first.
    Oldest,
}

/// A filter that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct BadFilter {
    /// The key as it was given.
    pub key: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Filter {
    /// Reads pairs of key and value; `now_us` (microseconds since the Unix epoch) is what `since=15m` counts from.
    ///
    /// # Errors
    /// At the first key that is unknown or doubled, or whose value is not of its form.
    pub fn parse<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
        now_us: i64,
    ) -> Result<Self, BadFilter> {
        let mut filter = Self::default();
        let mut seen = Vec::new();
        for (key, value) in pairs {
            let (key, value) = (key.as_ref(), value.as_ref());
            let bad = |problem: String| BadFilter { key: value::shown(key), problem };
            if seen.iter().any(|s| s == key) {
                return Err(bad("given twice".into()));
            }
            filter.set(key, value, now_us).map_err(bad)?;
            seen.push(key.to_owned());
        }
        filter.check()
    }

    fn set(&mut self, key: &str, given: &str, now_us: i64) -> Result<(), String> {
        match key {
            "since" => self.since_us = Some(value::time(given, now_us)?),
            "until" => self.until_us = Some(value::time(given, now_us)?),
            "route" => self.route = Some(value::pattern(given)?),
            "status" => self.status = Some(value::statuses(given)?),
            "outcome" => self.outcome = Some(value::words(given, &Outcome::ALL.map(Outcome::as_str))?),
            "integration" => self.integration = Some(value::pattern(given)?),
            "upstream" => self.upstream = Some(value::pattern(given)?),
            "method" => self.method = Some(value::method(given)?),
            "correlation_id" => self.correlation_id = Some(value::text(given)?),
            "trace_id" => self.trace_id = Some(value::trace_id(given)?),
            "vendor_request_id" => self.vendor_request_id = Some(value::text(given)?),
            "kind" => self.kind = Some(value::words(given, &KINDS.map(Kind::as_str))?),
            "text" => self.text = Some(value::text(given)?),
            "limit" => self.limit = Some(value::limit(given)?),
            "order" => self.order = value::order(given)?,
            "after" => self.after = Some(value::cursor(given)?),
            _ => return Err(format!("no such filter; there are {}", KEYS.join(", "))),
        }
        Ok(())
    }

    fn check(self) -> Result<Self, BadFilter> {
        match (self.since_us, self.until_us) {
            (Some(since), Some(until)) if since >= until => {
                Err(BadFilter { key: "until".into(), problem: "not later than `since`".into() })
            }
            _ => Ok(self),
        }
    }

    /// The limit in force.
    pub(super) fn rows(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)
    }

    /// The order in force.
    pub(super) fn oldest_first(&self) -> bool {
        self.after.is_some() || self.order == Order::Oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_761_307_200_000_000;

    fn parse(pairs: &[(&str, &str)]) -> Result<Filter, BadFilter> {
        Filter::parse(pairs.iter().copied(), NOW)
    }

    #[test]
    fn every_listed_key_is_known() {
        for key in KEYS {
            let problem = parse(&[(key, "")]).err().map(|e| e.problem);
            assert!(!problem.clone().is_some_and(|p| p.contains("no such filter")), "{key}: {problem:?}");
        }
    }

    #[test]
    fn pairs_become_a_filter() {
        let filter =
            parse(&[("since", "15m"), ("status", "5xx"), ("method", "post"), ("limit", "7"), ("order", "oldest")]);
        let expected = Filter {
            since_us: Some(NOW - 900_000_000),
            status: Some(vec![StatusRange { from: 500, to: 599 }]),
            method: Some("POST".into()),
            limit: Some(7),
            order: Order::Oldest,
            ..Filter::default()
        };
        assert_eq!(filter, Ok(expected));
    }

    #[test]
    fn errors_name_the_key_and_what_would_be_right() {
        let cases: [(&[(&str, &str)], &str); 9] = [
            (
                &[("staus", "500")],
                "staus: no such filter; there are since, until, route, status, outcome, integration, upstream, method, correlation_id, trace_id, vendor_request_id, kind, text, limit, order, after",
            ),
            (&[("limit", "5"), ("limit", "6")], "limit: given twice"),
            (&[("route", "")], "route: empty"),
            (&[("trace_id", "0af7")], "trace_id: `0af7` is no trace id; it has 32 hex digits"),
            (
                &[("outcome", "okay")],
                "outcome: `okay` is none of ok, client_error, auth, rate_limited, vendor_error, partial, timeout, network, client_closed, agent_error, unclassified",
            ),
            (&[("since", "5m"), ("until", "10m")], "until: not later than `since`"),
            (
                &[("method", "Quibblewick")],
                "method: `Quibblewick` is none of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, CONNECT, TRACE, OTHER",
            ),
            (&[("order", "up")], "order: `up` is neither `newest` nor `oldest`"),
            (&[("a\u{1b}[31m", "x")], ""),
        ];
        for (pairs, expected) in cases {
            let error = parse(pairs).unwrap_err().to_string();
            assert!(!error.contains('\u{1b}'), "{error:?}");
            if !expected.is_empty() {
                assert_eq!(error, expected);
            }
        }
    }
}
