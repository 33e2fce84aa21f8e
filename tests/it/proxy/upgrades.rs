//! Switching protocols (RFC 9110 section 7.8): what is listed passes, bytes then go both ways, and nothing else gets through.

use super::frames::{END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM, literal, request};
use super::support::{Scripted, Wire, assert_fields, head, metric, record};
use crate::support::{DEADLINE, TestAgent, eventually};
use serde_json::{Value, json};
use std::sync::Arc;

const ASKS: &str = "connection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
const SWITCHES: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

async fn agent(origin: &Scripted, more: Value) -> TestAgent {
    let mut changes =
        json!({ "proxy": { "workers": 1 }, "upstreams": { "freshsales": { "upgrades": ["websocket"] } } });
    crate::support::agent_config::merge(&mut changes, more);
    TestAgent::start(origin.url(), changes).await
}

/// Switches, says hello in the same packet, answers one word and closes.
async fn greeter() -> Scripted {
    Scripted::start(|mut wire, _| async move {
        let asked = wire.head().await;
        assert!(
            asked.contains("\r\nconnection: upgrade\r\n") && asked.contains("\r\nupgrade: websocket\r\n"),
            "{asked}"
        );
        assert!(!asked.contains("h2c") && asked.contains("\r\nsec-websocket-version: 13\r\n"), "{asked}");
        wire.send(format!("{SWITCHES}hello")).await;
        assert_eq!(wire.until("ping").await, "ping");
        wire.send("pong").await;
    })
    .await
}

#[tokio::test]
async fn what_is_listed_is_passed_and_carried_both_ways() {
    let origin = greeter().await;
    let agent = agent(&origin, json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    let asks = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nupgrade: WebSocket\r\nhttp2-settings: AA\r\n\
        sec-websocket-version: 13\r\n";
    caller.send(head("GET", "/api/live", "ws.1", asks)).await;
    let answer = caller.head().await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    for line in ["connection: upgrade", "upgrade: websocket", "x-correlation-id: ws.1", "via: 1.1 vigie"] {
        assert_eq!(answer.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line} in {answer}");
    }
    assert!(!answer.contains("content-length") && !answer.contains("transfer-encoding"), "{answer}");
    assert_eq!(caller.until("hello").await, "hello");
    assert_eq!(metric(&agent, "vigie_upgraded_connections", &[]).await, 1.0);
    assert!(agent.log_records().is_empty(), "the exchange is not over");
    caller.send("ping").await;
    assert_eq!(caller.rest().await, "pong");
    let record = record(&agent, "ws.1").await;
    let wanted = json!({
        "status_code": 101, "outcome": "ok", "payload_size_bytes": 4, "response_size_bytes": 9, "attempts": 1, "method": "GET",
    });
    assert_fields(&record, wanted);
    assert_eq!(record.get("error_kind"), None, "{record}");
    assert_eq!(metric(&agent, "vigie_upgraded_connections", &[]).await, 0.0);
    assert_eq!(metric(&agent, "vigie_upgraded_bytes_total", &["to_upstream"]).await, 4.0);
    assert_eq!(metric(&agent, "vigie_upgraded_bytes_total", &["from_upstream"]).await, 9.0);
    assert_eq!(metric(&agent, "vigie_requests_total", &["status_code=\"101\""]).await, 1.0);
}

#[tokio::test]
async fn what_comes_behind_the_question_belongs_to_the_answer() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(SWITCHES).await;
        let early = wire.until("END").await;
        wire.send(wire_echo(&early)).await;
    })
    .await;
    let agent = agent(&origin, json!({})).await;
    // Bytes that would be malformed HTTP, and a request, are neither judged nor answered once the switch is done.
    let early = "\0\r\nGET /api/smuggled HTTP/1.1\r\nhost: x\r\nx-correlation-id: smuggled\r\n\r\nEND";
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/live", "ws.early", ASKS) + early).await;
    caller.head().await;
    assert_eq!(caller.rest().await, wire_echo(early));
    assert_fields(&record(&agent, "ws.early").await, json!({ "status_code": 101, "payload_size_bytes": early.len() }));
    assert_eq!(agent.log_records().len(), 1, "nothing else was taken for an exchange");
}

fn wire_echo(text: &str) -> String {
    format!("<{text}>")
}

