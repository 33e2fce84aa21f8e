//! The caller leaves: reads are given up, writes are followed to their end, half-sent ones are not completed.

use super::support::{Scripted, Wire, assert_fields, head, record};
use crate::support::origin::json as answer;
use crate::support::tls::Tls;
use crate::support::{DEADLINE, Origin, TestAgent, eventually};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;

/// Waits until no caller's connection is left.
async fn leaving_noticed(agent: &TestAgent) {
    eventually("the caller's leaving to be noticed", DEADLINE, || async {
        let open = super::support::metric(agent, "vigie_worker_connections", &[]).await;
        (open == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_read_is_given_up() {
    let (told, mut ends) = unbounded_channel();
    let origin = Scripted::start(move |mut wire, _| {
        let told = told.clone();
        async move {
            wire.head().await;
            let _ = told.send("asked");
            wire.rest().await;
            let _ = told.send("closed");
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/deals/1", "left", "")).await;
    assert_eq!(ends.recv().await, Some("asked"));
    drop(caller);
    assert_eq!(ends.recv().await, Some("closed"));
    let expected = json!({ "outcome": "client_closed", "client_closed": true, "status_code": 0, "error_kind": null, "attempts": 1 });
    assert_fields(&record(&agent, "left").await, expected);
}

#[tokio::test]
async fn a_read_is_given_up_within_its_answer() {
    let (told, mut ends) = unbounded_channel();
    let origin = Scripted::start(move |mut wire, _| {
        let told = told.clone();
        async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
            wire.rest().await;
            let _ = told.send(());
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/deals/1", "left-late", "")).await;
    caller.head().await;
    drop(caller);
    ends.recv().await.expect("the upstream's connection ends");
    let expected = json!({ "outcome": "client_closed", "client_closed": true, "status_code": 200, "attempts": 1 });
    assert_fields(&record(&agent, "left-late").await, expected);
}

#[tokio::test]
async fn a_call_whose_caller_leaves_at_once_is_told_of() {
    const EACH: usize = 25;
    let origin = Origin::http(|_| async { answer(200, "{}") }).await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let mut sent = 0;
    for round in 0..EACH {
        for (method, more, half) in [
            ("GET", "", false),
            ("GET", "", true),
            ("POST", "content-length: 2\r\n", false),
            ("POST", "content-length: 2\r\n", true),
        ] {
            let mut caller = Wire::to(&agent.proxy_url()).await;
            let body = if more.is_empty() { "" } else { "{}" };
            // In one piece: the end may be there before the request is looked at.
            let id = format!("{method}-{half}-{round}");
            caller.send(head(method, "/api/deals/1", &id, more) + body).await;
            if half {
                caller.finish().await;
                caller.rest().await;
            }
            sent += 1;
        }
    }
    eventually("all records", DEADLINE, || async { (agent.log_records().len() == sent).then_some(()) }).await;
    let left = |record: &&serde_json::Value| record["client_closed"] == true;
    let records = agent.log_records();
    assert!(
        records.iter().filter(left).all(|r| r["outcome"] == "client_closed" || r["outcome"] == "ok"),
        "{records:?}"
    );
    assert_eq!(super::support::metric(&agent, "vigie_requests_total", &[]).await, sent as f64);
}

/// A write whose caller leaves before the answer begins; then the upstream answers with this.
async fn leave_before(answer: &'static str, id: &str) -> serde_json::Value {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let (told, mut asked) = unbounded_channel();
    let origin = Scripted::start(move |mut wire, _| {
        let (waiting, told) = (Arc::clone(&waiting), told.clone());
        async move {
            wire.until("{}").await;
            let _ = told.send(());
            waiting.notified().await;
            wire.send(answer).await;
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", id, "content-length: 2\r\n")).await;
    caller.send("{}").await;
    asked.recv().await.expect("the request arrives");
    drop(caller);
    leaving_noticed(&agent).await;
    go.notify_one();
    record(&agent, id).await
}

#[tokio::test]
async fn a_write_is_followed_to_its_end() {
    let answer =
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{\"deal\":{\"id\":7}}";
    let record = leave_before(answer, "followed").await;
    let expected = json!({
        "outcome": "ok", "client_closed": true, "status_code": 201, "response_size_bytes": 17, "payload_size_bytes": 2,
        "error_kind": null, "attempts": 1,
    });
    assert_fields(&record, expected);
}

#[tokio::test]
async fn a_write_that_was_refused_is_known_to_be() {
    let answer = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let record = leave_before(answer, "refused").await;
    assert_fields(&record, json!({ "outcome": "client_error", "client_closed": true, "status_code": 400 }));
}

#[tokio::test]
async fn an_answer_without_a_body_says_it_as_well() {
    let record = leave_before("HTTP/1.1 204 No Content\r\n\r\n", "no-body").await;
    assert_fields(&record, json!({ "client_closed": true, "status_code": 204 }));
}

#[tokio::test]
async fn an_upstream_that_breaks_off_does_not_hide_the_callers_leaving() {
    let record = leave_before("", "broke").await;
    let expected =
        json!({ "outcome": "network", "error_kind": "upstream_closed", "client_closed": true, "status_code": 0 });
    assert_fields(&record, expected);
}

#[tokio::test]
async fn a_write_is_followed_within_its_answer() {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let origin = Scripted::start(move |mut wire, _| {
        let waiting = Arc::clone(&waiting);
        async move {
            wire.until("{}").await;
            wire.send("HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{\"deal\":")
                .await;
            waiting.notified().await;
            wire.send("{\"id\":7}}").await;
            wire.rest().await;
        }
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "within", "content-length: 2\r\n")).await;
    caller.send("{}").await;
    caller.until("{\"deal\":").await;
    drop(caller);
    leaving_noticed(&agent).await;
    go.notify_one();
    let expected = json!({ "outcome": "ok", "client_closed": true, "status_code": 201, "response_size_bytes": 17 });
    assert_fields(&record(&agent, "within").await, expected);
}

#[tokio::test]
async fn a_write_whose_caller_leaves_while_it_is_dialed_is_never_sent() {
    for (id, more, body) in [("dialed", "content-length: 0\r\n", ""), ("dialed-body", "content-length: 2\r\n", "{}")] {
        let origin = Origin::https(Tls::new(&["http/1.1"]), |_| async { answer(201, "{}") }).await;
        let (crm, go) = (origin.address(), Arc::new(Notify::new()));
        let (waiting, (told, mut accepted)) = (Arc::clone(&go), unbounded_channel());
        // Connects at once, and shakes hands only when told to.
        let gate = Scripted::start(move |wire, _| {
            let (waiting, told) = (Arc::clone(&waiting), told.clone());
            async move {
                let _ = told.send(());
                waiting.notified().await;
                wire.relay(crm).await;
            }
        })
        .await;
        let changes = json!({ "upstreams": { "freshsales": { "tls": { "ca_file": origin.ca_file() } } } });
        let agent = TestAgent::start(&gate.url().replace("http://", "https://"), changes).await;
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("DELETE", "/api/deals/1", id, more)).await;
        caller.send(body).await;
        accepted.recv().await.expect("the upstream is dialed");
        drop(caller);
        leaving_noticed(&agent).await;
        go.notify_one();
        let expected = json!({
            "outcome": "client_closed", "client_closed": true, "status_code": 0, "attempts": 0, "error_kind": null,
        });
        assert_fields(&record(&agent, id).await, expected);
        assert!(origin.seen().is_empty(), "{:?}", origin.seen());
        assert_eq!(super::support::metric(&agent, "vigie_attempts_total", &[]).await, 0.0);
    }
}

#[tokio::test]
async fn a_write_aborted_on_the_way_is_not_completed() {
    for framing in ["content-length: 100\r\n", "transfer-encoding: chunked\r\n"] {
        let (told, mut bodies) = unbounded_channel();
        let origin = Scripted::start(move |mut wire, _| {
            let told = told.clone();
            async move {
                wire.until("{\"de").await;
                let _ = told.send(String::new());
                let _ = told.send(wire.rest().await);
            }
        })
        .await;
        let agent = TestAgent::start(origin.url(), json!({})).await;
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head("POST", "/api/deals", "aborted", framing)).await;
        caller.send(if framing.contains("chunked") { "4\r\n{\"de\r\n" } else { "{\"de" }).await;
        bodies.recv().await.expect("the upload begins");
        drop(caller);
        let rest = bodies.recv().await.expect("the upload ends");
        assert!(!rest.ends_with("0\r\n\r\n") && rest.len() < 96, "completed: {rest:?}");
        let expected =
            json!({ "outcome": "client_closed", "client_closed": true, "payload_size_bytes": 4, "error_kind": null });
        assert_fields(&record(&agent, "aborted").await, expected);
    }
}
