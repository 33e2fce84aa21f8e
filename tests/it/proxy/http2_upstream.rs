//! Upstreams that speak HTTP/2: room for every call, and what was refused unseen sent once more.

use super::frames::{
    CANCEL, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, INTERNAL_ERROR, NO_ERROR, OK, REFUSED_STREAM,
    RST_STREAM,
};
use super::support::{Wire, assert_fields, head, record};
use crate::support::TestAgent;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

fn two() -> Value {
    json!({ "proxy": { "workers": 1 }, "upstreams": { "freshsales": { "http": "2", "timeouts": { "head": "10s" } } } })
}

#[tokio::test]
async fn another_connection_is_opened_when_the_peer_allows_no_more_streams() {
    const LIMIT: u32 = 5;
    const CALLS: usize = 20;
    let (listener, url) = listener().await;
    let (connections, barrier) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(CALLS)));
    let opened = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let mut frames = Frames::accept(&listener, LIMIT).await;
            let (number, barrier) = (opened.fetch_add(1, Ordering::SeqCst), Arc::clone(&barrier));
            tokio::spawn(async move {
                if number == 0 {
                    let first = frames.until(HEADERS).await;
                    frames.send(HEADERS, END_HEADERS | END_STREAM, first.stream, &OK).await;
                }
                let mut waiting = tokio::task::JoinSet::new();
                loop {
                    tokio::select! {
                        frame = frames.next() => {
                            let Some(frame) = frame else { return };
                            assert!(waiting.len() < LIMIT as usize, "more streams than allowed");
                            if frame.kind == HEADERS {
                                let (barrier, stream) = (Arc::clone(&barrier), frame.stream);
                                waiting.spawn(async move { barrier.wait().await; stream });
                            }
                        }
                        Some(stream) = waiting.join_next() => {
                            let stream = stream.expect("no panic");
                            frames.send(HEADERS, END_HEADERS | END_STREAM, stream, &OK).await;
                        }
                    }
                }
            });
        }
    });
    let agent = TestAgent::start(&url, two()).await;
    let mut first = Wire::to(&agent.proxy_url()).await;
    first.send(head("GET", "/api/deals/1", "first", "")).await;
    assert!(first.head().await.starts_with("http/1.1 200 "));
    let mut callers = Vec::new();
    for call in 0..CALLS {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("GET", "/api/deals/1", &format!("call.{call}"), "")).await;
        callers.push(caller);
    }
    // Nobody is answered before all have asked: a call that waited for a stream would wait for ever.
    for caller in &mut callers {
        assert!(caller.head().await.starts_with("http/1.1 200 "));
    }
    let opened = connections.load(Ordering::SeqCst);
    assert!((CALLS / LIMIT as usize..=CALLS / LIMIT as usize + 1).contains(&opened), "{opened} connections");
}

/// An upstream that answers each request as `script` says: with a reset of this code, or well. Counts requests.
async fn refusing(script: &'static [Option<u32>]) -> (String, Arc<AtomicUsize>) {
    let (listener, url) = listener().await;
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let mut frames = Frames::accept(&listener, 100).await;
            while let Some(frame) = frames.next().await {
                let whole = matches!(frame.kind, HEADERS | DATA) && frame.ends();
                if !whole {
                    continue;
                }
                match script[seen.fetch_add(1, Ordering::SeqCst).min(script.len() - 1)] {
                    Some(code) => frames.send(RST_STREAM, 0, frame.stream, &code.to_be_bytes()).await,
                    None => frames.send(HEADERS, END_HEADERS | END_STREAM, frame.stream, &OK).await,
                }
            }
        }
    });
    (url, requests)
}

#[tokio::test]
async fn only_what_was_refused_unseen_is_sent_once_more() {
    for (script, status, kind, requests) in [
        (&[Some(REFUSED_STREAM), None][..], 200, Value::Null, 2),
        (&[Some(REFUSED_STREAM), Some(REFUSED_STREAM), None], 503, json!("stream_refused"), 2),
        (&[Some(INTERNAL_ERROR), None], 502, json!("upstream_closed"), 1),
        (&[Some(CANCEL), None], 502, json!("upstream_closed"), 1),
    ] {
        for (method, body) in [("GET", ""), ("POST", "{\"deal\":{}}")] {
            let (url, seen) = refusing(script).await;
            let agent = TestAgent::start(&url, two()).await;
            let mut caller = Wire::to(&agent.proxy_url()).await;
            let length = format!("content-length: {}\r\n", body.len());
            caller.send(head(method, "/api/deals", "again", &length)).await;
            caller.send(body).await;
            let reply = caller.head().await;
            assert!(reply.starts_with(&format!("http/1.1 {status} ")), "{script:?}: {reply}");
            let expected = json!({ "status_code": status, "error_kind": kind, "attempts": requests });
            assert_fields(&record(&agent, "again").await, expected);
            assert_eq!(seen.load(Ordering::SeqCst), requests, "{script:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_above_the_last_one_of_a_goaway_is_sent_once_more() {
    for (last, status, calls) in [(0u32, 200, 2), (1, 502, 1)] {
        let (listener, url) = listener().await;
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let mut frames = Frames::accept(&listener, 100).await;
                let request = frames.until(HEADERS).await;
                if seen.fetch_add(1, Ordering::SeqCst) == 0 {
                    let goaway = [last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
                    frames.send(GOAWAY, 0, 0, &goaway).await;
                } else {
                    frames.send(HEADERS, END_HEADERS | END_STREAM, request.stream, &OK).await;
                    while frames.next().await.is_some() {}
                }
            }
        });
        let agent = TestAgent::start(&url, two()).await;
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("POST", "/api/deals", "goaway", "content-length: 0\r\n")).await;
        let reply = caller.head().await;
        assert!(reply.starts_with(&format!("http/1.1 {status} ")), "last stream {last}: {reply}");
        assert_eq!(requests.load(Ordering::SeqCst), calls, "last stream {last}");
    }
}
