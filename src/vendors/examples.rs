//! Examples in a profile's file: a request, its answer, and what must come of them. They are the profile's tests.

use super::{Answer, Profile, RouteMatch, classify};
use http::Method;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// The time at which examples are read, Unix seconds, unless they say another: 9 October 2025.
const NOW: i64 = 1_760_000_000;

/// One example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    name: String,
    request: Request,
    answer: AnswerText,
    expect: Expected,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    /// Must be one of the vendor's, if given.
    host: Option<String>,
    /// Path and query.
    target: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerText {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    truncated: bool,
    /// False stands for a content encoding that cannot be undone.
    #[serde(default = "yes")]
    readable: bool,
    #[serde(default = "now")]
    now: i64,
}

/// Everything that is not given must be absent, save `intent`, `object` and `summary`, which are not looked at then.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    route: String,
    outcome: String,
    object: Option<String>,
    intent: Option<String>,
    /// The text, with ids written raw as `kind:id`.
    summary: Option<String>,
    message: Option<String>,
    inner_status: Option<u16>,
    items: Option<(u64, u64)>,
    #[serde(default)]
    pending: bool,
    /// Places of the links found.
    #[serde(default)]
    links: Vec<String>,
    request_id: Option<String>,
    #[serde(default)]
    quota: Vec<ExpectedReading>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct ExpectedReading {
    window: String,
    limit: Option<u64>,
    remaining: u64,
    reset_at: Option<i64>,
}

fn yes() -> bool {
    true
}

fn now() -> i64 {
    NOW
}

pub(super) fn check(profile: &Profile) -> Vec<String> {
    profile.examples.iter().flat_map(|example| example.check(profile)).collect()
}

/// Collects what differs.
struct Differences<'a> {
    name: &'a str,
    lines: Vec<String>,
}

impl Differences<'_> {
    fn compare<T: PartialEq + Debug>(&mut self, what: &str, got: T, expected: T) {
        if got != expected {
            self.lines.push(format!("{}: {what} is {got:?}, expected {expected:?}", self.name));
        }
    }
}

impl Example {
    fn check(&self, profile: &Profile) -> Vec<String> {
        let mut differences = Differences { name: &self.name, lines: Vec::new() };
        let Ok(method) = Method::from_bytes(self.request.method.as_bytes()) else {
            return vec![format!("{}: `{}` is no method", self.name, self.request.method)];
        };
        let path = self.request.target.split('?').next().unwrap_or_default();
        let route = profile.route(&method, path);
        if let Some(host) = &self.request.host {
            differences.compare("host known", profile.is_vendor_host(host), true);
        }
        self.compare_route(profile, &method, &route, &mut differences);
        self.compare_judgement(profile, &method, &route, path, &mut differences);
        self.compare_headers(profile, &mut differences);
        differences.lines
    }

    fn compare_route(&self, profile: &Profile, method: &Method, route: &RouteMatch, differences: &mut Differences) {
        let expect = &self.expect;
        differences.compare("route", route.template(), &expect.route);
        if let Some(object) = &expect.object {
            differences.compare("object", route.known().map(|r| r.object.as_ref()).unwrap_or_default(), object);
        }
        if let Some(intent) = &expect.intent {
            differences.compare("intent", profile.intent(method, route.known()).as_str(), intent);
        }
    }

    fn compare_judgement(
        &self,
        profile: &Profile,
        method: &Method,
        route: &RouteMatch,
        path: &str,
        differences: &mut Differences,
    ) {
        let (answer, expect) = (&self.answer, &self.expect);
        let judgement = classify(
            profile,
            &Answer {
                method,
                route: route.known(),
                path,
                status: answer.status,
                content_type: self.header("content-type"),
                body: answer.body.as_bytes(),
                truncated: answer.truncated,
                readable: answer.readable,
            },
        );
        differences.compare("outcome", judgement.outcome.as_str(), &expect.outcome);
        differences.compare("message", &judgement.message, &expect.message);
        differences.compare("inner_status", judgement.inner_status, expect.inner_status);
        differences.compare("items", judgement.items, expect.items);
        differences.compare("pending", judgement.pending_job, expect.pending);
        let links: Vec<_> = judgement.links.iter().map(|link| link.place.to_string()).collect();
        differences.compare("links", links, expect.links.clone());
        if let Some(summary) = &expect.summary {
            let id = judgement.summary.id.as_ref().map(|(kind, id)| format!("{kind}:{id}"));
            differences.compare("summary", &judgement.summary.text(judgement.outcome, id.as_deref()), summary);
        }
    }

    fn compare_headers(&self, profile: &Profile, differences: &mut Differences) {
        let get = |name: &str| {
            // As on the data path: only what the profile asks for is kept.
            let kept = profile.response_headers().iter().any(|kept| kept.as_str() == name);
            self.header(name).filter(|_| kept)
        };
        differences.compare("request_id", profile.vendor_request_id(get), self.expect.request_id.as_deref());
        let told = profile.quota(|name| get(name).into_iter(), self.answer.now).map(|reading| ExpectedReading {
            window: reading.window.to_owned(),
            limit: reading.limit,
            remaining: reading.remaining,
            reset_at: reading.reset_at,
        });
        differences.compare("quota", told.collect::<Vec<_>>(), self.expect.quota.clone());
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}
