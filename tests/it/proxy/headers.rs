//! What is forwarded of a message's head, in both directions.

use super::support::{Scripted, Wire, assert_fields, head, record};
use crate::support::{Origin, RawAnswer, RawOrigin, TestAgent};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;

/// An agent before an upstream that gives this answer, and the request heads that reached the upstream.
async fn before(answer: &'static str) -> (TestAgent, Scripted, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let origin = Scripted::start(move |mut wire, _| {
        let seen = Arc::clone(&seen);
        async move {
            let head = wire.head().await;
            seen.lock().push(head);
            wire.send(answer).await;
            wire.rest().await;
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    (agent, origin, heads)
}

#[tokio::test]
async fn hop_by_hop_headers_stay_on_their_hop() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive, X-Hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
        upgrade: h2c\r\ntrailer: x-t\r\nproxy-authenticate: Basic\r\nx-end: 2\r\nvia: 1.0 crm\r\n\r\n{}";
    let (agent, _origin, heads) = before(answer).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    let hops = "connection: close, X-Mine, authorization, x-correlation-id, host\r\nx-mine: 1\r\nkeep-alive: 5\r\nte: trailers\r\n\
        proxy-connection: close\r\nproxy-authorization: Basic eA==\r\nupgrade: h2c\r\nauthorization: Token token=k\r\nvia: 1.1 edge\r\n\
        x-vigie-token: not-for-the-crm\r\nx-forwarded-for: 203.0.113.9\r\nx-forwarded-for: 203.0.113.10\r\n";
    caller.send(head("GET", "/api/deals/1?b=c%20d&e", "hops", hops)).await;
    let reply = caller.head().await;
    let sent = heads.lock()[0].clone();
    for gone in ["connection:", "x-mine", "keep-alive", "te:", "proxy-", "upgrade", "x-vigie-", "vigie.test\r\nx-corr"]
    {
        assert!(!sent.contains(&format!("\r\n{gone}")), "{gone} in {sent}");
    }
    let target = format!("host: {}\r\n", agent_upstream(&sent));
    assert!(target.contains("127.0.0.1:"), "{sent}");
    for kept in [
        "get /api/deals/1?b=c%20d&e http/1.1\r\n",
        "authorization: token token=k\r\n",
        "x-correlation-id: hops\r\n",
        "via: 1.1 edge\r\n",
        "via: 1.1 vigie\r\n",
        "x-forwarded-for: 203.0.113.9, 203.0.113.10, 127.0.0.1\r\n",
        "x-forwarded-host: vigie.test\r\n",
        "x-forwarded-proto: http\r\n",
    ] {
        assert!(sent.contains(kept), "no {kept} in {sent}");
    }
    for gone in ["x-hop", "keep-alive:", "upgrade", "proxy-", "transfer-encoding"] {
        assert!(!reply.contains(&format!("\r\n{gone}")), "{gone} in {reply}");
    }
    for kept in
        ["x-end: 2\r\n", "via: 1.0 crm\r\n", "via: 1.1 vigie\r\n", "content-length: 2\r\n", "connection: close\r\n"]
    {
        assert!(reply.contains(kept), "no {kept} in {reply}");
    }
}

fn agent_upstream(sent: &str) -> &str {
    sent.lines().find_map(|line| line.strip_prefix("host: ")).expect("a Host")
}

#[tokio::test]
async fn an_absolute_target_is_forwarded_in_origin_form() {
    let (agent, _origin, heads) = before("HTTP/1.1 204 No Content\r\n\r\n").await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("DELETE", "http://vigie.test/api/deals/1?x", "absolute", "")).await;
    let reply = caller.head().await;
    assert!(reply.starts_with("http/1.1 204 ") && !reply.contains("content-length"), "{reply}");
    assert!(heads.lock()[0].starts_with("delete /api/deals/1?x http/1.1\r\n"), "{:?}", heads.lock());
}

#[tokio::test]
async fn conflicting_lengths_reach_the_upstream_as_one() {
    let (agent, _origin, heads) = before("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    let framing = "content-length: 3\r\ntransfer-encoding: chunked\r\n";
    caller.send(head("POST", "/api/deals", "smuggle", framing)).await;
    caller.send("2\r\n{}\r\n0\r\n\r\n").await;
    let reply = caller.head().await;
    let seen = heads.lock().clone();
    // Refused or rewritten, never passed on as it came.
    if let Some(sent) = seen.first() {
        assert!(sent.contains("transfer-encoding: chunked\r\n") && !sent.contains("content-length"), "{sent}");
    } else {
        assert!(reply.starts_with("http/1.1 400 "), "{reply}");
    }
}

#[tokio::test]
async fn a_read_with_a_chunked_body_keeps_it() {
    let body = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&body);
    let origin = Origin::http(move |request| {
        let kept = Arc::clone(&kept);
        async move {
            let bytes = axum::body::to_bytes(request.into_body(), 100).await.expect("a small body");
            kept.lock().extend_from_slice(&bytes);
            crate::support::origin::json(200, "{}")
        }
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/search", "read-body", "transfer-encoding: chunked\r\n")).await;
    caller.send("2\r\n{}\r\n0\r\n\r\n").await;
    assert!(caller.head().await.starts_with("http/1.1 200 "));
    assert_eq!(*body.lock(), b"{}");
}

#[tokio::test]
async fn answers_without_a_body_keep_their_heads() {
    let cases = [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n", Some("content-length: 1234\r\n")),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", None),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
        ("GET", "HTTP/1.1 304 Not Modified\r\netag: \"7\"\r\n\r\n", Some("etag: \"7\"\r\n")),
    ];
    for (method, answer, kept) in cases {
        let (agent, _origin, _) = before(answer).await;
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head(method, "/api/deals/1", "bare", "connection: close\r\n")).await;
        let reply = caller.head().await;
        assert_eq!(reply.split(' ').nth(1), answer.split(' ').nth(1), "{reply}");
        match kept {
            Some(kept) => assert!(reply.contains(kept), "no {kept} in {reply}"),
            None => assert!(!reply.contains("content-length"), "{reply}"),
        }
        assert_eq!(caller.rest().await, "", "{method} {answer}");
        let record = super::support::record(&agent, "bare").await;
        assert_eq!(record["response_size_bytes"], 0, "{record}");
        assert_eq!(record["client_closed"], serde_json::Value::Null, "{record}");
    }
}

#[tokio::test]
async fn a_status_and_its_reason_come_as_the_upstream_wrote_them() {
    for (line, passed) in [
        ("200 OK", "200 OK"),
        ("200 Done, and well", "200 Done, and well"),
        ("404 Contact unknown", "404 Contact unknown"),
        ("599 Network Connect Timeout", "599 Network Connect Timeout"),
        ("999 ", "999 "),
        ("999", "999 "),
        ("201 ", "201 Created"),
        ("200 d\u{e9}j\u{e0} vu", "200 OK"),
    ] {
        let answer = format!("HTTP/1.1 {line}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
        let origin = RawOrigin::start(RawAnswer::Close(answer.into_bytes())).await;
        let agent = TestAgent::start(&origin.url(), json!({})).await;
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("GET", "/api/deals/1", "reason", "connection: close\r\n")).await;
        assert_eq!(caller.until("\r\n").await, format!("HTTP/1.1 {passed}\r\n"), "{line}");
        assert!(caller.rest().await.ends_with("{}"));
        let status: u16 = passed[..3].parse().expect("digits");
        assert_fields(&record(&agent, "reason").await, json!({ "status_code": status }));
    }
}
