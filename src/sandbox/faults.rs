//! Faults on demand: what goes wrong, for which requests, how often, and for how long.
//!
//! Chance comes from a generator seeded per fault: the same requests meet the same faults in every run.

use super::random::Rng;
use http::Method;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Faults active or waiting at once: a schedule of an hour has some hundred and fifty. Each is looked at for every
/// request, a few nanoseconds apiece.
const MAX_FAULTS: usize = 512;
/// The longest a request is held back.
const MAX_DELAY_MS: u64 = 600_000;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The answer comes `ms` later, give or take `jitter_ms`.
    Latency,
    /// The answer is `status` (503), with `message`; nothing is stored.
    Status,
    /// 429, as over the quota.
    RateLimit,
    /// 401, as with a wrong key.
    Unauthorized,
    /// The request is read and never answered; the caller has to leave.
    Timeout,
    /// The connection is reset (TCP RST) instead of an answer; nothing is stored.
    Reset,
    /// 400 whose message tells of a 429 inside the vendor.
    #[serde(rename = "hidden_429")]
    Hidden429,
    /// 200 with a maintenance page in HTML.
    Html,
    /// 200 with `success: false`; nothing is stored.
    HiddenError,
    /// 307 to the same path below the other of the API's two prefixes, as an absolute URL.
    Redirect,
    /// The answer also carries what a vendor's load balancers add: a cookie for the vendor's domain, and `Alt-Svc`.
    EdgeHeaders,
    /// The answer's head promises more than comes: the connection ends within the body.
    Truncated,
    /// The field named `field` is missing in answers, at every depth.
    FieldRemoved,
    /// A created record is stored twice.
    Duplicate,
    /// Writes carry a time `age_s` in the past; reads give the state before the last writes, that much older.
    Stale,
}

/// Which requests a fault is for. What is not given matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// The method, upper case.
    pub method: Option<String>,
    /// The beginning of the path, with or without `/crm/sales/api` or `/api`.
    pub path_prefix: Option<String>,
}

/// The kinds' own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// `latency`: milliseconds, 1000 by default.
    pub ms: Option<u64>,
    /// `latency`: the delay is `ms` plus or minus up to this.
    pub jitter_ms: Option<u64>,
    /// `status`: 503 by default.
    pub status: Option<u16>,
    /// `status`, `hidden_error`: the text in the answer.
    pub message: Option<String>,
    /// `field_removed`: the field's name.
    pub field: Option<String>,
    /// `stale`: seconds, 86400 by default.
    pub age_s: Option<u32>,
    /// `truncated`: bytes that come; half of the body by default.
    pub bytes: Option<usize>,
}

/// A fault as it is asked for. Without `probability` and `every_nth` every matching request meets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// What goes wrong.
    pub kind: Kind,
    /// Which requests.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// The share of matching requests, 0 to 1.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Every nth matching request.
    #[serde(default)]
    pub every_nth: Option<u64>,
    /// Ends after so many hits.
    #[serde(default)]
    pub count: Option<u64>,
    /// Ends after so many seconds.
    #[serde(default)]
    pub duration_s: Option<u64>,
    /// The kind's own settings.
    #[serde(default)]
    pub params: Params,
}

/// A fault that comes by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduled {
    /// Seconds after the start.
    pub after_s: u64,
    /// Seconds it lasts.
    pub for_s: u64,
    /// The fault; its `duration_s` is not used.
    pub fault: FaultSpec,
}

impl FaultSpec {
    /// A fault of this kind that every request meets.
    pub fn new(kind: Kind) -> Self {
        let (matching, params) = (Match::default(), Params::default());
        Self { kind, matching, probability: None, every_nth: None, count: None, duration_s: None, params }
    }

