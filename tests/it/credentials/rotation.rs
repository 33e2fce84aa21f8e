//! Keys change while the agent runs, and a wrong one changes nothing.

use super::{get, holding, last, sent};
use crate::proxy::support::metric;
use crate::support::agent::vigie;
use crate::support::origin::json as answer;
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;

fn from(file: &Path) -> String {
    format!("file:{}", file.display())
}

/// The fingerprint of the key in force.
async fn fingerprint(agent: &TestAgent) -> String {
    let page = agent.admin_text("/metrics").await;
    let mut lines = page.lines().filter(|line| line.starts_with("vigie_credential_info{"));
    let line = lines.next().expect("a credential");
    assert_eq!(lines.next(), None, "{page}");
    line.split("fingerprint=\"").nth(1).expect("a fingerprint")[..16].to_owned()
}

#[tokio::test]
async fn a_new_key_is_used_by_the_next_call_and_the_old_one_ends_what_it_began() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = dir.path().join("key");
    std::fs::write(&key, "the-first-key\n").expect("a file");
    let (held, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arrived, go) = (Arc::clone(&held), Arc::clone(&release));
    let origin = Origin::http(move |request: Request<Body>| {
        let (arrived, go) = (Arc::clone(&arrived), Arc::clone(&go));
        async move {
            if request.uri().path() == "/api/deals/9" {
                arrived.notify_one();
                go.notified().await;
            }
            answer(200, "{}")
        }
    })
    .await;
    let agent = holding(&origin, &from(&key), json!({ "proxy": { "workers": 1 } })).await;
    let (client, url) = (client(), agent.proxy_url());
    let ask = |path: &str| client.get(format!("{url}{path}")).send();
    assert_eq!(ask("/api/deals/1").await.expect("an answer").status(), 200);
    let (first, before) = (fingerprint(&agent).await, connections(&agent).await);
    let slow = tokio::spawn(ask("/api/deals/9"));
    held.notified().await;

    std::fs::write(&key, "the-second-key\n").expect("a file");
    eventually("the new key", DEADLINE, || async {
        ask("/api/deals/1").await.expect("an answer");
        (last(&origin, "authorization") == ["Token token=the-second-key"]).then_some(())
    })
    .await;
    assert_ne!(fingerprint(&agent).await, first, "which key it is can be seen");
    // The slow call holds the first one.
    assert_eq!(connections(&agent).await, before + 1.0, "callers' connections stay");
    release.notify_one();
    assert_eq!(slow.await.expect("no panic").expect("an answer").status(), 200);

    // Two lines are no header's value.
    std::fs::write(&key, "the-third-key\nand more").expect("a file");
    eventually("the refusal", DEADLINE, || async {
        (metric(&agent, "vigie_config_last_reload_successful", &[]).await == 0.0).then_some(())
    })
    .await;
    assert_eq!(ask("/api/deals/1").await.expect("an answer").status(), 200);
    assert_eq!(last(&origin, "authorization"), ["Token token=the-second-key"]);
    std::fs::remove_file(&key).expect("removed");
    agent.reconfigure(json!({}));
    eventually("what is wrong", DEADLINE, || async { agent.output().contains("does not exist").then_some(()) }).await;
    ask("/api/deals/1").await.expect("an answer");
    assert_eq!(last(&origin, "authorization"), ["Token token=the-second-key"]);
    let told = agent.output() + &agent.admin_text("/metrics").await;
    for secret in ["the-first-key", "the-second-key", "the-third-key"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

async fn connections(agent: &TestAgent) -> f64 {
    metric(agent, "vigie_worker_accepted_connections_total", &[]).await
}

#[tokio::test]
async fn what_a_reload_would_change_is_told_without_the_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, key: &str| {
        let text = json!({ "upstreams": { "crm": { "vendor": "freshsales", "url": "https://acme.example",
            "access": { "authenticate": "off_loopback" }, "credential": { "key": key } } } });
        let path = dir.path().join(name);
        std::fs::write(&path, text.to_string()).expect("a file");
        path
    };
    let (old, new) = (file("old.yaml", "the-first-key"), file("new.yaml", "the-second-key"));
    let output =
        vigie(&["check-config".as_ref(), "--output".as_ref(), "json".as_ref(), "--config".as_ref(), new.as_os_str()])
            .arg("--against")
            .arg(&old)
            .output()
            .expect("the program starts");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["changes"], json!([{ "key": "upstreams.crm.credential.key", "restart": false }]));
    let all = format!("{output:?}");
    assert!(!all.contains("the-first-key") && !all.contains("the-second-key"), "{all}");
}

#[tokio::test]
async fn a_fingerprint_is_the_same_whoever_sends_the_key() {
    let origin = Origin::json(200, "{}").await;
    let open =
        json!({ "upstreams": { "open": { "vendor": "freshsales", "url": origin.url(), "path_prefix": "/open" } } });
    let agent = holding(&origin, "the-held-key", open).await;
    sent(get(&agent, "/open/api/deals/1").header("authorization", "Token token=the-held-key")).await;
    let held = fingerprint(&agent).await;
    eventually("the caller in the list", DEADLINE, || async {
        agent.admin_text("/api/v1/callers").await.contains(&held).then_some(())
    })
    .await;
}
