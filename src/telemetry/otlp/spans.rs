//! One exchange as spans: a SERVER span, and a CLIENT span for each attempt, by the HTTP semantic conventions.
//!
//! Invariant: no raw path, query, header or body. Text comes from the masked record, from the route template or from
//! closed sets; where the conventions ask for a path or an address with one, the template stands in.
//!
//! Names: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/> (stable), and of its development part
//! `http.request.body.size`, `http.response.body.size` and `url.template`.

use crate::exchange::record::Record;
use crate::exchange::{Attempt, Exchange, Kind};
use crate::upstream;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An address that calls go to: a listener, or an upstream. Made once and shared by all its spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host name or address.
    pub address: Arc<str>,
    /// Port.
    pub port: u16,
}

impl From<&upstream::Config> for Endpoint {
    fn from(config: &upstream::Config) -> Self {
        let scheme = if config.tls { "https" } else { "http" };
        Self { scheme, address: config.host.as_str().into(), port: config.port }
    }
}

/// Who talks to Vigie where, and whom Vigie talks to.
#[derive(Clone, Debug)]
pub struct Peers {
    listener: Endpoint,
    upstreams: HashMap<Arc<str>, Endpoint>,
}

impl Peers {
    /// The listener callers use, and the configured upstreams.
    pub fn new<'a>(listener: SocketAddr, upstreams: impl IntoIterator<Item = &'a upstream::Config>) -> Self {
        let listener = Endpoint { scheme: "http", address: listener.ip().to_string().into(), port: listener.port() };
        Self { listener, upstreams: upstreams.into_iter().map(|u| (u.name.clone(), u.into())).collect() }
    }
}

/// Appends all spans of an exchange.
pub(super) fn describe(exchange: &Exchange, record: &Record, peers: &Peers, out: &mut Vec<SpanData>) {
    out.push(server_span(exchange, record, &peers.listener));
    if let Some(upstream) = peers.upstreams.get(&exchange.place.upstream) {
        out.extend((0..exchange.attempts.len()).filter_map(|index| client_span(exchange, record, index, upstream)));
    }
}

/// The SERVER span: what the caller saw. INTERNAL where Vigie itself started the exchange.
pub fn server_span(exchange: &Exchange, record: &Record, listener: &Endpoint) -> SpanData {
    let kind = match exchange.kind {
        Kind::Proxy | Kind::Webhook => SpanKind::Server,
        Kind::Delivery | Kind::Replay | Kind::Probe | Kind::Reconcile => SpanKind::Internal,
    };
    let mut attributes = common(record, listener);
    attributes.push(KeyValue::new("http.route", shared(&record.endpoint)));
    attributes.push(KeyValue::new("url.path", shared(&record.endpoint)));
    attributes.push(KeyValue::new("http.request.body.size", clamp(record.payload_size_bytes)));
    attributes.push(KeyValue::new("http.response.body.size", clamp(record.response_size_bytes)));
    attributes.push(KeyValue::new("vigie.outcome", text(&record.outcome)));
    attributes.push(KeyValue::new("vigie.integration", shared(&record.integration)));
    attributes.push(KeyValue::new("vigie.upstream", shared(&record.upstream)));
    attributes.push(KeyValue::new("vigie.kind", exchange.kind.as_str()));
    push_vendor(&mut attributes, record);
    let status = (record.status_code != 0).then_some(record.status_code);
    // The caller's own mistakes (4xx) are no error of the server.
    let broken = exchange.error.filter(|_| !status.is_some_and(|s| (400..500).contains(&s)));
    let failed = broken.is_some() || status.is_some_and(|s| s >= 500);
    push_status(&mut attributes, status, failed, exchange.error.map(|e| e.as_str()));
    let (own, parent) = (exchange.trace.server_span, exchange.trace.parent);
    let draft = Draft { kind, own, parent, from_us: 0, to_us: exchange.total_us, attributes, failed };
    SpanData { parent_span_is_remote: parent.is_some(), ..draft.finish(exchange, record) }
}

