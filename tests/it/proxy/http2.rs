//! Callers that speak HTTP/2, politely and otherwise.

use super::frames::{
    CANCEL, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frames, GOAWAY, HEADERS, NO_ERROR, RST_STREAM, literal,
    request,
};
use super::support::{Scripted, Wire, assert_fields, fed, head, metric, record, records};
use crate::support::origin::json as answer;
use crate::support::{DEADLINE, Origin, TestAgent, eventually};
use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{Barrier, Notify};

/// Prior knowledge on the only listener.
fn plain(more: Value) -> Value {
    let mut changes = json!({ "proxy": {
        "workers": 1, "listeners": [{ "address": "127.0.0.1:0", "http2_prior_knowledge": true }]
    } });
    changes["proxy"].as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    changes
}

/// Reads until every one of `streams` ended well.
async fn all_end(frames: &mut Frames, streams: usize) {
    let mut ended = 0;
    while ended < streams {
        let frame = frames.next().await.expect("an open connection");
        assert!(!matches!(frame.kind, RST_STREAM | GOAWAY), "{frame:?}");
        ended += usize::from(matches!(frame.kind, HEADERS | DATA) && frame.ends());
    }
}

#[tokio::test]
async fn both_versions_share_a_listener_in_plain_text() {
    let origin = Origin::http(|_| async { answer(200, "{\"deal\":{\"id\":1}}") }).await;
    let agent = TestAgent::start(&origin.url(), plain(json!({}))).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("x-correlation-id", "two")];
    frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/api/deals/1", &crumbs)).await;
    all_end(&mut frames, 1).await;
    let mut wire = Wire::to(&agent.proxy_url()).await;
    wire.send(head("GET", "/api/deals/1", "one", "")).await;
    assert!(wire.head().await.starts_with("http/1.1 200 "));
    let seen = origin.seen();
    assert_eq!(
        (&seen[0].headers["via"], &seen[1].headers["via"]),
        (&"2 vigie".parse().unwrap(), &"1.1 vigie".parse().unwrap())
    );
    assert_eq!(seen[0].headers["cookie"], "a=1; b=2");
    assert_eq!(seen[0].headers["x-forwarded-host"], "vigie.test");
    assert_fields(&record(&agent, "two").await, json!({ "status_code": 200, "outcome": "ok" }));
    // Without the word for it, the preface is no request.
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let mut wire = Wire::to(&agent.proxy_url()).await;
    wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!wire.rest().await.contains("200"));
}

#[tokio::test]
async fn streams_run_side_by_side_up_to_the_limit() {
    const STREAMS: usize = 100;
    let barrier = Arc::new(Barrier::new(STREAMS));
    let origin = Origin::http(move |_| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            answer(200, "{}")
        }
    })
    .await;
    let agent = TestAgent::start(&origin.url(), plain(json!({}))).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    for stream in 0..STREAMS as u32 {
        let more = [("x-correlation-id", "side")];
        frames.send(HEADERS, END_HEADERS | END_STREAM, 2 * stream + 1, &request("GET", "/api/deals/1", &more)).await;
    }
    all_end(&mut frames, STREAMS).await;
    assert_eq!(records(&agent, "side", STREAMS).await.len(), STREAMS);

    let silent = Scripted::start(|mut wire, _| async move { drop(wire.rest().await) }).await;
    let agent = TestAgent::start(silent.url(), plain(json!({ "http2_max_streams": 3 }))).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    for stream in [1, 3, 5, 7] {
        frames.send(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/api/deals/1", &[])).await;
    }
    let refused = frames.until(RST_STREAM).await;
    assert_eq!((refused.stream, refused.code()), (7, super::frames::REFUSED_STREAM));
}

#[tokio::test]
async fn trailers_cross_both_ways() {
    let told = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let (hear, say) = (Arc::clone(&told), ("x-sum", "42"));
    let handler = move |request: axum::http::Request<Body>| {
        let hear = Arc::clone(&hear);
        async move {
            let body = request.into_body().collect().await.expect("a body");
            hear.lock().push(body.trailers().and_then(|t| t.get("x-check")).cloned());
            let trailers = axum::http::HeaderMap::from_iter([(say.0.parse().unwrap(), say.1.parse().unwrap())]);
            // Of no length told before: one that is leaves HTTP/1.1 no place for trailers.
            let (sender, body) = fed();
            sender.send("{}".into()).await.expect("room for one");
            let mut answer = answer(200, Body::new(body.with_trailers(async { Some(Ok(trailers)) })));
            answer.headers_mut().insert("trailer", say.0.parse().unwrap());
            answer
        }
    };
    for (http, origin) in [("2", Origin::http2(handler.clone()).await), ("1", Origin::http(handler).await)] {
        let mut changes = plain(json!({}));
        changes["upstreams"] = json!({ "freshsales": { "http": http } });
        let agent = TestAgent::start(&origin.url(), changes).await;
        let mut frames = Frames::to(agent.proxy_address()).await;
        let more = [("te", "trailers"), ("trailer", "x-check")];
        frames.send(HEADERS, END_HEADERS, 1, &request("POST", "/api/deals", &more)).await;
        frames.send(DATA, 0, 1, b"{}").await;
        frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &literal("x-check", "7")).await;
        frames.until(HEADERS).await;
        let trailers = frames.until(HEADERS).await;
        assert!(trailers.ends(), "{trailers:?}");
        assert_eq!(told.lock().pop().flatten().as_ref().map(|v| v.as_bytes()), Some(&b"7"[..]), "HTTP/{http}");

        let mut wire = Wire::to(&agent.proxy_url()).await;
        let more = "te: trailers\r\nconnection: te\r\ntrailer: x-check\r\ntransfer-encoding: chunked\r\n";
        wire.send(head("POST", "/api/deals", "one", more)).await;
        wire.send("2\r\n{}\r\n0\r\nx-check: 7\r\n\r\n").await;
        let rest = wire.until("0\r\nx-sum: 42\r\n\r\n").await;
        assert!(rest.contains("{}"), "{rest}");
        assert_eq!(told.lock().pop().flatten().as_ref().map(|v| v.as_bytes()), Some(&b"7"[..]), "HTTP/{http}");
    }
}

