//! Upstreams' answers, byte for byte.

use super::cases::{self, Case};
use crate::support::{DEADLINE, RawAnswer, RawOrigin, TestAgent, eventually};
use serde_json::json;

async fn ask(agent: &TestAgent, case: &Case, id: &str) -> String {
    let method = case.json["method"].as_str().unwrap_or("GET");
    let request = format!(
        "{method} /api/deals/1 HTTP/1.1\r\nhost: vigie.test\r\nx-correlation-id: {id}\r\nconnection: close\r\n\r\n"
    );
    let answer = crate::support::wire::ask(agent.proxy_address(), request.as_bytes()).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn each_is_passed_on_or_refused_as_the_corpus_says() {
    for (index, case) in cases::answers().into_iter().enumerate() {
        let origin = RawOrigin::start(RawAnswer::Close(case.raw.clone())).await;
        let agent = TestAgent::start(&origin.url(), json!({ "proxy": { "workers": 1 } })).await;
        let id = format!("answer.{index}");
        let answer = ask(&agent, &case, &id).await;
        let record = eventually("the record", DEADLINE, || async {
            agent.log_records().into_iter().find(|r| r["correlation_id"] == *id)
        })
        .await;
        let refused = case.json["refused"].as_str();
        // Interim answers pass on their own.
        let answer =
            answer.rsplit_once("\r\n\r\nHTTP/1.1 ").map_or(answer.clone(), |(_, last)| format!("HTTP/1.1 {last}"));
        assert_eq!(record["error_kind"].as_str(), refused, "{}: {answer}", case.name);
        assert!(!answer.contains("poison"), "{}: {answer}", case.name);
        match refused {
            Some(kind) if case.json["late"] != true => {
                assert!(answer.starts_with("HTTP/1.1 502 "), "{}: {answer}", case.name);
                assert!(answer.contains(&format!("x-vigie-error: {kind}\r\n")), "{}: {answer}", case.name);
                assert_eq!(record["outcome"], "network", "{}: {record}", case.name);
            }
            // Its head was good and is with the caller: what follows breaks off, and never looks whole.
            Some(_) => assert!(!answer.ends_with("0\r\n\r\n"), "{}: {answer}", case.name),
            None => assert!(!answer.contains("x-vigie-error"), "{}: {answer}", case.name),
        }
        // A second call must not get what the first one's connection still held.
        if answer.contains("HTTP/1.1 20") && refused.is_none() {
            assert!(!ask(&agent, &case, "second").await.contains("poison"), "{}", case.name);
        }
    }
}
