//! The one vocabulary: what happened between an integration and a CRM.
//!
//! An [`Exchange`] is raw: it holds paths, headers and bodies as they crossed the wire. It is neither `Serialize` nor
//! `Debug`, so the only way out of memory is a [`record::Record`], whose strings are [`redact::Masked`].

mod agent_error;
mod attempt;
mod captured;
mod link;
pub mod record;
pub mod redact;

pub use agent_error::AgentError;
pub use attempt::{ABANDONED_TELLS_US, Attempt, ConnectTimes, is_timed};
pub use captured::{Headers, Names, Target};
pub use link::{BodyLinks, Bypass, Links, Origin, Reference, Why};

use http::{Method, Version};
use smallvec::SmallVec;
use std::sync::Arc;

/// What started the exchange. Alert rules read `proxy` and `replay` unless they say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A caller's request routed through the proxy.
    Proxy,
    /// A webhook accepted from a CRM.
    Webhook,
    /// A webhook handed on to its receiver.
    Delivery,
    /// A stored request sent again.
    Replay,
    /// A synthetic probe.
    Probe,
    /// A read made by reconciliation.
    Reconcile,
}

impl Kind {
    /// The word used in logs and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Webhook => "webhook",
            Self::Delivery => "delivery",
            Self::Replay => "replay",
            Self::Probe => "probe",
            Self::Reconcile => "reconcile",
        }
    }
}

/// Which way the call went, seen from the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the CRM.
    Outbound,
    /// From the CRM (a webhook).
    Inbound,
}

impl Direction {
    /// The word used in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}

/// The meaning of an exchange's end, judged by the answer's content where the profile knows it, not by status alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything asked for was done.
    Ok,
    /// The CRM refused the request's content (4xx, or an error inside a 2xx).
    ClientError,
    /// The credential was missing, wrong, expired or lacked a right.
    Auth,
    /// The CRM's quota refused it, whatever the status said.
    RateLimited,
    /// The CRM failed (5xx, an inner 5xx, or an answer that is not its API).
    VendorError,
    /// Some items of a batch were done and some were not.
    Partial,
    /// No answer in time.
    Timeout,
    /// The CRM could not be reached, or the connection broke.
    Network,
    /// The caller left before the answer was complete.
    ClientClosed,
    /// Vigie itself refused or failed.
    AgentError,
    /// The meaning could not be judged (dropped, too large, unreadable). Never counted as a success.
    Unclassified,
}

impl Outcome {
    /// Every outcome, in the order used for pre-created series.
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::ClientError,
        Self::Auth,
        Self::RateLimited,
        Self::VendorError,
        Self::Partial,
        Self::Timeout,
        Self::Network,
        Self::ClientClosed,
        Self::AgentError,
        Self::Unclassified,
    ];

    /// The word used as metric label, log field and in filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientError => "client_error",
            Self::Auth => "auth",
            Self::RateLimited => "rate_limited",
            Self::VendorError => "vendor_error",
            Self::Partial => "partial",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::ClientClosed => "client_closed",
            Self::AgentError => "agent_error",
            Self::Unclassified => "unclassified",
        }
    }

    /// The outcome named by `word`, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == word)
    }
}

/// How a route appears in metrics, whose labels must stay few. Log, history and spans tell every route by its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Labelled {
    /// By its template, always: it is one of the upstream's profile, a closed set.
    Known,
    /// By its template, which was made from a path, while there is room.
    Generic,
    /// As `other`: there was no room.
    Other,
}

/// Where an exchange belongs. Made once per (integration, upstream, route) and shared, but for routes that metrics have no
/// room for: each exchange has its own, or what anybody calls would be kept for ever.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Process-wide number of its labels, so that later stages can keep their handles in a table.
    pub id: u32,
    /// The integration's configured name, or `unknown`.
    pub integration: Arc<str>,
    /// The integration's display name, logged as `system`.
    pub system: Arc<str>,
    /// The upstream's configured name.
    pub upstream: Arc<str>,
    /// The templated route: never a raw id.
    pub route: Arc<str>,
    /// What metrics make of it.
    pub labelled: Labelled,
}

