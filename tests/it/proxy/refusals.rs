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

/// One raw request for `target`; the reply's status and error, if any.
async fn raw(agent: &TestAgent, target: &str) -> (String, String) {
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(super::support::head("GET", target, target.trim_matches('/'), "connection: close\r\n")).await;
    let head = caller.head().await;
    let error = head.lines().find_map(|line| line.strip_prefix("x-vigie-error: ")).unwrap_or_default().to_owned();
    (head[9..12].to_owned(), error)
}

#[tokio::test]
async fn dot_segments_cannot_lead_out_of_a_base_path_or_prefix() {
    let origin = Origin::json(200, "{}").await;
    let based = json!({ "upstreams": { "freshsales": { "url": format!("{}/base", origin.url()) } } });
    let prefixed = json!({ "upstreams": { "freshsales": { "path_prefix": "/fs" } } });
    for (changes, place) in [(based, ""), (prefixed, "/fs")] {
        let agent = TestAgent::start(&origin.url(), changes).await;
        for path in ["/../x", "/a/../../x", "/%2e%2e/x", "/..;/x", "/a%2f..%2f..%2fx", "/.", "/%252e%252e/x"] {
            let refused = raw(&agent, &format!("{place}{path}")).await;
            assert_eq!(refused, ("400".to_owned(), "dot_segments".to_owned()), "{place}{path}");
        }
        let seen = origin.seen().len();
        for path in ["/.well-known/x", "/deals/1.5", "/a%2fb", "/..."] {
            assert_eq!(raw(&agent, &format!("{place}{path}")).await.0, "200", "{place}{path}");
        }
        assert_eq!(origin.seen().len(), seen + 4);
    }
    assert!(origin.seen().iter().all(|seen| !seen.uri.path().contains("..") || seen.uri.path().ends_with("/...")));
}

#[tokio::test]
async fn dot_segments_pass_as_sent_where_nothing_is_put_before_them() {
    let origin = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    for path in ["/a/../b", "/%2e%2e/x", "/./x"] {
        assert_eq!(raw(&agent, path).await.0, "200", "{path}");
        assert_eq!(origin.seen().pop().expect("a request").uri.path(), path);
    }
}
