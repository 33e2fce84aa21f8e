//! WebSockets between programs nobody here wrote, in plain text and TLS.

use crate::proxy::support::{assert_fields, metric};
use crate::support::tls::Authority;
use crate::support::{DEADLINE, Process, TestAgent, eventually, peers, tree};
use serde_json::{Value, json};

const MESSAGES: u64 = 40;

fn server(arguments: &[&str], home: &tempfile::TempDir) -> Process {
    let script = tree::root().join("tests/peers/websocket.py").display().to_string();
    let words: Vec<&str> = [script.as_str(), "serve"].iter().chain(arguments).copied().collect();
    Process::start(&peers::program("VIGIE_TEST_PYTHON"), words, &home.path().join("output"))
}

async fn exchange(agent: &TestAgent, scheme: &str, ca_file: &[&str]) {
    let uri = format!("{scheme}://{}/live", agent.proxy_address());
    let messages = MESSAGES.to_string();
    let arguments: Vec<&str> = ["call", &uri, &messages].iter().chain(ca_file).copied().collect();
    let told = peers::script("VIGIE_TEST_PYTHON", "websocket.py", &arguments).await;
    assert_eq!(serde_json::from_str::<Value>(told.trim()).expect("JSON")["exchanged"], MESSAGES);
    let record = eventually("the record", DEADLINE, || async { agent.log_records().pop() }).await;
    assert_fields(&record, json!({ "status_code": 101, "outcome": "ok", "attempts": 1 }));
    for field in ["payload_size_bytes", "response_size_bytes"] {
        assert!(record[field].as_u64().is_some_and(|bytes| bytes > MESSAGES / 2 * 70_000), "{record}");
    }
    assert_eq!(metric(agent, "vigie_upgraded_connections", &[]).await, 0.0);
}

#[tokio::test]
async fn messages_pass_both_ways() {
    let home = tempfile::tempdir().expect("a directory");
    let mut serving = server(&[], &home);
    let port = serving.told("listening on ", " ").await;
    let changes = json!({ "upstreams": { "freshsales": { "upgrades": ["websocket"] } } });
    let agent = TestAgent::start(&format!("http://127.0.0.1:{port}"), changes).await;
    exchange(&agent, "ws", &[]).await;
}

#[tokio::test]
async fn also_where_both_sides_would_rather_speak_http2() {
    let (home, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
    let (pair, ca_file) = (authority.good("server"), authority.file().display().to_string());
    let files = [pair.certificate_file.display().to_string(), pair.key_file.display().to_string()];
    let mut serving = server(&[&files[0], &files[1]], &home);
    let port = serving.told("listening on ", " ").await;
    let tls = json!({ "certificate_file": pair.certificate_file, "key_file": pair.key_file });
    let changes = json!({
        "proxy": { "listeners": [{ "address": "127.0.0.1:0", "tls": tls }] },
        "upstreams": { "freshsales": { "upgrades": ["websocket"], "tls": { "ca_file": ca_file } } },
    });
    let agent = TestAgent::start(&format!("https://127.0.0.1:{port}"), changes).await;
    exchange(&agent, "wss", &[&ca_file]).await;
}
