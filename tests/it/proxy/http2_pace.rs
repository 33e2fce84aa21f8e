//! Callers of HTTP/2 that send or read too slowly: each stream is kept to `min_rate`, and the others do not suffer.

use super::frames::{CANCEL, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM, request};
use super::support::{Scripted, all_closed, assert_fields, record};
use crate::support::{DEADLINE, Origin, TestAgent, eventually};
use serde_json::json;

async fn agent(upstream: &str) -> TestAgent {
    let listeners = json!([{ "address": "127.0.0.1:0", "http2_prior_knowledge": true }]);
    let limits = json!({ "min_rate": "1KiB", "rate_window": "1s" });
    let changes = json!({ "proxy": { "workers": 1, "listeners": listeners, "limits": limits } });
    TestAgent::start(upstream, changes).await
}

#[tokio::test]
async fn a_body_must_come_at_its_rate() {
    for http2_upstream in [false, true] {
        let answer = |request: axum::extract::Request| async move {
            let _ = axum::body::to_bytes(request.into_body(), 1 << 20).await;
            crate::support::origin::json(200, "{}")
        };
        let origin = if http2_upstream { Origin::http2(answer).await } else { Origin::http(answer).await };
        let version = if http2_upstream { "2" } else { "1" };
        let agent = agent(&origin.url()).await;
        agent.reconfigure(json!({ "upstreams": { "freshsales": { "http": version } } }));
        eventually("the reload", DEADLINE, || async {
            agent.output().contains("configuration reloaded").then_some(())
        })
        .await;
        let mut frames = Frames::to(agent.proxy_address()).await;
        let id = [("x-correlation-id", "slow.stream"), ("content-length", "100000")];
        frames.send(HEADERS, END_HEADERS, 1, &request("POST", "/api/deals", &id)).await;
        frames.send(DATA, 0, 1, b"{").await;
        let answer = frames.until(HEADERS).await;
        assert_eq!((answer.stream, frames.until(DATA).await.stream), (1, 1));
        let expected = json!({ "outcome": "client_closed", "error_kind": "upload_timeout", "status_code": 408 });
        assert_fields(&record(&agent, "slow.stream").await, expected);
        // The connection serves on.
        frames.send(HEADERS, END_HEADERS | END_STREAM, 3, &request("GET", "/api/deals/1", &[])).await;
        while frames.until(HEADERS).await.stream != 3 {}
    }
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_reset_and_frees_the_upstream() {
    let origin = Scripted::start(|mut wire, _| async move {
        if wire.head().await.contains("/api/deals") {
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await;
            return;
        }
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n").await;
        // Until nobody takes it any more.
        while wire.try_send(vec![b'x'; 1 << 20]).await.is_ok() {}
    })
    .await;
    let agent = agent(origin.url()).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    let id = [("x-correlation-id", "deaf.stream")];
    frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/api/export", &id)).await;
    // 64 KiB come without being asked for; more room is never given.
    let reset = frames.until(RST_STREAM).await;
    assert_eq!((reset.stream, reset.code()), (1, CANCEL));
    let record = record(&agent, "deaf.stream").await;
    assert_fields(&record, json!({ "error_kind": "download_timeout", "status_code": 200, "client_closed": true }));
    all_closed(origin.url()).await;
    frames.send(HEADERS, END_HEADERS | END_STREAM, 3, &request("GET", "/api/deals/1", &[])).await;
    assert_eq!(frames.until(HEADERS).await.stream, 3);
}
