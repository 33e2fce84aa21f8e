//! What spans say of the way a call came, read as a collector reads it.

use crate::support::tls::Authority;
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually, origin};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use parking_lot::Mutex;
use prost::Message;
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;

/// A collector, and every span that it got.
struct Collector {
    origin: Origin,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start() -> Self {
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let kept = Arc::clone(&spans);
        let origin = Origin::http(move |request| {
            let kept = Arc::clone(&kept);
            async move {
                let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("a batch");
                let batch = ExportTraceServiceRequest::decode(body).expect("OTLP");
                let spans = batch.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
                kept.lock().extend(spans);
                origin::json(200, "")
            }
        })
        .await;
        Self { origin, spans }
    }

    /// The SERVER span of a correlation id, once it came.
    async fn server(&self, id: &str) -> Span {
        let ours = |span: &&Span| span.kind() == SpanKind::Server && of(span, "vigie.correlation_id") == id;
        eventually(id, DEADLINE, || async { self.spans.lock().iter().find(ours).cloned() }).await
    }
}

/// An attribute as text; empty when there is none.
fn of(span: &Span, key: &str) -> String {
    let value = span.attributes.iter().find(|kv| kv.key == key).and_then(|kv| kv.value.clone()?.value);
    match value {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn assert_attributes(span: &Span, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        assert_eq!(of(span, key), *value, "{key} of {span:#?}");
    }
}

#[tokio::test]
async fn each_listener_is_told_as_itself() {
    let (collector, authority) = (Collector::start().await, Authority::new());
    let crm = Origin::json(200, "{}").await;
    let pair = authority.good("server");
    let tls = json!({ "certificate_file": pair.certificate_file, "key_file": pair.key_file });
    let agent = TestAgent::start(
        &crm.url(),
        json!({
            "proxy": { "listeners": [{ "address": "127.0.0.1:0" }, { "address": "127.0.0.1:0", "tls": tls }] },
            "traces": { "endpoint": collector.origin.url(), "protocol": "http", "ratio": 1.0 },
        }),
    )
    .await;
    let pem = std::fs::read(authority.file()).expect("the authority's file");
    let trusting = reqwest::Client::builder().no_proxy().timeout(DEADLINE);
    let trusting = trusting.tls_certs_only([reqwest::Certificate::from_pem(&pem).expect("a certificate")]);
    let trusting = trusting.build().expect("a client");
    let addresses: Vec<String> = agent.proxy_urls().iter().map(|url| url.replace("http://", "")).collect();
    for (client, scheme, address, version) in
        [(client(), "http", &addresses[0], "1.1"), (trusting, "https", &addresses[1], "2")]
    {
        let url = format!("{scheme}://{address}/api/deals/7");
        let call = client.get(url).header("x-correlation-id", format!("by-{scheme}"));
        assert_eq!(call.send().await.expect("an answer").status(), 200);
        let span = collector.server(&format!("by-{scheme}")).await;
        let port = address.rsplit(':').next().expect("a port");
        let facts = [("url.scheme", scheme), ("server.address", "127.0.0.1"), ("server.port", port)];
        assert_attributes(&span, &facts);
        assert_attributes(&span, &[("network.protocol.version", version), ("http.route", "/api/deals/{id}")]);
    }
}

#[tokio::test]
async fn a_refused_call_has_no_route_and_an_unknown_method_is_no_name() {
    let (collector, crm) = (Collector::start().await, Origin::json(200, "{}").await);
    let changes = json!({
        "upstreams": { "freshsales": { "path_prefix": "/fs" } },
        "traces": { "endpoint": collector.origin.url(), "protocol": "http", "ratio": 1.0 },
    });
    let agent = TestAgent::start(&crm.url(), changes).await;
    let propfind = Method::from_bytes(b"PROPFIND").expect("a token");
    for (id, method, path) in [("refused", Method::GET, "/elsewhere/4711"), ("odd", propfind, "/fs/api/deals/7")] {
        let call = client().request(method, format!("{}{path}", agent.proxy_url())).header("x-correlation-id", id);
        call.send().await.expect("an answer");
    }
    let refused = collector.server("refused").await;
    assert_eq!(refused.name, "GET");
    assert_attributes(&refused, &[("http.route", ""), ("url.path", "/REDACTED"), ("vigie.error_kind", "no_upstream")]);
    assert_attributes(&refused, &[("http.response.status_code", "404"), ("error.type", "")]);
    assert!(!format!("{refused:?}").contains("4711"), "{refused:#?}");
    let odd = collector.server("odd").await;
    assert_eq!(odd.name, format!("HTTP {}", of(&odd, "http.route")));
    let method = [("http.request.method", "_OTHER"), ("http.request.method_original", "PROPFIND")];
    assert_attributes(&odd, &method);
}