impl Place {
    /// This place, which stands for many routes, with the route that is meant.
    pub fn of_route(&self, route: &str) -> Self {
        Self {
            id: self.id,
            integration: Arc::clone(&self.integration),
            system: Arc::clone(&self.system),
            upstream: Arc::clone(&self.upstream),
            route: Arc::from(route),
            labelled: self.labelled,
        }
    }
}

/// A bounded copy of a body, for classification.
#[derive(Default, Clone)]
pub struct CapturedBody {
    /// The first bytes as they crossed the wire (still content-encoded).
    pub bytes: Vec<u8>,
    /// True when the body went on beyond the copy.
    pub truncated: bool,
    /// True when the body's end was seen.
    pub complete: bool,
}

/// One side of an exchange.
#[derive(Default, Clone)]
pub struct Message {
    /// Only the headers that the profile and the masking allow-list name.
    pub headers: Headers,
    /// Bytes of the body as sent, whether copied or not.
    pub body_bytes: u64,
    /// The bounded copy.
    pub body: CapturedBody,
}

impl Message {
    /// The first value of a captured header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Every value of a captured header that is text, in order.
    pub fn header_lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.all(name)
    }
}

/// W3C trace context of one exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Trace id, never zero.
    pub trace_id: u128,
    /// The caller's span, if it sent a valid `traceparent`.
    pub parent: Option<u64>,
    /// Vigie's SERVER span.
    pub server_span: u64,
    /// Whether the spans are kept because of the parent's decision or the ratio.
    pub sampled: bool,
    /// At least the last 56 bits of the trace id are random (W3C Trace Context level 2): as the caller says, or our own.
    pub random: bool,
}

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The listener's number.
    pub listener: u32,
    /// The caller spoke TLS.
    pub tls: bool,
    /// The caller's version of HTTP.
    pub version: Version,
}

impl Default for Arrival {
    fn default() -> Self {
        Self { listener: 0, tls: false, version: Version::HTTP_11 }
    }
}

/// Raw facts of one exchange, as seen by whoever carried it out.
pub struct Exchange {
    /// Labels.
    pub place: Arc<Place>,
    /// What started it.
    pub kind: Kind,
    /// Which way it went.
    pub direction: Direction,
    /// By which way it came.
    pub arrival: Arrival,
    /// When the request head was read: microseconds since the Unix epoch, wall clock.
    pub started_us: i64,
    /// When the answer's head arrived, on the agent's monotonic clock, microseconds: the window it counts in.
    pub head_at_us: u64,
    /// The request's method.
    pub method: Method,
    /// The request's target as forwarded (path and query, raw).
    pub target: Target,
    /// Number of the route in the upstream's profile, if it is one of its own.
    pub route: Option<u16>,
    /// The status the caller got. Where it left before there was one: of a write that was followed to its end the vendor's,
    /// else 0.
    pub status: u16,
    /// Set when the caller's answer was made by Vigie, or the CRM's broke off.
    pub error: Option<AgentError>,
    /// The caller left before the answer was complete.
    pub client_closed: bool,
    /// Request head read to last byte handed to the caller, microseconds.
    pub total_us: u64,
    /// Vigie's own share of the time to the answer's head, microseconds.
    pub overhead_us: u64,
    /// The request.
    pub request: Message,
    /// The answer.
    pub response: Message,
    /// One per transaction; safe to log by construction.
    pub correlation_id: redact::Masked,
    /// Trace context.
    pub trace: Trace,
    /// Requests on the wire, oldest first; empty when Vigie refused before sending.
    pub attempts: SmallVec<[Attempt; 1]>,
    /// Keyed hash of the credential sent, so that unknown callers can be listed and named.
    pub fingerprint: Option<u64>,
    /// What was done about links that lead past the agent.
    pub links: Links,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_own_word_and_parses_back() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
        }
        assert_eq!(Outcome::parse("success"), None);
    }
}
