//! One exchange as spans: a SERVER span, and a CLIENT span for each attempt, by the HTTP semantic conventions.
//!
//! Invariant: no raw path, query, header or body. Text comes from the masked record, from the route template or from
//! closed sets; where the conventions ask for a path or an address with one, the template stands in.
//!
//! Names: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/> (stable), and of its development part
//! `http.request.body.size`, `http.response.body.size` and `url.template`.

mod methods;
mod peers;

pub use peers::Peers;

use crate::exchange::record::Record;
use crate::exchange::{Attempt, Exchange, Kind};
use crate::vendors::Reading;
use http::Version;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use peers::Endpoint;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Stands for the path where there is no route: it is required, and a raw one may hold anything.
const HIDDEN_PATH: &str = "/REDACTED";

/// The trace id's last 56 bits are random (W3C Trace Context level 2).
const RANDOM: TraceFlags = TraceFlags::new(2);

/// What is told of one exchange.
pub(super) struct Told<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) record: &'a Record,
    /// The answer's word on the window with the least calls left.
    pub(super) quota: Option<Reading<'a>>,
}

/// Appends all spans of an exchange.
pub(super) fn describe(told: &Told<'_>, peers: &Peers, out: &mut Vec<SpanData>) {
    let exchange = told.exchange;
    out.push(server_span(told, peers));
    if let Some(upstream) = peers.upstream(&exchange.place.upstream) {
        out.extend((0..exchange.attempts.len()).filter_map(|index| client_span(told, index, upstream)));
    }
}

/// The SERVER span: what the caller saw. INTERNAL where Vigie itself started the exchange.
fn server_span(told: &Told<'_>, peers: &Peers) -> SpanData {
    let Told { exchange, record, .. } = told;
    let kind = match exchange.kind {
        Kind::Proxy | Kind::Webhook => SpanKind::Server,
        Kind::Delivery | Kind::Replay | Kind::Probe | Kind::Reconcile => SpanKind::Internal,
    };
    let mut attributes = common(told);
    attributes.push(KeyValue::new("url.scheme", if exchange.arrival.tls { "https" } else { "http" }));
    if let Some((address, port)) = peers.listener(exchange.arrival.listener) {
        push_server(&mut attributes, address, port);
    }
    if let Some(route) = route(record) {
        attributes.push(KeyValue::new("http.route", shared(route)));
    }
    attributes.push(KeyValue::new("url.path", route(record).map_or_else(|| HIDDEN_PATH.into(), shared)));
    attributes.push(KeyValue::new("network.protocol.version", version(exchange.arrival.version)));
    attributes.push(KeyValue::new("http.request.body.size", clamp(record.payload_size_bytes)));
    attributes.push(KeyValue::new("http.response.body.size", clamp(record.response_size_bytes)));
    attributes.push(KeyValue::new("vigie.outcome", text(&record.outcome)));
    attributes.push(KeyValue::new("vigie.integration", shared(&record.integration)));
    attributes.push(KeyValue::new("vigie.upstream", shared(&record.upstream)));
    attributes.push(KeyValue::new("vigie.kind", exchange.kind.as_str()));
    if let Some(error) = exchange.error {
        attributes.push(KeyValue::new("vigie.error_kind", error.as_str()));
    }
    push_vendor(&mut attributes, told);
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
fn client_span(told: &Told<'_>, index: usize, upstream: &Endpoint) -> Option<SpanData> {
    let Told { exchange, record, .. } = told;
    let attempt = exchange.attempts.get(index)?;
    let last = index + 1 == exchange.attempts.len();
    let mut attributes = common(told);
    let Endpoint { scheme, address, port } = upstream;
    attributes.push(KeyValue::new("url.scheme", *scheme));
    push_server(&mut attributes, address, *port);
    let path = route(record).map_or(HIDDEN_PATH, |route| &**route);
    attributes.push(KeyValue::new("url.full", format!("{scheme}://{address}:{port}{path}")));
    if let Some(route) = route(record) {
        attributes.push(KeyValue::new("url.template", shared(route)));
    }
    attributes.push(KeyValue::new("network.protocol.version", attempt.http_version));
    if index > 0 {
        attributes.push(KeyValue::new("http.request.resend_count", index as i64));
    }
    if last {
        push_vendor(&mut attributes, told);
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

/// The route, if there is one: calls that were refused before, or that a cap folded together, have a word in its place.
fn route(record: &Record) -> Option<&Arc<str>> {
    Some(&record.endpoint).filter(|route| route.starts_with('/'))
}

/// An answered last attempt ends with the exchange (its body streams until then), any other when its end was known.
fn attempt_end_us(exchange: &Exchange, attempt: &Attempt, last: bool) -> u64 {
    if last && attempt.status.is_some() {
        return exchange.total_us;
    }
    let connect = attempt.connect.map_or(0, |c| c.total_us());
    (attempt.start_us + connect + attempt.upstream_us).min(exchange.total_us.max(attempt.start_us))
}

fn common(told: &Told<'_>) -> Vec<KeyValue> {
    let record = told.record;
    let mut attributes = Vec::with_capacity(24);
    if record.method == "OTHER" {
        attributes.push(KeyValue::new("http.request.method", "_OTHER"));
        let original = methods::registered(&told.exchange.method);
        attributes.extend(original.map(|method| KeyValue::new("http.request.method_original", text(method))));
    } else {
        attributes.push(KeyValue::new("http.request.method", text(&record.method)));
    }
    attributes.push(KeyValue::new("vigie.correlation_id", text(record.correlation_id.as_str())));
    attributes
}

fn push_server(attributes: &mut Vec<KeyValue>, address: &Arc<str>, port: u16) {
    attributes.push(KeyValue::new("server.address", shared(address)));
    attributes.push(KeyValue::new("server.port", i64::from(port)));
}

fn push_vendor(attributes: &mut Vec<KeyValue>, told: &Told<'_>) {
    if let Some(id) = &told.record.vendor_request_id {
        attributes.push(KeyValue::new("vigie.vendor_request_id", text(id.as_str())));
    }
    let Some(Reading { limit, remaining, reset_at, .. }) = told.quota else { return };
    attributes.push(KeyValue::new("vigie.quota.remaining", clamp(remaining)));
    attributes.extend(limit.map(|limit| KeyValue::new("vigie.quota.limit", clamp(limit))));
    attributes.extend(reset_at.map(|at| KeyValue::new("vigie.quota.reset", at)));
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
        let method: &str = if record.method == "OTHER" { "HTTP" } else { &record.method };
        let name = route(record).map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
        let flags = if exchange.trace.random { TraceFlags::SAMPLED | RANDOM } else { TraceFlags::SAMPLED };
        SpanData {
            span_context: SpanContext::new(trace_id, span_id, flags, false, TraceState::default()),
            parent_span_id: self.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: false,
            span_kind: self.kind,
            name: Cow::Owned(name),
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

/// The conventions' word for a version of HTTP.
fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
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