#[tokio::test]
async fn another_answer_is_a_normal_one_and_http_goes_on() {
    let origin = Scripted::start(|mut wire, _| async move {
        loop {
            let status =
                if wire.head().await.contains("upgrade: websocket") { "426 Upgrade Required" } else { "200 OK" };
            wire.send(format!(
                "HTTP/1.1 {status}\r\nupgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\n{{}}"
            ))
            .await;
        }
    })
    .await;
    let agent = agent(&origin, json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    // The next request waits behind the question, whole, and another in two pieces.
    let third = head("GET", "/api/deals/2", "third", "");
    let (start, rest) = third.split_at(20);
    let next = head("GET", "/api/deals/1", "second", "");
    caller.send(head("GET", "/api/live", "first", ASKS) + &next + start).await;
    let answer = caller.head().await;
    assert!(answer.starts_with("http/1.1 426 ") && !answer.contains("upgrade: h2c"), "{answer}");
    caller.skip(2).await;
    assert!(caller.head().await.starts_with("http/1.1 200 "));
    caller.skip(2).await;
    caller.send(rest).await;
    assert!(caller.head().await.starts_with("http/1.1 200 "));
    for id in ["first", "second", "third"] {
        record(&agent, id).await;
    }
}

#[tokio::test]
async fn an_offered_h2c_is_left_out_and_pipelining_goes_on() {
    let origin = crate::support::Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    let asks = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    let requests: String = (0..3).map(|i| head("GET", &format!("/api/deals/{i}"), &format!("h2c.{i}"), asks)).collect();
    caller.send(requests).await;
    for _ in 0..3 {
        assert!(caller.head().await.starts_with("http/1.1 200 "));
        caller.skip(2).await;
    }
    // A malformed message behind it is still refused.
    caller.send(head("GET", "/api/deals/4", "h2c.4", asks) + "GET /api/deals HTTP/1.1\nhost: x\n\n").await;
    assert!(caller.head().await.starts_with("http/1.1 200 "));
    caller.skip(2).await;
    assert!(caller.rest().await.to_ascii_lowercase().starts_with("http/1.1 400 "));
}

#[tokio::test]
async fn a_wish_that_breaks_the_rules_never_reaches_the_upstream() {
    let origin = Scripted::start(|_, _| async {}).await;
    let agent = agent(&origin, json!({})).await;
    let cases = [
        ("GET", "connection: upgrade\r\nupgrade: tls/1.0\r\n", ""),
        ("GET", "connection: upgrade\r\nupgrade: websocket/13\r\n", ""),
        ("GET", "connection: keep-alive\r\nupgrade: websocket\r\n", ""),
        ("GET", "upgrade: websocket\r\n", ""),
        ("POST", ASKS, ""),
        ("GET", "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n", "{}"),
        ("GET", "connection: upgrade\r\nupgrade: websocket\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
    ];
    for (index, (method, lines, body)) in cases.into_iter().enumerate() {
        let id = format!("refused.{index}");
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller.send(head(method, "/api/live", &id, lines) + body).await;
        let answer = caller.rest().await.to_ascii_lowercase();
        assert!(
            answer.starts_with("http/1.1 501 ") && answer.contains("x-vigie-error: upgrade_refused"),
            "{lines}{answer}"
        );
        assert_fields(&record(&agent, &id).await, json!({ "error_kind": "upgrade_refused", "attempts": 0 }));
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn a_switch_that_was_not_asked_for_is_a_bad_answer() {
    let other = SWITCHES.replace("websocket", "h2c");
    let both = SWITCHES.replace("upgrade: websocket", "upgrade: websocket\r\nupgrade: h2c");
    let unlisted = SWITCHES.replace("connection: upgrade\r\n", "");
    let framed = SWITCHES.replace("\r\n\r\n", "\r\ncontent-length: 0\r\n\r\n");
    for (asks, answers) in [
        ("", SWITCHES),
        ("connection: upgrade\r\nupgrade: h2c\r\n", &other),
        (ASKS, &other),
        (ASKS, &both),
        (ASKS, &unlisted),
        (ASKS, &framed),
    ] {
        let answers: Arc<str> = format!("{answers}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison").into();
        let origin = Scripted::start(move |mut wire, _| {
            let answers = Arc::clone(&answers);
            async move {
                wire.head().await;
                wire.send(&*answers).await;
                wire.rest().await;
            }
        })
        .await;
        let agent = agent(&origin, json!({})).await;
        let mut caller = Wire::to(&agent.proxy_url()).await;
        caller
            .send(head("GET", "/api/live", "lie", asks) + &head("GET", "/api/next", "next", "connection: close\r\n"))
            .await;
        let answer = caller.rest().await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 502 ") && !answer.contains("poison"), "{asks}{answer}");
        assert_eq!(answer.matches("x-vigie-error: bad_answer").count(), 2, "{answer}");
        assert_eq!(origin.connections(), 2, "the first was not used again");
        assert_fields(&record(&agent, "lie").await, json!({ "status_code": 502, "error_kind": "bad_answer" }));
    }
}

#[tokio::test]
async fn what_stands_still_is_closed() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(SWITCHES).await;
        wire.rest().await;
    })
    .await;
    let idle = json!({ "upstreams": { "freshsales": { "timeouts": { "idle": "200ms" } } } });
    let agent = agent(&origin, idle).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/live", "still", ASKS)).await;
    caller.head().await;
    assert_eq!(caller.rest().await, "");
    assert_fields(&record(&agent, "still").await, json!({ "status_code": 101, "error_kind": "idle_timeout" }));
}

#[tokio::test]
async fn a_drain_leaves_it_the_grace_time_and_records_it() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(SWITCHES).await;
        wire.rest().await;
    })
    .await;
    let agent = agent(&origin, json!({ "proxy": { "drain": "1s" } })).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/live", "drained", ASKS)).await;
    caller.head().await;
    caller.send("12345").await;
    eventually("the bytes", DEADLINE, || async {
        (metric(&agent, "vigie_upgraded_bytes_total", &["to_upstream"]).await == 5.0).then_some(())
    })
    .await;
    let (home, log) = (agent.home(), agent.log_file());
    assert!(agent.stop().await.success());
    let told = std::fs::read_to_string(log).expect("the exchange log");
    let record: Value = serde_json::from_str(told.trim()).expect("one record");
    assert_fields(&record, json!({ "correlation_id": "drained", "status_code": 101, "payload_size_bytes": 5 }));
    drop(home);
}

