//! Links in bodies: rewritten where that is asked for and harmless, passed byte for byte everywhere else.

use super::super::support::{Scripted, Wire, fed, head};
use super::*;
use bytes::Bytes;

const JOBS: &str = "/api/contacts/bulk_upsert";

fn job(_: &str) -> &'static str {
    "{\"message\": \"accepted\",\"job_status_url\":\"{here}/crm/sales/api/job_statuses/9?x=1\", \"other\":\"{here}/crm/sales/\"}"
}

fn on() -> Value {
    json!({ "rewrite_links": true })
}

async fn ask(stage: &Stage, base: &str, id: &str, more: &[(&str, &str)]) -> reqwest::Response {
    let client = stage.following().build().expect("a client");
    let mut request = client.post(format!("{base}{JOBS}")).header("x-correlation-id", id).body("{}");
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer")
}

#[tokio::test]
async fn a_jobs_address_leads_to_the_agent_and_arrives() {
    let stage = Stage::set(crm(|_| vec![("etag", "\"v1\""), ("accept-ranges", "bytes")], job).await, on()).await;
    for (n, base) in stage.bases().iter().enumerate() {
        let reply = ask(&stage, base, &format!("job-{n}"), &[("accept-encoding", "gzip, br")]).await;
        let (length, tag) = (reply.content_length(), reply.headers()["etag"].clone());
        assert!(!reply.headers().contains_key("accept-ranges"));
        let text = reply.text().await.expect("a body");
        let (link, here) = (format!("{base}/api/job_statuses/9?x=1"), stage.origin.url());
        let expected =
            format!("{{\"message\": \"accepted\",\"job_status_url\":\"{link}\", \"other\":\"{here}/crm/sales/\"}}");
        assert_eq!(
            (text.as_str(), length, tag.as_bytes()),
            (&*expected, Some(expected.len() as u64), &b"W/\"v1\""[..])
        );
        assert_eq!(stage.origin.seen().pop().expect("a request").headers["accept-encoding"], "identity");

        let client = stage.following().build().expect("a client");
        let status =
            client.get(&link).header("x-correlation-id", format!("status-{n}")).send().await.expect("an answer");
        assert_eq!(status.status(), 200);
        assert_eq!(stage.origin.seen().pop().expect("a request").uri, "/crm/sales/api/job_statuses/9?x=1");
        let followed = record(&stage.agent, &format!("status-{n}")).await;
        assert_eq!(followed["endpoint"], "/api/job_statuses/{id}");
        let asked = record(&stage.agent, &format!("job-{n}")).await;
        assert_eq!((&asked["outcome"], asked.get("bypass_links")), (&json!("ok"), None), "{asked}");
    }
}

#[tokio::test]
async fn what_is_signed_coded_or_partial_passes_untouched() {
    fn say(path: &str) -> Vec<(&'static str, &'static str)> {
        match path.rsplit('/').next() {
            Some("bulk_upsert") => vec![("content-digest", "sha-256=:x:")],
            Some("bulk_destroy") => vec![("content-encoding", "x-own")],
            _ => vec![(":status", "206"), ("content-range", "bytes 0-9/100")],
        }
    }
    let stage = Stage::set(crm(say, job).await, on()).await;
    let base = &stage.bases()[0];
    let expected = job("").replace("{here}", &stage.origin.url());
    for (call, reason) in [("bulk_upsert", "signed"), ("bulk_assign_owner", "partial"), ("bulk_destroy", "unreadable")]
    {
        let request = client().post(format!("{base}/api/contacts/{call}")).header("x-correlation-id", call);
        let reply = request.body("{}").send().await.expect("an answer");
        assert_eq!(reply.text().await.expect("a body"), expected, "{call}");
        let told = record(&stage.agent, call).await;
        let field = if call == "bulk_destroy" { "unknown" } else { "job_status_url" };
        assert_eq!(told["bypass_links"], json!([{ "field": field, "reason": reason }]), "{told}");
    }
}

