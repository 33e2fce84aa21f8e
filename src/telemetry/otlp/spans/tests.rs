use super::*;
use crate::exchange::redact::Masked;
use crate::exchange::{AgentError, Arrival, Direction, Labelled, Message, Place, Target, Trace};
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
        labelled: Labelled::Known,
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
        arrival: Arrival { listener: 3, ..Arrival::default() },
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
        links: Default::default(),
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
    let crm =
        crate::upstream::Config { tls: true, ..crate::upstream::Config::plain("crm", "acme.crm.example", 443, None) };
    Peers::new([(3, ([127, 0, 0, 1], 8080).into())], [&crm])
}

fn told<'a>(exchange: &'a Exchange, record: &'a Record) -> Told<'a> {
    let window_length = Some(Duration::from_secs(3600));
    let quota =
        Reading { window: "hour", limit: Some(1000), remaining: 42, reset_at: Some(1_764_069_600), window_length };
    Told { exchange, record, quota: Some(quota) }
}

fn described(exchange: &Exchange, record: &Record) -> Vec<SpanData> {
    let mut spans = Vec::new();
    describe(&told(exchange, record), &peers(), &mut spans);
    spans
}

fn server(exchange: &Exchange, record: &Record) -> SpanData {
    server_span(&told(exchange, record), &peers())
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
    let span = server(&exchange, &record);
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
            ("network.protocol.version", "1.1"),
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
            ("vigie.quota.limit", "1000"),
            ("vigie.quota.reset", "1764069600"),
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
        ("vigie.quota.limit", "1000"),
        ("vigie.quota.reset", "1764069600"),
    ];
    expect(answered, &[&base[..], &last].concat());
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
        let server = server(&exchange, &record);
        assert_eq!(server.status != Status::Unset, server_error.is_some(), "{status} {error:?}");
        assert_eq!(attributes(&server).get("error.type").map(String::as_str), server_error, "{status} {error:?}");
        assert_eq!(attributes(&server).contains_key("http.response.status_code"), status != 0);
        let client = described(&exchange, &record).swap_remove(2);
        assert_eq!(client.status != Status::Unset, client_failed, "{status} {error:?}");
    }
}

#[test]
fn without_a_caller_s_span_the_server_span_is_a_root() {
    let (mut exchange, record) = exchange(200);
    exchange.trace.parent = None;
    let span = server(&exchange, &record);
    assert_eq!(span.parent_span_id, SpanId::INVALID);
    assert!(!span.parent_span_is_remote);
    exchange.kind = Kind::Probe;
    assert_eq!(server(&exchange, &record).span_kind, SpanKind::Internal);
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

#[test]
fn a_call_over_tls_and_http_2_is_told_as_such() {
    let (mut exchange, record) = exchange(200);
    exchange.arrival = Arrival { listener: 3, tls: true, version: Version::HTTP_2 };
    let seen = attributes(&server(&exchange, &record));
    assert_eq!((seen["url.scheme"].as_str(), seen["network.protocol.version"].as_str()), ("https", "2"));
    exchange.arrival.listener = 4;
    let unknown = attributes(&server(&exchange, &record));
    assert!(!unknown.contains_key("server.address") && !unknown.contains_key("server.port"), "better none than wrong");
}

#[test]
fn a_call_without_a_route_has_none_in_its_name() {
    let (mut exchange, mut record) = exchange(404);
    exchange.error = Some(AgentError::NoUpstream);
    for word in ["none", "other"] {
        record.endpoint = word.into();
        let spans = described(&exchange, &record);
        for span in &spans {
            assert_eq!(span.name, "PUT");
            let seen = attributes(span);
            assert!(!seen.contains_key("http.route") && !seen.contains_key("url.template"), "{seen:?}");
        }
        let seen = attributes(&spans[0]);
        assert_eq!((seen["url.path"].as_str(), seen["vigie.error_kind"].as_str()), ("/REDACTED", "no_upstream"));
        assert_eq!(attributes(&spans[1])["url.full"], "https://acme.crm.example:443/REDACTED");
    }
}

#[test]
fn an_unknown_method_is_told_if_it_is_a_registered_word() {
    let (mut exchange, mut record) = exchange(200);
    record.method = "OTHER".into();
    for (sent, original) in [("PROPFIND", Some("PROPFIND")), ("JANE.DOE", None)] {
        exchange.method = http::Method::from_bytes(sent.as_bytes()).unwrap();
        let seen = attributes(&server(&exchange, &record));
        assert_eq!(seen["http.request.method"], "_OTHER");
        assert_eq!(seen.get("http.request.method_original").map(String::as_str), original);
    }
}

#[test]
fn the_random_flag_is_exported() {
    let (mut exchange, record) = exchange(200);
    assert_eq!(server(&exchange, &record).span_context.trace_flags().to_u8(), 3);
    exchange.trace.random = false;
    assert_eq!(server(&exchange, &record).span_context.trace_flags().to_u8(), 1);
}