/// The CLIENT span of attempt `index`: what the upstream did. None when there is no such attempt.
pub fn client_span(exchange: &Exchange, record: &Record, index: usize, upstream: &Endpoint) -> Option<SpanData> {
    let attempt = exchange.attempts.get(index)?;
    let last = index + 1 == exchange.attempts.len();
    let mut attributes = common(record, upstream);
    let Endpoint { scheme, address, port } = upstream;
    attributes.push(KeyValue::new("url.full", format!("{scheme}://{address}:{port}{}", record.endpoint)));
    attributes.push(KeyValue::new("url.template", shared(&record.endpoint)));
    attributes.push(KeyValue::new("network.protocol.version", attempt.http_version));
    if index > 0 {
        attributes.push(KeyValue::new("http.request.resend_count", index as i64));
    }
    if last {
        push_vendor(&mut attributes, record);
    }
    let failed = attempt.error.is_some() || attempt.status.is_some_and(|s| s >= 400);
    push_status(&mut attributes, attempt.status, failed, attempt.error.map(|e| e.as_str()));
    let draft = Draft {
        kind: SpanKind::Client,
        own: attempt.span,
        parent: Some(exchange.trace.server_span),
        from_us: attempt.start_us,
        to_us: attempt_end_us(exchange, attempt, last),
        attributes,
        failed,
    };
    Some(draft.finish(exchange, record))
}

/// An answered last attempt ends with the exchange (its body streams until then), any other when its end was known.
fn attempt_end_us(exchange: &Exchange, attempt: &Attempt, last: bool) -> u64 {
    if last && attempt.status.is_some() {
        return exchange.total_us;
    }
    let connect = attempt.connect.map_or(0, |c| c.total_us());
    (attempt.start_us + connect + attempt.upstream_us).min(exchange.total_us.max(attempt.start_us))
}

fn common(record: &Record, endpoint: &Endpoint) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(20);
    attributes.push(KeyValue::new("http.request.method", method(record)));
    attributes.push(KeyValue::new("url.scheme", endpoint.scheme));
    attributes.push(KeyValue::new("server.address", shared(&endpoint.address)));
    // A listener that took a port of the system's choice: no number is better than a wrong one.
    if endpoint.port != 0 {
        attributes.push(KeyValue::new("server.port", i64::from(endpoint.port)));
    }
    attributes.push(KeyValue::new("vigie.correlation_id", text(record.correlation_id.as_str())));
    attributes
}

fn push_vendor(attributes: &mut Vec<KeyValue>, record: &Record) {
    if let Some(id) = &record.vendor_request_id {
        attributes.push(KeyValue::new("vigie.vendor_request_id", text(id.as_str())));
    }
    if let Some(remaining) = record.quota_remaining {
        attributes.push(KeyValue::new("vigie.quota.remaining", clamp(remaining)));
    }
}

fn push_status(attributes: &mut Vec<KeyValue>, status: Option<u16>, failed: bool, error: Option<&'static str>) {
    if let Some(status) = status {
        attributes.push(KeyValue::new("http.response.status_code", i64::from(status)));
    }
    match (failed, error, status) {
        (false, ..) | (true, None, None) => {}
        (true, Some(kind), _) => attributes.push(KeyValue::new("error.type", kind)),
        (true, None, Some(status)) => attributes.push(KeyValue::new("error.type", status.to_string())),
    }
}

/// What differs between an exchange's spans.
struct Draft {
    kind: SpanKind,
    own: u64,
    parent: Option<u64>,
    /// Microseconds after the exchange's start.
    from_us: u64,
    to_us: u64,
    attributes: Vec<KeyValue>,
    failed: bool,
}

impl Draft {
    fn finish(self, exchange: &Exchange, record: &Record) -> SpanData {
        let trace_id = TraceId::from(exchange.trace.trace_id);
        let span_id = SpanId::from(self.own);
        let method = if record.method == "OTHER" { "HTTP" } else { &record.method };
        SpanData {
            span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: self.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: false,
            span_kind: self.kind,
            name: Cow::Owned(format!("{method} {}", record.endpoint)),
            start_time: at(exchange, self.from_us),
            end_time: at(exchange, self.to_us),
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            // No description: the conventions leave it out where error.type says it.
            status: if self.failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: InstrumentationScope::builder("vigie")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }
}

fn at(exchange: &Exchange, after_us: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros((exchange.started_us.max(0) as u64).saturating_add(after_us))
}

/// The conventions' word for a method that is not registered.
fn method(record: &Record) -> Value {
    if record.method == "OTHER" { "_OTHER".into() } else { text(&record.method) }
}

fn shared(text: &Arc<str>) -> Value {
    Value::String(StringValue::from(text.clone()))
}

fn text(text: &str) -> Value {
    text.to_owned().into()
}

fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(super) mod tests;