#[tokio::test]
async fn a_caller_that_leaves_ends_it() {
    let origin = Scripted::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(SWITCHES).await;
        wire.rest().await;
    })
    .await;
    let agent = agent(&origin, json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/live", "left", ASKS)).await;
    caller.head().await;
    caller.reset();
    assert_fields(&record(&agent, "left").await, json!({ "status_code": 101, "client_closed": true }));
    super::support::all_closed(origin.url()).await;
}

#[tokio::test]
async fn http2_knows_no_switch() {
    let origin = Scripted::start(|_, _| async {}).await;
    let listeners = json!([{ "address": "127.0.0.1:0", "http2_prior_knowledge": true }]);
    let agent = agent(&origin, json!({ "proxy": { "listeners": listeners } })).await;
    let mut frames = Frames::to(agent.proxy_address()).await;
    // Extended CONNECT (RFC 8441 section 4), which the settings do not offer, and CONNECT itself, which is refused as such.
    let extended = request("CONNECT", "/api/live", &[(":protocol", "websocket")]);
    frames.send(HEADERS, END_HEADERS, 1, &extended).await;
    assert_eq!(frames.until(RST_STREAM).await.stream, 1);
    let connect =
        [literal(":method", "CONNECT"), literal(":authority", "vigie.test:443"), literal("x-correlation-id", "tunnel")];
    frames.send(HEADERS, END_HEADERS, 3, &connect.concat()).await;
    assert_eq!(frames.until(HEADERS).await.stream, 3);
    assert_fields(&record(&agent, "tunnel").await, json!({ "status_code": 405, "error_kind": "unsupported_target" }));
    // `Upgrade` has no place in HTTP/2 (RFC 9113 section 8.2.2).
    let upgrade = request("GET", "/api/live", &[("upgrade", "websocket")]);
    frames.send(HEADERS, END_HEADERS | END_STREAM, 5, &upgrade).await;
    while frames.until(RST_STREAM).await.stream != 5 {}
    assert_eq!(origin.connections(), 0);
}