#[tokio::test]
async fn a_body_whose_end_comes_late_is_no_reason_to_reset() {
    let origin = Origin::http(|_| async { answer(200, "{}") }).await;
    let agent = TestAgent::start(&origin.url(), plain(json!({}))).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    let more = [("content-length", "2")];
    frames.send(HEADERS, END_HEADERS, 1, &request("POST", "/api/deals", &more)).await;
    // All that was announced, and no word that this is the end.
    frames.send(DATA, 0, 1, b"{}").await;
    all_end(&mut frames, 1).await;
    frames.send(DATA, END_STREAM, 1, b"").await;
    frames.send(HEADERS, END_HEADERS | END_STREAM, 3, &request("GET", "/api/deals/1", &[])).await;
    all_end(&mut frames, 1).await;
}

#[tokio::test]
async fn an_authority_that_contradicts_host_is_refused() {
    let origin = Origin::http(|_| async { answer(200, "{}") }).await;
    let agent = TestAgent::start(&origin.url(), plain(json!({}))).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    let more = [("host", "other.test"), ("x-correlation-id", "two-hosts")];
    frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/api/deals/1", &more)).await;
    frames.until(HEADERS).await;
    let expected = json!({ "status_code": 400, "error_kind": "bad_host" });
    assert_fields(&record(&agent, "two-hosts").await, expected);
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn a_drain_says_goaway_and_loses_nothing() {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let origin = Origin::http(move |_| {
        let waiting = Arc::clone(&waiting);
        async move {
            waiting.notified().await;
            answer(200, "{}")
        }
    })
    .await;
    let agent = TestAgent::start(&origin.url(), plain(json!({ "drain": "20s" }))).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/api/deals/1", &[])).await;
    eventually("the request", DEADLINE, || async { (origin.seen().len() == 1).then_some(()) }).await;
    let stopping = tokio::spawn(agent.stop());
    let goaway = frames.until(GOAWAY).await;
    assert_eq!(goaway.code(), NO_ERROR);
    // The first GOAWAY names no last stream yet: what is on its way is still taken (RFC 9113 section 6.8).
    frames.send(HEADERS, END_HEADERS | END_STREAM, 3, &request("GET", "/api/deals/2", &[])).await;
    eventually("the request on its way", DEADLINE, || async { (origin.seen().len() == 2).then_some(()) }).await;
    go.notify_waiters();
    let mut ended = 0;
    while let Some(frame) = frames.next().await {
        assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
        ended += usize::from(frame.kind == DATA && frame.ends());
    }
    assert_eq!(ended, 2);
    assert!(stopping.await.expect("it was stopped").success());
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let origin = Origin::http(|_| async { answer(200, "{}") }).await;
    let agent = TestAgent::start(&origin.url(), plain(json!({}))).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    let block = request("GET", "/api/deals/1", &[]);
    for stream in 0..5_000 {
        let stream = 2 * stream + 1;
        let sent = frames.try_send(HEADERS, END_HEADERS | END_STREAM, stream, &block).await;
        if sent.is_err() || frames.try_send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()).await.is_err() {
            break;
        }
    }
    let mut told = None;
    while let Some(frame) = frames.next().await {
        told = (frame.kind == GOAWAY).then(|| frame.code()).or(told);
    }
    // A reset of the socket may overtake the frame.
    assert!(told.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{told:?}");
    eventually("the count", DEADLINE, || async {
        (metric(&agent, "vigie_http2_connections_cut_total", &[]).await == 1.0).then_some(())
    })
    .await;
    assert!(origin.seen().len() < 1_000, "{} calls reached the CRM", origin.seen().len());
    // Others are served.
    let mut wire = Wire::to(&agent.proxy_url()).await;
    wire.send(head("GET", "/api/deals/1", "after", "")).await;
    assert!(wire.head().await.starts_with("http/1.1 200 "));
}

#[tokio::test]
async fn a_caller_that_asks_and_leaves_again_and_again_is_cut() {
    let silent = Scripted::start(|mut wire, _| async move { drop(wire.rest().await) }).await;
    let agent = TestAgent::start(silent.url(), plain(json!({}))).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    let mut stream = 1;
    let cut = loop {
        let more = [("x-correlation-id", "leaves")];
        let block = request("GET", "/api/deals/1", &more);
        if frames.try_send(HEADERS, END_HEADERS | END_STREAM, stream, &block).await.is_err() {
            break true;
        }
        let calls = (stream as usize).div_ceil(2);
        // Each is let begin before it is left, so that none of this is the protocol's own affair.
        let begun = eventually("the call, or the end", DEADLINE, || async {
            let ended = metric(&agent, "vigie_http2_connections_cut_total", &["abandoned"]).await == 1.0;
            (ended || silent.connections() >= calls).then_some(!ended)
        })
        .await;
        if !begun {
            break true;
        }
        if frames.try_send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()).await.is_err() {
            break true;
        }
        if stream > 1_000 {
            break false;
        }
        stream += 2;
    };
    assert!(cut, "{stream} streams were left");
    assert!(stream > 400, "cut after {stream} already");
}
