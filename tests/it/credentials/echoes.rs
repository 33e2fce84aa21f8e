//! An upstream that gives the key back: in no record, in no header, and it is counted.

use super::{get, sent};
use crate::proxy::support::{Scripted, Wire, head, record};
use crate::support::{Launch, Origin, TestAgent, client};
use axum::body::Body;
use axum::http::{Request, Response};
use serde_json::json;
use std::sync::Arc;

/// A key that looks like an ordinary word: no detector would know it.
const PLAIN: &str = "harbourmaster";

/// Gives back what it got, in every place where something is kept.
async fn echoing() -> Origin {
    Origin::http(|request: Request<Body>| async move {
        let got = request.headers().get("authorization").map_or("", |v| v.to_str().expect("ASCII"));
        let key = got.rsplit('=').next().unwrap_or_default().to_owned();
        let body = json!({ "deal": { "id": 1, "stage": key, "status": key, "type": key, "currency": key, "notes": got },
            "message": format!("Invalid token {key}"), "errors": { "message": [key, got] }, (key.clone()): key });
        let answer = Response::builder().status(400).header("content-type", "application/json");
        let answer =
            answer.header("x-request-id", format!("{key}-1")).header("location", format!("/next?key={key}&a=1"));
        let answer = answer.header("x-got", got);
        answer.body(Body::from(body.to_string())).expect("an answer")
    })
    .await
}

#[tokio::test]
async fn a_key_that_is_given_back_is_in_nothing_that_is_kept() {
    let origin = echoing().await;
    let home = Arc::new(tempfile::tempdir().expect("a directory"));
    let changes = json!({
        "upstreams": { "freshsales": { "credential": { "key": PLAIN } } },
        "recorder": { "capture": "all" },
    });
    let launch = Launch { log_level: Some("trace"), ..Launch::default() };
    let agent = TestAgent::launch(Arc::clone(&home), &origin.url(), changes, launch).await;
    // The caller knows it from an answer, and sends it wherever something is kept of a request.
    let body = json!({ "deal": { "stage": PLAIN, "status": PLAIN } }).to_string();
    let post = client().post(format!("{}/api/deals?status={PLAIN}&type={PLAIN}", agent.proxy_url()));
    let post = post.header("x-correlation-id", format!("id-{PLAIN}")).header("content-type", "application/json");
    let reply = sent(post.body(body)).await;
    assert_eq!(reply.status(), 400);
    for name in ["x-request-id", "location", "x-got"] {
        let value = reply.headers()[name].to_str().expect("ASCII");
        assert!(value.contains("[secret]") && !value.contains(PLAIN), "{name}: {value}");
    }
    // A body passes as it is: what it holds is between the upstream and whoever it lets in.
    assert!(reply.text().await.expect("a text").contains(PLAIN));
    sent(get(&agent, "/api/deals/1").header("x-correlation-id", "second")).await;
    let record = record(&agent, "second").await;
    assert!(record["response_body"].to_string().contains("[secret]"), "nothing was there to hide: {record}");
    let echoes = agent.metric("vigie_credential_echoes_total", "upstream=\"freshsales\"").await;
    assert!(echoes >= 2.0, "{echoes}");
    let mut kept =
        vec![("metrics", agent.admin_text("/metrics").await), ("callers", agent.admin_text("/api/v1/callers").await)];
    kept.push(("records", agent.admin_text("/api/v1/records").await));
    kept.push(("output", agent.output()));
    let log = agent.log_file();
    assert!(agent.stop().await.success());
    kept.push(("log", std::fs::read_to_string(log).expect("the log")));
    for (what, text) in kept {
        assert!(!text.contains(PLAIN), "{what}: {text}");
        assert!(!text.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn an_interim_answer_gives_no_key_back() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(format!("HTTP/1.1 103 Early Hints\r\nlink: </a?key={PLAIN}>\r\nx-got: {PLAIN}\r\n\r\n")).await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    })
    .await;
    let upstream = json!({ "credential": { "key": PLAIN }, "access": { "authenticate": "off_loopback" } });
    let changes = json!({ "upstreams": { "freshsales": upstream } });
    let agent = TestAgent::start(origin.url(), changes).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    // By an address of this machine: other names are what a web page would use.
    caller.send("GET /api/deals/1 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await;
    let hints = caller.head().await;
    assert!(hints.starts_with("http/1.1 103 ") && hints.contains("[secret]") && !hints.contains(PLAIN), "{hints}");
    assert!(caller.head().await.starts_with("http/1.1 200 "));
}
