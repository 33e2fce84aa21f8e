//! Callers' requests, byte for byte.

use super::cases::{self, Case};
use crate::support::{DEADLINE, Origin, TestAgent, eventually};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a case and reads until the agent closes. Callers of good requests say that nothing follows by closing their side.
async fn send(agent: &TestAgent, case: &Case) -> String {
    let mut stream = TcpStream::connect(agent.proxy_address()).await.expect("a listener");
    // It may be refused before all of it was taken.
    let _ = stream.write_all(&case.raw).await;
    let wanted = case.json["reaches"].as_u64().unwrap_or(0) as usize;
    let mut answer = Vec::new();
    let read = async {
        loop {
            let heads = memchr::memmem::find_iter(&answer, b" 200 OK\r\n").count();
            let done = !is_refused(case) && heads == wanted && answer.ends_with(b"{}");
            if done || stream.read_buf(&mut answer).await.is_ok_and(|n| n == 0) {
                return;
            }
        }
    };
    let read = tokio::time::timeout(DEADLINE, read).await;
    assert!(read.is_ok(), "{}: no end of {}", case.name, String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

fn is_refused(case: &Case) -> bool {
    told(case).is_some()
}

fn told(case: &Case) -> Option<&Value> {
    [&case.json["refused"], &case.json["then"]].into_iter().find(|told| told.is_object())
}

fn assert_refusal(case: &Case, answer: &str, told: &Value) {
    let name = &case.name;
    let start = answer.rfind(&format!("HTTP/1.1 {} ", told["status"])).unwrap_or_else(|| panic!("{name}: no answer"));
    let (head, body) = answer[start..].split_once("\r\n\r\n").unwrap_or_else(|| panic!("{name}: {answer}"));
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with(&format!("http/1.1 {} ", told["status"])), "{name}: {head}");
    let kind = told["kind"].as_str().expect("a kind");
    for line in [&format!("x-vigie-error: {kind}"), "content-type: application/problem+json", "connection: close"] {
        assert!(head.contains(&format!("\r\n{line}")), "{name}: no {line} in {head}");
    }
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{name}: {e}: {body}"));
    assert_eq!(problem["type"], format!("urn:vigie:error:{kind}"), "{name}");
}

/// What the origin saw since it was last asked.
fn news(origin: &Origin, seen: &mut usize) -> usize {
    let all = origin.seen().len();
    all - std::mem::replace(seen, all)
}

#[tokio::test]
async fn each_is_forwarded_or_refused_as_the_corpus_says() {
    let origin = Origin::http(|request| async move {
        // Uploads that break end with an error here.
        let _ = axum::body::to_bytes(request.into_body(), 1 << 20).await;
        crate::support::origin::json(200, "{}")
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let (mut kinds, mut seen) = (BTreeMap::<String, usize>::new(), 0);
    // A body that breaks while it is streamed reaches the upstream in part, and perhaps only after the refusal: last.
    let (broken, others): (Vec<_>, Vec<_>) = cases::requests().into_iter().partition(|c| c.name.starts_with("chunk: "));
    for case in others.into_iter().chain(broken) {
        let answer = send(&agent, &case).await;
        let reached = news(&origin, &mut seen);
        let in_body = case.name.starts_with("chunk: ");
        if let Some(told) = told(&case) {
            assert_refusal(&case, &answer, told);
            *kinds.entry(told["kind"].as_str().expect("a kind").to_owned()).or_default() += 1;
        }
        let wanted = case.json["reaches"].as_u64().unwrap_or(0) as usize;
        assert!(reached == wanted || in_body, "{}: {reached} reached it", case.name);
        assert_eq!(answer.matches(" 200 OK\r\n").count(), wanted, "{}: {answer}", case.name);
    }
    for request in origin.seen() {
        for gone in ["upgrade", "http2-settings"] {
            assert!(!request.headers.contains_key(gone), "{gone} was forwarded: {request:?}");
        }
    }
    counted_and_recorded(&agent, &kinds).await;
}

async fn counted_and_recorded(agent: &TestAgent, kinds: &BTreeMap<String, usize>) {
    for (kind, count) in kinds {
        eventually(&format!("{count} of {kind} counted"), DEADLINE, || async {
            let counted = agent.metric("vigie_agent_errors_total", &format!("kind=\"{kind}\"")).await;
            (counted == *count as f64).then_some(())
        })
        .await;
        eventually(&format!("{count} of {kind} recorded"), DEADLINE, || async {
            let records = agent.log_records();
            (records.iter().filter(|r| r["error_kind"] == *kind).count() == *count).then_some(())
        })
        .await;
    }
    let log = std::fs::read_to_string(agent.log_file()).expect("a log");
    for raw in ["smuggled", "SSH-", "X-A", "top", "vigie.test"] {
        assert!(!log.contains(raw), "{raw} in the log");
    }
}

#[tokio::test]
async fn a_refusal_tells_its_rule_and_keeps_the_callers_id() {
    let origin = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let request = "PUT /api/deals/1 HTTP/1.1\r\nhost: h\r\nx-correlation-id: order.7\r\ncontent-length: 2\r\n\
        transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let answer = crate::support::wire::ask(agent.proxy_address(), request.as_bytes()).await;
    let answer = String::from_utf8_lossy(&answer);
    for part in
        ["x-correlation-id: order.7\r\n", "has both Content-Length and Transfer-Encoding (RFC 9112 section 6.3)"]
    {
        assert!(answer.contains(part), "no {part} in {answer}");
    }
    let record = eventually("the record", DEADLINE, || async {
        agent.log_records().into_iter().find(|r| r["correlation_id"] == "order.7")
    })
    .await;
    let expected = json!({ "method": "PUT", "endpoint": "none", "status_code": 400, "outcome": "agent_error" });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&record[field], value, "{field} of {record}");
    }
}

#[tokio::test]
async fn what_comes_behind_a_refused_head_is_never_read() {
    let origin = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let request = "GET /api/a HTTP/1.1\r\nhost: h\r\n\r\nGET /api/b HTTP/1.1\r\nhost : h\r\n\r\nGET /api/c HTTP/1.1\r\nhost: h\r\n\r\n";
    let answer = crate::support::wire::ask(agent.proxy_address(), request.as_bytes()).await;
    let answer = String::from_utf8_lossy(&answer);
    assert_eq!((answer.matches("HTTP/1.1 200").count(), answer.matches("HTTP/1.1 400").count()), (1, 1), "{answer}");
    let seen: Vec<_> = origin.seen().iter().map(|seen| seen.uri.path().to_owned()).collect();
    assert_eq!(seen, ["/api/a"]);
}
