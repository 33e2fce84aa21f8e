//! What reached the sandbox: the last requests, and counts by route and status.

use super::faults::Kind;
use http::{HeaderMap, Method};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// Requests remembered, headers and all: at about 2 kB each, half a megabyte.
const MAX_REQUESTS: usize = 256;
/// Headers remembered of one request.
const MAX_HEADERS: usize = 64;
/// Bytes remembered of one header or path.
const MAX_VALUE: usize = 512;
/// Different (route, status) pairs counted; the rest is `other`. The API has about 60 routes.
const MAX_ROUTES: usize = 1_000;

/// A request as it was received.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Received {
    pub(crate) number: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) http_version: String,
    /// Names and values in the order received; keys that are not the sandbox's own are `***`.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body_bytes: usize,
    pub(crate) body_blake3: String,
    /// The status answered; `None` while there was no answer.
    pub(crate) status: Option<u16>,
    pub(crate) fault: Option<Kind>,
}

/// The remembered requests and the counts.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    received: u64,
    last: VecDeque<Received>,
    routes: BTreeMap<String, BTreeMap<String, u64>>,
    pairs: usize,
    faults: BTreeMap<Kind, u64>,
}

impl Received {
    /// Describes a request. `is_known` says whether an `Authorization` value is one of the sandbox's own keys: only
    /// those, which open nothing else, are shown.
    pub(crate) fn new(parts: &http::request::Parts, body: &[u8], is_known: impl Fn(&[u8]) -> bool) -> Self {
        Self {
            number: 0,
            method: parts.method.to_string(),
            path: clip(parts.uri.path()),
            query: parts.uri.query().map(clip),
            http_version: format!("{:?}", parts.version),
            headers: show_headers(&parts.headers, is_known),
            body_bytes: body.len(),
            body_blake3: blake3::hash(body).to_hex().to_string(),
            status: None,
            fault: None,
        }
    }
}

fn show_headers(headers: &HeaderMap, is_known: impl Fn(&[u8]) -> bool) -> Vec<(String, String)> {
    let show = |name: &http::HeaderName, value: &http::HeaderValue| {
        let secret = [http::header::AUTHORIZATION, http::header::PROXY_AUTHORIZATION, http::header::COOKIE];
        if secret.contains(name) && !is_known(value.as_bytes()) {
            return "***".to_owned();
        }
        clip(&String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().take(MAX_HEADERS).map(|(name, value)| (name.to_string(), show(name, value))).collect()
}

fn clip(text: &str) -> String {
    text.chars().take(MAX_VALUE).collect()
}

impl Journal {
    /// Remembers a request and gives its number.
    pub(crate) fn begin(&mut self, mut request: Received) -> u64 {
        self.received += 1;
        request.number = self.received;
        if self.last.len() == MAX_REQUESTS {
            self.last.pop_front();
        }
        self.last.push_back(request);
        self.received
    }

    /// Counts faults that were met.
    pub(crate) fn met(&mut self, number: u64, kinds: &[Kind]) {
        for kind in kinds {
            *self.faults.entry(*kind).or_default() += 1;
        }
        if let Some(request) = self.find(number) {
            request.fault = kinds.first().copied();
        }
    }

    /// Counts an outcome: a status, or what came instead of one.
    pub(crate) fn end(&mut self, number: u64, method: &Method, route: &str, outcome: Result<u16, &str>) {
        let outcome_name = outcome.map_or_else(str::to_owned, |status| status.to_string());
        let route_name = format!("{method} {route}");
        let is_new = self.routes.get(&route_name).is_none_or(|r| !r.contains_key(&outcome_name));
        if is_new && self.pairs < MAX_ROUTES {
            self.pairs += 1;
        }
        let route_name = if is_new && self.pairs >= MAX_ROUTES { "other".to_owned() } else { route_name };
        *self.routes.entry(route_name).or_default().entry(outcome_name).or_default() += 1;
        if let (Some(request), Ok(status)) = (self.find(number), outcome) {
            request.status = Some(status);
        }
    }

    fn find(&mut self, number: u64) -> Option<&mut Received> {
        self.last.iter_mut().rev().find(|r| r.number == number)
    }

    /// The last `n` requests, oldest first.
    pub(crate) fn last(&self, n: usize) -> Vec<&Received> {
        self.last.iter().skip(self.last.len().saturating_sub(n)).collect()
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn routes(&self) -> &BTreeMap<String, BTreeMap<String, u64>> {
        &self.routes
    }

    pub(crate) fn faults(&self) -> &BTreeMap<Kind, u64> {
        &self.faults
    }
}
