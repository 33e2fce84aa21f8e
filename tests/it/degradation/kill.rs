//! The agent is killed under load, as by a power cut or for its memory.

use super::load::crm_after;
use crate::support::{DEADLINE, TestAgent, client, eventually};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What may be missing after a kill: what was answered this shortly before it.
const LOSS: Duration = Duration::from_secs(1);

/// How many calls must have been answered before that.
const DUE: usize = 100;

/// When each call was answered, and its correlation id.
type Answered = Arc<Mutex<Vec<(Instant, String)>>>;

/// Calls until told to stop, or nobody answers.
async fn call_on(url: String, worker: usize, stop: Arc<AtomicBool>, answered: Answered) {
    let client = client();
    for call in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("kill-{worker}-{call}");
        let request = client.get(&url).header("x-correlation-id", &id);
        let Ok(answer) = request.send().await else { return };
        assert_eq!(answer.status(), 200);
        if answer.bytes().await.is_err() {
            return;
        }
        answered.lock().expect("no panic").push((Instant::now(), id));
    }
}

#[tokio::test]
async fn after_a_kill_under_load_a_restart_finds_all_but_the_last_second() {
    // Slow enough for one search to hold everything.
    let crm = crm_after(Duration::from_millis(10)).await;
    let agent = TestAgent::start(&crm.url(), json!({})).await;
    let stop = Arc::new(AtomicBool::new(false));
    let url = format!("{}/api/contacts", agent.proxy_url());
    let answered = Answered::default();
    let call = |worker| tokio::spawn(call_on(url.clone(), worker, Arc::clone(&stop), Arc::clone(&answered)));
    let calling: Vec<_> = (0..8).map(call).collect();
    let due_at = |now: Instant| {
        let answered = answered.lock().expect("no panic");
        answered.iter().filter(|(at, _)| *at + LOSS < now).map(|(_, id)| id.clone()).collect::<Vec<_>>()
    };
    eventually("load for longer than may be lost", DEADLINE, || async {
        (due_at(Instant::now()).len() >= DUE).then_some(())
    })
    .await;
    let killed = Instant::now();
    let home = agent.kill9();
    stop.store(true, Ordering::Relaxed);
    for calls in calling {
        calls.await.expect("a caller");
    }
    let due = due_at(killed);

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

fn assert_found(records: &[Value], due: &[String], place: &str) {
    let found: std::collections::HashSet<&str> = records.iter().filter_map(|r| r["correlation_id"].as_str()).collect();
    let missing: Vec<_> = due.iter().filter(|id| !found.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "{} of {} are not in the {place}: {missing:?}", missing.len(), due.len());
}
