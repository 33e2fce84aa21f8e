//! A real OTLP receiver gets the agent's spans, over gRPC and over HTTP.

use crate::support::peers::Rotel;
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
    let origin = Origin::json(200, r#"{"deal":{"id":70042006456,"name":"Order of Lovelace"}}"#).await;
    let traces = json!({ "traces": { "endpoint": endpoint, "protocol": protocol, "ratio": 1.0 } });
    let agent = TestAgent::start(&origin.url(), traces).await;
    let url = format!("{}/api/deals/{RAW_ID}", agent.proxy_url());
    let request = client().get(url).header("traceparent", format!("00-{TRACE_ID}-{PARENT_ID}-01"));
    let request = request.header("authorization", "Token token=otlp-secret").header("x-correlation-id", CORRELATION_ID);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);

    // The CLIENT span continues the trace towards the CRM.
    let seen = origin.seen();
    let sent_on = seen[0].headers["traceparent"].to_str().expect("a text").to_owned();
    let client_span = sent_on.split('-').nth(2).expect("a parent id").to_owned();
    assert!(sent_on.starts_with(&format!("00-{TRACE_ID}-")) && client_span != PARENT_ID, "{sent_on}");

    // What it holds back for a batch goes out at the end.
    assert!(agent.stop().await.success());
    let wanted = ["SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", TRACE_ID, &client_span, "http.route", ROUTE, CORRELATION_ID];
    let received = rotel.eventually(&wanted).await;
    let server = format!("GET {ROUTE}");
    assert!(received.contains(&server), "no span named {server}:\n{received}");
    for secret in [RAW_ID, "otlp-secret", "Lovelace"] {
        assert!(!received.contains(secret), "{secret} in\n{received}");
    }
}
