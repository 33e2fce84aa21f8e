//! Requests that a reverse proxy must not forward get an answer that says whose it is, and a record.

use super::support::{Wire, metric};
use crate::support::{DEADLINE, Origin, TestAgent, eventually};
use serde_json::{Value, json};

const REFUSED: [(&str, &str, u16); 6] = [
    ("CONNECT crm.example:443 HTTP/1.1\r\nhost: crm.example:443\r\n", "unsupported_target", 405),
    ("OPTIONS * HTTP/1.1\r\nhost: h\r\n", "unsupported_target", 405),
    ("GET /api/deals HTTP/1.1\r\n", "bad_host", 400),
    ("GET /api/deals HTTP/1.1\r\nhost: a\r\nhost: a\r\n", "bad_host", 400),
    ("GET /api/deals HTTP/1.1\r\nhost: a@b\r\n", "bad_host", 400),
    ("GET http://other.example/api/deals HTTP/1.1\r\nhost: h\r\n", "bad_host", 400),
];

#[tokio::test]
async fn what_is_not_served_is_refused_and_recorded() {
    let origin = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    for (index, (request, kind, status)) in REFUSED.into_iter().enumerate() {
        let mut caller = Wire::to(&agent.proxy_url()).await;
        let id = format!("refused.{index}");
        caller.send(format!("{request}x-correlation-id: {id}\r\nconnection: close\r\n\r\n")).await;
        let head = caller.head().await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{request}: {head}");
        for line in ["content-type: application/problem+json", &format!("x-vigie-error: {kind}")] {
            assert!(head.contains(&format!("{line}\r\n")), "{request}: {head}");
        }
        assert!(head.contains(&format!("x-correlation-id: {id}\r\n")), "{head}");
        let problem: Value = serde_json::from_str(&caller.rest().await).expect("a problem document");
        assert_eq!((&problem["status"], &problem["type"]), (&json!(status), &json!(format!("urn:vigie:error:{kind}"))));
        let record = super::support::record(&agent, &id).await;
        let expected = json!({ "outcome": "agent_error", "error_kind": kind, "status_code": status, "attempts": 0 });
        super::support::assert_fields(&record, expected);
    }
    assert!(origin.seen().is_empty(), "{:?}", origin.seen());
    eventually("every refusal in the metrics", DEADLINE, || async {
        let refused = metric(&agent, "vigie_requests_total", &["outcome=\"agent_error\""]).await;
        (refused == REFUSED.len() as f64).then_some(())
    })
    .await;
    assert_eq!(metric(&agent, "vigie_attempts_total", &[]).await, 0.0);
}

#[tokio::test]
async fn a_path_of_no_upstream_is_told() {
    let origin = Origin::json(200, "{}").await;
    let changes = json!({ "upstreams": { "freshsales": { "path_prefix": "/fs" } } });
    let agent = TestAgent::start(&origin.url(), changes).await;
    let answer = crate::support::client().get(format!("{}/other", agent.proxy_url())).send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-vigie-error"]),
        (404, &"no_upstream".parse().expect("ok"))
    );
    let answer = crate::support::client().get(format!("{}/fs/api/deals", agent.proxy_url())).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
    assert_eq!(origin.seen()[0].uri.path(), "/api/deals");
}

#[tokio::test]
async fn a_malformed_upload_is_the_callers_fault() {
    let origin = Origin::http(|request| async move {
        // Ends with an error, as the upload does.
        let _ = axum::body::to_bytes(request.into_body(), 1000).await;
        crate::support::origin::json(200, "{}")
    })
    .await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(super::support::head("POST", "/api/deals", "bad-chunk", "transfer-encoding: chunked\r\n")).await;
    caller.send("2\r\n{}\r\nzz\r\n").await;
    let reply = caller.rest().await;
    assert!(reply.contains("x-vigie-error: bad_request\r\n"), "{reply}");
    let record = super::support::record(&agent, "bad-chunk").await;
    super::support::assert_fields(
        &record,
        json!({ "outcome": "agent_error", "error_kind": "bad_request", "status_code": 400 }),
    );
}
