//! Upstreams over TLS: verified against a private authority, HTTP/2 where both speak it.

use super::support::{Scripted, Wire, all_closed, assert_fields, head, metric, record};
use crate::support::origin::json as answer;
use crate::support::tls::{Authority, Tls, Validity};
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use axum::http::Version;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Barrier, Notify};
use tokio_rustls::rustls::version::{TLS12, TLS13};

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

/// An upstream that nobody can shake hands with, and the kind that this is.
async fn unusable() -> Vec<(&'static str, String, Value, Box<dyn std::any::Any>)> {
    let mut all: Vec<(&'static str, String, Value, Box<dyn std::any::Any>)> = Vec::new();
    let loopback = ["localhost", "127.0.0.1"];
    for (kind, names, validity) in [
        ("tls_expired", &loopback[..], Validity::Expired),
        ("tls_not_yet_valid", &loopback, Validity::Later),
        ("tls_wrong_host", &["other.example"], Validity::Now),
        ("tls_revoked", &loopback, Validity::Now),
    ] {
        let authority = Authority::new();
        let server = authority.issue("server", names, validity, 7).server(&["h2"], None);
        let mut trust = json!({ "ca_file": authority.file() });
        if kind == "tls_revoked" {
            trust["crl_file"] = json!(authority.revoke(7));
        }
        let origin = Origin::https(Tls::of(authority, &server), |_| async { answer(200, "{}") }).await;
        all.push((kind, origin.url(), trust, Box::new(origin)));
    }
    for self_signed in [false, true] {
        let (authority, other) = (Authority::new(), Authority::new());
        let pair = if self_signed { authority.self_signed("server") } else { authority.good("server") };
        let server = pair.server(&["h2"], None);
        let origin = Origin::https(Tls::of(authority, &server), |_| async { answer(200, "{}") }).await;
        all.push(("tls_unknown_issuer", origin.url(), json!({ "ca_file": other.file() }), Box::new((origin, other))));
    }
    for (alpn, version) in [("h2", &TLS12), ("http/1.1", &TLS12), ("h2", &TLS13), ("http/1.1", &TLS13)] {
        let (authority, callers) = (Authority::new(), Authority::new());
        // In TLS 1.3 the refusal comes after the handshake, when the request is on its way.
        let server = authority.good("server").server_of(&[version], &[alpn], Some(&callers));
        let trust = json!({ "ca_file": authority.file() });
        let origin = Origin::https(Tls::of(authority, &server), |_| async { answer(200, "{}") }).await;
        all.push(("tls_client_certificate", origin.url(), trust, Box::new(origin)));
    }
    // A fatal alert: protocol_version (RFC 8446 section 6.2), as servers before TLS 1.2 send it.
    let old = Scripted::start(|mut wire, _| async move {
        wire.send([0x15, 3, 1, 0, 2, 2, 70]).await;
        wire.rest().await;
    })
    .await;
    let authority = Authority::new();
    let trust = json!({ "ca_file": authority.file() });
    all.push(("tls_old_protocol", old.url().replace("http:", "https:"), trust, Box::new((old, authority))));
    all
}

#[tokio::test]
async fn each_failure_has_a_kind_of_its_own_and_is_warned_of_once() {
    for (kind, url, trust, _alive) in unusable().await {
        let agent = TestAgent::start(&url, json!({ "upstreams": { "freshsales": { "tls": trust } } })).await;
        for call in 0..3 {
            let mut caller = Wire::to(&agent.proxy_url()).await;
            let id = format!("{kind}.{call}");
            caller.send(head("POST", "/api/deals", &id, "content-length: 2\r\n")).await;
            caller.send("{}").await;
            let reply = caller.head().await;
            assert!(reply.starts_with("http/1.1 502 "), "{kind}: {reply}");
            assert!(reply.contains(&format!("x-vigie-error: {kind}\r\n")), "{kind}: {reply}");
            let expected = json!({ "outcome": "network", "error_kind": kind, "status_code": 502 });
            assert_fields(&record(&agent, &id).await, expected);
        }
        let counted = format!("upstream=\"freshsales\",kind=\"{kind}\"");
        assert_eq!(metric(&agent, "vigie_agent_errors_total", &[&counted]).await, 3.0, "{kind}");
        assert_eq!(metric(&agent, "vigie_window_unreachable", &["freshsales"]).await, 3.0, "{kind}");
        let output = agent.output();
        let warned = output.lines().filter(|line| line.contains("TLS with the upstream fails")).count();
        assert_eq!(warned, 1, "{kind}: {output}");
    }
}

#[tokio::test]
async fn a_certificate_is_shown_where_the_upstream_asks_for_one() {
    let (authority, callers) = (Authority::new(), Authority::new());
    let own = callers.issue("vigie", &["vigie.example"], Validity::Now, 3);
    let server = authority.good("server").server(&["h2", "http/1.1"], Some(&callers));
    let trust =
        json!({ "ca_file": authority.file(), "certificate_file": own.certificate_file, "key_file": own.key_file });
    let origin = Origin::https(Tls::of(authority, &server), |_| async { answer(200, "{}") }).await;
    let agent = TestAgent::start(&origin.url(), json!({ "upstreams": { "freshsales": { "tls": trust } } })).await;
    let reply = client().get(format!("{}/api/deals/1", agent.proxy_url())).send().await.expect("an answer");
    assert_eq!(reply.status(), 200);
    assert_eq!(origin.seen().len(), 1);
}
