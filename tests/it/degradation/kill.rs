//! The agent is killed under load, as by a power cut or for its memory.

use super::load::crm_after;
use crate::support::{DEADLINE, TestAgent, client, eventually};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What may be missing after a kill: what was answered this shortly before it.
const LOSS: Duration = Duration::from_secs(1);

/// Calls until told to stop, or nobody answers; gives when each was answered, and its correlation id.
async fn call_on(url: String, worker: usize, stop: Arc<AtomicBool>) -> Vec<(Instant, String)> {
    let (client, mut answered) = (client(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let id = format!("kill-{worker}-{}", answered.len());
        let request = client.get(&url).header("x-correlation-id", &id);
        let Ok(answer) = request.send().await else { break };
        assert_eq!(answer.status(), 200);
        if answer.bytes().await.is_err() {
            break;
        }
        answered.push((Instant::now(), id));
    }
    answered
}

#[tokio::test]
async fn after_a_kill_under_load_a_restart_finds_all_but_the_last_second() {
    // Slow enough for one search to hold everything.
    let crm = crm_after(Duration::from_millis(10)).await;
    let agent = TestAgent::start(&crm.url(), json!({})).await;
    let stop = Arc::new(AtomicBool::new(false));
    let url = format!("{}/api/contacts", agent.proxy_url());
    let calling: Vec<_> = (0..8).map(|worker| tokio::spawn(call_on(url.clone(), worker, Arc::clone(&stop)))).collect();
    let begun = Instant::now();
    eventually("two seconds of load", DEADLINE, || async { (begun.elapsed() > LOSS * 2).then_some(()) }).await;
    let killed = Instant::now();
    let home = agent.kill9();
    stop.store(true, Ordering::Relaxed);
    let mut answered = Vec::new();
    for calls in calling {
        answered.extend(calls.await.expect("a caller"));
    }
    let due: Vec<&str> = answered.iter().filter(|(at, _)| *at + LOSS < killed).map(|(_, id)| id.as_str()).collect();
    assert!(due.len() > 100, "only {} calls before the last second", due.len());

    // A line that the kill cut in two.
    let log = home.path().join("exchanges.log");
    let mut text = std::fs::read(&log).expect("the log");
    text.extend_from_slice(b"{\"timestamp\":\"2025-");
    std::fs::write(&log, &text).expect("the log");

    let agent = TestAgent::start_in(home, &crm.url(), json!({})).await;
    let records = agent.search(&["--last", "10000", "--since", "1h"]);
    assert_found(&records, &due, "history");
    client().get(format!("{}/api/contacts", agent.proxy_url())).send().await.expect("an answer");
    let lines = eventually("a new line", DEADLINE, || async {
        let now = std::fs::read_to_string(&log).expect("the log");
        let added = now.get(text.len()..).filter(|added| added.trim_start().ends_with("}\n"));
        added.is_some().then_some(now)
    })
    .await;
    let added = &lines[text.len()..];
    let new = added.strip_prefix('\n').and_then(|line| serde_json::from_str::<Value>(line).ok());
    assert!(new.is_some(), "the half line is joined with {added:?}");
    let parsed: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines.lines().count(), parsed.len() + 1, "half lines beside the one planted");
    assert_found(&parsed, &due, "log");
    assert_eq!(agent.metric("vigie_requests_total", "").await, 1.0);
}

fn assert_found(records: &[Value], due: &[&str], place: &str) {
    let found: std::collections::HashSet<&str> = records.iter().filter_map(|r| r["correlation_id"].as_str()).collect();
    let missing: Vec<_> = due.iter().filter(|id| !found.contains(*id)).collect();
    assert!(missing.is_empty(), "{} of {} are not in the {place}: {missing:?}", missing.len(), due.len());
}
