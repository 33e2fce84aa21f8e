//! What HTTP/1.1 lets messages do beside having a body: wait, be interim, end in trailers, be large, be answered early.

use crate::proxy::support::{Scripted, Wire, head, record};
use crate::support::{Origin, TestAgent};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn a_caller_that_waits_for_100_gets_it_or_the_refusal() {
    let origin = Origin::http(|request| async move {
        let body = axum::body::to_bytes(request.into_body(), 100).await.expect("a body");
        crate::support::origin::json(if &body[..] == b"hello" { 200 } else { 500 }, "{}")
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({ "proxy": { "limits": { "body": "1KiB" } } })).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "wait", "expect: 100-continue\r\ncontent-length: 5\r\n")).await;
    assert_eq!(caller.head().await, "http/1.1 100 continue\r\n\r\n");
    caller.send("hello").await;
    assert!(caller.head().await.starts_with("http/1.1 200 "));
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "refused", "expect: 100-continue\r\ncontent-length: 5000\r\n")).await;
    let refusal = caller.head().await;
    assert!(refusal.starts_with("http/1.1 413 ") && refusal.contains("x-vigie-error: body_too_large"), "{refusal}");
}

#[tokio::test]
async fn trailers_pass_where_both_sides_agreed_on_them() {
    let sent = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&sent);
    let origin = Scripted::start(move |mut wire, _| {
        let kept = Arc::clone(&kept);
        async move {
            let mut request = wire.head().await;
            request.push_str(&wire.until("\r\n0\r\n").await);
            request.push_str(&wire.until("\r\n\r\n").await);
            *kept.lock() = request.to_ascii_lowercase();
            wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\n{}\r\n0\r\nx-sum: 2\r\n\r\n").await;
            wire.rest().await;
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    let more = "transfer-encoding: chunked\r\ntrailer: x-check\r\nte: trailers\r\nconnection: te, close\r\n";
    caller.send(head("POST", "/api/deals", "trailers", more)).await;
    caller.send("2\r\n{}\r\n0\r\nx-check: 1\r\n\r\n").await;
    let answer = caller.rest().await;
    assert!(answer.ends_with("0\r\nx-sum: 2\r\n\r\n"), "{answer}");
    let sent = sent.lock().clone();
    assert!(sent.contains("x-check: 1\r\n"), "{sent}");
}

#[tokio::test]
async fn a_large_upload_passes_whole_and_takes_no_memory() {
    const BYTES: usize = 64 << 20;
    let origin = Origin::http(|request| async move {
        let mut body = request.into_body();
        let mut bytes = 0;
        while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
            bytes += frame.expect("a whole body").into_data().map_or(0, |data| data.len());
        }
        crate::support::origin::json(200, format!("{{\"bytes\":{bytes}}}"))
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let before = crate::proxy::support::resident(&agent);
    let answer = crate::support::client().post(format!("{}/api/files", agent.proxy_url())).body(vec![7; BYTES]);
    let answer = answer.send().await.expect("an answer").text().await.expect("text");
    assert_eq!(answer, format!("{{\"bytes\":{BYTES}}}"));
    let grown = crate::proxy::support::resident(&agent).saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes more");
}

#[tokio::test]
async fn an_upload_that_is_answered_early_spoils_no_connection() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\n{}").await;
        wire.rest().await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({ "proxy": { "workers": 1 } })).await;
    for index in 0..3 {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("POST", "/api/files", &format!("early.{index}"), "content-length: 1000000\r\n")).await;
        caller.send("begin").await;
        let answer = caller.head().await;
        assert!(answer.starts_with("http/1.1 413 ") && !answer.contains("x-vigie-error"), "{answer}");
    }
    assert_eq!(origin.connections(), 3, "none was used again");
}

#[tokio::test]
async fn bytes_on_an_idle_connection_are_no_answer() {
    let origin = Scripted::start(|mut wire, index| async move {
        loop {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
            if index == 0 {
                wire.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison").await;
            }
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({ "proxy": { "workers": 1 } })).await;
    for index in 0..3 {
        let answer = crate::support::client().get(format!("{}/api/deals/{index}", agent.proxy_url())).send().await;
        assert_eq!(answer.expect("an answer").text().await.expect("text"), "{}");
    }
    assert!(origin.connections() >= 2, "the first was used again");
}

#[tokio::test]
async fn an_upgrade_is_refused_and_recorded() {
    let origin = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/live", "ws", "connection: upgrade\r\nupgrade: websocket\r\n")).await;
    let answer = caller.rest().await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 501 ") && answer.contains("x-vigie-error: upgrade_refused"), "{answer}");
    let record = record(&agent, "ws").await;
    assert_eq!((&record["error_kind"], &record["attempts"]), (&json!("upgrade_refused"), &json!(0)), "{record}");
    assert!(origin.seen().is_empty());
}
