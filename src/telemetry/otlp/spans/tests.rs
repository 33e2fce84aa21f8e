use super::*;
use crate::exchange::redact::Masked;
use crate::exchange::{AgentError, Direction, Message, Place, Target, Trace};
use http::uri::PathAndQuery;
use std::collections::BTreeMap;

/// A path, query and body that must not reach a span.
const PLANTED: [&str; 4] = ["4711", "jane@example.com", "s3cr3t", "Doe"];

/// An exchange answered with `status` at the second attempt.
pub(in crate::telemetry) fn exchange(status: u16) -> (Exchange, Record) {
    let place = Place {
        id: 1,
        integration: "erp".into(),
        system: "ERP".into(),
        upstream: "crm".into(),
        route: "/api/deals/{id}".into(),
    };
    let attempt = |span, start_us, status, error| Attempt {
        span,
        start_us,
        upstream_us: 2_000,
        status,
        error,
        connect: None,
        http_version: "1.1",
    };
    let mut request = Message { body_bytes: 2_100, ..Message::default() };
    request.body.bytes = br#"{"name":"Doe"}"#.to_vec();
    let exchange = Exchange {
        place: Arc::new(place),
        kind: Kind::Proxy,
        direction: Direction::Outbound,
        started_us: 1_764_066_000_000_000,
        head_at_us: 0,
        method: http::Method::PUT,
        target: Target::from(&PathAndQuery::from_static("/api/deals/4711?email=jane@example.com&key=s3cr3t")),
        route: None,
        status,
        error: None,
        client_closed: false,
        total_us: 10_000,
        overhead_us: 50,
        request,
        response: Message { body_bytes: 360, ..Message::default() },
        correlation_id: Masked::word("c-1"),
        trace: Trace { trace_id: 0xabc, parent: Some(7), server_span: 8, sampled: true, random: true },
        attempts: smallvec::smallvec![
            attempt(9, 100, None, Some(AgentError::Connect)),
            attempt(10, 3_000, Some(status), None)
        ],
        fingerprint: None,
    };
    let record = record(&exchange);
    (exchange, record)
}

fn record(exchange: &Exchange) -> Record {
    serde_json::from_value(serde_json::json!({
        "timestamp": "2025-11-25T10:20:00.000Z", "system": "ERP", "direction": "outbound",
        "endpoint": exchange.place.route.as_ref(), "method": exchange.method.as_str(),
        "status_code": exchange.status, "duration_ms": 10.0, "payload_size": "2.1KB", "payload_size_bytes": 2_100,
        "response_size_bytes": 360, "response": "", "correlation_id": "c-1", "integration": "erp", "upstream": "crm",
        "kind": "proxy", "outcome": "ok", "intent": "write", "object": "deal", "overhead_ms": 0.05,
        "vendor_request_id": "v-9", "trace_id": format!("{:032x}", exchange.trace.trace_id), "attempts": 2,
        "quota_remaining": 42,
    }))
    .unwrap()
}

/// A listener and the upstream `crm`.
pub(in crate::telemetry) fn peers() -> Peers {
    Peers { listener: listener(), upstreams: HashMap::from([("crm".into(), upstream())]) }
}

fn described(exchange: &Exchange, record: &Record) -> Vec<SpanData> {
    let mut spans = Vec::new();
    describe(exchange, record, &peers(), &mut spans);
    spans
}

fn listener() -> Endpoint {
    Endpoint { scheme: "http", address: "127.0.0.1".into(), port: 8080 }
}

fn upstream() -> Endpoint {
    Endpoint { scheme: "https", address: "acme.crm.example".into(), port: 443 }
}

fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let map: BTreeMap<_, _> = span.attributes.iter().map(|kv| (kv.key.to_string(), kv.value.to_string())).collect();
    assert_eq!(map.len(), span.attributes.len(), "an attribute appears twice");
    map
}

