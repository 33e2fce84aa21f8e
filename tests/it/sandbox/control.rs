//! What the sandbox tells about the requests it received.

use super::support::{answer, small, start};
use reqwest::Method;
use serde_json::json;
use vigie::sandbox::DEMO_KEY;

#[tokio::test]
async fn the_echo_shows_what_arrived() {
    let s = start(small()).await;
    let url = format!("http://{}/__sandbox/echo?a=1", s.crm);
    let request = s.client.post(url).header("x-correlation-id", "abc").body("hello");
    let (_, echo) = answer(request).await;
    assert_eq!(
        (&echo["method"], &echo["path"], &echo["query"]),
        (&json!("POST"), &json!("/__sandbox/echo"), &json!("a=1"))
    );
    assert_eq!(
        (&echo["body_bytes"], &echo["body_blake3"]),
        (&json!(5), &json!(blake3::hash(b"hello").to_hex().as_str()))
    );
    assert!(echo["headers"].as_array().expect("headers").contains(&json!(["x-correlation-id", "abc"])));
}

#[tokio::test]
async fn the_last_requests_are_remembered_without_foreign_keys() {
    let s = start(small()).await;
    for (key, trace) in [(DEMO_KEY, "one"), ("somebody-elses-key", "two")] {
        let url = format!("http://{}/api/contacts/70040000001", s.crm);
        let request = s.client.get(url).header("authorization", format!("Token token={key}")).header("x-trace", trace);
        request.send().await.expect("an answer");
    }
    let (_, body) = s.control(Method::GET, "/requests?last=2", None).await;
    let header = |i: usize, name: &str| {
        let headers = body["requests"][i]["headers"].as_array().expect("headers").clone();
        headers.iter().find(|h| h[0] == name).map(|h| h[1].clone()).expect("the header")
    };
    assert_eq!((header(0, "x-trace"), header(1, "x-trace")), (json!("one"), json!("two")));
    assert_eq!(header(0, "authorization"), json!(format!("Token token={DEMO_KEY}")));
    assert_eq!(header(1, "authorization"), json!("***"));
    assert_eq!((&body["requests"][0]["status"], &body["requests"][1]["status"]), (&json!(200), &json!(401)));
    assert!(!body.to_string().contains("somebody-elses-key"));
}

#[tokio::test]
async fn routes_and_records_are_counted() {
    let s = start(small()).await;
    s.get("/contacts/70040000001").await;
    s.get("/contacts/1").await;
    s.get("/contacts/someone@example.com").await;
    s.post("/deals", json!({"name": "x"})).await;
    let stats = s.stats().await;
    assert_eq!(
        stats["routes"],
        json!({"GET /contacts/{id}": {"200": 1, "404": 1}, "GET other": {"404": 1}, "POST /deals": {"201": 1}})
    );
    assert_eq!((&stats["requests"], &stats["records"]["deals"]["created"]), (&json!(4), &json!(1)));
    assert_eq!(stats["quota"]["hour"]["remaining"], 100_000 - 4);
    assert_eq!(s.control(Method::POST, "/reset", None).await.0, 200);
    assert_eq!(s.stats().await["records"]["deals"]["created"], 0);
    assert_eq!(s.stats().await["requests"], 4);
}
