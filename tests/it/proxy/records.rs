//! The log line of an exchange: its fields' names and types, and the meaning it was given.

use super::support::{assert_fields, record};
use crate::support::origin::json as answer;
use crate::support::{Origin, TestAgent, client};
use axum::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;

#[tokio::test]
async fn a_log_line_has_the_standard_fields() {
    let origin = Origin::http(|_| async {
        let mut reply = answer(201, "{\"deal\":{\"id\":70042006456,\"name\":\"Order of Lovelace\"}}");
        reply.headers_mut().insert("x-request-id", "req-abc.1".parse().expect("a value"));
        reply.headers_mut().insert("x-ratelimit-remaining", "998".parse().expect("a value"));
        reply.headers_mut().insert("x-ratelimit-limit", "1000".parse().expect("a value"));
        reply
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let request = client().post(format!("{}/crm/sales/api/deals", agent.proxy_url())).header("x-integration", "erp");
    let request = request.header("x-correlation-id", "fields").header("content-type", "application/json");
    let body = format!("{{\"deal\":{{\"name\":\"{}\"}}}}", "x".repeat(2_100 - 20));
    assert_eq!(body.len(), 2_100);
    request.body(body).send().await.expect("an answer").bytes().await.expect("a body");
    let record = record(&agent, "fields").await;
    let expected = json!({
        "system": "ERP", "direction": "outbound", "endpoint": "/api/deals", "method": "POST", "status_code": 201,
        "payload_size": "2.1KB", "payload_size_bytes": 2_100, "response_size_bytes": 54, "correlation_id": "fields",
        "integration": "erp", "upstream": "freshsales", "kind": "proxy", "outcome": "ok", "intent": "write",
        "object": "deal", "attempts": 1, "vendor_request_id": "req-abc.1", "quota_remaining": 998,
    });
    assert_fields(&record, expected);
    let timestamp = record["timestamp"].as_str().expect("a text");
    assert!(timestamp.ends_with('Z') && timestamp.len() == "2025-10-24T09:45:30.123Z".len(), "{timestamp}");
    timestamp.parse::<jiff::Timestamp>().expect("RFC 3339");
    for field in ["duration_ms", "upstream_ms", "overhead_ms", "connect_ms", "dns_ms"] {
        assert!(record[field].as_f64().is_some_and(|ms| ms >= 0.0), "{field} of {record}");
    }
    assert!(record["duration_ms"].as_f64() >= record["upstream_ms"].as_f64(), "{record}");
    let response = record["response"].as_str().expect("a text");
    assert!(response.starts_with("Created deal deal:1") && !response.contains("70042006456"), "{response}");
    assert!(record["trace_id"].as_str().is_some_and(|id| id.len() == 32), "{record}");
    let keys: Vec<&String> = record.as_object().expect("an object").keys().collect();
    assert!(keys.iter().all(|k| !k.contains("header")), "{keys:?}");
}

/// An agent's record of one call answered like this.
async fn judged(method: &str, path: &str, status: u16, headers: &'static [(&str, &str)], body: Vec<u8>) -> Value {
    let origin = Origin::http(move |_| {
        let body = body.clone();
        async move {
            let mut reply = answer(status, Body::from(body));
            for (name, value) in headers {
                reply.headers_mut().insert(*name, value.parse().expect("a value"));
            }
            reply
        }
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
    let url = format!("{}{path}", agent.proxy_url());
    // No decoding on the way: what the upstream sent is what the caller gets.
    let request = client().request(method, url).header("x-correlation-id", "judged").header("accept-encoding", "gzip");
    request.send().await.expect("an answer").bytes().await.expect("a body");
    record(&agent, "judged").await
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

/// An error inside a 200.
const HIDDEN: &str = "{\"errors\":{\"code\":400,\"message\":[\"no\"]}}";

/// The same, as brotli.
const HIDDEN_BR: &str = "8b13807b226572726f7273223a7b22636f6465223a3430302c226d657373616765223a5b226e6f225d7d7d03";

#[tokio::test]
async fn compressed_answers_are_understood() {
    let zstd = zstd::bulk::compress(HIDDEN.as_bytes(), 3).expect("compressing in memory");
    for (headers, body) in [
        (&[("content-encoding", "gzip")][..], gzip(HIDDEN)),
        (&[("content-encoding", "br")], hex::decode(HIDDEN_BR).expect("hexadecimal digits")),
        (&[("content-encoding", "zstd")], zstd),
    ] {
        let size = body.len();
        let record = judged("POST", "/api/deals", 200, headers, body).await;
        assert_fields(&record, json!({ "outcome": "client_error", "status_code": 200, "response_size_bytes": size }));
    }
}

#[tokio::test]
async fn a_server_error_inside_a_success_counts_as_one() {
    let origin = Origin::json(200, "{\"errors\":{\"code\":500,\"message\":[\"Internal server error\"]}}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let call = client().put(format!("{}/api/deals/7", agent.proxy_url())).header("x-correlation-id", "inner");
    call.send().await.expect("an answer").bytes().await.expect("a body");
    let expected = json!({ "outcome": "vendor_error", "status_code": 200, "inner_status": 500 });
    assert_fields(&record(&agent, "inner").await, expected);
    assert_eq!(agent.metric("vigie_window_server_errors", "upstream=\"freshsales\"").await, 1.0);
}

#[tokio::test]
async fn an_unknown_coding_is_never_called_a_success() {
    let record = judged("POST", "/api/deals", 201, &[("content-encoding", "compress")], b"\x1f\x9d{}".to_vec()).await;
    assert_fields(&record, json!({ "outcome": "unclassified", "status_code": 201 }));
}

#[tokio::test]
async fn answers_are_judged_by_meaning() {
    let cases: [(u16, &str, &str); 8] = [
        (400, "{\"message\":\"UCR contact fetch failure :: response_code :: 429\"}", "rate_limited"),
        (429, "{\"errors\":{\"code\":400}}", "rate_limited"),
        (503, "{\"errors\":{\"code\":404}}", "vendor_error"),
        (401, "{\"login\":\"failed\",\"message\":\"Requires a user to be logged in\"}", "auth"),
        (403, "{\"message\":\"Access denied\"}", "auth"),
        (429, "", "rate_limited"),
        (500, "{}", "vendor_error"),
        (404, "{}", "client_error"),
    ];
    for (status, body, outcome) in cases {
        let record = judged("GET", "/api/contacts/7", status, &[], body.as_bytes().to_vec()).await;
        assert_fields(&record, json!({ "outcome": outcome, "status_code": status, "endpoint": "/api/contacts/{id}" }));
    }
}
