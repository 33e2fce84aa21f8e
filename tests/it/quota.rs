//! The count that stands in for a vendor that tells no quota.

use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use serde_json::{Value, json};

fn changes(history: bool) -> Value {
    json!({
        "upstreams": { "freshsales": { "quota": { "limit": 100, "window": "1h" } } },
        "history": { "enabled": history },
    })
}

async fn call(agent: &TestAgent, times: usize) {
    for _ in 0..times {
        client().get(format!("{}/api/contacts/7", agent.proxy_url())).send().await.expect("an answer");
    }
}

/// Waits until so much is left, by this source.
async fn left(agent: &TestAgent, remaining: f64, source: &str) {
    let source = format!("source=\"{source}\"");
    let what = format!("{remaining} left, {source}");
    eventually(&what, DEADLINE, || async {
        let here = agent.metric("vigie_quota_remaining", "window=\"hour\"").await == remaining;
        (here && agent.metric("vigie_quota_source", &source).await == 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_count_outlives_a_restart() {
    let crm = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&crm.url(), changes(true)).await;
    call(&agent, 3).await;
    left(&agent, 97.0, "counted").await;
    let home = agent.home();
    assert!(agent.stop().await.success());
    let agent = TestAgent::start_in(home, &crm.url(), changes(true)).await;
    left(&agent, 97.0, "counted").await;
    call(&agent, 1).await;
    left(&agent, 96.0, "counted").await;
}

#[tokio::test]
async fn without_a_history_the_count_says_that_it_began_with_the_agent() {
    let crm = Origin::json(200, "{}").await;
    let agent = TestAgent::start(&crm.url(), changes(false)).await;
    call(&agent, 2).await;
    left(&agent, 98.0, "counted_since_start").await;
}
