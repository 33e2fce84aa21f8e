//! The collector of spans is dead, or takes them and never answers.

use super::load::{calls, crm, median};
use crate::support::{DEADLINE, RawAnswer, RawOrigin, TestAgent, eventually, free_port};
use serde_json::json;
use std::time::Duration;

/// Two spans a call: more than the 8,192 that may wait.
const CALLS: usize = 5_000;

/// What a loaded machine may add to a median of milliseconds.
const NOISE: Duration = Duration::from_millis(20);

async fn traffic_flows_without(endpoint: &str, protocol: &str, result: &str) {
    let crm = crm().await;
    let without = TestAgent::start(&crm.url(), json!({})).await;
    let traces = json!({ "traces": { "endpoint": endpoint, "protocol": protocol, "ratio": 1.0 } });
    let agent = TestAgent::start(&crm.url(), traces).await;
    let path = "/api/contacts/view/1";
    let usual = median(calls(&format!("{}{path}", without.proxy_url()), CALLS / 5, 8).await);
    let times = calls(&format!("{}{path}", agent.proxy_url()), CALLS, 8).await;
    let (now, slowest) = (median(times.clone()), times.iter().max().copied().unwrap_or_default());
    // A queue that waited would show as the ten seconds of the exporter's time-out; the rest is the machine's noise.
    assert!(now < usual * 5 + NOISE && slowest.as_secs() < 5, "usually {usual:?}, now {now:?} and {slowest:?} at most");
    let dropped = async || {
        let spans = agent.metric("vigie_otlp_spans_total", "result=\"dropped\"").await;
        (spans, agent.metric("vigie_recorder_dropped_total", "stage=\"trace\"").await)
    };
    let result = format!("result=\"{result}\"");
    let lost = eventually("lost spans counted", DEADLINE, || async {
        Some(agent.metric("vigie_otlp_spans_total", &result).await).filter(|lost| *lost > 0.0)
    })
    .await;
    assert!(lost <= 2.0 * CALLS as f64, "{lost}");
    assert_eq!(agent.metric("vigie_otlp_spans_total", "result=\"sent\"").await, 0.0);
    let records = eventually("every record", DEADLINE, || async {
        Some(agent.log_records().len()).filter(|records| *records >= CALLS)
    })
    .await;
    eventually("the same loss under both names", DEADLINE, || async {
        let (spans, trace) = dropped().await;
        (spans == trace).then_some(())
    })
    .await;
    assert_eq!(records, CALLS, "the log does not depend on the collector");
    assert!(agent.stop().await.success(), "the end does not wait for the collector");
}

#[tokio::test]
async fn a_dead_collector_costs_counted_spans() {
    traffic_flows_without(&format!("http://127.0.0.1:{}", free_port()), "grpc", "failed").await;
}

#[tokio::test]
async fn a_collector_that_hangs_costs_counted_spans() {
    let stuck = RawOrigin::start(RawAnswer::Hang(Vec::new())).await;
    traffic_flows_without(&stuck.url(), "http", "dropped").await;
}
