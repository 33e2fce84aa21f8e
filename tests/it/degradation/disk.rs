//! The disk is full, or what is on it is in the way.

use super::load::{calls, crm};
use crate::support::{DEADLINE, Origin, TestAgent, eventually, origin};
use serde_json::json;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const CALLS: usize = 200;

/// Calls until every one of `total` is accounted for by a metric.
async fn until(agent: &TestAgent, what: &str, name: &str, labels: &str, total: usize) {
    eventually(what, DEADLINE, || async { (agent.metric(name, labels).await == total as f64).then_some(()) }).await;
}

#[tokio::test]
async fn a_log_on_a_full_disk_costs_counted_lines() {
    let crm = crm().await;
    let log = json!({ "log": { "stdout": false, "file": { "path": "/dev/full" } } });
    let agent = TestAgent::start(&crm.url(), log).await;
    calls(&format!("{}/api/contacts", agent.proxy_url()), CALLS, 8).await;
    until(&agent, "dropped lines", "vigie_recorder_dropped_total", "stage=\"log\"", CALLS).await;
    assert!(agent.metric("vigie_log_write_errors_total", "sink=\"file\"").await >= 1.0);
    assert_eq!(agent.metric("vigie_log_lines_total", "").await, 0.0);
    eventually("the history, which has room", DEADLINE, || async {
        (agent.search(&["--last", "1000"]).len() == CALLS).then_some(())
    })
    .await;
    assert_eq!(agent.output().matches("exchange log cannot be written").count(), 1, "said once");
    assert!(agent.stop().await.success());
}

/// Every file of the agent may grow to so many bytes and no further: what a full disk does to writes, for anybody.
fn allow_file_size(agent: &TestAgent, soft: u64) {
    let process = i32::try_from(agent.id()).expect("a process id");
    rlimit::prlimit(process, rlimit::Resource::FSIZE, Some((soft, rlimit::INFINITY)), None)
        .expect("a limit on a child");
}

#[tokio::test]
async fn a_full_disk_costs_counted_records_and_writing_resumes_when_there_is_room() {
    let crm = crm().await;
    let agent = TestAgent::start(&crm.url(), json!({ "log": { "stdout": false } })).await;
    let url = format!("{}/api/contacts", agent.proxy_url());
    calls(&url, CALLS, 8).await;
    until(&agent, "the first lines", "vigie_log_lines_total", "sink=\"file\"", CALLS).await;
    eventually("the first rows", DEADLINE, || async {
        (agent.search(&["--last", "1000"]).len() == CALLS).then_some(())
    })
    .await;

    allow_file_size(&agent, 1_000);
    calls(&url, CALLS, 8).await;
    until(&agent, "dropped lines", "vigie_recorder_dropped_total", "stage=\"log\"", CALLS).await;
    until(&agent, "dropped rows", "vigie_recorder_dropped_total", "stage=\"history\"", CALLS).await;
    assert_eq!(agent.admin_text("/ready").await, "ready\n");
    assert_eq!(agent.admin_text("/live").await, "live\n");

    allow_file_size(&agent, rlimit::INFINITY);
    // The history is left alone for a second after a failure.
    eventually("rows written again", DEADLINE, || async {
        calls(&url, 1, 1).await;
        (agent.search(&["--last", "1000"]).len() > CALLS).then_some(())
    })
    .await;
    // Every line is whole: `log_records` parses them all.
    eventually("lines written again", DEADLINE, || async { (agent.log_records().len() > CALLS).then_some(()) }).await;
    assert!(agent.stop().await.success());
}

