//! The masked record of one exchange: what is logged, stored, searched and shipped.
//!
//! Every string that came from the wire is [`Masked`], which only the masking module can make; the others come from the
//! configuration or from closed sets. Field names are the log's field names: scripts depend on them.

pub mod json;

use super::redact::Masked;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// A word from a closed set (an outcome, a method, an error kind).
pub type Word = Cow<'static, str>;

/// What [`Record::method`] may be: the registered methods, and `OTHER` for every one that is not; it may be content in
/// disguise.
pub const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "OTHER"];

/// A link in the answer that leads past the agent: where it stood, never what it says.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct BypassLink {
    /// A header's name, or the place in the body as the profile names it; `unknown` where the answer was not read.
    pub field: Arc<str>,
    /// Why it was left.
    pub reason: Word,
}

/// One exchange, masked. Serialises to one JSON log line.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Record {
    /// Request head read; RFC 3339 UTC with milliseconds.
    pub timestamp: String,
    /// Display name of the integration that called, or was called.
    pub system: Arc<str>,
    /// `outbound` (to the CRM) or `inbound` (a webhook).
    pub direction: Word,
    /// Templated route.
    pub endpoint: Arc<str>,
    /// HTTP method; `OTHER` for one that is not registered.
    pub method: Word,
    /// Status the caller got. Where it left before there was one: of a write that was followed to its end the vendor's,
    /// else 0.
    pub status_code: u16,
    /// Request head read to last byte written to the caller, milliseconds.
    pub duration_ms: f64,
    /// Request body for people, e.g. `2.1KB` (1 KB = 1000 B).
    pub payload_size: String,
    /// Request body, bytes.
    pub payload_size_bytes: u64,
    /// Answer body, bytes.
    pub response_size_bytes: u64,
    /// Short masked summary, or the CRM's message where the profile says it is safe.
    pub response: Masked,
    /// One per transaction; returned to the caller and sent to the CRM.
    pub correlation_id: Masked,
    /// The integration's configured name.
    pub integration: Arc<str>,
    /// The upstream's configured name.
    pub upstream: Arc<str>,
    /// What started it: `proxy`, `webhook`, …
    pub kind: Word,
    /// The meaning of its end.
    pub outcome: Word,
    /// Whether a write was intended, by the profile.
    pub intent: Word,
    /// The CRM object it is about, by the profile; empty if unknown.
    pub object: Arc<str>,
    /// Request sent to answer head, milliseconds, of the last attempt; the time waited if the head's time ran out; absent
    /// for other failures, whose time is not the vendor's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub upstream_ms: Option<f64>,
    /// Vigie's own time up to the answer head, milliseconds.
    pub overhead_ms: f64,
    /// Name resolution, when a connection was opened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dns_ms: Option<f64>,
    /// TCP connect, when a connection was opened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub connect_ms: Option<f64>,
    /// The egress proxy's time to open a tunnel, when there is one and a connection was opened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tunnel_ms: Option<f64>,
    /// TLS handshake, when a TLS connection was opened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tls_ms: Option<f64>,
    /// Status of the vendor's answer, where it differs from the caller's or hides inside the body.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub inner_status: Option<u16>,
    /// The vendor's own request id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vendor_request_id: Option<Masked>,
    /// W3C trace id, 32 hex digits.
    pub trace_id: String,
    /// Requests on the wire.
    pub attempts: u32,
    /// The caller left before the answer was complete.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub client_closed: bool,
    /// The `x-vigie-error` word, when Vigie made the answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_kind: Option<Word>,
    /// Masked query string.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query: Option<Masked>,
    /// Items of a batch that succeeded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub items_ok: Option<u64>,
    /// Items of a batch that failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub items_failed: Option<u64>,
    /// Least remaining calls among the windows the answer told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quota_remaining: Option<u64>,
    /// Links in the answer that lead past the agent.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub bypass_links: Vec<BypassLink>,
    /// Masked request body, where capture is on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_body: Option<Masked>,
    /// Masked answer body, where capture is on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub response_body: Option<Masked>,
}
