//! What one caller may take: each limit has its status, its record and its count.

use crate::proxy::frames::{ENHANCE_YOUR_CALM, Frames, GOAWAY};
use crate::proxy::support::{Scripted, Wire, assert_fields, head, record};
use crate::support::tls::Authority;
use crate::support::wire::ask;
use crate::support::{DEADLINE, Origin, RawAnswer, RawOrigin, TestAgent, eventually};
use axum::body::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

async fn limited(upstream: &str, limits: Value) -> TestAgent {
    TestAgent::start(upstream, json!({ "proxy": { "workers": 1, "limits": limits } })).await
}

#[tokio::test]
async fn a_head_must_come_in_time_and_an_idle_connection_is_closed_silently() {
    let origin = Origin::json(200, "{}").await;
    let agent = limited(&origin.url(), json!({ "head_timeout": "1s", "keep_alive": "1s" })).await;
    let mut slow = Wire::to(&agent.proxy_url()).await;
    slow.send("GET /api/deals HTTP/1.1\r\nhost: h\r\nx-correlation-id: slow.head\r\nx-a: ").await;
    let mut idle = Wire::to(&agent.proxy_url()).await;
    let answer = slow.rest().await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 408 ") && answer.contains("x-vigie-error: request_timeout"), "{answer}");
    assert_eq!(idle.rest().await, "");
    let expected = json!({ "outcome": "client_closed", "error_kind": "request_timeout", "status_code": 408 });
    assert_fields(&record(&agent, "slow.head").await, expected);
}

