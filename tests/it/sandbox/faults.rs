//! Faults on demand and by schedule.

use super::support::{Running, small, start};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vigie::clock::Clock;
use vigie::sandbox::{Config, FaultKind, FaultSpec, Scheduled};

async fn owners(s: &Running) -> reqwest::Result<reqwest::Response> {
    s.call(Method::GET, "/selector/owners").send().await
}

#[tokio::test]
async fn statuses_come_as_often_as_asked_and_stop_when_deleted() {
    let s = start(small()).await;
    let id = s.fault(json!({"kind": "status", "every_nth": 2, "params": {"status": 502}})).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(owners(&s).await.expect("an answer").status().as_u16());
    }
    assert_eq!(statuses, [200, 502, 200, 502]);
    assert_eq!(s.control(Method::DELETE, &format!("/faults/{id}"), None).await.0, 200);
    assert_eq!(owners(&s).await.expect("an answer").status(), 200);
    assert_eq!(s.control(Method::DELETE, &format!("/faults/{id}"), None).await.0, 404);
    assert_eq!(s.stats().await["faults"], json!({"status": 2}));
}

#[tokio::test]
async fn answers_are_replaced_before_anything_is_stored() {
    let s = start(small()).await;
    for (kind, status, part) in [
        ("status", 503, "temporarily unavailable"),
        ("rate_limit", 429, "Too many requests"),
        ("unauthorized", 401, "Login failed"),
        ("hidden_429", 400, "response_code :: 429"),
        ("hidden_error", 200, "\"success\":false"),
        ("html", 200, "<html>"),
    ] {
        s.fault(json!({"kind": kind, "count": 1, "match": {"method": "POST", "path_prefix": "/deals"}})).await;
        let request = s.call(Method::POST, "/deals").json(&json!({"name": "never stored"}));
        let response = request.send().await.expect("an answer");
        let content_type = response.headers()["content-type"].to_str().expect("text").to_owned();
        assert_eq!(content_type.starts_with("text/html"), kind == "html");
        assert_eq!(response.status(), status, "{kind}");
        assert!(response.text().await.expect("a body").contains(part), "{kind}");
    }
    let stats = s.stats().await;
    assert_eq!(stats["records"]["deals"]["created"], 0);
    assert_eq!(stats["faults"].as_object().map(|f| f.len()), Some(6));
    // Faults with a count are used up.
    assert_eq!(s.post("/deals", json!({"name": "stored"})).await.0, 201);
}

#[tokio::test]
async fn links_and_cookies_of_the_vendor_come_on_demand() {
    let s = start(small()).await;
    s.fault(json!({"kind": "redirect", "count": 1})).await;
    let reply = owners(&s).await.expect("an answer");
    // The client has followed it.
    assert_eq!((reply.status().as_u16(), reply.url().path()), (200, "/api/selector/owners"));
    s.fault(json!({"kind": "edge_headers", "count": 1})).await;
    let reply = owners(&s).await.expect("an answer");
    assert_eq!(reply.status(), 200);
    assert!(reply.headers()["set-cookie"].to_str().expect("text").contains("Domain=.myfreshworks.com"));
    assert!(reply.headers().contains_key("alt-svc"));
    assert!(!owners(&s).await.expect("an answer").headers().contains_key("alt-svc"));
}