#[tokio::test]
async fn a_history_whose_place_is_taken_costs_counted_rows_and_resumes() {
    let crm = crm().await;
    let agent = TestAgent::start(&crm.url(), json!({})).await;
    let url = format!("{}/api/contacts", agent.proxy_url());
    let (place, aside) = (agent.data_dir().join("history"), agent.data_dir().join("aside"));
    std::fs::rename(&place, &aside).expect("the history moves");
    std::fs::write(&place, "in the way").expect("a file in its place");
    // The writer notices when it needs a new file; traffic and log flow either way.
    calls(&url, CALLS, 8).await;
    eventually("every line", DEADLINE, || async { (agent.log_records().len() == CALLS).then_some(()) }).await;
    assert_eq!(agent.admin_text("/ready").await, "ready\n");
    std::fs::remove_file(&place).expect("the file goes");
    std::fs::rename(&aside, &place).expect("the history comes back");
    let total = AtomicUsize::new(CALLS);
    // The history is left alone for a second after a failure.
    eventually("rows written again", DEADLINE, || async {
        calls(&url, 1, 1).await;
        total.fetch_add(1, Ordering::Relaxed);
        (!agent.search(&["--last", "1000"]).is_empty()).then_some(())
    })
    .await;
    eventually("each call stored, or counted as lost", DEADLINE, || async {
        let stored = agent.search(&["--last", "1000"]).len();
        let lost = agent.metric("vigie_recorder_dropped_total", "stage=\"history\"").await as usize;
        (stored + lost == total.load(Ordering::Relaxed)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_history_that_is_full_lets_its_oldest_records_go_and_counts_them() {
    // About 8 KiB a record that no compression makes smaller, so that the smallest history is full after some two
    // thousand: every id is another one, and so is its token.
    let call = AtomicU64::new(1);
    let crm = Origin::http(move |_| {
        let first = call.fetch_add(1, Ordering::Relaxed) * 1_000;
        let ids: Vec<_> = (first..first + 400).map(|id| json!({ "id": id, "deal_id": id })).collect();
        async move { origin::json(200, json!({ "contacts": ids }).to_string()) }
    })
    .await;
    let changes =
        json!({ "history": { "max_size": "16MiB" }, "recorder": { "capture": "all" }, "log": { "stdout": false } });
    let agent = TestAgent::start(&crm.url(), changes).await;
    let url = format!("{}/api/contacts", agent.proxy_url());
    // Each wait is for a batch of calls, so that a slow machine takes longer and does not fail.
    let mut sent = 0;
    while agent.metric("vigie_history_evicted_total", "").await == 0.0 {
        assert!(sent < 10_000, "nothing went early after {sent} calls");
        calls(&url, CALLS, 8).await;
        sent += CALLS;
        until(&agent, "a batch recorded", "vigie_requests_total", "", sent).await;
    }
    // Beside the bound: what is written at once.
    let held = agent.metric("vigie_history_bytes", "").await / f64::from(1 << 20);
    assert!((8.0..20.0).contains(&held), "{held} MiB");
    assert_eq!(agent.metric("vigie_recorder_dropped_total", "stage=\"history\"").await, 0.0, "the newest are kept");
    assert_eq!(agent.output().matches("oldest records go before").count(), 1, "said once");
    assert_eq!(agent.search(&["--last", "100"]).len(), 100);
    assert_eq!(agent.admin_text("/ready").await, "ready\n");
}

#[tokio::test]
async fn a_history_that_is_broken_at_the_start_stops_no_call() {
    let crm = crm().await;
    let home = std::sync::Arc::new(tempfile::tempdir().expect("a temporary directory"));
    // A file stands where the directory should be.
    std::fs::create_dir_all(home.path().join("data")).expect("a directory");
    let agent = TestAgent::start_in(home, &crm.url(), json!({})).await;
    let history = agent.data_dir().join("history");
    let (home, broken) = (agent.kill9(), history);
    std::fs::remove_dir_all(&broken).expect("the history's directory");
    std::fs::write(&broken, "in the way").expect("a file");

    let agent = TestAgent::start_in(home, &crm.url(), json!({})).await;
    calls(&format!("{}/api/contacts", agent.proxy_url()), 20, 4).await;
    until(&agent, "dropped rows", "vigie_recorder_dropped_total", "stage=\"history\"", 20).await;
    assert_eq!(agent.admin_text("/ready").await, "ready\n");
    std::fs::remove_file(&broken).expect("the file");
    eventually("rows written again", DEADLINE, || async {
        calls(&format!("{}/api/contacts", agent.proxy_url()), 1, 1).await;
        (agent.metric("vigie_history_bytes", "").await > 0.0).then_some(())
    })
    .await;
    assert!(!agent.search(&["--last", "10"]).is_empty());
}
