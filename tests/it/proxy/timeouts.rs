//! Each wait has an end, and long work that moves is not cut.

use super::support::{Scripted, Wire, assert_fields, head, metric, record};
use crate::support::{RawAnswer, RawOrigin, TestAgent};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn timeouts(connect: &str, head: &str, idle: &str) -> Value {
    let timeouts = json!({ "connect": connect, "head": head, "idle": idle });
    json!({ "upstreams": { "freshsales": { "timeouts": timeouts } } })
}

/// A listener that never accepts, and the connections that fill its backlog: the next one gets no answer at all.
fn deaf() -> (std::net::TcpListener, Vec<TcpStream>) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let mut filling = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        filling.push(stream);
    }
    (listener, filling)
}

#[tokio::test]
async fn a_connection_that_is_not_made() {
    let (listener, _filling) = tokio::task::spawn_blocking(deaf).await.expect("a listener");
    let url = format!("http://{}", listener.local_addr().expect("a bound address"));
    let agent = TestAgent::start(&url, timeouts("150ms", "10s", "10s")).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/deals/1", "deaf", "")).await;
    let reply = caller.head().await;
    assert!(reply.starts_with("http/1.1 504 ") && reply.contains("x-vigie-error: connect_timeout\r\n"), "{reply}");
    let expected = json!({ "outcome": "timeout", "error_kind": "connect_timeout", "status_code": 504 });
    assert_fields(&record(&agent, "deaf").await, expected);
    assert_eq!(metric(&agent, "vigie_window_attempts", &[]).await, 0.0, "the vendor's time is not known");
}

#[tokio::test]
async fn waiting_for_a_turn_to_connect_counts_too() {
    // Accepts, and never shakes hands: over TLS, which version is spoken is not known yet.
    let origin = Scripted::start(|mut wire, _| async move {
        wire.rest().await;
    })
    .await;
    let url = origin.url().replace("http://", "https://");
    let changes =
        json!({ "proxy": { "workers": 1 }, "upstreams": { "freshsales": { "timeouts": { "connect": "300ms" } } } });
    let agent = TestAgent::start(&url, changes).await;
    let started = Instant::now();
    let mut callers = Vec::new();
    for index in 0..10 {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("GET", "/api/deals/1", &format!("turn.{index}"), "")).await;
        callers.push(caller);
    }
    for caller in &mut callers {
        let reply = caller.head().await;
        assert!(reply.contains("x-vigie-error: connect_timeout\r\n"), "{reply}");
    }
    // One after the other would take ten times the time-out.
    assert!(started.elapsed() < Duration::from_millis(2_000), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_head_that_does_not_come() {
    let origin = RawOrigin::start(RawAnswer::Hang(Vec::new())).await;
    let agent = TestAgent::start(&origin.url(), timeouts("5s", "150ms", "10s")).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "head", "content-length: 2\r\n")).await;
    caller.send("{}").await;
    let reply = caller.head().await;
    assert!(reply.starts_with("http/1.1 504 ") && reply.contains("x-vigie-error: head_timeout\r\n"), "{reply}");
    let record = record(&agent, "head").await;
    assert_fields(&record, json!({ "outcome": "timeout", "error_kind": "head_timeout", "status_code": 504 }));
    assert!(record["upstream_ms"].as_f64().is_some_and(|ms| ms >= 150.0), "{record}");
    assert_eq!(metric(&agent, "vigie_window_server_errors", &[]).await, 0.0);
}

#[tokio::test]
async fn the_heads_time_runs_from_the_end_of_the_upload() {
    let origin = RawOrigin::start(RawAnswer::Hang(Vec::new())).await;
    // A standstill may last long, the answer's head may not: the longer one must not stretch the shorter.
    let agent = TestAgent::start(&origin.url(), timeouts("5s", "200ms", "20s")).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "tail", "content-length: 3\r\n")).await;
    for byte in ["1", "2", "3"] {
        tokio::time::timeout(Duration::from_millis(150), caller.head()).await.expect_err("no answer while uploading");
        caller.send(byte).await;
    }
    let sent = Instant::now();
    assert!(caller.head().await.contains("x-vigie-error: head_timeout\r\n"));
    assert!(sent.elapsed() < Duration::from_secs(3), "{:?} after the upload's end", sent.elapsed());
    record(&agent, "tail").await;
}

#[tokio::test]
async fn a_long_upload_that_moves_is_not_cut() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.skip(10).await;
        wire.send("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}").await;
        wire.rest().await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), timeouts("5s", "200ms", "1s")).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "long", "content-length: 10\r\n")).await;
    for _ in 0..10 {
        // A pause, and the proof that nothing is answered before the end.
        tokio::time::timeout(Duration::from_millis(60), caller.head()).await.expect_err("no answer while uploading");
        caller.send("x").await;
    }
    assert!(caller.head().await.starts_with("http/1.1 201 "));
    assert_fields(&record(&agent, "long").await, json!({ "status_code": 201, "payload_size_bytes": 10 }));
}

#[tokio::test]
async fn a_caller_whose_upload_stands_still() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.rest().await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), timeouts("5s", "100ms", "200ms")).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "stalled", "content-length: 10\r\n")).await;
    caller.send("{").await;
    let reply = caller.head().await;
    assert!(reply.starts_with("http/1.1 408 ") && reply.contains("x-vigie-error: upload_timeout\r\n"), "{reply}");
    let expected = json!({ "outcome": "client_closed", "error_kind": "upload_timeout" });
    assert_fields(&record(&agent, "stalled").await, expected);
    assert_eq!(metric(&agent, "vigie_window_unreachable", &[]).await, 0.0, "the vendor had no part in it");
}

#[tokio::test]
async fn an_upstream_that_does_not_take_the_upload() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), timeouts("5s", "200ms", "300ms")).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "untaken", "content-length: 100000000\r\n")).await;
    let chunk = vec![b'x'; 1_000_000];
    // More than the sockets between can hold; the agent gives up on the way.
    let upload = async { while caller.try_send(&chunk).await.is_ok() {} };
    let record = tokio::select! {
        record = record(&agent, "untaken") => record,
        () = upload => record(&agent, "untaken").await,
    };
    assert_fields(&record, json!({ "outcome": "timeout", "error_kind": "head_timeout", "status_code": 504 }));
}

#[tokio::test]
async fn an_answer_that_stands_still() {
    let origin =
        RawOrigin::start(RawAnswer::Hang(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"a\"".to_vec())).await;
    let agent = TestAgent::start(&origin.url(), timeouts("5s", "10s", "150ms")).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/deals/1", "idle", "")).await;
    caller.head().await;
    assert_eq!(caller.rest().await, "{\"a\"");
    let expected =
        json!({ "outcome": "timeout", "error_kind": "idle_timeout", "status_code": 200, "client_closed": null });
    assert_fields(&record(&agent, "idle").await, expected);
}
