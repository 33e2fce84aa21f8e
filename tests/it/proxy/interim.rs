//! Interim answers (RFC 9110 section 15.2): what of them reaches the caller.

use super::frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, request};
use super::support::{Scripted, Wire, assert_fields, head, metric, record};
use crate::support::TestAgent;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Notify;

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nconnection: x-hop\r\nx-hop: 1\r\n\
    content-length: 7\r\n\r\n";
const ANSWER: &str =
    "HTTP/1.1 200 OK\r\ncontent-length: 17\r\ncontent-type: application/json\r\n\r\n{\"deal\":{\"id\":1}}";

/// Hints, and a moment later answers.
async fn hinting() -> Scripted {
    Scripted::start(|mut wire, _| async move {
        loop {
            wire.head().await;
            wire.send(format!("HTTP/1.1 100 Continue\r\n\r\n{HINTS}HTTP/1.1 102 Processing\r\n\r\n")).await;
            wire.send(ANSWER).await;
        }
    })
    .await
}

async fn counted(agent: &TestAgent) -> (f64, f64) {
    let name = "vigie_interim_answers_total";
    (metric(agent, name, &["forwarded"]).await, metric(agent, name, &["left_out"]).await)
}

#[tokio::test]
async fn hints_pass_before_each_answer() {
    let origin = hinting().await;
    let agent = TestAgent::start(origin.url(), json!({ "proxy": { "workers": 1 } })).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    // Together, so that each must stand before its own answer.
    caller.send((0..3).map(|i| head("GET", "/api/deals/1", &format!("hint.{i}"), "")).collect::<String>()).await;
    for index in 0..3 {
        let hints = caller.head().await;
        assert!(hints.starts_with("http/1.1 103 early hints\r\nlink: </a.css>; rel=preload\r\n"), "{hints}");
        for gone in ["x-hop", "connection", "content-length"] {
            assert!(!hints.contains(gone), "{gone} in {hints}");
        }
        assert!(hints.contains("\r\nvia: 1.1 vigie\r\n"), "{hints}");
        assert!(caller.head().await.starts_with("http/1.1 102 processing\r\n"));
        let answer = caller.head().await;
        assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
        assert!(answer.contains(&format!("x-correlation-id: hint.{index}\r\n")), "{answer}");
        caller.skip(17).await;
    }
    assert_fields(&record(&agent, "hint.0").await, json!({ "status_code": 200, "attempts": 1 }));
    assert_eq!(counted(&agent).await, (6.0, 0.0));
}

#[tokio::test]
async fn hints_come_at_once_and_not_with_the_answer() {
    let wait = Arc::new(Notify::new());
    let waits = Arc::clone(&wait);
    let origin = Scripted::start(move |mut wire, _| {
        let waits = Arc::clone(&waits);
        async move {
            wire.head().await;
            wire.send(HINTS).await;
            waits.notified().await;
            wire.send(ANSWER).await;
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/deals/1", "early", "")).await;
    assert!(caller.head().await.starts_with("http/1.1 103 "));
    wait.notify_one();
    assert!(caller.head().await.starts_with("http/1.1 200 "));
}

#[tokio::test]
async fn callers_of_other_versions_get_the_answer_alone() {
    let origin = hinting().await;
    let listener = json!([{ "address": "127.0.0.1:0", "http2_prior_knowledge": true }]);
    let agent = TestAgent::start(origin.url(), json!({ "proxy": { "listeners": listener } })).await;
    let mut old = Wire::to(&agent.proxy_url()).await;
    old.send("GET /api/deals/1 HTTP/1.0\r\nhost: vigie.test\r\n\r\n").await;
    let told = old.rest().await;
    assert!(told.starts_with("HTTP/1.0 200 ") || told.starts_with("HTTP/1.1 200 "), "{told}");
    let mut frames = Frames::to(agent.proxy_address()).await;
    frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/api/deals/1", &[])).await;
    let (mut heads, mut ended) = (0, false);
    while !ended {
        let frame = frames.next().await.expect("an open connection");
        heads += usize::from(frame.kind == HEADERS);
        ended = matches!(frame.kind, HEADERS | DATA) && frame.ends();
    }
    assert_eq!(heads, 1);
    assert_eq!(counted(&agent).await, (0.0, 4.0));
}
