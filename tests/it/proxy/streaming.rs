//! Bodies go through as they come, in both directions, and nothing piles up in between.

use super::support::{Scripted, Wire, assert_fields, fed, head, record, resident};
use crate::support::origin::json as answer;
use crate::support::{DEADLINE, Origin, TestAgent, eventually};
use axum::body::Bytes;
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const MB: usize = 1_000_000;

/// Room for the agent's own buffers, thread stacks and the allocator's slack; a body kept whole would be far beyond.
const MEMORY_ROOM: u64 = 24 << 20;

#[tokio::test]
async fn a_slow_answer_arrives_chunk_by_chunk() {
    let (feed, body) = fed();
    let body = Arc::new(Mutex::new(Some(body)));
    let origin = Origin::http(move |_| {
        let body = body.lock().take().expect("one request");
        async move { answer(200, body) }
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/contacts/filters", "chunks", "")).await;
    for part in ["{\"filters\":", "[1,", "2]}"] {
        feed.send(Bytes::from_static(part.as_bytes())).await.expect("the agent reads");
        // The upstream has not ended: what arrives here was not held back.
        caller.until(part).await;
    }
    drop(feed);
    caller.until("0\r\n\r\n").await;
    let record = record(&agent, "chunks").await;
    assert_fields(&record, json!({ "outcome": "ok", "status_code": 200, "response_size_bytes": 17 }));
}

#[tokio::test]
async fn an_upload_arrives_chunk_by_chunk() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.until("first").await;
        wire.send("HTTP/1.1 103 Early Hints\r\n\r\n").await;
        wire.until("second").await;
        wire.until("0\r\n\r\n").await;
        wire.send("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}").await;
        wire.rest().await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "upload", "transfer-encoding: chunked\r\n")).await;
    caller.send("5\r\nfirst\r\n").await;
    // It has come before there is a second.
    assert!(caller.head().await.starts_with("http/1.1 103 "));
    caller.send("6\r\nsecond\r\n0\r\n\r\n").await;
    assert!(caller.head().await.starts_with("http/1.1 201 "));
    let record = record(&agent, "upload").await;
    assert_fields(&record, json!({ "payload_size_bytes": 11, "payload_size": "11B", "status_code": 201 }));
}

#[tokio::test]
async fn a_caller_that_does_not_read_stops_the_upstream() {
    const ANSWER: usize = 200 * MB;
    let produced = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&produced);
    let origin = Origin::http(move |_| {
        let (feed, body) = fed();
        let count = Arc::clone(&count);
        tokio::spawn(async move {
            let chunk = Bytes::from(vec![b'x'; 100_000]);
            while count.load(Ordering::SeqCst) < ANSWER && feed.send(chunk.clone()).await.is_ok() {
                count.fetch_add(chunk.len(), Ordering::SeqCst);
            }
        });
        async move { answer(200, body) }
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let before = resident(&agent);
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/contacts/filters", "unread", "")).await;
    caller.head().await;
    let (mut last, mut same) = (0, 0);
    eventually("the upstream to stand still", DEADLINE, || {
        let now = produced.load(Ordering::SeqCst);
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
        async move { (same > 20).then_some(()) }
    })
    .await;
    // What was produced lies in the sockets' buffers, and little of it in the agent.
    assert!(last < ANSWER / 2, "{last} bytes were taken from the upstream");
    let grown = resident(&agent).saturating_sub(before);
    assert!(grown < MEMORY_ROOM, "{grown} bytes more");
    drop(caller);
    assert_fields(&record(&agent, "unread").await, json!({ "outcome": "client_closed", "client_closed": true }));
}

#[tokio::test]
async fn a_big_upload_streams_and_is_counted_exactly() {
    const UPLOAD: usize = 50 * MB + 7;
    let origin = Scripted::start(|mut wire, _| async move {
        let head = wire.head().await;
        assert!(head.contains(&format!("content-length: {UPLOAD}\r\n")), "{head}");
        wire.skip(UPLOAD).await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        wire.rest().await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    let before = resident(&agent);
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("PUT", "/api/deals/7", "big", &format!("content-length: {UPLOAD}\r\n"))).await;
    let chunk = vec![b'y'; MB];
    let mut left = UPLOAD;
    let mut most = 0;
    while left > 0 {
        let now = left.min(MB);
        caller.send(&chunk[..now]).await;
        left -= now;
        most = most.max(resident(&agent));
    }
    assert!(caller.head().await.starts_with("http/1.1 200 "));
    assert!(most.saturating_sub(before) < MEMORY_ROOM, "{} bytes more", most.saturating_sub(before));
    let record = record(&agent, "big").await;
    assert_fields(&record, json!({ "payload_size_bytes": UPLOAD, "payload_size": "50.0MB", "response_size_bytes": 2 }));
}

#[tokio::test]
async fn an_early_answer_does_not_hold_up_others() {
    let origin = Scripted::start(|mut wire, _| async move {
        loop {
            let head = wire.head().await;
            wire.send("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 2\r\n\r\n{}").await;
            if head.starts_with("post") {
                break;
            }
        }
        wire.rest().await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({ "proxy": { "workers": 1 } })).await;
    let mut slow = Wire::to(&agent.proxy_url()).await;
    slow.send(head("POST", "/api/deals", "early", "content-length: 1000\r\n")).await;
    slow.send("{\"deal\":").await;
    assert!(slow.head().await.starts_with("http/1.1 413 "));
    slow.until("{}").await;
    record(&agent, "early").await;
    // The first upload still hangs on its connection; this call must not wait for that.
    let mut other = Wire::to(&agent.proxy_url()).await;
    other.send(head("GET", "/api/deals/1", "other", "")).await;
    assert!(other.head().await.starts_with("http/1.1 413 "));
}
