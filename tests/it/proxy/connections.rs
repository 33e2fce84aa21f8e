//! Connections on both sides: kept, replaced, pipelined, and callers of HTTP/1.0.

use super::support::{Scripted, Wire, all_closed, assert_fields, head, metric, record, records};
use crate::support::{DEADLINE, Origin, TestAgent, eventually};
use serde_json::{Value, json};

/// One worker, so that which connection is reused is known.
fn one_worker() -> serde_json::Value {
    json!({ "proxy": { "workers": 1 } })
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{\"deal\":{\"id\":7}}";

async fn call(caller: &mut Wire, method: &str, id: &str) -> String {
    caller.send(head(method, "/api/deals", id, "content-length: 0\r\n")).await;
    let reply = caller.head().await;
    // A problem document holds no object.
    caller.until(if reply.starts_with("http/1.1 200 ") { "}}" } else { "}" }).await;
    reply
}

#[tokio::test]
async fn an_upstream_connection_is_used_again() {
    let origin = Scripted::start(|mut wire, _| async move {
        loop {
            wire.head().await;
            wire.send(OK).await;
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), one_worker()).await;
    for index in 0..5 {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        assert!(call(&mut caller, "POST", &format!("again.{index}")).await.starts_with("http/1.1 200 "));
    }
    assert_eq!(origin.connections(), 1);
    assert!(record(&agent, "again.0").await["connect_ms"].is_number());
    assert_eq!(record(&agent, "again.4").await["connect_ms"], json!(null));
}

#[tokio::test]
async fn an_answer_without_a_body_leaves_its_connection_open() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n"),
        ("DELETE", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 17\r\n\r\n"),
        ("POST", "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"),
    ] {
        let origin = Scripted::start(move |mut wire, _| async move {
            loop {
                wire.head().await;
                wire.send(answer).await;
            }
        })
        .await;
        let agent = TestAgent::start(origin.url(), one_worker()).await;
        let mut caller = Wire::to(&agent.proxy_url()).await;
        for id in ["empty.1", "empty.2"] {
            caller.send(head(method, "/api/deals/7", id, "")).await;
            assert_eq!(caller.head().await.split(' ').nth(1), answer.split(' ').nth(1), "{method}: {answer}");
        }
        assert_eq!(origin.connections(), 1, "{method}: {answer}");
    }
}

#[tokio::test]
async fn a_204_that_speaks_of_a_body_is_the_last_on_its_connection() {
    const FORGED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-forged: 1\r\n\r\n{}";
    for framing in ["content-length: 61\r\n", "transfer-encoding: chunked\r\n"] {
        let origin = Scripted::start(move |mut wire, number| async move {
            wire.head().await;
            if number == 0 {
                wire.send(format!("HTTP/1.1 204 No Content\r\n{framing}\r\n")).await;
                // The body that it spoke of comes when the next request does, and would be that one's answer.
                wire.head().await;
                wire.send(FORGED).await;
            } else {
                wire.send(OK).await;
            }
        })
        .await;
        let agent = TestAgent::start(origin.url(), one_worker()).await;
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("DELETE", "/api/deals/7", "says.more", "")).await;
        assert!(caller.head().await.starts_with("http/1.1 204 "));
        let reply = call(&mut caller, "POST", "after").await;
        assert!(reply.starts_with("http/1.1 200 ") && !reply.contains("x-forged"), "{framing}: {reply}");
        assert_eq!(origin.connections(), 2);
    }
}

#[tokio::test]
async fn a_connection_the_upstream_closed_is_replaced() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(OK).await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), one_worker()).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    for index in 0..30 {
        let reply = call(&mut caller, "POST", &format!("stale.{index}")).await;
        assert!(reply.starts_with("http/1.1 200 "), "{index}: {reply}");
        all_closed(origin.url()).await;
    }
    assert_eq!(origin.connections(), 30);
    assert_fields(&record(&agent, "stale.29").await, json!({ "outcome": "ok", "attempts": 1 }));
    assert_eq!(metric(&agent, "vigie_attempts_total", &["status_code=\"200\""]).await, 30.0);
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_not_sent_twice() {
    let origin = Scripted::start(|mut wire, number| async move {
        wire.head().await;
        if number == 0 {
            wire.send(OK).await;
            // Takes the second request, and leaves without an answer.
            wire.head().await;
        } else {
            wire.send(OK).await;
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), one_worker()).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    call(&mut caller, "POST", "first").await;
    let reply = call(&mut caller, "POST", "second").await;
    assert!(reply.starts_with("http/1.1 502 ") && reply.contains("x-vigie-error: upstream_closed\r\n"), "{reply}");
    assert_eq!(origin.connections(), 1);
}

/// What becomes of a call on a connection that has served one, when the upstream takes the call, writes `answer` and closes.
async fn closed_upon(method: &'static str, length: &'static str, answer: &'static str) -> (String, usize, Value) {
    let origin = Scripted::start(move |mut wire, number| async move {
        wire.head().await;
        wire.send(OK).await;
        if number == 0 {
            wire.head().await;
            wire.send(answer).await;
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), one_worker()).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    call(&mut caller, "POST", "first").await;
    caller.send(head(method, "/api/deals/7", "second", length)).await;
    caller.send("x".repeat(usize::from(length.contains('1')))).await;
    let reply = caller.head().await;
    (reply, origin.connections(), record(&agent, "second").await)
}

#[tokio::test]
async fn a_read_that_a_reused_connection_swallowed_is_sent_once_more() {
    for method in ["GET", "HEAD", "OPTIONS"] {
        let (reply, connections, record) = closed_upon(method, "", "").await;
        assert!(reply.starts_with("http/1.1 200 "), "{method}: {reply}");
        assert_eq!(connections, 2, "{method}");
        assert_fields(&record, json!({ "attempts": 2, "status_code": 200, "error_kind": null }));
    }
    // What changes something, has a body, or was answered in part.
    for (method, length, answer) in [
        ("DELETE", "", ""),
        ("PUT", "content-length: 0\r\n", ""),
        ("GET", "content-length: 1\r\n", ""),
        ("GET", "", "H"),
        ("GET", "", "HTTP/1.1 103 Early Hints\r\n\r\n"),
    ] {
        let (mut reply, connections, record) = closed_upon(method, length, answer).await;
        if reply.starts_with("http/1.1 103 ") {
            reply = record["status_code"].to_string();
        }
        assert!(reply.contains("502"), "{method} {length} {answer}: {reply}");
        assert_eq!(connections, 1, "{method} {length} {answer}");
        assert_fields(&record, json!({ "attempts": 1, "error_kind": "upstream_closed" }));
    }
}

#[tokio::test]
async fn a_read_that_a_new_connection_swallowed_is_not_sent_again() {
    let origin = Scripted::start(|mut wire, _| async move { drop(wire.head().await) }).await;
    let agent = TestAgent::start(origin.url(), one_worker()).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/deals/7", "new", "")).await;
    assert!(caller.head().await.starts_with("http/1.1 502 "));
    assert_eq!(origin.connections(), 1);
    assert_fields(&record(&agent, "new").await, json!({ "attempts": 1, "error_kind": "upstream_closed" }));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::http(|request| async move {
        crate::support::origin::json(200, format!("{{\"path\":\"{}\",\"deal\":{{\"id\":1}}}}", request.uri().path()))
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    let [one, two] = [1, 2].map(|n| head("GET", &format!("/api/deals/{n}"), "pipelined", ""));
    caller.send(one + &two).await;
    caller.until("{\"path\":\"/api/deals/1\",").await;
    caller.until("{\"path\":\"/api/deals/2\",").await;
    for record in records(&agent, "pipelined", 2).await {
        assert_fields(&record, json!({ "outcome": "ok" }));
    }
}

#[tokio::test]
async fn callers_of_http_1_0_are_served() {
    let (feed, body) = super::support::fed();
    let body = parking_lot::Mutex::new(Some(body));
    let origin = Origin::http(move |_| {
        let body = body.lock().take().expect("one request");
        async move { crate::support::origin::json(200, body) }
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send("GET /api/deals/1 HTTP/1.0\r\nx-correlation-id: old\r\n\r\n").await;
    feed.send("{\"deal\":{\"id\":1}}".into()).await.expect("the agent reads");
    drop(feed);
    let reply = caller.rest().await.to_ascii_lowercase();
    // No chunks for a caller that does not know them: the end of the connection ends the body.
    assert!(reply.ends_with("\r\n\r\n{\"deal\":{\"id\":1}}") && !reply.contains("transfer-encoding"), "{reply}");
    assert!(origin.seen()[0].headers.get_all("via").iter().any(|v| v == "1.0 vigie"), "{:?}", origin.seen());
    assert_fields(&record(&agent, "old").await, json!({ "outcome": "ok", "response_size_bytes": 17 }));
}

#[tokio::test]
async fn concurrent_calls_have_connections_of_their_own() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.until("go").await;
        wire.send(OK).await;
        wire.rest().await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), one_worker()).await;
    let mut callers = Vec::new();
    for index in 0..8 {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("POST", "/api/deals", &format!("many.{index}"), "content-length: 2\r\n")).await;
        callers.push(caller);
    }
    eventually("a connection each", DEADLINE, || async { (origin.connections() == 8).then_some(()) }).await;
    for caller in &mut callers {
        caller.send("go").await;
        assert!(caller.head().await.starts_with("http/1.1 200 "));
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"deal\":{\"id\":7}}").await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), one_worker()).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    for id in ["ends.1", "ends.2"] {
        // The caller's own connection lives on.
        caller.send(head("GET", "/api/deals/7", id, "")).await;
        assert!(caller.head().await.contains("transfer-encoding: chunked\r\n"));
        caller.until("{\"deal\":{\"id\":7}}\r\n0\r\n\r\n").await;
        assert_fields(&record(&agent, id).await, json!({ "outcome": "ok", "response_size_bytes": 17 }));
    }
}

#[tokio::test]
async fn a_caller_that_asks_before_sending_is_told_to_go_on() {
    let origin = Origin::http(|request| async move {
        let body = axum::body::to_bytes(request.into_body(), 100).await.expect("a small body");
        crate::support::origin::json(201, body)
    })
    .await;
    let agent = TestAgent::start(&origin.url(), one_worker()).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "expect", "content-length: 9\r\nexpect: 100-continue\r\n")).await;
    assert_eq!(caller.head().await, "http/1.1 100 continue\r\n\r\n");
    caller.send("{\"deal\":1").await;
    assert!(caller.head().await.starts_with("http/1.1 201 "));
    caller.until("{\"deal\":1").await;
}
