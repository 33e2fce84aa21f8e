//! Four HTTP clients nobody here wrote drive the Freshsales flow through the agent, to the sandbox CRM.
//!
//! The scripts assert what the caller sees; here is asserted what Vigie wrote about it, and what it must not have written.

use crate::support::{DEADLINE, TestAgent, TestSandbox, eventually, peers, sandbox};
use serde_json::{Value, json};
use std::path::Path;

/// What the log must say of each step: method, route, outcome.
const STEPS: [(&str, &str, &str, &str); 10] = [
    ("upsert", "POST", "/api/contacts/upsert", "ok"),
    ("upsert-again", "POST", "/api/contacts/upsert", "ok"),
    ("deal", "POST", "/api/deals", "ok"),
    ("deal-update", "PUT", "/api/deals/{id}", "ok"),
    ("task", "POST", "/api/tasks", "ok"),
    ("filters", "GET", "/api/contacts/filters", "ok"),
    ("page-1", "GET", "/api/contacts/view/{view_id}", "ok"),
    ("page-2", "GET", "/api/contacts/view/{view_id}", "ok"),
    ("search", "GET", "/api/search", "ok"),
    ("missing", "GET", "/api/contacts/{id}", "client_error"),
];

#[tokio::test]
async fn python_requests() {
    drive("VIGIE_TEST_PYTHON", "with_requests.py", "/crm/sales").await;
}

#[tokio::test]
async fn python_httpx() {
    drive("VIGIE_TEST_PYTHON", "with_httpx.py", "").await;
}

#[tokio::test]
async fn node_fetch() {
    drive("VIGIE_TEST_NODE", "with_fetch.mjs", "/crm/sales").await;
}

#[tokio::test]
async fn curl() {
    // The script finds curl in the same variable.
    peers::program("VIGIE_TEST_CURL");
    drive("VIGIE_TEST_BASH", "with_curl", "").await;
}

/// Runs a script against an agent of its own, and holds the agent's records against the script's summary.
async fn drive(interpreter: &str, script: &str, base_path: &str) {
    let sandbox = TestSandbox::start().await;
    let agent = TestAgent::start(&sandbox.crm_url(), json!({})).await;
    let prefix = format!("flow-{}", script.replace(['.', '_'], "-"));
    let base = format!("{}{base_path}", agent.proxy_url());
    let printed = peers::script(interpreter, script, &[&base, sandbox::KEY, &prefix]).await;
    let summary = peers::told(&printed);

    let records = records_of(&agent, &prefix).await;
    for (step, told) in STEPS.iter().zip(summary["steps"].as_array().expect("steps")) {
        assert_record(step, told, &records);
    }
    assert_history(&agent, &format!("{prefix}-deal")).await;
    assert_nothing_planted(&agent, &summary["planted"]).await;
}

/// The log's records of one run, once all are there.
async fn records_of(agent: &TestAgent, prefix: &str) -> Vec<Value> {
    let ours = |record: &Value| record["correlation_id"].as_str().is_some_and(|id| id.starts_with(prefix));
    eventually("a record of every step", DEADLINE, || async {
        let records: Vec<Value> = agent.log_records().into_iter().filter(|record| ours(record)).collect();
        (records.len() >= STEPS.len()).then_some(records)
    })
    .await
}

fn assert_record(step: &(&str, &str, &str, &str), told: &Value, records: &[Value]) {
    let (name, method, endpoint, outcome) = step;
    assert_eq!(told["step"], *name);
    let mine: Vec<&Value> = records.iter().filter(|r| r["correlation_id"] == told["correlation_id"]).collect();
    assert_eq!(mine.len(), 1, "{name}: one exchange is one record: {mine:?}");
    let record = mine[0];
    let expected = json!({
        "system": "ERP", "direction": "outbound", "endpoint": endpoint, "method": method, "outcome": outcome,
        "status_code": told["status"], "integration": "erp", "upstream": "freshsales", "kind": "proxy",
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&record[field], value, "{name}: {field} of {record}");
    }
    assert!(record["duration_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{record}");
    assert_eq!(record["payload_size_bytes"].as_u64().is_some_and(|n| n > 0), *method != "GET", "{record}");
}

/// `vigie log` finds the exchange that the log file has; the history is written in batches of its own.
async fn assert_history(agent: &TestAgent, correlation_id: &str) {
    let found = eventually("the exchange in the history", DEADLINE, || async {
        Some(agent.search(&["--correlation-id", correlation_id])).filter(|found| !found.is_empty())
    })
    .await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["correlation_id"], &found[0]["endpoint"]), (&json!(correlation_id), &json!("/api/deals")));
}

/// None of what the client sent in confidence stands in any file of the agent, its output, or its metrics.
async fn assert_nothing_planted(agent: &TestAgent, planted: &Value) {
    let metrics = agent.admin_text("/metrics").await;
    let mut written = vec![("metrics".to_owned(), metrics.into_bytes())];
    read_all(agent.home().path(), &mut written);
    assert!(written.iter().any(|(name, _)| name.ends_with("exchanges.log")), "the log was not looked at");
    let words = planted.as_array().expect("a list");
    assert!(words.len() >= 5, "nothing was planted");
    for word in words.iter().map(|word| word.as_str().expect("a text")) {
        for (name, bytes) in &written {
            assert!(memchr::memmem::find(bytes, word.as_bytes()).is_none(), "{word:?} stands in {name}");
        }
    }
}

fn read_all(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            read_all(&entry, found);
        } else if let Ok(bytes) = std::fs::read(&entry) {
            // A file that was rotated away between the two calls holds nothing any more.
            found.push((entry.display().to_string(), bytes));
        }
    }
}
