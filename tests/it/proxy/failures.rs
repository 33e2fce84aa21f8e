//! Every way an upstream fails is told to the caller as such, and never as the vendor's own 5xx.

use super::support::{Scripted, Wire, assert_fields, head, metric, record};
use crate::support::{RawAnswer, RawOrigin, TestAgent, free_port};
use serde_json::json;

/// Calls once; the reply's head and the rest of the connection.
async fn call(agent: &TestAgent, method: &str, id: &str) -> (String, String) {
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head(method, "/api/deals/1", id, "content-length: 0\r\nconnection: close\r\n")).await;
    (caller.head().await, caller.rest().await)
}

/// The caller gets a problem of Vigie's, and nobody blames the vendor.
async fn assert_problem(agent: &TestAgent, kind: &str, status: u16, outcome: &str) {
    for method in ["GET", "PUT"] {
        let (head, body) = call(agent, method, &format!("{kind}.{method}")).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{kind}: {head}");
        assert!(head.contains(&format!("x-vigie-error: {kind}\r\n")), "{kind}: {head}");
        assert!(head.contains("content-type: application/problem+json\r\n"), "{kind}: {head}");
        assert!(body.contains(&format!("urn:vigie:error:{kind}")), "{kind}: {body}");
        assert_timing(&head, kind);
        let record = record(agent, &format!("{kind}.{method}")).await;
        // A connection that was never made carried no request.
        let attempts = u8::from(!["dns", "connect", "connect_timeout", "tls"].contains(&kind));
        let expected = json!({ "status_code": status, "outcome": outcome, "error_kind": kind, "attempts": attempts });
        assert_fields(&record, expected);
    }
    assert_not_blamed(agent).await;
}

/// The caller's own tools show where the time went: Vigie's own share, and the upstream's if it had the request.
fn assert_timing(head: &str, kind: &str) {
    let timing = head.lines().find_map(|line| line.strip_prefix("server-timing: "));
    let timing = timing.unwrap_or_else(|| panic!("{kind}: no Server-Timing in {head}"));
    assert!(timing.starts_with("vigie;dur="), "{kind}: {timing}");
    assert!(timing.contains(", connect;dur="), "{kind}: {timing}");
    let sent = !["dns", "connect", "connect_timeout", "tls"].contains(&kind);
    assert_eq!(timing.contains(", upstream;dur="), sent, "{kind}: {timing}");
}

async fn assert_not_blamed(agent: &TestAgent) {
    assert_eq!(metric(agent, "vigie_window_server_errors", &[]).await, 0.0);
    assert_eq!(metric(agent, "vigie_requests_total", &["outcome=\"vendor_error\""]).await, 0.0);
    assert_eq!(metric(agent, "vigie_attempts_total", &["status_code=\"5"]).await, 0.0);
}

#[tokio::test]
async fn nobody_listens() {
    let agent = TestAgent::start(&format!("http://127.0.0.1:{}", free_port()), json!({})).await;
    assert_problem(&agent, "connect", 502, "network").await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    // `.invalid` is reserved for this (RFC 2606).
    let agent =
        TestAgent::start("http://crm.invalid:1", json!({ "upstreams": { "freshsales": { "allow_plaintext": true } } }))
            .await;
    assert_problem(&agent, "dns", 502, "network").await;
}

#[tokio::test]
async fn closed_before_the_head() {
    let origin = RawOrigin::start(RawAnswer::Close(Vec::new())).await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    assert_problem(&agent, "upstream_closed", 502, "network").await;
}

#[tokio::test]
async fn closed_within_the_head() {
    let origin = RawOrigin::start(RawAnswer::Close(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())).await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    assert_problem(&agent, "upstream_closed", 502, "network").await;
}

#[tokio::test]
async fn reset_before_the_head() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.reset();
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    assert_problem(&agent, "upstream_closed", 502, "network").await;
}

#[tokio::test]
async fn heads_that_are_not_http() {
    for answer in
        ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "HTTP/1.1 999999 Odd\r\n\r\n"]
    {
        let origin = RawOrigin::start(RawAnswer::Hang(answer.as_bytes().to_vec())).await;
        let agent = TestAgent::start(&origin.url(), json!({})).await;
        assert_problem(&agent, "bad_answer", 502, "network").await;
    }
}

#[tokio::test]
async fn answers_that_break_off_never_look_whole() {
    let cases = [
        ("short", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"deal\":", false, "upstream_closed"),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{\"deal\":\r\n",
            false,
            "upstream_closed",
        ),
        (
            "bad-chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{\"deal\":\r\nzz\r\n",
            true,
            "bad_answer",
        ),
    ];
    for (id, answer, hang, kind) in cases {
        let bytes = answer.as_bytes().to_vec();
        let origin = RawOrigin::start(if hang { RawAnswer::Hang(bytes) } else { RawAnswer::Close(bytes) }).await;
        let agent = TestAgent::start(&origin.url(), json!({})).await;
        let (head, rest) = call(&agent, "PUT", id).await;
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(rest.contains("{\"deal\":") && !rest.ends_with("0\r\n\r\n"), "{id}: {rest}");
        let expected = json!({ "status_code": 200, "outcome": "network", "error_kind": kind, "client_closed": null });
        assert_fields(&record(&agent, id).await, expected);
        assert_not_blamed(&agent).await;
    }
}

#[tokio::test]
async fn a_vendors_own_failure_is_passed_on_as_its_own() {
    let origin = crate::support::Origin::json(503, "{\"errors\":{\"code\":503,\"message\":[\"down\"]}}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let (head, body) = call(&agent, "GET", "own").await;
    assert!(head.starts_with("http/1.1 503 ") && !head.contains("x-vigie-error"), "{head}");
    assert!(body.contains("down"), "{body}");
    assert_fields(&record(&agent, "own").await, json!({ "outcome": "vendor_error", "error_kind": null }));
    assert_eq!(metric(&agent, "vigie_window_server_errors", &[]).await, 1.0);
}