    /// Says what is wrong with the request for a fault.
    pub(crate) fn validate(&self) -> Result<(), &'static str> {
        if self.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return Err("probability must lie between 0 and 1");
        }
        if self.probability.is_some() && self.every_nth.is_some() {
            return Err("give probability or every_nth, not both");
        }
        if self.every_nth == Some(0) || self.count == Some(0) || self.duration_s == Some(0) {
            return Err("every_nth, count and duration_s must be at least 1");
        }
        if self.params.status.is_some_and(|s| !(400..=599).contains(&s)) {
            return Err("params.status must lie between 400 and 599");
        }
        if self.params.ms.unwrap_or(0).max(self.params.jitter_ms.unwrap_or(0)) > MAX_DELAY_MS {
            return Err("params.ms and params.jitter_ms must not exceed 600000");
        }
        if self.kind == Kind::FieldRemoved && self.params.field.as_ref().is_none_or(String::is_empty) {
            return Err("field_removed needs params.field");
        }
        Ok(())
    }
}

/// An installed fault.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fault {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) spec: FaultSpec,
    /// Matching requests so far.
    seen: u64,
    /// Of these, those that met the fault.
    pub(crate) hits: u64,
    #[serde(skip)]
    from: Duration,
    #[serde(skip)]
    until: Option<Duration>,
    #[serde(skip)]
    rng: Rng,
}

/// What one request meets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Met {
    pub(crate) delay: Duration,
    /// The first fault that takes the answer's place.
    pub(crate) instead: Option<(Kind, Params)>,
    pub(crate) truncated: Option<Params>,
    pub(crate) removed: Vec<String>,
    pub(crate) duplicate: bool,
    pub(crate) stale_s: Option<i64>,
    pub(crate) edge_headers: bool,
}

/// The faults that are installed.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    last_id: u64,
    seed: u64,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { list: Vec::new(), last_id: 0, seed }
    }

    /// Installs a fault from `from` on; `None` when there are too many.
    pub(crate) fn add(&mut self, spec: FaultSpec, from: Duration, lasting: Option<Duration>) -> Option<Fault> {
        if self.list.len() >= MAX_FAULTS {
            return None;
        }
        self.last_id += 1;
        let id = self.last_id;
        let until = lasting.map(|lasting| from.saturating_add(lasting));
        let fault = Fault { id, spec, seen: 0, hits: 0, from, until, rng: Rng::new(self.seed ^ id) };
        self.list.push(fault.clone());
        Some(fault)
    }

    /// Those that may still act at `now`; the others are dropped.
    pub(crate) fn active(&mut self, now: Duration) -> &[Fault] {
        self.list.retain(|f| f.until.is_none_or(|until| now < until) && f.spec.count.is_none_or(|c| f.hits < c));
        &self.list
    }

    /// Takes away one fault, or all; how many there were.
    pub(crate) fn remove(&mut self, id: Option<u64>) -> usize {
        let before = self.list.len();
        self.list.retain(|f| id.is_some_and(|id| id != f.id));
        before - self.list.len()
    }

    /// What a request meets, and the kinds that were hit. `short` is the path without the API's prefix.
    pub(crate) fn meet(&mut self, now: Duration, method: &Method, path: &str, short: &str) -> (Met, Vec<Kind>) {
        let (mut met, mut kinds) = (Met::default(), Vec::new());
        if self.list.is_empty() {
            return (met, kinds);
        }
        self.active(now);
        for fault in self.list.iter_mut().filter(|f| f.from <= now && f.matches(method, path, short)) {
            // A request has one answer: of those that take its place the first stands, the others do not act.
            if met.instead.is_some() || !fault.strikes() {
                continue;
            }
            kinds.push(fault.spec.kind);
            met.take(&fault.spec, &mut fault.rng);
        }
        (met, kinds)
    }
}

impl Fault {
    fn matches(&self, method: &Method, path: &str, short: &str) -> bool {
        let m = &self.spec.matching;
        m.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
            && m.path_prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix) || short.starts_with(prefix))
    }

    fn strikes(&mut self) -> bool {
        self.seen += 1;
        let strikes = match (self.spec.probability, self.spec.every_nth) {
            (Some(probability), _) => self.rng.chance(probability),
            (None, Some(nth)) => self.seen.is_multiple_of(nth),
            (None, None) => true,
        };
        self.hits += u64::from(strikes);
        strikes
    }
}

