//! Upstreams over TLS: verified against a private authority, HTTP/2 where both speak it.

use super::support::{Scripted, Wire, all_closed, assert_fields, head, record};
use crate::support::origin::json as answer;
use crate::support::tls::Tls;
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use axum::http::Version;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Barrier, Notify};

fn trusting(ca_file: Option<PathBuf>) -> Value {
    json!({ "proxy": { "workers": 1 }, "upstreams": { "freshsales": { "tls": { "ca_file": ca_file } } } })
}

#[tokio::test]
async fn the_version_is_agreed_on() {
    for (alpn, version) in
        [(&["h2", "http/1.1"][..], Version::HTTP_2), (&["http/1.1"], Version::HTTP_11), (&[], Version::HTTP_11)]
    {
        let origin = Origin::https(Tls::new(alpn), |request| async move {
            let body = axum::body::to_bytes(request.into_body(), 1000).await.expect("a small body");
            answer(201, body)
        })
        .await;
        let agent = TestAgent::start(&origin.url(), trusting(origin.ca_file())).await;
        let call = client().post(format!("{}/api/deals?a=b", agent.proxy_url())).header("x-correlation-id", "tls");
        let reply = call.header("te", "trailers").body("{\"deal\":{}}").send().await.expect("an answer");
        assert_eq!(reply.status(), 201);
        assert_eq!(reply.text().await.expect("a text"), "{\"deal\":{}}");
        let seen = origin.seen();
        assert_eq!(seen[0].version, version, "{alpn:?}");
        assert_eq!(seen[0].uri.path_and_query().map(|p| p.as_str()), Some("/api/deals?a=b"));
        assert_eq!(seen[0].headers["x-forwarded-host"], agent.proxy_url()[7..]);
        let record = record(&agent, "tls").await;
        assert!(record["tls_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{record}");
        assert_fields(&record, json!({ "status_code": 201, "payload_size_bytes": 11, "response_size_bytes": 11 }));
    }
}

#[tokio::test]
async fn concurrent_calls_share_one_http2_connection() {
    const CALLS: usize = 50;
    // Nobody is answered before all have asked: they are really at once.
    let barrier = Arc::new(Barrier::new(CALLS));
    let origin = Origin::https(Tls::new(&["h2"]), move |_| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            answer(200, "{}")
        }
    })
    .await;
    let agent = TestAgent::start(&origin.url(), trusting(origin.ca_file())).await;
    let mut callers = Vec::new();
    for index in 0..CALLS {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("GET", "/api/deals/1", &format!("shared.{index}"), "")).await;
        callers.push(caller);
    }
    for caller in &mut callers {
        assert!(caller.head().await.starts_with("http/1.1 200 "));
    }
    let records = eventually("all records", DEADLINE, || async {
        Some(agent.log_records()).filter(|records| records.len() == CALLS)
    })
    .await;
    let dialled = records.iter().filter(|r| r["connect_ms"].is_number()).count();
    assert_eq!(dialled, 1, "connections opened");
    let ids: HashSet<&str> = records.iter().filter_map(|r| r["correlation_id"].as_str()).collect();
    assert_eq!(ids.len(), CALLS);
}

#[tokio::test]
async fn a_closed_http2_connection_is_replaced_by_one() {
    let origin = Origin::http2(|_| async { answer(200, "{}") }).await;
    let cut = Arc::new(Notify::new());
    let (address, cutting) = (origin.address(), Arc::clone(&cut));
    let relay = Scripted::start(move |wire, _| {
        let cutting = Arc::clone(&cutting);
        async move {
            tokio::select! {
                () = wire.relay(address) => {}
                () = cutting.notified() => {}
            }
        }
    })
    .await;
    let changes = json!({ "proxy": { "workers": 1 }, "upstreams": { "freshsales": { "http": "2" } } });
    let agent = TestAgent::start(relay.url(), changes).await;
    let mut callers = Vec::new();
    for _ in 0..20 {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("GET", "/api/deals/1", "before", "")).await;
        caller.until("{}").await;
        callers.push(caller);
    }
    assert_eq!(relay.connections(), 1);
    cut.notify_one();
    all_closed(relay.url()).await;
    for (index, caller) in callers.iter_mut().enumerate() {
        caller.send(head("POST", "/api/deals", &format!("after.{index}"), "content-length: 0\r\n")).await;
    }
    for caller in &mut callers {
        let reply = caller.head().await;
        assert!(reply.starts_with("http/1.1 200 "), "{reply}");
    }
    assert_eq!(relay.connections(), 2);
    assert_eq!(origin.seen()[20].version, Version::HTTP_2);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused() {
    let wrong = [
        (Origin::https(Tls::new(&["h2"]), |_| async { answer(200, "{}") }).await, Some(Tls::new(&["h2"]))),
        (Origin::https(Tls::for_names(&["other.example"], &["h2"]), |_| async { answer(200, "{}") }).await, None),
    ];
    for (origin, other) in wrong {
        let ca_file = other.as_ref().map(|tls| tls.ca_file.clone()).or(origin.ca_file());
        let agent = TestAgent::start(&origin.url(), trusting(ca_file)).await;
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("POST", "/api/deals", "untrusted", "content-length: 2\r\n")).await;
        caller.send("{}").await;
        let reply = caller.head().await;
        assert!(reply.starts_with("http/1.1 502 ") && reply.contains("x-vigie-error: tls\r\n"), "{reply}");
        let expected = json!({ "outcome": "network", "error_kind": "tls", "status_code": 502 });
        assert_fields(&record(&agent, "untrusted").await, expected);
        assert!(origin.seen().is_empty());
    }
}