#[tokio::test]
async fn a_timeout_lasts_until_the_caller_leaves() {
    let s = start(small()).await;
    s.fault(json!({"kind": "timeout", "count": 1})).await;
    let request = s.call(Method::GET, "/selector/owners").timeout(Duration::from_millis(300));
    assert!(request.send().await.expect_err("no answer").is_timeout());
    assert_eq!(s.stats().await["routes"]["GET /selector/owners"], json!({"never answered": 1}));
    assert_eq!(owners(&s).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let s = start(small()).await;
    s.fault(json!({"kind": "reset", "count": 1})).await;
    let mut stream = tokio::net::TcpStream::connect(s.crm).await.expect("a connection");
    stream.write_all(b"GET /api/deals/1 HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let error = stream.read(&mut [0; 64]).await.expect_err("no answer");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(owners(&s).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_truncated_body_breaks_off() {
    let s = start(small()).await;
    s.fault(json!({"kind": "truncated", "count": 1, "params": {"bytes": 10}})).await;
    let mut response = owners(&s).await.expect("a head");
    assert_eq!(response.status(), 200);
    assert!(response.content_length().expect("a length") > 100);
    let first = response.chunk().await.expect("some bytes").expect("some bytes");
    assert_eq!(first.len(), 10);
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn latency_holds_the_answer_back() {
    let s = start(small()).await;
    s.fault(json!({"kind": "latency", "params": {"ms": 250, "jitter_ms": 50}})).await;
    let begun = Instant::now();
    assert_eq!(owners(&s).await.expect("an answer").status(), 200);
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_field_disappears_from_every_record() {
    let s = start(small()).await;
    let path = "/contacts/view/70010000100?per_page=5";
    let has = |body: &Value| {
        body["contacts"].as_array().expect("contacts").iter().filter(|c| c.get("email").is_some()).count()
    };
    assert_eq!(has(&s.get(path).await.1), 5);
    s.fault(json!({"kind": "field_removed", "params": {"field": "email"}})).await;
    let (status, body) = s.get(path).await;
    assert_eq!((status.as_u16(), has(&body)), (200, 0));
    assert!(body["contacts"][0].get("last_name").is_some());
}

#[tokio::test]
async fn a_duplicate_is_stored_twice() {
    let s = start(small()).await;
    s.fault(json!({"kind": "duplicate", "match": {"method": "POST"}})).await;
    assert_eq!(s.post("/contacts", json!({"email": "two@example.com"})).await.0, 201);
    let (_, found) = s.get("/lookup?q=two%40example.com&f=email&entities=contact").await;
    assert_eq!(found["contacts"]["contacts"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn stale_reads_show_old_values_and_stale_writes_carry_old_times() {
    let s = start(small()).await;
    let time = |body: &Value| {
        body["contact"]["updated_at"].as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok()).expect("a time")
    };
    let (_, before) = s.get("/contacts/70040000003").await;
    s.put("/contacts/70040000003", json!({"city": "Elsewhere"})).await;
    let id = s.fault(json!({"kind": "stale", "params": {"age_s": 3600}, "match": {"method": "GET"}})).await;
    let (_, old) = s.get("/contacts/70040000003").await;
    assert_eq!(old["contact"]["city"], before["contact"]["city"]);
    assert_eq!(time(&before).as_second() - time(&old).as_second(), 3600);
    s.control(Method::DELETE, &format!("/faults/{id}"), None).await;

    s.fault(json!({"kind": "stale", "params": {"age_s": 3600}, "match": {"method": "POST"}})).await;
    let (_, created) = s.post("/contacts", json!({"last_name": "Late"})).await;
    let age = jiff::Timestamp::now().as_second() - time(&created).as_second();
    assert!((3600..3660).contains(&age), "{age}");
}

#[tokio::test]
async fn a_schedule_follows_the_clock() {
    let clock = Clock::manual(Duration::from_secs(1_764_000_000));
    let fault = FaultSpec::new(FaultKind::Status);
    let schedule = vec![Scheduled { after_s: 60, for_s: 30, fault }];
    let s = start(Config { schedule, clock: clock.clone(), ..small() }).await;
    let mut statuses = Vec::new();
    for step in [0, 60, 29, 1] {
        clock.advance(Duration::from_secs(step));
        statuses.push(owners(&s).await.expect("an answer").status().as_u16());
    }
    assert_eq!(statuses, [200, 503, 503, 200]);
}

#[tokio::test]
async fn chance_repeats_with_the_seed() {
    let run = async || {
        let s = start(small()).await;
        s.fault(json!({"kind": "status", "probability": 0.5})).await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(owners(&s).await.expect("an answer").status().as_u16());
        }
        statuses
    };
    let first = run().await;
    assert_eq!(first, run().await);
    assert!(first.contains(&200) && first.contains(&503));
}

#[tokio::test]
async fn faults_that_cannot_be_meant_are_refused() {
    let s = start(small()).await;
    for fault in [
        json!({"kind": "explosion"}),
        json!({"kind": "status", "probability": 2}),
        json!({"kind": "status", "probabilty": 0.5}),
        json!({"kind": "field_removed"}),
        json!({}),
    ] {
        assert_eq!(s.control(Method::POST, "/faults", Some(fault.clone())).await.0, 400, "{fault}");
    }
    let (_, list) = s.control(Method::GET, "/faults", None).await;
    assert_eq!(list, json!({"faults": []}));
}