fn expect(span: &SpanData, expected: &[(&str, &str)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(attributes(span), expected);
}

#[test]
fn the_server_span_tells_what_the_caller_saw() {
    let (exchange, record) = exchange(200);
    let span = server_span(&exchange, &record, &listener());
    assert_eq!((span.name.as_ref(), span.span_kind.clone()), ("PUT /api/deals/{id}", SpanKind::Server));
    assert_eq!(span.span_context.trace_id(), TraceId::from(0xabc_u128));
    assert_eq!((span.span_context.span_id(), span.parent_span_id), (SpanId::from(8), SpanId::from(7)));
    assert!(span.parent_span_is_remote && span.span_context.is_sampled());
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), Duration::from_millis(10));
    assert_eq!(span.status, Status::Unset);
    expect(
        &span,
        &[
            ("http.request.method", "PUT"),
            ("http.route", "/api/deals/{id}"),
            ("url.path", "/api/deals/{id}"),
            ("url.scheme", "http"),
            ("server.address", "127.0.0.1"),
            ("server.port", "8080"),
            ("http.response.status_code", "200"),
            ("http.request.body.size", "2100"),
            ("http.response.body.size", "360"),
            ("vigie.correlation_id", "c-1"),
            ("vigie.outcome", "ok"),
            ("vigie.integration", "erp"),
            ("vigie.upstream", "crm"),
            ("vigie.kind", "proxy"),
            ("vigie.vendor_request_id", "v-9"),
            ("vigie.quota.remaining", "42"),
        ],
    );
}

#[test]
fn each_attempt_is_a_client_span_below_it() {
    let (exchange, record) = exchange(200);
    let spans = described(&exchange, &record);
    assert_eq!(spans.len(), 3);
    assert!(spans[1..].iter().all(|s| s.span_kind == SpanKind::Client && s.parent_span_id == SpanId::from(8)));
    let (failed, answered) = (&spans[1], &spans[2]);
    assert_eq!((failed.span_context.span_id(), answered.span_context.span_id()), (SpanId::from(9), SpanId::from(10)));
    assert_eq!(failed.end_time.duration_since(failed.start_time).unwrap(), Duration::from_millis(2));
    assert_eq!(answered.end_time, spans[0].end_time, "its body streams until then");
    assert_eq!((&failed.status, &answered.status), (&Status::error(""), &Status::Unset));
    let base = [
        ("http.request.method", "PUT"),
        ("url.scheme", "https"),
        ("server.address", "acme.crm.example"),
        ("server.port", "443"),
        ("url.full", "https://acme.crm.example:443/api/deals/{id}"),
        ("url.template", "/api/deals/{id}"),
        ("network.protocol.version", "1.1"),
        ("vigie.correlation_id", "c-1"),
    ];
    expect(failed, &[&base[..], &[("error.type", "connect")]].concat());
    let last = [
        ("http.request.resend_count", "1"),
        ("http.response.status_code", "200"),
        ("vigie.vendor_request_id", "v-9"),
        ("vigie.quota.remaining", "42"),
    ];
    expect(answered, &[&base[..], &last].concat());
    assert!(client_span(&exchange, &record, 2, &upstream()).is_none());
}

#[test]
fn errors_follow_the_conventions() {
    // (status to the caller, agent error, server span failed, its error.type, client span failed)
    let cases = [
        (200, None, None, false),
        (404, None, None, true),
        (503, None, Some("503"), true),
        (504, Some(AgentError::HeadTimeout), Some("head_timeout"), true),
        (400, Some(AgentError::BadHost), None, true),
        (200, Some(AgentError::UpstreamClosed), Some("upstream_closed"), false),
        (0, None, None, false),
    ];
    for (status, error, server_error, client_failed) in cases {
        let (mut exchange, record) = exchange(status);
        exchange.error = error;
        exchange.attempts[1].status = (status != 0).then_some(status);
        let server = server_span(&exchange, &record, &listener());
        assert_eq!(server.status != Status::Unset, server_error.is_some(), "{status} {error:?}");
        assert_eq!(attributes(&server).get("error.type").map(String::as_str), server_error, "{status} {error:?}");
        assert_eq!(attributes(&server).contains_key("http.response.status_code"), status != 0);
        let client = client_span(&exchange, &record, 1, &upstream()).unwrap();
        assert_eq!(client.status != Status::Unset, client_failed, "{status} {error:?}");
    }
}

#[test]
fn without_a_caller_s_span_the_server_span_is_a_root() {
    let (mut exchange, record) = exchange(200);
    exchange.trace.parent = None;
    let span = server_span(&exchange, &record, &listener());
    assert_eq!(span.parent_span_id, SpanId::INVALID);
    assert!(!span.parent_span_is_remote);
    exchange.kind = Kind::Probe;
    assert_eq!(server_span(&exchange, &record, &listener()).span_kind, SpanKind::Internal);
}

#[test]
fn nothing_raw_is_on_any_span() {
    let (exchange, mut record) = exchange(503);
    record.method = "OTHER".into();
    let spans = described(&exchange, &record);
    let text = format!("{spans:?}");
    for planted in PLANTED {
        assert!(!text.contains(planted), "{planted}");
    }
    assert_eq!(spans[0].name, "HTTP /api/deals/{id}");
    assert_eq!(attributes(&spans[0])["http.request.method"], "_OTHER");
}