impl Met {
    fn take(&mut self, spec: &FaultSpec, rng: &mut Rng) {
        let params = &spec.params;
        match spec.kind {
            Kind::Latency => {
                let jitter = params.jitter_ms.unwrap_or(0);
                let ms = params.ms.unwrap_or(1000) + rng.below(2 * jitter + 1);
                self.delay += Duration::from_millis(ms.saturating_sub(jitter));
            }
            Kind::Truncated => self.truncated = Some(params.clone()),
            Kind::FieldRemoved => self.removed.extend(params.field.clone()),
            Kind::Duplicate => self.duplicate = true,
            Kind::Stale => self.stale_s = Some(i64::from(params.age_s.unwrap_or(86_400))),
            Kind::Status | Kind::RateLimit | Kind::Unauthorized | Kind::Timeout | Kind::Reset => {
                self.instead = Some((spec.kind, params.clone()));
            }
            Kind::EdgeHeaders => self.edge_headers = true,
            Kind::Hidden429 | Kind::Html | Kind::HiddenError | Kind::Redirect => {
                self.instead = Some((spec.kind, params.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn hits(faults: &mut Faults, n: u64) -> Vec<u64> {
        (0..n).filter(|i| faults.meet(S(*i), &Method::GET, "/api/deals", "/deals").0.instead.is_some()).collect()
    }

    #[test]
    fn every_nth_and_count() {
        let mut faults = Faults::new(1);
        faults.add(FaultSpec { every_nth: Some(3), count: Some(2), ..FaultSpec::new(Kind::Status) }, S(0), None);
        assert_eq!(hits(&mut faults, 20), [2, 5]);
        assert!(faults.active(S(20)).is_empty());
    }

    #[test]
    fn a_schedule_begins_and_ends() {
        let mut faults = Faults::new(1);
        faults.add(FaultSpec::new(Kind::Reset), S(4), Some(S(3)));
        assert_eq!(hits(&mut faults, 20), [4, 5, 6]);
    }

    #[test]
    fn chance_is_the_same_in_every_run() {
        let run = || {
            let mut faults = Faults::new(9);
            faults.add(FaultSpec { probability: Some(0.3), ..FaultSpec::new(Kind::Status) }, S(0), None);
            hits(&mut faults, 100)
        };
        assert_eq!(run(), run());
        assert!((15..45).contains(&run().len()), "{}", run().len());
    }

    #[test]
    fn a_fault_is_for_its_paths_and_methods() {
        let mut faults = Faults::new(1);
        let matching = Match { method: Some("POST".into()), path_prefix: Some("/deals".into()) };
        faults.add(FaultSpec { matching, ..FaultSpec::new(Kind::Status) }, S(0), None);
        let mut meet = |m: Method, p: &str, s: &str| faults.meet(S(0), &m, p, s).0.instead.is_some();
        assert!(meet(Method::POST, "/crm/sales/api/deals", "/deals"));
        assert!(!meet(Method::GET, "/api/deals", "/deals"));
        assert!(!meet(Method::POST, "/api/contacts", "/contacts"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let refused = |change: fn(&mut FaultSpec)| {
            let mut spec = FaultSpec::new(Kind::Status);
            change(&mut spec);
            spec.validate().is_err()
        };
        assert!(FaultSpec::new(Kind::Status).validate().is_ok());
        assert!(refused(|s| s.probability = Some(1.5)));
        assert!(refused(|s| (s.probability, s.every_nth) = (Some(0.5), Some(2))));
        assert!(refused(|s| s.every_nth = Some(0)));
        assert!(refused(|s| s.params.status = Some(200)));
        assert!(refused(|s| s.kind = Kind::FieldRemoved));
    }
}
