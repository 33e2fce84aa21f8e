//! The key is put on, alone, and at its own upstream only.

use super::{get, holding, last, sent};
use crate::proxy::support::{Scripted, Wire};
use crate::support::origin::json as answer;
use crate::support::sandbox::{KEY, TestSandbox};
use crate::support::tls::Tls;
use crate::support::{Origin, TestAgent, client};
use axum::body::Body;
use axum::http::{Request, Response, Version};
use serde_json::json;

#[tokio::test]
async fn a_caller_without_any_key_works_against_the_sandbox() {
    let sandbox = TestSandbox::start().await;
    let without = TestAgent::start(&sandbox.crm_url(), json!({})).await;
    assert_eq!(sent(get(&without, "/api/contacts/filters")).await.status(), 401);
    let credential = json!({ "upstreams": { "freshsales": { "credential": { "key": KEY } } } });
    let with = TestAgent::start(&sandbox.crm_url(), credential).await;
    let reply = sent(get(&with, "/api/contacts/filters")).await;
    assert_eq!(reply.status(), 200);
    assert!(reply.text().await.expect("a text").contains("filters"));
}

#[tokio::test]
async fn of_the_callers_own_credential_nothing_goes_with_it() {
    let origin = Origin::json(200, "{}").await;
    let agent = holding(&origin, "the-held-key", json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    // Twice, listed in Connection so that ours might be taken off behind it, and in other spellings.
    caller
        .send(
            "GET /api/deals/1 HTTP/1.1\r\nhost: localhost\r\nAuthorization: Token token=theirs-1\r\n\
             AUTHORIZATION: Basic eDp5\r\nconnection: close, Authorization, x-vigie-token\r\n\r\n",
        )
        .await;
    assert!(caller.head().await.starts_with("http/1.1 200 "));
    assert_eq!(last(&origin, "authorization"), ["Token token=the-held-key"]);
}

#[tokio::test]
async fn nor_does_one_that_comes_behind_the_body() {
    let (sender, mut received) = tokio::sync::mpsc::channel(1);
    let origin = Scripted::start(move |mut wire, _| {
        let sender = sender.clone();
        async move {
            let head = wire.head().await;
            let body = wire.until("\r\n\r\n").await;
            sender.send(head + &body).await.expect("the test waits");
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
            wire.rest().await;
        }
    })
    .await;
    let credential = json!({ "upstreams": { "freshsales": { "credential": { "key": "the-held-key" } } } });
    let agent = TestAgent::start(origin.url(), credential).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller
        .send(
            "POST /api/deals HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ntrailer: x-api-key, x-sum\r\n\
             connection: close\r\n\r\n2\r\n{}\r\n0\r\nx-api-key: theirs\r\nx-vigie-token: theirs\r\nx-sum: 7\r\n\r\n",
        )
        .await;
    assert!(caller.head().await.starts_with("http/1.1 200 "));
    let sent = received.recv().await.expect("a request");
    assert!(sent.contains("authorization: token token=the-held-key\r\n") && sent.contains("x-sum: 7\r\n"), "{sent}");
    assert!(!sent.contains("theirs"), "{sent}");
}

#[tokio::test]
async fn each_account_has_its_key_and_others_none() {
    let (crm, other) = (Origin::json(200, "{}").await, Origin::json(200, "{}").await);
    let changes = json!({ "upstreams": {
        "emea": { "vendor": "freshsales", "url": crm.url(), "path_prefix": "/emea", "credential": { "key": "key-of-emea" } },
        "tools": { "vendor": "generic", "url": other.url(), "path_prefix": "/tools",
            "credential": { "key": "key-of-tools", "header": "X-Tools-Key", "before": "v1 " } },
        "basic": { "vendor": "generic", "url": other.url(), "path_prefix": "/basic",
            "credential": { "key": "password-1", "user": "svc", "form": "basic" } },
        "open": { "vendor": "generic", "url": other.url(), "path_prefix": "/open" },
    } });
    let agent = holding(&crm, "key-of-main", changes).await;
    let theirs = |path| get(&agent, path).header("authorization", "Bearer theirs").header("x-api-key", "theirs");
    sent(theirs("/api/deals/1")).await;
    assert_eq!(last(&crm, "authorization"), ["Token token=key-of-main"]);
    sent(theirs("/emea/api/deals/1")).await;
    assert_eq!(last(&crm, "authorization"), ["Token token=key-of-emea"]);
    sent(theirs("/tools/x")).await;
    assert_eq!(last(&other, "x-tools-key"), ["v1 key-of-tools"]);
    assert_eq!((last(&other, "authorization"), last(&other, "x-api-key")), (vec![], vec![]));
    sent(theirs("/basic/x")).await;
    assert_eq!(last(&other, "authorization"), ["Basic c3ZjOnBhc3N3b3JkLTE="]);
    sent(theirs("/open/x")).await;
    assert_eq!(
        (last(&other, "authorization"), last(&other, "x-api-key")),
        (vec!["Bearer theirs".into()], vec!["theirs".into()])
    );
    let page = agent.admin_text("/metrics").await;
    assert_eq!(page.matches("vigie_credential_info{").count(), 4, "{page}");
    for key in ["key-of-", "password-1", "c3Zj"] {
        assert!(!page.contains(key), "{key} in {page}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_does_not_take_it_along() {
    let elsewhere = Origin::json(200, "{}").await;
    let target = format!("{}/stolen", elsewhere.url());
    let origin = Origin::http(move |_| {
        let target = target.clone();
        async move { Response::builder().status(302).header("location", target).body(Body::empty()).expect("an answer") }
    })
    .await;
    let agent = holding(&origin, "the-held-key", json!({})).await;
    // This client follows by itself.
    let reply = sent(get(&agent, "/api/deals/1")).await;
    assert_eq!(last(&origin, "authorization"), ["Token token=the-held-key"]);
    for seen in elsewhere.seen() {
        assert!(!format!("{:?}", seen.headers).contains("the-held-key"), "{seen:?}");
    }
    drop(reply);
}

/// Two accounts behind one name and one certificate, over HTTP/2: a connection that served both would be allowed.
#[tokio::test]
async fn accounts_at_one_address_do_not_share_http2_connections_keys() {
    let origin = Origin::https(Tls::new(&["h2", "http/1.1"]), |request: Request<Body>| async move {
        let key = request.headers()["authorization"].to_str().expect("ASCII").to_owned();
        answer(200, json!({ "key": key, "path": request.uri().path() }).to_string())
    })
    .await;
    let tls = json!({ "ca_file": origin.ca_file() });
    let changes = json!({ "upstreams": {
        "freshsales": { "tls": tls, "credential": { "key": "key-of-main" } },
        "emea": { "vendor": "freshsales", "url": origin.url(), "path_prefix": "/emea", "tls": tls, "credential": { "key": "key-of-emea" } },
    } });
    let agent = TestAgent::start(&origin.url(), changes).await;
    let client = client();
    for _ in 0..10 {
        for (path, key) in [("/api/deals/1", "key-of-main"), ("/emea/api/deals/1", "key-of-emea")] {
            let text = sent(client.get(format!("{}{path}", agent.proxy_url()))).await.text().await.expect("a text");
            assert!(
                text.contains(&format!("Token token={key}")) && text.contains("\"/api/deals/1\""),
                "{path}: {text}"
            );
        }
    }
    assert!(origin.seen().iter().all(|seen| seen.version == Version::HTTP_2));
}

#[tokio::test]
async fn what_would_show_it_or_lead_above_its_path_is_refused() {
    let origin = Origin::json(200, "{}").await;
    let below = json!({ "upstreams": { "freshsales": { "url": format!("{}/tenant", origin.url()) } } });
    let agent = holding(&origin, "the-held-key", below).await;
    for (line, status, kind) in [
        ("TRACE /api/deals/1", 405, "unsupported_target"),
        ("GET /api/../../other/x", 400, "dot_segments"),
        ("GET /api/%2e%2E/%2e./other", 400, "dot_segments"),
    ] {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(format!("{line} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        let head = caller.head().await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{line}: {head}");
        assert!(head.contains(&format!("x-vigie-error: {kind}\r\n")), "{line}: {head}");
    }
    assert!(origin.seen().is_empty());
    assert_eq!(sent(get(&agent, "/api/deals/1")).await.status(), 200);
    assert_eq!(origin.seen()[0].uri.path(), "/tenant/api/deals/1");
}