#[tokio::test]
async fn only_calls_whose_answers_may_hold_links_are_treated() {
    let stage = Stage::set(crm(|_| vec![], job).await, on()).await;
    let reply = client().get(format!("{}/api/contacts/7", stage.bases()[0])).header("accept-encoding", "gzip");
    let text = reply.send().await.expect("an answer").text().await.expect("a body");
    assert_eq!(text, job("").replace("{here}", &stage.origin.url()));
    assert_eq!(stage.origin.seen().pop().expect("a request").headers["accept-encoding"], "gzip");
}

#[tokio::test]
async fn a_large_answer_streams_on() {
    // One that tells its length is not held at all; one that does not, until it is too much.
    let (feed, body) = fed();
    let body = parking_lot::Mutex::new(Some(body));
    let origin = Origin::http(move |request: Request<Body>| {
        let body = body.lock().take();
        async move {
            let asked = request.uri().path().ends_with("bulk_upsert");
            // A server that closes with something unread resets the connection, and what was on its way is lost.
            axum::body::to_bytes(request.into_body(), 1 << 10).await.expect("the request's body");
            match body.filter(|_| asked) {
                Some(body) => answer(200, body),
                None => answer(200, "x".repeat(2 << 20)),
            }
        }
    })
    .await;
    let stage = Stage::set(origin, on()).await;
    let base = stage.bases()[0].clone();
    let begin = format!("{{\"job_status_url\":\"{}/crm/sales/api/job_statuses/1\",\"rest\":\"", stage.origin.url());
    let feeding = tokio::spawn(async move {
        feed.send(Bytes::from(begin)).await.expect("a reader");
        for _ in 0..24 {
            feed.send(Bytes::from("x".repeat(64 << 10))).await.expect("a reader");
        }
        // The caller has the beginning before the end is there.
        feed
    });
    let mut reply = ask(&stage, &base, "large", &[]).await;
    let first = reply.chunk().await.expect("an answer").expect("a piece");
    assert!(first.starts_with(b"{\"job_status_url\":\"http"), "{first:?}");
    let feed = feeding.await.expect("fed");
    feed.send(Bytes::from("\"}")).await.expect("a reader");
    drop(feed);
    let mut bytes = first.len();
    while let Some(piece) = reply.chunk().await.expect("a piece") {
        bytes += piece.len();
    }
    assert!(bytes > 24 * (64 << 10), "{bytes}");
    let told = record(&stage.agent, "large").await;
    assert_eq!(told["bypass_links"], json!([{ "field": "job_status_url", "reason": "too_large" }]), "{told}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_caller_too() {
    let origin = Scripted::start(|mut wire: Wire, _| async move {
        wire.head().await;
        let body = "{\"job_status_url\":\"http://x\"";
        let length = body.len() + 10;
        wire.send(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
    })
    .await;
    let agent = TestAgent::start(origin.url(), json!({ "upstreams": { "freshsales": on() } })).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", JOBS, "broken", "content-length: 0\r\n")).await;
    assert!(caller.head().await.contains("content-length: 38\r\n"));
    assert!(caller.rest().await.ends_with("\"http://x\""));
    let told = record(&agent, "broken").await;
    assert_eq!(told["error_kind"], "upstream_closed", "{told}");
}

#[tokio::test]
async fn a_head_request_is_left_alone() {
    let stage = Stage::set(crm(|_| vec![], job).await, on()).await;
    let url = format!("{}/api/contacts/7", stage.bases()[0]);
    let reply = client().head(url).header("x-correlation-id", "h").send().await.expect("an answer");
    assert_eq!(reply.headers()["content-length"], job("").replace("{here}", &stage.origin.url()).len().to_string());
    assert_eq!(record(&stage.agent, "h").await["outcome"], "ok");
}

#[tokio::test]
async fn a_reload_switches_it() {
    let stage = Stage::set(crm(|_| vec![], job).await, json!({})).await;
    let base = stage.bases()[0].clone();
    assert!(ask(&stage, &base, "off", &[]).await.text().await.expect("a body").contains(&stage.origin.url()));
    stage.agent.reconfigure(json!({ "upstreams": { "freshsales": on() } }));
    crate::support::eventually("the new configuration", DEADLINE, || async {
        let text = ask(&stage, &base, "on", &[]).await.text().await.expect("a body");
        text.contains(&format!("{base}/api/job_statuses/9")).then_some(())
    })
    .await;
}