#[tokio::test]
async fn a_body_must_come_at_its_rate() {
    let origin = Origin::http(|request| async move {
        let _ = axum::body::to_bytes(request.into_body(), 1 << 20).await;
        crate::support::origin::json(200, "{}")
    })
    .await;
    let agent = limited(&origin.url(), json!({ "min_rate": "1KiB", "rate_window": "1s" })).await;
    let mut slow = Wire::to(&agent.proxy_url()).await;
    slow.send(head("POST", "/api/deals", "slow.body", "content-length: 100000\r\n")).await;
    slow.send("{").await;
    let answer = slow.rest().await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 408 ") && answer.contains("x-vigie-error: upload_timeout"), "{answer}");
    let expected = json!({ "outcome": "client_closed", "error_kind": "upload_timeout", "status_code": 408 });
    assert_fields(&record(&agent, "slow.body").await, expected);
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_cut_and_frees_the_upstream() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n").await;
        // Until nobody takes it any more.
        while wire.try_send(vec![b'x'; 1 << 20]).await.is_ok() {}
    })
    .await;
    let agent = limited(origin.url(), json!({ "min_rate": "1KiB", "rate_window": "1s" })).await;
    let mut deaf = Wire::to(&agent.proxy_url()).await;
    deaf.send(head("GET", "/api/export", "deaf", "")).await;
    deaf.head().await;
    let record = record(&agent, "deaf").await;
    assert_fields(&record, json!({ "error_kind": "download_timeout", "status_code": 200, "client_closed": true }));
    eventually("the upstream's connection to end", DEADLINE, || async {
        (agent.metric("vigie_worker_exchanges", "").await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_announced_or_not() {
    let origin = Origin::http(|request| async move {
        let _ = axum::body::to_bytes(request.into_body(), 1 << 20).await;
        crate::support::origin::json(200, "{}")
    })
    .await;
    let agent = limited(&origin.url(), json!({ "body": "1KiB" })).await;
    for (id, framing) in [("announced", "content-length: 2048\r\n"), ("chunked", "transfer-encoding: chunked\r\n")] {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("POST", "/api/deals", id, framing)).await;
        let start = if id == "chunked" { "800\r\n" } else { "" };
        // It may be refused before all of it was taken.
        let _ = caller.try_send(format!("{start}{}", "x".repeat(2048))).await;
        let answer = caller.rest().await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 413 ") && answer.contains("x-vigie-error: body_too_large"), "{answer}");
        assert_fields(&record(&agent, id).await, json!({ "error_kind": "body_too_large", "status_code": 413 }));
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let origin = Origin::json(200, "{}").await;
    for (limits, reason) in [
        (json!({ "connections": 2 }), "total"),
        (json!({ "connections": 9, "connections_per_caller": 2 }), "per_caller"),
    ] {
        let agent = limited(&origin.url(), limits).await;
        let (first, mut second) = (Wire::to(&agent.proxy_url()).await, Wire::to(&agent.proxy_url()).await);
        second.send(head("GET", "/api/deals", "second", "")).await;
        assert!(second.head().await.starts_with("http/1.1 200 "));
        let answer = Wire::to(&agent.proxy_url()).await.rest().await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("x-vigie-error: too_many_connections\r\n"), "{answer}");
        let label = format!("reason=\"{reason}\"");
        assert_eq!(agent.metric("vigie_connections_refused_total", &label).await, 1.0);
        let told = "callers' connections refused: proxy.limits.connections";
        assert_eq!(agent.output().matches(told).count(), 1, "{}", agent.output());
        drop(first);
        eventually("a place to be free again", DEADLINE, || async {
            let mut third = Wire::to(&agent.proxy_url()).await;
            third.try_send(head("GET", "/api/deals", "third", "connection: close\r\n")).await.ok()?;
            third.rest().await.starts_with("HTTP/1.1 200 ").then_some(())
        })
        .await;
    }
}

/// An agent that has room for one connection, on a listener like this, and whoever has that place.
async fn full(listener: Value) -> (TestAgent, Wire) {
    let changes = json!({ "proxy": { "workers": 1, "limits": { "connections": 1 }, "listeners": [listener] } });
    // Nobody gets as far as to the upstream.
    let agent = TestAgent::start("http://127.0.0.1:1", changes).await;
    let first = Wire::to(&agent.proxy_url()).await;
    eventually("the only place to be taken", DEADLINE, || async {
        (agent.metric("vigie_worker_connections", "").await == 1.0).then_some(())
    })
    .await;
    (agent, first)
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_in_tls() {
    let authority = Authority::new();
    let pair = authority.good("server");
    let tls = json!({ "certificate_file": pair.certificate_file, "key_file": pair.key_file });
    let (agent, _first) = full(json!({ "address": "127.0.0.1:0", "tls": tls })).await;
    let answer = ask(agent.proxy_address(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    // A fatal alert, internal_error (RFC 8446 section 6).
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 80]);
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_in_the_http_it_speaks() {
    let (agent, _first) = full(json!({ "address": "127.0.0.1:0", "http2_prior_knowledge": true })).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    let goaway = frames.until(GOAWAY).await;
    assert_eq!((goaway.code(), &goaway.payload[..4]), (ENHANCE_YOUR_CALM, &[0; 4][..]), "no stream was looked at");
    assert!(goaway.payload.ends_with(b"too_many_connections"), "{goaway:?}");
    assert!(frames.next().await.is_none());
    let answer = ask(agent.proxy_address(), b"GET /api/deals HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("x-vigie-error: too_many_connections\r\n"),
        "{answer}"
    );
    // Whoever says nothing is told nothing, and not waited for.
    assert_eq!(Wire::to(&agent.proxy_url()).await.rest().await, "");
}

/// Bounds the agent's descriptors from now on, as `ulimit -Sn` would have.
fn allow_descriptors(agent: &TestAgent, most: u32) {
    let arguments = [format!("--pid={}", agent.id()), format!("--nofile={most}:")];
    let set = std::process::Command::new("prlimit").args(arguments).status().expect("prlimit(1) of util-linux");
    assert!(set.success(), "{set}");
}

#[tokio::test]
async fn callers_wait_while_there_are_no_descriptors_and_the_log_tells_of_it_once() {
    let origin = Origin::json(200, "{}").await;
    let agent = limited(&origin.url(), json!({})).await;
    allow_descriptors(&agent, 3);
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/deals", "waits", "")).await;
    let told = || agent.output().matches("connections cannot be accepted").count();
    eventually("the failure to be told", DEADLINE, || async { (told() > 0).then_some(()) }).await;
    allow_descriptors(&agent, 1_000);
    assert!(caller.head().await.starts_with("http/1.1 200 "));
    assert_eq!(told(), 1, "{}", agent.output());
}

#[tokio::test]
async fn limits_of_heads_are_keys() {
    let origin = RawOrigin::start(RawAnswer::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec())).await;
    let agent = limited(&origin.url(), json!({ "head": "8KiB", "headers": 200, "uri": "1KiB" })).await;
    let long = format!("/api/{}", "a".repeat(1100));
    for (target, more, status) in [
        ("/api/deals", "x-a: 1\r\n".repeat(150), 200),
        ("/api/deals", "x-a: 1\r\n".repeat(250), 431),
        ("/api/deals", format!("x-a: {}\r\n", "a".repeat(9000)), 431),
        (long.as_str(), String::new(), 414),
    ] {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("GET", target, "keys", &more)).await;
        let answer = caller.head().await;
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn limits_of_answers_heads_are_keys() {
    for (more, status, error) in [
        ("x-a: 1\r\n".repeat(150), 200, None),
        ("x-a: 1\r\n".repeat(250), 502, Some("answer_too_large")),
        (format!("x-a: {}\r\n", "a".repeat(9000)), 502, Some("answer_too_large")),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{more}content-length: 2\r\n\r\n{{}}");
        let origin = RawOrigin::start(RawAnswer::Close(answer.into_bytes())).await;
        let agent = limited(&origin.url(), json!({ "answer_head": "8KiB", "answer_headers": 200 })).await;
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("GET", "/api/deals", "answers", "")).await;
        assert!(caller.head().await.starts_with(&format!("http/1.1 {status} ")));
        assert_fields(&record(&agent, "answers").await, json!({ "status_code": status, "error_kind": error }));
    }
}

#[tokio::test]
async fn copies_of_bodies_share_one_bound() {
    // Each upload is held open with its copy, until there is no room for another.
    let arrived = Arc::new(AtomicUsize::new(0));
    let counter = arrived.clone();
    let origin = Origin::http(move |request| {
        let counter = counter.clone();
        async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                counter.fetch_add(frame.data_ref().map_or(0, Bytes::len), Ordering::Relaxed);
            }
            crate::support::origin::json(200, "{}")
        }
    })
    .await;
    let changes = json!({ "proxy": { "workers": 1, "capture": { "request": "768KiB", "total": "1MiB" } } });
    let agent = TestAgent::start(&origin.url(), changes).await;
    let body = "x".repeat(700 << 10);
    let mut callers = Vec::new();
    for index in 0..2 {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        let framing = format!("content-type: text/plain\r\ncontent-length: {}\r\n", body.len() + 1);
        caller.send(head("POST", "/api/deals", &format!("copy.{index}"), &framing)).await;
        caller.send(&body).await;
        callers.push(caller);
    }
    // Written is not read: what has come out at the other end, the agent has copied or given up.
    let both = 2 * body.len();
    eventually("both bodies passed", DEADLINE, || async { (arrived.load(Ordering::Relaxed) == both).then_some(()) })
        .await;
    for mut caller in callers {
        caller.send("x").await;
        assert!(caller.head().await.starts_with("http/1.1 200 "));
    }
    eventually("one copy given up", DEADLINE, || async {
        (agent.metric("vigie_recorder_dropped_total", "stage=\"body\"").await == 1.0).then_some(())
    })
    .await;
}
