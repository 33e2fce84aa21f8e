//! A real Prometheus scrapes the agent, and promtool finds nothing to complain of.

use crate::support::peers::{Prometheus, promtool_check_metrics};
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use serde_json::{Value, json};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn prometheus_counts_what_was_called() {
    let origin = Origin::json(200, r#"{"contact":{"id":1}}"#).await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let prometheus = Prometheus::scraping(agent.admin_address()).await;
    call(&agent, "/api/contacts/70042006456", 3).await;

    let expression = "sum by (route, status_code) (vigie_attempts_total{integration=\"erp\"}) == 3";
    let samples = prometheus.eventually(expression).await;
    let labels = json!({ "route": "/api/contacts/{id}", "status_code": "200" });
    assert_eq!(samples[0]["metric"], labels);
    // The outcome is known once the recorder has read the answer.
    prometheus.eventually("sum(vigie_requests_total{outcome=\"ok\"}) == 3").await;
    let target = prometheus.target().await;
    assert_eq!((&target["health"], &target["lastError"]), (&json!("up"), &json!("")));
}

#[tokio::test]
async fn exemplars_lead_to_the_trace() {
    let origin = Origin::json(200, "[]").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    call(&agent, "/api/contacts/filters", 1).await;
    let prometheus = Prometheus::scraping(agent.admin_address()).await;
    let traced = |found: &Vec<Value>| serde_json::to_string(found).is_ok_and(|text| text.contains(TRACE_ID));
    eventually("an exemplar with the trace id", DEADLINE, || async {
        Some(prometheus.exemplars("vigie_request_duration_seconds_bucket").await).filter(traced)
    })
    .await;
}

#[tokio::test]
async fn promtool_accepts_the_page() {
    let origin = Origin::json(500, r#"{"errors":{"code":500,"message":["no"]}}"#).await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    call(&agent, "/api/deals", 2).await;
    let page = agent.admin_text("/metrics").await;
    assert!(page.contains("vigie_attempts_total{"), "{page}");
    promtool_check_metrics(&page).unwrap_or_else(|complaints| panic!("{complaints}"));
}

async fn call(agent: &TestAgent, path: &str, times: usize) {
    let client = client();
    for _ in 0..times {
        let request = client.get(format!("{}{path}", agent.proxy_url())).header("x-integration", "erp");
        let traced = request.header("traceparent", format!("00-{TRACE_ID}-00f067aa0ba902b7-01"));
        traced.send().await.expect("an answer").bytes().await.expect("a body");
    }
}
