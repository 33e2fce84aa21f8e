//! `proxy.limits`.

use crate::config::scalar::{Bytes, Span};
use crate::proxy;
use crate::upstream::AnswerHead;
use schemars::JsonSchema;
use serde::Deserialize;

/// What one caller may take.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request's head, 4KiB to 256KiB; beyond 431.
    pub head: Bytes,
    /// Header lines of a request; beyond 431.
    #[schemars(range(min = 16, max = 1_000))]
    pub headers: usize,
    /// Bytes of the head of an upstream's answer, 4KiB to 256KiB; beyond 502.
    pub answer_head: Bytes,
    /// Header lines of an upstream's answer over HTTP/1.1; beyond 502.
    #[schemars(range(min = 16, max = 1_000))]
    pub answer_headers: usize,
    /// Bytes of a request's target, 1KiB to 60KiB; beyond 414.
    pub uri: Bytes,
    /// Bytes of a request's body, 1KiB or more; beyond 413. No bound if absent: bodies stream through.
    pub body: Option<Bytes>,
    /// Connections from callers; beyond 503.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections: usize,
    /// Connections from one address, or one /64 of IPv6; beyond 503. Callers beside a sidecar share one.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_per_caller: usize,
    /// Time for a request's head, from its first byte to its last, 1s to 10m; beyond 408.
    pub head_timeout: Span,
    /// How long a connection is kept without a request, 1s to 1h.
    pub keep_alive: Span,
    /// Bytes a second, over `rate_window`, that a caller must send of a body (else 408) and take of an answer (else it is cut). 0 for no bound.
    pub min_rate: Bytes,
    /// Time over which `min_rate` is a mean, and the longest standstill borne, 1s to 10m.
    pub rate_window: Span,
}

impl Default for Limits {
    fn default() -> Self {
        let answer = AnswerHead::default();
        let proxy::Limits { message, body_bytes, connections, connections_per_caller, pace } = proxy::Limits::default();
        Self {
            head: Bytes(message.head_bytes as u64),
            headers: message.headers,
            answer_head: Bytes(answer.bytes as u64),
            answer_headers: answer.lines,
            uri: Bytes(message.target_bytes as u64),
            body: body_bytes.map(Bytes),
            connections,
            connections_per_caller,
            head_timeout: Span(pace.head),
            keep_alive: Span(pace.keep_alive),
            min_rate: Bytes(pace.min_rate),
            rate_window: Span(pace.grace),
        }
    }
}

impl Limits {
    /// Those of answers: every upstream's.
    pub fn of_answers(&self) -> AnswerHead {
        AnswerHead { bytes: usize::try_from(self.answer_head.0).unwrap_or(usize::MAX), lines: self.answer_headers }
    }
}

impl From<&Limits> for proxy::Limits {
    fn from(raw: &Limits) -> Self {
        let size = |bytes: &Bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX);
        Self {
            message: proxy::MessageLimits {
                head_bytes: size(&raw.head),
                headers: raw.headers,
                target_bytes: size(&raw.uri),
            },
            body_bytes: raw.body.as_ref().map(|bytes| bytes.0),
            connections: raw.connections,
            connections_per_caller: raw.connections_per_caller,
            pace: proxy::Pace {
                head: raw.head_timeout.0,
                keep_alive: raw.keep_alive.0,
                min_rate: raw.min_rate.0,
                grace: raw.rate_window.0,
            },
        }
    }
}
