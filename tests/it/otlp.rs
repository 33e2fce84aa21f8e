//! A real OTLP receiver gets the agent's spans, over gRPC and over HTTP.

use crate::support::peers::{Rotel, Span};
use crate::support::{Origin, TestAgent, client};
use serde_json::json;

const ROUTE: &str = "/api/deals/{id}";
const RAW_ID: &str = "70042006456";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT_ID: &str = "b7ad6b7169203331";
const CORRELATION_ID: &str = "otlp-flow-1";

#[tokio::test]
async fn spans_arrive_over_grpc() {
    let rotel = Rotel::start().await;
    let endpoint = rotel.grpc_url();
    spans_arrive(rotel, &endpoint, "grpc").await;
}

#[tokio::test]
async fn spans_arrive_over_http() {
    let rotel = Rotel::start().await;
    let endpoint = rotel.http_url();
    spans_arrive(rotel, &endpoint, "http").await;
}

async fn spans_arrive(rotel: Rotel, endpoint: &str, protocol: &str) {
    let origin = Origin::http(|_| async {
        let answer = axum::http::Response::builder().header("content-type", "application/json");
        let answer = answer.header("x-request-id", "vendor-7");
        let answer = answer.header("x-ratelimit-limit", "1000").header("x-ratelimit-remaining", "77");
        answer.body(r#"{"deal":{"id":70042006456,"name":"Order of Lovelace"}}"#.into()).expect("a valid answer")
    })
    .await;
    let traces = json!({ "traces": { "endpoint": endpoint, "protocol": protocol, "ratio": 1.0 } });
    let agent = TestAgent::start(&origin.url(), traces).await;
    let url = format!("{}/api/deals/{RAW_ID}", agent.proxy_url());
    let request = client().get(url).header("traceparent", format!("00-{TRACE_ID}-{PARENT_ID}-01"));
    let request = request.header("x-integration", "erp");
    let request = request.header("authorization", "Token token=otlp-secret").header("x-correlation-id", CORRELATION_ID);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);

    // The CLIENT span continues the trace towards the CRM.
    let seen = origin.seen();
    let sent_on = seen[0].headers["traceparent"].to_str().expect("a text").to_owned();
    let client_span = sent_on.split('-').nth(2).expect("a parent id").to_owned();
    assert!(sent_on.starts_with(&format!("00-{TRACE_ID}-")) && client_span != PARENT_ID, "{sent_on}");

    // The agent's own work, off the data path, is traced beside the exchanges. A stop would not wait for it.
    agent.admin_text("/metrics").await;
    agent.search(&["--last", "1"]);
    agent.reconfigure(json!({ "integrations": { "web": { "path_prefix": "/web" } } }));
    rotel.eventually(&["start", "rebuild_from_history", "scrape", "search_records", "reload"]).await;
    let port = agent.proxy_address().rsplit(':').next().expect("a port").to_owned();
    // What it holds back for a batch goes out at the end.
    assert!(agent.stop().await.success());
    let spans = rotel.eventually_spans(TRACE_ID, 2).await;
    assert_eq!(spans.len(), 2, "{spans:#?}");
    let of = |kind: &str| spans.iter().find(|span| span.fields["Kind"] == kind).expect("a span of each kind");
    let (server, client) = (of("SPAN_KIND_SERVER"), of("SPAN_KIND_CLIENT"));
    assert_fields(server, PARENT_ID, &server.fields["ID"]);
    assert_fields(client, &server.fields["ID"], &client_span);
    assert_server(server, &port);
    assert_client(client, &origin);
    let received = rotel.received();
    for secret in [RAW_ID, "otlp-secret", "Lovelace"] {
        assert!(!received.contains(secret), "{secret} in\n{received}");
    }
}

fn assert_fields(span: &Span, parent: &str, id: &str) {
    let name = format!("GET {ROUTE}");
    let fields = [
        ("Trace ID", TRACE_ID),
        ("Parent ID", parent),
        ("ID", id),
        ("Name", &name),
        ("Status code", "STATUS_CODE_UNSET"),
    ];
    for (field, expected) in fields {
        assert_eq!(span.fields[field], expected, "{field} of {span:#?}");
    }
    assert_attributes(
        span,
        &[
            ("http.request.method", "Str(GET)"),
            ("http.response.status_code", "Int(200)"),
            ("url.scheme", "Str(http)"),
            ("server.address", "Str(127.0.0.1)"),
            ("vigie.correlation_id", "Str(otlp-flow-1)"),
            ("vigie.vendor_request_id", "Str(vendor-7)"),
            ("vigie.quota.remaining", "Int(77)"),
            ("vigie.quota.limit", "Int(1000)"),
        ],
    );
}

fn assert_server(span: &Span, port: &str) {
    assert_attributes(
        span,
        &[
            ("http.route", "Str(/api/deals/{id})"),
            ("url.path", "Str(/api/deals/{id})"),
            ("vigie.outcome", "Str(ok)"),
            ("vigie.integration", "Str(erp)"),
            ("vigie.upstream", "Str(freshsales)"),
        ],
    );
    assert_attributes(span, &[("server.port", &format!("Int({port})")), ("network.protocol.version", "Str(1.1)")]);
}

fn assert_client(span: &Span, origin: &Origin) {
    let port = format!("Int({})", origin.address().port());
    let url = format!("Str({}/api/deals/{{id}})", origin.url());
    assert_attributes(
        span,
        &[
            ("server.port", &port),
            ("url.full", &url),
            ("url.template", "Str(/api/deals/{id})"),
            ("network.protocol.version", "Str(1.1)"),
        ],
    );
}

fn assert_attributes(span: &Span, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(span.attributes.get(*name).map(String::as_str), Some(*value), "{name} of {span:#?}");
    }
}
