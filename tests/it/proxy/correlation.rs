//! One id and one trace for a transaction, from the caller to the CRM and back; and where the time went.

use super::support::record;
use crate::support::origin::Seen;
use crate::support::{Origin, TestAgent, client};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

struct Setting {
    origin: Origin,
    agent: TestAgent,
}

impl Setting {
    async fn new() -> Self {
        let origin = Origin::json(200, "{}").await;
        let agent = TestAgent::start(&origin.url(), json!({ "proxy": { "workers": 1 } })).await;
        Self { origin, agent }
    }

    /// Calls with these headers; what the caller got, what the upstream saw, and the record.
    async fn call(&self, headers: &[(&str, &str)]) -> (HeaderMap, Seen, Value) {
        let mut request = client().get(format!("{}/api/deals/1", self.agent.proxy_url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.send().await.expect("an answer").headers().clone();
        let seen = self.origin.seen().pop().expect("a request");
        let id = reply["x-correlation-id"].to_str().expect("a text").to_owned();
        assert_eq!(seen.headers.get_all("x-correlation-id").iter().collect::<Vec<_>>(), [&id], "sent on as returned");
        let record = record(&self.agent, &id).await;
        (reply, seen, record)
    }
}

fn id(reply: &HeaderMap) -> &str {
    reply["x-correlation-id"].to_str().expect("a text")
}

fn is_uuid_v7(id: &str) -> bool {
    uuid::Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 7)
}

#[tokio::test]
async fn a_harmless_id_is_kept_and_others_are_replaced() {
    let setting = Setting::new().await;
    for kept in ["order-7.a:b_c", "ORDER-1001", &"a.".repeat(64)] {
        let (reply, _, _) = setting.call(&[("x-correlation-id", kept)]).await;
        assert_eq!(id(&reply), kept);
    }
    for replaced in ["jane.doe@example.com", "+33612345678", "0612345678", "a b", "a/b", "", &"ab.".repeat(43)] {
        let (reply, seen, record) = setting.call(&[("x-correlation-id", replaced)]).await;
        assert!(is_uuid_v7(id(&reply)), "{replaced:?} became {:?}", id(&reply));
        let logged = record.to_string();
        assert!(replaced.len() < 4 || !logged.contains(replaced), "{logged}");
        assert!(seen.headers.values().all(|v| replaced.is_empty() || v != replaced), "{:?}", seen.headers);
    }
}

#[tokio::test]
async fn the_callers_trace_is_continued() {
    let setting = Setting::new().await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let (reply, seen, record) = setting.call(&[("traceparent", &parent), ("tracestate", "a=1,b=2")]).await;
    assert_eq!((id(&reply), record["trace_id"].as_str()), (TRACE, Some(TRACE)));
    let sent = seen.headers["traceparent"].to_str().expect("a text");
    assert!(sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-01") && sent.len() == 55, "{sent}");
    assert!(!sent.contains(PARENT), "{sent}");
    assert_eq!(seen.headers["tracestate"], "a=1,b=2");
    // An id of the caller's goes before the trace's.
    let (reply, _, record) = setting.call(&[("traceparent", &parent), ("x-correlation-id", "mine-1")]).await;
    assert_eq!((id(&reply), record["trace_id"].as_str()), ("mine-1", Some(TRACE)));
}

#[tokio::test]
async fn without_a_valid_trace_a_new_one_begins() {
    let setting = Setting::new().await;
    let one = format!("00-{TRACE}-{PARENT}-01");
    for given in [&[][..], &["00-junk-01"], &[&one, &one]] {
        let mut headers = vec![("tracestate", "a=1")];
        headers.extend(given.iter().map(|value| ("traceparent", *value)));
        let (reply, seen, record) = setting.call(&headers).await;
        assert!(is_uuid_v7(id(&reply)), "{reply:?}");
        let sent = seen.headers["traceparent"].to_str().expect("a text");
        assert_eq!(&sent[3..35], record["trace_id"].as_str().expect("a text"));
        assert!(sent.ends_with("-02") && !sent.contains(TRACE), "new, random and not sampled: {sent}");
        // It belongs to the trace that was not understood (W3C Trace Context, section 3.3).
        assert!(!seen.headers.contains_key("tracestate"), "{:?}", seen.headers);
    }
}

#[tokio::test]
async fn a_reply_says_where_the_time_went() {
    let setting = Setting::new().await;
    let names = |reply: &HeaderMap| -> Vec<String> {
        let value = reply["server-timing"].to_str().expect("a text");
        let parts = value.split(", ").map(|part| part.split_once(";dur=").expect("a duration"));
        parts.map(|(name, ms)| (name.to_owned(), ms.parse::<f64>().expect("a number")).0).collect()
    };
    let (first, _, _) = setting.call(&[]).await;
    assert_eq!(names(&first), ["vigie", "dns", "connect", "upstream"]);
    let (second, _, _) = setting.call(&[]).await;
    assert_eq!(names(&second), ["vigie", "upstream"]);
}
